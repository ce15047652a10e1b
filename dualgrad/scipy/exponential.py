"""Exponential integrals and exprel, of which the transformations of Box and Cox are made."""

import numpy as np
from scipy import special as sp

from ..rules.declare import elementwise
from .shared import as_number
from .tails import fixed, in_double


def _exp_over(x):
    """exp(x) / x, also where exp(x) overflows."""
    half = np.exp(x / 2)
    return half / x * half


elementwise(sp.expi, lambda y, x: _exp_over(x))
elementwise(sp.exp1, lambda y, x: _exp_over(-x))


@in_double
def expn_below(n, x):
    """E_n, of a whole n; below order 0 it is E_-m = m! exp(-x) / x Σ x⁻ᵏ / (m - k)!, k = 0 ... m, of positive terms."""
    n = np.asarray(n)
    y = sp.expn(np.maximum(n, 0), x)
    for m in range(1, 1 - int(np.min(n, initial=0))):
        total, term = 1.0, 1.0
        for k in range(m, 0, -1):
            term = term * k / x
            total = total + term
        y = np.where(n == -m, np.exp(-x) / x * total, y)
    return np.asarray(y)


elementwise(expn_below, fixed("expn"), lambda y, n, x: -expn_below(n - 1, x))
elementwise(sp.expn, fixed("expn"), lambda y, n, x: -expn_below(np.trunc(n) - 1, x))


@in_double
def exprel_moment(n, x):
    """M_n = ∫₀¹ tⁿ exp(xt) dt, of which M_0 is exprel; M_n' = M_n+1.

    Near 0 a series of positive terms: Σ xᵏ / (k! (k + n + 1)), on the left exp(x) Σ |x|ᵏ / (n + 1)ₖ₊₁; beyond 30 by
    parts, M_n = (exp(x) - n M_n-1) / x.
    """
    size = np.clip(np.abs(x), 0, 30)
    right, term = np.zeros_like(size), np.ones_like(size)
    for k in range(120):
        right = right + term / (k + n + 1)
        term = term * size / (k + 1)
    left = term = np.ones_like(size) / (n + 1)
    for k in range(150):
        term = term * size / (n + 2 + k)
        left = left + term
    far = np.where(np.abs(x) > 30, x, 30.0)
    half = np.exp(far / 2)
    whole = moment = half / far * half
    moment = moment - 1 / far
    for k in range(1, n + 1):
        moment = whole - k * (moment / far)
    return np.where(np.abs(x) > 30, moment, np.where(x < 0, np.exp(-size) * left, right))


elementwise(exprel_moment, fixed("exprel"), lambda y, n, x: exprel_moment(n + 1, x))
elementwise(sp.exprel, lambda y, x: exprel_moment(1, x))


def _boxcox_slope(log_x, p):
    """Along the exponent, log² x ∫₀¹ t xᵖᵗ dt."""
    return np.square(log_x) * exprel_moment(1, p * log_x)


elementwise(sp.boxcox, lambda y, x, p: np.power(x, p - 1), lambda y, x, p: _boxcox_slope(np.log(as_number(y, x)), p))
elementwise(
    sp.boxcox1p,
    lambda y, x, p: np.exp((p - 1) * np.log1p(x)),
    lambda y, x, p: _boxcox_slope(np.log1p(as_number(y, x)), p),
)
