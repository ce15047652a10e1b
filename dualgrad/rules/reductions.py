"""Sums, products, moments, extrema and scans along axes, and the methods of ufuncs: reduce, accumulate, outer."""

import math

import numpy as np

from ..backend import is_host
from ..dual import Dual, lead_of, primal, store
from ..errors import caution
from ..tables import METHODS
from .absorb import quietly
from .declare import _strip, composite, duals_in, explicit, linear, with_value
from .keywords import in_precision_of
from .lead import flat, reduced, trailing

# ---------------------------------------------------------------------- sums and means


def _sum_lead(dx, ndim, axis=None, **kw):
    return np.sum(dx, axis=reduced(axis, ndim), **kw)


def _cumsum_lead(dx, ndim, axis=None, **kw):
    return np.cumsum(flat(dx), -1, **kw) if axis is None else np.cumsum(dx, trailing(axis, ndim), **kw)


def _sum(push):
    """``initial=`` is a constant: it belongs to the value and not to the tangent. Sums of everything skip np.sum."""

    def sum_(a, *args, initial=0, **kwargs):
        if not args and not kwargs and a.primal.__class__ is a.tangent.__class__ is np.ndarray and not lead_of(a):
            y = Dual(np.add.reduce(a.primal, axis=None), quietly(np.add.reduce, a.tangent, None), a.level)
        else:
            y = push(a, *args, **kwargs)
        if initial.__class__ is int and initial == 0:
            return y
        if isinstance(initial, Dual):
            return y + initial
        return Dual(np.sum(a.primal, *args, initial=initial, **kwargs), y.tangent, y.level)

    return sum_


linear(np.sum, lead=_sum_lead, around=_sum)
linear(np.mean, lead=lambda dx, n, axis=None, **kw: np.mean(dx, axis=reduced(axis, n), **kw))
linear(np.cumsum, lead=_cumsum_lead)

# ---------------------------------------------------------------------- moments


