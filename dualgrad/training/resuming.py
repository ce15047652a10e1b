"""Keeper: the checkpoint of a run, saved while it goes and loaded where it goes on."""

import os
import time
import types
from typing import Any

from ..checkpoint import load, save
from ..errors import CheckpointError, LayoutError
from ..layout import Layout
from ..settings import difference, plain_data
from ..workers import digest
from .callbacks import with_state
from .history import History
from .made_of import made_of, snapshot
from .run import Run, copied_params
from .saved import arrays_of_params, params_as_saved, require_saved, write_params

_SECONDS = 3.0  # between two saves of an epoch, at least
_SHARE = 20  # times as long as a save takes between two of them, at least; half of it after an epoch
KIND = "dualgrad.fit"
_STATE: dict[str, Any] = {
    "settings": dict, "params": dict, "estimator": dict | None, "optimizer": dict | None, "data": dict, "draws": dict,
    "epoch": int, "updates": int, "epochs": int, "under_way": list, "rows": list, "best": dict | None,
    "callbacks": list, "best_value": float | None, "best_epoch": int | None, "stopped": str | None,
}  # fmt: skip


class Keeper:
    """The file of a run; without a path, nothing."""

    def __init__(self, path: Any, run: Run, rng: Any, axis: Any) -> None:
        self.path, self.run, self._ended, self._took = path, run, 0.0, 0.0
        self._kept, self._looked = [], False
        if path is None:
            return
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise TypeError(f"got checkpoint={path!r:.80}; expected the name of a file, or None")
        self.path = os.path.abspath(path)  # wherever the program goes
        self.settings = _compared(run, rng, axis)
        named = (("estimator", run.estimator), ("optimizer", run.optimizer))
        self._kept = [(name, thing, snapshot(thing)) for name, thing in named if not hasattr(thing, "state_dict")]

    # ------------------------------------------------------------------ save

    def save(self) -> None:
        """Save, if there is a path."""
        if self.path is not None:
            begun = time.monotonic()
            self._require_kept()
            save(self.path, self._state())
            self._ended = time.monotonic()
            self._took = self._ended - begun

    def after_update(self) -> None:
        """Save, if it is time to."""
        if not self._looked:
            self._require_kept()
            self._looked = True
        if self.path is not None and time.monotonic() >= self._ended + max(_SECONDS, _SHARE * self._took):
            self.save()

    def after_epoch(self) -> None:
        """Save, unless epochs are so short that most of the time would go into saves."""
        if time.monotonic() >= self._ended + _SHARE / 2 * self._took:
            self.save()

    def _require_kept(self):
        """Raise where an update has changed what no state_dict gives: the run could not go on as it was."""
        for name, thing, before in self._kept:
            if snapshot(thing) != before:
                raise TypeError(
                    f"got {name}={thing!r:.80}, which an update changes, and which has no state_dict and "
                    "load_state_dict(state), without which no checkpoint keeps what it has become"
                )

    def _state(self):
        run, history = self.run, self.run.history
        return {
            "kind": KIND, "version": 1, "settings": self.settings, "params": params_as_saved(run.params),
            "estimator": _saved_state(run.estimator), "optimizer": _saved_state(run.optimizer),
            "data": run.data.state_dict(), "draws": run.draws.state_dict(), "epoch": run.epoch, "updates": run.updates,
            "epochs": run.plan.epochs, "under_way": [run.total, run.seen, run.seconds], "rows": history.rows,
            "best": None if history.best is None else params_as_saved(history.best), "best_value": run.best,
            "best_epoch": history.best_epoch, "stopped": history.stopped,
            "callbacks": [one.state_dict() for one in with_state(run.plan.callbacks)],
        }  # fmt: skip

    # ------------------------------------------------------------------ load

    def load(self) -> None:
        """Put the run where its file says it stands, if there is one."""
        if self.path is None or not os.path.exists(self.path):
            return
        run, state = self.run, load(self.path)
        self._require_own(state)
        before = copied_params(run.params), [_saved_state(thing) for thing in self._things()]
        try:
            self._put([*(state[name] for name in ("estimator", "optimizer", "data", "draws")), *state["callbacks"]])
            history = self._history(state)
            write_params(run.params, state["params"])
        except (LayoutError, ValueError, KeyError, TypeError) as error:
            self._put(before[1])
            write_params(run.params, params_as_saved(before[0]))
            raise CheckpointError(f"{self.path} does not fit this call: {error}") from error
        self.settings = state["settings"]  # with the rate that the run began with
        run.epoch, run.updates, run.history, run.best = state["epoch"], state["updates"], history, state["best_value"]
        run.total, run.seen, run.seconds = state["under_way"]

    def _things(self):
        """What may have a state."""
        run = self.run
        return [run.estimator, run.optimizer, run.data, run.draws, *with_state(run.plan.callbacks)]

    def _put(self, states):
        """Give them these states."""
        for thing, state in zip(self._things(), states, strict=True):
            if hasattr(thing, "load_state_dict"):
                thing.load_state_dict(state)

    def _require_own(self, state):
        """Raise unless this is the state of the same call."""
        name = os.fsdecode(self.path)
        require_saved(state, name, "fit", _STATE, len(with_state(self.run.plan.callbacks)))
        current = dict(self.settings)
        if getattr(self.run.optimizer, "lr", None) == (state["optimizer"] or {}).get("lr"):
            current["lr"] = state["settings"]["lr"]  # the optimizer of the run itself, whose rate was changed since
        if differ := difference(state["settings"], current):
            raise CheckpointError(
                f"{name} was saved by another call: {differ}; give the same arguments, or another path. Nothing has "
                "changed"
            )
        done = state["epoch"] + bool(state["under_way"][1])
        if self.run.plan.epochs < done:
            raise ValueError(
                f"got epochs={self.run.plan.epochs}; {name} has begun epoch {done}: epochs count from the run's start"
            )

    def _history(self, state):
        history = History()
        history.rows, history.best_epoch = state["rows"], state["best_epoch"]
        if state["best"] is not None:
            history.best = copied_params(self.run.params)
            write_params(history.best, state["best"])
        if state["stopped"] == "callback" and state["epochs"] == self.run.plan.epochs:
            history.stopped = "callback"
        return history


