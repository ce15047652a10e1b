"""Coordinate: one entry at a time."""

import math

import numpy as np

from ..backend import Array
from ..layout import Layout
from ..random import Rng
from .base import Direction


class Coordinate(Direction):
    """±√p along one coordinate, drawn evenly: (g·v) v is one entry of the gradient, p times.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Coordinate().variance(np.array([3.0, 4.0]))
    array([ 9., 16.])
    """

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        rows = np.zeros((n, p))
        if not p:
            return rows
        rows[np.arange(n), rng.integers(0, p, (n,))] = math.sqrt(p) * rng.signs(n)
        return rows

    def kurtosis(self, p: int) -> float:
        return p

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        return n * g, n * (g.size - 1) * g * g