def _var(a, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    ddof = ddof if correction is None else correction
    axes = reduced(axis, np.ndim(a))
    if where is True:
        count = math.prod(np.shape(a)[k] for k in (axes if isinstance(axes, tuple) else (axes,)))
        deviation = a - (np.sum(a, axis=axis, keepdims=True) / max(count, 1) if mean is None else mean)
    else:
        a, count = np.where(where, a, 0), np.sum(np.broadcast_to(where, np.shape(a)), axis=axis, keepdims=True)
        deviation = np.where(where, a - (np.sum(a, axis=axis, keepdims=True) / count if mean is None else mean), 0)
        count = count if keepdims else np.squeeze(count, axes)
    square = np.real(deviation) ** 2 + np.imag(deviation) ** 2 if np.iscomplexobj(primal(a)) else deviation * deviation
    return np.sum(square, axis=axis, keepdims=keepdims) / np.maximum(count - ddof, 0)


def _safe_sqrt(square, zero):
    """The square root of a sum of squares, with derivative 0 where that is 0, or to be taken for 0."""
    zero = zero | (primal(square) == 0)
    return np.where(zero, 0, np.sqrt(np.where(zero, 1, square)))


def _std(a, axis=None, *args, where=True, keepdims=False, **kw):
    square = _var(a, axis, *args, where=where, keepdims=keepdims, **kw)
    return _safe_sqrt(square, _nearly_constant(primal(a), primal(square), axis, where, keepdims))


def _nearly_constant(x, square, axis, where, keepdims):
    """Whether entries that rounding does not tell apart have a deviation all the same, as [0.1, 0.1, 0.1] has."""
    if not is_host(x):
        return False
    some = {"axis": axis, "where": where, "keepdims": keepdims}
    parts = (x.real, x.imag) if np.iscomplexobj(x) else (x,)
    ends = [(np.min(p, initial=np.inf, **some), np.max(p, initial=-np.inf, **some)) for p in parts]
    rounding = np.finfo(x.dtype).eps * np.max(np.abs(ends), (0, 1))
    level = np.max([high - low for low, high in ends], 0) <= 4 * rounding
    level = level & (square > 0) & (square <= (4 * x.size * rounding) ** 2)
    if np.any(level):
        caution("np.std of entries that are equal to rounding: its derivative is 0 there, as where they are equal")
    return level


composite(np.var, _var)
composite(np.std, _std)

# ---------------------------------------------------------------------- products: pairwise, so that zeros are right


def _axes_last(a, axis):
    """``a`` with the axes of a reduction flattened into one last axis."""
    axes = reduced(axis, np.ndim(a))
    axes = axes if isinstance(axes, tuple) else (axes,)
    kept = tuple(k for k in range(-np.ndim(a), 0) if k not in axes)
    a = np.transpose(a, tuple(k % np.ndim(a) for k in kept + axes))
    return np.reshape(a, (*(np.shape(a)[: len(kept)]), int(np.prod(np.shape(a)[len(kept) :]))))


def _restore_dims(y, a, axis, keepdims):
    return np.expand_dims(y, reduced(axis, np.ndim(a))) if keepdims and np.ndim(a) else y


def _prod(a, axis=None, dtype=None, keepdims=False, initial=1, where=True):
    x = _axes_last(np.where(where, a, 1), axis)
    while x.shape[-1] > 1:
        even = x.shape[-1] // 2 * 2
        x = np.concatenate([x[..., :even:2] * x[..., 1:even:2], x[..., even:]], -1)
    y = x[..., 0] if x.shape[-1] else np.ones_like(x, shape=x.shape[:-1])
    return _restore_dims(y, a, axis, keepdims) * (1 if initial is None else initial)


def _cumprod(a, axis=None, dtype=None):
    a, axis = (np.ravel(a), -1) if axis is None else (a, trailing(axis, np.ndim(a)))
    a, shift = np.moveaxis(a, axis, -1) + 0, 1
    while shift < a.shape[-1]:
        a = np.concatenate([a[..., :shift], a[..., shift:] * a[..., :-shift]], -1)
        shift *= 2
    return np.moveaxis(a, -1, axis)


composite(np.prod, _prod)
composite(np.cumprod, _cumprod)

# ---------------------------------------------------------------------- scans that may begin with the neutral element


def _cumulative(scan, neutral):
    def define(x, /, *, axis=None, dtype=None, include_initial=False):
        x = np.atleast_1d(x)
        axis = _one_axis(axis, x.ndim)
        y = scan(x, axis)
        if not include_initial:
            return y
        return np.concatenate([np.full_like(primal(np.sum(x, axis, keepdims=True)), neutral), y], axis)

    return define


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    composite(np.cumulative_sum, _cumulative(np.cumsum, 0))
    composite(np.cumulative_prod, _cumulative(np.cumprod, 1))

# ---------------------------------------------------------------------- extrema: ties share evenly


def _extremum(function, nothing):
    def rule(x, dx, lead, axis=None, keepdims=False, initial=nothing, where=True, **kw):
        """The mean of the tangents of the entries that attain the extremum; an attained ``initial`` counts as one."""
        if initial is not nothing:
            kw["initial"] = initial
        if where is not True:
            kw["where"] = where
        y = function(x, axis=axis, keepdims=keepdims, **kw)
        axes = reduced(axis, np.ndim(x))
        p = primal(x)
        top = function(p, axis=axes, keepdims=True, **kw)
        attained = ((p == top) | np.isnan(p)) & where
        count = np.sum(attained, axis=axes, keepdims=True) + (0 if initial is nothing else top == initial)
        chosen = np.where(attained, dx, 0) / np.where(count == 0, 1, count)
        return y, np.sum(chosen, axis=axes, keepdims=keepdims)

    return rule


for extremum in (np.max, np.min, np.amax, np.amin):
    explicit(extremum)(_extremum(extremum, np._NoValue))

# ---------------------------------------------------------------------- without NaN: it counts for nothing


def _without_nan(reduction, neutral):
    return lambda a, *args, **kw: reduction(np.where(np.isnan(a), neutral, a), *args, **kw)


def _nanvar(a, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    there = ~np.isnan(a) & where
    return _var(np.where(there, a, 0), axis, None, ddof, keepdims, where=there, mean=mean, correction=correction)


def _nanstd(a, axis=None, dtype=None, ddof=0, *, where=True, **kw):
    there = ~np.isnan(a) & where
    return _std(np.where(there, a, 0), axis, None, ddof, where=there, **kw)


def _nanmean(a, axis=None, dtype=None, keepdims=False, *, where=True):
    there = ~np.isnan(a) & where
    total = np.sum(np.where(there, a, 0), axis=axis, keepdims=keepdims)
    return total / np.sum(there, axis=axis, keepdims=keepdims)


composite(np.nansum, _without_nan(np.sum, 0))
composite(np.nanprod, _without_nan(np.prod, 1))
composite(np.nancumsum, _without_nan(np.cumsum, 0))
composite(np.nancumprod, _without_nan(np.cumprod, 1))
composite(np.nanmax, _without_nan(np.max, -np.inf))
composite(np.nanmin, _without_nan(np.min, np.inf))
composite(np.nanmean, _nanmean)
composite(np.nanvar, _nanvar)
composite(np.nanstd, _nanstd)

# ---------------------------------------------------------------------- methods of ufuncs

_REDUCTIONS = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}
_SCANS = {np.add: np.cumsum, np.multiply: np.cumprod}


def _require_two_operands(ufunc, method):
    if ufunc.nin != 2 or ufunc.signature is not None:
        raise ValueError(f"{method} only supported for binary functions; np.{ufunc.__name__} is not one")


# On processors with AVX-512, NumPy's own forget all entries but the first and the last.
_FORGETFUL = {(ufunc, method) for ufunc in (np.power, np.arctan2) for method in ("reduce", "reduceat")}


def _folding(method):
    """Declare what a method of ufuncs does step by step; the value, and what is refused, are NumPy's own."""

    def declare(fold):
        def call(ufunc, a, *args, out=None, dtype=None, **kw):
            _require_two_operands(ufunc, method)
            out = out[0] if isinstance(out, tuple) else out
            moving = list(duals_in((a, kw.get("initial"))))
            if not moving:
                y = getattr(ufunc, method)(a, *args, dtype=dtype, **kw)
            else:
                level = max(d.level for d in moving)
                stripped, plain_kw = _strip(a, level), dict(zip(kw, _strip(list(kw.values()), level), strict=True))
                y = getattr(ufunc, method)(stripped, *args, dtype=dtype, **plain_kw)
                (x,) = in_precision_of(y, [a], "unsafe")
                steps = quietly(lambda: fold(ufunc, x, *args, **kw))
                y = steps.astype(y.dtype) if (ufunc, method) in _FORGETFUL else with_value(steps, y, level)
            return y if out is None else store(out, y)

        METHODS[method] = call
        return fold

    return declare


@_folding("reduce")
def reduce(ufunc, a, axis=0, keepdims=False, initial=np._NoValue, where=True):
    """The named reduction where there is one, else a fold along the axis."""
    if ufunc in _REDUCTIONS:
        kw = ({} if initial is np._NoValue else {"initial": initial}) | ({} if where is True else {"where": where})
        return _REDUCTIONS[ufunc](a, axis=axis, keepdims=keepdims, **kw)
    x = np.moveaxis(_axes_last(a, axis), -1, 0)
    masks = [True] * len(x) if where is True else np.moveaxis(_axes_last(np.broadcast_to(where, a.shape), axis), -1, 0)
    if initial is np._NoValue or initial is None:
        first = len(x) > 0 and where is True
        y = 1 * x[0] if first else np.zeros_like(x, shape=x.shape[1:]) + (ufunc.identity or 0)
        x, masks = (x[1:], masks[1:]) if first else (x, masks)
    else:
        y = np.zeros_like(x, shape=x.shape[1:]) + initial
    for part, mask in zip(x, masks, strict=True):
        y = ufunc(y, part) if mask is True else np.where(mask, ufunc(y, part), y)
    return _restore_dims(y, a, axis, keepdims)


def _one_axis(axis, ndim):
    """The axis where NumPy takes it as a tuple of one, too, or None for the only one."""
    (axis,) = trailing(axis if isinstance(axis, tuple) or axis is None else (axis,), ndim)
    return axis


@_folding("accumulate")
def accumulate(ufunc, a, axis=0):
    """The named scan where there is one, else step by step."""
    axis = _one_axis(axis, a.ndim)
    if ufunc in _SCANS:
        return _SCANS[ufunc](a, axis=axis)
    x = np.moveaxis(a, axis, 0)
    steps = [x[0]] if len(x) else []
    for part in x[1:]:
        steps.append(ufunc(steps[-1], part))
    return np.stack(steps, axis) if steps else a.copy()


@_folding("reduceat")
def reduceat(ufunc, a, indices, axis=0):
    """The reduction of each slice from one index to the next; of one entry where that is less."""
    axis = _one_axis(axis, a.ndim)
    x, ends = np.moveaxis(a, axis, 0), [*indices, np.shape(a)[axis]][1:]
    pieces = [ufunc.reduce(x[i : max(i + 1, j)], axis=0) for i, j in zip(indices, ends, strict=True)]
    return np.stack(pieces, axis) if pieces else np.moveaxis(x[:0], 0, axis)


def outer(ufunc, a, b, **kw):
    """``ufunc.outer``: every entry of a with every entry of b."""
    _require_two_operands(ufunc, "outer")
    return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b, **kw)


METHODS["outer"] = outer
