"""What a model says of examples that it does not learn from: loss and metrics, batch by batch, in evaluation mode."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..backend import to_numpy
from ..nn.batches import WEIGHTS, Examples
from ..nn.losses.over_batches import has_parts, parts_of_mean
from ..tree import Tree


def validated(
    examples: Examples,
    params: Tree,
    size: int,
    metrics: Mapping[str, Callable[[Any, Any], Any]],
    one: bool = False,
) -> dict[str, float]:
    """``val_loss``, that of all examples together, and the metrics, each the mean over the examples of its batches.

    The loss is Σ w ℓ / Σ w over all, whatever counts in which batch; of a loss that is a function, or has a forward of
    its own, the mean over the batches by their examples or weights; with reduction "sum" the sum. With ``one``, of the
    first batch in which something counts.
    """
    model, loss = examples.objective.model, examples.objective.loss
    total, mass, counted, sums = 0.0, 0.0, 0, dict.fromkeys(metrics, 0.0)
    for begin in examples.starts(size):
        rows = examples.rows(slice(begin, begin + size))
        n = min(size, examples.n - begin)
        x, y, weights = rows.pop("x"), rows.pop("y"), rows.pop(WEIGHTS, None)
        prediction = model(params, x, **rows, **examples.fixed)
        part, counts = _sum_of(loss, prediction, y, weights, n)
        total, mass, counted = total + part, mass + counts, counted + n
        for name, metric in metrics.items():
            sums[name] += as_float(name, metric(prediction, y)) * n
        if one and mass:
            break
    if mass == 0:
        raise ValueError("no target of the validation set counts in its loss: each is ignored, or of weight 0")
    means = {name: found / counted for name, found in sums.items()}
    return {"val_loss": total if _is_sum(loss) else total / mass} | means


def _sum_of(loss, prediction, target, weights, n):
    """What a batch of n brings to the sum of all losses, and what it counts there."""
    if has_parts(loss):
        part, mass = parts_of_mean(loss, prediction, target, weights)
        return as_float("val_loss", part), as_float("val_loss", mass)
    given = {} if weights is None else {"weights": weights}
    if _is_sum(loss):
        return as_float("val_loss", loss(prediction, target, **given)), n
    counts = n if weights is None else float(to_numpy(np.sum(weights)))
    return (as_float("val_loss", loss(prediction, target, **given)) * counts if counts else 0.0), counts


def _is_sum(loss):
    return getattr(loss, "reduction", "mean") == "sum"


def as_float(name: str, value: Any) -> float:
    """One number, of NumPy or a device, as Python's."""
    if isinstance(value, float):  # NumPy's too
        return float(value)
    found = to_numpy(value)
    if found.shape != () or found.dtype.kind not in "biuf":
        raise TypeError(f"{name} gave {value!r:.80}; expected one real number")
    return float(found)
