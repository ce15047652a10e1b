"""A sparse matrix as an operand of NumPy's functions, which know none: products by SciPy, sums of dense arrays."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array, sparray, spmatrix

from ...backend import Array


class SparseOperand:
    """A constant sparse matrix in the place of an array: what the rules of np.matmul, np.add and np.subtract are given.

    Parameters
    ----------
    matrix : sparse array or matrix of SciPy, of two axes and any format

    Raises
    ------
    TypeError
        From every other ufunc, since a product entry by entry would be sparse, with tangents in its entries.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from dualgrad.scipy.sparse import SparseOperand
    >>> np.matmul(SparseOperand(scipy.sparse.eye_array(2)), np.ones((3, 2, 1))).shape
    (3, 2, 1)
    """

    __slots__ = ("dtype", "matrix", "ndim", "shape")

    def __init__(self, matrix: sparray | spmatrix) -> None:
        self.matrix = csr_array(matrix)
        self.shape, self.ndim, self.dtype = matrix.shape, matrix.ndim, matrix.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.matrix.toarray(), dtype)

    def astype(self, dtype: Any, **settings: Any) -> "SparseOperand":
        """The same in another precision."""
        return SparseOperand(self.matrix.astype(dtype))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs and ufunc in (np.add, np.subtract):
            return ufunc(*(np.asarray(a) if isinstance(a, SparseOperand) else a for a in inputs))
        if method != "__call__" or kwargs or ufunc is not np.matmul:
            raise TypeError(
                f"np.{ufunc.__name__} got a sparse matrix A and a Dual; expected A @ x or x @ A: scale rows by "
                "d[:, None] * (A @ x), columns by A @ (d * x); or write A.toarray() for A"
            )
        x, y = inputs
        return _times_dense(x.matrix, y) if isinstance(x, SparseOperand) else _dense_times(x, y.matrix)


def as_operand(matrix: sparray | spmatrix) -> Any:
    """A sparse matrix as an operand; a sparse vector or tensor as the dense one that it is."""
    return SparseOperand(matrix) if matrix.ndim == 2 else matrix.toarray()


def _times_dense(a, x):
    """A X, for stacks (..., n, r) of matrices in one product."""
    if np.ndim(x) == 1:
        return a @ x
    columns = np.moveaxis(x, -2, 0)
    y = a @ columns.reshape(len(columns), -1)
    return np.moveaxis(y.reshape(a.shape[:1] + columns.shape[1:]), 0, -2)


def _dense_times(x, a):
    """X A, for stacks (..., m, n)."""
    return (x.reshape(-1, np.shape(x)[-1]) @ a).reshape(np.shape(x)[:-1] + a.shape[1:])
