"""Backpropagation through time, whole and in windows: the rivals that store the past."""

from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..backend import Array, to_numpy
from ..errors import DualgradError, LayoutError
from ..estimators.estimate import Estimate
from ..params import Params
from ..random import RngLike
from ..tree import Tree
from .dynamics import DROP, copied, is_finite, require_finite_step, require_scalar_loss
from .learner import OnlineEstimator, kept_data, placed_data, restored_leaves, saved_leaves
from .windows import InWindows, steps_of


class PastStep(NamedTuple):
    """A step that was taken, as `BPTT` keeps it: with what it was made from, which is all that is saved of it."""

    params: Tree
    state: Tree
    x: Any
    transitions: list[Any]


class OpenStep(NamedTuple):
    """A step of an open window, with its loss and that loss's cotangent."""

    state: Tree
    x: Any
    transitions: list[Any]
    loss: Any
    H: Array
    direct: Array


class BPTT(OnlineEstimator):
    """∂ℓ_t/∂θ by pulling H back through every step since the episode began.

    Notes
    -----
    Cost: at step t, three times t forward passes. Memory: every step since the beginning, with its parameters.
    Bias: none. Variance: none. Equal to `RTRL`, along the same trajectory of parameters.
    When: as a yardstick. For the gradient of a whole episode, `TruncatedBPTT` with its length pulls back only once.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> leak = dg.online.System(lambda s, x, w: 0.5 * s + w, lambda s, y, w: np.sum(s), np.zeros(1))
    >>> bptt = dg.online.BPTT().start(leak, np.ones(1))
    >>> [bptt.step(None, None).gradient.item() for _ in range(3)]
    [1.0, 1.5, 1.75]
    """

    def _advanced(self, x):
        self._require_started()
        params, x = _frozen(self.params), copied(x)  # the step keeps what it was made with
        self._step_inputs = params, self.state, x
        return self._advanced_at(params, x)

    def init_memory(self) -> Any:
        return ()

    def propagate(self, memory: Any, transitions: list[Any]) -> Any:
        return (*memory, PastStep(*self._step_inputs, transitions))

    def influence(self, memory: Any, H: Array, transition: Any) -> Array:
        transitions = [T for past in memory for T in past.transitions]
        return pulled_back(transitions, [None] * (len(transitions) - 1) + [H], self.dynamics)

    def cost(self) -> float:
        return 3.0 * self.steps

    def saved_memory(self) -> Any:
        """What every step was made from: parameters, state and input."""
        return [
            {"params": np.array(to_numpy(self.dynamics.entries(past.params))), "state": saved_leaves(past.state),
             "x": kept_data(past.x)}
            for past in self.memory
        ]  # fmt: skip

    def restored_memory(self, saved: Any, steps: int) -> Any:
        """Every step taken again."""
        memory = []
        for past in _steps(saved, {"params", "state", "x"}):
            (vector,) = restored_leaves("memory", [past["params"]], [self.dynamics.entries(self.params)])
            params, x = self.dynamics.at(vector, self.params), placed_data(past["x"], self.dynamics.like)
            state = restored_leaves("memory", past["state"], self.state)
            memory.append(PastStep(params, state, x, self.dynamics.advance(params, state, x)[1]))
        if len(memory) != steps:
            raise LayoutError(f"the saved memory has {len(memory)} steps; expected all {steps} that were taken")
        return tuple(memory)


