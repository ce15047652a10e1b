"""Distributions with a density: their formulas in standard form, in SciPy's notation."""

import math

import numpy as np
from scipy import special as sp

from ..slopes import cauchy as cauchy_bump
from ..slopes import logistic_slope, normal_density
from . import densities
from .distributions import SAFE, ContinuousDistribution
from .tails import SQRT_2PI

LOG_2, LOG_PI, LOG_SQRT_2PI = math.log(2), math.log(math.pi), math.log(SQRT_2PI)


class Normal(ContinuousDistribution):
    """exp(-x²/2) / √(2π)."""

    def _pdf(self, x):
        return normal_density(x)

    def _logpdf(self, x):
        return -x * x / 2 - LOG_SQRT_2PI

    def _cdf(self, x):
        return sp.ndtr(x)

    def _sf(self, x):
        return sp.ndtr(-x)

    def _logcdf(self, x):
        return sp.log_ndtr(x)

    def _logsf(self, x):
        return sp.log_ndtr(-x)

    def _ppf(self, q):
        return sp.ndtri(q)

    def _isf(self, q):
        return -sp.ndtri(q)

    def _entropy(self):
        return LOG_SQRT_2PI + 0.5


class Exponential(ContinuousDistribution):
    """exp(-x), x >= 0."""

    low = 0.0

    def _logpdf(self, x):
        return -x

    def _cdf(self, x):
        return -np.expm1(-x)

    def _sf(self, x):
        return np.exp(-x)

    def _logsf(self, x):
        return -x

    def _ppf(self, q):
        return -np.log1p(-q)

    def _isf(self, q):
        return -np.log(q)

    def _entropy(self):
        return 1.0


class UniformInterval(ContinuousDistribution):
    """1, 0 <= x <= 1."""

    low, high = 0.0, 1.0

    def _pdf(self, x):
        return 1 + 0 * x

    def _logpdf(self, x):
        return 0 * x

    def _cdf(self, x):
        return x

    def _sf(self, x):
        return 1 - x

    def _ppf(self, q):
        return q

    def _isf(self, q):
        return 1 - q

    def _entropy(self):
        return 0.0


class Laplace(ContinuousDistribution):
    """exp(-|x|) / 2; the slope at the kink is 0."""

    def _logpdf(self, x):
        return -np.abs(x) - LOG_2

    def _cdf(self, x):
        return np.where(x > 0, 1 - np.exp(-x) / 2, np.exp(x) / 2)

    def _logcdf(self, x):
        return np.where(x > 0, np.log1p(-np.exp(-x) / 2), x - LOG_2)

    def _sf(self, x):
        return self._cdf(-x)

    def _logsf(self, x):
        return self._logcdf(-x)

    def _ppf(self, q):
        return np.where(q > 0.5, -np.log(2 * (1 - q)), np.log(2 * q))

    def _isf(self, q):
        return -self._ppf(q)

    def _entropy(self):
        return 1 + LOG_2


class Logistic(ContinuousDistribution):
    """e⁻ˣ / (1 + e⁻ˣ)²."""

    def _pdf(self, x):
        return logistic_slope(x)

    def _logpdf(self, x):
        return sp.log_expit(x) + sp.log_expit(-x)

    def _cdf(self, x):
        return sp.expit(x)

    def _sf(self, x):
        return sp.expit(-x)

    def _logcdf(self, x):
        return sp.log_expit(x)

    def _logsf(self, x):
        return sp.log_expit(-x)

    def _ppf(self, q):
        return sp.logit(q)

    def _isf(self, q):
        return -sp.logit(q)

    def _entropy(self):
        return 2.0


class Cauchy(ContinuousDistribution):
    """1 / (π (1 + x²))."""

    def _pdf(self, x):
        return cauchy_bump(x) / math.pi

    def _logpdf(self, x):
        return -LOG_PI - densities.log_one_plus_square(x)

    def _cdf(self, x):
        return np.arctan2(1, -x) / math.pi

    def _sf(self, x):
        return np.arctan2(1, x) / math.pi

    def _logcdf(self, x):
        """Beyond 1e8 as log(1 / (π |x|)), for the density underflows long before the area."""
        far = x < -1e8
        return np.where(far, -np.log(np.where(far, -x, 1.0)) - LOG_PI, np.log(self._cdf(np.where(far, -1.0, x))))

    def _logsf(self, x):
        return self._logcdf(-x)

    def _ppf(self, q):
        near = np.abs(q - 0.5) < 0.25
        tail = np.where(near, 0.25, np.where(q < 0.5, q, 1 - q))
        side = np.where(q < 0.5, -1.0, 1.0)
        return np.where(near, np.tan(math.pi * (np.where(near, q, 0.5) - 0.5)), side / np.tan(math.pi * tail))

    def _isf(self, q):
        return -self._ppf(q)

    def _entropy(self):
        return math.log(4 * math.pi)


class LogNormal(ContinuousDistribution):
    """exp(-u²/2) / (√(2π) s x), u = log(x) / s, x > 0."""

    shapes, low, closed = ("s",), 0.0, False

    def _logpdf(self, x, s):
        return -np.square(np.log(x) / s) / 2 - np.log(s) - np.log(x) - LOG_SQRT_2PI

    def _cdf(self, x, s):
        return sp.ndtr(np.log(x) / s)

    def _sf(self, x, s):
        return sp.ndtr(-np.log(x) / s)

    def _logcdf(self, x, s):
        return sp.log_ndtr(np.log(x) / s)

    def _logsf(self, x, s):
        return sp.log_ndtr(-np.log(x) / s)

    def _ppf(self, q, s):
        return np.where(q == 0, 0.0, np.exp(s * sp.ndtri(np.where(q == 0, SAFE, q))))

    def _isf(self, q, s):
        return np.where(q == 1, 0.0, np.exp(-s * sp.ndtri(np.where(q == 1, SAFE, q))))

    def _entropy(self, s):
        return 0.5 + LOG_SQRT_2PI + np.log(s)


class Weibull(ContinuousDistribution):
    """c xᶜ⁻¹ exp(-xᶜ), x >= 0."""

    shapes, low = ("c",), 0.0

    def _pdf(self, x, c):
        powers = lambda x: c * x ** (c - 1) * np.exp(-(x**c))  # noqa: E731
        return densities.at_edge(x == 0, powers, lambda x: np.exp(self._logpdf(x, c)), x)

    def _logpdf(self, x, c):
        return np.log(c) + sp.xlogy(c - 1, x) - x**c

    def _cdf(self, x, c):
        return -np.expm1(-(x**c))

    def _sf(self, x, c):
        return np.exp(-(x**c))

    def _logsf(self, x, c):
        return -(x**c)

    def _ppf(self, q, c):
        return (-np.log1p(-q)) ** (1 / c)

    def _isf(self, q, c):
        return (-np.log(q)) ** (1 / c)

    def _entropy(self, c):
        return -np.euler_gamma / c - np.log(c) + np.euler_gamma + 1
