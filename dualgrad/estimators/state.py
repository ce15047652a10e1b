"""State: what estimators keep, saved as plain data, restored whole or not at all, and put back after an error."""

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from ..backend import is_array, to_numpy
from ..errors import LayoutError
from ..settings import known_state, layouts_differ, require_fit, saved_count, settings, versioned

Names: TypeAlias = tuple[str, ...]


class Stateful:
    """What goes on from one estimate to the next, as plain data for `dualgrad.save`: empty where nothing is kept.

    A subclass names in ``vectors`` what it carries from one estimate to the next over the parameters (``_average`` as
    ``"average"``; None before there is one), and in ``parts`` which arguments of its constructor are estimators or
    critics of their own, and where it keeps them. ``made`` counts its estimates.
    """

    vectors: Names = ()
    parts: Mapping[str, str] = {}
    made: int = 0
    grown: tuple[dict[str, Any], ...] = ()  # what its saved states have gained, version by version
    _layout = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in cls.vectors:
            if not hasattr(cls, f"_{name}"):
                setattr(cls, f"_{name}", None)

    @property
    def has_memory(self) -> bool:
        """Whether something of the parameters goes on to the next estimate."""
        return bool(self.vectors)

    def _one_more(self):
        """One estimate more was made."""
        self.made += 1

    def reset(self) -> None:
        """Forget what past estimates have left, here and in what it is made of; a learner's own episode goes on."""
        self.made, self._layout = 0, None
        for name in self.vectors:
            setattr(self, f"_{name}", None)
        for name in self.parts.values():
            parts = getattr(self, name)
            for part in parts if isinstance(parts, list) else [parts]:
                if hasattr(part, "start"):
                    part.made = 0
                elif hasattr(part, "reset"):
                    part.reset()

    def state_dict(self) -> dict[str, Any]:
        """What goes on from one estimate to the next, as plain data for `dualgrad.save`: empty but for the settings and
        the count of estimates where nothing does."""
        state = self._head() | {
            "made": self.made,
            "layout": self._layout,
            **{name: None if (v := getattr(self, f"_{name}")) is None else v.copy() for name in self.vectors},
            **{name: _state_of(getattr(self, name)) for name in self.parts.values()},
        }
        return versioned(self, state)

    def _head(self):
        return {"estimator": settings(self, without=self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises
        ------
        LayoutError
            When it is not the state of such an estimator with these settings, which it names; nothing has changed.
        """
        head = self._head()
        state = known_state(self, state, {*head, "made", "layout", *self.vectors, *self.parts.values()})
        require_fit(self, "estimator", state["estimator"], head["estimator"])
        made = saved_count(state, "made", "estimates there were")
        layout = _layout(state["layout"])
        pairs = self._pairs(state)
        vectors = {name: self._vector(name, state[name], layout) for name in self.vectors}
        _load_all(pairs)
        self.made, self._layout = made, layout
        for name, vector in vectors.items():
            setattr(self, f"_{name}", vector)

    def _vector(self, name, saved, layout):
        if saved is None:
            return None
        shape = (*self._lead(), sum(int(np.prod(shape)) for shape in (layout or {}).values()))
        given = np.array(to_numpy(saved) if is_array(saved) else saved)
        if given.dtype.kind != "f" or given.shape != shape or not np.all(np.isfinite(given)):
            raise LayoutError(f"the saved {name} is {given.dtype}{list(given.shape)}; expected finite numbers {shape}")
        return given

    def _lead(self):
        """The axes of its vectors in front of the parameters'."""
        return ()

    def _pairs(self, state):
        """Its parts, each with its saved state."""
        pairs = []
        for name in self.parts.values():
            own, saved = getattr(self, name), state[name]
            if not isinstance(own, list):
                own, saved = [own], [saved]
            if not isinstance(saved, (list, tuple)) or len(saved) != len(own):
                count = len(saved) if isinstance(saved, (list, tuple)) else f"{saved!r:.80} for"
                raise LayoutError(f"the saved state has {count} {name}; {self!r} has {len(own)}")
            pairs += zip(own, saved, strict=True)
        return pairs

    def _require_same(self, layout):
        """Raise where what is kept belongs to parameters of another layout."""
        now = layout.named
        if self._layout is not None and list(now.items()) != list(self._layout.items()):
            found = layouts_differ({"shapes": self._layout}, {"shapes": now})
            raise LayoutError(f"{self!r} keeps what belongs to other parameters: {found}; reset() forgets it")
        self._layout = now


def attempted(thing, call, *args):
    """``call(*args)``, which leaves a thing, and what it is made of, as they were where anything is raised."""
    before = list(_snapshot(thing)) if thing.parts else [(thing, dict(vars(thing)), None)]
    try:
        return call(*args)
    except BaseException:
        for one, attributes, state in before:
            vars(one).clear()
            vars(one).update(attributes)
            if state is not None:
                one.load_state_dict(state)
        raise


def _snapshot(thing):
    """Of a thing and its parts: each, its attributes, and its saved state where it is of a class of one's own.

    A copy of what is ours is not reached by what the original does later; of others only their state is known.
    """
    if not hasattr(thing, "__dict__"):
        return
    ours = type(thing).__module__.startswith("dualgrad.")
    stateful = not ours and all(callable(getattr(thing, name, None)) for name in ("state_dict", "load_state_dict"))
    yield thing, dict(vars(copy.copy(thing) if ours else thing)), thing.state_dict() if stateful else None
    for name in getattr(thing, "parts", {}).values():
        parts = getattr(thing, name)
        for part in parts if isinstance(parts, list) else [parts]:
            yield from _snapshot(part)


def _layout(saved):
    """A saved layout, checked; None before there were parameters."""
    if saved is None:
        return None
    shapes = saved.values() if isinstance(saved, dict) else [None]
    whole = all(isinstance(shape, (tuple, list)) and all(isinstance(n, int) for n in shape) for shape in shapes)
    if not whole:
        raise LayoutError(f"the saved state has layout={saved!r:.80}; expected the shapes of parameters by name")
    return {name: tuple(shape) for name, shape in saved.items()}


def _state_of(part):
    if isinstance(part, list):
        return [_state_of(one) for one in part]
    return part.state_dict() if hasattr(part, "state_dict") else settings(part)


def _load_all(pairs):
    """All parts go on from their states, or none where one objects."""
    before = [_state_of(part) for part, _ in pairs]
    try:
        for part, saved in pairs:
            _load_into(part, saved)
    except Exception:  # whatever a part objects to, none is left loaded
        for (part, _), state in zip(pairs, before, strict=True):
            _load_into(part, state)
        raise


def _load_into(part, state):
    if hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    else:
        require_fit(part, "settings", state, settings(part))
