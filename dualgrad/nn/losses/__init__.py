"""Losses: functions of a prediction and a target. Each is an instance of a class, which one's own may extend."""

from .base import Loss, _named  # noqa: F401  (where pickles look for it)
from .classification import NLL, BCEWithLogits, CrossEntropy, bce_with_logits, cross_entropy, nll
from .regression import MAE, MSE, Huber, huber, mae, mse

__all__ = [
    "MAE",
    "MSE",
    "NLL",
    "BCEWithLogits",
    "CrossEntropy",
    "Huber",
    "Loss",
    "bce_with_logits",
    "cross_entropy",
    "huber",
    "mae",
    "mse",
    "nll",
]
