"""Functions of one's own along axes, sliding windows, and sums by index."""

import math

import numpy as np

from ..dual import Dual, as_array, lead_of
from .declare import refuse_others, register_rule
from .lead import each_direction, trailing


def _sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
    if writeable:
        raise NotImplementedError("sliding_window_view(writeable=True) of a Dual: its windows overlap; leave it out")
    lead_of(x)
    axis = trailing(tuple(range(x.ndim)) if axis is None else axis, x.ndim)
    view = lambda a: np.lib.stride_tricks.sliding_window_view(a, window_shape, axis)  # noqa: E731
    return Dual(view(x.primal), view(x.tangent), x.level, frozen=True)


def _apply_along_axis(func1d, axis, arr, *args, **kw):
    axis = trailing(axis, arr.ndim) + arr.ndim
    rows = np.moveaxis(arr, axis, -1)
    flat_rows = np.reshape(rows, (math.prod(rows.shape[:-1]), rows.shape[-1]))
    results = np.stack([as_array(func1d(row, *args, **kw)) for row in flat_rows])
    results = np.reshape(results, rows.shape[:-1] + results.shape[1:])
    new = range(arr.ndim - 1, results.ndim)
    return np.moveaxis(results, list(new), [axis + k for k in range(len(new))])


def _apply_over_axes(func, a, axes):
    for axis in np.atleast_1d(axes):
        axis = trailing(int(axis), a.ndim) + a.ndim
        y = as_array(func(a, axis))
        a = y if y.ndim == a.ndim else np.expand_dims(y, axis)
    return a


def _bincount(x, weights=None, minlength=0):
    """Linear in the weights."""
    refuse_others(np.bincount, (x,), {"minlength": minlength})
    sums = lambda w: np.bincount(x, w, minlength)  # noqa: E731
    dy = each_direction(sums, weights.tangent) if lead_of(weights) else sums(weights.tangent)
    return Dual(sums(weights.primal), dy, weights.level)


register_rule([np.lib.stride_tricks.sliding_window_view], "linear", _sliding_window_view)
register_rule([np.apply_along_axis], "composite", _apply_along_axis)
register_rule([np.apply_over_axes], "composite", _apply_over_axes)
register_rule([np.bincount], "linear", _bincount)
