"""The operations that networks are made of, on plain arrays: the same numbers into memory that is in use already."""

import math

import numpy as np

from ..dual import LIVE, Dual, new_level
from ..rules.absorb import has_nan, quietly
from ..scratch import empty, empty_like
from ..tables import KINDS, RULES

_OF_TABLES = {function: RULES[function] for function in (np.add, np.subtract, np.matmul)}  # another rule goes its own way


def at_once(function, args, moves):
    """The value and the tangents of a function of arrays, of which the first ``moves``; None where this is no such
    call, or a NaN is in it, which the rules see to."""
    x = args[0]
    if not moves(x) or not _is_plain(x.primal) or not _is_plain(x.tangent) or x.level not in LIVE:
        return None
    if len(args) == 1:
        return _of_one(function, x) if KINDS.get(function) == "elementwise" else None
    if len(args) != 2 or function not in _OF_TABLES or RULES[function] is not _OF_TABLES[function]:
        return None
    y, p, d = args[1], x.primal, x.tangent
    if function is np.matmul:
        fits = _is_plain(y) and y.dtype is p.dtype is d.dtype and y.ndim == 2 and p.ndim > 1
        return _times_matrix(p, d, y) if fits else None
    if not (_is_plain(y) and y.dtype is p.dtype or y.__class__ in (int, float)):
        return None
    value = function(p, y)
    if value.shape != p.shape or value.dtype is not p.dtype:
        return None
    moved = empty_like(d)
    moved[...] = d
    return value, moved


def _is_plain(x):
    return x.__class__ is np.ndarray and x.dtype.char in "fd"


def _times_matrix(p, d, w):
    """x W for all directions in one product."""
    value = np.matmul(p, w)
    rows, moved = math.prod(d.shape[:-1]), empty((*d.shape[:-1], w.shape[1]), d.dtype)
    quietly(lambda: np.matmul(d.reshape(rows, d.shape[-1]), w, out=moved.reshape(rows, w.shape[1])))
    return None if has_nan(moved) else (value, moved)


def _of_one(function, x):
    """f(x), f'(x) J, and f'(x) L + f''(x) Σ J²: slope and curvature once, for all directions."""
    p, d = x.primal, x.tangent
    low, high = new_level(()), new_level(())
    try:
        one = np.ones_like(p)
        y = RULES[function](Dual(Dual(p, one, low, True), Dual(one, np.zeros_like(p), low, True), high, True))
        if not _stands_at(y, high) or not _stands_at(y.primal, low) or not _stands_at(y.tangent, low):
            return None
        value, slope, curvature = y.primal.primal, y.primal.tangent, y.tangent.tangent
    finally:
        LIVE.pop(low), LIVE.pop(high)
    if value.dtype is not p.dtype or value.shape != p.shape:
        return None
    moved = quietly(_moved, slope, curvature, d, x.count, x.summed)
    return None if has_nan(moved) else (value, moved)


def _stands_at(y, level):
    return y.__class__ is Dual and y.level == level


def _moved(slope, curvature, d, count, summed):
    moved = np.multiply(slope, d, out=empty_like(d))
    if summed:
        moved[-1] += curvature * np.einsum("k...,k...->...", d[:count], d[:count])
    else:
        moved[count:] += curvature * d[:count] ** 2
    return moved
