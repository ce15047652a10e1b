"""Progress: a bar of tqdm's, a line a second on a terminal, or a line an epoch in a log."""

import contextlib
import sys
import time
import warnings
from typing import Any

from .history import as_cell


def bar_of(progress: bool) -> "Quiet":
    """What tells of a run: nothing, tqdm's bar, or lines, as the place of the standard error output asks for."""
    if not progress:
        return Quiet()
    terminal, notebook = on_terminal(), "ipykernel" in sys.modules
    if not terminal and not notebook:
        return Lines()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tqdm, that a notebook could have a finer bar
            from tqdm.auto import tqdm
    except ImportError:
        return Overwritten() if terminal else Lines()
    return Tqdm(tqdm)


def on_terminal() -> bool:
    """Whether the standard error output is a terminal; one that is closed, or none, is not."""
    try:
        return bool(sys.stderr.isatty())
    except (AttributeError, ValueError):
        return False


def say(text: str, end: str = "\n") -> None:
    """Print on the standard error output, if it takes it: a log that is full or closed ends no training."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, end=end, file=sys.stderr, flush=True)


def in_words(row: dict[str, Any]) -> str:
    """A row of a history in a line."""
    named = [f"{name} {as_cell(v)}" for name, v in row.items() if name not in ("epoch", "updates", "seconds", "lr")]
    return "  ".join([*named, f"{row['seconds']:.1f} s"])


class Quiet:
    """Nothing."""

    def begin(self, epochs: int, updates: int, done: int) -> None:
        """A run of so many epochs of so many updates, of which some are done."""

    def updated(self, run: Any) -> None:
        """An update of a `Run` is done."""

    def end_epoch(self, row: dict[str, Any]) -> None:
        """An epoch is done."""

    def close(self) -> None:
        """The run is over."""


class Lines(Quiet):
    """A line an epoch."""

    def begin(self, epochs: int, updates: int, done: int) -> None:
        self.epochs, self.updates = epochs, updates

    def end_epoch(self, row: dict[str, Any]) -> None:
        say(f"epoch {row['epoch']}/{self.epochs}  {in_words(row)}")


class Overwritten(Lines):
    """The same, and on a terminal a line for the epoch that is under way, written anew once a second."""

    def begin(self, epochs: int, updates: int, done: int) -> None:
        super().begin(epochs, updates, done)
        self.last, self.width = time.monotonic(), 0

    def updated(self, run: Any) -> None:
        now = time.monotonic()
        if now - self.last >= 1:
            self.last = now
            done = run.updates - run.epoch * self.updates
            loss = as_cell(run.total / run.seen)
            self._show(f"epoch {run.epoch + 1}/{self.epochs}  update {done}/{self.updates}  loss {loss}")

    def _show(self, text):
        say(f"\r{text:<{self.width}}", end="")
        self.width = len(text)

    def end_epoch(self, row: dict[str, Any]) -> None:
        self.close()
        super().end_epoch(row)

    def close(self) -> None:
        if self.width:
            self._show("")
            say("\r", end="")


class Tqdm(Quiet):
    """One bar of tqdm's for all updates of the run."""

    def __init__(self, tqdm: Any) -> None:
        self.tqdm, self.bar, self.said = tqdm, None, ""

    def begin(self, epochs: int, updates: int, done: int) -> None:
        self.epochs, self.last = epochs, 0.0
        self.bar = self.tqdm(total=epochs * updates, initial=done, unit=" updates", dynamic_ncols=True)

    def updated(self, run: Any) -> None:
        now = time.monotonic()
        if now - self.last >= 0.5:
            self.last = now
            self.bar.set_description(f"epoch {run.epoch + 1}/{self.epochs}", refresh=False)
            self.bar.set_postfix_str(f"loss {as_cell(run.total / run.seen)}{self.said}", refresh=False)
        self.bar.update()

    def end_epoch(self, row: dict[str, Any]) -> None:
        shown = [
            f"{name} {as_cell(v)}"
            for name, v in row.items()
            if name not in ("epoch", "updates", "loss", "lr", "seconds")
        ]
        self.said = "".join(f", {text}" for text in shown)
        self.bar.set_postfix_str(f"loss {as_cell(row['loss'])}{self.said}")

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