class TruncatedBPTT(InWindows):
    """Σ ∂ℓ_t/∂θ over a window of steps, by backpropagation that stops where the window began.

    Parameters
    ----------
    window : int
        In steps. Windows are blocks: ``step`` returns None inside one, and an `Estimate` of the sum of its losses and
        of their gradients at its end, from where the next window starts.

    Notes
    -----
    Cost: three forward passes a step. Memory: the steps of a window.
    Bias: what a loss owes to the steps before its window. Variance: none.
    When: dependencies are shorter than the window. Do not change the parameters inside a window.

    Raises
    ------
    ValueError
        For a window that is not a positive whole number.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> leak = dg.online.System(lambda s, x, w: 0.5 * s + w, lambda s, y, w: np.sum(s), np.zeros(1))
    >>> tbptt = dg.online.TruncatedBPTT(2).start(leak, np.ones(1))
    >>> tbptt.step(None, None)
    >>> tbptt.step(None, None).gradient
    array([2.5])
    """

    window: int

    def __init__(self, window: int) -> None:
        self.window = steps_of(window)

    def init_memory(self) -> Any:
        return ()

    def _one_step(self, x, y):
        x, before = copied(x), getattr(self, "state", None)
        state, transitions = self._advanced(x)
        if not is_finite(x):
            for T in transitions:
                require_finite_step(self.steps + 1, "the derivative at this input", T.jacobian(), T.influence())
        loss, cotangent = self.dynamics.loss(self.params, state, y)
        require_scalar_loss(loss)
        require_finite_step(self.steps + 1, "the loss", loss)
        H, direct = cotangent.vectors()
        require_finite_step(self.steps + 1, "the slope of the loss", H, direct)
        memory, estimate = (*self.memory, OpenStep(before, x, transitions, loss, H, direct)), None
        if len(memory) == self.window:
            estimate, state, memory = self._end_window(self.steps + 1, state, memory)
        self._moved_on(self.steps + 1, state, memory)
        return estimate

    def _open_steps(self):
        return len(self.memory)

    def _end_window(self, t, state, memory):
        transitions = [T for each in memory for T in each.transitions]
        cotangents = [h for each in memory for h in [None] * (len(each.transitions) - 1) + [each.H]]
        gradient = sum(each.direct for each in memory)
        gradient[self.dynamics.recurrent] += pulled_back(transitions, cotangents, self.dynamics)
        require_finite_step(t, "the gradient of the window", gradient, advice=DROP)
        loss = sum(each.loss for each in memory)
        return Estimate(loss, self.dynamics.gradient(gradient, self.params), None, 3.0 * len(memory)), state, ()

    def saved_memory(self) -> Any:
        """Of every open step its state, input, loss and the loss's cotangent."""
        return [
            {"state": saved_leaves(each.state), "x": kept_data(each.x), "loss": kept_data(each.loss),
             "cotangent": saved_leaves((each.H, each.direct))}
            for each in self.memory
        ]  # fmt: skip

    def restored_memory(self, saved: Any, steps: int) -> Any:
        """Every open step taken again, at the parameters of the window."""
        memory, dynamics = [], self.dynamics
        for each in _steps(saved, {"state", "x", "loss", "cotangent"}):
            x, state = placed_data(each["x"], dynamics.like), restored_leaves("memory", each["state"], self.state)
            like = [dynamics.zeros(dynamics.size), dynamics.zeros(dynamics.params_size)]
            cotangent = restored_leaves("memory", each["cotangent"], like)
            require_scalar_loss(each["loss"])
            transitions = dynamics.advance(self.params, state, x)[1]
            memory.append(OpenStep(state, x, transitions, placed_data(each["loss"], dynamics.like), *cotangent))
        if len(memory) > min(self.window - 1, steps):
            raise LayoutError(
                f"the saved memory has {len(memory)} open steps; expected fewer than {self.window}, of the {steps} "
                "that were taken"
            )
        return tuple(memory)

    def fisher(self) -> NoReturn:
        """Refused: a window has no single prediction."""
        raise DualgradError(f"{self!r} estimates over windows, which have no one Fisher matrix: use outer products")

    def estimate(self, objective: Any, params: Tree, *, rng: RngLike = None) -> NoReturn:
        """Refused: over whole sequences this is `dualgrad.estimators.TruncatedBPTT`."""
        raise DualgradError(f"{self!r} follows a stream; for a bound objective use estimators.TruncatedBPTT")


def _steps(saved, keys):
    """Saved steps, each a dict of these keys."""
    if not isinstance(saved, (list, tuple)) or not all(isinstance(s, dict) and set(s) == keys for s in saved):
        raise LayoutError(f"the saved memory is not that of steps with {sorted(keys)}")
    return saved


def pulled_back(transitions, cotangents, dynamics):
    """Σ_t H_t ∂s_t/∂θ over the given transitions, each with the H after it, or None."""
    u = dynamics.zeros(dynamics.size)
    gradient = dynamics.zeros(dynamics.recurrent.stop)
    for T, H in zip(reversed(transitions), reversed(cotangents), strict=True):
        u = u if H is None else u + H
        gradient[T.own] += T.pull_params(u[T.rows])
        u = T.pull(u)
    return gradient


def _frozen(params):
    """A copy that later updates do not reach."""
    return params.copy() if isinstance(params, Params) else copied(params)
