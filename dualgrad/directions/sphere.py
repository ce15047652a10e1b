"""Sphere: points of one norm."""

import math

from ..backend import Array
from ..layout import Layout
from ..random import Rng
from ..vectors import in_kind
from .base import Direction
from .rows import Rows


class Sphere(Direction):
    """Points on the sphere of radius √p: rotation invariant, of constant norm.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> v = dg.directions.Sphere().sample(np.zeros(9), rng=0)
    >>> round(float(np.linalg.norm(v)), 6)
    3.0
    """

    apart: bool = True

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        return math.sqrt(p) * rng.unit((n, p))

    def part_of(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> Rows:
        for _ in range(part.start):
            rng.unit((1, layout.size))
        return Rows(in_kind(self.matrix(rng, part.stop - part.start, layout.size), w))

    def kurtosis(self, p: int) -> float:
        return 3 * p / (p + 2)

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        p = g.size
        return n * g, n * (p / (p + 2) * (g @ g + 2 * g * g) - g * g)
