"""Rademacher: independent signs."""

from ..backend import Array, DTypeLike
from ..random import Rng
from .independent import Independent


class Rademacher(Independent):
    """Independent signs ±1: of all distributions with independent entries the one of least variance.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Rademacher().sample(np.zeros(4), rng=3)
    array([ 1.,  1.,  1., -1.])
    >>> dg.directions.Rademacher().variance(np.array([3.0, 4.0]))
    array([16.,  9.])
    """

    fourth_moment: float = 1.0
    portable: bool = True
    part_of = Independent.in_turn

    def draw(self, rng: Rng, shape: tuple[int, ...], dtype: DTypeLike, like: Array | None) -> Array:
        return rng.signs(shape, dtype=dtype, like=like)
