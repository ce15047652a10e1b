"""Arrays joined, split, and with entries put in or left out."""

import numpy as np

from ..dual import Dual, primal
from .absorb import parts
from .declare import composite, duals_in, linear, linear_pieces, nested_as, register_rule, require_room, top_level
from .lead import direction, trailing
from .shifts import as_array_like

linear_pieces(np.concatenate, trailing, flattens=True)
linear_pieces(np.stack, lambda axis, ndim: trailing(axis, ndim + 1))


def _append(arr, values, axis=None):
    if axis is None:
        arr, values = np.ravel(as_array_like(arr, values)), np.ravel(as_array_like(values, arr))
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
register_rule([np.insert], "linear", _insert)
linear(np.delete)
composite(np.append, _append)
composite(np.vstack, lambda tup, **kw: np.concatenate([np.atleast_2d(a) for a in tup], 0, **kw), sequence=True)
composite(np.hstack, _hstack, sequence=True)
composite(np.dstack, lambda tup: np.concatenate([np.atleast_3d(a) for a in tup], 2), sequence=True)
composite(np.column_stack, _columns, sequence=True)


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
