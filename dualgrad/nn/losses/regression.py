"""Losses of numbers: a prediction and a target of one shape."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backend import Array
from ...dual import primal
from ..setting_checks import POSITIVE_NUMBER
from ..types import Curve, Reduction
from .base import Loss, PlainLoss, require_pair


class MSE(PlainLoss, name="mse"):
    """ℓ = mean (x - y)² over features ;  dℓ = ⟨2 (x - y) / features, dx⟩; the mean over all is torch's MSELoss.

    Raises
    ------
    ShapeError
        When the shapes differ.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.mse(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    np.float64(2.0)
    """

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)

    def evaluate(self, x: Array, target: Array) -> Curve:
        error = x - target
        return np.mean(error * error, axis=-1), lambda: 2 / x.shape[-1] * error


mse: MSE = MSE()


class MAE(PlainLoss, name="mae"):
    """ℓ = mean of abs(x - y) over features ;  dℓ = ⟨sign(x - y) / features, dx⟩, with sign 0 = 0; torch's L1Loss.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.mae(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    np.float64(1.0)
    """

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)

    def evaluate(self, x: Array, target: Array) -> Curve:
        error = x - target
        return np.mean(np.abs(error), axis=-1), lambda: np.sign(primal(error)) / x.shape[-1]


mae: MAE = MAE()


class Huber(Loss, name="huber"):
    """ℓ = mean of e²/2, or δ (abs(e) - δ/2) where abs(e) > δ, e = x - y ;  dℓ = ⟨clip(e, -δ, δ) / features, dx⟩.

    Parameters
    ----------
    prediction, target : arrays of one shape
    reduction, weights
        As for every `Loss`.
    delta : float

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.huber(np.array([[1.0, 4.0]]), np.array([[1.0, 1.0]]))
    np.float64(1.25)
    """

    settings: Mapping[str, Any] = {"delta": 1.0}
    fits: Mapping[str, Any] = {"delta": POSITIVE_NUMBER}

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0):
        super().__init__(reduction, delta=delta)

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)

    def evaluate(self, x: Array, target: Array, delta: float) -> Curve:
        error = x - target
        e = primal(error)
        near, sign = np.abs(e) <= delta, np.sign(e)
        each = np.where(near, 0.5 * error * error, delta * (sign * error - 0.5 * delta))
        return np.mean(each, axis=-1), lambda: np.where(near, error, delta * sign) / x.shape[-1]


huber: Huber = Huber()
