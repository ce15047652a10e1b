"""OuterProduct: a matrix tangent held as factors, V = a bᵀ (one, or K of them).

With signs a and b, the entries of V are ±1 and pairwise uncorrelated, so (V·G) V is an unbiased estimate of G with
exactly the per-component variance of dense random signs, ‖g‖² - g_k²; but x @ V costs O(n + m) per row.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .backend import Array
from .errors import ShapeError


class OuterProduct(NDArrayOperatorsMixin):
    """``V = a bᵀ`` as a matrix tangent of shape ``(n, m)``, or ``(K, n, m)`` for K directions.

    Parameters
    ----------
    a : array, shape ``lead + (n,)``
    b : array, shape ``lead + (m,)``
        Lead is ``()`` or ``(K,)``.
    shape : tuple, optional
        The shape of one tangent, for kernels: the last axis is m and the others together make up n.

    Notes
    -----
    ``x @ V``, ``V @ x``, scaling, negation and ``.T`` keep the factors; any other use turns it dense by itself.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> v = dg.OuterProduct(np.array([1.0, -1.0]), np.array([1.0, 1.0, -1.0]))
    >>> np.eye(2) @ v
    array([[ 1.,  1., -1.],
           [-1., -1.,  1.]])
    >>> (2 * v).T.shape, np.sum(v)
    ((3, 2), np.float64(0.0))
    """

    __slots__ = ("a", "b", "leaf_shape")
    __hash__ = None

    a: Array
    b: Array
    leaf_shape: tuple[int, ...]

    def __init__(self, a: Array, b: Array, shape: Sequence[int] | None = None) -> None:
        if a.ndim != b.ndim or a.shape[:-1] != b.shape[:-1] or a.ndim not in (1, 2):
            raise ShapeError(f"got factors of shapes {a.shape} and {b.shape}; expected lead + (n,) and lead + (m,)")
        shape = (a.shape[-1], b.shape[-1]) if shape is None else tuple(shape)
        if math.prod(shape[:-1]) != a.shape[-1] or shape[-1] != b.shape[-1]:
            raise ShapeError(f"got shape {shape} for factors of {a.shape[-1]} and {b.shape[-1]} entries")
        self.a, self.b, self.leaf_shape = a, b, shape

    @property
    def shape(self) -> tuple[int, ...]:
        """``lead`` and the shape of one tangent."""
        return self.a.shape[:-1] + self.leaf_shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the product."""
        return np.result_type(self.a, self.b)

    def dense(self) -> Array:
        """The product as a plain array."""
        return (self.a[..., :, None] * self.b[..., None, :]).reshape(self.shape)

    @property
    def T(self) -> Any:  # noqa: N802
        """The transposed matrix (of each direction), still as factors."""
        if len(self.leaf_shape) != 2:
            return self.dense().T
        return OuterProduct(self.b, self.a)

    def __neg__(self) -> "OuterProduct":  # np.negative turns dense: the rule of -x, whose tangent must be writable
        return OuterProduct(-self.a, self.b, self.leaf_shape)

    def __repr__(self) -> str:
        return f"OuterProduct({self.dtype}{list(self.shape)})"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        if self.a.ndim == 2 and isinstance(index, int):
            return OuterProduct(self.a[index], self.b[index], self.leaf_shape)
        return self.dense()[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.dense(), dtype)

    def __getattr__(self, name: str) -> Any:
        if not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return getattr(self.dense(), name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and ufunc in _FACTORED:
            result = _FACTORED[ufunc](*inputs, **kwargs)
            if result is not None:
                return result
        return getattr(ufunc, method)(*map(_dense, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(*map(_dense, args), **{k: _dense(v) for k, v in kwargs.items()})


def _ndim(x):
    return None if isinstance(x, OuterProduct) else getattr(x, "ndim", 0)


def _dense(x):
    """Lists and tuples of OuterProduct too, for np.stack and its kin."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(_dense, x))
    return x.dense() if isinstance(x, OuterProduct) else x


# ---------------------------------------------------------------------- what keeps the factors; None means "go dense"


def _matmul(x, v, out=None):
    """``x @ V`` for rows x is (x·a) bᵀ, in O(n + m) per row; ``V @ x`` is a (b·x)."""
    if _ndim(x) == 2 and len(v.leaf_shape) == 2:
        along, b = np.matmul(x, v.a.T).T, v.b
        return np.multiply(along[..., None], b[..., None, :], out=_single_out(out))
    if _ndim(v) == 1 and len(x.leaf_shape) == 2 and out is None:
        return np.matmul(x.b, v)[..., None] * x.a
    return None


def _single_out(out):
    return out[0] if isinstance(out, tuple) else out


def _multiply(x, y, out=None):
    c, v = (x, y) if isinstance(y, OuterProduct) else (y, x)
    return OuterProduct(c * v.a, v.b, v.leaf_shape) if _ndim(c) == 0 and out is None else None


def _divide(v, c, out=None):
    return OuterProduct(v.a / c, v.b, v.leaf_shape) if _ndim(c) == 0 and out is None else None


_FACTORED = {np.matmul: _matmul, np.multiply: _multiply, np.divide: _divide}
