"""The keywords of ufuncs: out, where, order, dtype, signature, casting, and the axes of generalized ones.

The value, its layout, its warnings and NumPy's own refusals come from NumPy's call with the same keywords; only the
tangent is computed here.
"""

import contextlib

import numpy as np

from ..dual import Dual, holds_duals, primal, store
from ..errors import TangentLossError
from ..tables import KINDS, METHODS, RULES
from .absorb import quietly
from .declare import _strip, as_result, duals_in, require_room, with_value


def call_with_keywords(ufunc, rule, inputs, kwargs):
    """A call of a ufunc whose rule, for operands alone, is ``rule``."""
    outs, where = kwargs.pop("out", (None,) * ufunc.nout), primal(kwargs.pop("where", True))
    moving = any(True for _ in duals_in(inputs))
    if KINDS[ufunc] == "constant" and not any(isinstance(out, Dual) for out in outs):
        return rule(*inputs, out=outs, where=where, **kwargs)
    if moving and any(out is not None and not holds_duals(out) for out in outs):
        raise TangentLossError(
            f"np.{ufunc.__name__} cannot write into a plain array (out= or plain += dual would drop the tangent): "
            "write plain = plain + dual, or make the buffer from the Dual, np.zeros_like(dual)"
        )
    pushed = _pushed if moving and kwargs else _alone if moving else _of_constants
    if where is True:
        results = _as_tuple(pushed(ufunc, rule, inputs, kwargs))
    else:
        results = _masked(ufunc, _as_tuple(quietly(pushed, ufunc, rule, inputs, kwargs)), inputs, kwargs, outs, where)
    results = tuple(y if out is None else _stored(ufunc, out, y) for y, out in zip(results, outs, strict=True))
    return results if ufunc.nout > 1 else results[0]


METHODS["__call__"] = lambda ufunc, *inputs, **kwargs: call_with_keywords(ufunc, RULES[ufunc], inputs, kwargs)


def _as_tuple(results):
    return results if isinstance(results, tuple) else (results,)


def _alone(ufunc, rule, inputs, kwargs):
    return rule(*inputs)


def _of_constants(ufunc, rule, inputs, kwargs):
    return ufunc(*inputs, **kwargs)


def _pushed(ufunc, rule, inputs, kwargs):
    level = max(d.level for d in duals_in(inputs))
    y = ufunc(*_strip(inputs, level), **kwargs)
    inputs = in_precision_of(y, inputs, kwargs.get("casting"))
    return with_value(quietly(_along_axes, ufunc, rule, inputs, kwargs), y, level)


def in_precision_of(y, inputs, casting=None):
    """The operands in the precision of a result, for a tangent that is computed in it."""
    dtype = np.result_type(*(v.dtype for v in _as_tuple(y)))
    require_room(dtype, *(primal(x) for x in inputs if casting == "unsafe" and has_room(x)))
    return [as_result(x, dtype) if has_room(x) else x for x in inputs]


def has_room(x):
    """Whether an operand is an array of numbers that may move."""
    return hasattr(x, "dtype") and np.issubdtype(x.dtype, np.inexact)


def _along_axes(ufunc, rule, inputs, kwargs):
    """The core axes of a generalized ufunc brought to the end, those of its result to where they are wanted."""
    axes, axis, keepdims = (kwargs.get(name) for name in ("axes", "axis", "keepdims"))
    axes = [axis] * (ufunc.nin + bool(keepdims)) if axis is not None else axes or []
    axes = [a if isinstance(a, tuple) else (a,) for a in axes]
    last = [list(range(-len(a), 0)) for a in axes]
    inputs = [np.moveaxis(x, a, b) for x, a, b in zip(inputs, axes, last, strict=False)] or inputs
    y = rule(*inputs)
    y = np.expand_dims(y, -1) if keepdims else y
    return np.moveaxis(y, last[-1], axes[-1]) if len(axes) > ufunc.nin else y


def _masked(ufunc, results, inputs, kwargs, outs, where):
    """Where the mask is false, what ``out`` holds, or 0: the operands may be anything there."""
    results = [np.where(where, y, 0 if out is None else out) for y, out in zip(results, outs, strict=True)]
    level = max((d.level for d in duals_in(results)), default=0)
    values = tuple(np.copy(y) for y in _strip(results, level))
    ufunc(*_strip(inputs, level), out=values, where=where, **kwargs)
    return with_value(tuple(results), values, level)


def _stored(ufunc, out, y):
    """``out`` may have more loops than the result, which then fills it over and over."""
    if np.shape(y) != out.shape and (ufunc.signature is None or np.shape(y) == out.shape[-np.ndim(y) :]):
        with contextlib.suppress(ValueError):  # for `store` to name
            y = np.broadcast_to(y, out.shape)
    return store(out, y)
