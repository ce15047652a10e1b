"""History: what a run of `fit` was like, an epoch a row."""

import html
import math
from collections.abc import Iterator
from typing import Any, overload

import numpy as np

from ..tree import Tree

_ROWS_SHOWN = 20  # rows of a longer table
_WIDEST = 40  # characters of a cell


class History:
    """What a run of `dualgrad.fit` was like: one row an epoch, and the parameters of the best.

    A row is a dict: ``epoch`` (from 1 on), ``updates`` (so far), ``loss`` (the mean of the estimates' values in the
    epoch, over its examples; those of SPSA and MeZO are losses of points around), ``val_loss`` and metrics where there
    is a validation set, ``lr`` (of the last update, where the optimizer has one) and ``seconds`` (of the epoch,
    evaluation included).

    ``history[k]`` is a row, ``history["val_loss"]`` a column, with None where a row has nothing: callbacks may add to
    ``after.history[-1]``. ``history.rows`` is what `csv.DictWriter` and pandas take. It prints as a table, and shows as
    one in a notebook.

    Attributes
    ----------
    rows : list of dict
    best : Params, or tree of arrays
        A copy of the parameters after the best epoch by validation, buffers included; without validation, after the
        last.
    best_epoch : int
        Which that was, from 1 on; None before the first.
    stopped : str
        Why it ended: "epochs", "early stopping", "callback"; "interrupted" on the history of a `KeyboardInterrupt`;
        None after an error.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> objective = dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse)
    >>> x = np.linspace(-1, 1, 8)[:, None]
    >>> history = dg.fit(
    ...     objective, objective.model.init(rng=0, dtype=np.float64), (x, 2 * x), estimator=dg.estimators.Backprop(),
    ...     optimizer=dg.optim.SGD(0.5), epochs=3, batch_size=4, rng=0, progress=False)
    >>> len(history), history[-1]["updates"], history["lr"], history.stopped
    (3, 6, [0.5, 0.5, 0.5], 'epochs')
    >>> history["loss"] == sorted(history["loss"], reverse=True)
    True
    """

    rows: list[dict[str, Any]]
    best: Tree
    best_epoch: int | None
    stopped: str | None

    def __init__(self) -> None:
        self.rows, self.best, self.best_epoch, self.stopped = [], None, None, None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, key: str) -> list[Any]: ...

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self.rows[key]
        if self.rows and key not in (columns := _columns_of(self.rows)):
            raise KeyError(f"no column {key!r}; the columns are {columns}")
        return [row.get(key) for row in self.rows]

    def __repr__(self) -> str:
        lines = _cells_of(self)
        if not lines:
            return "History of no epochs"
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([*text, *_ending(self)])

    def _repr_html_(self) -> str:
        head, *rows = _cells_of(self) or [["History of no epochs"]]
        table = ["<table>", _html_row(head, "th"), *(_html_row(row, "td") for row in rows), "</table>"]
        return "".join([*table, *(f"<p>{html.escape(line)}</p>" for line in _ending(self))])

    def plot(self) -> Any:
        """A figure of matplotlib's: the losses by epoch, and beside them the metrics, where there are some.

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            raise ImportError(
                "History.plot() needs matplotlib, which is not installed: pip install matplotlib"
            ) from None
        losses, metrics = ["loss", *(["val_loss"] if self.rows and "val_loss" in self.rows[0] else [])], _metrics(self)
        figure, axes = plt.subplots(1, 1 + bool(metrics), squeeze=False, layout="constrained")
        for ax, names in zip(axes[0], (losses, metrics), strict=False):
            for name in names:
                ax.plot(self["epoch"], [math.nan if v is None else v for v in self[name]], label=name)
            ax.set(xlabel="epoch")
            ax.grid(alpha=0.3)
            ax.legend()
        return figure


OWN_COLUMNS = {"epoch", "updates", "loss", "val_loss", "lr", "seconds"}


def _metrics(history):
    """The columns that are metrics: of numbers, and not its own."""
    names = [name for name in _columns_of(history.rows) if name not in OWN_COLUMNS]
    return [name for name in names if all(isinstance(v, (int, float, np.number, type(None))) for v in history[name])]


def _columns_of(rows):
    """The names in any of the rows, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _cells_of(history):
    """The table as text: its head and its rows, of a long one the first and the last."""
    rows = history.rows
    if not rows:
        return []
    names, half = _columns_of(rows), _ROWS_SHOWN // 2
    shown = [[as_cell(row.get(name)) for name in names] for row in rows]
    if len(rows) > _ROWS_SHOWN:
        shown = [*shown[:half], ["..."] * len(names), *shown[-half:]]
    return [names, *shown]


def as_cell(value: Any) -> str:
    """A number as it stands in a table."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else " ".join(str(value).split())[:_WIDEST]


def rate_of_last(optimizer: Any) -> dict[str, float]:
    """``lr`` of the last step of an optimizer, where that is a number."""
    lr, steps = getattr(optimizer, "lr", None), getattr(optimizer, "steps", None)
    if callable(lr):
        lr = None if steps is None else lr(max(steps, 1))
    try:
        return {} if lr is None or np.ndim(lr) else {"lr": float(lr)}
    except (TypeError, ValueError):
        return {}


def _ending(history):
    """How the run ended, in words."""
    why = [] if history.stopped is None else [f"stopped: {history.stopped}"]
    best = [] if history.best_epoch is None else [f"best: epoch {history.best_epoch}"]
    return ["; ".join(why + best)] if why or best else []


def _html_row(cells, tag):
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
