"""Backprop: the exact gradient by the layers' transposed rules; the yardstick."""

import numpy as np

from ..errors import DualgradError
from ..params import Params
from ..scratch import empty_like
from ..tree import map_leaves
from .estimate import Estimator, as_params, finished, require_finite


class Backprop(Estimator):
    """ĝ = g, by reverse accumulation through the layers' ``vjp``.

    Notes
    -----
    Cost: three forward passes. Memory: every layer's input. Bias: none. Variance: none.
    When: as the exact gradient that the estimators are compared with; training never needs it.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> batch = dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse).bind(np.ones((1, 1)), np.zeros((1, 1)))
    >>> params = dg.Params({"weight": np.ones((1, 1)), "bias": np.zeros(1)})
    >>> dg.estimators.Backprop().estimate(batch, params, rng=0).gradient.vector
    array([2., 2.])
    """

    def __repr__(self):
        return "Backprop()"

    def estimate(self, objective, params, *, rng=None):
        """The loss and its exact gradient.

        Raises
        ------
        DualgradError
            When the objective is not a bound `dualgrad.nn.Objective`, whose layers have transposed rules.
        NonFiniteError
            When the loss or the gradient is NaN or infinite.
        """
        if not hasattr(objective, "vjp"):
            raise DualgradError(
                "Backprop needs the layers' transposed rules: give it nn.Objective(model, loss).bind(x, y); for any "
                "other function use dg.grad"
            )
        params = as_params(params)
        value, gradient = objective.vjp(params)
        require_finite(self, value)
        return finished(self, value, packed(gradient, params), None, 3.0)

    def expectation(self, gradient, objective=None, params=None):
        """E ĝ = g."""
        return gradient

    def variance(self, gradient, objective=None, params=None):
        """Zero."""
        return map_leaves(np.zeros_like, gradient)


def packed(gradient, params):
    """A dict of gradients in the kind of the parameters."""
    if not isinstance(params, Params):
        return {name: gradient[name] for name in params if name in gradient}
    vector = Params.from_vector(params.layout, empty_like(params.vector))
    for name, g in gradient.items():
        vector[name] = g
    return vector
