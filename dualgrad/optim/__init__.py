"""Optimizers: ``step(params, gradient)`` in place, a few vector operations over blocks that stay in cache.

The rate ``lr`` is a number or a schedule, a function from the step number t = 1, 2, ... to a rate.
"""

from typing import TYPE_CHECKING

from ..torch_names import OPTIM, without
from .adagrad import Adagrad
from .adam import Adam, AdamW, StableAdamW
from .averaged import Averaged
from .corrected import NAdam, RAdam
from .kalman import KalmanQDOP
from .lion import Lion
from .plateau import plateau
from .rmsprop import RMSprop
from .schedules import (
    constant,
    cosine,
    cosine_restarts,
    exponential,
    inverse_sqrt,
    linear,
    multistep,
    one_cycle,
    step,
    warmup,
)  # fmt: skip
from .sgd import SGD

__all__ = [
    "SGD", "Adagrad", "Adam", "AdamW", "Averaged", "KalmanQDOP", "Lion", "NAdam", "RAdam", "RMSprop", "StableAdamW",
    "constant", "cosine", "cosine_restarts", "exponential", "inverse_sqrt", "linear", "multistep", "one_cycle",
    "plateau", "step", "warmup",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker knows the names there are, and no other

    def __getattr__(name):
        raise AttributeError(without("module 'dualgrad.optim'", name, OPTIM), name=name)
