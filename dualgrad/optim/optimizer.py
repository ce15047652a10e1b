"""Optimizer: what all share. Checks before anything changes, the rate, clipping, state by name, and work in blocks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from ..checks import count
from ..errors import NonFiniteError
from ..layout import Layout
from ..torch_names import OPTIMIZER, without
from ..tree import Tree
from ..vectors import all_finite
from .blockwise import blocks, norm, prepared, steady_norm
from .groups import Portion, as_groups, frozen_names, names_of, parts_of, portions_of, with_settings
from .hyperparameters import as_hyperparameter, rate
from .leaves import matched, steppable
from .memory import Memory
from .stored import LATER, TAKEN, Stored


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
class Optimizer(Stored):
    """A step in place, and the state it needs.

    State is one vector per name and leaf of the parameters (a single one for Params), made at the first step;
    ``steps`` counts the steps taken. A hyper-parameter may be changed at any time, and is checked then. The gradient is
    clipped, turned round where the objective is to be maximized, and gets weight_decay w added (L2), in this order.

    ``groups`` are settings by pattern of names: ``{"*.bias": {"weight_decay": 0}, "0.*": {"lr": 0}}``, any
    hyper-parameter but clip_norm. Of several patterns that match a name the later counts, setting by setting. Patterns
    are those of `fnmatch.fnmatchcase`, names those of Params; in a tree the keys with dots between. The number 0 for lr
    freezes: nothing of these parameters moves, no average either, and their gradient is not looked at.
    """

    clip_norm: float | None = None
    clip_value: float | None = None
    maximize: bool = False
    groups: Mapping[str, Mapping[str, Any]] | None = None

    precision = np.float32  # what the moments have at least
    _by_blocks = False  # whether an update takes the gradient block by block
    _by_tensor = False  # whether the update of an entry depends on its whole tensor
    _adds_decay = False  # whether weight_decay w is a part of the gradient
    _has_groups = True
    _plain = 1, -math.inf, math.inf, 0  # what a row begins with where nothing is done to the gradient
    _cut = None  # the parts of the parameters
    _frozen = None, ()

    def __post_init__(self) -> None:
        self._agree()
        self.reset()

    def _set(self, name, value):
        """A hyper-parameter is checked when it is set; a name that is none is an error."""
        if name in self.__dataclass_fields__:
            before = vars(self).get(name)
            value = as_groups(self, value) if name == "groups" else as_hyperparameter(name, value)
            super().__setattr__(name, value)
            vars(self).update(_cut=None, _frozen=(None, ()))
            try:
                if "steps" in vars(self) and name != "lr":
                    self._agree()
                    self._memory = Memory(self._memory.state, self._memory.places)  # another momentum, another memory
                    self._state_bound = self._memory.largest()  # also of what was frozen
            except ValueError:
                super().__setattr__(name, before)
                raise
        elif name == "steps":
            super().__setattr__(name, count("steps", value, TAKEN))
        elif name[0] == "_" or not type(self).__module__.startswith(__package__):  # a subclass has its own
            super().__setattr__(name, value)
        else:
            known = ", ".join(self.__dataclass_fields__)
            raise AttributeError(f"{type(self).__name__} has no hyper-parameter {name!r}; it has {known}")

    if not TYPE_CHECKING:  # a checker would take any name for a hyper-parameter
        __setattr__ = _set

        def __getattr__(self, name):
            raise AttributeError(without(f"{type(self).__name__!r} object", name, OPTIMIZER), name=name, obj=self)

    def _agree(self):
        """Raise unless the hyper-parameters fit each other."""
        if self.clip_norm is not None and self.clip_value is not None:
            raise ValueError(f"got {self!r}; expected clip_norm or clip_value, not both")
        if self.groups and not self._has_groups:
            raise ValueError(f"got {self!r}, which takes all weights of a unit together: expected no groups")
        for own in (self.groups or {}).values():
            with_settings(self, own)

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
        portions = self._portions(leaves, gradients, names, memory)
        state_bound, step_bound, norms = 0.0, 0.0, []
        for one in portions:
            sizes = [norm(g) if self.clip_norm is None else steady_norm(g) for g in one.gradients]
            for size, name in zip(sizes, one.names, strict=True):
                if not math.isfinite(size):
                    raise self._refused(f"gradient{name} is not finite")
            for bounds in one.bounds(sizes):
                state_bound, step_bound = max(state_bound, bounds[0]), max(step_bound, bounds[1])
            norms += sizes
        own = vars(self)
        own["steps"] += 1
        try:
            sweep = self._sweep_all if step_bound < memory.headroom else self._sweep_copies
            with np.errstate(under="ignore"):
                sweep(norms, portions, memory)
        except BaseException as error:
            own["steps"] -= 1
            if isinstance(error, FloatingPointError):
                size = (
                    f"a gradient of norm {math.hypot(*norms):.3g} at the rate {max(max(o.rates) for o in portions):.3g}"
                )
                raise self._refused(f"{size} is too large for {leaves[0].dtype} ({error})") from None
            raise
        own["_memory"], own["_state_bound"] = memory, state_bound

    def _refused(self, what):
        return NonFiniteError(
            f"step {self.steps + 1} of {self!r}: {what}; parameters and optimizer are unchanged: make the loss or the "
            "rate smaller, or clip the gradient"
        )

    def _portions(self, leaves, gradients, names, memory):
        """What is stepped with the same settings."""
        t = self.steps + 1
        if self.groups is None:
            own = [memory.state[name] for name in self.state_names]
            states = [[vs[k] for vs in own] for k in range(len(leaves))]
            return [Portion((self,), (rate(self.lr, t),), None, names, leaves, gradients, states)]
        if self._cut is None or self._cut[0] is not memory:
            vars(self)["_cut"] = memory, parts_of(self, memory.places, leaves)
        return portions_of(self._cut[1], t, self._state_bound, leaves, gradients, memory.state)

    def _sweep_all(self, norms, portions, memory):
        for one in portions:
            first, kind, by_tensor = one.members[0], None, self._by_tensor and self.groups is None
            for k, w in enumerate(one.leaves):
                if w.dtype is not kind:
                    kind = w.dtype
                    rows = [o._row(lr, norms, kind) for o, lr in zip(one.members, one.rates, strict=True)]
                arrays = w, one.gradients[k], *one.states[k]
                if one.blend is not None:
                    one.blend.sweep(first, rows, one.starts[k], *arrays)
                elif by_tensor:
                    for part in memory.tensors(arrays):
                        first._sweep(rows[0], *part)
                else:
                    first._sweep(rows[0], *arrays)

    def _sweep_copies(self, norms, portions, memory):
        """The same, on copies in the precision of the moments; what has overflowed raises, and nothing has changed."""
        wide = [one.copied(self.precision) for one in portions]
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            self._sweep_all(norms, wide, memory)
            new = [b.astype(a.dtype) for one, trial in zip(portions, wide, strict=True) for a, b in one.beside(trial)]
        if not all(map(all_finite, new)):
            raise FloatingPointError("overflow")
        old = [a for one, trial in zip(portions, wide, strict=True) for a, _ in one.beside(trial)]
        for a, b in zip(old, new, strict=True):
            a[...] = b

    def _row(self, rate, norms, kind):
        """All that stands in the step beside arrays of this dtype: `prepared`'s four, and those of the update."""
        high = math.inf if self.clip_value is None else self.clip_value
        decay = self.weight_decay if self._adds_decay else 0
        return self._factor(norms), -high, high, decay, *self._numbers(rate, kind)

    def _sweep(self, row, *arrays):
        for block in blocks(*arrays):
            self._apply(row, *block)

    def _apply(self, row, w, g, *state):
        """The step of a block; what is in the row may be a number, or an array of one for every entry."""
        factor, low, high, decay, *numbers = row
        self._update(numbers, w, prepared(w, g, factor, low, high, decay), *state)

    # ------------------------------------------------------------------ groups

    def frozen(self, params: Tree) -> tuple[str, ...]:
        """The names of the parameters that a group with the rate 0 keeps where they are.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> params = dg.Params({"0.weight": np.ones((2, 2)), "0.bias": np.ones(2), "2.weight": np.ones((2, 1))})
        >>> dg.optim.SGD(0.1, groups={"0.*": {"lr": 0}}).frozen(params)
        ('0.weight', '0.bias')
        """
        if self.groups is None:
            return ()
        layout = Layout.of(params)
        if self._frozen[0] is not layout:
            vars(self)["_frozen"] = layout, frozen_names(self, names_of(params))
        return self._frozen[1]

    def observe(self, value: float) -> None:
        """Tell the schedules that ask for it, as `dualgrad.optim.plateau` does, the loss of an epoch."""
        for schedule in self._observing():
            schedule.observe(value)

    # ------------------------------------------------------------------ clipping, and what cannot overflow

    def _largest(self, size):
        """A bound of the entries of a gradient of this norm, once it is clipped."""
        return min(size, self.clip_norm or math.inf, self.clip_value or math.inf)

    def _factor(self, norms):
        """What a gradient is multiplied by whose leaves have these norms: by clip_norm, and to maximize."""
        if self.clip_norm is None:
            return -1 if self.maximize else 1
        shorter = min(1, self.clip_norm / (math.hypot(*norms) + 1e-6))
        return -shorter if self.maximize else shorter

    def _numbers(self, rate, kind):
        """What stands in the formula of this step beside arrays of this dtype."""
        raise NotImplementedError

    def _update(self, numbers, w, g, *state):
        """The step of a block of weights, in place; a number on which groups differ is an array of one an entry."""
        raise NotImplementedError

    def _bounds(self, lr, largest):
        """Bounds from the largest entry of the gradient: of the state, and of all that the step computes.

        Where the second is far from overflowing the step needs no other check.
        """
        raise NotImplementedError
