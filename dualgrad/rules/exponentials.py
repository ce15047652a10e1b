"""Sums of exponentials: what logsumexp, softmax, log-softmax and the cross-entropies share.

All exponents are measured from the largest, which takes its tangent along: then its own exponential is the constant 1,
the others are small numbers with all their digits, and so are 1 - p and p (1 - p) of a saturated softmax, at every
order. Nothing is lost at a tie either: whichever number the exponents are measured from, the sum is the same.
"""

import numpy as np

from ..backend import is_host
from ..dual import Dual, primal
from .declare import register
from .slopes import dispatched


@dispatched
def _finite(x):
    """The numbers with 0 for infinities, which move as these do."""
    return np.where(np.isinf(x), 0, x)


register([_finite], "explicit", lambda x: Dual(_finite(x.primal), x.tangent, x.level))


def gap(x, y):
    """x - y, and 0 between two equal infinities."""
    d, a, b = x - y, primal(x), primal(y)
    same = np.isinf(a) & (a == b)
    if is_host(same) and not np.any(same):
        return d
    zero = np.zeros_like(primal(d))
    return np.where(same, _finite(x + zero) - _finite(y + zero), d)


def exponentials(x, axis=-1):
    """x measured from its largest entry, the exponentials e, and their sum."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    e = np.exp(shifted)
    return shifted, e, np.sum(e, axis=axis, keepdims=True)


def softmax(x, axis=-1):
    """p = eˣ / Σ eˣ."""
    _, e, total = exponentials(x, axis)
    return e / total


def complement(e, total, axis=-1):
    """1 - p of p = e / Σ e: for a largest entry that stands alone, from the others."""
    largest = primal(e) == 1
    alone = largest & (np.sum(largest, axis=axis, keepdims=True) == 1)
    rest = np.sum(np.where(largest, 0, e), axis=axis, keepdims=True)
    return np.where(alone, rest, total - e) / total


def from_the_largest(y, dx, axis=-1):
    """dx less its entry where y is largest (or the mean of these)."""
    y = primal(y)
    largest = (y == np.max(y, axis=axis, keepdims=True)).astype(y.dtype)
    weights = largest / np.sum(largest, axis=axis, keepdims=True)
    return dx - np.sum(np.where(weights, weights * dx, 0), axis=axis, keepdims=True)


def softmax_tangent(y, dx, axis=-1):
    """y (dx - ⟨y, dx⟩), which is its own transpose: p_i (δ_ij - p_j)."""
    return y * log_softmax_tangent(y, dx, axis)


def log_softmax_tangent(y, dx, axis=-1):
    """dx - ⟨y, dx⟩, given y = softmax x."""
    d = from_the_largest(y, dx, axis)
    return d - np.sum(y * d, axis=axis, keepdims=True)
