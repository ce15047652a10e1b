"""Functions of the gamma function: its reciprocal, quotients and products."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special as sp

from ..dispatch import dispatched
from ..dual import primal
from ..rules.declare import composite, constant, elementwise
from .shared import as_number
from .tails import digamma_gap

constant(sp.gammasgn)


def _rgamma_slope(y, x):
    """-y ψ(x), on the left, where y has its zeros, by y = sin(πx) Γ(1 - x) / π."""
    left = np.real(primal(x)) < 0.5
    right = -y * sp.digamma(np.where(left, 1, x))
    if not np.any(left):
        return right
    whole = np.rint(np.real(primal(x)))
    sign = 1 - 2 * np.mod(whole, 2)
    turn, mirrored = np.pi * np.where(left, x - whole, 0), np.where(left, 1 - x, 1)
    slope = sign * sp.gamma(mirrored) * (np.cos(turn) - np.sin(turn) / np.pi * sp.digamma(mirrored))
    return np.where(left, slope, right)


elementwise(sp.rgamma, _rgamma_slope)


@dispatched
def multigammaln(a: ArrayLike, d: int) -> Any:
    """log Γ_d(a), the multivariate gamma function, d(d - 1)/4 log π + Σ log Γ(a - j/2) over j < d, for a > (d - 1)/2.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from dualgrad.scipy import special
    >>> dg.derivative(lambda a: special.multigammaln(a, 1))(2.5) == special.digamma(2.5)
    np.True_
    """
    return sp.multigammaln(a, d)


def _multigammaln(a, d):
    return d * (d - 1) / 4 * np.log(np.pi) + sum(sp.gammaln(a - j / 2) for j in range(int(d)))


composite(multigammaln, _multigammaln)


def _reciprocal_slope(x):
    """The derivative of 1 / Γ, also at its zeros."""
    return _rgamma_slope(sp.rgamma(x), x)


def _poch_slope(y, z, m):
    """Along z; where z + m is no more than 0 for a whole m by (-1)ᵐ poch(1 - z - m, m), which has no poles there."""
    z, m = as_number(y, z), as_number(y, m)
    count = primal(m)
    turned = (count >= 0) & (count == np.rint(count)) & (primal(z) + count <= 0)
    slope = _poch_slope_ahead(y, np.where(turned, 1, z), np.where(turned, 1, m))
    if not np.any(turned):
        return slope
    a, b = np.where(turned, 1 - z - m, 1), np.where(turned, m, 1)
    mirrored = (2 * np.mod(primal(b), 2) - 1) * _poch_slope_ahead(sp.poch(a, b), a, b)
    return np.where(turned, mirrored, slope)


def _poch_slope_ahead(y, z, m):
    """Along z: y times a difference of digammas; near 0, where that has a pole, by z / (z + m) poch(z + 1, m); left of
    it by Γ(z + m) times 1 / Γ(z)."""
    near = (np.abs(primal(z)) < 2) & (primal(z) > -0.5) & (primal(z) + primal(m) > 0)
    left = (primal(z) <= 0) & ~near
    slope = y * digamma_gap(np.where(left | near, 2, z), np.where(left | near, 1, m))
    if np.any(near):
        a, b = np.where(near, z, 1), np.where(near, m, 1)
        total = a + b
        first = sp.poch(a + 1, b) * (b / total / total + a / total * digamma_gap(a + 1, b))
        slope = np.where(near, first, slope)
    if np.any(left):
        a, b = np.where(left, z, -0.5), np.where(left, m, 1)
        slope = np.where(left, y * sp.digamma(a + b) + sp.gamma(a + b) * _reciprocal_slope(a), slope)
    return slope


def _binom_slopes(n, k):
    """Along n and k by Γ(n + 1), 1 / Γ(k + 1) and 1 / Γ(n - k + 1)."""
    top, low, rest = sp.gamma(n + 1), sp.rgamma(k + 1), sp.rgamma(n - k + 1)
    moved = top * low * _reciprocal_slope(n - k + 1)
    return top * sp.digamma(n + 1) * low * rest + moved, top * _reciprocal_slope(k + 1) * rest - moved


def _inside(n, k):
    return (primal(k) > -0.5) & (primal(n) - primal(k) > -0.5) & (primal(n) > -0.5)


def _binom_slope(y, n, k, which):
    """In Pascal's triangle y times a difference of digammas; outside, where y has zeros, by the three factors."""
    n, k = as_number(y, n), as_number(y, k)
    inside = _inside(n, k)
    a, b = np.where(inside, n, 1), np.where(inside, k, 0)
    slope = y * (digamma_gap(b + 1, a - 2 * b) if which else digamma_gap(a - b + 1, b))
    if np.all(inside):
        return slope
    return np.where(inside, slope, _binom_slopes(np.where(inside, 0.5, n), np.where(inside, 0.25, k))[which])


elementwise(sp.poch, _poch_slope, lambda y, z, m: y * sp.digamma(z + m))
elementwise(sp.binom, lambda y, n, k: _binom_slope(y, n, k, which=0), lambda y, n, k: _binom_slope(y, n, k, which=1))
