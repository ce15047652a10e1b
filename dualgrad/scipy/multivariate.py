"""Distributions of vectors: the normal and Dirichlet's, in SciPy's notation."""

import inspect
from typing import Any

import numpy as np
from scipy import special as sp
from scipy.stats import Covariance

from ..dual import primal
from ..rules.declare import duals_in
from .distributions import Distribution
from .linalg import solve_triangular
from .tails import SQRT_2PI, digamma_gap


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
        return mean, np.linalg.cholesky(self._regular(np.reshape(matrix, (n, n))))

    def _regular(self, cov):
        """The covariance, refused where SciPy would call it singular."""
        plain = primal(cov)
        sizes = np.abs(np.linalg.eigvalsh(plain))
        if plain.size and np.min(sizes) <= 1e6 * np.finfo(np.float64).eps * np.max(sizes):
            raise NotImplementedError(
                f"multivariate_normal got a singular covariance beside a Dual (allow_singular=True): on its support "
                f"alone it has a density, whose derivatives across it do not exist; give a regular one, with "
                f"eigenvalues above 2e-10 times the largest, which is {np.max(sizes):.3g}"
            )
        return cov

    def _define_logpdf(self, x, mean, cov, allow_singular):
        mean, factor = self._factor(mean, cov)
        n = np.shape(mean)[0]
        x = np.reshape(x, (-1, 1)) if np.ndim(x) < 2 and n == 1 else x
        gap = x - mean
        white = solve_triangular(factor, np.reshape(gap, (-1, n)).T, lower=True)
        square = np.reshape(np.sum(white * white, 0), np.shape(gap)[:-1])
        return np.squeeze(-square / 2 - self._log_volume(factor, n))

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
