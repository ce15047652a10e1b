"""``scipy.linalg``: functions of matrices, and the solutions of triangular, factored and Sylvester equations.

Banded systems stand in `banded`, what NumPy has as well in `dense`.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg as sl

from ..backend import Array
from ..dispatch import dispatched
from ..dual import Dual, lead_of, primal
from ..rules.absorb import quietly
from ..rules.declare import composite, explicit, nested_as, register_rule
from ..rules.lead import each_direction
from ..vectors import identity
from .banded import solve_banded, solveh_banded
from .dense import block_diag, cho_factor, cholesky, det, eigh, inv, norm, solve, toeplitz
from .shared import others, solution

__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "det", "eigh", "expm", "inv", "logm", "lu_factor", "lu_solve",
    "norm", "solve", "solve_banded", "solve_sylvester", "solve_triangular", "solveh_banded", "sqrtm", "toeplitz",
]  # fmt: skip
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


@dispatched
def logm(A: ArrayLike) -> Array:
    """The principal logarithm of a matrix.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.logm(t * np.eye(2)))(4.0)
    array([[0.25, 0.  ],
           [0.  , 0.25]])
    """
    return sl.logm(A)


def _along_block(function, a, da, lead):
    """The upper right block of f [[A, dA], [0, A]] (Najfeld and Havel 1995; Higham 2008, theorem 3.6)."""
    n = a.shape[-1]
    a = np.broadcast_to(a, lead + a.shape)
    rows = np.concatenate([a, da], -1), np.concatenate([np.zeros_like(primal(da)), a], -1)
    return function(np.concatenate(rows, -2))[..., :n, n:]


@explicit(expm)
def expm_rule(a, da, lead):
    """By the block, of all directions at once."""
    return expm(a), _along_block(expm, a, da, lead)


@explicit(logm)
def logm_rule(a, da, lead):
    """By the block, of one direction after the other."""
    along = lambda d: _along_block(logm, a, d, ())  # noqa: E731
    return logm(a), each_direction(along, da) if lead else along(da)


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


@dispatched
def lu_factor(a: ArrayLike, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, Array]:
    """The factors of A = P L U in one square matrix, L without its diagonal of ones, and the row exchanges.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.lu_solve(linalg.lu_factor(t * np.eye(1)), np.ones(1)))(2.0)
    array([-0.25])
    """
    return sl.lu_factor(a, check_finite=check_finite)


def _lu_factor(a, overwrite_a, check_finite):
    if np.ndim(a) != 2 or np.shape(a)[0] != np.shape(a)[1]:
        raise NotImplementedError(f"lu_factor of Duals got shape {np.shape(a)}; expected one square matrix")
    lead = lead_of(a)
    lu, piv = lu_factor(a.primal, check_finite=check_finite)
    d = quietly(_lu_tangent, lu, a.tangent[..., _row_order(piv), :])
    return Dual(lu, nested_as(lu, np.reshape(d, lead + lu.shape).astype(lu.dtype)), a.level), piv


def _lu_tangent(lu, da):
    """L tril(M, -1) + triu(M) U with M = L⁻¹ dA U⁻¹."""
    lower, upper = np.tril(lu, -1) + identity(lu.shape[-1], primal(lu)), np.triu(lu)
    m = np.linalg.solve(lower, da)
    m = np.swapaxes(np.linalg.solve(np.swapaxes(upper, -1, -2), np.swapaxes(m, -1, -2)), -1, -2)
    return np.matmul(lower, np.tril(m, -1)) + np.matmul(np.triu(m), upper)


register_rule([lu_factor], "explicit", _lu_factor)


def _row_order(piv):
    """The rows of A in the order of L U, from the exchanges."""
    order = list(range(len(piv)))
    for i, j in enumerate(np.asarray(piv, int)):
        order[i], order[j] = order[j], order[i]
    return order


def _cho_solve(c_and_lower, b, check_finite):
    c, lower = c_and_lower
    for trans in (0, 2) if lower else (2, 0):
        b = solve_triangular(c, b, trans, lower, False, check_finite)
    return b


def _lu_solve(lu_and_piv, b, trans, check_finite):
    lu, piv = lu_and_piv
    order = _row_order(piv)
    if not trans:
        y = solve_triangular(lu, b[order], 0, True, True, check_finite)
        return solve_triangular(lu, y, 0, False, False, check_finite)
    y = solve_triangular(lu, b, trans, False, False, check_finite)
    return solve_triangular(lu, y, trans, True, True, check_finite)[np.argsort(order)]


composite(cho_solve, _cho_solve)
composite(lu_solve, _lu_solve)
