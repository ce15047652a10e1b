"""Distributions whose areas are incomplete gamma or beta functions: their formulas in standard form, as SciPy's."""

import math

import numpy as np
from scipy import special as sp

from . import densities
from .continuous import LOG_2, LOG_SQRT_2PI
from .distributions import ContinuousDistribution
from .student import log_half_step, log_student_density
from .tails import digamma_gap


class Gamma(ContinuousDistribution):
    """xᵃ⁻¹ e⁻ˣ / Γ(a), x >= 0."""

    shapes, low = ("a",), 0.0

    def _pdf(self, x, a):
        return densities.gamma_density(a, x)

    def _logpdf(self, x, a):
        return densities.log_gamma_density(a, x)

    def _cdf(self, x, a):
        return sp.gammainc(a, x)

    def _sf(self, x, a):
        return sp.gammaincc(a, x)

    def _ppf(self, q, a):
        return sp.gammaincinv(a, q)

    def _isf(self, q, a):
        return sp.gammainccinv(a, q)

    def _entropy(self, a):
        few, many = np.where(a < 250, a, 1.0), np.where(a < 250, 250.0, a)
        exact = sp.psi(few) * (1 - few) + few + sp.gammaln(few)
        series = LOG_SQRT_2PI + 0.5 + np.log(many) / 2 - 1 / (3 * many)
        return np.where(a < 250, exact, series - many**-2.0 / 12 - many**-3.0 / 90 + many**-4.0 / 120)


class ChiSquared(Gamma):
    """The gamma distribution of a = df/2, twice as wide."""

    shapes = ("df",)

    def _pdf(self, x, df):
        return super()._pdf(x / 2, df / 2) / 2

    def _logpdf(self, x, df):
        return super()._logpdf(x / 2, df / 2) - LOG_2

    def _cdf(self, x, df):
        return super()._cdf(x / 2, df / 2)

    def _sf(self, x, df):
        return super()._sf(x / 2, df / 2)

    def _ppf(self, q, df):
        return 2 * super()._ppf(q, df / 2)

    def _isf(self, q, df):
        return 2 * super()._isf(q, df / 2)

    def _entropy(self, df):
        return super()._entropy(df / 2) + LOG_2


class Beta(ContinuousDistribution):
    """xᵃ⁻¹ (1 - x)ᵇ⁻¹ / B(a, b), 0 <= x <= 1."""

    shapes, low, high = ("a", "b"), 0.0, 1.0

    def _pdf(self, x, a, b):
        return densities.beta_density(a, b, x)

    def _logpdf(self, x, a, b):
        return densities.log_beta_density(a, b, x)

    def _cdf(self, x, a, b):
        return sp.betainc(a, b, x)

    def _sf(self, x, a, b):
        return sp.betaincc(a, b, x)

    def _ppf(self, q, a, b):
        return sp.betaincinv(a, b, q)

    def _isf(self, q, a, b):
        return sp.betainccinv(a, b, q)

    def _entropy(self, a, b):
        return sp.betaln(a, b) + (a - 1) * digamma_gap(a, b) + (b - 1) * digamma_gap(b, a)


class Student(ContinuousDistribution):
    """(1 + x²/ν)^(-(ν + 1)/2) / (√ν B(ν/2, 1/2)), ν = df."""

    shapes = ("df",)

    def _logpdf(self, x, df):
        return log_student_density(df, x)

    def _cdf(self, x, df):
        return sp.stdtr(df, x)

    def _sf(self, x, df):
        return sp.stdtr(df, -x)

    def _ppf(self, q, df):
        return np.where(q == 0, -np.inf, sp.stdtrit(df, q))

    def _isf(self, q, df):
        return -self._ppf(q, df)

    def _entropy(self, df):
        nu = np.where(np.isinf(df), 1.0, df)
        student = (nu + 1) / 2 * digamma_gap(nu / 2, 0.5) + np.log(math.pi * nu) / 2 - log_half_step(nu / 2)
        return np.where(np.isinf(df), LOG_SQRT_2PI + 0.5, student)
