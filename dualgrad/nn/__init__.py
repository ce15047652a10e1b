"""Layers and losses: forward, explicit jvp and explicit vjp, side by side."""

from .activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    HardTanh,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Sine,
    Softmax,
    Softplus,
    Tanh,
)
from .containers import Parallel, Residual, Sequential
from .layer import Layer
from .linear import Linear
from .losses import Loss, cross_entropy, mse
from .objective import BoundObjective, Objective

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "BoundObjective",
    "HardTanh",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Loss",
    "Objective",
    "Parallel",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Sine",
    "Softmax",
    "Softplus",
    "Tanh",
    "cross_entropy",
    "mse",
]
