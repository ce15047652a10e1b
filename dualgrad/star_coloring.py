"""Sparse Hessians: a coloring from which a symmetric matrix is read off with fewer products than it has columns.

In a star coloring no two vertices that share an edge have one color, and every path of four vertices has three colors
at least. Each entry of a symmetric matrix then stands alone in one of its two places in the compressed matrix
(Coleman and Moré 1984; Gebremedhin, Manne and Pothen 2005).
"""

import numpy as np

from .errors import ShapeError
from .random import Rng


def star_colors(rows, cols, n):
    """A star coloring of the graph whose edges are the entries off the diagonal: greedy, the most neighbours first.

    Parameters
    ----------
    rows, cols : integer arrays
        The entries of a symmetric pattern, both places of each.
    n : int

    Returns
    -------
    integer array, one color a vertex, 0, 1, ...
    """
    beside = neighbours(rows, cols, n)
    color, seen = [-1] * n, [0] * n  # seen: the colors beside each vertex, as bits
    twice = {}  # color -> the vertices beside which it is more than once
    for v in sorted(
        range(n), key=lambda v: -len(beside[v])
    ):  # many neighbours first: those of a hub share a color then
        taken = 0
        for w in beside[v]:
            if color[w] < 0:
                taken |= seen[w]  # so that w will not lie between two of one color
                continue
            taken |= 1 << color[w]
            for x in beside[w] if color[w] in twice else ():
                if color[x] >= 0 and x in twice[color[w]]:  # v, w, x and another of w's color would have two colors
                    taken |= 1 << color[x]
        color[v] = (~taken & (taken + 1)).bit_length() - 1  # the lowest that is not there
        for x in beside[v]:
            if seen[x] >> color[v] & 1:
                twice.setdefault(color[v], set()).add(x)
            seen[x] |= 1 << color[v]
    return np.array(color, dtype=int)


def neighbours(rows, cols, n):
    """The neighbours of each vertex, as lists."""
    apart = rows != cols
    order = np.argsort(rows[apart], kind="stable")
    ends = np.searchsorted(rows[apart][order], np.arange(n + 1))
    others = cols[apart][order].tolist()
    return [sorted(set(others[a:b])) for a, b in zip(ends.tolist(), ends[1:].tolist(), strict=False)]


def compressed_symmetric(push, x, pattern):
    """The entries of a Hessian from one product with a direction for each color.

    ``push(V)`` gives V H for directions V ``(K, n)``. One random direction more compares the result with H itself.

    Raises
    ------
    ShapeError
        For a pattern that is not symmetric.
    ValueError
        When H has an entry outside the pattern.
    """
    rows, cols, n = pattern.rows, pattern.cols, pattern.shape[0]
    _require_symmetric(rows, cols, n)
    color = pattern.kept("star", lambda: star_colors(rows, cols, n))
    seeds = (color == np.arange(int(color.max(initial=-1)) + 1)[:, None]).astype(x.dtype)
    v = Rng(0).normal(n).astype(x.dtype)
    products = push(np.concatenate([seeds, v[None]]))
    values = _read_off(products[:-1], rows, cols, color)
    pattern.compare(values, v, products[-1])
    return pattern.filled(values)


def _require_symmetric(rows, cols, n):
    n = np.int64(max(n, 1))
    there, back = np.unique(rows * n + cols), np.unique(cols * n + rows)
    if not np.array_equal(there, back):
        (i, j) = np.divmod(np.setxor1d(there, back)[0], n)
        raise ShapeError(
            f"got a sparsity pattern with one of the entries ({i}, {j}) and ({j}, {i}); a Hessian is symmetric, so "
            "that it has both: pattern | pattern.T"
        )


def _read_off(products, rows, cols, color):
    """Entry (i, j) from row i at the color of j where no other of i's columns has it, else from row j."""
    n = len(color)
    once = np.unique(rows * np.int64(n) + cols)
    which, count = np.unique(once // max(n, 1) * len(products) + color[once % max(n, 1)], return_counts=True)
    alone = count[np.searchsorted(which, rows * np.int64(len(products)) + color[cols])] == 1
    return np.where(alone, products[color[cols], rows], products[color[rows], cols])