def _compared(run, rng, axis):
    """What has to be the same where a run goes on, as plain data."""
    plan, objective = run.plan, run.plan.examples.objective
    seed = rng.state_dict()["seed"]
    layout = Layout.of(run.params)
    return {
        "model": made_of(objective.model), "loss": made_of(objective.loss),
        "params": {name: list(shape) for name, shape in layout.shapes.items()},
        "dtypes": [str(leaf.dtype) for leaf in arrays_of_params(run.params)],
        "data": _of_data(plan.examples), "validation": None if plan.validation is None else _of_data(plan.validation),
        "batch_size": plan.batch_size, "shuffle": plan.shuffle, "drop_last": plan.drop_last, "axis": plain_data(axis),
        "metrics": sorted(plan.metrics), "watched": [plan.watched.metric, plan.watched.mode],
        "estimator": _kind(run.estimator), "optimizer": _kind(run.optimizer), "lr": _rate(run.optimizer),
        "seed": {name: value for name, value in seed.items() if name != "spawned"},
    }  # fmt: skip


def _of_data(examples):
    """Shapes and digests of a data set, and its keywords."""
    found = {name: [_of_array(leaf) for leaf in parts[0]] for name, parts in examples.parts.items()}
    return found | {"keywords": plain_data(examples.fixed)}


def _of_array(a):
    """An array by its dtype, its shape and a digest, for which numbers are not copied."""
    kind = getattr(getattr(a, "dtype", None), "kind", "")
    return f"{a.dtype}{list(a.shape)} {digest(a)}" if kind and kind in "biufc" else plain_data(a)


def _kind(thing):
    """The class of what compares its settings itself; of others what they were made with."""
    return type(thing).__name__ if hasattr(thing, "load_state_dict") else plain_data(thing)


def _rate(optimizer):
    """The rate that an optimizer is given with; a schedule is compared with the rest."""
    lr = getattr(optimizer, "lr", None)
    if isinstance(lr, types.FunctionType):
        return made_of(lr)
    return "a schedule" if callable(lr) else plain_data(lr)


def _saved_state(thing):
    return thing.state_dict() if hasattr(thing, "state_dict") else None
