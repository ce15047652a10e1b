"""The operations that networks are made of, on plain arrays: the same numbers into memory that is in use already."""

import math

import numpy as np

from ..dual import LIVE, Dual, new_level
from ..rules.absorb import quietly
from ..scratch import empty, empty_like
from ..tables import KINDS, RULES

_KNOWN = {  # function -> its second derivative, from the value and the first
    np.tanh: lambda y, slope: -2 * y * slope,
    np.exp: lambda y, slope: y,
    np.sin: lambda y, slope: -y,
    np.cos: lambda y, slope: -y,
}
_OF_TABLES = {function: RULES[function] for function in (*_KNOWN, np.add, np.subtract, np.matmul)}


def _has_our_rule(function):
    return function in _OF_TABLES and RULES[function] is _OF_TABLES[function]


def pushed_at_once(function, args, moves):
    """The value and the tangents of a function of arrays, of which the first ``moves``; None where this is no such
    call, or an infinity is in it, which the rules see to."""
    x = args[0]
    if not moves(x) or not _is_real_array(x.primal) or not _is_real_array(x.tangent) or x.level not in LIVE:
        return None
    if len(args) == 1:
        return _of_one(function, x) if KINDS.get(function) == "elementwise" else None
    if len(args) != 2 or not _has_our_rule(function):
        return None
    y, p, d = args[1], x.primal, x.tangent
    if function is np.matmul:
        fits = _is_real_array(y) and y.dtype is p.dtype is d.dtype and y.ndim == 2 and p.ndim > 1
        return _times_matrix(p, d, y) if fits else None
    if not (_is_real_array(y) and y.dtype is p.dtype or y.__class__ in (int, float)):
        return None
    value = function(p, y)
    if value.shape != p.shape or value.dtype is not p.dtype:
        return None
    moved = empty_like(d)
    moved[...] = d
    return value, moved


def _is_real_array(x):
    return x.__class__ is np.ndarray and x.dtype.char in "fd"


def _times_matrix(p, d, w):
    """x W for all directions in one product."""
    if not _is_finite(w):
        return None
    value = np.matmul(p, w)
    rows, moved = math.prod(d.shape[:-1]), empty((*d.shape[:-1], w.shape[1]), d.dtype)
    quietly(lambda: np.matmul(d.reshape(rows, d.shape[-1]), w, out=moved.reshape(rows, w.shape[1])))
    return value, moved


def _of_one(function, x):
    """f(x), f'(x) J, and f'(x) L + f''(x) Σ J²: slope and curvature once, for all directions."""
    p, d = x.primal, x.tangent
    found = (_by_formula if function in _KNOWN and _has_our_rule(function) else _by_nesting)(function, p)
    if found is None:
        return None
    value, slope, curvature = found
    if value.dtype is not p.dtype or value.shape != p.shape or not (_is_finite(slope) and _is_finite(curvature)):
        return None
    return value, quietly(_moved, slope, curvature, d, x.count, x.summed)


def _by_formula(function, p):
    level = new_level(())
    try:
        y = RULES[function](Dual(p, np.ones_like(p), level, True))
        return y.primal, y.tangent, quietly(_KNOWN[function], y.primal, y.tangent)
    finally:
        LIVE.pop(level)


def _by_nesting(function, p):
    """The value and two derivatives as the rule has them, or None where it returns something else."""
    low, high = new_level(()), new_level(())
    try:
        one = np.ones_like(p)
        y = RULES[function](Dual(Dual(p, one, low, True), Dual(one, np.zeros_like(p), low, True), high, True))
        if not _stands_at(y, high) or not _stands_at(y.primal, low) or not _stands_at(y.tangent, low):
            return None
        return y.primal.primal, y.primal.tangent, y.tangent.tangent
    finally:
        LIVE.pop(low), LIVE.pop(high)


def _stands_at(y, level):
    return y.__class__ is Dual and y.level == level


def _is_finite(a):
    """Whether a factor of tangents is, so that 0 · inf cannot arise; no where it is too large to say so in one look."""
    return bool(np.isfinite(quietly(lambda: np.vdot(a, a))))


def _moved(slope, curvature, d, count, summed):
    moved = np.multiply(slope, d, out=empty_like(d))
    if summed:
        moved[-1] += curvature * np.einsum("k...,k...->...", d[:count], d[:count])
    else:
        moved[count:] += curvature * d[:count] ** 2
    return moved
