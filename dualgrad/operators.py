"""The operators and methods of a Dual, one a line: each is the NumPy function it stands for, by its rule.

A Dual looks in the tables (`dualgrad.tables`), a Series, a Bent and a traced Dual in one of their own: classes of which
Python asks the right operand first where that is of a subclass. Type checkers read operators.pyi, since the classes are
made when the module runs.
"""

import math
import operator

import numpy as np

from .errors import TangentLossError
from .tables import MAKERS

# By names of their own: np.add is a look-up more.
add, subtract, multiply, divide, matmul = np.add, np.subtract, np.multiply, np.divide, np.matmul
remainder, floor_divide, power = np.remainder, np.floor_divide, np.power
negative, positive, absolute = np.negative, np.positive, np.absolute

# NumPy's own operator takes these fast paths, so x**2 is bit for bit what it is on a plain array.
SPECIAL_POWERS = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}

# ---------------------------------------------------------------------- without a rule


def _absent(name, cure):
    def refuse(self):
        raise AttributeError(f"a Dual has no .{name}: write {cure}")

    return property(refuse)


def _of_memory(name):
    def refuse(self, *args, **kwargs):
        raise TangentLossError(f"a Dual is two arrays in memory, of which x.{name} means one: dg.primal(x).{name}(...)")

    return refuse


def _reordering(function):
    name = function.__name__

    def reorder(self, *args, **kwargs):
        if self.frozen:
            raise TangentLossError(f"x.{name}(...) works in place; this x is read-only: write x = np.{name}(x, ...)")
        self[...] = function(self, *args, **kwargs)

    return reorder


# fmt: off
class AsArray:
    """What a Dual does as an array without a rule."""

    __slots__ = ()

    def __contains__(self, value): return bool(np.any(self.primal == getattr(value, "primal", value)))
    def __floor__(self): return math.floor(self.primal)
    def __ceil__(self): return math.ceil(self.primal)
    def __trunc__(self): return math.trunc(self.primal)
    def __dir__(self): return [name for name in object.__dir__(self) if name not in _HIDDEN]
    def __array_namespace__(self, *, api_version=None): return MAKERS[np](self, api_version)
    def __len__(self): return len(self.primal)
    def __iter__(self): return (self[i] for i in range(len(self)))
    def fill(self, value): self[...] = value

    shape = property(lambda self: self.primal.shape)
    ndim = property(lambda self: self.primal.ndim)
    size = property(lambda self: self.primal.size)
    sort = _reordering(np.sort)
    partition = _reordering(np.partition)
    flat = _absent("flat", "np.ravel(x) for x.flat, which steps through the memory of a plain array")
    data = _absent("data", "dg.primal(x).data for x.data: a tangent has memory of its own")
# fmt: on


# NumPy's loop over an object array of Duals asks each of them for a method of the ufunc's name. They are attributes:
# a __getattr__ for them would slow down every other attribute of a Dual, of which an operation reads ten.
_LOOPS = {
    name: ufunc for name, ufunc in vars(np).items()
    if isinstance(ufunc, np.ufunc) and name == ufunc.__name__ and any("O" in types for types in ufunc.types)
}  # fmt: skip
_HIDDEN = {"flat", "data", *_LOOPS} - {"conjugate"}
for _name, _ufunc in _LOOPS.items():
    setattr(AsArray, _name, lambda self, *others, ufunc=_ufunc: ufunc(self, *others))
for _name in "byteswap choose dump dumps getfield resize setfield setflags tobytes tofile to_device view".split():
    setattr(AsArray, _name, _of_memory(_name))
for _name in "device flags itemsize nbytes strides".split():  # of the value
    setattr(AsArray, _name, property(lambda self, name=_name: getattr(self.primal, name)))

# ---------------------------------------------------------------------- by a rule


