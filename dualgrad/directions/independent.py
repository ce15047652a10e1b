"""Independent: entries drawn one by one from one distribution."""

import numpy as np

from ..params import Params
from ..random import as_rng
from ..tree import map_leaves
from .base import Direction, lead_axes, require_real


class Independent(Direction):
    """Directions with independent entries of mean 0 and variance 1: ``draw(rng, shape, dtype, like)``."""

    def sample(self, params, *, rng, n=None):
        rng, lead = as_rng(rng), lead_axes(n)
        require_real(params)
        if isinstance(params, Params):
            vector = params.vector
            return Params.from_vector(params.layout, self.draw(rng, lead + vector.shape, vector.dtype, vector))
        return map_leaves(lambda leaf: self.draw(rng, lead + leaf.shape, leaf.dtype, leaf), params)

    def rows(self, rng, n, p):
        return self.draw(rng, (n, p), np.float64, None)

    def moments(self, g, n):
        return n * g, n * (g @ g + (self.fourth_moment - 2) * g * g)
