"""Losses of numbers: a prediction and a target of one shape, and a loss for every entry."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backend import Array
from ...dual import primal
from ..setting_checks import NO_NEGATIVE_NUMBER, POSITIVE_NUMBER
from ..types import Curve, Reduction
from .base import Loss, PlainLoss
from .weighing import require_pair


class MSE(PlainLoss, name="mse"):
    """ℓ = (x - y)², for every entry ;  dℓ = 2 (x - y) dx; torch's MSELoss.

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

    elementwise: bool = True

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)

    def evaluate(self, x: Array, target: Array) -> Curve:
        error = x - target
        return error * error, lambda: 2 * error


mse: MSE = MSE()


class MAE(PlainLoss, name="mae"):
    """ℓ = abs(x - y), for every entry ;  dℓ = sign(x - y) dx, with sign 0 = 0; torch's L1Loss.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.mae(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    np.float64(1.0)
    """

    elementwise: bool = True

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)

    def evaluate(self, x: Array, target: Array) -> Curve:
        error = x - target
        return np.abs(error), lambda: np.sign(primal(error))


mae: MAE = MAE()


class Huber(Loss, name="huber"):
    """ℓ = e²/2, or δ (abs(e) - δ/2) where abs(e) > δ, e = x - y, for every entry ;  dℓ = clip(e, -δ, δ) dx.

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

    elementwise: bool = True
    settings: Mapping[str, Any] = {"delta": 1.0}
    fits: Mapping[str, Any] = {"delta": POSITIVE_NUMBER}

    def __init__(self, *, reduction: Reduction = "mean", delta: float = 1.0):
        super().__init__(reduction=reduction, delta=delta)

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)

    def evaluate(self, x: Array, target: Array, delta: float) -> Curve:
        error = x - target
        e = primal(error)
        near, sign = np.abs(e) <= delta, np.sign(e)
        small = np.where(near, error, 0)
        each = np.where(near, 0.5 * small * small, delta * (sign * error - 0.5 * delta))
        return each, lambda: np.where(near, error, delta * sign)


huber: Huber = Huber()


class SmoothL1(Loss, name="smooth_l1"):
    """ℓ = e²/2β, or abs(e) - β/2 where abs(e) > β, e = x - y, for every entry ;  dℓ = clip(e/β, -1, 1) dx.

    That is `Huber` of δ = β over β, and `MAE` where β is 0; torch's SmoothL1Loss.

    Parameters
    ----------
    prediction, target : arrays of one shape
    reduction, weights
        As for every `Loss`.
    beta : float
        Not negative.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.smooth_l1(np.array([1.5, 4.0]), np.array([1.0, 1.0]), reduction="none", beta=2.0)
    array([0.0625, 2.    ])
    """

    elementwise: bool = True
    settings: Mapping[str, Any] = {"beta": 1.0}
    fits: Mapping[str, Any] = {"beta": NO_NEGATIVE_NUMBER}

    def __init__(self, *, reduction: Reduction = "mean", beta: float = 1.0):
        super().__init__(reduction=reduction, beta=beta)

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)

    def evaluate(self, x: Array, target: Array, beta: float) -> Curve:
        error = x - target
        e = primal(error)
        near, sign = np.abs(e) < beta, np.sign(e)
        small = np.where(near, error, 0)
        share = small / (beta if primal(beta) > 0 else 1)
        return np.where(near, 0.5 * share * small, sign * error - 0.5 * beta), lambda: np.where(near, share, sign)


smooth_l1: SmoothL1 = SmoothL1()
