"""Losses of distributions: how far a predicted one is from another, and how likely it makes a number."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...backend import Array
from ...dual import primal
from ...errors import ShapeError
from ...rules.absorb import product, quietly
from ..setting_checks import FLAG, POSITIVE_NUMBER, SCALES
from ..types import Curve, Reduction
from .base import Loss
from .weighing import require_pair, scale


class KLDiv(Loss, name="kl_div"):
    """ℓ = t (log t - x), for every entry, with 0 log 0 = 0 ;  dℓ = -t dx; torch's KLDivLoss.

    The sum over a distribution is its divergence KL(t ‖ eˣ). ``reduction="batchmean"`` is the mean of these over the
    first axis: the sum over that axis' length. As in torch, "mean" divides by all entries.

    Parameters
    ----------
    prediction : log-probabilities x
    target : probabilities t, of the same shape, or their logarithms
    reduction, weights
        As for every `Loss`, and ``reduction="batchmean"``.
    log_target : bool
        Whether the target is log t: ℓ = t (log t - x) still.

    Raises
    ------
    ValueError
        For probabilities that are negative.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> x, t = np.log(np.full((2, 2), 0.5)), np.array([[0.5, 0.5], [1.0, 0.0]])
    >>> dg.nn.kl_div(x, t, reduction="batchmean")
    np.float64(0.34657359027997264)
    """

    elementwise: bool = True
    reductions: tuple[Reduction, ...] = ("mean", "sum", "none", "batchmean")
    settings: Mapping[str, Any] = {"log_target": False}
    fits: Mapping[str, Any] = {"log_target": FLAG}
    _read_by_check: tuple[str, ...] = ("log_target",)

    def __init__(self, *, reduction: Reduction = "mean", log_target: bool = False):
        super().__init__(reduction=reduction, log_target=log_target)

    def check(self, x: Array, target: Array) -> None:
        require_pair(self, x, target)
        if target.__class__ is np.ndarray and not self.given.get("log_target") and not np.all(target >= 0):
            raise ValueError(f"{self!r} got targets from {target.min()}; expected probabilities, or log_target=True")

    def evaluate(self, x: Array, target: Array, log_target: bool) -> Curve:
        if log_target:
            t = np.exp(target)
            return quietly(product, target - x, t), lambda: -t
        positive = primal(target) > 0
        at_0 = quietly(product, -np.inf, np.where(positive, 0, target))  # 0, whose derivative is infinite
        entropy = np.where(positive, target * np.log(np.where(positive, target, 1)), at_0)
        return entropy - quietly(product, x, target), lambda: -1.0 * target


kl_div: KLDiv = KLDiv()


class GaussianNLL(Loss, name="gaussian_nll"):
    """ℓ = ½ (log v + (x - y)² / v), for every entry ;  dℓ = (x - y) / v dx + ½ (1 / v - (x - y)² / v²) dv.

    The negative logarithm of a normal distribution's density, without ½ log 2π; torch's GaussianNLLLoss, which takes
    mean and variance apart: here a network predicts both, as the two halves of its last axis.

    Parameters
    ----------
    prediction : means x and variances v, shape ``(..., 2n)``; means alone, ``(..., n)``, with ``var=``
    target : numbers y, shape ``(..., n)``
    reduction, weights
        As for every `Loss`.
    var : array, or None
        Variances that are known: they broadcast to the means.
    log_var : bool
        Whether the second half is log v, which may be any number, as a linear layer gives it.
    full : bool
        Whether ½ log 2π is added.
    eps : float
        The least variance; smaller ones count as this one, with the derivative there, as in torch.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    ValueError
        For variances that are negative.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> both, y = np.array([[0.0, 4.0], [2.0, 1.0]]), np.array([[2.0], [2.0]])
    >>> dg.nn.gaussian_nll(both, y, reduction="none")
    array([[1.19314718],
           [0.        ]])
    >>> dg.nn.gaussian_nll(both[:, :1], y, var=4.0)
    np.float64(0.9431471805599454)
    """

    elementwise: bool = True
    settings: Mapping[str, Any] = {"var": None, "log_var": False, "full": False, "eps": 1e-6}
    fits: Mapping[str, Any] = {"var": SCALES, "log_var": FLAG, "full": FLAG, "eps": POSITIVE_NUMBER}
    _read_by_check: tuple[str, ...] = ("var", "log_var")

    def __init__(
        self, *, reduction: Reduction = "mean", var: ArrayLike | None = None, log_var: bool = False, full: bool = False,
        eps: float = 1e-6,
    ):  # fmt: skip
        super().__init__(reduction=reduction, var=var, log_var=log_var, full=full, eps=eps)

    def check(self, x: Array, target: Array) -> None:
        if "var" in self.given:
            if self.given.get("log_var"):
                raise ValueError(f"{self!r} got var, and log_var of a prediction that has none: give var as it is")
            return require_pair(self, x, target)
        if not np.ndim(target) or np.shape(x) != (*target.shape[:-1], 2 * target.shape[-1]):
            raise ShapeError(
                f"{self!r} got a prediction of shape {np.shape(x)} and a target of shape {np.shape(target)}; expected "
                "(..., 2n), the means and the variances, and (..., n); or means alone, with var="
            )
        v = x[..., target.shape[-1] :]
        if v.__class__ is np.ndarray and not self.given.get("log_var") and np.any(v < 0):
            raise ValueError(f"{self!r} got variances from {v.min()}; expected none below 0, or log_var=True")
        return None

    def evaluate(self, x: Array, target: Array, var: Array | None, log_var: bool, full: bool, eps: float) -> Curve:
        n, constant = target.shape[-1], 0.5 * math.log(2 * math.pi) if full else 0.0
        error = (x if var is not None else x[..., :n]) - target
        v = x[..., n:] if var is None else scale(self, "var", var, target)
        log_var = log_var and var is None
        v = v + np.maximum((math.log(eps) if log_var else eps) - primal(v), 0)
        precision = np.exp(-v) if log_var else 1 / v
        square = quietly(product, precision * error, error)
        each = 0.5 * ((v if log_var else np.log(v)) + square) + constant

        def slope():
            along = precision * error
            if var is not None:
                return along
            return np.concatenate([along, 0.5 * (1 - square) * (1 if log_var else precision)], axis=-1)

        return each, slope

    def _gathered(self, products, prediction, each):
        n = each.shape[-1]
        return products if n == prediction.shape[-1] else products[..., :n] + products[..., n:]

    def _scattered(self, cotangents, prediction, each):
        if not np.ndim(cotangents) or each.shape[-1] == prediction.shape[-1] or cotangents.shape[-1] == 1:
            return cotangents
        return np.concatenate([cotangents, cotangents], axis=-1)


gaussian_nll: GaussianNLL = GaussianNLL()
