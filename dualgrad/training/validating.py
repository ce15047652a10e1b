"""What a model says of examples that it does not learn from: loss and metrics, batch by batch, in evaluation mode."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..backend import to_numpy
from ..nn.batches import WEIGHTS, Examples
from ..tree import Tree


def validated(
    examples: Examples,
    params: Tree,
    size: int,
    metrics: Mapping[str, Callable[[Any, Any], Any]],
    batches: int | None = None,
) -> dict[str, float]:
    """``val_loss`` and the metrics, each the mean over the examples of what its batches give.

    The loss of a batch counts by its weights where examples have some; with reduction "sum" the losses are summed.
    """
    model, loss = examples.objective.model, examples.objective.loss
    sums, counted, weighed = dict.fromkeys(["val_loss", *metrics], 0.0), 0, 0.0
    for begin in examples.starts(size)[:batches]:
        rows = examples.rows(slice(begin, begin + size))
        n = min(size, examples.n - begin)
        x, y, weights = rows.pop("x"), rows.pop("y"), rows.pop(WEIGHTS, None)
        prediction = model(params, x, **rows, **examples.fixed)
        value = loss(prediction, y) if weights is None else loss(prediction, y, weights=weights)
        by = n if weights is None else float(to_numpy(np.sum(weights)))
        summed = getattr(loss, "reduction", "mean") == "sum"
        sums["val_loss"] += as_float("val_loss", value) * (1 if summed else by)
        weighed, counted = weighed + by, counted + n
        for name, metric in metrics.items():
            sums[name] += as_float(name, metric(prediction, y)) * n
    whole = 1 if getattr(loss, "reduction", "mean") == "sum" else weighed
    return {name: total / (whole if name == "val_loss" else counted) for name, total in sums.items()}


def as_float(name: str, value: Any) -> float:
    """One number, of NumPy or a device, as Python's."""
    if isinstance(value, float):  # NumPy's too
        return float(value)
    found = to_numpy(value)
    if found.shape != () or found.dtype.kind not in "biuf":
        raise TypeError(f"{name} gave {value!r:.80}; expected one real number")
    return float(found)
