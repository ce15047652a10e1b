"""ForwardJacobian: the exact gradient by one-hot directions, chunk by chunk."""

import numpy as np

from ..checks import positive_count
from ..transforms import value_and_grad
from ..tree import leaves, map_leaves
from .estimate import Estimator, as_params, finished, require_finite


class ForwardJacobian(Estimator):
    """ĝ = Σ_i (g·e_i) e_i = g: the exact gradient of any function, without a backward pass.

    Parameters
    ----------
    chunk : int or "auto", optional
        How many directions to push in one pass (128 by default); memory grows with it.
        "auto" as in `dualgrad.jacfwd`.

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
        expected = 'a positive number of directions, "auto" or None'
        self.chunk = chunk if chunk is None or chunk == "auto" else positive_count("chunk", chunk, expected)

    def __repr__(self):
        return "ForwardJacobian()" if self.chunk is None else f"ForwardJacobian(chunk={self.chunk!r})"

    def estimate(self, objective, params, *, rng=None):
        """The loss and its exact gradient.

        Raises
        ------
        ShapeError
            When the objective does not return a scalar.
        NonFiniteError
            When the loss or the gradient is NaN or infinite.
        """
        params = as_params(params)
        value, gradient = value_and_grad(objective, chunk=self.chunk)(params)
        require_finite(self, value)
        return finished(self, value, gradient, None, 1.0 + 2 * sum(np.size(leaf) for leaf in leaves(params)))

    def expectation(self, gradient, objective=None, params=None):
        """E ĝ = g."""
        return gradient

    def variance(self, gradient, objective=None, params=None):
        """Zero."""
        return map_leaves(np.zeros_like, gradient)
