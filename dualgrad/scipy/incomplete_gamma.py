"""The incomplete gamma function, its complement and inverses, and the areas of chi-square, along every argument.

∂P/∂a has one sign, that of log t - ψ(a) on either side. For a < 10 and x < a + ½ it is the series
Σ xᵃ⁺ᵏ e⁻ˣ / Γ(a + k + 1) (log x - ψ(a + k + 1)) of terms of one sign (compare Moore 1982, algorithm AS 187), elsewhere
a quadrature of the density on the side of x where it is small. Against 60 digits the first and second derivative have a
relative error below 1e-11 for shapes from 1e-3 to 1e5 and areas down to 1e-200, the second but for the neighbourhood of
its zeros; there, relative to the first over the width of the density.
"""

import numpy as np
from scipy import special as sp

from ..dual import primal
from ..rules.declare import elementwise
from .along_shapes import FALL, along_shapes, bell, end_of_fall, integral, piecewise
from .densities import gamma_density, log_over_digamma
from .tails import fixed, polygamma_at


@along_shapes(1)
def gamma_area(n, a, x):
    """The n-th derivative of P(a, x) along a, n > 0."""
    y = np.where((x == 0) | (x == np.inf), 0.0, np.nan)
    inside = (a > 0) & (a < np.inf) & (x > 0) & (x < np.inf)
    series = inside & (a < 10) & (x < a + 0.5)
    left = inside & (a >= 10) & (x < a)
    right = inside & ~series & ~left
    of = lambda rule: lambda a, x: rule(n, a, x)  # noqa: E731
    y = np.where(inside, 0.0, np.where(a > 0, y, np.nan))
    pieces = [(series, _gamma_series), (left, _gamma_below), (right, _gamma_above)]
    return piecewise(y, [(where, of(rule), a, x) for where, rule in pieces])


def _gamma_series(n, a, x):
    z = a + 1 + np.arange(80)[:, None]
    terms = np.cumprod(np.concatenate([gamma_density(a, x)[None] * x / a, x / z[:-1]]), 0)
    return np.sum(terms * bell((n,), lambda k: np.log(x) - sp.psi(z) if k == 1 else -sp.polygamma(k - 1, z)), 0)


def _gamma_factor(n, a, x, s):
    """Bell's polynomial at t = x exp s."""
    gap = log_over_digamma(x, a)
    return bell((n,), lambda k: gap + s if k == 1 else -sp.polygamma(k - 1, a))


def _gamma_below(n, a, x):
    """With t = x e⁻ˢ the density falls as exp(-a s + x (1 - e⁻ˢ)); x < a."""
    fall = lambda s: a * s + x * np.expm1(-s)  # noqa: E731
    end = end_of_fall((FALL + x) / a, fall, lambda s: a - x * np.exp(-s))
    return x * gamma_density(a, x) * integral(end, lambda s: np.exp(-fall(s)) * _gamma_factor(n, a, x, -s))


def _gamma_above(n, a, x):
    """With t = x eˢ it falls as exp(a s - x (eˢ - 1)); x >= a."""
    fall = lambda s: x * np.expm1(s) - a * s  # noqa: E731
    start = np.minimum(np.sqrt(2 * FALL / x), np.maximum(1.26, np.log1p(2 * FALL / x)))
    end = end_of_fall(start, fall, lambda s: x * np.exp(s) - a)
    return -x * gamma_density(a, x) * integral(end, lambda s: np.exp(-fall(s)) * _gamma_factor(n, a, x, s))


def _gamma_density_along_shape(n, a, x):
    """The n-th derivative of the density along a, 0 where the density is 0."""
    density = gamma_density(a, x)
    factor = bell((n,), lambda k: log_over_digamma(x, a) if k == 1 else -polygamma_at(k - 1, a))
    return np.where(density == 0, 0, density * factor)


elementwise(
    gamma_area,
    fixed("the incomplete gamma function"),
    lambda y, n, a, x: gamma_area(n + 1, a, x),
    lambda y, n, a, x: _gamma_density_along_shape(n, a, x),
)


def _quantile_along_shape(a, x):
    """∂x/∂a of P(a, x) = p; 0, the end of the support, stays."""
    end = primal(x) == 0
    slope = -gamma_area(1, a, x) / gamma_density(a, np.where(end, 1.0, x))
    return np.where(end & (primal(a) > 0), 0.0, slope)


elementwise(sp.gammainc, lambda y, a, x: gamma_area(1, a, x), lambda y, a, x: gamma_density(a, x))
elementwise(sp.gammaincc, lambda y, a, x: -gamma_area(1, a, x), lambda y, a, x: -gamma_density(a, x))
elementwise(sp.gammaincinv, lambda x, a, p: _quantile_along_shape(a, x), lambda x, a, p: 1 / gamma_density(a, x))
elementwise(sp.gammainccinv, lambda x, a, q: _quantile_along_shape(a, x), lambda x, a, q: -1 / gamma_density(a, x))
elementwise(sp.chdtr, lambda y, v, x: gamma_area(1, v / 2, x / 2) / 2, lambda y, v, x: gamma_density(v / 2, x / 2) / 2)
elementwise(
    sp.chdtrc, lambda y, v, x: -gamma_area(1, v / 2, x / 2) / 2, lambda y, v, x: -gamma_density(v / 2, x / 2) / 2
)
elementwise(
    sp.chdtri, lambda x, v, q: _quantile_along_shape(v / 2, x / 2), lambda x, v, q: -2 / gamma_density(v / 2, x / 2)
)
