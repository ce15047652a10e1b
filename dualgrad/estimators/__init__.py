"""Gradient estimators: ``estimator.estimate(objective, params, rng=rng) -> Estimate``."""

from .backprop import Backprop
from .estimate import Estimate
from .forward_gradient import ForwardGradient

__all__ = ["Backprop", "Estimate", "ForwardGradient"]
