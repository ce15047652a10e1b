"""The Dual that says what becomes of it: what a traced function receives, and what its operations return.

A `Traced` is a Dual with a look-up of its own, as a `Series` is: it hands an operation on to the rules, makes a row of
it, and sends the result on its way as a Traced. What a rule does inside belongs to that row: it sees plain Duals. Where
an inner jvp works on traced values, they stand in the primals and tangents of its Duals, and the rules take them for
the Duals that they are.
"""

import copy

import numpy as np

from ..cures import qualified_name
from ..custom import custom_jvp
from ..dispatch import precedence
from ..dual import Dual
from ..operators import operators
from ..tables import RULES
from ..tree import flatten, map_leaves, rebuild
from ..zero import ZERO

IN_PLACE = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "matmul": np.matmul,
    "mod": np.remainder, "floordiv": np.floor_divide, "pow": np.power,
}  # fmt: skip


class _TracedRules(dict):
    """What stands in for the rule tables when the operators of a Traced look a function up."""

    def __missing__(self, function):
        def call(top, *args, **kwargs):
            if type(top) is Dual:
                return RULES[function](*args, **kwargs)
            if isinstance(function, np.ufunc):
                return top.__array_ufunc__(function, "__call__", *args, **kwargs)
            return top.__array_function__(function, (), args, kwargs)

        name = _name(function)
        self[function] = lambda *args, **kwargs: _apply(name, function, call, args, kwargs)
        return self[function]


