"""ZERO: a tangent known to be zero, which absorbs products and vanishes in sums without any arithmetic."""

from typing import Any

import numpy as np

from .tables import KINDS

_SUMS = {np.add, np.subtract}


class _Zero:
    """The symbolic zero, of every shape at once; the one instance is `ZERO`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> x = np.array([1.0, 2.0])
    >>> x * dg.ZERO, x @ dg.ZERO, x + dg.ZERO
    (ZERO, ZERO, array([1., 2.]))
    """

    __slots__ = ()
    __hash__ = object.__hash__
    shape = ()
    ndim = 0

    def __repr__(self):
        return "ZERO"

    def __reduce__(self):
        return "ZERO"

    def __bool__(self):
        return False

    def __getitem__(self, index):
        return self

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method == "__call__" and ufunc in _SUMS:
            x, y = inputs
            return x if y is ZERO else y if ufunc is np.add else -y
        return self._linear(ufunc)

    def __array_function__(self, func, types, args, kwargs):
        return self._linear(func)

    def _linear(self, function):
        if KINDS.get(function) in ("linear", "bilinear"):
            return self
        raise NotImplementedError(f"np.{function.__name__} of ZERO is not known to be zero")

    def __truediv__(self, other):
        return self

    def reshape(self, *args, **kwargs):
        """ZERO again, whatever the shape or the axis."""
        return self

    sum = mean = cumsum = dot = astype = copy = ravel = squeeze = swapaxes = transpose = reshape
    T = mT = property(lambda self: self)

    __add__ = __radd__ = __rsub__ = lambda self, x: np.add(self, x)
    __sub__ = lambda self, x: np.subtract(self, x)  # noqa: E731
    __mul__ = __rmul__ = __matmul__ = __rmatmul__ = lambda self, x: self
    __neg__ = lambda self: self  # noqa: E731


ZERO: Any = _Zero()  # which stands where any tangent does
