"""Distributions of vectors: the normal and Dirichlet's, in SciPy's notation."""

import inspect
from typing import Any

import numpy as np
from scipy import special as sp
from scipy.stats import Covariance

from ..dual import Dual, primal
from ..rules.declare import duals_in
from .distributions import Distribution
from .linalg import solve_triangular
from .tails import SQRT_2PI, digamma_gap

ACROSS = (
    "multivariate_normal got a singular covariance beside a Dual (allow_singular=True): it has a density on its "
    "support, and no derivatives across it: move x and mean along the support of a constant covariance, or give a "
    "regular one, with eigenvalues above 2e-10 times the largest"
)


def moves(x, bound):
    """Whether a tangent of any level is above a bound."""
    if not isinstance(x, Dual):
        return False
    return moves(x.primal, bound) or moves(x.tangent, bound) or bool(np.any(np.abs(primal(x.tangent)) > bound))


class MultivariateDistribution(Distribution):
    """A distribution of vectors; its functions have the signatures that SciPy's have, and squeeze what they return."""

    @property
    def parameters(self) -> inspect.Signature:
        return inspect.signature(self.of_scipy.__call__)

    def _signature(self, name: str) -> inspect.Signature:
        return inspect.signature(getattr(self.of_scipy, name))


class MultivariateNormal(MultivariateDistribution):
    """exp(-(x - μ)ᵀ Σ⁻¹ (x - μ) / 2) / √det 2πΣ, by the factor of Cholesky, of the lower triangle as SciPy does."""

    functions = ("pdf", "logpdf", "cdf", "logcdf")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.declared = (*self.declared, "marginal")

    def _factor(self, mean, cov):
        """The mean as a vector, and the factor of the covariance as a matrix."""
        mean, matrix = self._as_matrix(mean, cov)
        return mean, np.linalg.cholesky(self._regular(matrix))

    @staticmethod
    def _as_matrix(mean, cov):
        """The mean as a vector and the covariance as a matrix."""
        if isinstance(cov, Covariance):
            cov = cov.covariance
        cov = 1.0 if cov is None else cov
        if mean is None:
            mean = np.zeros(np.shape(cov)[0] if np.ndim(cov) == 2 else 1)
        mean = np.reshape(mean, -1)
        if np.ndim(cov) == 2 and np.shape(cov)[0] > 1:
            mean = np.broadcast_to(mean, np.shape(cov)[:1])
        n = np.shape(mean)[0]
        matrix = cov if np.ndim(cov) == 2 else np.reshape(cov, (-1, 1)) * np.eye(n)
        return mean, np.reshape(matrix, (n, n))

    @staticmethod
    def _is_singular(cov):
        """Whether SciPy would call it so."""
        sizes = np.abs(np.linalg.eigvalsh(primal(cov)))
        return sizes.size > 0 and np.min(sizes) <= 1e6 * np.finfo(np.float64).eps * np.max(sizes)

    def _regular(self, cov):
        """The covariance, refused where it is singular."""
        if self._is_singular(cov):
            raise NotImplementedError(ACROSS)
        return cov

    def _define_logpdf(self, x, mean, cov, allow_singular):
        mean, cov = self._as_matrix(mean, cov)
        n = np.shape(mean)[0]
        x = np.reshape(x, (-1, 1)) if np.ndim(x) < 2 and n == 1 else x
        gap = x - mean
        rows = np.reshape(gap, (-1, n)).T
        if isinstance(cov, np.ndarray) and self._is_singular(cov):
            white, log_volume = self._on_support(cov, rows)
        else:
            factor = np.linalg.cholesky(self._regular(cov))
            white = solve_triangular(factor, rows, lower=True, check_finite=False)
            log_volume = self._log_volume(factor, n)
        square = np.reshape(np.sum(white * white, 0), np.shape(gap)[:-1])
        return np.squeeze(-square / 2 - log_volume)

    def _on_support(self, cov, rows):
        """What a constant singular covariance makes of gaps that stay on its support, and the log volume there."""
        sizes, axes = np.linalg.eigh(cov)
        kept = np.abs(sizes) > 1e6 * np.finfo(np.float64).eps * np.max(np.abs(sizes))
        if moves(np.matmul(axes[:, ~kept].T, rows), 1e-12):
            raise NotImplementedError(ACROSS)
        scale = np.sqrt(sizes[kept])
        return np.matmul((axes[:, kept] / scale).T, rows), np.sum(np.log(scale)) + scale.size * np.log(SQRT_2PI)

    @staticmethod
    def _log_volume(factor, n):
        """log √det 2πΣ."""
        return np.sum(np.log(np.diagonal(factor))) + n * np.log(SQRT_2PI)

    def _define_pdf(self, *args):
        return np.exp(self._define_logpdf(*args))

    def _define_entropy(self, mean, cov):
        _, factor = self._factor(mean, cov)
        n = np.shape(factor)[0]
        return self._log_volume(factor, n) + n / 2

    def _define_cdf(self, *args, **kwargs):
        raise NotImplementedError(
            "multivariate_normal has no rule for cdf and logcdf, which SciPy integrates by random points: "
            "pass dg.primal(...) if their arguments are constants"
        )

    _define_logcdf = _define_cdf

    def marginal(self, dimensions: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """SciPy's marginal distribution of some dimensions, of Duals too.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> from dualgrad.scipy import stats
        >>> along = lambda v: stats.multivariate_normal.marginal(1, None, v * np.eye(2))
        >>> dg.derivative(lambda v: along(v).logpdf(0.0))(1.0)
        np.float64(-0.5)
        """
        plain = self.of_scipy.marginal(dimensions, primal(mean), primal(cov), allow_singular)
        if not any(True for _ in duals_in((mean, cov))):
            return plain
        mean, factor = self._factor(mean, cov)
        kept = np.atleast_1d(dimensions)
        return self(mean[kept], np.matmul(factor, factor.T)[kept][:, kept], allow_singular)


class Dirichlet(MultivariateDistribution):
    """Π xᵢ^(αᵢ - 1) / B(α), of entries that sum to 1, the last of which may be left out."""

    functions = ("pdf", "logpdf", "mean", "var", "cov")

    @staticmethod
    def _log_beta(alpha):
        return np.sum(sp.gammaln(alpha)) - sp.gammaln(np.sum(alpha))

    def _define_logpdf(self, x, alpha):
        if np.shape(x)[0] < np.shape(alpha)[0]:
            x = np.concatenate([x, 1 - np.sum(x, 0, keepdims=True)])
        powers = np.reshape(alpha - 1, (-1,) + (1,) * (np.ndim(x) - 1))
        return np.squeeze(np.sum(sp.xlogy(powers, x), 0) - self._log_beta(alpha))

    def _define_pdf(self, x, alpha):
        return np.exp(self._define_logpdf(x, alpha))

    def _define_entropy(self, alpha):
        total = np.sum(alpha)
        return self._log_beta(alpha) + np.sum((alpha - 1) * digamma_gap(alpha, total - alpha))

    def _define_mean(self, alpha):
        return alpha / np.sum(alpha)

    def _define_var(self, alpha):
        total = np.sum(alpha)
        return alpha / total * ((total - alpha) / total) / (total + 1)

    def _define_cov(self, alpha):
        total = np.sum(alpha)
        share = alpha / total
        return (np.diag(share) - share[:, None] * share) / (total + 1)
