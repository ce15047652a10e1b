"""The operators and methods of a Dual: each is the NumPy function it stands for, looked up in the rule tables."""

import numpy as np

from ..dual import RULES, Dual, primal, store

BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "matmul": np.matmul,
    "mod": np.remainder, "floordiv": np.floor_divide,
}  # fmt: skip
COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip
METHODS = (
    np.all, np.any, np.argmax, np.argmin, np.argsort, np.clip, np.conjugate, np.cumprod, np.cumsum, np.diagonal, np.dot,
    np.max, np.mean, np.min, np.nonzero, np.prod, np.ravel, np.repeat, np.round, np.squeeze, np.std, np.sum,
    np.swapaxes, np.take, np.trace, np.var,
)  # fmt: skip

# NumPy's own operator takes these fast paths, so x**2 is bit for bit what it is on a plain array.
SPECIAL_POWERS = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}

# ---------------------------------------------------------------------- how each is called


def _forward(ufunc):
    return lambda self, other: RULES[ufunc](self, other)


def _reflected(ufunc):
    return lambda self, other: RULES[ufunc](other, self)


def _in_place(operate):
    """The result written into the Dual itself; a scalar is replaced, as in NumPy."""

    def assign(self, other):
        result = operate(self, other)
        return result if isinstance(primal(self), np.generic) else store(self, result)

    return assign


def _method(function):
    def call(self, *args, **kwargs):
        return RULES[function](self, *args, **kwargs)

    call.__name__, call.__doc__ = function.__name__, f"`numpy.{function.__name__}` of this Dual."
    return call


# ---------------------------------------------------------------------- powers


def _power(self, other):
    plain_number = isinstance(other, (int, float)) and not isinstance(other, bool)
    special = SPECIAL_POWERS.get(other) if plain_number else None
    result = RULES[special](self) if special else RULES[np.power](self, other)
    return _of_scalars(result, self, other) if isinstance(self.primal, np.generic) else result


def _reflected_power(self, other):
    result = RULES[np.power](other, self)
    return _of_scalars(result, other, self) if isinstance(self.primal, np.generic) else result


def _of_scalars(result, base, exponent):
    """The value of ``**`` on scalars, which is not always that of np.power in the last bit."""
    base, exponent = (x.primal if isinstance(x, Dual) and x.level == result.level else x for x in (base, exponent))
    plain = not isinstance(base, Dual) and not isinstance(exponent, Dual)
    return Dual(base**exponent, result.tangent, result.level) if plain else result


# ---------------------------------------------------------------------- onto the class

for name, ufunc in BINARY.items():
    setattr(Dual, f"__{name}__", _forward(ufunc))
    setattr(Dual, f"__r{name}__", _reflected(ufunc))
    setattr(Dual, f"__i{name}__", _in_place(_forward(ufunc)))
for name, ufunc in COMPARISONS.items():
    setattr(Dual, f"__{name}__", _forward(ufunc))
for function in METHODS:
    setattr(Dual, function.__name__, _method(function))

Dual.__pow__, Dual.__rpow__, Dual.__ipow__ = _power, _reflected_power, _in_place(_power)
Dual.__divmod__ = lambda self, other: (self // other, self % other)
Dual.__rdivmod__ = lambda self, other: (other // self, other % self)
Dual.__neg__ = lambda self: RULES[np.negative](self)
Dual.__pos__ = lambda self: RULES[np.positive](self)
Dual.__abs__ = lambda self: RULES[np.absolute](self)
Dual.__round__ = lambda self, digits=0: RULES[np.round](self, digits)
Dual.__copy__ = Dual.__deepcopy__ = lambda self, memo=None: RULES[np.copy](self)

Dual.conj = Dual.conjugate
Dual.copy = lambda self, order="C": RULES[np.copy](self, order)
Dual.fill = lambda self, value: self.__setitem__(..., value)
Dual.flatten = lambda self, order="C": RULES[np.copy](RULES[np.ravel](self, order))
Dual.reshape = lambda self, *shape, **kw: RULES[np.reshape](self, shape[0] if len(shape) == 1 else shape, **kw)
Dual.transpose = lambda self, *axes: RULES[np.transpose](self, axes[0] if len(axes) == 1 else axes or None)
Dual.T = property(lambda self: RULES[np.transpose](self))
Dual.mT = property(lambda self: RULES[np.swapaxes](self, -1, -2))
Dual.real = property(lambda self: RULES[np.real](self))
Dual.imag = property(lambda self: RULES[np.imag](self))
