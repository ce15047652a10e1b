"""Functions that move entries about: shapes, joins, splits, selections, order. All but sorting are linear."""

import functools
import math

import numpy as np

from ..backend import is_array, is_host
from ..backend import like as on_device
from ..dual import Dual, as_array, lead_of, pad_lead, primal
from ..tables import RULES
from .absorb import parts
from .declare import (
    composite,
    constant,
    duals_in,
    explicit,
    linear,
    linear_pieces,
    nested_as,
    plain,
    refuse_others,
    register,
    require_room,
    top_level,
    with_value,
)
from .lead import broadcast, direction, each_direction, flat, trailing

# ---------------------------------------------------------------------- shape: the lead axis stays in front


def _trailing_axes(dx, ndim, axes=None):
    """A permutation of the axes, the lead axis kept first."""
    axes = range(ndim)[::-1] if axes is None else [a % ndim for a in np.atleast_1d(axes).tolist()]
    return (0, *(a + 1 for a in axes))


def _insert_axes(axis, ndim):
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(a if a < 0 else a - (ndim + len(axes)) for a in axes)


def _moveaxis_lead(dx, ndim, source, destination):
    return np.moveaxis(dx, trailing(source, ndim), trailing(destination, ndim))


def _rollaxis_lead(dx, ndim, axis, start=0):
    return np.rollaxis(dx, axis % ndim + 1, (start + ndim if start < 0 else start) + 1)


