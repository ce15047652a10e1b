"""Keeper: the checkpoint of a run, saved while it goes and loaded where it goes on."""

import os
import time
from typing import Any

from ..backend import like, to_numpy
from ..checkpoint import load, save
from ..errors import CheckpointError, LayoutError
from ..layout import Layout
from ..nn.layer import Layer
from ..params import Params
from ..settings import difference, plain_data
from ..tree import leaves
from .history import History
from .run import Run, copied_params

_SECONDS = 3.0  # between two saves of an epoch
_SHARE = 20  # times as long as a save takes, at least
KIND = "dualgrad.fit"
_FOLLOWS = {"by_example", "integers", "layers", "takes"}  # attributes of containers that the children make


class Keeper:
    """The file of a run; without a path, nothing."""

    def __init__(self, path: Any, run: Run, rng: Any, axis: Any) -> None:
        self.path, self.run, self._due = path, run, 0.0
        if path is None:
            return
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise TypeError(f"got checkpoint={path!r:.80}; expected the name of a file, or None")
        self.settings = _compared(run, rng, axis)

    # ------------------------------------------------------------------ save

    def save(self, now: bool) -> None:
        """Save, now or if it is time to."""
        if self.path is None or not now and time.monotonic() < self._due:
            return
        begun = time.monotonic()
        save(self.path, self._state())
        end = time.monotonic()
        self._due = end + max(_SECONDS, _SHARE * (end - begun))

    def _state(self):
        run, history = self.run, self.run.history
        return {
            "kind": KIND, "version": 1, "settings": self.settings, "params": _as_saved(run.params),
            "estimator": _saved_state(run.estimator), "optimizer": _saved_state(run.optimizer),
            "data": run.data.state_dict(), "draws": run.draws.state_dict(), "epoch": run.epoch, "updates": run.updates,
            "epochs": run.plan.epochs, "under_way": [run.total, run.seen, run.seconds], "rows": history.rows,
            "best": None if history.best is None else _as_saved(history.best), "best_value": run.best,
            "best_epoch": history.best_epoch, "stopped": history.stopped,
        }  # fmt: skip

    # ------------------------------------------------------------------ load

    def load(self) -> None:
        """Put the run where its file says it stands, if there is one."""
        if self.path is None or not os.path.exists(self.path):
            return
        run, state = self.run, load(self.path)
        self._require_own(state)
        before = [(thing, _saved_state(thing)) for thing in (run.estimator, run.optimizer, run.data, run.draws)]
        try:
            for (thing, _), name in zip(before, ("estimator", "optimizer", "data", "draws"), strict=True):
                if hasattr(thing, "load_state_dict"):
                    thing.load_state_dict(state[name])
            history = self._history(state)
        except (LayoutError, ValueError, KeyError, TypeError) as error:
            for thing, old in before:
                if hasattr(thing, "load_state_dict"):
                    thing.load_state_dict(old)
            raise CheckpointError(f"{self.path} does not fit this call: {error}") from error
        run.epoch, run.updates, run.history, run.best = state["epoch"], state["updates"], history, state["best_value"]
        run.total, run.seen, run.seconds = state["under_way"]
        _write(run.params, state["params"])

    def _require_own(self, state):
        """Raise unless this is the state of the same call."""
        name = os.fsdecode(self.path)
        if not isinstance(state, dict) or state.get("kind") != KIND:
            raise CheckpointError(f"{name} is no checkpoint of fit: give another path")
        if state.get("version") != 1:
            raise CheckpointError(f"{name} is of version {state.get('version')!r}; this dualgrad knows 1: is it newer?")
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
            _write(history.best, state["best"])
        if state["stopped"] == "callback" and state["epochs"] == self.run.plan.epochs:
            history.stopped = "callback"
        return history


def _compared(run, rng, axis):
    """What has to be the same where a run goes on, as plain data."""
    plan, objective = run.plan, run.plan.examples.objective
    seed = rng.state_dict()["seed"]
    layout = Layout.of(run.params)
    return {
        "model": _described_model(objective.model), "loss": plain_data(objective.loss),
        "params": {name: list(shape) for name, shape in layout.shapes.items()},
        "dtypes": sorted({str(leaf.dtype) for leaf in leaves(run.params)}),
        "data": _of_data(plan.examples), "validation": None if plan.validation is None else _of_data(plan.validation),
        "batch_size": plan.batch_size, "shuffle": plan.shuffle, "drop_last": plan.drop_last, "axis": plain_data(axis),
        "metrics": sorted(plan.metrics), "watched": [plan.watched.metric, plan.watched.mode],
        "estimator": _kind(run.estimator), "optimizer": _kind(run.optimizer), "lr": _rate(run.optimizer),
        "seed": {name: value for name, value in seed.items() if name != "spawned"},
    }  # fmt: skip


def _described_model(model):
    """A model as plain data: of this package's layers every public attribute, their children's too."""
    if isinstance(model, dict):
        return {name: _described_model(layer) for name, layer in model.items()}
    if not isinstance(model, Layer) or type(model).__module__.partition(".")[0] != __package__.partition(".")[0]:
        return plain_data(model)
    public = {name: value for name, value in vars(model).items() if name[0] != "_" and name not in _FOLLOWS}
    return {"kind": type(model).__name__} | {name: _described_model(value) for name, value in public.items()}


def _of_data(examples):
    """Shapes and digests of a data set, and its keywords."""
    found = {name: [plain_data(leaf) for leaf in parts[0]] for name, parts in examples.parts.items()}
    return found | {"keywords": plain_data(examples.fixed)}


def _kind(thing):
    """The class of what compares its settings itself; of others what they were made with."""
    return type(thing).__name__ if hasattr(thing, "load_state_dict") else plain_data(thing)


def _rate(optimizer):
    """The rate that an optimizer is given with; a schedule is compared with the rest."""
    lr = getattr(optimizer, "lr", None)
    return "a schedule" if callable(lr) else None if lr is None else float(lr)


def _saved_state(thing):
    return thing.state_dict() if hasattr(thing, "state_dict") else None


def _as_saved(params):
    """Parameters as plain data: their arrays in order, and their buffers."""
    buffers = params.buffers if isinstance(params, Params) else {}
    arrays = [params.vector] if isinstance(params, Params) else leaves(params)
    return {"arrays": [to_numpy(a) for a in arrays], "buffers": {name: to_numpy(b) for name, b in buffers.items()}}


def _write(params, saved):
    """Put saved numbers into parameters."""
    arrays = [params.vector] if isinstance(params, Params) else leaves(params)
    for array, value in zip(arrays, saved["arrays"], strict=True):
        array[...] = like(value, array)
    for name, value in saved["buffers"].items():
        params.buffers[name][...] = like(value, params.buffers[name])
