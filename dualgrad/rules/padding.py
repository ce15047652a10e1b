"""Padding: the tangent is padded as its array, with constants counting as zero."""

import numpy as np

from ..dual import Dual, lead_of
from .declare import refuse_others, register_rule, with_value
from .lead import each_direction
from .shifts import index_along

_LINEAR_PADS = ("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean", "empty")


def _pad(array, pad_width, mode="constant", **kw):
    """NumPy's own padding acts on the tangent, with constant and end values counting as zero."""
    if mode in ("maximum", "minimum", "median"):
        y = np.pad(array.primal, pad_width, mode, **kw)
        return with_value(_stat_pad(array, pad_width, mode, **kw), y, array.level)
    if mode not in _LINEAR_PADS:
        raise NotImplementedError(f"np.pad has no rule for mode={mode!r}; supported: {_LINEAR_PADS} and statistics")
    refuse_others(np.pad, (), kw)
    lead = lead_of(array)
    y = np.pad(array.primal, pad_width, mode, **kw)
    if kw.get("reflect_type") == "odd":
        homogeneous = kw
    else:
        homogeneous = {k: 0 if k in ("constant_values", "end_values") else v for k, v in kw.items()}
    widths = _pad_widths(pad_width, array.ndim) or pad_width
    if not lead:
        return Dual(y, np.pad(array.tangent, widths, mode, **homogeneous), array.level)
    d = each_direction(lambda d: np.pad(d, widths, mode, **homogeneous), array.tangent)
    return Dual(y, d, array.level)


def _pad_widths(pad_width, ndim):
    if isinstance(pad_width, dict):
        widths = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            widths[axis] = (width, width) if np.ndim(width) == 0 else tuple(width)
        return widths
    return [tuple(map(int, w)) for w in np.broadcast_to(pad_width, (ndim, 2))]


def _stat_pad(array, pad_width, mode, stat_length=None):
    statistic = {"maximum": np.max, "minimum": np.min, "median": np.median}[mode]
    lengths = [(None, None)] * array.ndim if stat_length is None else np.broadcast_to(stat_length, (array.ndim, 2))
    for k, ((before, after), (first, last)) in enumerate(zip(_pad_widths(pad_width, array.ndim), lengths, strict=True)):
        axis, n = k - array.ndim, array.shape[k]
        head = array[index_along(axis, slice(None, n if first is None else min(first, n)))]
        tail = array[index_along(axis, slice(n - (n if last is None else min(last, n)), None))]
        first, last = (statistic(part, axis=axis, keepdims=True) for part in (head, tail))
        array = np.concatenate([np.repeat(first, before, axis), array, np.repeat(last, after, axis)], axis)
    return array


register_rule([np.pad], "linear", _pad)
