"""The densities of the gamma and the beta distribution, with rules along every argument.

Below 16 they are exponentials of a sum of logarithms. From there on, where that would lose the digits of its terms,
they are a Gauss curve times corrections: log Γ by Stirling's series, and the rest by φ(u) = u - log(1 + u). At an edge
of the support, where a density is a power whose slope a logarithm would lose, their slope is that of the power.
"""

import functools
import math

import numpy as np
from scipy import special as sp

from ..dispatch import own
from ..dual import primal
from ..rules.declare import elementwise
from .shared import as_number
from .tails import digamma_gap, fixed, polygamma_at

_FROM = 16.0
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)


def all_in_double(function):
    """The function computed in double precision, its result in that of the arguments."""

    @functools.wraps(function)
    def computed(*args):
        kind = precision_of(args)
        return np.asarray(function(*(np.asarray(a, np.float64) for a in args))).astype(kind)[()]

    return own(computed)


def precision_of(args):
    """The dtype of a function of these arguments."""
    kind = np.result_type(*(a for a in args if not isinstance(a, int)))
    return kind if kind.kind == "f" else np.dtype(np.float64)


def at_edge(edge, powers, inside, x):
    """``powers(x)`` at an edge, where a density is a power whose slope a logarithm would lose, else ``inside(x)``."""
    return np.where(edge, powers(np.where(edge, x, 0.5)), inside(np.where(edge, 0.5, x)))


def _stirling(a):
    """log Γ(a) - (a - ½) log a + a - ½ log 2π."""
    return sum(c / a ** (2 * k + 1) for k, c in enumerate(_STIRLING))


def log_defect(u, log):
    """u - log(1 + u), given that logarithm; near 0 by u s - 2 s³ Σ s²ᵏ / (2k + 3), s = u / (2 + u)."""
    near = np.abs(u) < 0.5
    s = np.where(near, u / (2 + u), 0)
    series = 0.0
    for k in range(14, -1, -1):
        series = series * s * s + 1 / (2 * k + 3)
    return np.where(near, u * s - 2 * s**3 * series, u - log)


def _defect_of_ratio(x, a):
    return log_defect((x - a) / a, np.log(x / a))


def _times_density(density, slope):
    """Their product, 0 where the density is 0."""
    return np.where(primal(density) == 0, 0, density * slope)


def log_one_plus_square(u):
    """log(1 + u²), without u² where that is large."""
    small = np.abs(u) < 1
    near, far = np.where(small, u, 0.5), np.where(small, 1.0, np.abs(u))
    return np.where(small, np.log1p(near * near), 2 * np.log(far) + np.log1p((1 / far) ** 2))


def _falling(p, k):
    """p (p - 1) ... (p - k + 1), whose derivative along p is right at its zeros, too."""
    return math.prod((p - i for i in range(k)), start=1.0)


def _falling_slope(p, k):
    return sum((math.prod((p - i for i in range(k) if i != j), start=1.0) for j in range(k)), 0.0)


# ---------------------------------------------------------------------- gamma


@all_in_double
def log_over_digamma(x, a):
    """log x - ψ(a), by log a - ψ(a) = 1/(2a) + 1/(12a²) - ... from 16 on."""
    high = np.where(a < _FROM, _FROM, a)
    series = sum((2 * k + 1) * c / high ** (2 * k + 2) for k, c in enumerate(_STIRLING))
    ratio = (x - high) / high
    far = np.where(np.abs(ratio) < 0.5, np.log1p(np.maximum(ratio, -0.5)), np.log(x / high)) + 0.5 / high + series
    return np.where(a < _FROM, np.log(x) - sp.psi(np.where(a < _FROM, a, 1)), far)


elementwise(log_over_digamma, lambda y, x, a: 1 / x, lambda y, x, a: -polygamma_at(1, as_number(y, a)))


def log_gamma_density(a, x):
    """log (xᵃ⁻¹ e⁻ˣ / Γ(a))."""
    return sp.xlogy(a - 1, x) - x - sp.gammaln(a)


@all_in_double
def gamma_density(a, x):
    """xᵃ⁻¹ e⁻ˣ / Γ(a) for a > 0; 0 for an infinite x, and NaN on the left of 0."""
    near = np.exp(log_gamma_density(np.where(a < _FROM, a, 1), x))
    high = np.where(a < _FROM, _FROM, a)
    far = np.sqrt(high / (2 * np.pi)) / x * np.exp(-_stirling(high) - high * _defect_of_ratio(x, high))
    density = np.where(a < _FROM, near, np.where(x == 0, 0, far))
    return np.where(x == np.inf, 0, np.where((x < 0) | (a <= 0), np.nan, density))


@all_in_double
def gamma_density_slope(n, a, x):
    """The n-th derivative along x, Σ (-1)ⁿ⁻ᵏ C(n, k) (a - 1) ... (a - k) xᵃ⁻¹⁻ᵏ e⁻ˣ / Γ(a)."""
    total, low, large = 0.0, np.where(a < _FROM, a, 1), gamma_density(a, x)
    for k in range(int(n) + 1):
        near = np.exp(sp.xlogy(low - 1 - k, x) - x - sp.gammaln(low))
        term = _falling(a - 1, k) * np.where(a < _FROM, near, _times_density(large, 1 / x**k))
        total = total + (-1) ** (n - k) * math.comb(int(n), k) * np.where(_falling(a - 1, k) == 0, 0, term)
    return np.where(x == np.inf, 0, np.where((x < 0) | (a <= 0), np.nan, total))


