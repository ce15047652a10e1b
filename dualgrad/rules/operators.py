"""The operators and methods of a Dual: each is the NumPy function it stands for, looked up in the rule tables."""

import math
import operator

import numpy as np

from ..dual import Dual, primal, store
from ..errors import TangentLossError
from ..tables import RULES

BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "matmul": np.matmul,
    "mod": np.remainder, "floordiv": np.floor_divide,
}  # fmt: skip
COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip
METHODS = (
    np.all, np.any, np.argmax, np.argmin, np.argpartition, np.argsort, np.cumprod, np.cumsum, np.diagonal,
    np.dot, np.max, np.mean, np.min, np.nonzero, np.prod, np.put, np.ravel, np.repeat, np.round, np.searchsorted,
    np.squeeze, np.std, np.sum, np.swapaxes, np.take, np.trace, np.var,
)  # fmt: skip
MEMORY = "byteswap choose dump dumps getfield resize setfield setflags tobytes tofile to_device view"

# NumPy's loop over an object array of Duals asks each of them for a method of the ufunc's name.
UFUNCS = [u for name, u in vars(np).items() if isinstance(u, np.ufunc) and name == u.__name__]
LOOPS = [u for u in UFUNCS if any("O" in types for types in u.types)]
ABSENT = {
    "flat": "np.ravel(x) for x.flat, which steps through the memory of a plain array",
    "data": "dg.primal(x).data for x.data: a tangent has memory of its own",
}

# NumPy's own operator takes these fast paths, so x**2 is bit for bit what it is on a plain array.
SPECIAL_POWERS = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}

# ---------------------------------------------------------------------- how each is called


def in_place(operate):
    """The result written into the Dual itself; a scalar is replaced, as in NumPy."""

    def assign(self, other):
        result = operate(self, other)
        return result if isinstance(primal(self), np.generic) else store(self, result)

    return assign


def _comparison(ufunc, operate, rules):
    def compare(self, other):
        try:
            return rules[ufunc](self, other)
        except TypeError:  # of text, of which NumPy's functions know less than its operators
            if isinstance(other, str):
                return operate(primal(self), other)
            raise

    return compare


def _method(function, rules):
    def call(self, *args, **kwargs):
        return rules[function](self, *args, **kwargs)

    call.__name__, call.__doc__ = function.__name__, f"`numpy.{function.__name__}` of this Dual."
    return call


def _set_part(name):
    def assign(self, value):
        if name == "imag" and primal(self).dtype.kind != "c":
            raise TypeError("a real Dual has no imaginary part to set: make it of complex entries, x + 0j")
        getattr(self, name)[...] = value

    return assign


def _loop(ufunc):
    return lambda self, *others: ufunc(self, *others)


def _absent(name, cure):
    def refuse(self):
        raise AttributeError(f"a Dual has no .{name}: write {cure}")

    return property(refuse)


def _of_memory(name):
    def refuse(self, *args, **kwargs):
        raise TangentLossError(f"a Dual is two arrays in memory, of which x.{name} means one: dg.primal(x).{name}(...)")

    return refuse


def _reordering(function):
    def reorder(self, *args, **kwargs):
        name = function.__name__
        if self.frozen:
            raise TangentLossError(
                f"x.{name}(...) works in place, and this x is read-only: write x = np.{name}(x, ...)"
            )
        store(self, function(self, *args, **kwargs))

    return reorder


# ---------------------------------------------------------------------- powers


def special_power(exponent):
    """The function that NumPy's own operator takes for a plain number, or None."""
    plain_number = isinstance(exponent, (int, float)) and not isinstance(exponent, bool)
    return SPECIAL_POWERS.get(exponent) if plain_number else None


def _power(self, other):
    special = special_power(other)
    return _of_scalars(RULES[special](self) if special else RULES[np.power](self, other), self, other)


def _reflected_power(self, other):
    return _of_scalars(RULES[np.power](other, self), other, self)


def is_number(x):
    """Whether x is no array, nor the list of one."""
    return not isinstance(x, (np.ndarray, list, tuple))


def _of_scalars(result, base, exponent):
    value = value_of_scalars(result, base, exponent)
    return result if value is None else Dual(value, result.tangent, result.level)


