"""Backprop: the exact gradient by the layers' transposed rules; the yardstick."""

from typing import Any

from .estimator import Estimated, Exact
from .point import Point


class Backprop(Exact):
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

    def estimated(self, at: Point, rng: Any) -> Estimated:
        value, gradient = at.vjp()
        return value, gradient, None, 3.0
