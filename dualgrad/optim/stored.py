"""Stored: what an optimizer has learned, as plain data, and what it is compared with when it is loaded."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backend import to_numpy
from ..checks import count
from ..errors import LayoutError
from ..settings import difference, of_this_version, plain_data, versioned
from ..vectors import all_finite
from .groups import with_settings
from .hyperparameters import Rate, as_hyperparameter
from .leaves import described, rebuilt, shapes_of
from .memory import Memory
from .schedules import Schedule, observing

TAKEN = "how many were taken"
LATER = {  # settings of the second version and the third
    "maximize": False, "weight_decay": 0, "dampening": 0, "amsgrad": False, "groups": None,
}  # fmt: skip


class Stored:
    """The state of an optimizer: moments by name, the count of steps, and what its schedules have seen."""

    grown: tuple[dict[str, Any], ...] = (
        {},
        {},
    )  # what its saved states have gained, version by version: in the later two, `LATER` settings
    state_names = ()
    squares: tuple[str, ...] = ("v",)  # those of them that cannot be negative
    lr: Rate
    groups: Mapping[str, Mapping[str, Any]] | None

    @property
    def _kept(self):
        """The names of the vectors it keeps, of all groups together."""
        names = [
            *self.state_names,
            *(n for own in (self.groups or {}).values() for n in with_settings(self, own).state_names),
        ]
        return list(dict.fromkeys(names))

    def _stateful(self):
        """The schedules with a state that is saved."""
        return [one for one in self._observing() if hasattr(one, "state_dict")]

    def _observing(self):
        """The schedules that are told how it goes, each once."""
        rates = [getattr(self, name) for name in self.__dataclass_fields__]
        rates += [value for own in (self.groups or {}).values() for value in own.values()]
        found = {id(one): one for value in rates if callable(value) for one in observing(value)}
        return list(found.values())

    def reset(self) -> None:
        """Forget all state, as after construction."""
        self.steps: int = 0
        self._memory, self._state_bound = Memory({}), 0.0

    def _settings(self):
        """The hyper-parameters that a state does not restore: all but a rate that is a number, or a function of which
        nothing is known."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if not isinstance(self.lr, Schedule):
            del found["lr"]
        if self.groups:
            found["groups"] = {
                p: {name: _plain_setting(v) for name, v in own.items()} for p, own in self.groups.items()
            }
        return {name: _plain_setting(value) for name, value in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """The state as plain data for `dualgrad.save`: the rate, the step count and one entry per named vector.

        Beside them are the names and shapes of the parameters, and the hyper-parameters, with which they are compared
        when the state is loaded. The rate is None for a schedule, which goes on by the step count.
        """
        memory = self._memory.copy()
        state = {
            "kind": type(self).__name__,
            "lr": None if callable(self.lr) else self.lr,
            "steps": self.steps,
            "settings": self._settings(),
            "parameters": None if memory.places is None else described(memory.places),
            **{name: memory.state[name] for name in self._kept if name in memory.state},
        }
        if schedules := self._stateful():
            state["schedules"] = [one.state_dict() for one in schedules]
        return versioned(self, state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state; its rate replaces a number, while a schedule stays.

        All other hyper-parameters have to be those of the optimizer that was saved; set others after loading. The
        names and shapes of the parameters are compared at the next step. A state that was saved before they were in it
        is loaded with a warning.

        Raises
        ------
        LayoutError
            When names are missing or unknown, hyper-parameters differ, or numbers are not finite; the optimizer is
            unchanged.
        """
        state = self._recognised(state)
        schedules = self._stateful()
        before = [one.state_dict() for one in schedules]
        try:
            steps, memory = self._rebuilt(state)
            for one, saved in zip(schedules, state.get("schedules", ()), strict=True):
                one.load_state_dict(saved)
        except (KeyError, TypeError, AttributeError, ValueError, LayoutError) as error:
            for one, saved in zip(schedules, before, strict=True):
                one.load_state_dict(saved)
            raise LayoutError(f"the saved state of {self!r} is damaged: {error}") from None
        if state["lr"] is not None and not callable(self.lr):
            self.lr: Rate = state["lr"]
        self.steps, self._memory = steps, memory
        self._state_bound = memory.largest()

    def _rebuilt(self, state):
        """Steps and memory from a state; a ValueError where they cannot be."""
        if state["lr"] is not None:
            as_hyperparameter("lr", state["lr"], scheduled=False)
        places = None if state["parameters"] is None else rebuilt(state["parameters"])
        memory = Memory(
            {name: [np.array(to_numpy(v)) for v in state[name]] for name in self._kept if name in state}, places
        )
        for name, arrays in memory.state.items():
            if places is not None and [v.shape for v in arrays] != shapes_of(places):
                raise ValueError(f"{name!r} does not have the shapes {shapes_of(places)} that it names")
            if not all(map(all_finite, arrays)):
                raise ValueError(f"{name!r} has a NaN or an infinity")
            if name in self.squares and any(np.any(part(v) < 0) for v in arrays for part in (np.real, np.imag)):
                raise ValueError(f"{name!r} has negative numbers, where sums of squares are expected")
        return count("steps", state["steps"], TAKEN), memory

    def _recognised(self, state):
        """The state, if it is one of this kind of optimizer with these hyper-parameters."""
        settings = state.get("settings") if isinstance(state, dict) else None
        earlier = isinstance(settings, dict) and state.get("version", 1) in range(1, 1 + len(self.grown))
        state = of_this_version(self, state)
        if earlier:
            known = {name: LATER[name] for name in self._settings() if name in LATER} | settings
            state["settings"] = {name: known[name] for name in self._settings() if name in known} | settings
        if state.get("kind") == type(self).__name__ and "settings" in state:
            self._require_settings(state["settings"])
        without_names = "shapes" in state and "settings" not in state  # as an earlier version saved it
        stepped = state.get("shapes" if without_names else "parameters") is not None
        expected = {"kind", "lr", "steps", *(("shapes",) if without_names else ("settings", "parameters"))}
        expected |= set(self._kept) if stepped else set()
        expected |= {"schedules"} if self._stateful() else set()
        if set(state) != expected or state["kind"] != type(self).__name__:
            raise LayoutError(
                f"got the state of {state.get('kind', 'no optimizer')!r} with {sorted(state)}; {self!r} expects "
                f"{sorted(expected)}"
            )
        if without_names:
            warnings.warn(
                f"this state of {type(self).__name__} was saved without names and hyper-parameters, which cannot be "
                "compared",
                stacklevel=3,
            )
            return state | {"parameters": None}
        return state

    def _require_settings(self, saved):
        """Raise where a hyper-parameter that is not restored is another one."""
        if not isinstance(saved, dict):
            raise LayoutError(f"the saved state of {self!r} has settings={saved!r:.80}; expected them by name")
        current = self._settings()
        either = {name for name in {*current, *saved} if name != "lr" or {"lr"} <= current.keys() & saved.keys()}
        if differ := difference(*({k: v for k, v in some.items() if k in either} for some in (saved, current))):
            raise LayoutError(
                f"the saved state is of {type(self).__name__} with {differ}: make this one so, load, and then set what "
                "is to change"
            )


def _plain_setting(value):
    """A setting as plain data."""
    return plain_data(value) if isinstance(value, Schedule) or not callable(value) else "a function"
