"""Coordinate: one entry at a time."""

import math

import numpy as np

from ..backend import Array
from ..backend import like as on_device
from ..layout import Layout
from ..random import Rng
from .base import Direction
from .rows import Rows


class Coordinate(Direction):
    """±√p along one coordinate, drawn evenly: (g·v) v is one entry of the gradient, p times.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Coordinate().variance(np.array([3.0, 4.0]))
    array([ 9., 16.])
    """

    apart: bool = True
    portable: bool = True

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        return self._matrix(rng, n, slice(0, n), p, np.float64)

    def part_of(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> Rows:
        return Rows(on_device(self._matrix(rng, n, part, layout.size, w.dtype), w))

    def _matrix(self, rng, n, part, p, dtype):
        rows = np.zeros((part.stop - part.start, p), dtype)
        if p:
            entries = math.sqrt(p) * rng.signs(n)
            rows[np.arange(len(rows)), rng.integers(0, p, (n,))[part]] = entries[part]
        return rows

    def kurtosis(self, p: int) -> float:
        return p

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        return n * g, n * (g.size - 1) * g * g