def _reshape_lead(dx, ndim, shape=None, order="C", newshape=None, copy=None):
    size = int(np.prod(dx.shape[1:]))
    shape = newshape if shape is None else shape  # its name until NumPy 2.1
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if -1 in shape:
        known = -int(np.prod(shape))
        shape = tuple(size // known if known and s == -1 else 0 if s == -1 else s for s in shape)
    if order == "C":
        return np.reshape(dx, dx.shape[:1] + shape)
    return np.moveaxis(np.reshape(np.moveaxis(dx, 0, -1), (*shape, len(dx)), order=order), -1, 0)


def _ravel_lead(dx, ndim, order="C"):
    return _reshape_lead(dx, ndim, -1, order)


def _by_the_value(push, known):
    """Orders "A" and "K" ask for the layout in memory: that of the value, which its tangent need not share."""

    def push_by_the_value(a, *args, **kwargs):
        orders = [v for v in (*args, kwargs.get("order")) if isinstance(v, str) and v in "AK"]
        if not orders or orders[0] not in known:
            return push(a, *args, **kwargs)
        flags, order = primal(a).flags, "C"
        if flags.f_contiguous and not flags.c_contiguous:
            order = "F"
        elif orders == ["K"] and not flags.c_contiguous:
            if 0 in primal(a).strides:
                raise NotImplementedError('order="K" of a Dual made by broadcasting: use order="C"')
            a = np.transpose(a, np.argsort([-abs(s) for s in primal(a).strides], kind="stable"))
        settled = lambda v: order if isinstance(v, str) and v in "AK" else v  # noqa: E731
        return push(a, *map(settled, args), **{k: settled(v) for k, v in kwargs.items()})

    return push_by_the_value


def _squeezed(shape, ndim, axis):
    drop = {a for a in range(-ndim, 0) if shape[a] == 1} if axis is None else set(np.atleast_1d(trailing(axis, ndim)))
    return shape[:1] + tuple(shape[a] for a in range(-ndim, 0) if a not in drop)


linear(np.reshape, lead=_reshape_lead)
linear(np.ravel, lead=_ravel_lead)
linear(np.squeeze, lead=lambda dx, n, axis=None: dx.reshape(_squeezed(dx.shape, n, axis)))
linear(np.expand_dims, lead=lambda dx, n, axis: np.expand_dims(dx, _insert_axes(axis, n)))
linear(np.transpose, lead=lambda dx, n, axes=None: np.transpose(dx, _trailing_axes(dx, n, axes)))
linear(np.swapaxes, lead=lambda dx, n, axis1, axis2: np.swapaxes(dx, trailing(axis1, n), trailing(axis2, n)))
linear(np.moveaxis, lead=_moveaxis_lead)
linear(np.rollaxis, lead=_rollaxis_lead)
linear(np.flip, lead=lambda dx, n, axis=None: np.flip(dx, trailing(axis, n)))
linear(np.fliplr, lead=lambda dx, n: np.flip(dx, 1 - n))
linear(np.flipud, lead=lambda dx, n: np.flip(dx, -n))
linear(np.rot90, lead=lambda dx, n, k=1, axes=(0, 1): np.rot90(dx, k, trailing(axes, n)))

RULES[np.reshape] = _by_the_value(RULES[np.reshape], "A")
RULES[np.ravel] = _by_the_value(RULES[np.ravel], "AK")

# ---------------------------------------------------------------------- broadcasting


def _broadcast_to(array, shape, subok=False):
    lead = lead_of(array)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    y = np.broadcast_to(array.primal, shape)
    dx = pad_lead(array.tangent, len(shape)) if lead else array.tangent
    return Dual(y, np.broadcast_to(dx, lead + shape), array.level, frozen=True)


def _broadcast_arrays(*arrays, subok=False):
    shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
    return [np.broadcast_to(a, shape) for a in arrays]


register([np.broadcast_to], "linear", _broadcast_to)
register([np.broadcast_arrays], "linear", _broadcast_arrays)

for at_least, count in ((np.atleast_1d, 1), (np.atleast_2d, 2), (np.atleast_3d, 3)):

    def _at_least(*arrays, count=count, function=at_least):
        """(n,) becomes (1, n) and then (1, n, 1); (n, m) becomes (n, m, 1)."""
        if len(arrays) > 1:
            return tuple(_at_least(a, count=count, function=function) for a in arrays)
        x = arrays[0]
        return np.reshape(x, function(np.empty(np.shape(x))).shape) if isinstance(x, Dual) else function(x)

    register([at_least], "linear", _at_least)

# ---------------------------------------------------------------------- repetition, rolls, differences


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
    a = _array(a, prepend if append is None else append)
    axis = trailing(axis, np.ndim(a))
    ends = [e if e is None else _array(e, a) for e in (prepend, append)]
    edge = (*np.shape(a)[:axis], 1, *np.shape(a)[np.ndim(a) + axis + 1 :])
    first, last = ([] if e is None else [e if np.ndim(e) else np.broadcast_to(e, edge)] for e in ends)
    a = np.concatenate([*first, a, *last], axis)
    for _ in range(n):
        a = a[_along(axis, slice(1, None))] - a[_along(axis, slice(None, -1))]
    return a


def _array(x, beside):
    """An array as it is, a list or number as one where ``beside`` is."""
    return x if is_array(x) else on_device(np.asarray(x), primal(beside))


def _along(axis, index):
    """The index that takes ``index`` on a negative axis."""
    return (..., index) + (slice(None),) * (-axis - 1)


linear(np.roll, lead=_roll_lead)
linear(np.repeat, lead=_repeat_lead)
linear(np.tile, lead=_tile_lead)


def _ediff1d(ary, to_end=None, to_begin=None):
    return np.concatenate([np.ravel(v) for v in (to_begin, np.diff(np.ravel(ary)), to_end) if v is not None])


def _resize(a, new_shape):
    """The entries over and over."""
    shape = np.broadcast_to(0, new_shape).shape
    if a.size == 0:
        return np.zeros_like(a, shape=shape)
    return np.reshape(np.ravel(a)[[k % a.size for k in range(math.prod(shape))]], shape)


composite(np.resize, _resize)
composite(np.diff, _diff)
composite(np.ediff1d, _ediff1d)
linear(np.gradient)
linear(np.take, np.take_along_axis)

# ---------------------------------------------------------------------- diagonals


def _diag_lead(dx, ndim, k=0):
    if ndim == 2:
        return np.diagonal(dx, k, -2, -1)
    out = np.zeros_like(dx, shape=(len(dx),) + (dx.shape[-1] + abs(k),) * 2)
    i = range(dx.shape[-1])
    out[:, [j + max(-k, 0) for j in i], [j + max(k, 0) for j in i]] = dx
    return out


def _triangle_lead(function, dx, ndim, k):
    return function(dx, k) if ndim > 1 else function(np.broadcast_to(dx[:, None, :], dx.shape + dx.shape[-1:]), k)


linear(np.diag, lead=_diag_lead)
composite(np.diagflat, lambda v, k=0: np.diag(np.ravel(v), k))
linear(np.tril, lead=lambda dx, n, k=0: _triangle_lead(np.tril, dx, n, k))
linear(np.triu, lead=lambda dx, n, k=0: _triangle_lead(np.triu, dx, n, k))
linear(
    np.diagonal,
    lead=lambda dx, n, offset=0, axis1=0, axis2=1: np.diagonal(dx, offset, trailing(axis1, n), trailing(axis2, n)),
)

# ---------------------------------------------------------------------- joins and splits

linear_pieces(np.concatenate, trailing)
linear_pieces(np.stack, lambda axis, ndim: trailing(axis, ndim + 1))


def _append(arr, values, axis=None):
    if axis is None:
        arr, values = np.ravel(_array(arr, values)), np.ravel(_array(values, arr))
    return np.concatenate([arr, values], axis or 0)


def _columns(tup):
    return np.concatenate([np.reshape(a, (-1, 1)) if np.ndim(a) < 2 else a for a in tup], axis=1)


def _hstack(tup, **kw):
    arrays = [np.atleast_1d(a) for a in tup]
    return np.concatenate(arrays, 0 if np.ndim(arrays[0]) == 1 else 1, **kw)


def _block(arrays):
    """Nested lists, joined from the last axis to the first."""
    depth = lambda a: 1 + max(map(depth, a)) if isinstance(a, list) else 0  # noqa: E731
    leaves = lambda a: [x for b in a for x in leaves(b)] if isinstance(a, list) else [a]  # noqa: E731
    ndim = max([depth(arrays), *map(np.ndim, leaves(arrays))])

    def joined(a, axis):
        if isinstance(a, list):
            return np.concatenate([joined(b, axis + 1) for b in a], axis)
        return np.reshape(a, (1,) * (ndim - np.ndim(a)) + np.shape(a))

    return joined(arrays, -depth(arrays))


def _insert(arr, obj, values, axis=None):
    """NumPy's own insertion, of each direction of the values into each of the array."""
    level, lead = top_level((arr, values))
    (x, dx), (v, dv) = parts(arr, level), parts(values, level)
    y = np.insert(x, obj, v, axis)
    require_room(y.dtype, *duals_in((arr, values)))
    dx, dv = (
        np.zeros_like(p, shape=lead + np.shape(p)) if d is None else d for p, d in ((primal(x), dx), (primal(v), dv))
    )
    if not lead:
        return Dual(y, nested_as(y, np.insert(dx, obj, dv, axis)), level)
    d = np.stack([np.insert(direction(dx, k), obj, direction(dv, k), axis) for k in range(max(lead[0], 1))])[: lead[0]]
    return Dual(y, nested_as(y, d), level)


composite(np.block, _block)
register([np.insert], "linear", _insert)
linear(np.delete)
composite(np.append, _append)
composite(np.vstack, lambda tup, **kw: np.concatenate([np.atleast_2d(a) for a in tup], 0, **kw))
composite(np.hstack, _hstack)
composite(np.dstack, lambda tup: np.concatenate([np.atleast_3d(a) for a in tup], 2))
composite(np.column_stack, _columns)


def _split_lead(function):
    return lambda dx, n, indices_or_sections, axis=0: function(dx, indices_or_sections, trailing(axis, n))


def _split_as(axis_of):
    return lambda dx, n, indices_or_sections: np.split(dx, indices_or_sections, axis_of(n))


linear(np.split, lead=_split_lead(np.split))
linear(np.array_split, lead=_split_lead(np.array_split))
linear(np.hsplit, lead=_split_as(lambda n: -1 if n == 1 else 1 - n))
linear(np.vsplit, lead=_split_as(lambda n: -n))
linear(np.dsplit, lead=_split_as(lambda n: 2 - n))

if hasattr(np, "unstack"):  # NumPy 2.1
    linear(np.unstack, lead=lambda dx, n, *, axis=0: np.unstack(dx, axis=trailing(axis, n)))

# ---------------------------------------------------------------------- selection


def _where(condition, *choices):
    """The tangent of the chosen branch; the other cannot poison it."""
    if not choices:
        return np.where(plain(condition))
    condition = plain(condition)
    x, y = choices
    if not isinstance(x, Dual) and not isinstance(y, Dual):
        return np.where(condition, x, y)
    level, lead = top_level((x, y))
    (x, dx), (y, dy) = parts(x, level), parts(y, level)
    out = np.where(condition, x, y)
    if lead:
        dx, dy = (d if d is None else pad_lead(d, out.ndim) for d in (dx, dy))
    d = np.where(condition, 0 if dx is None else dx, 0 if dy is None else dy)
    if d.shape != lead + out.shape or d.dtype != out.dtype:
        d = broadcast(d, lead, out.shape, out.dtype)
    return Dual(out, nested_as(out, d), level)


def _select(condlist, choicelist, default=0):
    result = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        result = np.where(condition, choice, result)
    return result


def _choose(a, choices, mode="raise"):
    count = len(choices)
    which = np.clip(a, 0, count - 1) if mode == "clip" else np.remainder(a, count)
    return _select([which == k for k in range(count)], choices)


def _compress(condition, a, axis=None):
    chosen = np.flatnonzero(condition)
    return np.take(a, chosen.tolist() if is_host(chosen) else chosen, axis)


def _piecewise(x, condlist, funclist, *args, **kw):
    """Each function on the entries of its condition, the last condition that holds. Several conditions are a list of
    lists or arrays, an array of two axes, or for a number x anything with a length."""
    condlist = plain(condlist)
    if (
        np.isscalar(condlist)
        or np.ndim(x)
        and not isinstance(condlist[0], (list, np.ndarray))
        and not np.ndim(condlist[0])
    ):
        condlist = [condlist]
    on_host = is_host(condlist) or all(isinstance(c, list) or is_host(c) or np.isscalar(c) for c in condlist)
    conditions = [*(np.asarray(condlist, bool) if on_host else condlist)]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~functools.reduce(np.logical_or, conditions))
    elif len(funclist) != len(conditions):
        raise ValueError(
            f"got {len(funclist)} functions for {len(conditions)} conditions; expected as many, or one more"
        )
    y = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        some = x[condition]
        if some.size:
            y[condition] = function(some, *args, **kw) if callable(function) else function
    return y


