"""Along: a given direction."""

import numpy as np

from .base import Direction, require_real
from .vectors import as_tree, as_vector, require_numbers, vector_like


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

    def __init__(self, vector):
        require_numbers("vector", vector)
        self.vector = vector

    def __repr__(self):
        return "Along(...)"

    def sample(self, params, *, rng=None, n=None):
        require_real(params)
        if n is not None:
            raise ValueError(f"got n={n!r}; there is one direction along a vector")
        return as_tree(self.unit(params), params)

    def unit(self, params):
        """u, as a vector."""
        v = vector_like(self.vector, params, "vector")
        length = np.linalg.norm(v)
        if not length > 0:
            raise ValueError("the vector is zero; expected one that points somewhere")
        return v / length

    def sum_moments(self, gradient, n=1):
        u, g = self.unit(gradient), as_vector(gradient)
        return as_tree((g @ u) * u, gradient), as_tree(0 * u, gradient)

    def norm(self, p):
        return 1.0
