"""ForwardJacobian: the exact gradient by one-hot directions, chunk by chunk."""

import numpy as np

from ..transforms import value_and_grad
from ..tree import leaves, map_leaves
from .estimate import Estimate, require_finite


class ForwardJacobian:
    """ĝ = Σ_i (g·e_i) e_i = g: the exact gradient of any function, without a backward pass.

    Parameters
    ----------
    chunk : int, optional
        How many directions to push in one pass (128 by default); memory grows with it.

    Notes
    -----
    Cost: about 1 + 2p forward passes for p parameters. Memory: ``chunk`` tangents of the values in use.
    Bias: none. Variance: none.
    When: as the yardstick where the objective is no bound network, and for small p.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.estimators.ForwardJacobian().estimate(lambda w: np.sum(w**3), np.array([1.0, 2.0])).gradient
    array([ 3., 12.])
    """

    def __init__(self, chunk=None):
        self.chunk = chunk

    def __repr__(self):
        return "ForwardJacobian()" if self.chunk is None else f"ForwardJacobian(chunk={self.chunk})"

    def estimate(self, objective, params, *, rng=None):
        """The loss and its exact gradient.

        Raises
        ------
        ShapeError
            When the objective does not return a scalar.
        NonFiniteError
            When the loss is NaN or infinite.
        """
        value, gradient = value_and_grad(objective, chunk=self.chunk)(params)
        require_finite(self, value)
        return Estimate(value, gradient, None, 1.0 + 2 * sum(np.size(leaf) for leaf in leaves(params)))

    def expectation(self, gradient, objective=None, params=None):
        """E ĝ = g."""
        return gradient

    def variance(self, gradient, objective=None, params=None):
        """Zero."""
        return map_leaves(np.zeros_like, gradient)
