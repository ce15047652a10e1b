"""The Dependent: a Dual whose tangent is, for each entry, the set of inputs that its derivative may depend on."""

from typing import Any

import numpy as np

from ..cures import sparse_operand
from ..custom import custom_jvp
from ..dual import Dual, as_array, as_arrays, make, primal, require_writable, store, without_rule
from ..errors import LevelError, TangentLossError
from ..operators import SPECIAL_POWERS, operators
from ..rules.absorb import parts
from ..rules.keywords import call_with_keywords
from ..tables import METHODS, RULES
from ..tree import leaf
from .following import NeedsValueError, Pass, followed, followed_entrywise, through_rule, without_values
from .linear_maps import recalled
from .operation import Operation

_VALUE = Dual.__dict__["primal"]


class _DependentRules(dict):
    """What stands in for the rule tables when the operators of a Dependent look a function up."""

    def __missing__(self, function):
        if isinstance(function, np.ufunc) and function.signature is None:
            self[function] = lambda *args, **kwargs: _ufunc_of(function, args, kwargs)
        else:
            self[function] = lambda *args, **kwargs: followed(function, tuple(map(_listed, args)), kwargs)
        return self[function]


def _listed(a):
    if a.__class__.__module__.startswith("scipy.sparse"):
        return sparse_operand(a)
    return np.asarray(a) if a.__class__ is list and a and isinstance(a[0], (int, float)) else as_array(a)


def _ufunc_of(function, args, kwargs):
    if not kwargs and (y := followed_entrywise(function, args)) is not None:
        return y
    return followed(function, tuple(map(_listed, args)), kwargs)


_of_dependents = _DependentRules()


