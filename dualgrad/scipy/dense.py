"""``scipy.linalg``: functions of dense matrices that NumPy has as well, with SciPy's settings."""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg as sl

from ..backend import Array
from ..coincidence.matrices import ct
from ..dispatch import dispatched
from ..dual import primal
from ..rules.declare import composite

Assumed: TypeAlias = str | None
_SYMMETRIC, _HERMITIAN = {"sym", "symmetric"}, {"her", "hermitian", "pos", "positive definite"}

# ---------------------------------------------------------------------- the entries that a function reads


def hermitian_of(a, lower, conj=np.conj):
    """The Hermitian matrix, or the symmetric one, of which ``a`` has the upper triangle, or the lower."""
    half = np.tril(a, -1) if lower else np.triu(a, 1)
    half = half + np.tril(np.triu(a)) / 2
    return half + np.swapaxes(conj(half), -1, -2)


def as_lapack_takes(a):
    """``a`` in double precision where it is in a higher one, which LAPACK lacks, as SciPy takes it."""
    dtype = np.asarray(primal(a)).dtype
    return a if dtype.char not in "gG" else a.astype(complex if dtype.char == "G" else float)


def as_assumed(a, kind, lower):
    """The matrix that SciPy takes ``a`` for."""
    if kind in _SYMMETRIC or kind in _HERMITIAN:
        return hermitian_of(a, lower, np.conj if kind in _HERMITIAN else np.positive)
    if kind in ("upper triangular", "lower triangular"):
        return np.triu(a) if kind.startswith("upper") else np.tril(a)
    if kind in ("diagonal", "tridiagonal"):
        width = int(kind == "tridiagonal")
        return np.triu(np.tril(a, width), -width)
    return a


# ---------------------------------------------------------------------- systems, inverses, determinants


@dispatched
def solve(
    a: ArrayLike,
    b: ArrayLike,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: Assumed = None,
    transposed: bool = False,
) -> Array:
    """The solution X of A X = B. Of what ``assume_a`` makes the solver skip, the tangents are skipped too.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.solve(t * np.eye(2), np.ones(2), assume_a="pos"))(2.0)
    array([-0.25, -0.25])
    """
    named = {} if assume_a is None else {"assume_a": assume_a}
    return sl.solve(a, b, lower=lower, check_finite=check_finite, transposed=transposed, **named)


def _solve_of(a, b, lower, overwrite_a, overwrite_b, check_finite, assume_a, transposed):
    a, b = as_assumed(as_lapack_takes(a), assume_a, lower), as_lapack_takes(b)
    return np.linalg.solve(np.swapaxes(a, -1, -2) if transposed else a, b)


@dispatched
def inv(
    a: ArrayLike,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: Assumed = None,
    lower: bool = False,
) -> Array:
    """The inverse of square matrices.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.inv(t * np.eye(1)))(2.0)
    array([[-0.25]])
    """
    named = {} if assume_a is None else {"assume_a": assume_a, "lower": lower}  # of SciPy 1.17
    return sl.inv(a, check_finite=check_finite, **named)


def _inv_of(a, overwrite_a, check_finite, *, assume_a=None, lower=False):
    return np.linalg.inv(as_assumed(a, assume_a, lower))


