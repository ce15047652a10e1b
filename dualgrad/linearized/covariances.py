"""Covariances as they are given, read as rows of a factor: Σ = Rᵀ R, each row a direction."""

import numpy as np

from ..backend import to_numpy
from ..dual import Dual, primal
from ..errors import NonFiniteError, ShapeError
from ..inputs import as_input
from ..tree import is_container


class FactorMatrix:
    """A factor that is a matrix."""

    deviations = None

    def __init__(self, matrix):
        self.matrix, self.count = matrix, len(matrix)

    def part(self, start, stop):
        return self.matrix[start:stop]


class FactorDiagonal:
    """That of independent entries, which is never written out; entries that do not vary have no row."""

    def __init__(self, deviations):
        self.places = np.flatnonzero(to_numpy(primal(deviations)))
        self.deviations, self.count = deviations, len(self.places)

    def part(self, start, stop):
        at = self.places[start:stop]
        found = np.zeros_like(self.deviations, shape=(stop - start, len(self.deviations)))
        found[np.arange(stop - start), at] = self.deviations[at]
        return found


def in_rows(cov, factor, x, layout):
    """The factor of what is given for x: a covariance, variances, or F with Σ = F Fᵀ."""
    if (cov is None) == (factor is None):
        raise TypeError(
            "propagate takes cov=, a covariance or variances, or factor=, an F with F Fᵀ for it: one of both"
        )
    n = layout.size
    if factor is not None:
        factor = as_input(factor, "propagate", "a factor", "biuf")
        if factor.ndim != 2 or factor.shape[0] != n:
            raise ShapeError(f"factor has shape {factor.shape}; expected ({n}, r), a row for each of the entries of x")
        _require_finite(factor, "factor")
        return FactorMatrix(factor.T)
    if is_container(x) and is_container(cov):
        cov = layout.vector(cov, "cov, variances like x unless it is one array,")
    cov = as_input(cov, "propagate", "a cov", "biuf")
    if cov.shape == (n, n) and n != 1:
        return FactorMatrix(_factorized(cov, layout))
    shapes = [(n,)] if is_container(x) else [(n,), np.shape(x)]
    if cov.size == n and (cov.shape in shapes or n == 1):
        return FactorDiagonal(_deviations(cov.reshape(-1), layout))
    raise ShapeError(
        f"cov has shape {cov.shape}; expected ({n}, {n}), the covariance of the entries of x, or the variances of "
        f"independent ones: ({n},), or like x"
    )


def _require_finite(given, what):
    if not np.all(np.isfinite(to_numpy(primal(given)))):
        raise NonFiniteError(f"{what} has NaN or infinite entries; expected finite ones")


def _require_variances(variances, layout):
    """Raise for a negative one."""
    if np.any(variances < 0):
        worst = int(np.argmin(variances))
        raise ValueError(
            f"cov has the variance {variances[worst]:.3g} at entry {layout.entry(worst) or worst}; expected none "
            "negative"
        )


def _deviations(variances, layout):
    _require_finite(variances, "cov")
    found = to_numpy(primal(variances)).astype(np.float64)
    _require_variances(found, layout)
    if isinstance(variances, Dual) and not np.all(found):
        raise ValueError("cov carries a tangent and has a variance of 0, where √ has no derivative: give factor=")
    return np.sqrt(variances if isinstance(variances, Dual) else found)


def _factorized(cov, layout):
    """Rᵀ R = Σ by Cholesky's method, or from the eigenvectors where Σ is singular; units do not count."""
    _require_finite(cov, "cov")
    plain = to_numpy(primal(cov))
    eps = np.finfo(plain.dtype if plain.dtype.kind == "f" else np.float64).eps
    plain = plain.astype(np.float64)
    variances = np.diagonal(plain)
    _require_variances(variances, layout)
    unit = np.sqrt(np.where(variances > 0, variances, 1))
    Z = plain / unit[:, None] / unit
    off = np.abs(Z - Z.T)
    if np.any(off > eps**0.5):
        i, j = sorted(map(int, np.unravel_index(np.argmax(off), off.shape)))
        raise ValueError(
            f"cov is not symmetric: it has {plain[i, j]:.6g} at {[i, j]} and {plain[j, i]:.6g} at {[j, i]}; "
            "a factor F with F Fᵀ for the covariance is given as factor="
        )
    still = variances == 0
    if np.any(plain[still] != 0):
        k = int(np.argmax(still & np.any(plain != 0, axis=1)))
        raise ValueError(f"cov has the variance 0 at entry {layout.entry(k) or k}, and covariances with others there")
    Z = (Z + Z.T) / 2
    try:
        rows = np.linalg.cholesky(Z).T * unit
    except np.linalg.LinAlgError:
        rows = _of_rank(Z, eps) * unit
        if isinstance(cov, Dual):
            raise ValueError(
                "cov carries a tangent and is singular, where its factor has no derivative: give factor="
            ) from None
    if isinstance(cov, Dual):
        rows = np.linalg.cholesky((cov + cov.T) / 2 / unit[:, None] / unit).T * unit
    return rows


def _of_rank(Z, eps):
    """As many rows as a positive semi-definite matrix of correlations has rank."""
    eigenvalues, vectors = np.linalg.eigh(Z)
    if eigenvalues[0] < -(eps**0.5):
        raise ValueError(
            f"cov is no covariance: its matrix of correlations has the eigenvalue {eigenvalues[0]:.3g}; expected none "
            "negative"
        )
    kept = eigenvalues > len(Z) * eps * eigenvalues[-1]
    return (vectors[:, kept] * np.sqrt(eigenvalues[kept])).T
