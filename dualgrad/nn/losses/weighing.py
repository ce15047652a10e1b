"""What each loss counts: reductions, weights and masks over the losses of entries or examples."""

import math
from typing import Any, TypeAlias

import numpy as np

from ...dual import Dual, lift, primal
from ...errors import ShapeError
from ...rules.absorb import product, quietly
from ...vectors import in_kind

Masses: TypeAlias = tuple[Any, Any]  # what each loss is multiplied by, and what it counts in a mean
UNWEIGHTED: Masses = None, None


def as_reduction(loss, reduction):
    """The name of a reduction that the loss has; anything else raises ValueError."""
    if not isinstance(reduction, str) or reduction not in loss.reductions:
        *names, last = map(repr, loss.reductions)
        raise ValueError(f"got reduction={reduction!r}; expected {', '.join(names)} or {last}")
    return reduction


def check_weights(loss, weights, shape, reduction, kind):
    """Weights of the losses' shape or of their first axes: finite; for a mean not negative, and not all 0. On a device,
    looking at their values would cost a wait."""
    if weights.shape != shape[: weights.ndim] or not weights.ndim and shape:
        fit = " or ".join(str(shape[: k + 1]) for k in range(max(len(shape), 1)))
        raise ShapeError(f"{loss!r} got weights of shape {weights.shape}; expected {fit}, one an example or an entry")
    w = primal(weights)
    if w.__class__ is not np.ndarray:
        return
    if w.dtype != kind:
        with np.errstate(over="ignore"):
            w = w.astype(kind)
    mass, least = w.sum(dtype=np.float64), w.min(initial=0)
    if not math.isfinite(mass):
        raise ValueError(f"{loss!r} got weights that sum to {mass}; expected finite numbers")
    if reduction not in ("sum", "none") and w.size and (least < 0 or mass == 0):
        raise ValueError(
            f"{loss!r} got weights from {least} that sum to {mass}; a mean is over weights that are not negative, nor "
            "all 0: reduction='sum' or 'none' takes any"
        )


def spread_weights(loss, weights, each):
    """Weights with the axes of the losses, in their precision."""
    if weights.shape != each.shape[: weights.ndim]:
        raise ShapeError(
            f"{loss!r} got weights of shape {weights.shape} for losses of shape {each.shape}: a class whose evaluate "
            "gives one number per entry says elementwise = True, and one of a number per example says False"
        )
    weights = in_dtype_of(weights, each)
    return weights if weights.ndim == each.ndim else weights[(...,) + (None,) * (each.ndim - weights.ndim)]


def in_dtype_of(a, like):
    """An array in the precision of another: targets as the prediction, weights or a mask as the losses."""
    kind = primal(like).dtype
    return a if a.dtype == kind else a.astype(kind)


def divisor(loss, reduction, shape, counts=None):
    """What the sum of losses of a shape is divided by, where each counts so much: 1 unless it is a mean."""
    if reduction in ("sum", "none"):
        return 1
    mass = mass_of(reduction, shape, counts)
    if isinstance(mass, np.floating) and mass == 0:
        raise ValueError(
            f"{loss!r}: no target counts in the mean, since each is ignored or of weight 0; leave the batch out, or "
            "take reduction='sum'"
        )
    return mass


def mass_of(reduction, shape, counts=None):
    """What the losses of a shape count in a mean together, where each counts so much."""
    n = shape[0] if reduction == "batchmean" else math.prod(shape)
    if counts is None:
        return n
    mass = np.sum(counts)
    return mass if counts.size == n else mass * (n / counts.size)


def reduced_losses(loss, each, reduction, masses=UNWEIGHTED, shape=None):
    """Losses of a shape, the last axes of what is given (a lead axis stays), weighted and reduced."""
    factors, counts = masses
    if factors is not None:
        each = quietly(product, each, factors)
    if reduction == "none":
        return each
    shape = each.shape if shape is None else shape
    total = np.sum(each, axis=tuple(range(-len(shape), 0))) if shape else each
    return total if reduction == "sum" else total / divisor(loss, reduction, shape, counts)


def require_pair(loss, x, target):
    """A prediction and a target of one shape."""
    if np.ndim(x) == 0 or np.shape(target) != x.shape:
        raise ShapeError(
            f"{loss!r} got a prediction of shape {np.shape(x)} and a target of shape {np.shape(target)}"
            + axis_too_many(np.shape(x), np.shape(target))
        )


def axis_too_many(x, target):
    """What to write where a prediction and a target differ by a last axis of 1 alone."""
    if (*target, 1) == x:
        return "; expected equal ones: y[..., None] for the target"
    return "; expected equal ones: y[..., 0] for the target" if (*x, 1) == target else ""


def setting_like(value, x):
    """An array among the settings, in the precision of the prediction and where that lives."""
    value, x = lift(value), primal(x)
    return value.astype(x.dtype) if isinstance(value, Dual) else in_kind(value, x)


def scale(loss, name, value, x):
    """A setting that broadcasts to the prediction."""
    shape = np.shape(value)
    if len(shape) > x.ndim or any(n not in (1, m) for n, m in zip(shape[::-1], x.shape[::-1], strict=False)):
        raise ShapeError(f"{loss!r} got {name} of shape {shape}, which does not broadcast to {x.shape}")
    return setting_like(value, x)
