"""Losses of classes: logits or log-probabilities against integer classes, distributions or probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backend import Array
from ...dual import primal
from ...errors import ShapeError
from ...exponentials import entry, exponentials, from_the_largest, replaced
from ...rules.absorb import product, quietly
from ...slopes import logistic, softplus
from ...zero import ZERO
from ..setting_checks import SHARE
from ..types import Curve, Reduction, Tangent
from .base import Loss, PlainLoss, require_pair


class CrossEntropy(Loss, name="cross_entropy"):
    """ℓ = log Σ eᶻ - z_y ;  dℓ = ⟨softmax z - y, dz⟩.

    Parameters
    ----------
    prediction : logits z, shape ``(..., classes)``
    target : integer classes, shape ``(...)``, or distributions, shape ``(..., classes)``
    reduction, weights
        As for every `Loss`.
    label_smoothing : float
        The share of the target that is spread evenly over all classes.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    ValueError
        When a class is out of range.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.cross_entropy(np.zeros((2, 4)), np.array([0, 3]))
    np.float64(1.3862943611198906)
    """

    settings: Mapping[str, Any] = {"label_smoothing": 0.0}
    fits: Mapping[str, Any] = {"label_smoothing": SHARE}
    lead = True

    def __init__(self, reduction: Reduction = "mean", label_smoothing: float = 0.0):
        super().__init__(reduction, label_smoothing=label_smoothing)

    def check(self, z: Array, target: Array) -> None:
        if np.ndim(z) == 0 or not z.shape[-1]:
            raise ShapeError(f"cross_entropy got logits of shape {np.shape(z)}; expected (..., classes)")
        if target.shape not in (z.shape, z.shape[:-1]):
            raise ShapeError(f"cross_entropy got logits of shape {z.shape} and targets of shape {target.shape}")
        if target.ndim < z.ndim:
            _check_classes(self, z, target)

    def evaluate(self, z: Array, target: Array, label_smoothing: float) -> Curve:
        at, shifted, e, rest = exponentials(z)
        mass = 1 if target.ndim < z.ndim else np.sum(target, axis=-1, keepdims=True)
        mass = (1 - label_smoothing) * mass + label_smoothing

        def slope():
            """p - t, at the largest p as (1 - t) - (1 - p)."""
            t, share = _distribution(z, target, label_smoothing), mass / (1 + rest)
            return replaced(share * e - t, at, (mass - entry(t, at)) - share * rest)

        return (np.log1p(rest) * mass)[..., 0] - _entry_of_class(shifted, target, z.ndim, label_smoothing), slope

    def jvp(
        self, z: Array, target: Array, dz: Tangent, reduction: Reduction | None = None, weights: Array | None = None,
        **settings: Any,
    ) -> tuple[Any, Tangent]:  # fmt: skip
        """⟨p - t, dz⟩, with dz measured from that of the largest logit: Σ (p - t) = 0."""
        if pair := self._short(z, target, dz, self.reduction if reduction is None else reduction, weights, settings):
            return pair
        return super().jvp(z, target, dz if dz is ZERO else from_the_largest(z, dz), reduction, weights, **settings)

    def _short(self, z, target, dz, reduction, weights, settings):
        """The mean over plain examples of integer classes."""
        plain = z.__class__ is target.__class__ is np.ndarray and (dz is ZERO or dz.__class__ is np.ndarray)
        if plain and target.ndim < z.ndim and reduction == "mean" and weights is None and not (settings or self.given):
            return _mean_of_classes(z, target, dz)
        return None


cross_entropy: CrossEntropy = CrossEntropy()


class NLL(PlainLoss, name="nll"):
    """ℓ = -z_y for log-probabilities z ;  dℓ = -dz_y.

    Parameters
    ----------
    prediction : log-probabilities, shape ``(..., classes)``, as `LogSoftmax` gives them
    target : integer classes, shape ``(...)``
    reduction, weights
        As for every `Loss`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.nll(np.log(np.array([[0.25, 0.75]])), np.array([0]))
    np.float64(1.3862943611198906)
    """

    def check(self, z: Array, target: Array) -> None:
        if np.ndim(z) == 0 or np.shape(target) != z.shape[:-1]:
            raise ShapeError(
                f"nll got log-probabilities of shape {np.shape(z)} and targets of shape {np.shape(target)}"
            )
        _check_classes(self, z, target)

    def evaluate(self, z: Array, target: Array) -> Curve:
        return -_entry_of_class(z, target, z.ndim, 0.0), lambda: -1.0 * _distribution(z, target, 0.0)


nll: NLL = NLL()


class BCEWithLogits(PlainLoss, name="bce_with_logits"):
    """ℓ = mean of log(1 + eᶻ) - z t over features ;  dℓ = ⟨(σ(z) - t) / features, dz⟩.

    Parameters
    ----------
    prediction : logits z
    target : probabilities t, of the same shape
    reduction, weights
        As for every `Loss`.

    Raises
    ------
    ValueError
        For targets outside of [0, 1].

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.bce_with_logits(np.zeros((2, 1)), np.array([[0.0], [1.0]]))
    np.float64(0.6931471805599453)
    """

    def check(self, z: Array, target: Array) -> None:
        require_pair(self, z, target)
        if target.__class__ is np.ndarray and not np.all((target >= 0) & (target <= 1)):
            raise ValueError(f"{self!r} got targets {target.min()} to {target.max()}; expected 0 to 1")

    def evaluate(self, z: Array, target: Array) -> Curve:
        right = primal(z) > 0
        each = quietly(product, z, np.where(right, 1 - target, -target)) + softplus(np.where(right, -z, z))

        def slope():
            """σ(z) - t, as (1 - t) - σ(-z) where σ is near 1."""
            return np.where(right, (1 - target) - logistic(-z), logistic(z) - target) / z.shape[-1]

        return np.mean(each, axis=-1), slope


bce_with_logits: BCEWithLogits = BCEWithLogits()


# ---------------------------------------------------------------------- shared formulas


def _check_classes(loss, z, target):
    """Integer classes, in range."""
    if target.dtype.kind not in "iu":
        raise TypeError(f"{loss!r} takes integer classes of shape {z.shape[:-1]}; got {target.dtype}")
    if target.__class__ is np.ndarray and target.size and _largest_or_negative(target) >= z.shape[-1]:
        low, high = target.min(), target.max()
        raise ValueError(f"{loss!r} got classes {low} to {high}; expected 0 to {z.shape[-1] - 1}")


def _largest_or_negative(target):
    """The largest of some integers, where a negative one counts as huge."""
    return target.view(target.dtype.str.replace("i", "u")).max()


def _mean_of_classes(z, target, dz):
    """The mean of log Σ eˢ - s_y, and of ⟨eˢ, ds⟩ / Σ eˢ - ds_y, for classes y of plain logits. s and ds are measured
    from the largest logit, whose e⁰ = 1 is no part of the rest."""
    shape, y, ndim = (target.size, z.shape[-1]), target.reshape(-1), z.ndim
    rows, z = np.arange(len(y)), z.reshape(shape)
    top = rows * shape[1] + z.argmax(-1)
    s = z - z.take(top)[:, None]
    e = np.exp(s)
    e.put(top, 0)
    rest = e.sum(-1)
    value = (np.log1p(rest) - s[rows, y]).sum() / len(y)
    if dz is ZERO:
        return value, ZERO
    lead = dz.shape[: dz.ndim - ndim]
    ds = dz.reshape(lead + shape) - dz.reshape(*lead, z.size).take(top, -1)[..., None]
    slopes = (e * ds).sum(-1) / (1 + rest) - ds[..., rows, y]
    return value, slopes.sum(-1) / len(y)


def _entry_of_class(z, target, ndim, smoothing):
    """z_y: the entry of each example's class, or its mean under the target distribution."""
    if target.ndim == ndim:
        found = np.sum(quietly(product, z, target), axis=-1)
    else:
        rows = z.reshape((target.size, z.shape[-1]))
        found = rows[np.arange(target.size, like=primal(z)), target.reshape(-1)].reshape(z.shape[:-1])
    return found if not smoothing else (1 - smoothing) * found + smoothing * np.mean(z, axis=-1)


def _distribution(z, target, smoothing):
    """The target as distributions over classes, scaled as softmax is."""
    if target.ndim < z.ndim:
        target = (target[..., None] == np.arange(z.shape[-1], like=primal(z))).astype(primal(z).dtype)
    return target if not smoothing else (1 - smoothing) * target + smoothing / z.shape[-1]