@dispatched
def det(a: ArrayLike, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The determinant of square matrices.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> print(dg.derivative(lambda t: linalg.det(t * np.eye(2)))(2.0))
    4.0
    """
    return sl.det(a, check_finite=check_finite)


@dispatched
def norm(a: ArrayLike, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    """The norm of a vector or matrix, with the orders of np.linalg.norm; its derivative at 0 is 0.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.grad(linalg.norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    return sl.norm(a, ord, axis, keepdims, check_finite)


composite(solve, _solve_of)
composite(inv, _inv_of)
composite(det, lambda a, overwrite_a, check_finite: np.linalg.det(a))
composite(norm, lambda a, ord, axis, keepdims, check_finite: np.linalg.norm(a, ord, axis, keepdims))

# ---------------------------------------------------------------------- matrices of few numbers


@dispatched
def toeplitz(c: ArrayLike, r: ArrayLike | None = None) -> Array:
    """The matrix with first column c, and first row r, or c conjugated, whose diagonals are constant.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.toeplitz(np.array([1.0, t, t * t], like=t)))(3.0)
    array([[0., 1., 6.],
           [1., 0., 1.],
           [6., 1., 0.]])
    """
    return sl.toeplitz(c, r)


def _toeplitz(c, r):
    r = np.conj(c) if r is None else r
    if np.ndim(c) != 1 or np.ndim(r) != 1:
        raise NotImplementedError(f"toeplitz of Duals got shapes {np.shape(c)} and {np.shape(r)}; expected vectors")
    rows, columns = np.shape(c)[0], np.shape(r)[0]
    place = rows - 1 - np.arange(rows)[:, None] + np.arange(columns)
    return np.concatenate([c[::-1], r[1:]])[place]


@dispatched
def block_diag(*arrs: ArrayLike) -> Array:
    """The matrix with the given ones along its diagonal.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.block_diag(t * np.eye(1), 5.0))(1.0)
    array([[1., 0.],
           [0., 0.]])
    """
    return sl.block_diag(*arrs)


def _block_diag(*arrs):
    arrs = [np.atleast_2d(a) for a in arrs]
    if any(np.ndim(a) > 2 for a in arrs):
        raise NotImplementedError("block_diag of Duals got stacks of matrices; expected single ones")
    width, at, rows = sum(np.shape(a)[1] for a in arrs), 0, []
    for a in arrs:
        height, own = np.shape(a)
        zeros = lambda n, height=height, a=a: np.zeros((height, n), primal(a).dtype)  # noqa: E731
        rows.append(np.concatenate([zeros(at), a, zeros(width - at - own)], 1))
        at += own
    return np.concatenate(rows)


composite(toeplitz, _toeplitz)
composite(block_diag, _block_diag)

# ---------------------------------------------------------------------- factors


@dispatched
def cholesky(a: ArrayLike, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """The factor U of A = Uᴴ U, or L of A = L Lᴴ, from the triangle of that name alone.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.cholesky(t * np.eye(1)))(4.0)
    array([[0.25]])
    """
    return sl.cholesky(a, lower=lower, check_finite=check_finite)


@dispatched
def cho_factor(
    a: ArrayLike, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, bool]:
    """The same factor for `cho_solve`, and whether it is the lower one; the other triangle is that of ``a``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.cho_solve(linalg.cho_factor(t * np.eye(1)), np.ones(1)))(2.0)
    array([-0.25])
    """
    return sl.cho_factor(a, lower=lower, check_finite=check_finite)


def _cholesky_of(a, lower, *settings):
    return np.linalg.cholesky(a, upper=not lower)


def _cho_factor(a, lower, *settings):
    return _cholesky_of(a, lower) + (np.triu(a, 1) if lower else np.tril(a, -1)), lower


composite(cholesky, _cholesky_of)
composite(cho_factor, _cho_factor)

Driver: TypeAlias = Literal["ev", "evd", "evr", "evx", "gv", "gvd", "gvx"] | None


@dispatched
def eigh(
    a: ArrayLike,
    b: ArrayLike | None = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: Driver = None,
) -> Any:
    """The eigenvalues and eigenvectors of Hermitian matrices; with b those of A v = λ B v.

    Raises
    ------
    NotImplementedError
        For Duals with ``type`` 2 or 3, with ``subset_by_value``, and where SciPy's eigenvectors span an eigenspace of
        several dimensions in another way than NumPy's: np.linalg.eigh knows such cases.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import linalg
    >>> dg.derivative(lambda t: linalg.eigh(np.array([[0.0, t], [t, 0.0]], like=t), eigvals_only=True))(2.0)
    array([-1.,  1.])
    """
    return sl.eigh(
        a, b, lower=lower, eigvals_only=eigvals_only, type=type, check_finite=check_finite,
        subset_by_index=subset_by_index, subset_by_value=subset_by_value, driver=driver,
    )  # fmt: skip


def _eigh_of(a, b, *, lower=True, eigvals_only=False, type=1, subset_by_index=None, subset_by_value=None, **settings):
    if type != 1 or subset_by_value is not None:
        raise NotImplementedError("eigh of Duals takes type=1, and eigenvalues by subset_by_index, not by value")
    plain = {"lower": lower, "subset_by_index": subset_by_index}
    known = None if eigvals_only else sl.eigh(primal(a), primal(b), **plain)[1]
    of, factor = hermitian_of(as_lapack_takes(a), lower), None
    if b is not None:
        factor = np.linalg.cholesky(hermitian_of(as_lapack_takes(b), lower))
        of = ct(np.linalg.solve(factor, ct(np.linalg.solve(factor, of))))
    first, last = (0, np.shape(a)[-1] - 1) if subset_by_index is None else subset_by_index
    if eigvals_only:
        return np.linalg.eigvalsh(of)[..., first : last + 1]
    values, vectors = np.linalg.eigh(of)
    vectors = vectors if factor is None else np.linalg.solve(ct(factor), vectors)
    vectors = vectors[..., first : last + 1]
    return values[..., first : last + 1], vectors * _scipy_phases(primal(vectors), known)


def _scipy_phases(ours, known):
    """The numbers of size 1 by which our eigenvectors are SciPy's."""
    overlap = np.sum(np.conj(ours) * known, -2, keepdims=True)
    size, norms = np.abs(overlap), np.sum(np.abs(ours) ** 2, -2, keepdims=True)
    if np.any(size < (1 - 1e-4) * norms):
        raise NotImplementedError(
            "eigh of a Dual with eigenvalues that coincide, of which SciPy's eigenvectors are not NumPy's: write "
            "np.linalg.eigh, or eigvals_only=True"
        )
    return (overlap / size).astype(ours.dtype)


composite(eigh, _eigh_of)