composite(np.choose, _choose)
composite(np.select, _select)
composite(np.compress, _compress)
composite(np.extract, lambda condition, arr: _compress(np.ravel(condition), arr))
register([np.piecewise], "composite", _piecewise)
register([np.where], "linear", _where)

# ---------------------------------------------------------------------- grids, windows, slices


def _meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    if not copy:
        raise NotImplementedError("np.meshgrid(copy=False) of a Dual would share its memory: leave copy out")
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = 1, 0
    grids = [np.reshape(x, [-1 if k == axis else 1 for k in range(len(xi))]) for x, axis in zip(xi, axes, strict=True)]
    return tuple(g + 0 for g in (grids if sparse else np.broadcast_arrays(*grids)))


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


register([np.bincount], "linear", _bincount)
composite(np.meshgrid, _meshgrid)
register([np.lib.stride_tricks.sliding_window_view], "linear", _sliding_window_view)
register([np.apply_along_axis], "composite", _apply_along_axis)
register([np.apply_over_axes], "composite", _apply_over_axes)

# ---------------------------------------------------------------------- padding

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
        head = array[_along(axis, slice(None, n if first is None else min(first, n)))]
        tail = array[_along(axis, slice(n - (n if last is None else min(last, n)), None))]
        first, last = (statistic(part, axis=axis, keepdims=True) for part in (head, tail))
        array = np.concatenate([np.repeat(first, before, axis), array, np.repeat(last, after, axis)], axis)
    return array


