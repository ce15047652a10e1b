"""The augmented system: a differential equation of y and of all its tangents, in plain numbers.

With y' = f(t, y) a tangent S of y obeys S' = ∂f/∂y S + ∂f, the variational equation. Both are one evaluation of f, on
the Dual of y and S.
"""

import numpy as np

from ...dual import primal
from .components import Components


class Augmented:
    """y' = f(t, y) with Duals of these levels, of which y0 is the beginning."""

    def __init__(self, f, y0, duals):
        kind = complex if primal(y0).dtype.kind == "c" else float
        self.f, self.components = f, Components(duals, np.size(y0))
        self.z0 = self.components.vector(y0, kind)

    def rhs(self, t, z):
        """z' for the components z: what SciPy integrates."""
        dz = np.empty_like(z)
        self.components.write(self.f(t, self.components.dual(z, frozen=True)), dz)
        return dz
