"""Hadamard: orthogonal signs."""

import numpy as np

from ..backend import Array
from ..checks import flag
from ..layout import Layout
from ..random import Rng
from ..vectors import in_kind, side_by_side
from .base import Direction
from .rows import FactorRows, Rows, matrix_of, pieces


class Hadamard(Direction):
    """Rows of a Hadamard matrix, drawn without replacement, times one vector of signs: orthogonal signs.

    Parameters
    ----------
    low_rank : bool
        One matrix for every matrix of the parameters, whose rows are Kronecker products a bᵀ: `dualgrad.OuterProduct`
        directions. Vectors get rows of their own.

    Notes
    -----
    Lengths are rounded up to a power of 2, P, and the rows cut: orthogonal where p is one, nearly so elsewhere. With
    n rows the variance of Σ (g·v) v_k is n (P - n) / (P - 1) (‖g‖² - g_k²); for p = P that is (p/n - 1) ‖g‖² in total
    for the mean, as for a random projection, without its QR, and for others (P - n)(p - 1) / (n (P - 1)) ‖g‖².
    With ``low_rank=True`` that holds within each leaf, whose rows begin anew after P, and other leaves add n times
    their ‖g‖², as independent signs do. Drawing takes O(n p).

    Raises
    ------
    ValueError
        For more directions than rows, of one matrix for all.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> v = dg.directions.Hadamard().sample(np.zeros(8), rng=0, n=3)
    >>> v @ v.T
    array([[8., 0., 0.],
           [0., 8., 0.],
           [0., 0., 8.]])
    """

    fourth_moment: float = 1.0
    portable: bool = True

    low_rank: bool
    cost: float

    def __init__(self, low_rank: bool = False) -> None:
        self.low_rank = flag("low_rank", low_rank)
        self.cost = 2.0 if low_rank else 3.0

    def rows(self, rng: Rng, n: int, layout: Layout, w: Array) -> Rows | FactorRows:
        if not self.low_rank:
            return super().rows(rng, n, layout, w)
        return self._factor_rows(rng, n, slice(0, n), layout, w)

    def part_of(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> Rows | FactorRows:
        if not self.low_rank:
            return Rows(in_kind(self._matrix(rng, n, part, layout.size), w))
        return self._factor_rows(rng, n, part, layout, w)

    def _factor_rows(self, rng, n, part, layout, w):
        signs = [rows for piece in pieces(layout) for rows in self._factors(rng, n, part, *piece.matrix)]
        return FactorRows(in_kind(side_by_side(signs, (part.stop - part.start, 0)), w), layout)

    def _factors(self, rng, n, part, height, width):
        """Rows for one leaf, a row for each side of a matrix, each pair with a sign of its own."""
        if not height:
            rows = _signs_of_rows(_cycled(rng, n, _padded(width))[part], width) * rng.signs((1, width))
            return [rows * rng.signs((n, 1))[part]]
        chosen = _cycled(rng, n, _padded(height) * _padded(width))[part]
        a = _signs_of_rows(chosen // _padded(width), height) * rng.signs((1, height)) * rng.signs((n, 1))[part]
        return [a, _signs_of_rows(chosen % _padded(width), width) * rng.signs((1, width))]

    def _require(self, n, p):
        if n > _padded(p):
            raise ValueError(f"got n={n} directions; there are {_padded(p)} rows: take fewer directions")

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        return self._matrix(rng, n, slice(0, n), p)

    def _matrix(self, rng, n, part, p):
        self._require(n, p)
        return _signs_of_rows(_without_replacement(rng, n, _padded(p))[part], p) * rng.signs((1, p))

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        if self.low_rank:
            return n * g, np.concatenate(list(self._variances(g, n, layout))) if g.size else g
        rows = _padded(g.size)
        self._require(n, g.size)
        share = n * (rows - n) / max(rows - 1, 1)
        return n * g, share * (g @ g - g * g)

    def _variances(self, g, n, layout):
        for shape, place in zip(layout.shapes.values(), layout.slices.values(), strict=True):
            height, width = matrix_of(shape)
            rows = _padded(height) * _padded(width) if height else _padded(width)
            share = n % rows * (rows - n % rows) / max(rows - 1, 1)
            own = g[place] @ g[place]
            yield share * (own - g[place] ** 2) + n * (g @ g - own)


def _padded(p):
    """The next power of 2."""
    return 1 << max(p - 1, 0).bit_length()


def _without_replacement(rng, n, count):
    """The first n of a random permutation of 0 ... count - 1, without the rest of it."""
    chosen = []
    for k in range(n):
        draw = int(rng.integers(0, count - k))
        for taken in sorted(chosen):
            draw += draw >= taken
        chosen.append(draw)
    return np.array(chosen, dtype=int)


def _cycled(rng, n, count):
    """n of 0 ... count - 1: as often as possible all of them, the rest drawn without replacement."""
    return np.concatenate([np.tile(np.arange(count), n // count), _without_replacement(rng, n % count, count)])


def _signs_of_rows(rows, p):
    """The first p entries of rows of the Hadamard matrix H_jk = (-1)^(number of ones in j & k)."""
    bits = rows[:, None] & np.arange(p)[None, :]
    return 1.0 - 2.0 * (np.bitwise_count(bits) & 1)