register([np.pad], "linear", _pad)

# ---------------------------------------------------------------------- order: the tangent goes where its entry goes


def _ordered(x, dx, order, axis):
    if isinstance(dx, np.ndarray) or np.ndim(dx):
        lifted = order[(None,) * (np.ndim(dx) - np.ndim(order))]
        if np.ndim(dx) != np.ndim(order):
            lifted = np.broadcast_to(lifted, dx.shape[:1] + order.shape)
        return np.take_along_axis(x, order, axis), np.take_along_axis(dx, lifted, axis)
    return x, dx


def _flat_if_none(x, dx, axis):
    return (np.ravel(x), flat(dx) if np.ndim(dx) > np.ndim(x) else np.ravel(dx), -1) if axis is None else (x, dx, axis)


@explicit(np.sort)
def sort(x, dx, lead, axis=-1, kind=None, order=None, *, stable=None):
    """The permutation that sorts x, stable at ties."""
    given = {k: v for k, v in {"kind": kind, "order": order, "stable": stable}.items() if v is not None}
    if given:
        np.sort(primal(x), axis, **given)  # for NumPy's refusals
    x, dx, axis = _flat_if_none(x, dx, axis)
    axis = trailing(axis, x.ndim)
    return _ordered(x, dx, np.argsort(primal(x), axis, kind="stable"), axis)


composite(np.sort_complex, lambda a: np.sort(a + 0j))


