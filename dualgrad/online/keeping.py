"""StreamKeeper: the checkpoint of a learner that follows a stream."""

import os
import time
from typing import Any

from ..checkpoint import load, save
from ..errors import CheckpointError, LayoutError
from ..settings import difference, layout_of, plain_data
from ..training.callbacks import with_state
from ..training.saved import params_as_saved, require_saved, write_params

_PAUSE = 3.0  # between two saves
_SAVES_APART = 20  # times as long as a save takes, at least
KIND_ONLINE = "dualgrad.online.fit"
_FIELDS: dict[str, Any] = {
    "settings": dict, "params": dict, "learner": dict, "optimizer": dict, "step": int, "steps": int | None,
    "callbacks": list, "since": list, "episodes": int, "rows": list, "stopped": str | None,
}  # fmt: skip


class StreamKeeper:
    """The file of a run; without a path, nothing."""

    def __init__(self, path: Any, run: Any) -> None:
        self.path, self.run, self._due = path, run, 0.0
        if path is None:
            return
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise TypeError(f"got checkpoint={path!r:.80}; expected the name of a file, or None")
        for name in ("learner", "optimizer"):
            thing = getattr(run, name)
            if not all(hasattr(thing, f"{x}state_dict") for x in ("", "load_")):
                raise TypeError(
                    f"got {name}={thing!r:.80}, without state_dict and load_state_dict, which a checkpoint needs"
                )
        self.path = os.path.abspath(path)  # wherever the program goes
        rng, lr = run.learner.rng, getattr(run.optimizer, "lr", None)
        seed = None if rng is None else rng.state_dict()["seed"]
        self.settings = {
            "params": layout_of(run.learner.params), "every": run.every, "stream": run.stream.said(),
            "optimizer": type(run.optimizer).__name__, "lr": "a schedule" if callable(lr) else plain_data(lr),
            "seed": None if seed is None else {k: plain_data(v) for k, v in seed.items() if k != "spawned"},
        }  # fmt: skip

    # ------------------------------------------------------------------ save

    def save(self, now: bool) -> None:
        """Save, now or if it is time to."""
        if self.path is None or not now and time.monotonic() < self._due:
            return
        begun = time.monotonic()
        save(self.path, self._state())
        end = time.monotonic()
        self._due = end + max(_PAUSE, _SAVES_APART * (end - begun))

    def _state(self):
        run = self.run
        return {
            "kind": KIND_ONLINE, "version": 1, "settings": self.settings, "params": params_as_saved(run.params),
            "learner": run.learner.state_dict(), "optimizer": run.optimizer.state_dict(), "stream": run.stream.state(),
            "step": run.t, "steps": run.steps, "since": [run.total, run.seen, run.seconds], "episodes": run.episodes,
            "rows": run.history.rows, "stopped": run.history.stopped,
            "callbacks": [one.state_dict() for one in with_state(run.callbacks)],
        }  # fmt: skip

    # ------------------------------------------------------------------ load

    def load(self) -> None:
        """Put the run where its file says it stands, if there is one."""
        if self.path is None or not os.path.exists(self.path):
            return
        run, state = self.run, load(self.path)
        self._require_own(state)
        own = [one.state_dict() for one in with_state(run.callbacks)]
        before = params_as_saved(run.params), run.learner.state_dict(), run.optimizer.state_dict(), own
        try:
            self._put(state["params"], state["learner"], state["optimizer"], state["callbacks"])
            run.stream.go_to(state["stream"])
        except (LayoutError, ValueError, KeyError, TypeError) as error:
            self._put(*before)
            raise CheckpointError(f"{self.path} does not fit this call: {error}; nothing has changed") from error
        run.t, run.episodes, run.history.rows = state["step"], state["episodes"], state["rows"]
        run.total, run.seen, run.seconds = state["since"]
        if state["stopped"] == "callback" and state["steps"] == run.steps:
            run.history.stopped = "callback"

    def _put(self, params, learner, optimizer, callbacks):
        write_params(self.run.params, params)  # first: a window is taken again at its parameters
        self.run.learner.load_state_dict(learner)
        self.run.optimizer.load_state_dict(optimizer)
        for one, state in zip(with_state(self.run.callbacks), callbacks, strict=True):
            one.load_state_dict(state)

    def _require_own(self, state):
        """Raise unless this is the state of the same call."""
        name, run = os.fsdecode(self.path), self.run
        require_saved(state, name, "online.fit", _FIELDS, len(with_state(run.callbacks)))
        current = dict(self.settings)
        if getattr(run.optimizer, "lr", None) == state["optimizer"].get("lr"):
            current["lr"] = state["settings"]["lr"]  # the optimizer of the run itself, whose rate was changed since
        if differ := difference(state["settings"], current):
            raise CheckpointError(
                f"{name} was saved by another call: {differ}; give the same arguments, or another path. Nothing has "
                "changed"
            )
        if run.steps is not None and run.steps < state["step"]:
            raise ValueError(
                f"got steps={run.steps}; {name} has taken {state['step']}: steps count from the run's start"
            )
