"""LowRank: signs a bᵀ for every matrix."""

from ..backend import Array
from ..layout import Layout
from ..random import Rng
from .base import Direction
from .parts import rows_in_turn
from .rows import FactorRows, pieces


class LowRank(Direction):
    """Signs a bᵀ for every matrix (kernels: output channel times the rest), dense signs for vectors.

    The entries of a bᵀ are ±1 and pairwise uncorrelated, which is all that the variance of (g·v) v depends on: it is
    exactly that of `Rademacher`. Drawing costs O(n + m) for an n x m matrix and ``x @ v`` O(n + m) per row. Of what
    depends on more, the estimates are less alike normals: g·v has a kurtosis of up to 9, against 3, and its entries
    covary differently.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.LowRank().sample({"w": np.zeros((3, 2)), "b": np.zeros(2)}, rng=3)
    {'w': OuterProduct(float64[3, 2]), 'b': array([-1., -1.])}
    """

    fourth_moment: float | None = 1.0
    cost: float = 2.0
    apart: bool = True
    portable: bool = True

    def rows(self, rng: Rng, n: int, layout: Layout, w: Array) -> FactorRows:
        return FactorRows(rng.signs((n, _signs_in(layout)), dtype=w.dtype, like=w), layout)

    def part_of(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> FactorRows:
        def draw(m, like):
            return rng.signs((m,), dtype=w.dtype, like=like)

        return FactorRows(rows_in_turn(draw, part, n, _signs_in(layout), w), layout)

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        return n * g, n * (g @ g - g * g)


def _signs_in(layout):
    """How many signs a direction is made of."""
    return pieces(layout)[-1].b.stop if layout.shapes else 0
