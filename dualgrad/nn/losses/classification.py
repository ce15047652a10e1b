"""Losses of classes: logits or log-probabilities against integer classes or distributions."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...backend import Array
from ...dual import primal
from ...errors import ShapeError
from ...exponentials import entry, exponentials, from_the_largest, replaced
from ...rules.absorb import product, quietly
from ...zero import ZERO
from ..setting_checks import INTEGER, ONE_PER_CLASS, SHARE
from ..types import Curve, Reduction, Tangent
from .base import Loss
from .weighing import axis_too_many, setting_like


class _ClassLoss(Loss):
    """What losses of classes share: a weight per class, and targets that are ignored."""

    _read_by_check: tuple[str, ...] = ("ignore_index",)

    def weighs(self, target: Array) -> bool:
        if target.dtype.kind not in "iu":
            return False
        own = {**self.settings, **self.given}
        return own["weight"] is not None or bool(np.any(target == own["ignore_index"]))

    def _masses(self, z, target, each, weights, settings):
        """An ignored target is one of weight 0; of the others each counts what its class weighs."""
        factors, counts = super()._masses(z, target, each, weights, settings)
        if target.ndim == z.ndim:
            return factors, counts
        own = {**self.settings, **self.given, **settings}
        classes, kept = _classes(target, own["ignore_index"])
        if kept is not None:
            factors = kept.astype(primal(each).dtype) if factors is None else factors * kept
        if own["weight"] is None:
            return factors, factors
        weight = _class_weight(self, z, own["weight"])[classes]
        return factors, weight if factors is None else factors * weight


class CrossEntropy(_ClassLoss, name="cross_entropy"):
    """ℓ = w_y (log Σ eᶻ - z_y) ;  dℓ = w_y ⟨softmax z - y, dz⟩.

    Parameters
    ----------
    prediction : logits z, shape ``(..., classes)``
    target : integer classes, shape ``(...)``, or distributions, shape ``(..., classes)``
    reduction, weights
        As for every `Loss`.
    weight : array of ``(classes,)``, or None
        The weight w of each class. As in torch, the mean over integer classes is Σ ℓ / Σ w_y, and that over
        distributions t, whose losses are -Σ w_c t_c log softmax(z)_c, is over the number of examples.
    ignore_index : int
        Targets of this class count nothing: neither in a value or derivative, nor in a mean.
    label_smoothing : float
        The share of the target that is spread evenly over all classes.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    ValueError
        When a class is out of range, for a mean where every target is ignored (in torch that is NaN), and for a class
        to ignore where the target is distributions.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.cross_entropy(np.zeros((2, 4)), np.array([0, 3]))
    np.float64(1.3862943611198906)
    >>> dg.nn.cross_entropy(np.zeros((2, 4)), np.array([0, -100]), "none", weight=[2.0, 1.0, 1.0, 1.0])
    array([2.77258872, 0.        ])
    """

    settings: Mapping[str, Any] = {"weight": None, "ignore_index": -100, "label_smoothing": 0.0}
    fits: Mapping[str, Any] = {"weight": ONE_PER_CLASS, "ignore_index": INTEGER, "label_smoothing": SHARE}
    lead = True

    def __init__(
        self, *, reduction: Reduction = "mean", weight: ArrayLike | None = None, ignore_index: int = -100,
        label_smoothing: float = 0.0,
    ):  # fmt: skip
        super().__init__(reduction=reduction, weight=weight, ignore_index=ignore_index, label_smoothing=label_smoothing)

    def check(self, z: Array, target: Array) -> None:
        if np.ndim(z) == 0 or not z.shape[-1]:
            raise ShapeError(f"cross_entropy got logits of shape {np.shape(z)}; expected (..., classes)")
        if target.shape not in (z.shape, z.shape[:-1]):
            cure = axis_too_many(z.shape[:-1], target.shape)
            raise ShapeError(f"cross_entropy got logits of shape {z.shape} and targets of shape {target.shape}{cure}")
        if target.ndim < z.ndim:
            _check_classes(self, z, target)
        elif self.given.get("ignore_index", -1) >= 0:
            raise ValueError(f"{self!r} got distributions as a target, which have no class to ignore: use weights=")

    def evaluate(
        self, z: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
    ) -> Curve:
        at, shifted, e, rest = exponentials(z)
        target = _classes(target, ignore_index)[0] if target.ndim < z.ndim else target
        weight = None if weight is None else _class_weight(self, z, weight)
        mass = _mass(target, z.ndim, label_smoothing, weight)

        def slope():
            """mass p - t, at the largest p as (mass - t) - mass (1 - p)."""
            t, share = _distribution(z, target, label_smoothing, weight), mass / (1 + rest)
            return replaced(share * e - t, at, (mass - entry(t, at)) - share * rest)

        found = _entry_of_class(shifted, target, z.ndim, label_smoothing, weight)
        return (np.log1p(rest) * mass)[..., 0] - found, slope

    def jvp(
        self, z: Array, target: Array, dz: Tangent, reduction: Reduction | None = None, weights: Array | None = None,
        **settings: Any,
    ) -> tuple[Any, Tangent]:  # fmt: skip
        """⟨mass p - t, dz⟩, with dz measured from that of the largest logit: Σ (mass p - t) = 0."""
        if pair := self._short(z, target, dz, self.reduction if reduction is None else reduction, weights, settings):
            return pair
        return super().jvp(z, target, dz if dz is ZERO else from_the_largest(z, dz), reduction, weights, **settings)

    def vjp(
        self, z: Array, target: Array, reduction: Reduction | None = None, weights: Array | None = None, **settings: Any
    ) -> tuple[Any, Callable[[Any], Array]]:
        """The loss, and its pullback; of one example by a shorter way, which is most of the time of a step online."""
        mean = self.reduction == "mean" and reduction is weights is None and not (settings or self.given)
        if mean and self.__class__ is CrossEntropy and z.__class__ is target.__class__ is np.ndarray:
            one = z.ndim == 2 and z.dtype.kind == "f" and target.shape == z.shape[:1] == (1,)
            if one and target.dtype.kind in "iu" and 0 <= (y := int(target[0])) < z.shape[1]:
                return _one_example(z[0], y)
        return super().vjp(z, target, reduction, weights, **settings)

    def _short(self, z, target, dz, reduction, weights, settings):
        """The mean over plain examples of integer classes, of which none is ignored."""
        plain = z.__class__ is target.__class__ is np.ndarray and (dz is ZERO or dz.__class__ is np.ndarray)
        if not plain or target.ndim == z.ndim or reduction != "mean" or weights is not None or settings or self.given:
            return None
        if z.shape[-1] >= -self.settings["ignore_index"] and target.min(initial=0) < 0:
            return None
        try:
            return _mean_of_classes(z, target, dz)
        except IndexError:  # one is ignored, or out of range
            return None


cross_entropy: CrossEntropy = CrossEntropy()


class NLL(_ClassLoss, name="nll"):
    """ℓ = -w_y z_y for log-probabilities z ;  dℓ = -w_y dz_y.

    Parameters
    ----------
    prediction : log-probabilities, shape ``(..., classes)``, as `LogSoftmax` gives them
    target : integer classes, shape ``(...)``
    reduction, weights
        As for every `Loss`.
    weight, ignore_index
        As for `CrossEntropy`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.nll(np.log(np.array([[0.25, 0.75]])), np.array([0]))
    np.float64(1.3862943611198906)
    """

    settings: Mapping[str, Any] = {"weight": None, "ignore_index": -100}
    fits: Mapping[str, Any] = {"weight": ONE_PER_CLASS, "ignore_index": INTEGER}

    def __init__(self, *, reduction: Reduction = "mean", weight: ArrayLike | None = None, ignore_index: int = -100):
        super().__init__(reduction=reduction, weight=weight, ignore_index=ignore_index)

    def check(self, z: Array, target: Array) -> None:
        if np.ndim(z) == 0 or np.shape(target) != z.shape[:-1]:
            raise ShapeError(
                f"nll got log-probabilities of shape {np.shape(z)} and targets of shape {np.shape(target)}"
                + axis_too_many(np.shape(z)[:-1], np.shape(target))
            )
        _check_classes(self, z, target)

    def evaluate(self, z: Array, target: Array, weight: Array | None, ignore_index: int) -> Curve:
        target, _ = _classes(target, ignore_index)
        weight = None if weight is None else _class_weight(self, z, weight)
        each = -_entry_of_class(z, target, z.ndim, 0.0, weight)
        return each, lambda: -1.0 * _distribution(z, target, 0.0, weight)


nll: NLL = NLL()


# ---------------------------------------------------------------------- shared formulas


def _check_classes(loss, z, target):
    """Integer classes, in range or ignored."""
    if target.dtype.kind not in "iu":
        cast = f"{target.dtype}: labels.astype(int)"
        raise TypeError(f"{loss!r} takes integer classes of shape {z.shape[:-1]}; got {cast}")
    if target.__class__ is np.ndarray and target.size and _largest_or_negative(target) >= z.shape[-1]:
        ignored = loss.given.get("ignore_index", loss.settings["ignore_index"])
        seen = target[target != ignored]
        if seen.size and _largest_or_negative(seen) >= z.shape[-1]:
            low, high = seen.min(), seen.max()
            raise ValueError(f"{loss!r} got classes {low} to {high}; expected 0 to {z.shape[-1] - 1}")


def _classes(target, ignored):
    """Integer classes with 0 for those that are ignored, and which are not: None for all."""
    kept = target != ignored
    if target.__class__ is np.ndarray and np.all(kept):
        return target, None
    return np.where(kept, target, 0), kept


def _class_weight(loss, z, weight):
    """A weight per class, in the precision of the logits."""
    if np.shape(weight) != z.shape[-1:]:
        raise ShapeError(f"{loss!r} got a weight of shape {np.shape(weight)}; expected {z.shape[-1:]}, one a class")
    return setting_like(weight, z)


def _largest_or_negative(target):
    """The largest of some integers, where a negative one counts as huge."""
    return target.view(target.dtype.str.replace("i", "u")).max()


def _one_example(z, y):
    """log Σ eᶻ - z_y of plain logits ``(classes,)``, and its pullback to the batch of one, as `evaluate` has both."""
    k = z.argmax()
    s = z - z[k]
    e = np.exp(s)
    e[k] = 0
    rest = np.add.reduce(e)

    def pullback(dy):
        share = 1 / (1 + rest)
        slope = share * e
        slope[y] -= 1
        slope[k] = (k != y) - share * rest
        return (dy[..., None] if np.ndim(dy) else dy) * slope[None]

    return np.log1p(rest) - s[y], pullback


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


def _mass(target, ndim, smoothing, weight):
    """The sum over classes of the target distribution times their weights."""
    if weight is None:
        mass = 1 if target.ndim < ndim else np.sum(target, axis=-1, keepdims=True)
        return (1 - smoothing) * mass + smoothing
    mass = weight[target][..., None] if target.ndim < ndim else np.sum(weight * target, axis=-1, keepdims=True)
    return (1 - smoothing) * mass + smoothing * np.mean(weight) if smoothing else mass


def _entry_of_class(z, target, ndim, smoothing, weight):
    """z_y times the weight of the class: the entry of each example's, or its mean under the target distribution."""
    if target.ndim == ndim:
        found = np.sum(quietly(product, z, target if weight is None else weight * target), axis=-1)
    else:
        rows = z.reshape((target.size, z.shape[-1]))
        found = rows[np.arange(target.size, like=primal(z)), target.reshape(-1)].reshape(z.shape[:-1])
        found = found if weight is None else quietly(product, found, weight[target])
    if not smoothing:
        return found
    return (1 - smoothing) * found + smoothing * np.mean(z if weight is None else quietly(product, z, weight), axis=-1)


def _distribution(z, target, smoothing, weight):
    """The target as distributions over classes, scaled as softmax is, times the weights of the classes."""
    if target.ndim < z.ndim:
        target = (target[..., None] == np.arange(z.shape[-1], like=primal(z))).astype(primal(z).dtype)
    target = target if not smoothing else (1 - smoothing) * target + smoothing / z.shape[-1]
    return target if weight is None else weight * target
