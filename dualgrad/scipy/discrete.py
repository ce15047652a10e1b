"""Distributions on whole numbers: their formulas in standard form, in SciPy's notation."""

import numpy as np
from scipy import special as sp

from ..dual import primal
from . import densities
from .distributions import DiscreteDistribution


def between(p):
    """Whether these are probabilities, 0 and 1 included."""
    return (primal(p) >= 0) & (primal(p) <= 1)


class Poisson(DiscreteDistribution):
    """μᵏ e⁻ᵘ / k!."""

    shapes = ("mu",)

    def _valid(self, mu):
        return primal(mu) >= 0

    def _logpmf(self, k, mu):
        return sp.xlogy(k, mu) - sp.gammaln(k + 1) - mu

    def _pmf(self, k, mu):
        powers = lambda mu: mu**k * np.exp(-mu - sp.gammaln(k + 1))  # noqa: E731
        return densities.at_edge(primal(mu) == 0, powers, lambda mu: np.exp(self._logpmf(k, mu)), mu)

    def _cdf(self, k, mu):
        return sp.gammaincc(k + 1, mu)

    def _sf(self, k, mu):
        return sp.gammainc(k + 1, mu)

    def _entropy(self, mu):
        """-Σ p log p, as far as 20 standard deviations above the mean; near μ = 0 it is -μ log μ."""
        top = np.max(primal(mu), initial=0.0)
        k = np.arange(np.ceil(top + 20 * np.sqrt(top)) + 30)
        logp = self._logpmf(k, np.where(primal(mu) > 0, mu, 0.5)[..., None])
        return np.where(primal(mu) > 0, -np.sum(np.exp(logp) * logp, -1), sp.entr(mu))


class Binomial(DiscreteDistribution):
    """(n over k) pᵏ (1 - p)ⁿ⁻ᵏ, k <= n."""

    shapes, whole = ("n", "p"), ("n",)

    def _valid(self, n, p):
        return (n >= 0) & (n == np.floor(n)) & between(p)

    def _last(self, n, p):
        return n

    def _logpmf(self, k, n, p):
        ways = sp.gammaln(n + 1) - sp.gammaln(k + 1) - sp.gammaln(n - k + 1)
        return ways + sp.xlogy(k, p) + sp.xlog1py(n - k, -p)

    def _pmf(self, k, n, p):
        powers = lambda p: sp.binom(n, k) * p**k * (1 - p) ** (n - k)  # noqa: E731
        edge = (primal(p) == 0) | (primal(p) == 1)
        return densities.at_edge(edge, powers, lambda p: np.exp(self._logpmf(k, n, p)), p)

    def _cdf(self, k, n, p):
        return sp.betaincc(k + 1, n - k, p)

    def _sf(self, k, n, p):
        return sp.betainc(k + 1, n - k, p)

    def _entropy(self, n, p):
        """Σ -P log P; next to a certain outcome, where all but one P are 0, it is that of the first two."""
        k = np.arange(np.max(n, initial=0) + 1)
        certain = (primal(p) == 0) | (primal(p) == 1)
        inside = np.where(certain, 0.5, p)[..., None]
        n_last = np.asarray(n)[..., None]
        counts = k <= n_last
        logp = self._logpmf(np.where(counts, k, 0), n_last, inside)
        total = -np.sum(np.where(counts, np.exp(logp) * logp, 0), -1)
        return np.where(certain, n * (sp.entr(p) + sp.entr(1 - p)), total)


class Bernoulli(DiscreteDistribution):
    """p for 1, 1 - p for 0."""

    shapes = ("p",)

    def _valid(self, p):
        return between(p)

    def _last(self, p):
        return 1

    def _logpmf(self, k, p):
        return np.where(k == 0, np.log1p(-p), np.log(p))

    def _pmf(self, k, p):
        return np.where(k == 0, 1 - p, p)

    def _cdf(self, k, p):
        return 1 - p

    def _sf(self, k, p):
        return p

    def _entropy(self, p):
        return sp.entr(p) + sp.entr(1 - p)


class Geometric(DiscreteDistribution):
    """(1 - p)ᵏ⁻¹ p, k >= 1."""

    shapes, low = ("p",), 1

    def _valid(self, p):
        return between(p) & (primal(p) > 0)

    def _logpmf(self, k, p):
        return sp.xlog1py(k - 1, -p) + np.log(p)

    def _pmf(self, k, p):
        return (1 - p) ** (k - 1) * p

    def _cdf(self, k, p):
        return 1 - (1 - p) ** k

    def _sf(self, k, p):
        return (1 - p) ** k

    def _logcdf(self, k, p):
        powers = lambda p: np.log1p(-((1 - p) ** k))  # noqa: E731
        return densities.at_edge(primal(p) == 1, powers, lambda p: np.log(-np.expm1(k * np.log1p(-p))), p)

    def _logsf(self, k, p):
        return k * np.log1p(-p)

    def _entropy(self, p):
        return -np.log(p) - np.log1p(-p) * (1 - p) / p
