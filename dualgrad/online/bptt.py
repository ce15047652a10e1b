"""Backpropagation through time, whole and in windows: the rivals that store the past."""

import numpy as np

from ..errors import DualgradError
from ..estimators.estimate import Estimate
from ..tree import flatten, unflatten
from .dynamics import own, require_finite_step, require_scalar_loss
from .learner import OnlineEstimator
from .windows import InWindows, steps_of


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

    def __repr__(self):
        return "BPTT()"

    def _advanced(self, x):
        self._require_started()
        live, self.params = self.params, _frozen(self.params)  # the step keeps what it was made with
        try:
            return super()._advanced(own(x))
        finally:
            self.params = live

    def begin(self):
        return ()

    def carry(self, memory, transitions):
        return (*memory, *transitions)

    def influence(self, memory, H, transition):
        return pulled_back(memory, [None] * (len(memory) - 1) + [H], self.dynamics)

    def cost(self):
        return 3.0 * self.steps

    def state_dict(self):
        """Refused: the past is not plain data."""
        raise DualgradError(f"{self!r} keeps every step of its episode, which cannot be saved: save between episodes")

    def load_state_dict(self, state):
        """Refused, as `state_dict` is."""
        self.state_dict()


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

    def __init__(self, window):
        self.window = steps_of(window)

    def __repr__(self):
        return f"TruncatedBPTT({self.window})"

    def begin(self):
        return ()

    def step(self, x, y):
        """One step; at the end of a window, the sum of its losses and an estimate of its gradient, else None.

        Raises
        ------
        ShapeError, NonFiniteError
            As `RTRL`; nothing has changed.
        """
        state, transitions = self._advanced(own(x))
        loss, cotangent = self.dynamics.loss(self.params, state, y)
        require_scalar_loss(loss)
        require_finite_step(self.steps + 1, "the loss", loss)
        memory, estimate = (*self.memory, (transitions, loss, *cotangent.vectors())), None
        if len(memory) == self.window:
            estimate, state, memory = self._closed(self.steps + 1, state, memory)
        self.steps, self.state, self.memory = self.steps + 1, state, memory
        return estimate

    def _open(self):
        return len(self.memory)

    def _unsaved(self):
        return bool(self.memory)

    def _closed(self, t, state, memory):
        transitions = [T for each in memory for T in each[0]]
        cotangents = [h for each in memory for h in [None] * (len(each[0]) - 1) + [each[2]]]
        gradient = sum(each[3] for each in memory)
        gradient[self.dynamics.recurrent] += pulled_back(transitions, cotangents, self.dynamics)
        require_finite_step(t, "the gradient", gradient)
        loss = sum(each[1] for each in memory)
        return Estimate(loss, self.dynamics.gradient(gradient, self.params), None, 3.0 * len(memory)), state, ()

    def fisher(self):
        """Refused: a window has no single prediction."""
        raise DualgradError(f"{self!r} estimates over windows, which have no one Fisher matrix: use outer products")

    def estimate(self, objective, params, *, rng=None):
        """Refused: over whole sequences this is `dualgrad.estimators.TruncatedBPTT`."""
        raise DualgradError(f"{self!r} follows a stream; for a bound objective use estimators.TruncatedBPTT")


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
    if hasattr(params, "copy") and hasattr(params, "layout"):
        return params.copy()
    leaves, structure = flatten(params)
    return unflatten(structure, [np.array(leaf) for leaf in leaves])