@leaf
class Dependent(operators(_of_dependents), Dual):
    """A value, and for each entry the inputs that it may change with: bits ``(words, *shape)`` in place of a tangent.

    Programs receive one inside `sparsity`. ``inert`` says that all sets are empty, though the value may change.
    """

    __slots__ = ("inert", "run")
    value = _VALUE

    def __init__(self, value: Any, bits: Any, run: Pass, inert: bool = False, frozen: bool = False) -> None:
        super().__init__(value, bits, run.level, frozen)
        self.run: Pass = run
        self.inert: bool = inert

    def _as_dual(self):
        return Dual(self.value, self.tangent, self.level, self.frozen)

    def renewed(self, primal, tangent):
        """Refused: what is made of parts has no sets."""
        raise NotImplementedError("this operation takes a Dual apart, of which sparsity knows no more than the whole")

    def revalued(self, primal):
        """The same with another value."""
        return self.run.made(primal, self.tangent, self.inert, self.frozen)

    def assigned(self, result):
        """`Dual.assigned`."""
        return result if isinstance(self.value, np.generic) else store(self, result)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc not in RULES:
            return without_rule(ufunc, method, inputs, kwargs)
        if method == "__call__" and not kwargs:
            return _of_dependents[ufunc](*inputs)
        inputs = tuple(map(_listed, inputs))
        if method != "__call__":
            call = lambda: METHODS[method](ufunc, *inputs, **kwargs)  # noqa: E731
            return without_values(call, self.run, getattr(ufunc, method), inputs, kwargs)
        call = lambda: call_with_keywords(ufunc, _of_dependents[ufunc], inputs, dict(kwargs))  # noqa: E731
        return without_values(call, self.run, ufunc, inputs, kwargs)

    def __array_function__(self, func, types, args, kwargs):
        if func not in RULES and not isinstance(func, custom_jvp):
            return make(self, func, args, kwargs)
        if (y := recalled(self.run, func, args, kwargs)) is not None:
            return y
        return followed(func, tuple(as_arrays(func, args)), {name: as_array(a) for name, a in kwargs.items()})

    def __getitem__(self, index):
        require_known_index(index)
        part = self._as_dual()[index]
        return self.run.made(part.primal, part.tangent, self.inert, part.frozen)

    def __setitem__(self, index, value):
        require_known_index(index)
        require_writable(self)
        value = as_array(value)
        whole = Dual(self.value, self.tangent, self.level)
        if not isinstance(value, Dual) or value.level < self.level:
            whole[index] = primal(value)
        elif isinstance(value, Dependent) and value.level == self.level:
            self.inert = self.inert and value.inert
            whole[index] = value._as_dual()
        else:
            raise LevelError("a buffer of sparsity cannot hold a Dual of a jvp inside: make it there, np.zeros_like(x)")

    def astype(self, dtype, *args, **kwargs):
        """`Dual.astype`."""
        y = self.value.astype(dtype, *args, **kwargs)
        if y.dtype.kind not in "fc" and self.value.dtype.kind in "fc":
            raise TangentLossError(f"astype({np.dtype(dtype).name}) would drop the tangent: dg.primal(x).astype(...)")
        return self.run.made(y, self.tangent.copy(), self.inert)

    def __pow__(self, n):
        special = SPECIAL_POWERS.get(n) if n.__class__ in (int, float) else None
        return _of_dependents[special](self) if special else _of_dependents[np.power](self, n)

    def __rpow__(self, base):
        return _of_dependents[np.power](base, self)

    def raised(self, by):
        """self + by."""
        return self + by

    def as_deep(self, dy):
        """A tangent of this, of a higher level, as deep as it is: `nested_as`."""
        return dy if parts(dy, self.level)[1] is not None else self.run.made(primal(dy), self.run.empty(np.shape(dy)))

    def joined(self, leaves, shape):
        """Numbers and Duals as one array."""
        return np.reshape(np.stack(leaves), shape)

    def through(self, thing, by_engine, *args, **kwargs):
        """A loss or cell that was called with this among its arguments: its function; by its rule where it has one.
        What says that it is one operation (a root) depends on all that it is given."""
        if getattr(thing, "one_operation", False):
            return Operation(self.run, thing, args, kwargs).dense()
        return (by_engine if is_ours(thing, ("jvp", "step_jvp")) else through_rule(self.run, thing))(*args, **kwargs)

    def through_layer(self, layer, p, x, kwargs):
        """A layer that was called with this among its arguments."""
        if is_ours(layer, ("jvp",)):
            return layer.forward(p, x, **kwargs)
        return through_rule(self.run, layer)(p, x, **kwargs)

    def __repr__(self):
        return f"{type(self).__name__}({self.dtype}[{', '.join(map(str, self.shape))}], level {self.level})"


def _unknown(self):
    raise NeedsValueError


@leaf
class AnyValue(Dependent):
    """A Dependent that stands for all values: whoever asks for its own is refused."""

    __slots__ = ()
    primal = property(_unknown, lambda self, value: _VALUE.__set__(self, value))
    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)

    def __len__(self):
        return len(self.value)

    def __bool__(self):
        raise NeedsValueError

    def __invert__(self):
        return self.run.without_inputs(~self.value)

    __index__ = __contains__ = __floor__ = __ceil__ = __trunc__ = __bool__


def _logic(name):
    """An operator of masks that are not known."""

    def combine(self, other):
        return self.run.without_inputs(getattr(self.value, name)(getattr(other, "value", other)))

    return combine


for _name in "and or xor rand ror rxor".split():
    setattr(AnyValue, f"__{_name}__", _logic(f"__{_name}__"))


def require_known_index(index):
    """Raise for an index made of values that are none."""
    found = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, AnyValue) for i in found):
        raise NeedsValueError


def is_ours(thing, names):
    """Whether the classes that define these rules are dualgrad's own: then they are those of the function."""
    definers = [next((c for c in type(thing).__mro__ if name in vars(c)), None) for name in names]
    return all(c is None or c.__module__.startswith(__name__.partition(".")[0] + ".") for c in definers)
