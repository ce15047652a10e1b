"""Uniform draws as arrays that stay intervals until they are asked for numbers.

Comparisons with numbers, ``floor`` and its kin, ``clip``, ``abs`` and ``searchsorted`` cut the intervals, which is
exact; sums and products with numbers keep them. Everything else turns what is left of them into nodes.
"""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..enumeration.source import ReplayError
from .derived import Derived

COMPARED = {np.less: (0, True), np.less_equal: (0, True), np.greater: (1, True), np.greater_equal: (1, True),
            np.equal: (0, False), np.not_equal: (1, False)}  # fmt: skip
MIRRORED = {np.less: np.greater, np.less_equal: np.greater_equal, np.greater: np.less, np.greater_equal: np.less_equal}
AFFINE = {
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.minimum,
    np.maximum,
    np.floor_divide,
    np.remainder,
    np.divmod,
}  # and what cuts
ROUNDED = {np.floor, np.ceil, np.trunc, np.rint}
VIEWS = (np.reshape, np.ravel, np.transpose, np.squeeze, np.expand_dims, np.broadcast_to, np.atleast_1d, np.atleast_2d,
         np.swapaxes, np.moveaxis, np.flip, np.roll, np.repeat, np.tile, np.take)  # fmt: skip
JOINS = (np.concatenate, np.stack, np.hstack, np.vstack, np.column_stack)


