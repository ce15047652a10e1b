"""Copies, buffers to write into, and other precisions."""

import numpy as np

from ..dual import Dual, lead_of, primal
from ..tables import RULES
from .declare import nested_as, refuse_others, register_rule, require_room


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
            return primal(p)
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
    register_rule([like], "linear", _buffer(like))
register_rule([np.full_like], "linear", _full_like)
register_rule([np.copy], "linear", _copy)


def _astype(x, dtype, order="K", casting="unsafe", subok=True, copy=True):
    """Another floating or complex precision; integers would drop the tangent."""
    require_room(dtype, x)
    lead_of(x)
    if not copy and x.dtype == dtype:
        return x
    given = {} if (order, casting) == ("K", "unsafe") else {"order": order, "casting": casting}
    return Dual(x.primal.astype(dtype, **given), x.tangent.astype(dtype), x.level)


RULES[np.ndarray.astype] = _astype  # what x.astype(dtype) is
if hasattr(np, "astype"):
    register_rule([np.astype], "linear", lambda x, dtype, /, *, copy=True, device=None: _astype(x, dtype, copy=copy))
