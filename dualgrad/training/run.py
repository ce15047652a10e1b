"""Run: the epochs of a training, from wherever it stands."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..nn.batches import Examples
from ..params import Params
from ..random import Rng
from ..tree import Tree, map_leaves
from .bars import Quiet
from .early_stopping import EarlyStopping
from .history import History
from .interrupts import kept_interrupts
from .updates import update_of
from .validating import as_float, validated


@dataclass(frozen=True)
class AfterEpoch:
    """What a callback of `dualgrad.fit` is given after every epoch: the things themselves, not copies.

    Attributes
    ----------
    epoch : int, from 1 on
    history : History
        Whose last row is that of this epoch.
    params : Params, or tree of arrays
    estimator, optimizer : those given

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> objective = dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse)
    >>> params, x = objective.model.init(rng=0, dtype=np.float64), np.ones((4, 1))
    >>> def good_enough(after):
    ...     after.optimizer.lr *= 0.9
    ...     return after.history[-1]["loss"] < 1e-3
    >>> history = dg.fit(objective, params, (x, x), estimator=dg.estimators.Backprop(), optimizer=dg.optim.SGD(0.4),
    ...     epochs=50, batch_size=4, callbacks=[good_enough], rng=0, progress=False)
    >>> history.stopped
    'callback'
    """

    epoch: int
    history: History
    params: Tree
    estimator: Any
    optimizer: Any


@dataclass
class Course:
    """What a run is made of, and does not change."""

    examples: Examples
    validation: Examples | None
    batch_size: int
    shuffle: bool
    drop_last: bool
    metrics: Mapping[str, Callable[[Any, Any], Any]]
    watched: EarlyStopping
    stops_early: bool
    callbacks: Sequence[Callable[[AfterEpoch], Any]]
    epochs: int


class Run:
    """A training that stands somewhere: epochs done, and what of the one under way."""

    def __init__(self, plan: Course, params: Tree, estimator: Any, optimizer: Any, rng: Rng) -> None:
        self.plan, self.params, self.estimator, self.optimizer = plan, params, estimator, optimizer
        self.data, self.draws = rng.spawn(2)
        self.history, self.epoch, self.updates = History(), 0, 0
        self.total, self.seen, self.seconds = 0.0, 0, 0.0  # of the epoch under way: losses, examples, time
        self.best: float | None = None
        self._update = update_of(plan.examples.objective.model, params, estimator, optimizer)
        self._each = len(plan.examples.starts(plan.batch_size, plan.drop_last))

    def try_validation(self) -> None:
        """Raise now what a first batch of the validation set would raise after an epoch."""
        if self.plan.validation is not None:
            validated(self.plan.validation, self.params, self.plan.batch_size, self.plan.metrics, 1)

    def train(self, bar: Quiet, save: Callable[[bool], None]) -> None:
        """The epochs that are left. ``save(now)`` is asked after every update and, with True, where it is to be."""
        with kept_interrupts() as asked, contextlib.closing(bar):
            bar.begin(self.plan.epochs, self._each, self.updates)
            if self.why_over() is None:
                save(True)
            while self.why_over() is None:
                self._one_epoch(bar, asked, save)
            if self.history.best_epoch is None:
                self.history.best = copied_params(self.params)
                self.history.best_epoch = self.epoch or None
        self.history.stopped = self.why_over()

    def why_over(self) -> str | None:
        """Why the run is over, if it is."""
        if self.history.stopped is not None:
            return self.history.stopped
        if self.plan.stops_early and self.plan.watched.is_over(self.history.rows):
            return "early stopping"
        return "epochs" if self.epoch >= self.plan.epochs else None

    def _one_epoch(self, bar, asked, save):
        plan, begun = self.plan, time.perf_counter() - self.seconds
        try:
            for batch in plan.examples.epoch(plan.batch_size, self.data, plan.shuffle, plan.drop_last):
                self._one_update(batch)
                self.seconds = time.perf_counter() - begun
                bar.updated(self.epoch + 1, -(-self.seen // plan.batch_size), self.total / self.seen)
                if asked:
                    self._interrupted(save)
                save(False)
            row = self._row()
        except Exception as error:
            error.history = self.history
            error.add_note(
                f"in epoch {self.epoch + 1} of fit, after {self.updates} updates: parameters and optimizer are as "
                "these left them; the history so far is the error's .history"
            )
            raise
        row["seconds"] = time.perf_counter() - begun
        self._end_epoch(row)
        bar.end_epoch(row)
        save(True)
        if asked:
            self._interrupted(save)

    def _one_update(self, batch):
        """One batch."""
        value = as_float("the loss", self._update(batch, self.draws).value)
        n = min(self.plan.batch_size, self.plan.examples.n - self.seen)
        self.total, self.seen, self.updates = self.total + value * n, self.seen + n, self.updates + 1

    def _row(self):
        """The row of the epoch that has ended."""
        plan = self.plan
        row = {"epoch": self.epoch + 1, "updates": self.updates, "loss": self.total / self.seen}
        if plan.validation is not None:
            row |= validated(plan.validation, self.params, plan.batch_size, plan.metrics)
        if hasattr(self.optimizer, "lr"):
            lr = self.optimizer.lr
            row["lr"] = float(lr(self.optimizer.steps) if callable(lr) else lr)
        return row

    def _end_epoch(self, row):
        self.history.rows.append(row)
        self.epoch, self.total, self.seen, self.seconds = self.epoch + 1, 0.0, 0, 0.0
        watched = self.plan.watched
        if self.plan.validation is not None and watched.better(row[watched.metric], self.best):
            self.best, self.history.best_epoch = row[watched.metric], self.epoch
            self.history.best = copied_params(self.params)
        after = AfterEpoch(self.epoch, self.history, self.params, self.estimator, self.optimizer)
        found = [call(after) for call in self.plan.callbacks]
        if any(isinstance(answer, (bool, np.bool_)) and answer for answer in found):
            self.history.stopped = "callback"

    def _interrupted(self, save) -> NoReturn:
        """Save, and raise."""
        save(True)
        self.history.stopped = "interrupted"
        error = KeyboardInterrupt(
            f"training stopped after {self.updates} updates, in epoch {min(self.epoch + 1, self.plan.epochs)}; params "
            "are as these left them, and the same call with its checkpoint goes on"
        )
        error.history = self.history
        raise error


def copied_params(params: Tree) -> Tree:
    """A copy of parameters, buffers included."""
    return params.copy() if isinstance(params, Params) else map_leaves(lambda leaf: leaf.copy(), params)
