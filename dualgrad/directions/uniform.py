"""Uniform: independent entries on an interval."""

import math

from ..backend import Array, DTypeLike
from ..random import Rng
from .independent import Independent


class Uniform(Independent):
    """Independent entries, uniform on ±√3; κ = 9/5.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Uniform().variance(np.array([3.0, 4.0]))
    array([23.2, 21.8])
    """

    fourth_moment: float = 1.8
    portable: bool = True
    part_of = Independent.in_turn

    def draw(self, rng: Rng, shape: tuple[int, ...], dtype: DTypeLike, like: Array | None) -> Array:
        return rng.uniform(-math.sqrt(3), math.sqrt(3), shape, dtype=dtype, like=like)
