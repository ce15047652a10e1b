"""Losses: functions of a prediction and a target. Each is an instance of a class, which one's own may extend."""

from .base import Loss, _named  # noqa: F401  (where pickles look for it)
from .binary import BCEWithLogits, Hinge, bce_with_logits, hinge
from .classification import NLL, CrossEntropy, cross_entropy, nll
from .likelihoods import GaussianNLL, KLDiv, gaussian_nll, kl_div
from .regression import MAE, MSE, Huber, SmoothL1, huber, mae, mse, smooth_l1

__all__ = [
    "MAE",
    "MSE",
    "NLL",
    "BCEWithLogits",
    "CrossEntropy",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDiv",
    "Loss",
    "SmoothL1",
    "bce_with_logits",
    "cross_entropy",
    "gaussian_nll",
    "hinge",
    "huber",
    "kl_div",
    "mae",
    "mse",
    "nll",
    "smooth_l1",
]
