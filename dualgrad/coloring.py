"""Sparse Jacobians: columns that share no row are pushed together, as one direction (Curtis, Powell and Reid 1974)."""

import itertools

import numpy as np

from .backend import is_array
from .errors import ShapeError
from .random import Rng
from .sparsity_pattern import SparsityPattern, as_sparse


class Pattern:
    """Where a Jacobian may have entries: their rows and columns, in the order in which they were given.

    ``given`` is a boolean array of shape (rows, columns) or ``y.shape + x.shape``, a SciPy sparse matrix or array, or
    a pair (rows, columns) of integer arrays; the Jacobian comes back in kind. An entry given twice is one entry. Of a
    `SparsityPattern` it comes back as a ``csr_array`` of SciPy where that is installed, and dense where not; in half
    precision, of which SciPy has no sparse arrays, always dense.
    """

    def __init__(self, given, y_shape, x_shape, of="Jacobian"):
        self.of = of
        self.given, self.shape = given, (int(np.prod(y_shape)), int(np.prod(x_shape)))
        self.whole = (*y_shape, *x_shape)
        if isinstance(given, SparsityPattern):
            self.rows, self.cols, found = given.rows, given.cols, given.shape
        elif hasattr(given, "tocoo"):
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
                "array, a pair (rows, columns) of integer arrays, what dg.sparsity returns, or 'auto'"
            )
        if tuple(found) != self.shape:
            raise ShapeError(f"the sparsity pattern has {found}; the {self.of} has shape {self.shape}")

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
                    f"the sparsity pattern has {what} {outside[0]}; the {self.of} has shape {self.shape}, so that "
                    f"{what}s run from 0 to {n - 1}"
                )
        return rows, cols

    def filled(self, values):
        """The Jacobian with these entries, in the form of the pattern."""
        if hasattr(self.given, "tocoo") and not isinstance(values, np.ndarray):
            raise TypeError(
                "a sparse array holds plain numbers, and the entries are not within another derivative: give the "
                "pattern as (rows, columns), of which the entries come back as one array"
            )
        if hasattr(self.given, "tocoo") and values.dtype == np.float16:  # of which SciPy has no sparse arrays
            return self._dense(values)
        if isinstance(self.given, SparsityPattern):
            sparse = as_sparse(values, self)
            return self._dense(values) if sparse is None else sparse.tocsr()
        if hasattr(self.given, "tocoo"):
            kind = type(self.given.tocoo())
            return kind((values, (self.rows, self.cols)), shape=self.shape).asformat(self.given.format)
        if isinstance(self.given, (tuple, list)):
            return values
        return self._dense(values)

    def _dense(self, values):
        dense = np.zeros_like(values, shape=self.shape)
        dense[self.rows, self.cols] = values
        return dense.reshape(self.whole)

    def kept(self, name, make):
        """What is made of the pattern: of a `SparsityPattern` once for all calls."""
        made = self.given.made if isinstance(self.given, SparsityPattern) else {}
        if name not in made:
            made[name] = make()
        return made[name]

    def _once(self):
        """The places of the entries, each once."""
        if isinstance(self.given, SparsityPattern):
            return slice(None)
        return np.unique(self.rows * np.int64(self.shape[1]) + self.cols, return_index=True)[1]

    def compare(self, values, v, expected):
        """Raise where J v from these entries is not what it is expected to be."""
        once = self.kept("once", self._once)
        rows, terms = self.rows[once], values[once] * v[self.cols[once]]
        found, size = (_sums_by_row(rows, t, self.shape[0]) for t in (terms, np.abs(terms)))
        off = np.abs(expected - found)
        bound = 1e3 * np.finfo(v.dtype).eps * np.maximum(np.abs(size), np.abs(expected))
        if np.any(off > bound):
            row = int(np.argmax(off - bound))
            raise ValueError(
                f"f depends on entries outside the sparsity pattern: row {row} of its {self.of} along a random "
                f"direction is {expected[row]:.6g}, and {found[row]:.6g} by the pattern; complete the pattern, or "
                "leave it out"
            )


def _sums_by_row(rows, terms, count):
    if np.can_cast(terms.dtype, np.float64):
        return np.bincount(rows, terms, count)
    sums = np.zeros(count, terms.dtype)
    np.add.at(sums, rows, terms)
    return sums


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
    used = [0] * shape[0]  # row -> the colors in it, as bits
    found = []
    for start, stop in itertools.pairwise(ends):
        taken, here = 0, rows_of[start:stop]
        for i in here:
            taken |= used[i]
        free = ~taken & (taken + 1)  # the lowest bit that is not there
        for i in here:
            used[i] |= free
        found.append(free.bit_length() - 1)
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
    color = pattern.kept("columns", lambda: colors(pattern.rows, pattern.cols, pattern.shape))

    def along(start, stop):
        return push((color == np.arange(start, stop)[:, None]).astype(x.dtype))

    columns = np.concatenate(in_chunks(along, int(color.max(initial=-1)) + 1))
    values = columns[color[pattern.cols], pattern.rows]
    v = Rng(0).normal(pattern.shape[1]).astype(x.dtype)
    pattern.compare(values, v, push(v[None])[0])
    return pattern.filled(values)
