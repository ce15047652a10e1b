"""Sums of exponentials: what logsumexp, softmax, log-softmax and the cross-entropies share.

All exponents are measured from the largest, which takes its tangent along: then its own exponential is the constant 1,
the others are small numbers with all their digits, and so are 1 - p and p (1 - p) of a saturated softmax, at every
order. Nothing is lost at a tie either: whichever number the exponents are measured from, the sum is the same.
"""

import numpy as np

from ..dual import Dual, primal
from .absorb import has_nan
from .declare import register
from .slopes import dispatched


@dispatched
def finite(x):
    """The numbers with 0 for infinities, which move as these do."""
    return np.where(np.isinf(x), 0, x)


register([finite], "explicit", lambda x: Dual(finite(x.primal), x.tangent, x.level))


def gap(x, y):
    """x - y, and 0 between two equal infinities."""
    d = x - y
    if not has_nan(d):
        return d
    a, b, zero = primal(x), primal(y), np.zeros_like(primal(d))
    return np.where(np.isinf(a) & (a == b), finite(x + zero) - finite(y + zero), d)


def largest(x):
    """Where the first of the largest entries of the last axis stands."""
    return np.argmax(primal(x), axis=-1)[..., None] == np.arange(x.shape[-1], like=primal(x))


def exponentials(x):
    """Over the last axis: where the largest entry stands, x measured from it, the exponentials e of that, and the sum
    of all but the largest, which is 1: Σ e = 1 + rest."""
    top = largest(x)
    at = np.max(x, axis=-1, keepdims=True) if x.__class__ is np.ndarray else _sum(np.where(top, x, 0))
    shifted = x - at
    e = np.exp(shifted)
    return top, shifted, e, _sum(np.where(top, 0, e))


def _sum(x):
    return np.sum(x, axis=-1, keepdims=True)


def softmax(x):
    """p = eˣ / Σ eˣ over the last axis."""
    _, _, e, rest = exponentials(x)
    return e / (1 + rest)


def complement(top, e, rest):
    """1 - p of p = e / (1 + rest), at the largest entry from all others."""
    return np.where(top, rest, 1 + rest - e) / (1 + rest)


def from_the_largest(y, dx, axis=-1):
    """dx measured from its entry where y is largest."""
    y = primal(y)
    if isinstance(axis, int):
        at = np.argmax(y, axis=axis, keepdims=True)
        return dx - np.take_along_axis(dx, np.reshape(at, (1,) * (dx.ndim - y.ndim) + at.shape), axis)
    top = y == np.max(y, axis=axis, keepdims=True)
    return dx - np.max(np.where(top, dx, -np.inf), axis=axis, keepdims=True)


def softmax_tangent(y, dx, axis=-1):
    """y (dx - ⟨y, dx⟩), which is its own transpose: p_i (δ_ij - p_j)."""
    return y * log_softmax_tangent(y, dx, axis)


def log_softmax_tangent(y, dx, axis=-1):
    """dx - ⟨y, dx⟩, given y = softmax x."""
    d = from_the_largest(y, dx, axis)
    return d - np.sum(y * d, axis=axis, keepdims=True)
