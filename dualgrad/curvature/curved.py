"""The Curved: a Dual whose last tangents are second derivatives, and what an operation makes of it."""

from typing import Any

import numpy as np

from ..custom import custom_jvp
from ..dispatch import precedence
from ..dual import Dual, as_array, as_arrays, lead_of, make, primal, store, without_rule
from ..operators import operators
from ..rules.absorb import parts
from ..rules.declare import nested_as
from ..rules.keywords import call_with_keywords
from ..rules.writes import WRITES
from ..tables import KINDS, METHODS, RULES
from ..tree import flatten, leaf, map_leaves, rebuild
from .bending import Call, bend
from .fast import pushed_at_once

ESCAPED = (
    "an operation has lost the second derivatives of what it was given: it has no rule for them; nest dg.jvp for this "
    "function"
)


class _CurvedRules(dict):
    """What stands in for the rule tables when the operators of a Curved look a function up."""

    def __missing__(self, function):
        self[function] = lambda *args, **kwargs: bent(function, tuple(map(_argument, args)), kwargs)
        return self[function]


def _argument(a):
    return np.asarray(a) if a.__class__ is list and a and isinstance(a[0], (int, float)) else as_array(a)


_of_curved = _CurvedRules()


@leaf
class Curved(operators(_of_curved), Dual):
    """A value, its tangents along K directions, and at their end the second derivatives along them: each, or their sum.

    Programs receive one inside `laplacian`. Behind its tangents J₁, ..., J_K comes L. An operation f makes of it
    ∂f L + Σ ∂²f[Jₖ, Jₖ], of which the first term is a tangent like the others. So views, writes and refusals are those
    of a Dual. Tangents between J_K and L are of first order alone.
    """

    __slots__ = ("count", "summed")

    def __init__(self, value: Any, tangent: Any, level: int, count: int, summed: bool, frozen: bool = False) -> None:
        super().__init__(value, tangent, level, frozen)
        self.count: int = count
        self.summed: bool = summed

    def uncurved(self) -> Dual:
        """The Dual that it is but for what bends."""
        return Dual(self.primal, self.tangent, self.level, self.frozen)

    def renewed(self, primal, tangent):
        """Refused: what is made of parts has lost what bends."""
        raise NotImplementedError(ESCAPED)

    def revalued(self, primal):
        """The same with another value."""
        return Curved(primal, self.tangent, self.level, self.count, self.summed)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc not in RULES:
            return without_rule(ufunc, method, inputs, kwargs)
        inputs = tuple(map(_argument, inputs))
        if method != "__call__":
            return METHODS[method](ufunc, *inputs, **kwargs)
        return call_with_keywords(ufunc, _of_curved[ufunc], inputs, kwargs) if kwargs else bent(ufunc, inputs, {})

    def __array_function__(self, func, types, args, kwargs):
        if func not in RULES and not isinstance(func, custom_jvp):
            return make(self, func, args, kwargs)
        return bent(func, as_arrays(func, args), {name: as_array(a) for name, a in kwargs.items()})

    def __getitem__(self, index):
        return curve(self.uncurved()[index], self)

    def __setitem__(self, index, value):
        value = as_array(value)
        if type(value) is Dual and value.level == self.level:
            raise NotImplementedError(ESCAPED)
        super().__setitem__(index, value)

    def astype(self, *args, **kwargs):
        """`Dual.astype`."""
        return curve(self.uncurved().astype(*args, **kwargs), self)

    def raised(self, by):
        """self + by, of which nobody else has the tangents: they go on as they are, if ``by`` is a plain row."""
        if by.__class__ is not np.ndarray or by.dtype is not self.dtype or by.shape != self.shape[-1:]:
            return self + by
        return Curved(self.primal + by, self.tangent, self.level, self.count, self.summed)

    def as_deep(self, dy):
        """A tangent of this, of a higher level, as deep as it is: `nested_as`."""
        p, d = parts(dy, self.level)
        if d is None:
            d = np.zeros_like(primal(self), shape=self.tangent.shape[:1] + dy.shape, dtype=dy.dtype)
        p, d = nested_as(self.primal, p), nested_as(self.primal, d)
        return Curved(p, d, self.level, self.count, self.summed)

    def joined(self, leaves, shape):
        """Numbers and Duals as one array."""
        return np.reshape(np.stack(leaves), shape)

    def through(self, thing, by_engine, *args, **kwargs):
        """A loss or cell that was called with this among its arguments: its function, operation by operation."""
        return by_engine(*args, **kwargs)

    def through_layer(self, layer, p, x, kwargs):
        """A layer that was called with this among its arguments."""
        return layer.forward(p, x, **kwargs)

    def __repr__(self):
        return f"Curved({self.dtype}[{', '.join(map(str, self.shape))}], level {self.level}, {self.count} directions)"


def _is_curved(x):
    return x.__class__ is Curved


def curve(tree, like):
    """The Duals of a level as Curved ones like another of it."""

    def one(y):
        ours = type(y) is Dual and y.level == like.level
        return Curved(y.primal, y.tangent, y.level, like.count, like.summed, y.frozen) if ours else y

    return one(tree) if type(tree) is Dual else map_leaves(one, tree)


def bent(function, args, kwargs):
    """A function of arguments with a Curved among them."""
    if not kwargs and (found := pushed_at_once(function, args, _is_curved)):
        return Curved(*found, args[0].level, args[0].count, args[0].summed)
    if len(args) == 1 and not kwargs and KINDS.get(function) == "constant":
        return RULES[function](*args)
    if kwargs.get("out") is not None:
        return store(kwargs["out"], bent(function, args, {k: v for k, v in kwargs.items() if k != "out"}))
    leaves, structure = flatten((args, kwargs))
    top = max((a for a in leaves if isinstance(a, Dual)), key=precedence)
    rule = RULES.get(function, function)  # or a function with a rule of its own
    if type(top) is Dual:
        return rule(*args, **kwargs)
    if type(top) is not Curved:
        return top.__array_function__(function, (), args, kwargs)
    lead_of(top)
    moving = [i for i, a in enumerate(leaves) if a.__class__ is Curved and a.level == top.level]
    if any(type(a) is Dual and a.level == top.level for a in leaves):
        raise NotImplementedError(ESCAPED)
    if KINDS.get(function) == "constant":
        return rule(*args, **kwargs)

    def along(*moved):
        filled = list(leaves)
        for i, a in zip(moving, moved, strict=True):
            filled[i] = a
        args, kwargs = rebuild(structure, filled)
        return (rule if any(isinstance(a, Dual) for a in filled) else function)(*args, **kwargs)

    xs = [leaves[i] for i in moving]
    y = along(*(x.uncurved() for x in xs))
    kind = KINDS.get(function)
    if kind == "linear" or function in WRITES or kind == "bilinear" and len(xs) == 1:
        return curve(y, top)
    whole = (lambda: rule(*args, **kwargs)) if kind == "composite" else None
    return curve(bend(y, Call(function, along, xs, whole)), top)
