"""Independent: entries drawn one by one from one distribution."""

import numpy as np

from ..vectors import side_by_side
from .base import Direction
from .rows import Rows


class Independent(Direction):
    """Directions with independent entries of mean 0 and variance 1: ``draw(rng, shape, dtype, like)``."""

    def rows(self, rng, n, layout, w):
        if layout.dtypes is None:
            return Rows(self.draw(rng, (n, layout.size), w.dtype, w))
        leaves = zip(layout.slices.values(), layout.dtypes, strict=True)  # one by one, each in its own precision
        return Rows(side_by_side([self.draw(rng, (n, s.stop - s.start), kind, w) for s, kind in leaves], (n, 0)))

    def matrix(self, rng, n, p):
        return self.draw(rng, (n, p), np.float64, None)

    def moments(self, g, n, layout):
        return n * g, n * (g @ g + (self.fourth_moment - 2) * g * g)
