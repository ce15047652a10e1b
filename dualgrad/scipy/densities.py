"""The densities of the gamma and beta distributions, behind the derivatives of incomplete gamma and beta functions.

Below 16 they are exponentials of a sum of logarithms. From there on, where that would lose the digits of its terms,
they are a Gauss curve times corrections: log Γ by Stirling's series, and the rest by φ(u) = u - log(1 + u).
"""

import functools

import numpy as np
from scipy import special as sp

from ..dispatch import own
from ..rules.declare import elementwise
from .tails import fixed

_FROM = 16.0
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)


def all_in_double(function):
    """The function computed in double precision, its result in that of the arguments."""

    @functools.wraps(function)
    def computed(*args):
        kind = np.result_type(*args)
        kind = kind if kind.kind == "f" else np.dtype(np.float64)
        return np.asarray(function(*(np.asarray(a, np.float64) for a in args))).astype(kind)[()]

    return own(computed)


def _stirling(a):
    """log Γ(a) - (a - ½) log a + a - ½ log 2π."""
    return sum(c / a ** (2 * k + 1) for k, c in enumerate(_STIRLING))


def _bent(x, a):
    """u - log(1 + u) of 1 + u = x / a, near 0 by u s - 2 s³ Σ s²ᵏ / (2k + 3), s = u / (2 + u)."""
    u = (x - a) / a
    s = np.where(np.abs(u) < 0.5, u / (2 + u), 0)
    series = 0.0
    for k in range(14, -1, -1):
        series = series * s * s + 1 / (2 * k + 3)
    return np.where(np.abs(u) < 0.5, u * s - 2 * s**3 * series, u - np.log(x / a))


@all_in_double
def incomplete_gamma_slope(a, x):
    """xᵃ⁻¹ exp(-x) / Γ(a), whose derivative is that of a - 1 less itself; 0 at the poles of Γ."""
    low = np.where(a < _FROM, a, 1)
    near = sp.gammasgn(low) * np.exp(sp.xlogy(low - 1, x) - x - sp.gammaln(low))
    near = np.where((low <= 0) & (low == np.rint(low)), 0, near)
    high = np.where(a < _FROM, _FROM, a)
    far = np.sqrt(high / (2 * np.pi)) / x * np.exp(-_stirling(high) - high * _bent(x, high))
    density = np.where(a < _FROM, near, np.where(x == 0, 0, far))
    return np.where(x == np.inf, 0, np.where(x < 0, np.nan, density))


elementwise(
    incomplete_gamma_slope,
    fixed("the density", "its shape"),
    lambda y, a, x: incomplete_gamma_slope(a - 1, x) - incomplete_gamma_slope(a, x),
)


@all_in_double
def incomplete_beta_slope(p, q, a, b, x):
    """xᵖ (1 - x)^q / B(a, b); p = a - 1 and q = b - 1 make the density, and less its derivatives."""
    near = sp.xlogy(p, x) + sp.xlog1py(q, -x) - sp.betaln(a, b)
    large = (np.minimum(a, b) >= _FROM) & (x > 0) & (x < 1)
    a, b, at = np.where(large, a, _FROM), np.where(large, b, _FROM), np.where(large, x, 0.5)
    n = a + b
    log_gauss = _stirling(n) - _stirling(a) - _stirling(b)
    log_gauss = log_gauss - a * _bent(n * at, a) - b * _bent(n * (1 - at), b)
    far = np.sqrt(a * b / (2 * np.pi * n)) * at ** (p - a) * (1 - at) ** (q - b) * np.exp(log_gauss)
    return np.where((x < 0) | (x > 1), np.nan, np.where(large, far, np.exp(near)))


def _share_of(p, y):
    """p y, and 0 for p = 0 whatever y."""
    return np.where(p == 0, 0, p * y)


elementwise(
    incomplete_beta_slope,
    *[fixed("the density", "its shape")] * 4,
    lambda y, p, q, a, b, x: (
        _share_of(p, incomplete_beta_slope(p - 1, q, a, b, x)) - _share_of(q, incomplete_beta_slope(p, q - 1, a, b, x))
    ),
)
