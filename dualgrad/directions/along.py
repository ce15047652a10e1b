"""Along: a given direction."""

import numpy as np

from ..backend import Array
from ..backend import like as on_device
from ..layout import Layout
from ..random import Rng
from ..tree import Tree
from .base import Direction, finite_vector, require_numbers
from .rows import Rows


class Along(Direction):
    """A given direction, scaled to unit length: u = v / ‖v‖, so that (g·u) u is the part of g along it.

    Parameters
    ----------
    vector : Params, array, or tree like the parameters

    Notes
    -----
    Nothing is random. E ĝ = (g·u) u, which is g only where u points along it; (g·u)² >= 0, so it never ascends
    (DODGE, eq. 4).

    Raises
    ------
    ValueError
        For a vector of zeros, or one that is not finite.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Along(np.array([3.0, 4.0])).sample(np.zeros(2), rng=0)
    array([0.6, 0.8])
    """

    vector: Tree

    def __init__(self, vector: Tree) -> None:
        require_numbers("vector", vector)
        self.vector = vector

    def __repr__(self) -> str:
        return "Along(...)"

    def rows(self, rng: Rng, n: int, layout: Layout, w: Array) -> Rows:
        if n != 1:
            raise ValueError(f"got n={n!r}; there is one direction along a vector")
        return Rows(on_device(self.unit(layout).astype(w.dtype), w)[None])

    def unit(self, layout: Layout) -> Array:
        """u, as a vector of float64."""
        v = finite_vector(layout.double(self.vector, "vector"), "vector")
        length = np.linalg.norm(v)
        if not length > 0:
            raise ValueError("the vector is zero; expected one that points somewhere")
        return v / length

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        u = self.unit(layout)
        return (g @ u) * u, 0 * u

    def norm(self, p: int) -> float:
        return 1.0
