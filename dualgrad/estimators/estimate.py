"""Estimate: what every estimator returns."""

from dataclasses import dataclass
from typing import Any

from ..tree import Tree


@dataclass(frozen=True)
class Estimate:
    """A gradient estimate and what it was made from.

    Attributes
    ----------
    value : the loss
    gradient : the estimate, dense, in the kind and layout of the parameters
    directional : the directional derivatives it came from, a number or ``(n,)``; None for exact gradients
    cost : float
        What it cost, in forward passes (matrix products counted).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> estimate = dg.estimators.Backprop().estimate(
    ...     dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse).bind(np.ones((1, 1)), np.zeros((1, 1))),
    ...     {"weight": np.ones((1, 1)), "bias": np.zeros(1)}, rng=0)
    >>> estimate.value, estimate.gradient["bias"]
    (np.float64(1.0), array([2.]))
    """

    value: Any
    gradient: Tree
    directional: Any = None
    cost: float = 0.0
