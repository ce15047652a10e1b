"""What online estimators share: an episode run step by step, each step's loss and gradient, and state that is saved."""

import copy
import dataclasses
from typing import Any, Self

import numpy as np

from ..backend import Array, is_array, is_host, to_numpy
from ..backend import like as on_device
from ..errors import DualgradError, LayoutError
from ..estimators.estimate import Estimate
from ..estimators.moving import Partial, whole_of
from ..estimators.point import Point, require_finite, require_finite_gradient
from ..estimators.state import Names
from ..nn.layer import with_buffers
from ..nn.recurrent import require_recurrent
from ..random import Rng, RngLike, as_rng
from ..settings import call_of, known_state, require_fit, saved_count, settings, versioned
from ..tree import Tree, flatten, map_leaves, unflatten
from ..vectors import all_finite
from .dynamics import require_finite_step, require_scalar_loss
from .network import Network
from .system import DynamicalSystem


class OnlineEstimator:
    """An episode of a system, and a running estimate of G = ∂s/∂θ: how the parameters influence the state.

    ``start(system, params, rng=...)``, then ``step(x, y)`` for every input and target, and ``reset()`` at the end of
    an episode. The parameters are the caller's own: an optimizer may change them between steps, and G is then that of
    the trajectory of parameters that was in fact taken.

    A subclass says what it keeps: ``init_memory()`` makes the memory of an episode, ``propagate(memory, transitions)``
    takes it through a step, ``influence(memory, H, transition)`` is its estimate of H G, and
    ``reduce(memory, transition)`` readies it for the next step. Each returns new arrays, so that a step that fails
    changes nothing.
    """

    draws: bool = False  # whether it needs an rng
    named: Names = ()  # which arguments its repr always names
    made: int = 0  # estimates over whole sequences
    grown: tuple[dict[str, Any], ...] = ()  # what its saved states have gained, version by version
    system: DynamicalSystem
    dynamics: Any
    params: Tree
    rng: Rng | None
    steps: int
    state: Tree
    memory: Any

    def __repr__(self) -> str:
        return call_of(self, self.named)

    def start(self, system: DynamicalSystem, params: Tree, *, rng: RngLike = None) -> Self:
        """Begin an episode of ``system`` at ``params``, which are kept by reference and read at every step.

        Parameters
        ----------
        system : System or Network
        params : Params, array, or tree of arrays
        rng : int, numpy.random.Generator or Rng
            Needed by the estimators that draw.

        Returns
        -------
        the estimator itself
        """
        return self._started(system, params, rng)

    def _started(self, system, params, rng, **options):
        if not hasattr(system, "dynamics"):
            raise TypeError(f"got system={system!r:.80}; expected an online.System or a Network: start(system, params)")
        if self.draws and rng is None:
            raise TypeError(f"{self!r} draws random numbers: start(system, params, rng=0)")
        before = dict(self.__dict__)
        try:
            self.dynamics, self.rng = system.dynamics(params), None if rng is None else as_rng(rng)
            self.system, self.params = system, params
            self.__dict__.update(options)
            self._prepare()
            self._restart()
        except Exception:  # the episode that was goes on
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _prepare(self):
        """What a system needs once, before its first episode."""

    def _restart(self):
        self.steps, self.state, self._last = 0, self.dynamics.start(), None
        self.memory = self.init_memory()

    def reset(self) -> None:
        """End the episode: back to the initial state, without influence."""
        self._require_started()
        self._restart()

    def _require_started(self):
        if not hasattr(self, "dynamics"):
            raise DualgradError(f"{self!r} has no system yet: start(system, params, rng=0)")

    # ------------------------------------------------------------------ a step

    def step(self, x: Any, y: Any) -> Estimate:
        """s ← step(s, x, θ), then the loss ℓ(s, y, θ) and an estimate of its gradient.

        Of x and y, which for a `System` may be trees, arrays of other libraries are taken as NumPy's.

        Raises
        ------
        TypeError
            For an input or a target that no array can be made of.
        ShapeError
            When the step changes the shape of the state, or the loss is no scalar.
        NonFiniteError
            When the state, the loss or the gradient is not finite; it names the step. In each case nothing has
            changed.
        """
        x, y = self._given(x, y)
        state, transitions = self._advanced(x)
        loss, cotangent = self.dynamics.loss(self.params, state, y)
        require_scalar_loss(loss)
        require_finite_step(self.steps + 1, "the loss", loss)
        gradient, slopes = self._learned(state, transitions, cotangent)
        return Estimate(loss, self.dynamics.gradient(gradient, self.params), slopes, self.cost())

    def _given(self, x, y):
        """Input and target as the system takes them: lists, tensors and columns as arrays, or an error in words."""
        self._require_started()
        return self.dynamics.given(self, x, "an input"), self.dynamics.given(self, y, "a target")

    def _advanced(self, x):
        """The next state and its transitions."""
        self._require_started()
        return self._advanced_at(self.params, x)

    def _advanced_at(self, params, x):
        state, transitions = self.dynamics.advance(params, self.state, x)
        require_finite_step(self.steps + 1, "the state", *flatten(state)[0])
        return state, transitions

    def _learned(self, state, transitions, cotangent):
        """The gradient as a vector, with what was learnt of G on the way; then the step is taken."""
        t, drawn = self.steps + 1, None if self.rng is None else self.rng.place()
        try:
            memory = self.propagate(self.memory, transitions)
            gradient, slopes = self.gradient(memory, cotangent, transitions[-1])
            require_finite_step(t, "the gradient", gradient)
            reduced = self.reduce(memory, transitions[-1])
            if reduced is not memory:
                require_finite_step(t, "the influence", *flatten(reduced)[0])
        except Exception:  # a step that is taken again draws the same
            if drawn is not None:
                self.rng.rewind(drawn)
            raise
        self._moved_on(t, state, reduced)
        self._last = memory, transitions[-1]
        return gradient, slopes

    def _moved_on(self, t, state, memory):
        """Step t is taken."""
        self.steps, self.state, self.memory = t, state, memory

    def gradient(self, memory: Any, cotangent: Any, transition: Any) -> tuple[Array, Any]:
        """∂ℓ/∂θ at fixed s, and H G beside it; and the directional derivatives, if it is made of such."""
        H, direct = cotangent.vectors()
        gradient = direct.copy()
        gradient[..., self.dynamics.recurrent] += self.influence(memory, H, transition)
        return gradient, None

    def init_memory(self) -> Any:
        """The memory at the start of an episode, when nothing has had an influence."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it remembers")

    def propagate(self, memory: Any, transitions: list[Any]) -> Any:
        """The memory after a step."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a step changes its memory")

    def influence(self, memory: Any, H: Array, transition: Any) -> Array:
        """H G."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its memory knows of H G")

    def reduce(self, memory: Any, transition: Any) -> Any:
        """The memory as it is kept until the next step."""
        return memory

    def cost(self) -> float:
        """The cost of a step in forward passes of the system."""
        return 1.0

    @property
    def units(self) -> int:
        """How many numbers are the state of one stream."""
        return self.dynamics.size // (getattr(self.system, "streams", None) or 1)

    def fisher(self) -> Array:
        """√p_c ∂(-log p_c)/∂θ for every class c after the last step, ``(classes, p)``: rows whose outer products add up
        to the exact Fisher matrix of a softmax prediction, GᵀHᵀ(diag p - p pᵀ)H G (NoBackTrack, eq. 26).

        For a `Network` with cross-entropy; call it between ``step`` and the optimizer's. Cost: one readout's pullback
        and one product with G per class.
        """
        self._require_started()
        if self._last is None or not hasattr(self.dynamics, "class_losses"):
            raise DualgradError(f"{self!r} knows the Fisher matrix of a Network with nn.cross_entropy, after a step")
        memory, transition = self._last
        classes = self.dynamics.class_losses(self.params, self.state)
        return np.stack([self.gradient(memory, cotangent, transition)[0] for cotangent in classes])

    # ------------------------------------------------------------------ over a whole sequence

    def estimate(self, objective: Any, params: Tree, *, rng: RngLike = None) -> Estimate:
        """The loss of a bound network over its sequences, and the sum of the steps' gradient estimates.

        The network is a `Sequential` of recurrent layers and a readout over ``(T, B, n)``; so any online estimator is a
        candidate of `dualgrad.estimators.Dodge`. The episode that was started is left alone.
        """
        if isinstance(objective, Partial):
            found = self.estimate(*whole_of(objective, params), rng=rng)
            return dataclasses.replace(found, gradient=objective.part.taken(found.gradient))
        last_only = require_recurrent(self, objective)[-1].last_only
        if objective.kwargs:
            raise DualgradError(
                f"{self!r} goes step by step, where {sorted(objective.kwargs)} mean something else: bind without them"
            )
        at = Point(self, objective, params)
        network = Network.of(objective.model, objective.loss, streams=objective.x.shape[1])
        prediction, _ = objective.model.vjp(with_buffers(at.params), objective.x)
        value, pull_loss = objective.loss.vjp(prediction, objective.y, **objective.loss_keywords())
        require_finite(self, value)
        run, dy = copy.copy(self).start(network, at.params, rng=rng), pull_loss(1.0)
        total = cost = 0
        for t, x in enumerate(objective.x):
            state, transitions = run._advanced(x)
            _, pull = run.dynamics.predicting(at.params, state)
            seen = dy * (t == len(objective.x) - 1) if last_only else dy[t]
            total = total + run._learned(state, transitions, pull(seen))[0]
            cost += run.cost() / len(objective.x)
        gradient = at.like(at.layout.vector(run.dynamics.gradient(total, at.params)))
        require_finite_gradient(self, value, gradient, at.layout)
        self.made += 1
        return Estimate(value, at.layout.tree(gradient), None, 1.0 + cost)

    # ------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, Any]:
        """The episode as plain data for `dualgrad.save`: state, memory, the count of steps and the random stream.

        In the middle of a window too; inputs are kept that are still needed. Before `start` there is no episode in it.
        """
        head = {"estimator": settings(self), "made": self.made, "system": None, "steps": 0, "state": None}
        state = versioned(self, head)
        if not hasattr(self, "dynamics"):
            return state | {"memory": None, "rng": None}
        return state | {
            "system": self.dynamics.signature(),
            "steps": self.steps,
            "state": saved_leaves(self.state),
            "memory": self.saved_memory(),
            "rng": None if self.rng is None else self.rng.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved episode, after `start` with the same system and parameters of the same names and shapes.

        Raises
        ------
        LayoutError
            When it was saved by another estimator, with other settings, or of another system, which it names; nothing
            has changed.
        """
        gained = {name for more in self.grown for name in more}
        state = known_state(self, state, {"estimator", "made", "system", "steps", "state", "memory", "rng", *gained})
        require_fit(self, "estimator", state["estimator"], settings(self))
        started = hasattr(self, "dynamics")
        if state["system"] is not None:
            self._require_started()
        elif started:
            raise LayoutError(f"the saved state has no episode, and {self!r} is in one: make a new one")
        steps = saved_count(state, "steps", "were taken")
        made = saved_count(state, "made", "estimates there were")
        if started:
            require_fit(self, "system", state["system"], self.dynamics.signature())
            self._require_own(state)
            found = (
                restored_leaves("state", state["state"], self.state),
                self.restored_memory(state["memory"], steps),
            )
            if self.draws and (self.rng is None or state["rng"] is None):
                raise LayoutError("the saved state has no random stream, or this estimator was started without one")
            if self.draws:
                self.rng.load_state_dict(state["rng"])
            self.steps, (self.state, self.memory), self._last = steps, found, None
        self.made = made

    def _require_own(self, state):
        """Raise where an episode that was saved is another's for more than its estimator or system."""

    def saved_memory(self) -> Any:
        """The memory as plain data."""
        return saved_leaves(self.memory)

    def restored_memory(self, saved: Any, steps: int) -> Any:
        """The memory from its plain data; other shapes raise."""
        return restored_leaves("memory", saved, self.memory)


