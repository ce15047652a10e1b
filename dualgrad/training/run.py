"""Run: the epochs of a training, from wherever it stands."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ..nn.batches import Examples
from ..params import Params
from ..random import Rng
from ..tree import Tree, map_leaves
from .bars import Quiet
from .callbacks import called, told
from .early_stopping import EarlyStopping
from .history import History, rate_of_last
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
            validated(self.plan.validation, self.params, self.plan.batch_size, self.plan.metrics, one=True)

    def train(self, bar: Quiet, keeper: Any) -> None:
        """The epochs that are left; the keeper saves on the way."""
        with kept_interrupts() as asked, contextlib.closing(bar):
            bar.begin(self.plan.epochs, self._each, self.updates)
            if self.why_over() is None:
                keeper.save()
            while self.why_over() is None:
                self._one_epoch(bar, asked, keeper)
            if self.history.best_epoch is None:
                self.history.best = copied_params(self.params)
                self.history.best_epoch = self.epoch or None
            if asked:  # during the last save
                self._interrupted(keeper)
        self.history.stopped = self.why_over()

    def why_over(self) -> str | None:
        """Why the run is over, if it is."""
        if self.history.stopped is not None:
            return self.history.stopped
        if self.plan.stops_early and self.plan.watched.is_over(self.history.rows):
            return "early stopping"
        return "epochs" if self.epoch >= self.plan.epochs else None

    def _one_epoch(self, bar, asked, keeper):
        plan, begun, epoch = self.plan, time.perf_counter() - self.seconds, self.epoch + 1
        place = lambda: (  # noqa: E731
            f"in epoch {epoch} of fit, after {self.updates} updates: parameters and optimizer are as these left them"
        )
        with told(self.history, place):
            for batch in plan.examples.epoch(plan.batch_size, self.data, plan.shuffle, plan.drop_last):
                self._one_update(batch)
                self.seconds = time.perf_counter() - begun
                bar.updated(self)
                if asked:
                    self._interrupted(keeper)
                keeper.after_update()
            row = self._row()
            row["seconds"] = time.perf_counter() - begun
            self._end_epoch(row)
            bar.end_epoch(row)
            if asked:
                self._interrupted(keeper)
            keeper.after_epoch() if self.why_over() is None else keeper.save()

    def _one_update(self, batch):
        """One batch."""
        value, n = self._update(batch, self.draws).value, min(self.plan.batch_size, self.plan.examples.n - self.seen)
        self.total += as_float("the loss", value) * n
        self.seen += n
        self.updates += 1

    def _row(self):
        """The row of the epoch that has ended."""
        plan = self.plan
        row = {"epoch": self.epoch + 1, "updates": self.updates, "loss": self.total / self.seen}
        if plan.validation is not None:
            row |= validated(plan.validation, self.params, plan.batch_size, plan.metrics)
        return row | rate_of_last(self.optimizer)

    def _end_epoch(self, row):
        self.history.rows.append(row)
        self.epoch, self.total, self.seen, self.seconds = self.epoch + 1, 0.0, 0, 0.0
        watched = self.plan.watched
        if self.plan.validation is not None and watched.better(row[watched.metric], self.best):
            self.best, self.history.best_epoch = row[watched.metric], self.epoch
            self.history.best = copied_params(self.params)
        if hasattr(self.optimizer, "observe"):
            self.optimizer.observe(row.get(watched.metric, row["loss"]))
        after = AfterEpoch(self.epoch, self.history, self.params, self.estimator, self.optimizer)
        if called(self.plan.callbacks, after):
            self.history.stopped = "callback"

    def _interrupted(self, keeper) -> NoReturn:
        """Save, and raise."""
        keeper.save()
        self.history.stopped = "interrupted"
        instead = "nothing was kept, for want of a checkpoint" if keeper.path is None else "the same call goes on"
        error = KeyboardInterrupt(
            f"training stopped after {self.updates} updates, in epoch {min(self.epoch + 1, self.plan.epochs)}: params "
            f"are as these left them, and {instead}"
        )
        error.history = self.history
        raise error


def copied_params(params: Tree) -> Tree:
    """A copy of parameters, buffers included."""
    return params.copy() if isinstance(params, Params) else map_leaves(lambda leaf: leaf.copy(), params)
