"""taylor: the transform, which sends the line x + t v through a function."""

from typing import Any

import numpy as np

from ..arguments import match_tangents
from ..backend import is_host
from ..bent import ESCAPED
from ..dual import LIVE, Dual, lift, new_level
from ..pushforward import evaluated
from ..tree import Function, Tree, flatten, map_leaves, rebuild, returned, unflatten
from .fan import Fan
from .series import Series, coefficient_of, complete, stacked


def taylor(f: Function, x: Tree, v: Tree, order: int = 4) -> list[Any]:
    """The Taylor coefficients of t -> f(x + t v) at 0, by truncated Taylor arithmetic: cₖ = f⁽ᵏ⁾(x; v, ..., v) / k!.

    Parameters
    ----------
    f : callable
        A function of one argument, written with ``np.*`` and operators; it may branch, loop and write into arrays.
    x : array, number, or tree of them (dict, list, tuple, Params)
        Floating or complex.
    v : like x
        The direction, of the shapes of x; or K of them in one pass, ``(K, *x.shape)`` on every leaf.
    order : int
        The highest power of t.

    Returns
    -------
    list of ``order + 1`` results in the structure of ``f(x)``: ``[f(x), ∂f(x) v, ...]``; along K directions all but
    the first with an axis of K in front. The coefficients are not multiplied by factorials, which would overflow.

    Raises
    ------
    ShapeError
        For directions of another shape.
    NotImplementedError
        For a function without a rule.

    Notes
    -----
    Each operation costs O(order²) products, where nested `jvp` costs 2 to 3 to the power of the order. Every function
    with a tangent rule has a Taylor rule. An entry that does not move contributes nothing (0 · inf = 0). Along K
    directions the value is computed once, and linear functions, products and the most common functions push all of them
    at once; others one after the other. Griewank and Walther 2008, chapter 13.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> print(*dg.taylor(np.exp, 0.0, 1.0, order=4))
    1.0 1.0 0.5 0.16666666666666666 0.041666666666666664
    >>> dg.taylor(lambda x: x[0] * x[1], np.array([1.0, 2.0]), np.array([1.0, 1.0]), order=2)
    [np.float64(2.0), np.float64(3.0), np.float64(1.0)]
    >>> dg.taylor(lambda x: x[0] * x[1], np.array([1.0, 2.0]), np.eye(2), order=1)
    [np.float64(2.0), array([2., 1.])]
    """
    if not isinstance(order, (int, np.integer)) or isinstance(order, bool) or order < 0:
        raise ValueError(f"got order={order!r}; expected an integer that is not negative")
    xs, vs, structure, lead = match_tangents((x,), (v,))
    if lead:
        return _along_directions(f, xs, vs, structure, order, *lead)
    level = new_level(())
    try:
        series = [_straight_line(x, v, order, level) for x, v in zip(xs, vs, strict=True)]
        outputs, out_structure = flatten(map_leaves(lift, returned(evaluated(f, rebuild(structure, series)))))
        return [unflatten(out_structure, [coefficient_of(y, level, k) for y in outputs]) for k in range(order + 1)]
    finally:
        LIVE.pop(level, None)


def _straight_line(x, v, order, level):
    """x + t v, in arrays of its own."""
    x, v = x.copy(), v.copy()
    if order and is_host(x) and is_host(v):
        rest = np.zeros_like(v, shape=(order, *v.shape))
        rest[0] = v
        return stacked(x, rest, level)
    return complete(Series(x, order, level, lambda k: v if k == 1 else np.zeros_like(v)))


def _along_directions(f, xs, vs, structure, order, count):
    """The coefficients along K directions in one pass."""
    n = max(order, 1)
    level = new_level((n * count,))
    try:
        fans = [_fan_of_lines(x, v, n, level) for x, v in zip(xs, vs, strict=True)]
        outputs, out_structure = flatten(map_leaves(lift, returned(evaluated(f, rebuild(structure, fans)))))
        found = [_all_coefficients(y, level, n, count) for y in outputs]
        return [unflatten(out_structure, [c[k] for c in found]) for k in range(order + 1)]
    finally:
        LIVE.pop(level, None)


def _fan_of_lines(x, v, order, level):
    """x + t vₖ, in arrays of its own."""
    rest = np.zeros_like(v, shape=((order - 1) * len(v), *x.shape))
    return Fan(x.copy(), np.concatenate([v, rest]), level, order, len(v))


def _all_coefficients(y, level, order, count):
    """A result and its coefficients along K directions."""
    if not isinstance(y, Dual) or y.level != level:
        return [y] + [np.zeros_like(y, shape=(count, *np.shape(y)))] * order
    if type(y) is not Fan:
        raise NotImplementedError(ESCAPED)
    return y.by_degree()
