"""Losses: functions of a prediction and a target, with rules like those of a layer."""

import math

import numpy as np

from ..dual import Dual, lead_of, primal
from ..errors import ShapeError
from ..rules.declare import nested_as
from ..zero import ZERO


class Loss:
    """What losses share: the reduction over examples, and jvp where the prediction is a Dual.

    A loss defines ``evaluate(prediction, target) -> each, slope``: one number per example, and a function that returns
    its derivative from the same intermediates; and ``check(prediction, target, reduction)``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.mse(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]), reduction="none")
    array([2.])
    """

    def __repr__(self):
        return f"nn.{type(self).__name__}"

    def __call__(self, prediction, target, reduction="mean"):
        self.check(primal(prediction), target, reduction)
        if prediction.__class__ is not Dual or isinstance(target, Dual):  # the engine knows the target's tangent
            return self.forward(prediction, target, reduction)
        lead_of(prediction)
        y, dy = self.jvp(prediction.primal, target, prediction.tangent, reduction)
        return Dual(y, nested_as(y, dy), prediction.level)

    def forward(self, prediction, target, reduction="mean"):
        """The loss of plain predictions."""
        return _reduce(self.evaluate(prediction, target)[0], reduction)

    def jvp(self, prediction, target, dprediction, reduction="mean"):
        """The loss and its tangent, ⟨slope, dprediction⟩ for every example."""
        each, slope = self.evaluate(prediction, target)
        if dprediction is ZERO:
            return _reduce(each, reduction), ZERO
        d = np.sum(slope() * dprediction, axis=-1)
        return _reduce(each, reduction), _reduce(d, reduction, each.ndim)

    def vjp(self, prediction, target, reduction="mean"):
        """The loss, and its pullback: a cotangent of the loss to one of the prediction."""
        each, slope = self.evaluate(prediction, target)
        scale = 1 / each.size if reduction == "mean" else 1

        def pullback(dy):
            dy = dy if np.ndim(dy) == 0 else dy[..., None]
            return dy * (scale * slope())

        return _reduce(each, reduction), pullback


def _reduce(each, reduction, ndim=None):
    """Mean or sum over examples, the last ``ndim`` axes (a lead axis stays)."""
    if reduction == "none":
        return each
    ndim = each.ndim if ndim is None else ndim
    total = np.sum(each, axis=tuple(range(-ndim, 0))) if ndim else each
    return total / math.prod(each.shape[each.ndim - ndim :]) if reduction == "mean" else total


def _check_reduction(reduction):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"got reduction={reduction!r}; expected 'mean', 'sum' or 'none'")


class cross_entropy(Loss):  # noqa: N801  (a function to its users)
    """ℓ = log Σ eᶻ - z_y ;  dℓ = ⟨softmax z - y, dz⟩.

    Parameters
    ----------
    prediction : logits z, shape ``(..., classes)``
    target : integer classes, shape ``(...)``, or distributions, shape ``(..., classes)``
    reduction : "mean", "sum" or "none"

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

    def check(self, z, target, reduction):
        _check_reduction(reduction)
        if np.ndim(z) == 0 or not hasattr(target, "ndim"):
            raise ShapeError("cross_entropy takes logits of shape (..., classes) and an array of classes")
        if target.shape not in (z.shape, z.shape[:-1]):
            raise ShapeError(f"cross_entropy got logits of shape {z.shape} and targets of shape {target.shape}")
        if target.ndim == z.ndim:
            return
        if target.dtype.kind not in "iu":
            raise TypeError(f"cross_entropy takes integer classes of shape {z.shape[:-1]}, or distributions {z.shape}")
        if target.__class__ is np.ndarray and not np.all((target >= 0) & (target < z.shape[-1])):
            low, high = target.min(), target.max()
            raise ValueError(f"cross_entropy got classes {low} to {high}; expected 0 to {z.shape[-1] - 1}")

    def evaluate(self, z, target):
        each, e, total, mass = _log_sum_exp(z, target)
        return each, lambda: e / total * mass - _distribution(z, target)

    def jvp(self, z, target, dz, reduction="mean"):
        """⟨softmax z, dz⟩ - dz_y, from the exponentials that the value has computed."""
        each, e, total, mass = _log_sum_exp(z, target)
        if dz is ZERO:
            return _reduce(each, reduction), ZERO
        d = np.sum(e * dz, axis=-1) * (mass / total)[..., 0] - _at(dz, target, z.ndim)
        return _reduce(each, reduction), _reduce(d, reduction, each.ndim)


def _log_sum_exp(z, target):
    """log Σ eᶻ - z_y of every example; the exponentials and their sum, shifted to be safe; the target's total mass."""
    top = np.max(primal(z), axis=-1, keepdims=True)
    e = np.exp(z - top)
    total = np.sum(e, axis=-1, keepdims=True)
    mass = 1 if target.ndim < z.ndim else np.sum(target, axis=-1, keepdims=True)
    return ((np.log(total) + top) * mass)[..., 0] - _at(z, target, z.ndim), e, total, mass


def _at(z, target, ndim):
    """z_y: the entry of each example's class, or its mean under the target distribution; z may have a lead axis."""
    if target.ndim == ndim:
        return np.sum(target * z, axis=-1)
    rows = z.reshape((*z.shape[: z.ndim - ndim], -1, z.shape[-1]))
    found = rows[..., np.arange(rows.shape[-2], like=primal(z)), target.reshape(-1)]
    return found.reshape(z.shape[:-1])


def _distribution(z, target):
    """The target as distributions over classes, scaled as softmax is."""
    if target.ndim == z.ndim:
        return target
    return target[..., None] == np.arange(z.shape[-1], like=primal(z))


class mse(Loss):  # noqa: N801
    """ℓ = mean (x - y)² over features and examples ;  dℓ = ⟨2 (x - y) / features, dx⟩, as torch's MSELoss.

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

    def check(self, x, target, reduction):
        _check_reduction(reduction)
        if np.ndim(x) == 0 or np.shape(target) != x.shape:
            raise ShapeError(f"mse got a prediction of shape {np.shape(x)} and a target of shape {np.shape(target)}")

    def evaluate(self, x, target):
        error = x - target
        return np.mean(error * error, axis=-1), lambda: 2 / x.shape[-1] * error


cross_entropy, mse = cross_entropy(), mse()