# fmt: off
def operators(rules):
    """The class of what a Dual does by the rules in a table."""

    def method(function):
        def call(self, *args, **kwargs):
            return rules[function](self, *args, **kwargs)

        call.__name__, call.__doc__ = function.__name__, f"`numpy.{function.__name__}` of this Dual."
        return call

    def comparison(ufunc, operate):
        def compare(self, other):
            try:
                return rules[ufunc](self, other)
            except TypeError:  # of text, of which NumPy's functions know less than its operators
                if isinstance(other, str):
                    return operate(self.primal, other)
                raise

        return compare

    class Operators(AsArray):
        __slots__ = ()

        def __add__(self, other): return rules[add](self, other)
        def __radd__(self, other): return rules[add](other, self)
        def __iadd__(self, other): return self.assigned(rules[add](self, other))
        def __sub__(self, other): return rules[subtract](self, other)
        def __rsub__(self, other): return rules[subtract](other, self)
        def __isub__(self, other): return self.assigned(rules[subtract](self, other))
        def __mul__(self, other): return NotImplemented if _defers_to(other) else rules[multiply](self, other)
        def __rmul__(self, other): return rules[multiply](other, self)
        def __imul__(self, other): return self.assigned(rules[multiply](self, other))
        def __truediv__(self, other): return rules[divide](self, other)
        def __rtruediv__(self, other): return rules[divide](other, self)
        def __itruediv__(self, other): return self.assigned(rules[divide](self, other))
        def __matmul__(self, other): return rules[matmul](self, other)
        def __rmatmul__(self, other): return rules[matmul](other, self)
        def __imatmul__(self, other): return self.assigned(rules[matmul](self, other))
        def __mod__(self, other): return rules[remainder](self, other)
        def __rmod__(self, other): return rules[remainder](other, self)
        def __imod__(self, other): return self.assigned(rules[remainder](self, other))
        def __floordiv__(self, other): return rules[floor_divide](self, other)
        def __rfloordiv__(self, other): return rules[floor_divide](other, self)
        def __ifloordiv__(self, other): return self.assigned(rules[floor_divide](self, other))
        def __pow__(self, other): return _power(rules, self, other)
        def __rpow__(self, other): return _of_scalars(rules[power](other, self), other, self)
        def __ipow__(self, other): return self.assigned(_power(rules, self, other))
        def __divmod__(self, other): return self // other, self % other
        def __rdivmod__(self, other): return other // self, other % self
        def __neg__(self): return rules[negative](self)
        def __pos__(self): return rules[positive](self)
        def __abs__(self): return rules[absolute](self)

        __lt__ = comparison(np.less, operator.lt)
        __le__ = comparison(np.less_equal, operator.le)
        __gt__ = comparison(np.greater, operator.gt)
        __ge__ = comparison(np.greater_equal, operator.ge)
        __eq__ = comparison(np.equal, operator.eq)
        __ne__ = comparison(np.not_equal, operator.ne)
        def __round__(self, digits=0): return rules[np.round](self, digits)

        all = method(np.all)
        any = method(np.any)
        argmax = method(np.argmax)
        argmin = method(np.argmin)
        argpartition = method(np.argpartition)
        argsort = method(np.argsort)
        cumprod = method(np.cumprod)
        cumsum = method(np.cumsum)
        diagonal = method(np.diagonal)
        dot = method(np.dot)
        max = method(np.max)
        mean = method(np.mean)
        min = method(np.min)
        nonzero = method(np.nonzero)
        prod = method(np.prod)
        put = method(np.put)
        ravel = method(np.ravel)
        repeat = method(np.repeat)
        round = method(np.round)
        searchsorted = method(np.searchsorted)
        squeeze = method(np.squeeze)
        std = method(np.std)
        sum = method(np.sum)
        swapaxes = method(np.swapaxes)
        take = method(np.take)
        trace = method(np.trace)
        var = method(np.var)

        def astype(self, dtype, *args, **kwargs): return rules[np.ndarray.astype](self, dtype, *args, **kwargs)
        def clip(self, min=None, max=None, out=None, **kw): return rules[np.clip](self, min, max, out=out, **kw)
        def compress(self, condition, axis=None, out=None): return rules[np.compress](condition, self, axis, out=out)
        def conjugate(self): return rules[np.conjugate](self) if self.dtype.kind == "c" else self
        def copy(self, order="C"): return rules[np.copy](self, order)
        def flatten(self, order="C"): return rules[np.copy](rules[np.ravel](self, order))
        def reshape(self, *shape, **kw): return rules[np.reshape](self, shape[0] if len(shape) == 1 else shape, **kw)
        def transpose(self, *axes): return rules[np.transpose](self, axes[0] if len(axes) == 1 else axes or None)
        def __copy__(self, memo=None): return rules[np.copy](self)

        conj = conjugate
        __deepcopy__ = __copy__
        T = property(lambda self: rules[np.transpose](self))
        mT = property(lambda self: rules[np.swapaxes](self, -1, -2))
        real = property(lambda self: rules[np.real](self), lambda self, value: self.real.fill(value))
        imag = property(lambda self: rules[np.imag](self), lambda self, value: _set_imag(self, value))

    return Operators
# fmt: on


def _set_imag(x, value):
    if x.dtype.kind != "c":
        raise TypeError("a real Dual has no imaginary part to set: make it of complex entries, x + 0j")
    x.imag[...] = value


def _defers_to(other):
    """Whether the other operand has an operator of its own, as Params have: NumPy's sign of that."""
    return getattr(other, "__array_ufunc__", other) is None


# ---------------------------------------------------------------------- powers


def _power(rules, x, n):
    special = SPECIAL_POWERS.get(n) if isinstance(n, (int, float)) and not isinstance(n, bool) else None
    return _of_scalars(rules[special](x) if special else rules[np.power](x, n), x, n)


def is_number(x):
    """Whether x is no array, nor the list of one."""
    return not isinstance(x, (np.ndarray, list, tuple))


def _of_scalars(result, base, exponent):
    """The result of ``**``, whose value on scalars is not always that of np.power in the last bit."""
    if not (isinstance(result.primal, np.generic) and is_number(base) and is_number(exponent)):
        return result
    level = result.level
    base, exponent = (x.primal if isinstance(x, AsArray) and x.level == level else x for x in (base, exponent))
    if isinstance(base, AsArray) or isinstance(exponent, AsArray):
        return result
    return result.revalued(result.dtype.type(base**exponent))  # a Python number for 1j ** x
