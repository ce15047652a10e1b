"""Sums of exponentials: what logsumexp, softmax, log-softmax and the cross-entropies share.

All exponents are measured from the largest, which takes its tangent along: then its own exponential is the constant 1,
the others are small numbers with all their digits, and so are 1 - p and p (1 - p) of a saturated softmax, at every
order. Nothing is lost at a tie either: whichever number the exponents are measured from, the sum is the same.
"""

import numpy as np

from .dispatch import own
from .dual import Dual, primal
from .rules.absorb import has_nan
from .rules.declare import register_rule


@own
def zero_at_infinities(x):
    """The numbers with 0 for infinities, which move as these do."""
    return np.where(np.isinf(x), 0, x)


register_rule([zero_at_infinities], "explicit", lambda x: Dual(zero_at_infinities(x.primal), x.tangent, x.level))


def gap(x, y):
    """x - y, and 0 between two equal infinities."""
    d = x - y
    if not has_nan(d):
        return d
    a, b, zero = primal(x), primal(y), np.zeros_like(primal(d))
    return np.where(np.isinf(a) & (a == b), zero_at_infinities(x + zero) - zero_at_infinities(y + zero), d)


def exponentials(x):
    """Over the last axis: the index of the largest entry, x measured from it, the exponentials e of that, and the sum
    of all but the largest, which is 1: Σ e = 1 + rest."""
    at, shifted = _shifted(x)
    e = replaced(np.exp(shifted), at, 0)
    rest = np.sum(e, axis=-1, keepdims=True)
    return at, shifted, replaced(e, at, 1), rest


def stable_softmax(x):
    """p = eˣ / Σ eˣ over the last axis."""
    e = np.exp(_shifted(x)[1])
    return e / np.sum(e, axis=-1, keepdims=True)


def _shifted(x):
    at = np.argmax(primal(x), axis=-1, keepdims=True)
    return at, x - entry(x, at)


def entry(x, at):
    """The entry at an index of each row, in a column; x may have axes in front."""
    if x.__class__ is not np.ndarray:
        return np.take_along_axis(x, np.reshape(at, (1,) * (x.ndim - at.ndim) + at.shape), -1)
    rows = x.reshape(*x.shape[: x.ndim - at.ndim], at.size, x.shape[-1])
    return rows[..., np.arange(at.size), at.reshape(-1)].reshape(*x.shape[:-1], 1)


def replaced(own, at, value):
    """The array with a value at an index of each row; plain ones, which are nobody else's, in place."""
    if own.__class__ is not np.ndarray:
        return np.where(at == np.arange(own.shape[-1], like=at), value, own)
    if not own.flags.c_contiguous:  # of which a reshape might be a copy
        np.put_along_axis(own, at, value, -1)
        return own
    rows = own.reshape(at.size, own.shape[-1])
    rows[np.arange(at.size), at.reshape(-1)] = value.reshape(-1) if isinstance(value, np.ndarray) else value
    return own


def less(own, x):
    """own - x, into the array where it is plain."""
    return np.subtract(own, x, out=own) if own.__class__ is np.ndarray else own - x


def one_minus_softmax(at, e, rest):
    """1 - p of p = e / (1 + rest), at the largest entry from all others."""
    return replaced(1 + rest - e, at, rest) / (1 + rest)


def from_the_largest(y, dx, axis=-1):
    """dx measured from its entry where y is largest."""
    y = primal(y)
    if axis == -1:
        return dx - entry(dx, np.argmax(y, axis=-1, keepdims=True))
    top = y == np.max(y, axis=axis, keepdims=True)
    return dx - np.max(np.where(top, dx, -np.inf), axis=axis, keepdims=True)


def softmax_tangent(y, dx, axis=-1):
    """y (dx - ⟨y, dx⟩), which is its own transpose: p_i (δ_ij - p_j)."""
    return y * log_softmax_tangent(y, dx, axis)


def log_softmax_tangent(y, dx, axis=-1):
    """dx - ⟨y, dx⟩, given y = softmax x."""
    d = from_the_largest(y, dx, axis)
    return less(d, np.sum(y * d, axis=axis, keepdims=True))
