"""Losses of two classes: logits against probabilities, and scores against signs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...backend import Array
from ...dual import primal
from ...rules.absorb import product, quietly
from ...slopes import logistic, softplus
from ..setting_checks import POSITIVE_NUMBER, SCALES
from ..types import Curve, Reduction
from .base import Loss
from .weighing import require_pair, scale


class BCEWithLogits(Loss, name="bce_with_logits"):
    """ℓ = w (log(1 + eᶻ) - z t), for every entry ;  dℓ = w (σ(z) - t) dz; torch's BCEWithLogitsLoss.

    Parameters
    ----------
    prediction : logits z
    target : probabilities t, of the same shape
    reduction, weights
        As for every `Loss`.
    weight : array, or None
        What the loss of each entry is multiplied by: it broadcasts to the logits. As in torch, the mean is still over
        the number of entries; ``weights`` change that too.
    pos_weight : array, or None
        The weight p of the positive answers, ℓ = -p t log σ(z) - (1 - t) log σ(-z): it broadcasts to the logits, and is
        one number per answer as a rule.

    Raises
    ------
    ValueError
        For targets outside of [0, 1].

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.bce_with_logits(np.zeros((2, 1)), np.array([[0.0], [1.0]]))
    np.float64(0.6931471805599453)
    >>> dg.nn.bce_with_logits(np.zeros(2), np.array([0.0, 1.0]), "none", pos_weight=3.0)
    array([0.69314718, 2.07944154])
    """

    elementwise: bool = True
    settings: Mapping[str, Any] = {"weight": None, "pos_weight": None}
    fits: Mapping[str, Any] = {"weight": SCALES, "pos_weight": SCALES}

    def __init__(
        self, *, reduction: Reduction = "mean", weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None
    ):
        super().__init__(reduction=reduction, weight=weight, pos_weight=pos_weight)

    def check(self, z: Array, target: Array) -> None:
        require_pair(self, z, target)
        if target.__class__ is np.ndarray and not np.all((target >= 0) & (target <= 1)):
            raise ValueError(f"{self!r} got targets {target.min()} to {target.max()}; expected 0 to 1")

    def evaluate(self, z: Array, target: Array, weight: Array | None, pos_weight: Array | None) -> Curve:
        right, positive, mass = primal(z) > 0, target, None
        if pos_weight is not None:
            positive = scale(self, "pos_weight", pos_weight, z) * target
            mass = positive + (1 - target)
        rest = softplus(np.where(right, -z, z))
        each = quietly(product, z, np.where(right, 1 - target, -positive)) + (rest if mass is None else mass * rest)
        w = None if weight is None else scale(self, "weight", weight, z)

        def slope():
            """(1 - t + p t) σ(z) - p t, as (1 - t) - (1 - t + p t) σ(-z) where σ is near 1."""
            below, above = logistic(-z), logistic(z)
            if mass is not None:
                below, above = mass * below, mass * above
            found = np.where(right, (1 - target) - below, above - positive)
            return found if w is None else w * found

        return each if w is None else quietly(product, each, w), slope


bce_with_logits: BCEWithLogits = BCEWithLogits()


class Hinge(Loss, name="hinge"):
    """ℓ = max(0, margin - y x), for every entry ;  dℓ = -y dx where that is positive, else 0.

    The loss of support vector machines, for scores x of two classes y = -1 and 1. torch has none of this name: it is
    MarginRankingLoss of x and 0. (HingeEmbeddingLoss is one of distances, MultiMarginLoss one of several classes.)

    Parameters
    ----------
    prediction : scores x
    target : signs y, of the same shape
    reduction, weights
        As for every `Loss`.
    margin : float

    Raises
    ------
    ValueError
        For targets other than -1 and 1.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.hinge(np.array([0.25, 3.0, 1.0]), np.array([1, 1, -1]), reduction="none")
    array([0.75, 0.  , 2.  ])
    """

    elementwise: bool = True
    settings: Mapping[str, Any] = {"margin": 1.0}
    fits: Mapping[str, Any] = {"margin": POSITIVE_NUMBER}

    def __init__(self, *, reduction: Reduction = "mean", margin: float = 1.0):
        super().__init__(reduction=reduction, margin=margin)

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)
        if target.__class__ is np.ndarray and not np.all(abs(target) == 1):
            raise ValueError(f"{self!r} got targets {target.min()} to {target.max()}; expected -1 and 1 (2 * t - 1)")

    def evaluate(self, x: Array, target: Array, margin: float) -> Curve:
        short = margin - target * x
        inside = primal(short) > 0
        return np.where(inside, short, 0), lambda: np.where(inside, -target, 0)


hinge: Hinge = Hinge()
