"""Entries chosen by their place, or by a condition: the tangent is that of the chosen entry."""

import functools

import numpy as np

from ..backend import is_host
from ..dual import Dual, pad_lead, primal
from .absorb import parts
from .declare import composite, linear, nested_as, register_rule, top_level
from .lead import broadcast


def _where(condition, *choices):
    """The tangent of the chosen branch; the other cannot poison it."""
    if not choices:
        return np.where(primal(condition))
    condition = primal(condition)
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
    condlist = primal(condlist)
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
register_rule([np.piecewise], "composite", _piecewise)
register_rule([np.where], "linear", _where)
linear(np.take, np.take_along_axis)