class LazyUniform(NDArrayOperatorsMixin):
    """An array of uniform draws ``shift + scale u``, each u an `Interval` until its number is needed.

    Where the scale is 0, as beyond the bounds of ``clip``, an entry is a number, equal to some.

    ==================================================  ================================================================
    asked by                                            what it costs
    ==================================================  ================================================================
    ``<``, floor, sign, clip, searchsorted(cdf, u),     cuts the interval: exact
    digitize, ``int(u)``, ``round(u)``
    ``<``, argmax, round, ``int`` after arithmetic      is doubted (`derived.Derived`), as is ``random(out=)``: sampled
    ``float(u)``, ``math.sqrt(u)``, ``np.asarray(u)``,  gives plain numbers (Python's ``float`` cuts any subclass off):
    ``cdf.searchsorted(u)``, code in C                  what is compared afterwards is seen as a jump along lines alone,
                                                        unless it shows in so small a part that no line meets it
    ==================================================  ================================================================

    Compare the draw itself, or use ``np.sqrt(u)`` and ``np.searchsorted(cdf, u)``, where that matters.
    """

    __array_priority__ = 1000
    __hash__ = None

    def __init__(self, cells, shift=0.0, scale=1.0, dtype=np.float64):
        self.cells, self.dtype = cells, np.dtype(dtype)  # cells: an object array
        self.shift, self.scale = (np.broadcast_to(np.asarray(a, np.float64), cells.shape) for a in (shift, scale))
        self.is_shared = False  # with a view, so that it cannot be changed in place

    @classmethod
    def of(cls, cells, shape, dtype=np.float64):
        """From a list of cells."""
        found = np.empty(len(cells), object)
        found[:] = cells
        return cls(found.reshape(shape), dtype=dtype)

    shape = property(lambda self: self.cells.shape)
    ndim = property(lambda self: self.cells.ndim)
    size = property(lambda self: self.cells.size)
    nbytes = property(lambda self: self.cells.size * self.dtype.itemsize)
    real = property(lambda self: self)

    # ------------------------------------------------------------------ numbers

    def __array__(self, dtype=None, copy=None):
        numbers = np.array([cell.number() for cell in self.cells.flat], np.float64).reshape(self.shape)
        return np.asarray(self.shift + self.scale * numbers, self.dtype if dtype is None else dtype)

    def numbers(self):
        """The array of numbers, of which comparisons are noticed."""
        found = np.asarray(self).view(Derived)
        found.source = self.source
        return found

    @property
    def source(self):
        return self.cells.flat[0].source if self.size else None

    def __float__(self):
        return float(np.asarray(self).item())

    def __int__(self):
        return int(self._rounded(np.trunc).item())

    __floor__ = lambda self: int(self._rounded(np.floor).item())  # noqa: E731
    __ceil__ = lambda self: int(self._rounded(np.ceil).item())  # noqa: E731
    __trunc__ = __int__

    def __round__(self, digits=None):
        return int(self._rounded(np.rint).item()) if digits is None else self.round(digits)

    def __bool__(self):
        if self.size == 1:
            return bool(self.astype(bool).item())
        raise ValueError("the truth value of an array with more than one element is ambiguous: use any() or all()")

    def __len__(self):
        return len(self.cells)

    def __iter__(self):
        return (self[k] for k in range(len(self)))

    def __contains__(self, x):
        return bool(np.any(self == x))

    def __repr__(self):
        return f"<uniform draws of shape {self.shape}>"

    def __format__(self, how):
        return format(np.asarray(self)[()], how)

    def __copy__(self):
        return LazyUniform(self.cells, self.shift, self.scale, self.dtype)

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __reduce__(self):
        return np.asarray, (np.asarray(self),)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.numbers(), name)

    def __setitem__(self, index, value):
        raise ReplayError(
            "the run assigns to entries of an array of uniform draws, which is not modelled: make a new array, for "
            "instance with np.where"
        )

    # ------------------------------------------------------------------ views

    def _view(self, view):
        """The same draws, each array seen through ``view``."""
        found = LazyUniform(view(self.cells), view(self.shift), view(self.scale), self.dtype)
        if found.ndim:
            self.is_shared = found.is_shared = True
        return found

    def __getitem__(self, index):
        def view(a):
            found = a[index]
            if isinstance(found, np.ndarray):
                return found
            lone = np.empty((), a.dtype)
            lone[()] = found
            return lone

        return self._view(view)

    def reshape(self, *shape, **keywords):
        return self._view(lambda a: a.reshape(*shape, **keywords))

    def transpose(self, *axes):
        return self._view(lambda a: a.transpose(*axes))

    def ravel(self, *order):
        return self._view(lambda a: a.ravel(*order))

    def flatten(self, *order):
        return self.copy().ravel(*order)

    def squeeze(self, axis=None):
        return self._view(lambda a: a.squeeze(axis))

    T = property(transpose)

    def copy(self, *order):
        return self.__copy__()

    def item(self, *index):
        return self.ravel()[index[0] if index else 0]

    def tolist(self):
        return [part.tolist() for part in self] if self.ndim else self

    # ------------------------------------------------------------------ cuts

    @property
    def still(self):
        """The numbers of entries whose scale is 0."""
        return self.shift.astype(self.dtype)

    def reached(self, edges, side="right"):
        """How many of ascending edges each draw has reached; ``edges(k)`` are those of the draw at index k.

        A number has reached one that it is equal to, unless the side is "left".
        """
        found = np.empty(self.shape, np.intp)
        for k in np.ndindex(self.shape):
            shift, scale, ends = self.shift[k], self.scale[k], np.asarray(edges(k), np.float64)
            if scale > 0:
                found[k] = self.cells[k].part((ends - shift) / scale)
            elif scale < 0:
                found[k] = len(ends) - self.cells[k].part((ends[::-1] - shift) / scale)
            else:
                found[k] = np.searchsorted(ends, shift, side=side)
        return found

    def _compared(self, ufunc, t):
        opposite, is_ordered = COMPARED[ufunc]
        found = np.full(np.broadcast_shapes(self.shape, np.shape(t)), bool(opposite))
        u = LazyUniform(*(np.broadcast_to(a, found.shape) for a in (self.cells, self.shift, self.scale)))
        if is_ordered:
            ts = np.broadcast_to(np.asarray(t, np.float64), found.shape)
            found = ((u.reached(lambda k: [ts[k]]) == 0) ^ found) & ~np.isnan(ts)
        return np.where(u.scale == 0, ufunc(self.still, t), found)[()]

    def _sign(self):
        moving = np.where(self.reached(lambda k: [0.0]) == 0, -1.0, 1.0)
        return np.where(self.scale == 0, np.sign(self.shift), moving).astype(self.dtype)[()]

    def _rounded(self, rounding):
        """Each draw rounded to a whole number, by cuts between them."""
        half = 0.5 if rounding is np.rint else 0.0
        first = np.floor(np.minimum(self.shift, self.shift + self.scale)) + half
        last = np.maximum(self.shift, self.shift + self.scale)
        floor = self.reached(lambda k: np.arange(first[k], last[k] + 1)) + first + half - 1
        up = {np.ceil: 1, np.trunc: floor < 0}.get(rounding, 0)
        return np.where(self.scale == 0, rounding(self.shift), floor + up).astype(self.dtype)

    def round(self, decimals=0, out=None):
        return ((self * 10.0**decimals)._rounded(np.rint) / 10.0**decimals).astype(self.dtype)[()]

    def clip(self, low=None, high=None, **keywords):
        """Constant beyond the bounds, and as it was between them."""
        low, high = (np.broadcast_to(bound if x is None else x, self.shape)
                     for x, bound in ((low, -np.inf), (high, np.inf)))  # fmt: skip
        part = self.reached(lambda k: [low[k], high[k]])
        shift = np.choose(part, [low, self.shift, high])
        return LazyUniform(self.cells, shift, np.where(part == 1, self.scale, 0.0), self.dtype)

    def __abs__(self):
        sign = np.where(self.reached(lambda k: [0.0]) == 0, -1.0, 1.0)
        return LazyUniform(self.cells, sign * self.shift, sign * self.scale, self.dtype)

    def astype(self, dtype, *args, **kwargs):
        dtype = np.dtype(dtype)
        if dtype.kind in "iu":
            return self._rounded(np.trunc).astype(dtype)
        if dtype.kind == "f":
            return LazyUniform(self.cells, self.shift, self.scale, dtype)
        if dtype.kind == "b":  # a draw is 0 with probability 0
            return (self.scale != 0) | (self.still != 0)
        return np.asarray(self).astype(dtype)

    # ------------------------------------------------------------------ NumPy

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        found = NotImplemented if method != "__call__" or kwargs else self._exactly(ufunc, inputs)
        if found is NotImplemented:
            if out is not None:
                kwargs["out"] = tuple(map(_unless_lazy, out))
            return getattr(ufunc, method)(*map(as_numbers, inputs), **kwargs)
        if out is None:
            return found
        if isinstance(out[0], LazyUniform):
            return out[0]._become(found)
        out[0][...] = found
        return out[0]

    def _become(self, found):
        """Be what was found, in place."""
        if self.is_shared or not isinstance(found, LazyUniform):
            _unless_lazy(self)
        self.cells, self.shift, self.scale = found.cells, found.shift, found.scale
        return self

    def _exactly(self, ufunc, inputs):
        """What cuts, and sums and products with numbers, give; NotImplemented for other functions."""
        if len(inputs) == 1:
            if ufunc in ROUNDED:
                return self._rounded(ufunc)[()]
            if ufunc is np.sign:
                return self._sign()
            if ufunc is np.negative:
                return LazyUniform(self.cells, -self.shift, -self.scale, self.dtype)
            return abs(self) if ufunc in (np.absolute, np.fabs) else NotImplemented
        if len(inputs) != 2:
            return NotImplemented
        a, b = inputs
        if isinstance(a, LazyUniform) and isinstance(b, LazyUniform):
            if ufunc in COMPARED and self.size:
                self.source.doubt("two uniform draws are compared")
            return NotImplemented
        c = np.asarray(b if a is self else a)
        if c.dtype.kind not in "biuf" or ufunc not in (*COMPARED, *AFFINE):
            return NotImplemented
        if ufunc in COMPARED:
            return self._compared(*((ufunc, b) if a is self else (MIRRORED.get(ufunc, ufunc), a)))
        return self._affine(ufunc, c, a is self)

    def _affine(self, ufunc, c, is_first):
        shape = np.broadcast_shapes(self.shape, c.shape)
        u = self if shape == self.shape else self._view(lambda a: np.broadcast_to(a, shape))
        shift, scale = u.shift, u.scale
        if ufunc is np.add:
            shift = shift + c
        elif ufunc is np.subtract:
            shift, scale = (shift - c, scale) if is_first else (c - shift, -scale)
        elif ufunc is np.multiply:
            shift, scale = shift * c, scale * c
        elif ufunc is np.divide and is_first:
            shift, scale = shift / c, scale / c
        elif ufunc in (np.minimum, np.maximum):
            return u.clip(high=c) if ufunc is np.minimum else u.clip(low=c)
        elif ufunc in (np.floor_divide, np.remainder, np.divmod) and is_first and np.all(c != 0):
            whole = (u / c)._rounded(np.floor)[()]
            return {np.floor_divide: whole, np.remainder: u - c * whole}.get(ufunc) if ufunc is not np.divmod else (
                whole, u - c * whole)  # fmt: skip
        else:
            return NotImplemented
        dtype = np.result_type(u.dtype, c.dtype) if c.ndim else u.dtype
        return LazyUniform(u.cells, shift, scale, dtype)

    def __array_function__(self, function, types, args, kwargs):
        if function is np.searchsorted and not kwargs.keys() - {"side"} and len(args) < 4 and _is_table(args[0]):
            edges = np.asarray(args[0], np.float64)
            side = args[2] if len(args) > 2 else kwargs.get("side", "left")
            return args[1].reached(lambda k: edges, side)[()]
        if function is np.digitize and args[0] is self and _is_table(args[1]):
            edges = np.asarray(args[1], np.float64)
            rises, to_right = edges[0] <= edges[-1], kwargs.get("right", args[2] if len(args) > 2 else False)
            found = self.reached(lambda k: np.sort(edges), "left" if to_right else "right")
            return (found if rises else len(edges) - found)[()]
        if function in (np.round, np.around) and args[0] is self:
            return self.round(*args[1:], **kwargs)
        if function is np.clip and args[0] is self and not any(isinstance(a, LazyUniform) for a in args[1:]):
            return self.clip(*args[1:], **kwargs)
        if function in VIEWS and args[0] is self:
            return self._view(lambda a: function(a, *args[1:], **kwargs))
        if function in JOINS and all(isinstance(a, LazyUniform) for a in args[0]):
            joined = (function([getattr(a, name) for a in args[0]], *args[1:], **kwargs)
                      for name in ("cells", "shift", "scale"))  # fmt: skip
            return LazyUniform(*joined, np.result_type(*(a.dtype for a in args[0])))
        if function is np.copy:
            return self.copy()
        if function in (np.shape, np.size, np.ndim):
            return function(self.cells, *args[1:], **kwargs)
        return function(*map(as_numbers, args), **{name: as_numbers(a) for name, a in kwargs.items()})


def _is_table(a):
    return not isinstance(a, LazyUniform) and np.ndim(a) == 1 and np.size(a) > 0


def _unless_lazy(out):
    if isinstance(out, LazyUniform):
        raise ReplayError(
            "the run changes an array of uniform draws in place, of which there are views, or by other than sums and "
            "products with numbers, which is not modelled: make a new array (u = u**2, not u **= 2)"
        )
    return out


def as_numbers(x):
    """A lazy array as numbers, also inside lists; anything else as it is."""
    if isinstance(x, LazyUniform):
        return x.numbers()
    if isinstance(x, (list, tuple)) and any(isinstance(entry, (LazyUniform, list, tuple)) for entry in x):
        return type(x)(map(as_numbers, x))
    return x
