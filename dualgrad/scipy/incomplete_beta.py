"""The incomplete beta function, its complement and inverses, along every argument.

Let x < (a + ½) / (a + b + 1), which x or 1 - x is, with a and b exchanged. For a < 1 the derivatives along a and b are
those of the series Σ Γ(a + b + k) / (Γ(a + k + 1) Γ(b)) xᵃ⁺ᵏ (1 - x)ᵇ, term by term, elsewhere a quadrature of the
density from 0 to x. Against 60 digits the first and second derivatives have a relative error below 1e-11 for shapes
from 1e-3 to 1e5 and areas down to 1e-200, the second but for the neighbourhood of their zeros.
"""

import numpy as np
from scipy import special as sp

from ..dual import primal
from ..rules.declare import elementwise
from .along_shapes import FALL, along_shapes, bell, end_of_fall, integral, piecewise
from .densities import beta_density
from .tails import fixed, polygamma_at, polygamma_gap


@along_shapes(2)
def beta_area(m, n, a, b, x):
    """The derivative of I_x(a, b) of order m along a and n along b, m + n > 0."""
    valid = (a > 0) & (b > 0) & (a < np.inf) & (b < np.inf)
    inside = valid & (x > 0) & (x < 1)
    y = np.where(valid & ((x == 0) | (x == 1)), 0.0, np.nan)
    lower, density, rest = x < (a + 0.5) / (a + b + 1), beta_density(a, b, x), 1 - x
    below = lambda *args: _beta_below(m, n, *args)  # noqa: E731
    above = lambda *args: -_beta_below(n, m, *args)  # noqa: E731
    return piecewise(
        y, [(inside & lower, below, a, b, x, rest, density), (inside & ~lower, above, b, a, rest, x, density)]
    )


def _beta_below(m, n, a, b, x, rest, density):
    few = a < 1
    of = lambda rule: lambda *args: rule(m, n, *args)  # noqa: E731
    pieces = [
        (where, of(rule), a, b, x, rest, density) for where, rule in ((few, _beta_series), (~few, _beta_quadrature))
    ]
    return piecewise(np.empty(a.size), pieces)


def _beta_series(m, n, a, b, x, rest, density):
    k = np.arange(200)[:, None]
    top, low, log_rest = a + b + k, a + 1 + k, _log_rest(x, rest)
    terms = np.cumprod(np.concatenate([(density * x * rest / a)[None], x * top[:-1] / low[:-1]]), 0)

    def cumulant(i, j):
        if i + j == 1:
            return np.log(x) + polygamma_gap(0, low, b - 1) if i else log_rest + polygamma_gap(0, b, a + k)
        if i and j:
            return sp.polygamma(i + j - 1, top)
        return polygamma_gap(i - 1, low, b - 1) if i else polygamma_gap(j - 1, b, a + k)

    return np.sum(terms * bell((m, n), cumulant), 0)


def _log_rest(x, rest):
    """log(1 - x), from which of the two has the digits."""
    return np.where(x < 0.5, np.log1p(-x), np.log(rest))


def _beta_quadrature(m, n, a, b, x, rest, density):
    """With t = x e⁻ˢ the density falls as exp(-a s) (1 + x (1 - e⁻ˢ) / (1 - x))ᵇ⁻¹."""
    log_x, log_rest = np.where(x < 0.5, np.log(x), np.log1p(-rest)), _log_rest(x, rest)
    grown = lambda s: -x * np.expm1(-s) / rest  # noqa: E731
    fall = lambda s: a * s - (b - 1) * np.log1p(grown(s))  # noqa: E731
    slope = lambda s: a - (b - 1) * x * np.exp(-s) / rest / (1 + grown(s))  # noqa: E731
    end = end_of_fall((FALL - np.maximum(b - 1, 0) * log_rest) / a, fall, slope)
    end = np.where(b > 1, end, FALL / a)
    falling, rising = polygamma_gap(0, a, b), polygamma_gap(0, b, a)

    def integrand(s):
        def cumulant(i, j):
            if i + j == 1:
                return log_x - s + falling if i else log_rest + np.log1p(grown(s)) + rising
            return _higher_cumulant(i, j, a, b)

        return np.exp(-fall(s)) * bell((m, n), cumulant)

    return x * density * integral(end, integrand)


def _higher_cumulant(i, j, a, b):
    """The derivatives of -log B(a, b)."""
    if i and j:
        return polygamma_at(i + j - 1, a + b)
    return polygamma_gap(i - 1, a, b) if i else polygamma_gap(j - 1, b, a)


def _beta_density_along_shapes(m, n, a, b, x):
    """The derivative of the density, 0 where that is 0."""
    density = beta_density(a, b, x)

    def cumulant(i, j):
        if i + j == 1:
            return np.log(x) + polygamma_gap(0, a, b) if i else np.log1p(-x) + polygamma_gap(0, b, a)
        return _higher_cumulant(i, j, a, b)

    return np.where(density == 0, 0, density * bell((m, n), cumulant))


elementwise(
    beta_area,
    fixed("the incomplete beta function"),
    fixed("the incomplete beta function"),
    lambda y, m, n, a, b, x: beta_area(m + 1, n, a, b, x),
    lambda y, m, n, a, b, x: beta_area(m, n + 1, a, b, x),
    lambda y, m, n, a, b, x: _beta_density_along_shapes(m, n, a, b, x),
)


def _quantile_along(m, n, a, b, x):
    """The derivative of x, I_x(a, b) = p, along a or b; the ends of the support stay."""
    end = ((primal(x) == 0) | (primal(x) == 1)) & (primal(a) > 0) & (primal(b) > 0)
    return np.where(end, 0.0, -beta_area(m, n, a, b, x) / beta_density(a, b, np.where(end, 0.5, x)))


elementwise(
    sp.betainc,
    lambda y, a, b, x: beta_area(1, 0, a, b, x),
    lambda y, a, b, x: beta_area(0, 1, a, b, x),
    lambda y, a, b, x: beta_density(a, b, x),
)
elementwise(
    sp.betaincc,
    lambda y, a, b, x: -beta_area(1, 0, a, b, x),
    lambda y, a, b, x: -beta_area(0, 1, a, b, x),
    lambda y, a, b, x: -beta_density(a, b, x),
)
elementwise(
    sp.betaincinv,
    lambda x, a, b, p: _quantile_along(1, 0, a, b, x),
    lambda x, a, b, p: _quantile_along(0, 1, a, b, x),
    lambda x, a, b, p: 1 / beta_density(a, b, x),
)
elementwise(
    sp.betainccinv,
    lambda x, a, b, q: _quantile_along(1, 0, a, b, x),
    lambda x, a, b, q: _quantile_along(0, 1, a, b, x),
    lambda x, a, b, q: -1 / beta_density(a, b, x),
)
