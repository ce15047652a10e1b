"""Gaussian: independent normals."""

from ..backend import Array, DTypeLike
from ..random import Rng
from .independent import Independent


class Gaussian(Independent):
    """Independent standard normals, rotation invariant; κ = 3.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Gaussian().sample({"w": np.zeros((2, 2), np.float32)}, rng=0, n=3)["w"].shape
    (3, 2, 2)
    >>> dg.directions.Gaussian().variance(np.array([3.0, 4.0]))
    array([34., 41.])
    """

    fourth_moment: float = 3.0
    part_of = Independent.in_turn

    def draw(self, rng: Rng, shape: tuple[int, ...], dtype: DTypeLike, like: Array | None) -> Array:
        return rng.normal(shape, dtype=dtype, like=like)
