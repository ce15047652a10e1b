"""Optimizer: what all share. Checks before anything changes, the rate, clipping, state by name, and work in blocks."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from ..backend import to_numpy
from ..checks import count
from ..errors import LayoutError, NonFiniteError
from ..settings import difference, of_this_version, plain_data, versioned
from ..tree import Tree
from ..vectors import all_finite
from .blockwise import blocks, norm, scratch, steady_norm
from .hyperparameters import Rate, as_hyperparameter, rate
from .leaves import described, matched, rebuilt, shapes_of, steppable
from .memory import Memory
from .schedules import Schedule

_TAKEN = "how many were taken"
LATER = {"maximize": False, "weight_decay": 0, "dampening": 0, "amsgrad": False}  # settings of the second version


@runtime_checkable
class GradientOptimizer(Protocol):
    """What a training loop needs of an optimizer, of this package or of one's own."""

    def step(self, params: Tree, gradient: Tree, /) -> object:
        """Move the parameters against a gradient, in place."""

    def state_dict(self) -> dict[str, Any]:
        """What has to be saved to go on."""

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Go on from what was saved."""


@dataclass(kw_only=True, eq=False, repr=False)
class Optimizer:
    """A step in place, and the state it needs.

    State is one vector per name and leaf of the parameters (a single one for Params), made at the first step;
    ``steps`` counts the steps taken. A hyper-parameter may be changed at any time, and is checked then. The gradient is
    clipped, turned round where the objective is to be maximized, and gets weight_decay w added (L2), in this order.
    """

    clip_norm: float | None = None
    clip_value: float | None = None
    maximize: bool = False

    grown = ({},)  # what its saved states have gained, version by version: in the second, `LATER` settings
    state_names = ()
    squares = ("v",)  # those of them that cannot be negative
    precision = np.float32  # what the moments have at least
    _by_blocks = False  # whether an update takes the gradient block by block
    _by_tensor = False  # whether the update of an entry depends on its whole tensor
    _adds_decay = False  # whether weight_decay w is a part of the gradient

    def __post_init__(self) -> None:
        self._agree()
        self.reset()

    def _set(self, name, value):
        """A hyper-parameter is checked when it is set; a name that is none is an error."""
        if name in self.__dataclass_fields__:
            before, value = vars(self).get(name), as_hyperparameter(name, value)
            super().__setattr__(name, value)
            try:
                if "steps" in vars(self) and name != "lr":
                    self._agree()
                    self._memory = Memory(self._memory.state, self._memory.places)  # another momentum, another memory
            except ValueError:
                super().__setattr__(name, before)
                raise
        elif name == "steps":
            super().__setattr__(name, count("steps", value, _TAKEN))
        elif name[0] == "_" or not type(self).__module__.startswith(__package__):  # a subclass has its own
            super().__setattr__(name, value)
        else:
            known = ", ".join(self.__dataclass_fields__)
            raise AttributeError(f"{type(self).__name__} has no hyper-parameter {name!r}; it has {known}")

    if not TYPE_CHECKING:  # a checker would take any name for a hyper-parameter
        __setattr__ = _set

    def _agree(self):
        """Raise unless the hyper-parameters fit each other."""
        if self.clip_norm is not None and self.clip_value is not None:
            raise ValueError(f"got {self!r}; expected clip_norm or clip_value, not both")

    def __repr__(self) -> str:
        names = [f.name for f in sorted(fields(self), key=lambda f: f.kw_only)]
        shown = {name: getattr(self, name) for name in names}
        given = ", ".join(f"{name}={v!r}" for name, v in shown.items() if v != LATER.get(name))
        return f"{type(self).__name__}({given})"

    # ------------------------------------------------------------------ a step

    def step(self, params: Tree, gradient: Tree) -> None:
        """Move ``params`` against ``gradient``, in place.

        Parameters
        ----------
        params : Params, array, or tree of arrays
        gradient : the same structure, shapes and dtype

        Raises
        ------
        LayoutError
            When names or shapes differ from those of ``params``, or ``params`` from those of earlier steps.
        NonFiniteError
            When the gradient has a NaN or an infinity, or is so large that a moment or a parameter would overflow.
        TypeError
            When ``params`` are read-only or no floating numbers, or the gradient's dtype does not fit theirs.
        ValueError
            When the schedule gives a negative number, or none. In each case nothing has changed.
        """
        leaves, gradients, names, places = matched(params, gradient, self._by_blocks)
        memory = self._memory.fitting(leaves, places, self)
        gradients = [
            g if g.__class__ is np.ndarray and g.dtype == kind and w.flags.writeable else steppable(w, g, name, kind)
            for w, g, name, kind in zip(leaves, gradients, names, memory.moments, strict=True)
        ]
        lr = rate(self.lr, self.steps + 1)
        norms = [norm(g) if self.clip_norm is None else steady_norm(g) for g in gradients]
        for size, name in zip(norms, names, strict=True):
            if not math.isfinite(size):
                raise self._refused(f"gradient{name} is not finite")
        state_bound, step_bound = self._bounds(lr, self._largest(norms) + self._largest_decay(leaves))
        own = vars(self)
        own["steps"] += 1
        try:
            sweep = self._sweep_all if step_bound < memory.headroom else self._sweep_copies
            with np.errstate(under="ignore"):
                sweep(lr, self._clipping(norms), leaves, gradients, memory)
        except BaseException as error:
            own["steps"] -= 1
            if isinstance(error, FloatingPointError):
                size = f"a gradient of norm {math.hypot(*norms):.3g} at the rate {lr:.3g}"
                raise self._refused(f"{size} is too large for {leaves[0].dtype} ({error})") from None
            raise
        own["_memory"], own["_state_bound"] = memory, state_bound

    def _refused(self, what):
        return NonFiniteError(
            f"step {self.steps + 1} of {self!r}: {what}; parameters and optimizer are unchanged: make the loss or the "
            "rate smaller, or clip the gradient"
        )

    def _sweep_all(self, lr, clip, leaves, gradients, memory):
        for k, (w, g) in enumerate(zip(leaves, gradients, strict=True)):
            arrays = w, g, *[vs[k] for vs in memory.state.values()]
            for part in memory.tensors(arrays) if self._by_tensor else [arrays]:
                self._sweep(lr, clip, *part)

    def _sweep_copies(self, lr, clip, leaves, gradients, memory):
        """The same, on copies in the precision of the moments; what has overflowed raises, and nothing has changed."""
        wide, trial = [w.astype(kind) for w, kind in zip(leaves, memory.moments, strict=True)], memory.copy()
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            self._sweep_all(lr, clip, wide, gradients, trial)
            new = [v.astype(w.dtype) for v, w in zip(wide, leaves, strict=True)] + trial.arrays()
        if not all(map(all_finite, new)):
            raise FloatingPointError("overflow")
        for old, a in zip(leaves + memory.arrays(), new, strict=True):
            old[...] = a

    def _sweep(self, lr, clip, *arrays):
        for w, g, *state in blocks(*arrays):
            self._update(lr, w, self._decayed(w, clip(g)), **dict(zip(self.state_names, state, strict=True)))

    def _decayed(self, w, g):
        """g + weight_decay w, into scratch."""
        if not self._adds_decay or not self.weight_decay:
            return g
        decayed = np.multiply(self.weight_decay, w, out=scratch(g))
        decayed += g
        return decayed

    # ------------------------------------------------------------------ clipping, and what cannot overflow

    def _largest(self, norms):
        """A bound of the entries of the gradient, once it is clipped."""
        return min(math.hypot(*norms), self.clip_norm or math.inf, self.clip_value or math.inf)

    def _largest_decay(self, leaves):
        """A bound of the entries that L2 adds to them."""
        decays = self._adds_decay and self.weight_decay
        return self.weight_decay * float(max(map(norm, leaves), default=0)) if decays else 0

    def _clipping(self, norms):
        """What clips a block of the gradient, into scratch: as torch's clip_grad_value_ and clip_grad_norm_."""
        if self.clip_value is not None:
            low, high = -self.clip_value, self.clip_value
            if self.maximize:
                return lambda g: np.clip(np.negative(g, out=(a := scratch(g))), low, high, out=a)
            return lambda g: np.clip(g, low, high, out=scratch(g))
        factor = self._factor(norms)
        return (lambda g: g) if factor == 1 else lambda g: np.multiply(factor, g, out=scratch(g))

    def _factor(self, norms):
        """What a gradient is multiplied by whose leaves have these norms: by clip_norm, and to maximize."""
        shorter = 1 if self.clip_norm is None else min(1, self.clip_norm / (math.hypot(*norms) + 1e-6))
        return -shorter if self.maximize else shorter

    def _bounds(self, lr, largest):
        """Bounds from the largest entry of the gradient: of the state, and of all that the step computes.

        Where the second is far from overflowing the step needs no other check.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------ state

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
        own = {name: isinstance(value, Schedule) or not callable(value) for name, value in found.items()}
        return {name: plain_data(value) if own[name] else "a function" for name, value in found.items()}

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
            **{name: memory.state[name] for name in self.state_names if name in memory.state},
        }
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
        try:
            steps, memory = self._rebuilt(state)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise LayoutError(f"the saved state of {self!r} is damaged: {error}") from None
        if state["lr"] is not None and not callable(self.lr):
            self.lr: Rate = state["lr"]
        self.steps, self._memory = steps, memory
        self._state_bound = max((float(np.max(np.abs(v), initial=0)) for v in memory.arrays()), default=0.0)

    def _rebuilt(self, state):
        """Steps and memory from a state; a ValueError where they cannot be."""
        if state["lr"] is not None:
            as_hyperparameter("lr", state["lr"], scheduled=False)
        places = None if state["parameters"] is None else rebuilt(state["parameters"])
        memory = Memory(
            {name: [np.array(to_numpy(v)) for v in state[name]] for name in self.state_names if name in state}, places
        )
        for name, arrays in memory.state.items():
            if places is not None and [v.shape for v in arrays] != shapes_of(places):
                raise ValueError(f"{name!r} does not have the shapes {shapes_of(places)} that it names")
            if not all(map(all_finite, arrays)):
                raise ValueError(f"{name!r} has a NaN or an infinity")
            if name in self.squares and any(np.any(part(v) < 0) for v in arrays for part in (np.real, np.imag)):
                raise ValueError(f"{name!r} has negative numbers, where sums of squares are expected")
        return count("steps", state["steps"], _TAKEN), memory

    def _recognised(self, state):
        """The state, if it is one of this kind of optimizer with these hyper-parameters."""
        settings = state.get("settings") if isinstance(state, dict) else None
        first = isinstance(settings, dict) and state.get("version", 1) == 1
        state = of_this_version(self, state)
        if first:
            known = {name: LATER[name] for name in self._settings() if name in LATER} | settings
            state["settings"] = {name: known[name] for name in self._settings() if name in known} | settings
        if state.get("kind") == type(self).__name__ and "settings" in state:
            self._require_settings(state["settings"])
        without_names = "shapes" in state and "settings" not in state  # as an earlier version saved it
        stepped = state.get("shapes" if without_names else "parameters") is not None
        expected = {"kind", "lr", "steps", *(("shapes",) if without_names else ("settings", "parameters"))}
        expected |= set(self.state_names) if stepped else set()
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