def _gamma_slope_along_shape(y, n, a, x):
    terms = ((-1) ** (n - k) * math.comb(n, k) * _falling_slope(a - 1, k) / x**k for k in range(1, n + 1))
    return _times_density(y, log_over_digamma(x, a)) + _times_density(gamma_density(a, x), sum(terms))


elementwise(
    gamma_density_slope,
    fixed("the density"),
    lambda y, n, a, x: _gamma_slope_along_shape(y, int(n), a, x),
    lambda y, n, a, x: gamma_density_slope(n + 1, a, x),
)
elementwise(
    gamma_density,
    lambda y, a, x: _times_density(y, log_over_digamma(x, a)),
    lambda y, a, x: gamma_density_slope(1, a, x),
)

# ---------------------------------------------------------------------- beta


def log_beta_density(a, b, x):
    """log (xᵃ⁻¹ (1 - x)ᵇ⁻¹ / B(a, b))."""
    return sp.xlog1py(b - 1, -x) + sp.xlogy(a - 1, x) - sp.betaln(a, b)


def _log_beta(a, b):
    """log B(a, b), by Stirling's series where one of them is large, whose log Γ would lose the digits of the other."""
    few, many = np.minimum(a, b), np.maximum(a, b)
    high = np.maximum(many, _FROM)
    rise = (high - 0.5) * np.log1p(few / high) + few * np.log(few + high) - few
    return np.where(many < _FROM, sp.betaln(a, b), sp.gammaln(few) - rise - _stirling(few + high) + _stirling(high))


@all_in_double
def beta_density(a, b, x):
    """xᵃ⁻¹ (1 - x)ᵇ⁻¹ / B(a, b); NaN outside of 0 <= x <= 1."""
    near = sp.xlog1py(b - 1, -x) + sp.xlogy(a - 1, x) - _log_beta(a, b)
    large = (np.minimum(a, b) >= _FROM) & (x > 0) & (x < 1)
    a, b, at = np.where(large, a, _FROM), np.where(large, b, _FROM), np.where(large, x, 0.5)
    n = a + b
    log_gauss = _stirling(n) - _stirling(a) - _stirling(b)
    log_gauss = log_gauss - a * _defect_of_ratio(n * at, a) - b * _defect_of_ratio(n * (1 - at), b)
    far = np.sqrt(a * b / (2 * np.pi * n)) / at / (1 - at) * np.exp(log_gauss)
    return np.where((x < 0) | (x > 1), np.nan, np.where(large, far, np.exp(near)))


@all_in_double
def beta_density_slope(n, a, b, x):
    """The n-th derivative along x, by Leibniz' rule for the powers of x and 1 - x."""
    total, large = 0.0, np.minimum(a, b) >= _FROM
    density = beta_density(a, b, x)
    for k in range(int(n) + 1):
        factor = (-1) ** (n - k) * math.comb(int(n), k) * _falling(a - 1, k) * _falling(b - 1, int(n) - k)
        near = np.exp(sp.xlogy(a - 1 - k, x) + sp.xlog1py(b - 1 - n + k, -x) - _log_beta(a, b))
        term = np.where(large, _times_density(density, 1 / x**k / (1 - x) ** (n - k)), near)
        total = total + np.where(factor == 0, 0, factor * term)
    return np.where((x < 0) | (x > 1), np.nan, total)


def _beta_slope_along_shape(y, n, a, b, x, score, factors):
    """That of the density, and of the factors of its powers: ``factors(k)`` is the derivative of those of xᵏ."""
    terms = ((-1) ** (n - k) * math.comb(n, k) * factors(k) / x**k / (1 - x) ** (n - k) for k in range(n + 1))
    return _times_density(y, score) + _times_density(beta_density(a, b, x), sum(terms))


def _beta_slope_along_a(y, n, a, b, x):
    factors = lambda k: _falling_slope(a - 1, k) * _falling(b - 1, n - k)  # noqa: E731
    return _beta_slope_along_shape(y, n, a, b, x, np.log(x) + digamma_gap(a, b), factors)


def _beta_slope_along_b(y, n, a, b, x):
    factors = lambda k: _falling(a - 1, k) * _falling_slope(b - 1, n - k)  # noqa: E731
    return _beta_slope_along_shape(y, n, a, b, x, np.log1p(-x) + digamma_gap(b, a), factors)


elementwise(
    beta_density_slope,
    fixed("the density"),
    lambda y, n, a, b, x: _beta_slope_along_a(y, int(n), a, b, x),
    lambda y, n, a, b, x: _beta_slope_along_b(y, int(n), a, b, x),
    lambda y, n, a, b, x: beta_density_slope(n + 1, a, b, x),
)
elementwise(
    beta_density,
    lambda y, a, b, x: _times_density(y, np.log(x) + digamma_gap(a, b)),
    lambda y, a, b, x: _times_density(y, np.log1p(-x) + digamma_gap(b, a)),
    lambda y, a, b, x: beta_density_slope(1, a, b, x),
)
