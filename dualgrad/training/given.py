"""What `fit` and `evaluate` are given, checked."""

from collections.abc import Callable, Mapping
from typing import Any

from ..nn.batches import WEIGHTS, Examples
from ..nn.layer import Layer
from ..nn.objective import Objective
from ..nn.taken import keywords_of
from .history import OWN_COLUMNS


def require_objective(objective: Any) -> Any:
    """An objective without a batch."""
    if isinstance(objective, Objective) or not hasattr(objective, "x") and hasattr(objective, "bind"):
        return objective
    raise TypeError(
        f"got objective={objective!r:.80}; expected a model and a loss without a batch, nn.Objective(model, loss), and "
        "the data as (x, y)"
    )


def as_examples(name: str, objective: Any, data: Any, axis: Any, train: bool) -> Examples:
    """The examples of a data set, with the keywords that the model takes."""
    if (
        not isinstance(data, (tuple, list))
        or len(data) not in (2, 3)
        or len(data) == 3
        and not isinstance(data[2], dict)
    ):
        given = f"a {type(data).__name__}" + (f" of {len(data)}" if hasattr(data, "__len__") else "")
        raise TypeError(
            f"got {name} that is {given}; expected (x, y), or (x, y, dict of keywords), of all examples. For a loader "
            "of batches: estimate = estimator.estimate(objective.bind(x, y), params, rng=rng) for each, and a step"
        )
    x, y, *rest = data
    given, model = rest[0] if rest else {}, objective.model
    if isinstance(model, Layer):
        model.accepted({key: value for key, value in given.items() if key != WEIGHTS})
    keywords = {"train": train} if "train" in keywords_of(model) else {}
    try:
        return Examples(objective, x, y, axis, keywords | given)
    except Exception as error:
        error.add_note(f"in the {name} of fit")
        raise


def as_metrics(metrics: Any) -> dict[str, Callable[[Any, Any], Any]]:
    """Functions by name."""
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(f'got metrics={metrics!r:.60}; expected functions by name, as {{"accuracy": dg.nn.accuracy}}')
    for name, metric in (metrics or {}).items():
        if name in OWN_COLUMNS or not callable(metric):
            raise ValueError(
                f"got metrics[{name!r}]={metric!r:.60}; expected a function, under another name than "
                f"{', '.join(sorted(OWN_COLUMNS))}"
            )
    return dict(metrics or {})
