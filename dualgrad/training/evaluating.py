"""evaluate: the loss and the metrics of a data set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..nn.objective import Objective
from ..tree import Tree
from .given import as_examples, as_metrics, require_objective
from .validating import validated


def evaluate(
    objective: Objective,
    params: Tree,
    data: Sequence[Any],
    *,
    batch_size: int | None = None,
    metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
    axis: int | tuple[int, int] = 0,
) -> dict[str, float]:
    """The loss and the metrics of a data set, in evaluation mode: what `fit` says of its validation set.

    Parameters
    ----------
    objective : Objective
        A model and a loss, without a batch.
    params : Params, or tree of arrays
        `History.best`, or those that were trained. They stay as they are.
    data : (x, y) or (x, y, keywords)
        As `fit` takes them.
    batch_size : int, optional
        How many examples at a time; all, unless you say so. The loss is the same for every size, and so is a metric
        that is a mean over examples; any other, as an F1 score, is the mean over batches of what each gives.
    metrics : dict of functions, optional
        ``metric(prediction, target)``, as `dualgrad.nn.accuracy`.
    axis : int or pair of int
        As in `dualgrad.nn.Objective.batches`.

    Returns
    -------
    dict of float
        "loss", and each metric.

    Raises
    ------
    ShapeError, TypeError, ValueError
        For arguments that do not fit each other.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> objective = dg.nn.Objective(dg.nn.Identity(), dg.nn.cross_entropy)
    >>> x, y = np.eye(4)[:, :2], np.array([0, 1, 1, 0])
    >>> found = dg.evaluate(objective, {}, (x, y), batch_size=3, metrics={"accuracy": dg.nn.accuracy})
    >>> {name: round(value, 3) for name, value in found.items()}
    {'loss': 0.503, 'accuracy': 0.75}
    """
    examples = as_examples("data", require_objective(objective), data, axis, train=False)
    found = validated(examples, params, examples.n if batch_size is None else batch_size, as_metrics(metrics))
    return {"loss": found.pop("val_loss"), **found}