def value_of_scalars(result, base, exponent):
    """The value of ``**`` on scalars, which is not always that of np.power in the last bit; None for arrays."""
    if not (isinstance(result.primal, np.generic) and is_number(base) and is_number(exponent)):
        return None
    base, exponent = (x.primal if isinstance(x, Dual) and x.level == result.level else x for x in (base, exponent))
    if isinstance(base, Dual) or isinstance(exponent, Dual):
        return None
    return result.dtype.type(base**exponent)  # a Python number for 1j ** x


# ---------------------------------------------------------------------- onto a class


def equip(kind, rules):
    """Give the class its operators and methods, each looked up in ``rules`` when it is called."""
    for name, ufunc in BINARY.items():
        forward = lambda self, other, ufunc=ufunc: rules[ufunc](self, other)  # noqa: E731
        setattr(kind, f"__{name}__", forward)
        setattr(kind, f"__r{name}__", lambda self, other, ufunc=ufunc: rules[ufunc](other, self))
        setattr(kind, f"__i{name}__", in_place(forward))
    for name, ufunc in COMPARISONS.items():
        setattr(kind, f"__{name}__", _comparison(ufunc, getattr(operator, name), rules))
    for function in METHODS:
        setattr(kind, function.__name__, _method(function, rules))

    listed = {"conjugate", *(function.__name__ for function in METHODS)}
    hidden = {ufunc.__name__: _loop(ufunc) for ufunc in LOOPS if ufunc.__name__ not in listed}
    hidden |= {name: _absent(name, cure) for name, cure in ABSENT.items()}
    for name, attribute in hidden.items():
        setattr(kind, name, attribute)

    kind.__dir__ = lambda self: [name for name in object.__dir__(self) if name not in hidden]
    kind.__divmod__ = lambda self, other: (self // other, self % other)
    kind.__rdivmod__ = lambda self, other: (other // self, other % self)
    kind.__neg__ = lambda self: rules[np.negative](self)
    kind.__pos__ = lambda self: rules[np.positive](self)
    kind.__abs__ = lambda self: rules[np.absolute](self)
    kind.__round__ = lambda self, digits=0: rules[np.round](self, digits)
    kind.__floor__ = lambda self: math.floor(primal(self))
    kind.__ceil__ = lambda self: math.ceil(primal(self))
    kind.__trunc__ = lambda self: math.trunc(primal(self))
    kind.__copy__ = kind.__deepcopy__ = lambda self, memo=None: rules[np.copy](self)

    for name in MEMORY.split():
        setattr(kind, name, _of_memory(name))
    for name in ("device", "flags", "itemsize", "nbytes", "strides"):  # of the value
        setattr(kind, name, property(lambda self, name=name: getattr(self.primal, name)))

    kind.__contains__ = lambda self, value: bool(np.any(primal(self) == primal(value)))
    kind.clip = lambda self, min=None, max=None, out=None, **kw: rules[np.clip](self, min, max, out=out, **kw)
    kind.compress = lambda self, condition, axis=None, out=None: rules[np.compress](condition, self, axis, out=out)
    kind.conj = kind.conjugate = lambda self: rules[np.conjugate](self) if primal(self).dtype.kind == "c" else self
    kind.copy = lambda self, order="C": rules[np.copy](self, order)
    kind.fill = lambda self, value: self.__setitem__(..., value)
    kind.flatten = lambda self, order="C": rules[np.copy](rules[np.ravel](self, order))
    kind.sort, kind.partition = _reordering(np.sort), _reordering(np.partition)
    kind.reshape = lambda self, *shape, **kw: rules[np.reshape](self, shape[0] if len(shape) == 1 else shape, **kw)
    kind.transpose = lambda self, *axes: rules[np.transpose](self, axes[0] if len(axes) == 1 else axes or None)
    kind.T = property(lambda self: rules[np.transpose](self))
    kind.mT = property(lambda self: rules[np.swapaxes](self, -1, -2))
    kind.real = property(lambda self: rules[np.real](self), _set_part("real"))
    kind.imag = property(lambda self: rules[np.imag](self), _set_part("imag"))


equip(Dual, RULES)
Dual.__pow__, Dual.__rpow__, Dual.__ipow__ = _power, _reflected_power, in_place(_power)
