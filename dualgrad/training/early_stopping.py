"""EarlyStopping: when a run has stopped to get better, and which of its epochs was the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..checks import positive_count, real_number


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after ``patience`` epochs in a row that have not bettered the best by more than ``min_delta``.

    Parameters
    ----------
    patience : int
    min_delta : float
    metric : str
        What is watched, a column of the `History`: "val_loss", the name of a metric, or "loss" without validation.
    mode : "min" or "max"
        Whether less is better, or more.

    Examples
    --------
    >>> import dualgrad as dg
    >>> stopping = dg.training.EarlyStopping(2, metric="accuracy", mode="max")
    >>> [stopping.waits([{"accuracy": a} for a in seen]) for seen in ([0.5], [0.5, 0.4], [0.5, 0.4, 0.5])]
    [0, 1, 2]
    """

    patience: int
    min_delta: float = 0.0
    metric: str = "val_loss"
    mode: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        object.__setattr__(self, "patience", positive_count("patience", self.patience, "a positive number of epochs"))
        least = real_number(
            "min_delta", self.min_delta, "a number that is not negative", lambda x: 0 <= x < float("inf")
        )
        object.__setattr__(self, "min_delta", least)
        if self.mode not in ("min", "max"):
            raise ValueError(f"got mode={self.mode!r}; expected 'min' or 'max'")

    def better(self, value: float, best: float | None, by: float = 0.0) -> bool:
        """Whether a value betters the best so far, by more than a margin; NaN never does."""
        if best is None:
            return value == value
        return value < best - by if self.mode == "min" else value > best + by

    def waits(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """How many epochs there were since the last that bettered the best."""
        best, since = None, 0
        for row in rows:
            found = self.better(row[self.metric], best, self.min_delta)
            best, since = (row[self.metric], 0) if found else (best, since + 1)
        return since

    def is_over(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether patience is at its end."""
        return self.waits(rows) >= self.patience
