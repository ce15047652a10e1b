"""SparsityPattern: where a matrix may have entries."""

from typing import Any, Self

import numpy as np

from .backend import Array


class SparsityPattern:
    """Where a Jacobian or Hessian may have entries: what `dg.sparsity` returns, and ``sparsity=`` takes.

    Attributes
    ----------
    shape : (number of rows, number of columns)
    rows, cols : integer arrays, row by row
    nnz : int, how many entries there may be

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> pattern = dg.sparsity(lambda x: x[1:] * x[:-1], np.ones(4))
    >>> pattern
    SparsityPattern(3 x 4, 6 entries)
    >>> print(pattern)
    ●●··
    ·●●·
    ··●●
    >>> np.array(pattern).sum(axis=1)
    array([2, 2, 2])
    """

    __slots__ = ("cols", "made", "rows", "shape")

    rows: Array
    cols: Array
    shape: tuple[int, int]

    def __init__(self, rows: Array, cols: Array, shape: tuple[int, int]) -> None:
        self.rows, self.cols, self.shape = rows, cols, shape
        self.made: dict[str, Any] = {}  # colors, which need to be found once

    @classmethod
    def of_pairs(cls, rows: Array, cols: Array, shape: tuple[int, int]) -> Self:
        """That of different entries in any order."""
        codes = rows * np.int64(max(shape[1], 1)) + cols
        if not np.all(codes[1:] > codes[:-1]):
            codes.sort(kind="stable")  # they are nearly in order
            rows = codes // max(shape[1], 1)
            cols = codes - rows * max(shape[1], 1)
        return cls(rows, cols, shape)

    @property
    def nnz(self) -> int:
        """How many entries there may be."""
        return len(self.rows)

    def toarray(self) -> Array:
        """As a boolean array of this shape."""
        dense = np.zeros(self.shape, bool)
        dense[self.rows, self.cols] = True
        return dense

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("a sparsity pattern is no array yet: leave copy=False out")
        return self.toarray() if dtype is None else self.toarray().astype(dtype)

    def tocoo(self) -> Any:
        """As a boolean array of SciPy's, which must be installed."""
        sparse = as_sparse(np.ones(self.nnz, bool), self)
        if sparse is None:
            raise ImportError(
                "tocoo() makes an array of SciPy, which is not installed: .rows and .cols have the entries"
            )
        return sparse

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparsityPattern):
            return NotImplemented
        same = self.shape == other.shape and np.array_equal(self.rows, other.rows)
        return bool(same and np.array_equal(self.cols, other.cols))

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'SparsityPattern'")

    def __repr__(self) -> str:
        return f"SparsityPattern({self.shape[0]} x {self.shape[1]}, {self.nnz} entries)"

    def __str__(self) -> str:
        """A picture, if it fits a page."""
        if max(self.shape) > 100:
            return repr(self)
        return "\n".join("".join("●" if there else "·" for there in row) for row in self.toarray())


def as_sparse(values: Array, pattern: Any) -> Any:
    """Values at a pattern's rows and columns as a ``coo_array`` of SciPy; None where it is not installed."""
    try:
        from scipy.sparse import coo_array
    except ImportError:
        return None
    return coo_array((values, (pattern.rows, pattern.cols)), shape=pattern.shape)
