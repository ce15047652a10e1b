"""``scipy.linalg``: banded systems, of which a factorization takes n (l + u)² operations instead of n³."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg as sl

from ..backend import Array
from ..dispatch import dispatched
from ..dual import Dual
from ..rules.absorb import parts, quietly
from ..rules.declare import composite, nested_as, refuse_others, register_rule, top_level
from .columns import by_columns


@dispatched
def solve_banded(
    l_and_u: tuple[int, int],
    ab: ArrayLike,
    b: ArrayLike,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """The solution x of A x = b for a matrix A with l diagonals below the main one and u above it.

    Row u + i - j of ``ab`` has A[i, j] in column j: shape (l + u + 1, n). The K directions of a jvp are more columns of
    one solution: A dx = db - dA x. ``overwrite_ab`` and ``overwrite_b`` are permissions, of which no use is made.

    Raises
    ------
    NotImplementedError
        For a Dual among stacks of matrices, or in ``l_and_u``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> heat = lambda k: linalg.solve_banded((1, 1), k * np.array([[0, -1, -1], [2, 2, 2], [-1, -1, 0]]), np.ones(3))
    >>> dg.derivative(heat)(1.0)
    array([-1.5, -2. , -1.5])
    """
    return sl.solve_banded(l_and_u, ab, b, check_finite=check_finite)


def _solve_banded(l_and_u, ab, b, overwrite_ab, overwrite_b, check_finite):
    refuse_others(solve_banded, (l_and_u,), {}, 0)
    if np.ndim(ab) != 2 or np.ndim(b) > 2:
        raise NotImplementedError(
            f"solve_banded of Duals got ab of shape {np.shape(ab)} and b of shape {np.shape(b)}; expected one matrix "
            "(l + u + 1, n), and a vector (n,) or columns (n, r): call it for one matrix at a time"
        )
    level, lead = top_level((ab, b))
    (ab, dab), (b, db) = parts(ab, level), parts(b, level)
    x = solve_banded(l_and_u, ab, b, check_finite=check_finite)
    dx = quietly(_solution_tangent, l_and_u, ab, x, dab, db, lead)
    return Dual(x, nested_as(x, dx.astype(x.dtype)), level)


def _solution_tangent(l_and_u, ab, x, dab, db, lead):
    vector = np.ndim(x) == 1
    rest = 0
    if db is not None:
        rest = db[..., None] if vector else db
    if dab is not None:
        rest = rest - banded_product(l_and_u, dab, x[:, None] if vector else x)
    dx = by_columns(lambda d: solve_banded(l_and_u, ab, d, check_finite=False), rest, lead)
    return dx[..., 0] if vector else dx


def banded_product(l_and_u, ab, x):
    """A X for matrices (..., l + u + 1, n) of diagonals and columns (n, r), diagonal by diagonal."""
    below, above = l_and_u
    n, total = np.shape(x)[0], 0
    for k in range(max(-below, 1 - n), min(above, n - 1) + 1):
        total = total + shifted_in(ab[..., above - k, :, None] * x, -k, -2)
    return total


def shifted_in(x, by, axis):
    """x moved along an axis by a number of places to the back, or to the front; zeros come in."""
    x = np.moveaxis(x, axis, -1)
    zeros = np.zeros_like(x[..., : abs(by)])
    x = np.concatenate([x[..., -by:], zeros] if by < 0 else [zeros, x[..., : x.shape[-1] - by]], -1)
    return np.moveaxis(x, -1, axis)


register_rule([solve_banded], "explicit", _solve_banded)


@dispatched
def solveh_banded(
    ab: ArrayLike,
    b: ArrayLike,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    lower: bool = False,
    check_finite: bool = True,
) -> Array:
    """The solution x of A x = b for a positive definite A, of which ``ab`` has the upper diagonals, or the lower.

    Its tangents are those of `solve_banded` for the whole of A.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda k: linalg.solveh_banded(k * np.array([[2.0, 2], [-1, 0]]), np.ones(2), lower=True))(1.0)
    array([-1., -1.])
    """
    return sl.solveh_banded(ab, b, lower=lower, check_finite=check_finite)


def _solveh_banded(ab, b, overwrite_ab, overwrite_b, lower, check_finite):
    count = np.shape(ab)[0] - 1
    main = 0 if lower else count
    given = [np.real(ab[k]) if k == main else ab[k] for k in range(count + 1)]  # the diagonal counts as real
    if lower:  # row k has A[j + k, j] in column j
        rows = [shifted_in(np.conj(given[k]), k, 0) for k in range(count, 0, -1)] + given
    else:
        rows = given + [shifted_in(np.conj(given[count - k]), -k, 0) for k in range(1, count + 1)]
    return solve_banded((count, count), np.stack(rows), b, check_finite=check_finite)


composite(solveh_banded, _solveh_banded)
