"""Entries rolled, repeated and subtracted from their neighbours."""

import math

import numpy as np

from ..backend import is_array
from ..backend import like as on_device
from ..dual import pad_lead, primal
from .declare import composite, linear
from .lead import flat, trailing


def _roll_lead(dx, ndim, shift, axis=None):
    if axis is None:
        return np.roll(flat(dx), shift, -1).reshape(dx.shape)
    return np.roll(dx, shift, trailing(axis, ndim))


def _repeat_lead(dx, ndim, repeats, axis=None):
    return np.repeat(flat(dx) if axis is None else dx, repeats, -1 if axis is None else trailing(axis, ndim))


def _tile_lead(dx, ndim, reps):
    reps = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    return np.tile(pad_lead(dx, len(reps)), (1, *((1,) * (ndim - len(reps))), *reps))


def _diff(a, n=1, axis=-1, prepend=None, append=None):
    if n == 0:
        return a
    a = as_array_like(a, prepend if append is None else append)
    axis = trailing(axis, np.ndim(a))
    ends = [e if e is None else as_array_like(e, a) for e in (prepend, append)]
    edge = (*np.shape(a)[:axis], 1, *np.shape(a)[np.ndim(a) + axis + 1 :])
    first, last = ([] if e is None else [e if np.ndim(e) else np.broadcast_to(e, edge)] for e in ends)
    a = np.concatenate([*first, a, *last], axis)
    for _ in range(n):
        a = a[index_along(axis, slice(1, None))] - a[index_along(axis, slice(None, -1))]
    return a


def _ediff1d(ary, to_end=None, to_begin=None):
    return np.concatenate([np.ravel(v) for v in (to_begin, np.diff(np.ravel(ary)), to_end) if v is not None])


def _resize(a, new_shape):
    """The entries over and over."""
    shape = np.broadcast_to(0, new_shape).shape
    if a.size == 0:
        return np.zeros_like(a, shape=shape)
    return np.reshape(np.ravel(a)[[k % a.size for k in range(math.prod(shape))]], shape)


def as_array_like(x, like):
    """An array as it is, a list or number as one where ``like`` is."""
    return x if is_array(x) else on_device(np.asarray(x), primal(like))


def index_along(axis, index):
    """The index that takes ``index`` on a negative axis."""
    return (..., index) + (slice(None),) * (-axis - 1)


linear(np.roll, lead=_roll_lead)
linear(np.repeat, lead=_repeat_lead)
linear(np.tile, lead=_tile_lead)
composite(np.resize, _resize)
composite(np.diff, _diff)
composite(np.ediff1d, _ediff1d)
linear(np.gradient)
