"""Direction: what all distributions of directions share."""

import math

import numpy as np

from ..dual import Dual
from ..errors import DualgradError
from ..random import as_rng
from ..tree import flatten
from .vectors import as_tree, as_vector


class Direction:
    """What all directions share: ``rows(rng, n, p)`` draws n directions as rows of p numbers, ``moments(g, n)`` is the
    exact mean and variance of Σ_i (g·v_i) v_i for a gradient vector g.
    """

    second_moment = 1.0
    fourth_moment = None
    cost = 3.0

    def __repr__(self):
        return f"{type(self).__name__}()"

    def sample(self, params, *, rng, n=None):
        """A direction for ``params`` and of its kind, or n of them along a leading axis.

        Parameters
        ----------
        params : Params, array, or tree of arrays
        rng : int, numpy.random.Generator or Rng
        n : int, optional

        Returns
        -------
        Params (whose vector is ``(p,)`` or ``(n, p)``), an array, or a tree of arrays, in the dtype of ``params``.
        """
        rng, lead = as_rng(rng), lead_axes(n)
        leaves, _ = require_real(params)
        rows = self.rows(rng, 1 if n is None else n, sum(leaf.size for leaf in leaves))
        return as_tree(rows[0] if not lead else rows, params)

    def sum_moments(self, gradient, n=1):
        """The exact mean and variance, entry by entry, of Σ_i (g·v_i) v_i, in the structure of the gradient g."""
        mean, variance = self.moments(as_vector(gradient), int(n))
        return as_tree(mean, gradient), as_tree(variance, gradient)

    def variance(self, gradient):
        """The variance of (g·v) v per component, in the structure of g."""
        return self.sum_moments(gradient)[1]

    def finish(self, gradient):
        """The estimate made of Σ_i (g·v_i) v_i: that sum itself, except for `Scaled` directions that restore."""
        return gradient

    def kurtosis(self, p):
        """E v_k⁴ / (E v_k²)² of an entry of v, for p parameters."""
        return self.fourth_moment

    def norm(self, p):
        """√E‖v‖² for p parameters."""
        return math.sqrt(p * self.second_moment)


def lead_axes(n):
    """The axes of n directions in front of the parameters': none for n = None."""
    if n is None:
        return ()
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise ValueError(f"got n={n!r} directions; expected a positive integer, or None for one without a lead axis")
    return (int(n),)


def require_real(tree):
    """The leaves of a tree and its structure; raise unless all leaves are real and floating."""
    leaves, structure = flatten(tree)
    for leaf in leaves:
        if isinstance(leaf, Dual):
            raise DualgradError("draw the direction outside the differentiated function, or for dg.primal(params)")
        if getattr(getattr(leaf, "dtype", None), "kind", None) != "f":
            kind = getattr(leaf, "dtype", type(leaf).__name__)
            raise TypeError(f"directions are drawn for real floating parameters; got a leaf of {kind}")
    return leaves, structure
