"""The parts of a mean: the sum of a batch's losses and what they count; over several batches it is a ratio of sums.

And the losses of many predictions of one target.
"""

from typing import Any

import numpy as np

from .base import Loss
from .weighing import check_weights, mass_of, reduced_losses


def has_parts(loss: Any) -> bool:
    """Whether the mean that a loss takes is known to be Σ w ℓ / Σ w; not of one with a forward of its own."""
    return isinstance(loss, Loss) and type(loss).forward is Loss.forward and loss.reduction not in ("sum", "none")


def parts_of_mean(loss: Loss, prediction: Any, target: Any, weights: Any = None) -> tuple[Any, Any]:
    """Σ w ℓ and Σ w of a batch, of which nothing may count: ``weights`` may be all 0, each target may be ignored."""
    prediction, target, weights, _ = loss._given(prediction, target, "sum", weights, {})
    if weights.__class__ is np.ndarray and weights.min(initial=0) < 0:
        check_weights(loss, weights, weights.shape, loss.reduction, prediction.dtype)  # which says so
    each, _ = loss._evaluated(prediction, target, {})
    masses = loss._masses(prediction, target, each, weights, {})
    return reduced_losses(loss, each, "sum", masses), mass_of(loss.reduction, each.shape, masses[1])


def losses_of_particles(loss: Loss, predictions: Any, target: Any) -> Any:
    """The loss of each of N predictions ``(N, B, ...)`` of one target, as one batch of N B examples."""
    one, target, _, _ = loss._given(predictions[0], target, loss.reduction, None, {})
    batch = np.reshape(predictions, (-1, *one.shape[1:]))
    targets = np.concatenate([target] * len(predictions))
    each, _ = loss._evaluated(batch, targets, {})
    each = np.reshape(each, (len(predictions), -1, *each.shape[1:]))
    return reduced_losses(loss, each, loss.reduction, loss._masses(one, target, each[0], None, {}), each.shape[1:])
