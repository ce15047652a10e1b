"""Sparse Jacobians: columns that share no row are pushed together, as one direction (Curtis, Powell and Reid 1974)."""

import itertools

import numpy as np

from .backend import is_array
from .errors import ShapeError
from .random import Rng


class Pattern:
    """Where a Jacobian may have entries: their rows and columns, in the order in which they were given.

    ``given`` is a boolean array of shape (rows, columns) or ``y.shape + x.shape``, a SciPy sparse matrix or array, or
    a pair (rows, columns) of integer arrays; the Jacobian comes back in kind. An entry given twice is one entry.
    """

    def __init__(self, given, y_shape, x_shape):
        self.given, self.shape = given, (int(np.prod(y_shape)), int(np.prod(x_shape)))
        self.whole = (*y_shape, *x_shape)
        if hasattr(given, "tocoo"):
            entries, found = given.tocoo(copy=True), given.shape
            entries.sum_duplicates()
            self.rows, self.cols = entries.row, entries.col
        elif isinstance(given, (tuple, list)) and len(given) == 2:
            self.rows, self.cols, found = *self._pair(given), self.shape
        elif is_array(given):
            fits = given.shape in (self.shape, self.whole)
            found = self.shape if fits else given.shape
            self.rows, self.cols = np.nonzero(given.reshape(self.shape)) if fits else ((), ())
        else:
            raise TypeError(
                f"got a sparsity pattern of type {type(given).__name__}; expected a boolean array, a SciPy sparse "
                "array or a pair (rows, columns) of integer arrays"
            )
        if tuple(found) != self.shape:
            raise ShapeError(f"the sparsity pattern has {found}; the Jacobian has shape {self.shape}")

    def _pair(self, given):
        rows, cols = (np.asarray(part) if np.size(part) else np.zeros(np.shape(part), int) for part in given)
        if rows.dtype.kind not in "iu" or cols.dtype.kind not in "iu":
            raise TypeError(
                f"got a sparsity pattern of two parts of dtypes {rows.dtype} and {cols.dtype}; expected integer arrays "
                "(rows, columns), or np.array(...) around a boolean matrix in lists"
            )
        if rows.ndim != 1 or rows.shape != cols.shape:
            raise ShapeError(
                f"got rows of shape {rows.shape} and columns of shape {cols.shape}; expected (n,) for both"
            )
        for what, index, n in (("row", rows, self.shape[0]), ("column", cols, self.shape[1])):
            outside = index[(index < 0) | (index >= n)]
            if outside.size:
                raise ShapeError(
                    f"the sparsity pattern has {what} {outside[0]}; the Jacobian has shape {self.shape}, so that "
                    f"{what}s run from 0 to {n - 1}"
                )
        return rows, cols

    def filled(self, values):
        """The Jacobian with these entries, in the form of the pattern."""
        if hasattr(self.given, "tocoo"):
            kind = type(self.given.tocoo())
            return kind((values, (self.rows, self.cols)), shape=self.shape).asformat(self.given.format)
        if isinstance(self.given, (tuple, list)):
            return values
        dense = np.zeros(self.shape, values.dtype)
        dense[self.rows, self.cols] = values
        return dense.reshape(self.whole)


def colors(rows, cols, shape):
    """A color for each column, no two of one color sharing a row: greedy, in the order of the columns.

    Parameters
    ----------
    rows, cols : integer arrays
        The entries.
    shape : (number of rows, number of columns)

    Returns
    -------
    integer array, one color a column, 0, 1, ...; as many as the fullest row has entries where the matrix is banded.
    """
    by_column = np.argsort(cols, kind="stable")
    ends = np.searchsorted(cols[by_column], np.arange(shape[1] + 1)).tolist()
    rows_of = rows[by_column].tolist()
    used = [set() for _ in range(shape[0])]  # row -> the colors in it
    found = []
    for start, stop in itertools.pairwise(ends):
        taken = set().union(*(used[i] for i in rows_of[start:stop]))
        color = next(c for c in range(len(taken) + 1) if c not in taken)
        for i in rows_of[start:stop]:
            used[i].add(color)
        found.append(color)
    return np.array(found, dtype=int)


def compressed(push, x, pattern, in_chunks):
    """The entries of a Jacobian from one direction a color.

    ``push(basis)`` gives the tangents (K, rows) along directions (K, columns); ``in_chunks`` calls it by parts. One
    random direction more compares the result with the Jacobian itself.

    Raises
    ------
    ValueError
        When f has an entry outside the pattern.
    """
    color = colors(pattern.rows, pattern.cols, pattern.shape)

    def along(start, stop):
        return push((color == np.arange(start, stop)[:, None]).astype(x.dtype))

    columns = np.concatenate(in_chunks(along, int(color.max(initial=-1)) + 1))
    values = columns[color[pattern.cols], pattern.rows]
    _check(push, x, pattern, values)
    return pattern.filled(values)


def _check(push, x, pattern, values):
    v = Rng(0).normal(pattern.shape[1]).astype(x.dtype)
    once = np.unique(pattern.rows * np.int64(pattern.shape[1]) + pattern.cols, return_index=True)[1]
    rows, terms = pattern.rows[once], values[once] * v[pattern.cols[once]]
    found, size = np.zeros((2, pattern.shape[0]), terms.dtype)
    np.add.at(found, rows, terms)
    np.add.at(size, rows, np.abs(terms))
    expected = push(v[None])[0]
    off = np.abs(expected - found)
    bound = 1e3 * np.finfo(x.dtype).eps * np.maximum(np.abs(size), np.abs(expected))
    if np.any(off > bound):
        row = int(np.argmax(off - bound))
        raise ValueError(
            f"f depends on entries outside the sparsity pattern: row {row} of its Jacobian along a random direction is "
            f"{expected[row]:.6g}, and {found[row]:.6g} by the pattern; complete the pattern, or leave it out"
        )
