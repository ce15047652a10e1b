"""What the Duals share that carry more than first derivatives: NumPy's protocols, and tangents of higher order.

A Series, a Fan and a Curved hand an operation on to a function of their own, which has the last word on what becomes of
it. Of a Fan and a Curved all derivatives are tangents, side by side: the rules of `dualgrad.rules` send them on, and
where a function bends, something is added.
"""

from typing import Any, NamedTuple

import numpy as np

from .cures import sparse_operand
from .custom import custom_jvp
from .dispatch import precedence
from .dual import Dual, as_array, as_arrays, lead_of, make, primal, store, without_rule
from .operators import operators
from .rules.absorb import parts
from .rules.declare import nested_as
from .rules.keywords import call_with_keywords
from .rules.writes import WRITES
from .tables import KINDS, METHODS, RULES
from .tree import flatten, leaf, map_leaves, rebuild

ESCAPED = (
    "an operation has lost the higher derivatives of what it was given: it has no rule for them; nest dg.jvp for this "
    "function"
)


# ---------------------------------------------------------------------- NumPy's protocols


class Answers(dict):
    """What stands in for the rule tables when operators look a function up: ``answer(function, args, kwargs)``."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def __missing__(self, function):
        of = _operand if isinstance(function, np.ufunc) else as_array
        self[function] = lambda *args, **kwargs: self.answer(function, tuple(map(of, args)), kwargs)
        return self[function]


def _operand(a):
    """The operand of a ufunc: a list is an array, and one Dual where there is one in it; so is a sparse matrix."""
    a = as_array(a)
    if a.__class__.__module__.startswith("scipy.sparse"):
        return sparse_operand(a)
    return np.asarray(a) if isinstance(a, (list, tuple)) else a


def answering(answer):
    """A base for Duals of which every operation is ``answer(function, args, kwargs)``."""
    table = Answers(answer)

    class Answering(operators(table), Dual):
        __slots__ = ()

        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            if ufunc not in RULES:
                return without_rule(ufunc, method, inputs, kwargs)
            inputs = tuple(map(_operand, inputs))
            if method != "__call__":
                return METHODS[method](ufunc, *inputs, **kwargs)
            return call_with_keywords(ufunc, table[ufunc], inputs, kwargs) if kwargs else answer(ufunc, inputs, {})

        def __array_function__(self, func, types, args, kwargs):
            if func not in RULES and not isinstance(func, custom_jvp):
                return make(self, func, args, kwargs)
            return answer(func, as_arrays(func, args), {name: as_array(a) for name, a in kwargs.items()})

        def joined(self, leaves, shape):
            """Numbers and Duals as one array."""
            return np.reshape(np.stack(leaves), shape)

        def through(self, thing, by_engine, *args, **kwargs):
            """A loss or cell that was called with this among its arguments: its function, operation by operation."""
            return by_engine(*args, **kwargs)

        def through_layer(self, layer, p, x, kwargs):
            """A layer that was called with this among its arguments."""
            return layer.forward(p, x, **kwargs)

    return Answering


# ---------------------------------------------------------------------- tangents of higher order


class Call(NamedTuple):
    """A call of a function, as one of the operands that move alone; and the whole call where it is composite."""

    function: Any
    along: Any
    operands: list[Any]
    whole: Any


@leaf
class Bent(answering(lambda function, args, kwargs: push_bent(function, args, kwargs))):
    """A Dual among whose tangents are derivatives of higher order. Views, writes and refusals are those of a Dual.

    A kind of its own says what it is ``like``, what bends it, and which functions it knows ``at_once``.
    """

    __slots__ = ()

    def like(self, primal: Any, tangent: Any, frozen: bool = False) -> "Bent":
        """Another of the same level and kind."""
        raise NotImplementedError(f"{type(self).__name__} does not say what is like it")

    def at_once(self, function: Any, args: Any) -> "Bent | None":
        """A function of arguments, of which this is the first that moves, where there is a short cut."""
        return None

    def bend(self, y: Any, call: Call) -> Any:
        """What the rules for tangents have made of a call, a tree of Duals, with what bends them added."""
        raise NotImplementedError(f"{type(self).__name__} does not say what bends it")

    def straight(self) -> Dual:
        """The Dual that it is but for what bends."""
        return Dual(self.primal, self.tangent, self.level, self.frozen)

    def renewed(self, primal, tangent):
        """Refused: what is made of parts has lost what bends."""
        raise NotImplementedError(ESCAPED)

    def revalued(self, primal):
        """The same with another value."""
        return self.like(primal, self.tangent)

    def __getitem__(self, index):
        return as_bent(self.straight()[index], self)

    def __setitem__(self, index, value):
        value = as_array(value)
        if type(value) is Dual and value.level == self.level:
            raise NotImplementedError(ESCAPED)
        super().__setitem__(index, value)

    def astype(self, *args, **kwargs):
        """`Dual.astype`."""
        return as_bent(self.straight().astype(*args, **kwargs), self)

    def raised(self, by):
        """self + by, of which nobody else has the tangents: they go on as they are, if ``by`` is a plain row."""
        if by.__class__ is not np.ndarray or by.dtype is not self.dtype or by.shape != self.shape[-1:]:
            return self + by
        return self.like(self.primal + by, self.tangent)

    def as_deep(self, dy):
        """A tangent of this, of a higher level, as deep as it is: `nested_as`."""
        p, d = parts(dy, self.level)
        if d is None:
            d = np.zeros_like(primal(self), shape=self.tangent.shape[:1] + dy.shape, dtype=dy.dtype)
        return self.like(nested_as(self.primal, p), nested_as(self.primal, d))


def as_bent(tree, like):
    """The Duals of a level as what another of it is."""

    def one(y):
        return like.like(y.primal, y.tangent, y.frozen) if type(y) is Dual and y.level == like.level else y

    return one(tree) if type(tree) is Dual else map_leaves(one, tree)


def push_bent(function, args, kwargs):
    """A function of arguments with a Bent among them."""
    first = next((a for a in args if isinstance(a, Bent)), None)
    if not kwargs and first is not None and (found := first.at_once(function, args)) is not None:
        return found
    if len(args) == 1 and not kwargs and KINDS.get(function) == "constant":
        return RULES[function](*args)
    if kwargs.get("out") is not None:
        return store(kwargs["out"], push_bent(function, args, {k: v for k, v in kwargs.items() if k != "out"}))
    leaves, structure = flatten((args, kwargs))
    top = max((a for a in leaves if isinstance(a, Dual)), key=precedence)
    rule = RULES.get(function, function)  # or a function with a rule of its own
    if type(top) is Dual:
        return rule(*args, **kwargs)
    if not isinstance(top, Bent):
        return top.__array_function__(function, (), args, kwargs)
    lead_of(top)
    moving = [i for i, a in enumerate(leaves) if isinstance(a, Bent) and a.level == top.level]
    if any(type(a) is Dual and a.level == top.level for a in leaves):
        raise NotImplementedError(ESCAPED)
    if KINDS.get(function) == "constant":
        return rule(*args, **kwargs)

    def along(*moved):
        filled = list(leaves)
        for i, a in zip(moving, moved, strict=True):
            filled[i] = a
        args, kwargs = rebuild(structure, filled)
        highest = max((a for a in filled if isinstance(a, Dual)), key=precedence, default=None)
        return (rule if type(highest) is Dual else function)(*args, **kwargs)

    xs = [leaves[i] for i in moving]
    y = along(*(x.straight() for x in xs))
    kind = KINDS.get(function)
    if kind == "linear" or function in WRITES or kind == "bilinear" and len(xs) == 1:
        return as_bent(y, top)
    whole = (lambda: rule(*args, **kwargs)) if kind == "composite" else None
    return as_bent(top.bend(y, Call(function, along, xs, whole)), top)
