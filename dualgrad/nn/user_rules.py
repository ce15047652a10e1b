"""Rules of one's own under K directions: as they are where their class promises to take them, else one at a time.

A ``jvp`` that is given tangents ``(K, *shape)`` must count every axis from the end, which the natural code does not:
``dp["s"] * x`` for ``s (n,)`` and ``x (B, n)`` is an error for most K and silently wrong for K = B. So a rule is given
one direction after the other, unless the class in whose body it stands says ``lead = True`` there.
"""

import functools
from collections.abc import Mapping

import numpy as np

from ..errors import ShapeError
from ..random import as_rng
from ..rules.lead import broadcast, direction
from ..tree import flatten, map_leaves, unflatten
from ..zero import ZERO
from .tangents import shared_lead, with_zeros

_OURS = __name__.partition(".")[0] + "."


@functools.lru_cache(maxsize=1024)
def promised(kind, name, function):
    """Whether the class that has this function as its rule says ``lead = True`` there."""
    return any(vars(c).get(name) is function and vars(c).get("lead", False) for c in kind.__mro__)


def takes_lead(owner, name="jvp"):
    """Whether the class that defines a rule says ``lead = True``; one that overrides the rule does not inherit that."""
    return promised(owner.__class__, name, getattr(getattr(owner, name), "__func__", None))


def tangent_rule(owner, name="jvp"):
    """The rule ``name(*primals, *tangents) -> y, dy`` of a layer or cell, ready for one direction or K."""
    rule = getattr(owner, name)
    if promised(owner.__class__, name, getattr(rule, "__func__", None)):  # `takes_lead`, without the call
        return rule
    return by_direction(rule, owner)


def drop_inherited_rules(kind, base, *sources, names=("jvp", "vjp")):
    """Give a class the rules of ``base`` where those it inherits belong to other ``sources`` than its own: methods that
    say what the value is."""
    for name in names:
        definer = next(c for c in kind.__mro__ if name in vars(c))
        if any(getattr(definer, s, None) not in (None, getattr(kind, s, None)) for s in sources):
            setattr(kind, name, vars(base)[name])


def is_builtin(kind, name):
    """Whether the class that defines a method is one of dualgrad's."""
    definer = next((c for c in kind.__mro__ if name in vars(c)), kind)
    return definer.__module__.startswith(_OURS)


def by_direction(rule, owner):
    """The same for K directions, of a rule for one. Each sees the same draws; the value is that of the first."""

    def pushed(*args, **kwargs):
        primals, tangents = args[: len(args) // 2], args[len(args) // 2 :]
        lead, again = _lead_of_trees(primals, tangents), lambda: None
        if kwargs.get("rng") is not None:
            kwargs["rng"], again = _rewound(kwargs["rng"])
        if not lead:
            y, dy = _checked_pair(rule(*args, **kwargs), owner)
            return y, ZERO if lead is None else dy
        pairs = []
        for k in range(max(lead[0], 1)):
            again()
            along = [map_leaves(lambda d, k=k: d if d is ZERO else direction(d, k), dx) for dx in tangents]
            pairs.append(pushed(*primals, *along, **kwargs))
        y = pairs[0][0]
        return y, _stacked(y, [dy for _, dy in pairs], lead[0])

    return pushed


def _rewound(rng):
    """The stream, and a function that takes it back to where it is."""
    rng = as_rng(rng)
    start = rng.state_dict()
    return rng, lambda: rng.load_state_dict(start)


def _lead_of_trees(primals, tangents):
    """`shared_lead` of the leaves of trees."""
    pairs = []
    for x, dx in zip(primals, tangents, strict=True):
        x = [x[name] for name in dx] if isinstance(dx, Mapping) else x
        ndims = map(np.ndim, flatten(x)[0])
        pairs += zip(flatten(dx)[0], ndims, strict=False)  # ZERO may stand for a whole state
    return shared_lead(*pairs)


def _checked_pair(pair, owner):
    """What a rule returned, dy in the shape of y: along db, x + b moves by db in every row."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(f"the jvp of {owner!r} returned a {type(pair).__name__}; expected a pair (y, dy)")
    y, dy = pair
    (ys, structure), ds = flatten(y), _tangent_leaves(y, dy)
    try:
        return y, _tree(structure, [_broadcast(d, v) for d, v in zip(ds, ys, strict=True)])
    except ValueError:
        shapes = [tuple(map(np.shape, leaves)) for leaves in (ys, ds)]
        raise ShapeError(f"the jvp of {owner!r} returned y, dy of shapes {shapes[0]}, {shapes[1]}") from None


def _broadcast(d, y):
    if d is ZERO or getattr(d, "shape", None) == y.shape and d.dtype == y.dtype:
        return d
    return broadcast(d if hasattr(d, "shape") else np.asarray(d), (), y.shape, y.dtype)


def _stacked(y, ds, count):
    """The tangents of y along each direction as one, `ZERO` where they all are."""
    (ys, structure), columns = flatten(y), zip(*(_tangent_leaves(y, dy) for dy in ds), strict=True)
    columns = [with_zeros(column, [y] * len(column)) for y, column in zip(ys, columns, strict=True)]
    return _tree(structure, [d if d is ZERO else np.stack(d)[:count] for d in columns])


def _tangent_leaves(y, dy):
    """The tangents of the leaves of y."""
    return [ZERO] * len(flatten(y)[0]) if dy is ZERO else flatten(dy)[0]


def _tree(structure, ds):
    return ZERO if all(d is ZERO for d in ds) else unflatten(structure, ds)
