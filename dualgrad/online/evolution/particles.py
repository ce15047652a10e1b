"""Particles: many copies of a system side by side, each at parameters of its own."""

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from typing import Any

import numpy as np

from ...backend import is_host, to_numpy
from ...errors import DualgradError, NonFiniteError, ShapeError
from ...layout import Layout
from ...random import Rng
from ...tree import flatten, leaves, map_leaves
from ...workers.pool import named_failures
from ..dynamics import copied, layout_of_numbers, matched_state, require_finite_step
from ..system import DynamicalSystem
from .shifted_matrix import written_out

_PARTS = 32  # tasks that a step becomes for an executor
_CHECKED = 2  # steps over which a batch is compared with its particles: in the first one their states are all the same


class Particles:
    """How the copies of a system are advanced: as one batch where it is batched, else one by one or by an executor."""

    def __init__(self, system: DynamicalSystem, dynamics: Any, count: int, units: list[range] | None = None) -> None:
        self.system, self.dynamics, self.count = system, dynamics, count
        self.states = layout_of_numbers(dynamics.start(), "state")
        self.alone, self.units = units is None, [range(count)] if units is None else units
        self._checked = 0

    def spread(self, state):
        """A state for every particle: one batch of them or a list; of one worker of several, one for each unit."""
        spread = [self._spread(state, len(unit)) for unit in self.units]
        return spread[0] if self.alone else spread

    def _spread(self, state, count):
        if self.system.batched:
            return map_leaves(lambda s: np.repeat(s[None], count, axis=0), state)
        return [copied(state) for _ in range(count)]

    def unperturbed(self, t, state, params, x):
        """The state after a step at the parameters themselves, in arrays of its own."""
        after = matched_state(self.system.step(state, read_only(x), params), self.states)
        require_finite_step(t, "the state of the parameters themselves", *leaves(after))
        return copied(after)

    def advance(self, t, states, thetas_of, x, y, executor=None):
        """The states and losses of the own particles after a step, at the parameters ``thetas_of(unit)``.

        Losses may be NaN or infinite: see `require_finite_losses`.

        Raises
        ------
        ShapeError
            For a loss that is not one number a particle, or a state of another shape.
        NonFiniteError
            For a state that is not finite.
        DualgradError
            For a system whose batch is not what its particles are, or an executor that fails.
        """
        before = [states] if self.alone else states
        units = zip(before, self.units, strict=True)
        moved = [self._moved(each, thetas_of(unit), x, y, executor) for each, unit in units]
        after, losses = [a for a, _ in moved], np.concatenate([np.zeros(0, bool), *(found for _, found in moved)])
        if np.all(np.isfinite(losses)):
            if numbers := flatten(after)[0]:
                require_finite_step(t, "the state of a particle", np.concatenate(numbers, axis=None))
            if self.system.batched and self._checked < _CHECKED:
                self._compare_some(before, thetas_of, x, y, moved)
                self._checked += 1
        return after[0] if self.alone else after, losses

    def _moved(self, states, thetas, x, y, executor):
        if self.system.batched:
            return self._batch(states, thetas, x, y)
        return self._one_by_one(states, thetas, x, y, executor)

    # ------------------------------------------------------------------ as one batch

    def _batch(self, states, thetas, x, y):
        params, count = thetas.together(), len(thetas)
        hint = ": one entry each, or say batched=False"
        after = self._together(lambda: self.system.step(states, read_only(x), params), states, thetas, x, y)
        after = _matched(after, self.states, (count,), hint)
        losses = self._together(
            lambda: _losses_on_host(self.system.loss(after, read_only(y), params)), states, thetas, x, y
        )
        if losses.shape != (count,):
            raise ShapeError(f"the loss of {count} particles has shape {losses.shape}; expected ({count},){hint}")
        return after, losses

    def _together(self, call, states, thetas, x, y):
        """What a batch gives; where it fails at first and a particle alone does not, that is what is wrong."""
        try:
            return call()
        except (ValueError, LookupError, TypeError, DualgradError) as error:
            if self._checked:
                raise
            self._alone(0, states, thetas, x, y)
            raise DualgradError(
                "the system says batched=True, but its step or loss fails with a leading axis of particles: let them "
                f"work with one in state and parameters, or say batched=False ({error})"
            ) from error

    def _alone(self, k, states, thetas, x, y):
        """The state and the loss of particle k of a batch, by itself."""
        one = copied(map_leaves(lambda s: s[k], states))
        return _step_each(self.system, [one], [thetas.one(k)], x, y)[0]

    def _compare_some(self, before, thetas_of, x, y, moved):
        """Hold the first, the middle and the last particle against the same alone."""
        own = [number for unit in self.units for number in unit]
        some = {own[k] for k in (0, len(own) // 2, -1)} if own else set()
        for states, unit, (after, losses) in zip(before, self.units, moved, strict=True):
            if chosen := sorted(some.intersection(unit)):
                thetas = thetas_of(unit)
                for number in chosen:
                    self._compare(number, number - unit.start, states, thetas, x, y, after, losses)

    def _compare(self, number, k, states, thetas, x, y, after, losses):
        """Hold a particle, the k-th of a batch, against the same particle alone."""
        state, loss = self._alone(k, states, thetas, x, y)
        alone, batch = flatten(state)[0], flatten(map_leaves(lambda s: s[k], after))[0]
        kinds = {np.dtype(a.dtype) for a in (self.dynamics, *flatten(states)[0], *flatten(after)[0])}
        # wider than rounding, which a chaotic step amplifies; a false promise is off by the perturbations, of size σ
        tolerance = 1e-6 if all(kind.kind != "f" or kind.itemsize >= 8 for kind in kinds) else 1e-3
        pairs = [*zip(alone, batch, strict=True), (loss, losses[k])]
        if not all(np.allclose(to_numpy(a), to_numpy(b), rtol=tolerance, atol=tolerance) for a, b in pairs):
            raise DualgradError(
                f"the system says batched=True, but particle {number} of {self.count} goes elsewhere in a batch than "
                "alone: let step and loss work with a leading axis of state and parameters, or say batched=False"
            )

    # ------------------------------------------------------------------ one by one

    def _one_by_one(self, states, thetas, x, y, executor):
        params = [thetas.one(k) for k in range(len(thetas))]
        if executor is None:
            pairs = _step_each(self.system, states, params, x, y)
        else:
            ends = np.linspace(0, len(states), min(_PARTS, len(states)) + 1).astype(int)
            tasks = [(self.system, states[a:b], params[a:b], x, y) for a, b in itertools.pairwise(ends)]
            pairs = [pair for part in _run_tasks(executor, tasks) for pair in part]
        return [state for state, _ in pairs], np.array([loss for _, loss in pairs])


def require_finite_losses(t, losses):
    """Raise where the losses of particles are not finite, and name the first of these."""
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        raise NonFiniteError(
            f"step {t}: the losses of {len(bad)} of {len(losses)} particles are not finite, the first (particle "
            f"{bad[0]}) {losses[bad[0]]}; nothing was changed. Lower the learning rate, start with a smaller "
            "sigma, or bound the loss"
        )


def _step_each(system, states, params, x, y):
    """The state and the loss of one particle after another."""
    layout, found = Layout.of(states[0]), []
    for state, p in zip(states, params, strict=True):
        after = _matched(system.step(state, read_only(x), p), layout)
        loss = _losses_on_host(system.loss(after, read_only(y), p))
        if loss.shape != ():
            raise ShapeError(f"the loss of a particle has shape {loss.shape}; expected a scalar, such as its sum")
        found.append((after, loss))
    return found


def _matched(after, layout, lead=(), hint=""):
    """A state with its leaves in the order of those before, and none of them data that all particles see."""
    return matched_state(after, layout, lead, hint, _writable)


def _writable(leaf):
    """A leaf of a state, written out; data that all particles see are not kept, but copied."""
    leaf = written_out(leaf)
    return leaf.copy() if isinstance(leaf, np.ndarray) and not leaf.flags.writeable else leaf


def read_only(data):
    """A step's data for one particle of many, which cannot write to them; what it would use up raises."""
    if isinstance(data, np.ndarray):
        data = data.view()
        data.flags.writeable = False
        return data
    if type(data) is dict:
        return {key: read_only(value) for key, value in data.items()}
    if type(data) in (list, tuple):
        return type(data)(map(read_only, data))
    if isinstance(data, (Rng, random.Random, np.random.Generator, np.random.RandomState, Iterator)):
        raise TypeError(
            f"got x or y with {data!r:.60}, which the first particle would use up; expected what all can see: "
            "an array, or a seed"
        )
    return data.copy() if hasattr(type(data), "dtype") and not is_host(data) else data


def _each_of(task):
    return _step_each(*task)


def _run_tasks(executor, tasks):
    """`_each_of` of every task; whatever ails the executor is named."""
    go_on = "no particle has moved: go on with learner.executor = another one, or None"
    try:
        with named_failures(go_on):
            return list(executor.map(_each_of, tasks))
    except BrokenExecutor as error:
        raise DualgradError(f"a worker of the executor died; {go_on}") from error


def _losses_on_host(loss):
    """Losses on the host; what is no real number raises."""
    losses = to_numpy(loss) if hasattr(loss, "dtype") else np.asarray(loss)
    if losses.dtype.kind not in "fiub":
        raise TypeError(f"the system's loss returned {loss!r:.80}; expected real numbers, one a particle")
    return np.asarray(losses)
