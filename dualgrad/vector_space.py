"""The arithmetic of Params: sums, multiples and inner products, as of vectors of R^p."""

import numbers
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from .backend import is_array
from .dual import Dual
from .errors import LayoutError


class VectorSpace:
    """What Params do as vectors. Results have the buffers of the first operand that has some, copied."""

    __slots__ = ()
    __array_ufunc__ = None  # so that a number of NumPy on the left leaves the product to them

    def __add__(self, other: Any) -> Self:
        return self._beside(other, lambda a, b: a + b)

    def __radd__(self, other: Any) -> Self:
        """The other way round, also of a dict of arrays; ``sum`` begins with 0."""
        return self.copy() if other.__class__ is int and other == 0 else self + other

    def __sub__(self, other: Any) -> Self:
        return self._beside(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Self:
        return self._beside(other, lambda a, b: b - a)

    def __mul__(self, c: Any) -> Self:
        return self._scaled(c, lambda a, c: a * c)

    __rmul__ = __mul__

    def __truediv__(self, c: Any) -> Self:
        return self._scaled(c, lambda a, c: a / c)

    def __neg__(self) -> Self:
        return self._scaled(-1, lambda a, c: -a)

    def __pos__(self) -> Self:
        return self.copy()

    def __iadd__(self, other: Any) -> Self:
        return self._moved(other, np.add)

    def __isub__(self, other: Any) -> Self:
        return self._moved(other, np.subtract)

    def __imul__(self, c: Any) -> Self:
        return self._moved(c, np.multiply)

    def __itruediv__(self, c: Any) -> Self:
        return self._moved(c, np.divide)

    def __matmul__(self, other: Any) -> Any:
        """Σ p q over all entries, a number for each of K directions: complex numbers are not conjugated."""
        found = self._vector_beside(other)
        return NotImplemented if found is None else _dotted(self.vector, found)

    def __rmatmul__(self, other: Any) -> Any:
        found = self._vector_beside(other)
        return NotImplemented if found is None else _dotted(found, self.vector)

    def norm(self) -> Any:
        """√Σ |p|² over all entries, which neither overflows nor vanishes before its value does.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> print(f"{dg.Params({'w': np.array([3e200, 0.0]), 'b': np.array([4e200])}).norm():.6g}")
        5e+200
        """
        return np.linalg.norm(self.vector) if isinstance(self.vector, Dual) else _scaled_norm(self.vector)

    # ------------------------------------------------------------------ operands

    def _beside(self, other, operate):
        """Entry by entry, with other parameters of the layout."""
        found = self._vector_beside(other)
        if found is None:
            return NotImplemented
        buffers = self.buffers or getattr(other, "buffers", {})
        return self._with(operate(self.vector, found), buffers)

    def _scaled(self, c, operate):
        c = _as_scalar(c)
        return NotImplemented if c is None else self._with(operate(self.vector, c), self.buffers)

    def _with(self, vector, buffers):
        return self.from_vector(self.layout, vector, {name: b.copy() for name, b in buffers.items()})

    def _moved(self, other, ufunc):
        """The same parameters, their entries changed in place."""
        scaled = ufunc in (np.multiply, np.divide)
        found = _as_scalar(other) if scaled else self._vector_beside(other)
        if found is None:
            return NotImplemented
        if isinstance(self.vector, Dual) or isinstance(found, Dual):
            raise TypeError(
                f"{type(self).__name__} with tangents cannot be changed in place: write p = p + q, or p = c * p"
            )
        if np.ndim(found) > np.ndim(self.vector):
            raise LayoutError(
                f"got {len(found)} directions to add to {self!r} in place, which has no room for them: write p = p + q"
            )
        ufunc(self.vector, found, out=self.vector, casting="same_kind")
        return self

    def _vector_beside(self, other):
        """The entries of the other operand; None for what is no tree of arrays by name."""
        if not isinstance(other, Mapping):
            return None
        layout = getattr(other, "layout", None)
        if layout != self.layout and (layout is not None or other.keys() != self.keys()):
            raise LayoutError(f"got {self!r} and {other!r:.200}; expected the same names and shapes")
        return other.vector if layout is not None else self.layout.vector(dict(other), "the other operand")


def _as_scalar(c):
    """A number, of Python where it has no tangent, so that float32 stays float32; None for what is none."""
    if isinstance(c, Dual):
        return c if not c.ndim else None
    if is_array(c) and not np.ndim(c):
        c = c.item()
    if isinstance(c, (bool, np.bool)) or not isinstance(c, numbers.Complex):
        return None
    return float(c) if isinstance(c, numbers.Real) else complex(c)  # beside which NumPy makes no objects


def _dotted(a, b):
    """Σ a b along the last axis."""
    return a @ b if np.ndim(b) == 1 else b @ a if np.ndim(a) == 1 else np.sum(a * b, axis=-1)


def _scaled_norm(x):
    """The norm of a vector, or of several along leading axes, scaled by a power of two of the size of its entries."""
    peak = np.max(np.abs(x), axis=-1, keepdims=True, initial=0)
    usual = (peak > 0) & np.isfinite(peak)
    scale = np.ldexp(np.ones_like(peak), np.where(usual, np.frexp(np.where(usual, peak, 1))[1] - 1, 0))
    return (scale * np.linalg.norm(x / scale, axis=-1, keepdims=True))[..., 0][()]