def saved_leaves(tree):
    """The leaves of a tree, copied to the host."""
    return [np.array(to_numpy(leaf)) for leaf in flatten(tree)[0]]


def kept_data(tree):
    """Inputs as they are saved: arrays on the host, all else as it is."""
    return map_leaves(lambda a: (a.copy() if is_host(a) else to_numpy(a)) if hasattr(a, "dtype") else a, tree)


def placed_data(tree, like):
    """Saved inputs, where the parameters live."""
    return map_leaves(lambda a: on_device(a, like) if isinstance(a, np.ndarray) else a, tree)


def restored_leaves(what, saved, now):
    """Saved leaves as the tree that ``now`` is, where they live; other shapes, less precision or a NaN raise."""
    leaves, structure = flatten(now)
    if not isinstance(saved, (list, tuple)) or not all(map(is_array, saved)):
        raise LayoutError(f"the saved {what} is {saved!r:.80}; expected a list of arrays")
    expected, given = ([(np.shape(s), np.asarray(s).dtype) for s in map(to_numpy, some)] for some in (leaves, saved))
    shapes = [s for s, _ in expected] == [s for s, _ in given]
    if not shapes or not all(_holds(e, d) for (_, d), (_, e) in zip(expected, given, strict=True)):
        raise LayoutError(
            f"the saved {what} has other shapes or dtypes, {_leaves_in_words(given)}; "
            f"expected {_leaves_in_words(expected)}"
        )
    if not all(map(all_finite, saved)):
        raise LayoutError(f"the saved {what} has a NaN or an infinity")
    return unflatten(structure, [on_device(np.array(s), leaf) for s, leaf in zip(saved, leaves, strict=True)])


def _holds(saved, now):
    """Whether a saved array is of the same numbers, or of more precision, as a state gains from its data."""
    return saved == now or saved.kind == now.kind == "f" and np.can_cast(now, saved)


def _leaves_in_words(kinds):
    return [f"{dtype}{list(shape)}" for shape, dtype in kinds]
