"""Particles: many copies of a system side by side, each at parameters of its own."""

import itertools
from concurrent.futures import BrokenExecutor

import numpy as np

from ..errors import DualgradError, NonFiniteError, ShapeError
from ..tree import flatten, map_leaves
from .dynamics import Vectors

_CHUNKS = 8  # parts that go to an executor: their number does not depend on its workers


class Particles:
    """How the copies of a system are advanced: as one batch where it is batched, else one by one or by an executor."""

    def __init__(self, system, params, executor=None):
        if executor is not None and not hasattr(executor, "map"):
            raise TypeError(f"got executor={executor!r}; expected a concurrent.futures executor, or None")
        self.system, self.executor, self.thetas = system, executor, Vectors(params, "params")
        self._checked = False

    def spread(self, state, count):
        """``count`` copies of a state."""
        if self.system.batched:
            return map_leaves(lambda s: np.repeat(np.asarray(s)[None], count, axis=0), state)
        return [map_leaves(np.array, state) for _ in range(count)]

    def advance(self, t, states, thetas, x, y):
        """The states and losses ``(count,)`` after one step, at parameters that are rows of ``thetas``.

        Raises
        ------
        ShapeError
            For a loss that is not one number a particle.
        NonFiniteError
            For a loss that is not finite.
        DualgradError
            For a system whose batch is not what its particles are, or a worker that died.
        """
        if self.system.batched:
            after, losses = _batch(self.system, states, self.thetas.tree(thetas), x, y)
            if not self._checked:
                self._check_promise(states, thetas, x, y, after, losses)
        else:
            after, losses = self._one_by_one(states, [self.thetas.tree(theta) for theta in thetas], x, y)
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            raise NonFiniteError(
                f"step {t}: the loss of particle {bad[0]} (of {len(bad)} in {len(losses)}) is {losses[bad[0]]}; "
                "nothing was changed. Lower sigma or the learning rate, or bound the loss"
            )
        return after, losses

    def _one_by_one(self, states, params, x, y):
        if self.executor is None:
            pairs = _each(self.system, states, params, x, y)
        else:
            ends = np.linspace(0, len(states), min(_CHUNKS, len(states)) + 1).astype(int)
            parts = list(itertools.pairwise(ends))
            tasks = [(self.system, states[a:b], params[a:b], x, y) for a, b in parts]
            try:
                pairs = [pair for chunk in self.executor.map(_each_of, tasks) for pair in chunk]
            except BrokenExecutor as error:
                raise DualgradError(
                    "a worker of the executor died; no particle has moved: start another executor and go on with "
                    "learner.particles.executor = it"
                ) from error
        return [state for state, _ in pairs], np.array([loss for _, loss in pairs])

    def _check_promise(self, states, thetas, x, y, after, losses):
        """Compare the batch with its first and last particle."""
        for k in (0, len(thetas) - 1):
            one = map_leaves(lambda s, k=k: s[k], states)
            ((state, loss),) = _each(self.system, [one], [self.thetas.tree(thetas[k])], x, y)
            alone = np.concatenate([np.ravel(leaf) for leaf in flatten(state)[0]] + [[loss]])
            batch = np.concatenate([np.ravel(leaf[k]) for leaf in flatten(after)[0]] + [[losses[k]]])
            tolerance = 1e-3 if self.thetas.dtype == np.float32 else 1e-8
            if alone.shape != batch.shape or not np.allclose(alone, batch, rtol=tolerance, atol=tolerance):
                raise DualgradError(
                    f"the system says batched=True, but particle {k} of {len(thetas)} goes elsewhere in a batch than "
                    "alone: let step and loss work with a leading axis of state and parameters, or say batched=False"
                )
        self._checked = True


def _batch(system, states, params, x, y):
    count = len(flatten(states)[0][0])
    try:
        after = system.step(states, x, params)
        losses = np.asarray(system.loss(after, y, params))
    except (ValueError, IndexError, TypeError) as error:
        raise DualgradError(
            "the system says batched=True, but its step or loss fails with a leading axis of particles: let them work "
            f"with one in state and parameters, or say batched=False ({error})"
        ) from error
    shapes = [np.shape(leaf) for leaf in flatten(after)[0]]
    if shapes != [np.shape(leaf) for leaf in flatten(states)[0]]:
        raise ShapeError(
            f"the step returned states of shapes {shapes}; expected those it began with, with {count} ahead"
        )
    if losses.shape != (count,):
        raise ShapeError(f"the loss of a batch of {count} particles has shape {losses.shape}; expected ({count},)")
    return after, losses


def _each_of(task):
    return _each(*task)


def _each(system, states, params, x, y):
    """The state and the loss of one particle after another."""
    found = []
    for state, p in zip(states, params, strict=True):
        after = system.step(state, x, p)
        loss = system.loss(after, y, p)
        if np.shape(loss) != ():
            raise ShapeError(f"the loss of a particle has shape {np.shape(loss)}; expected a scalar, such as its sum")
        if [np.shape(s) for s in flatten(after)[0]] != [np.shape(s) for s in flatten(state)[0]]:
            shapes = [np.shape(s) for s in flatten(after)[0]]
            raise ShapeError(f"the step returned a state of shapes {shapes}; expected those it began with")
        found.append((after, loss))
    return found