@explicit(np.partition)
def partition(x, dx, lead, kth, axis=-1, kind="introselect", order=None):
    """The permutation that NumPy's partition of x makes, read off its result: argpartition may make another."""
    x, dx, axis = _flat_if_none(x, dx, axis)
    axis = trailing(axis, x.ndim)
    choice = {} if kind == "introselect" else {"kind": kind}  # CuPy has none
    choice |= {} if order is None else {"order": order}
    rank = np.argsort(np.argsort(np.partition(primal(x), kth, axis, **choice), axis, kind="stable"), axis)
    return _ordered(x, dx, np.take_along_axis(np.argsort(primal(x), axis, kind="stable"), rank, axis), axis)


# ---------------------------------------------------------------------- copies and buffers


def _copy(a, order="K", subok=False):
    """A writable copy, nested as deeply as the value, so that it takes tangents of every outer level."""
    lead_of(a)
    p, d = a.primal, a.tangent
    p, d = (np.copy(v, order=order) if isinstance(v, Dual) else _plain_copy(v, order) for v in (p, d))
    return Dual(p, nested_as(p, d), a.level)


def _plain_copy(v, order):
    return v.copy(order=order) if getattr(v, "ndim", 0) else v.copy()


def _buffer(function):
    """``zeros_like(dual)`` and its kin: a Dual of constant entries that accepts Duals."""

    def push(a, *args, **kwargs):
        refuse_others(function, args, kwargs)
        if not isinstance(a, Dual):
            return function(a, *args, **kwargs)
        lead = lead_of(a)
        kwargs.pop("subok", None)
        p = function(a.primal, *args, **kwargs)
        if not np.issubdtype(p.dtype, np.inexact):
            return plain(p)
        d = np.zeros_like(a.tangent, dtype=p.dtype, shape=lead + p.shape)
        return Dual(p, nested_as(p, d), a.level)

    return push


def _full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    like, shape = a, np.shape(a) if shape is None else shape
    dtype = a.dtype if dtype is None else dtype
    if isinstance(fill_value, Dual):  # a buffer for the levels of both
        require_room(dtype, fill_value)
        like = np.zeros_like(a, shape=()) + np.zeros_like(fill_value, shape=())
    else:
        fill_value = np.full_like(primal(a), fill_value, dtype, shape=shape)
    buffer = np.zeros_like(like, dtype=dtype, shape=shape)
    buffer[...] = fill_value
    return buffer


for like in (np.zeros_like, np.ones_like, np.empty_like):
    register([like], "linear", _buffer(like))
register([np.full_like], "linear", _full_like)
register([np.copy], "linear", _copy)


def _astype(x, dtype, order="K", casting="unsafe", subok=True, copy=True):
    """Another floating or complex precision; integers would drop the tangent."""
    require_room(dtype, x)
    lead_of(x)
    if not copy and x.dtype == dtype:
        return x
    given = {} if (order, casting) == ("K", "unsafe") else {"order": order, "casting": casting}
    return Dual(x.primal.astype(dtype, **given), x.tangent.astype(dtype), x.level)


Dual.astype = _astype
if hasattr(np, "astype"):
    register([np.astype], "linear", lambda x, dtype, /, *, copy=True, device=None: _astype(x, dtype, copy=copy))


def _linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """start + k (stop - start) / (num - 1)."""
    start, stop = (np.asarray(a) if isinstance(a, (list, tuple)) else a for a in (start, stop))
    steps = max(num - 1, 1) if endpoint else max(num, 1)
    k = np.arange(num).reshape((num,) + (1,) * max(np.ndim(start), np.ndim(stop)))
    low, high = plain(start), plain(stop)
    weight = on_device((k / steps).astype(np.result_type(low, high, 0.0)), low if is_array(low) else high)
    y = np.moveaxis(start * (1 - weight) + stop * weight, 0, axis)
    return (y, (stop - start) / steps) if retstep else y


composite(np.linspace, _linspace)

# ---------------------------------------------------------------------- facts about an array, not functions of it

constant(
    np.shape, np.ndim, np.size, np.argmax, np.argmin, np.argsort, np.argpartition, np.argwhere, np.nonzero,
    np.flatnonzero, np.count_nonzero, np.searchsorted, np.all, np.any, np.result_type, np.can_cast, np.min_scalar_type,
    np.tril_indices_from, np.triu_indices_from, np.diag_indices_from, np.lexsort, np.isin,
    np.common_type, np.shares_memory, np.may_share_memory, np.array_repr, np.array_str, np.array2string,
    np.nanargmax, np.nanargmin, np.digitize, np.ix_, np.unravel_index, np.ravel_multi_index,
)  # fmt: skip
