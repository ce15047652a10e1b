"""Layers and losses: forward, explicit jvp and explicit vjp, side by side."""

from .activations import ReLU, Tanh
from .containers import Sequential
from .layer import Layer
from .linear import Linear
from .losses import Loss, cross_entropy, mse
from .objective import BoundObjective, Objective

__all__ = [
    "BoundObjective",
    "Layer",
    "Linear",
    "Loss",
    "Objective",
    "ReLU",
    "Sequential",
    "Tanh",
    "cross_entropy",
    "mse",
]
