"""A strict device array: NumPy behind a wall, as unforgiving as CuPy without needing a GPU.

It refuses what CuPy refuses: `__array__`, mixing with host arrays, Python branches and numbers made from scalars, and
the functions CuPy does not have. Python numbers and NumPy scalars mix freely; reductions give 0-d device arrays.
"""

import inspect

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

MISSING = {"vecdot", "matvec", "vecmat", "block", "unstack", "insert", "einsum_path", "geomspace", "spacing"}
KEYWORDS = {  # and what it has no keyword for
    "sum": "initial where", "prod": "initial where", "max": "initial where", "min": "initial where",
    "amax": "initial where", "amin": "initial where", "mean": "where", "var": "where mean correction",
    "std": "where mean correction", "partition": "kind order", "argpartition": "kind order", "take": "mode",
    "sort": "order stable", "argsort": "order stable",
}  # fmt: skip
ON_HOST = {"shape", "ndim", "size", "result_type", "can_cast", "may_share_memory", "shares_memory", "iscomplexobj"}
ON_HOST |= {"isrealobj", "common_type", "min_scalar_type", "array_repr", "array_str", "array2string"}


class MissingError(TypeError):
    """The device has no such function, or no such argument."""


class DeviceArray(NDArrayOperatorsMixin):
    """An array on the device; `device` makes one from a host array and `host` brings it back."""

    __slots__ = ("_held",)
    __hash__ = None

    def __init__(self, held):
        self._held = held if isinstance(held, np.ndarray) else np.asarray(held)

    # ------------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if any(hasattr(type(x), "__array_ufunc__") and not _mixes(type(x)) for x in inputs):
            return NotImplemented
        require_present(ufunc)
        if method == "reduce" and {"where", "initial"} & set(kwargs):
            raise MissingError("the device's reductions have neither where nor initial")
        return wrap(getattr(ufunc, method)(*map(unwrap, inputs), **unwrap_out(kwargs)))

    def __array_function__(self, function, types, args, kwargs):
        if not all(map(_mixes, types)):
            return NotImplemented
        require_present(function)
        given = inspect.signature(function).bind(*args, **kwargs).arguments if function.__name__ in KEYWORDS else ()
        lacking = set(given) & set(KEYWORDS.get(function.__name__, "").split())
        if lacking:
            raise MissingError(f"the device's {function.__name__} has no {lacking}")
        name = function.__name__
        if name in ("asarray", "array", "ascontiguousarray"):  # like=: the one way in from the host
            return DeviceArray(function(*map(_held, args), **kwargs))
        inner = getattr(function, "_implementation", function)
        result = inner(*map(unwrap, args), **{k: unwrap(v) for k, v in kwargs.items()})
        return result if name in ON_HOST else wrap(result)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("implicit conversion of a device array to NumPy is not allowed")

    # ------------------------------------------------------------------ facts and views

    shape = property(lambda self: self._held.shape)
    dtype = property(lambda self: self._held.dtype)
    ndim = property(lambda self: self._held.ndim)
    size = property(lambda self: self._held.size)
    strides = property(lambda self: self._held.strides)
    flags = property(lambda self: self._held.flags)
    nbytes = property(lambda self: self._held.nbytes)
    base = property(lambda self: None if self._held.base is None else DeviceArray(self._held.base))
    T = property(lambda self: DeviceArray(self._held.T))
    mT = property(lambda self: DeviceArray(self._held.mT))
    real = property(lambda self: DeviceArray(self._held.real))
    imag = property(lambda self: DeviceArray(self._held.imag))

    def __len__(self):
        return len(self._held)

    def __iter__(self):
        return (DeviceArray(row) for row in self._held)

    def __repr__(self):
        return f"DeviceArray({self._held})"

    def __getitem__(self, index):
        return DeviceArray(self._held[unwrap(index)])

    def __setitem__(self, index, value):
        self._held[unwrap(index)] = unwrap(value)

    def get(self):
        """The host copy, under the name CuPy gives it."""
        return self._held.copy()


def _mixes(kind):
    return issubclass(kind, (DeviceArray, np.ndarray, np.generic))


def _refused(self, *args):
    raise TypeError("a device array gives no Python number: this would wait for the device")


for _name in ("bool", "int", "float", "complex", "index"):
    setattr(DeviceArray, f"__{_name}__", _refused)


def _method(name):
    def call(self, *args, **kwargs):
        return wrap(getattr(self._held, name)(*map(unwrap, args), **{k: unwrap(v) for k, v in kwargs.items()}))

    return call


for _name in (
    "all any argmax argmin argsort astype clip conj conjugate copy cumprod cumsum diagonal dot fill flatten max mean "
    "min nonzero prod ravel repeat reshape round sort squeeze std sum swapaxes take trace transpose var view"
).split():
    setattr(DeviceArray, _name, _method(_name))


def require_present(function):
    """Refuse what CuPy lacks."""
    if function.__name__ in MISSING:
        raise MissingError(f"the device has no {function.__name__}")


def _held(x):
    """The held arrays, also in lists; host arrays as they are."""
    return list(map(_held, x)) if isinstance(x, (list, tuple)) else x._held if isinstance(x, DeviceArray) else x


def unwrap(x):
    """The held array; a host array among the arguments is refused."""
    if isinstance(x, DeviceArray):
        return x._held
    if isinstance(x, np.ndarray):
        raise TypeError(f"a host array of shape {x.shape} meets a device array")
    if isinstance(x, (list, tuple)):
        return type(x)(map(unwrap, x)) if not hasattr(x, "_fields") else x
    return x


def unwrap_out(kwargs):
    return {k: tuple(map(unwrap, v)) if k == "out" else unwrap(v) for k, v in kwargs.items()}


def wrap(x):
    """Arrays and scalars as device arrays, also in lists and tuples."""
    if isinstance(x, (np.ndarray, np.generic)):
        return DeviceArray(x)
    if isinstance(x, (list, tuple)):
        return tuple(map(wrap, x)) if hasattr(x, "_fields") else type(x)(map(wrap, x))
    return x


def device(x):
    """A host array, or a structure of them, on the device; anything else as it is."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(device, x))
    return DeviceArray(np.array(x)) if isinstance(x, (np.ndarray, np.floating, np.complexfloating)) else x


def host(x):
    """The host copy of a device array, or of a structure of them."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(host, x))
    return x.get() if isinstance(x, DeviceArray) else x
