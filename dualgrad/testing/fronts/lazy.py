"""Uniform draws as arrays that stay intervals until they are asked for numbers.

Comparisons with numbers, ``floor`` and its kin, conversion to integers and ``searchsorted`` cut the intervals, which is
exact; sums and products with numbers keep them. Everything else turns what is left of them into nodes.
"""

import math

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

BELOW = {np.less: False, np.less_equal: False, np.greater: True, np.greater_equal: True}  # u < t; True: its opposite
MIRRORED = {np.less: np.greater, np.less_equal: np.greater_equal, np.greater: np.less, np.greater_equal: np.less_equal}
ROUNDED = {np.floor, np.ceil, np.trunc, np.rint}


class LazyUniform(NDArrayOperatorsMixin):
    """An array of uniform draws ``shift + scale u``, each u a `Cell` that is an interval until its number is needed."""

    __array_priority__ = 1000

    def __init__(self, cells, shift=0.0, scale=1.0, dtype=np.float64):
        self.cells, self.dtype = cells, np.dtype(dtype)  # cells: an object array
        self.shift, self.scale = shift, scale

    @classmethod
    def of(cls, cells, shape, dtype=np.float64):
        """From a list of cells."""
        found = np.empty(len(cells), object)
        found[:] = cells
        return cls(found.reshape(shape), dtype=dtype)

    shape = property(lambda self: self.cells.shape)
    ndim = property(lambda self: self.cells.ndim)
    size = property(lambda self: self.cells.size)

    # ------------------------------------------------------------------ numbers

    def __array__(self, dtype=None, copy=None):
        numbers = np.array([cell.number() for cell in self.cells.flat], np.float64).reshape(self.shape)
        return np.asarray(self.shift + self.scale * numbers, self.dtype if dtype is None else dtype)

    def __float__(self):
        return float(np.asarray(self)[()])

    def __bool__(self):
        if self.size == 1:
            return bool((self != 0).reshape(()))
        raise ValueError("the truth value of an array with more than one element is ambiguous: use any() or all()")

    def __len__(self):
        return len(self.cells)

    def __iter__(self):
        return (self[k] for k in range(len(self)))

    def __repr__(self):
        return f"<uniform draws of shape {self.shape}>"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    # ------------------------------------------------------------------ views

    def _with(self, view):
        """The same draws, each array seen through ``view``."""
        return LazyUniform(
            view(self.cells), view(np.broadcast_to(self.shift, self.shape)),
            view(np.broadcast_to(self.scale, self.shape)), self.dtype,
        )  # fmt: skip

    def __getitem__(self, index):
        def view(a):
            found = a[index]
            if isinstance(found, np.ndarray):
                return found
            lone = np.empty((), a.dtype)
            lone[()] = found
            return lone

        return self._with(view)

    def reshape(self, *shape):
        return self._with(lambda a: a.reshape(*shape))

    def ravel(self):
        return self.reshape(-1)

    flatten = ravel

    @property
    def T(self):
        return self._with(lambda a: a.T)

    def copy(self):
        return self

    def tolist(self):
        return list(self) if self.ndim else self

    # ------------------------------------------------------------------ cuts

    def parts(self, edges):
        """How many of the ascending edges each draw has reached."""
        shift, scale = np.broadcast_to(self.shift, self.shape), np.broadcast_to(self.scale, self.shape)
        found = np.empty(self.shape, np.intp)
        for k in np.ndindex(self.shape):
            ends = (np.asarray(edges[k] if np.ndim(edges) > 1 or edges.dtype == object else edges) - shift[k]) / scale[
                k
            ]
            found[k] = self.cells[k].part(ends) if scale[k] > 0 else len(ends) - self.cells[k].part(ends[::-1])
        return found

    def _compare(self, ufunc, t):
        shape = np.broadcast_shapes(self.shape, np.shape(t))
        u = self._with(lambda a: np.broadcast_to(a, shape))
        found, t = np.empty(shape, bool), np.broadcast_to(np.asarray(t, np.float64), shape)
        for k in np.ndindex(shape):
            shift, scale = u.shift[k], u.scale[k]
            below = u.cells[k].below((t[k] - shift) / scale) if scale else shift < t[k]
            found[k] = (below != (scale < 0)) != BELOW[ufunc]
        return found[()]

    def _integers(self, rounding, dtype):
        """Each draw rounded to a whole number, by cuts between them."""
        shift, scale = np.broadcast_to(self.shift, self.shape), np.broadcast_to(self.scale, self.shape)
        found = np.empty(self.shape, dtype)
        for k in np.ndindex(self.shape):
            ends = np.sort([shift[k], shift[k] + scale[k]])
            low, high = math.floor(ends[0]), math.ceil(ends[1])
            steps = np.arange(low, high + 1, dtype=np.float64) + (0.5 if rounding is np.rint else 0.0)
            edges = (steps - shift[k]) / scale[k]
            part = self.cells[k].part(np.sort(edges))
            bounds = np.concatenate([[0.0], np.clip(np.sort(edges), 0, 1), [1.0]])
            middle = shift[k] + scale[k] * (bounds[part] + bounds[part + 1]) / 2
            found[k] = rounding(middle)
        return found[()]

    def astype(self, dtype, *args, **kwargs):
        dtype = np.dtype(dtype)
        if dtype.kind in "iu":
            return self._integers(np.trunc, dtype)
        if dtype.kind == "f":
            return LazyUniform(self.cells, self.shift, self.scale, dtype)
        return np.asarray(self).astype(dtype)

    def __int__(self):
        return int(self._integers(np.trunc, np.int64))

    def __floor__(self):
        return int(self._integers(np.floor, np.int64))

    # ------------------------------------------------------------------ NumPy

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method == "__call__" and not kwargs and out is None:
            if ufunc in BELOW and len(inputs) == 2:
                found = self._compared(ufunc, *inputs)
                if found is not None:
                    return found
            if ufunc in ROUNDED:
                return self._integers(ufunc, self.dtype)
            found = self._affine(ufunc, inputs)
            if found is not None:
                return found
        if out is not None:
            kwargs["out"] = out
        return getattr(ufunc, method)(*map(as_numbers, inputs), **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        if function is np.searchsorted and isinstance(args[1], LazyUniform) and not isinstance(args[0], LazyUniform):
            return args[1].parts(np.asarray(args[0], np.float64))[()]
        return function(*map(as_numbers, args), **{name: as_numbers(a) for name, a in kwargs.items()})

    @staticmethod
    def _compared(ufunc, a, b):
        if isinstance(a, LazyUniform) and isinstance(b, LazyUniform):
            (a.cells.flat[0] if a.size else b.cells.flat[0]).source.doubt("two uniform draws are compared")
            return None
        if isinstance(b, LazyUniform):
            ufunc, a, b = MIRRORED[ufunc], b, a
        return a._compare(ufunc, b) if np.asarray(b).dtype.kind in "biuf" else None

    @staticmethod
    def _affine(ufunc, inputs):
        """Sums and products with numbers; None for other operations."""
        if ufunc is np.negative:
            (u,) = inputs
            return LazyUniform(u.cells, np.negative(u.shift), np.negative(u.scale), u.dtype)
        if len(inputs) != 2 or sum(isinstance(x, LazyUniform) for x in inputs) != 1:
            return None
        a, b = inputs
        u, c = (a, b) if isinstance(a, LazyUniform) else (b, a)
        c = np.asarray(c)
        if c.dtype.kind not in "biuf":
            return None
        if ufunc is np.add:
            shift, scale = u.shift + c, u.scale
        elif ufunc is np.subtract:
            shift, scale = (u.shift - c, u.scale) if u is a else (c - u.shift, np.negative(u.scale))
        elif ufunc is np.multiply:
            shift, scale = u.shift * c, u.scale * c
        elif ufunc is np.divide and u is a:
            shift, scale = u.shift / c, u.scale / c
        else:
            return None
        shape = np.broadcast_shapes(u.shape, c.shape)
        dtype = np.result_type(u.dtype, c.dtype) if c.ndim else u.dtype
        return LazyUniform(np.broadcast_to(u.cells, shape), shift, scale, dtype)


def as_numbers(x):
    """A lazy array as numbers, also inside lists; anything else as it is."""
    if isinstance(x, LazyUniform):
        return np.asarray(x)
    if isinstance(x, (list, tuple)):
        return type(x)(map(as_numbers, x))
    return x
