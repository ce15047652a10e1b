"""Recommendation: what `recommend` measured, as a table, and in words which estimator to take and why."""

import html
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """What `recommend` measured of one estimator.

    Attributes
    ----------
    estimator : its call, in words
    cosine : mean cosine between ĝ and the gradient
    decrease, error : mean loss decrease of a step along ĝ, of the best length for it, and the error of that mean
    effectiveness : the decrease over that of the exact gradient's own best step; None where that is not known
    milliseconds, quartiles : median time of an estimate, and the quartiles of the times
    memory : most bytes that an estimate takes at a time
    samples : how many estimates cosine and decrease are means of
    transposed : whether it goes backwards through the layers
    unsuitable : why it was not measured, or None

    Examples
    --------
    >>> import dualgrad as dg
    >>> trial = dg.estimators.Trial("SPSA()", decrease=0.5, milliseconds=2.0)
    >>> trial.per_second
    250.0
    """

    estimator: str
    cosine: float = 0.0
    decrease: float = 0.0
    error: float = 0.0
    effectiveness: float | None = None
    milliseconds: float = float("inf")
    quartiles: tuple[float, float] | None = None
    memory: int = 0
    samples: int = 0
    transposed: bool = False
    unsuitable: str | None = None

    @property
    def per_second(self) -> float:
        """The loss decrease of so many best steps as there are in a second, each counted as the first."""
        return 1e3 * self.decrease / self.milliseconds

    @property
    def bounds(self) -> tuple[float, float]:
        """``per_second`` at two errors of the decrease less and more, and at the slower and the faster quartile."""
        fast, slow = self.quartiles or (self.milliseconds, self.milliseconds)
        low, high = max(self.decrease - 2 * self.error, 0.0), self.decrease + 2 * self.error
        return 1e3 * low / slow, 1e3 * high / fast


@dataclass(frozen=True)
class Recommendation:
    """What `recommend` found: ``print`` it for a table and a verdict; in a notebook it is a table.

    Attributes
    ----------
    rows : a `Trial` for each candidate, those that bring most loss per second first
    verdict : which to take, and why, from the rows alone
    gradient : how the gradient was made that the cosines are with

    Examples
    --------
    >>> import dualgrad as dg
    >>> rows = [dg.estimators.Trial("A()", decrease=0.5, milliseconds=1.0)]
    >>> print(dg.estimators.Recommendation(rows, "by Backprop").verdict)
    Take A(): nothing else lowered the loss.
    """

    rows: Sequence[Trial]
    gradient: str

    @property
    def verdict(self) -> str:
        """Which estimator to take, and why: a function of the rows alone."""
        return advice(self.rows)

    def _cells(self):
        header = ["estimator", "cosine", "of the exact step", "ms", "MB", "loss / s", "estimates"]
        measured = [row for row in self.rows if row.unsuitable is None]
        return header, [
            [
                row.estimator,
                f"{row.cosine:.4f}",
                "-" if row.effectiveness is None else f"{row.effectiveness:.3g}",
                f"{row.milliseconds:.3g}",
                f"{row.memory / 1e6:.3g}",
                f"{row.per_second:.3g}",
                str(row.samples),
            ]
            for row in measured
        ]

    def _left_out(self):
        return [f"Left out: {row.estimator}: {row.unsuitable}" for row in self.rows if row.unsuitable is not None]

    def __str__(self) -> str:
        header, rows = self._cells()
        widths = [max(len(line[k]) for line in [header, *rows]) for k in range(len(header))]
        lines = [
            "  ".join([name.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True))])
            for name, *cells in [header, *rows]
        ]
        return "\n".join([*lines, *self._left_out(), f"Cosines are with the gradient {self.gradient}.", self.verdict])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        header, rows = self._cells()
        lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in header)]
        lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        said = [*self._left_out(), f"Cosines are with the gradient {self.gradient}.", self.verdict]
        table = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table>{table}</table>" + "".join(f"<p>{html.escape(text)}</p>" for text in said)


def advice(rows: Sequence[Trial]) -> str:
    """Which of the rows to take, in words."""
    useful = [row for row in rows if row.unsuitable is None and row.decrease > 0]
    if not useful:
        return "Take none: no step along any of these lowered the loss."
    best, *others = sorted(useful, key=lambda row: -row.per_second)
    words = _preferred(best, others)
    if best.transposed:
        words += _without(others)
    return words


def _preferred(best, others):
    """The best, or those among whom it is not settled."""
    if best.bounds[0] <= 0 and best.error > 0:
        return f"Not settled: what {best.estimator} brings is within its own error of nothing. Give it more seconds."
    if not others:
        return f"Take {best.estimator}: nothing else lowered the loss."
    rivals = [row for row in others if row.bounds[1] >= best.bounds[0]]
    if rivals:
        names = ", ".join([best.estimator, *(row.estimator for row in rivals[:-1])])
        smallest = min([best, *rivals], key=lambda row: row.memory)
        return (
            f"Not settled between {names} and {rivals[-1].estimator}: what they bring per second overlaps. Give it "
            f"more seconds, or take the one of the least memory, {smallest.estimator}."
        )
    second = others[0]
    return (
        f"Take {best.estimator}: it brings {_figure(best.per_second / second.per_second)} times as much loss per "
        f"second as {second.estimator}, the next best. {_why(best, second)}"
    )


def _why(best, second):
    gain, time = best.decrease / second.decrease, best.milliseconds / second.milliseconds
    reason = f"A step lowers the loss {_figure(gain)} times as much, and takes {_figure(time)} times as long"
    return f"{reason}, with {_figure(best.memory / max(second.memory, 1))} times the memory."


def _without(others):
    """What to take where the layers cannot be gone through backwards."""
    forward = [row for row in others if not row.transposed]
    return f" Without a backward pass: {_lower_first(_preferred(forward[0], forward[1:]))}" if forward else ""


def _lower_first(text):
    return text[0].lower() + text[1:]


def _figure(x):
    return f"{x:.0f}" if x >= 10 else f"{x:.2g}"