class Traced(operators(_TracedRules()), Dual):
    """A Dual, with the step that it came from and the recorder of its trace."""

    __slots__ = ("named_at", "recorder", "step")
    __class__ = property(lambda self: Dual)

    def __init__(self, x, recorder, step=None):
        super().__init__(x.primal, x.tangent, x.level, x.frozen)
        self.recorder, self.step, self.named_at = recorder, step, recorder.steps

    def renewed(self, primal, tangent):
        """Another of the same trace, and step if it has the same primal."""
        step = self.recorder.step_of(self) if primal is self.primal else None
        return Traced(Dual(primal, tangent, self.level), self.recorder, step)

    def over(self, tangent, level):
        """The argument of an inner jvp: of the same trace, a layer above."""
        inner = Dual(self, tangent, level, frozen=True)
        return inner if self.recorder.is_busy() else self.recorder.raised(inner)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        name = _name(ufunc) if method == "__call__" else f"{_name(ufunc)}.{method}"
        call = lambda top, *args, **kw: type(top).__array_ufunc__(top, ufunc, method, *args, **kw)  # noqa: E731
        return _apply(name, ufunc, call, inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        if isinstance(function, custom_jvp):
            return _apply(function.__name__, None, lambda top, *a, **kw: function(*a, **kw), args, kwargs)
        call = lambda top, *args, **kw: type(top).__array_function__(top, function, types, args, kw)  # noqa: E731
        return _apply(_name(function), function, call, args, kwargs, self)

    def __getitem__(self, index):
        return _apply("getitem", None, _method("__getitem__"), (self, index))

    def __setitem__(self, index, value):
        _apply("setitem", None, _method("__setitem__"), (self, index, value))

    def __pow__(self, other):
        call = lambda top, x, y: Dual.__pow__(x, y) if type(top) is Dual else NotImplemented  # noqa: E731
        return _apply("power", np.power, call, (self, other))

    def __rpow__(self, other):
        return _apply("power", np.power, lambda top, base, x: Dual.__rpow__(x, base), (other, self))

    def astype(self, *args, **kwargs):
        """`Dual.astype`."""
        return _apply("astype", None, _method("astype"), (self, *args), kwargs)

    def joined(self, leaves, shape):
        """Numbers and Duals as one array."""
        return _apply("array", np.ndarray, lambda top, tree: np.reshape(RULES[np.ndarray](tree), shape), (leaves,))

    def through(self, thing, by_engine, *args, **kwargs):
        """A loss or cell that was called with this among its arguments: a row."""
        return _apply(repr(thing), None, lambda top, *a, **kw: thing(*a, **kw), args, kwargs)

    def through_layer(self, layer, p, x, kwargs):
        """A layer that was called with this among its arguments: a row, or one for each of the layers in it."""
        recorder, values = self.recorder, {**p, None: x}
        if any(isinstance(v, Dual) and v.level != recorder.level for v in values.values()):  # in an inner jvp
            return self.through(layer, None, p, x, **kwargs)
        seen = {id(v.primal): (v.primal, recorder.step_of(v)) for v in values.values() if recorder.is_traced(v)}
        if not recorder.is_busy():
            layer = _Watched(layer, recorder, seen)
        with recorder.busy():
            y = layer({name: untraced_dual(v, recorder) for name, v in p.items()}, untraced_dual(x, recorder), **kwargs)

        def as_traced(v):
            traced = type(v) is Dual and v.level == recorder.level
            return Traced(v, recorder, _step(seen, v.primal)) if traced else v

        return map_leaves(as_traced, y)


def _name(function):
    return qualified_name(function).removeprefix("np.")


def _method(name):
    return lambda top, *args, **kwargs: getattr(Dual, name)(*args, **kwargs)


def _in_place(name, ufunc):
    operate = getattr(Dual, f"__i{name}__")
    return lambda self, other: _apply(f"i{name}", ufunc, lambda top, x, y: operate(x, y), (self, other))


for _operator, _ufunc in IN_PLACE.items():
    setattr(Traced, f"__i{_operator}__", _in_place(_operator, _ufunc))


# ---------------------------------------------------------------------- one operation


def _apply(operation, function, call, args, kwargs=None, like=None):
    """``call(top, *args, **kwargs)``, and its rows where the operand ``top`` of the highest level is traced."""
    args, kwargs = tuple(args), kwargs or {}
    leaves, structure = flatten((args, kwargs))
    top = max((a for a in leaves if isinstance(a, Dual)), key=precedence, default=like)
    if any(type(a) is Dual for a in leaves) and type(top) in (Dual, Traced):
        traced = next((a for a in leaves if type(a) is Traced), None)
        if traced is not None and not traced.recorder.is_busy():
            leaves = [traced.recorder.adopted(a) for a in leaves]  # of an inner jvp that began with plain values
            args, kwargs = rebuild(structure, leaves)
            top = max((a for a in leaves if isinstance(a, Dual)), key=precedence)
    if type(top) is not Traced:
        return call(top, *args, **kwargs)
    recorder, originals = top.recorder, {}

    def stripped(a):
        x = untraced_dual(a, recorder)
        originals[id(x)] = x, a
        return x

    def as_traced(y):
        if type(y) is np.ndarray and y.dtype.hasobject:
            y = y if y.flags.writeable else y.copy()
            y.flat = [as_traced(entry) for entry in y.flat]
        elif type(y) is Dual and y.level in recorder.depths:
            if id(y) in originals:
                return originals[id(y)][1]
            if y.level != recorder.level:
                y = Dual(as_traced(y.primal), as_traced(y.tangent), y.level, y.frozen)
            return Traced(y, recorder)
        return y

    def untraced():
        inside, named = rebuild(structure, map(stripped, leaves))
        return map_leaves(as_traced, call(stripped(top), *inside, **named))

    return (
        untraced()
        if recorder.is_busy()
        else recorder.run(untraced, operation, function, args, kwargs, leaves, (call, structure))
    )


def untraced_dual(x, recorder):
    """The Dual that a Traced of this trace is."""
    return Dual(x.primal, x.tangent, x.level, x.frozen) if type(x) is Traced and x.recorder is recorder else x


# ---------------------------------------------------------------------- layers


class _Watched:
    """A layer that makes rows: one of itself, unless the layers in it have made theirs. Its rule sees primals and
    tangents apart: ``seen`` says by the id of a primal from which step it came."""

    def __init__(self, layer, recorder, seen):
        self.layer, self.recorder, self.seen = layer, recorder, seen

    __class__ = property(lambda self: type(self.layer))

    def __getattr__(self, name):
        return getattr(self.layer, name)

    def __repr__(self):
        return repr(self.layer)

    def __call__(self, p, x, **kwargs):
        return type(self.layer).__call__(self, p, x, **kwargs)

    def push(self, p, x, dp, dx, **kwargs):
        """The tangent rule of the layer."""
        recorder, before = self.recorder, self.recorder.steps
        weights = [self._traced(v, dp.get(name, ZERO)) for name, v in p.items()]
        at_once = self.layer.push == self.layer.jvp  # and not called direction by direction
        y, dy = (self._opened() if at_once else self.layer).push(p, x, dp, dx, **kwargs)
        if recorder.steps == before:
            made = self._traced(y, dy)
            recorder.layer(self.layer, weights, self._traced(x, dx), made)
            self.seen[id(y)] = y, recorder.step_of(made)
        return y, dy

    def _traced(self, v, d):
        recorder = self.recorder
        return v if d is ZERO else Traced(Dual(v, d, recorder.level), recorder, _step(self.seen, v))

    def _opened(self):
        """The layer with the layers in it watched too."""
        inner = {name: watched for name, v in vars(self.layer).items() if (watched := self._watch(v)) is not v}
        if not inner:
            return self.layer
        opened = copy.copy(self.layer)
        vars(opened).update(inner)
        return opened

    def _watch(self, v):
        if hasattr(type(v), "push"):
            return _Watched(v, self.recorder, self.seen)
        if isinstance(v, dict) and any(hasattr(type(a), "push") for a in v.values()):
            return {name: self._watch(a) for name, a in v.items()}
        if type(v) in (list, tuple) and any(hasattr(type(a), "push") for a in v):
            return type(v)(map(self._watch, v))
        return v


def _step(seen, array):
    return seen.get(id(array), (array, None))[1]
