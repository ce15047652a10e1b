"""Orthogonal: the Q of normals."""

import math

import numpy as np

from ..backend import Array
from ..layout import Layout
from ..random import Rng
from .base import Direction
from .rows import FactorRows, Rows


class Orthogonal(Direction):
    """Orthogonal directions of length √p, uniformly distributed: the Q of normals, n at most p.

    Notes
    -----
    (p/n) times the projection of the gradient on a random subspace: unbiased, and exact for n = p. The distribution
    is rotation invariant, the matrix P of the projection having E P_kk² = n (n + 2) / (p (p + 2)). Drawing takes
    O(p n²): for larger problems take `Hadamard` or `Blocks`.

    Raises
    ------
    ValueError
        For more directions than parameters, and for a part of n.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> v = dg.directions.Orthogonal().sample(np.zeros(4), rng=0, n=2)
    >>> np.round(v @ v.T, 6) + 0.0
    array([[4., 0.],
           [0., 4.]])
    """

    def _require(self, n, p):
        if n > p:
            raise ValueError(f"got n={n} orthogonal directions of {p} parameters; there are at most {p}")

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        self._require(n, p)
        q, r = np.linalg.qr(rng.normal((p, n)))
        return math.sqrt(p) * (q * np.sign(np.diagonal(r))).T

    def part_of(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> Rows | FactorRows:
        if part == slice(0, n):
            return self.rows(rng, n, layout, w)
        raise ValueError(
            f"got part={part!r} of n={n} orthogonal directions; these are drawn all at once, in O(p n²), and those of "
            "several draws are not orthogonal: take Hadamard or Blocks, which have parts"
        )

    def kurtosis(self, p: int) -> float:
        return 3 * p / (p + 2)

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        p = g.size
        self._require(n, p)
        if n == p:
            return p * g, 0 * g
        off_diagonal = n * (p - n) / (p * (p + 2) * (p - 1))  # E P_kj² for j != k
        diagonal = n * (n + 2) / (p * (p + 2)) - off_diagonal
        return n * g, p * p * (diagonal * g * g + off_diagonal * (g @ g) - (n / p) ** 2 * g * g)
