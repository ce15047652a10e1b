"""Independent: entries drawn one by one from one distribution."""

import numpy as np

from ..backend import Array, DTypeLike
from ..layout import Layout
from ..random import Rng
from ..vectors import side_by_side
from .base import Direction
from .parts import rows_in_turn
from .rows import Rows


class Independent(Direction):
    """Directions with independent entries of mean 0 and variance 1: ``draw(rng, shape, dtype, like)``."""

    fourth_moment: float
    apart: bool = True

    def draw(self, rng: Rng, shape: tuple[int, ...], dtype: DTypeLike, like: Array | None) -> Array:
        """Entries of a shape and dtype, where ``like`` lives."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it draws")

    def rows(self, rng: Rng, n: int, layout: Layout, w: Array) -> Rows:
        if layout.dtypes is None:
            return Rows(self.draw(rng, (n, layout.size), w.dtype, w))
        leaves = zip(layout.slices.values(), layout.dtypes, strict=True)  # one by one, each in its own precision
        return Rows(side_by_side([self.draw(rng, (n, s.stop - s.start), kind, w) for s, kind in leaves], (n, 0)))

    def in_turn(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> Rows:
        """`part_of` where ``draw`` draws entry after entry."""
        if layout.dtypes is None:
            leaves = [(layout.size, w.dtype)]
        else:
            sizes = [s.stop - s.start for s in layout.slices.values()]
            leaves = list(zip(sizes, layout.dtypes, strict=True))
        found = [
            rows_in_turn(lambda m, like, kind=kind: self.draw(rng, (m,), kind, like), part, n, size, w, k < len(leaves))
            for k, (size, kind) in enumerate(leaves, 1)
        ]
        return Rows(side_by_side(found, (part.stop - part.start, 0)))

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        return self.draw(rng, (n, p), np.float64, None)

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        return n * g, n * (g @ g + (self.fourth_moment - 2) * g * g)
