"""``scipy.linalg``: functions of matrices, and the solutions of triangular, factored and Sylvester equations."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg as sl

from ..backend import Array
from ..dispatch import dispatched
from ..dual import primal
from ..rules.declare import composite, explicit
from ..rules.lead import each_direction
from .shared import others, solution

__all__ = ["cho_solve", "expm", "lu_solve", "solve_sylvester", "solve_triangular", "sqrtm"]
__getattr__ = others(sl)

# ---------------------------------------------------------------------- functions of matrices


@dispatched
def expm(A: ArrayLike) -> Array:
    """The exponential of square matrices.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.expm(t * np.array([[0.0, 1.0], [0.0, 0.0]])))(0.0)
    array([[0., 1.],
           [0., 0.]])
    """
    return sl.expm(A)


@explicit(expm)
def expm_rule(a, da, lead):
    """The upper right block of exp [[A, dA], [0, A]] (Najfeld and Havel 1995)."""
    y, n = expm(a), a.shape[-1]
    a = np.broadcast_to(a, lead + a.shape)
    rows = np.concatenate([a, da], -1), np.concatenate([np.zeros_like(primal(da)), a], -1)
    return y, expm(np.concatenate(rows, -2))[..., :n, n:]


@dispatched
def sqrtm(A: ArrayLike) -> Array:
    """The principal square root of a matrix.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.sqrtm(t * np.eye(2)))(4.0)
    array([[0.25, 0.  ],
           [0.  , 0.25]])
    """
    return sl.sqrtm(A)


@explicit(sqrtm)
def sqrtm_rule(a, da, lead):
    """Y dY + dY Y = dA (Higham 2008, section 6.1)."""
    y = sqrtm(a)
    along = lambda d: solve_sylvester(y, y, d)  # noqa: E731
    return y, each_direction(along, da) if lead else along(da)


# ---------------------------------------------------------------------- solutions: the equation, differentiated


@dispatched
def solve_sylvester(a: ArrayLike, b: ArrayLike, q: ArrayLike) -> Array:
    """The solution X of A X + X B = Q.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.solve_sylvester(t * np.eye(1), np.eye(1), np.eye(1)))(1.0)
    array([[-0.25]])
    """
    return sl.solve_sylvester(a, b, q)


@solution(solve_sylvester, 3)
def solve_sylvester_rule(x, args, da, db, dq):
    """A dX + dX B = dQ - dA X - X dB."""
    return solve_sylvester(*args[:2], dq - np.matmul(da, x) - np.matmul(x, db))


@dispatched
def solve_triangular(
    a: ArrayLike,
    b: ArrayLike,
    trans: Literal[0, 1, 2, "N", "T", "C"] = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    check_finite: bool = True,
) -> Array:
    """The solution x of A x = b, for the upper triangle A of a, or the lower; ``trans`` 1 and 2 transpose A.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.jacfwd(lambda b: linalg.solve_triangular(np.array([[2.0, 1.0], [0.0, 4.0]]), b))(np.ones(2))
    array([[ 0.5  , -0.125],
           [ 0.   ,  0.25 ]])
    """
    return sl.solve_triangular(a, b, trans, lower, unit_diagonal, check_finite=check_finite)


@solution(solve_triangular, 2)
def solve_triangular_rule(x, args, da, db):
    """A dx = db - dA x."""
    a, b, trans, lower, unit, _ = args
    da = np.tril(da, -int(unit)) if lower else np.triu(da, int(unit))
    da = da if trans in (0, "N") else np.swapaxes(da, -1, -2)
    da = np.conj(da) if trans in (2, "C") else da
    if np.ndim(b) == 1:
        return solve_triangular(a, (db[:, None] - np.matmul(da, x[..., None])), trans, lower, unit, False)[..., 0]
    return solve_triangular(a, db - np.matmul(da, x), trans, lower, unit, False)


@dispatched
def cho_solve(c_and_lower: tuple[ArrayLike, bool], b: ArrayLike, check_finite: bool = True) -> Array:
    """The solution of A x = b, given a factor of Cholesky, A = L Lᴴ or Uᴴ U, and whether it is the lower one.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda l: linalg.cho_solve((l * np.eye(1), True), np.ones(1)))(2.0)
    array([-0.25])
    """
    return sl.cho_solve(c_and_lower, b, check_finite=check_finite)


@dispatched
def lu_solve(
    lu_and_piv: tuple[ArrayLike, ArrayLike], b: ArrayLike, trans: Literal[0, 1, 2] = 0, check_finite: bool = True
) -> Array:
    """The solution of A x = b, given A = P L U and its row exchanges as ``scipy.linalg.lu_factor`` gives them.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda u: linalg.lu_solve((u * np.eye(1), [0]), np.ones(1)))(2.0)
    array([-0.25])
    """
    return sl.lu_solve(lu_and_piv, b, trans, check_finite=check_finite)


def _cho_solve(c_and_lower, b, check_finite):
    c, lower = c_and_lower
    for trans in (0, 2) if lower else (2, 0):
        b = solve_triangular(c, b, trans, lower, False, check_finite)
    return b


def _lu_solve(lu_and_piv, b, trans, check_finite):
    lu, piv = lu_and_piv
    order = list(range(len(piv)))
    for i, j in enumerate(piv):
        order[i], order[j] = order[j], order[i]
    if not trans:
        y = solve_triangular(lu, b[order], 0, True, True, check_finite)
        return solve_triangular(lu, y, 0, False, False, check_finite)
    y = solve_triangular(lu, b, trans, False, False, check_finite)
    return solve_triangular(lu, y, trans, True, True, check_finite)[np.argsort(order)]


composite(cho_solve, _cho_solve)
composite(lu_solve, _lu_solve)
