"""Candidates that learn what truncation forgets: synthetic gradients, and the deterministic policy gradient."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from ..backend import Array, is_array, to_numpy
from ..checks import positive_count, real_number
from ..errors import LayoutError, ShapeError
from ..nn.recurrent import require_recurrent
from ..optim import Adam
from ..params import Params
from ..settings import call_of, known_state, require_fit, settings, versioned
from ..tree import flatten, unflatten
from ..vectors import in_kind, wide
from .estimator import Estimated, Estimator
from .point import Point, require_finite, require_finite_gradient
from .state import Names


class QuadraticCritic:
    """v(s) = ½ s A sᵀ + b·s + c with A symmetric, and v′(s) = s A + b; learned by Adam on squared errors.

    Parameters
    ----------
    lr : float
    scale : float
        What the gradients it gives are multiplied by (0.5 in DODGE's appendix).

    Notes
    -----
    Of the state of each example, all its parts side by side (h and c of an LSTM), it predicts the losses still to
    come, summed over steps; or it predicts their gradient. A critic of one's own has these methods: `gradient`;
    `learn_gradient`, or `value` and `learn_value`; and `reset`, `state_dict`, `load_state_dict`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> critic, rng = dg.estimators.QuadraticCritic(lr=0.05), np.random.default_rng(0)
    >>> for _ in range(500):
    ...     s = rng.standard_normal((16, 2))
    ...     critic.learn_value(s, s[:, 0] * s[:, 1])
    >>> np.round(critic.gradient(np.array([[1.0, 2.0]])), 2)
    array([[2., 1.]])
    """

    scale: float

    def __init__(self, lr: float | Callable[[int], float] = 1e-3, scale: float = 1.0) -> None:
        self.scale, self._optimizer, self._params = real_number("scale", scale), Adam(lr), None

    @property
    def lr(self) -> float | Callable[[int], float]:
        """The rate, or the schedule, of its steps."""
        return self._optimizer.lr

    def __repr__(self) -> str:
        return call_of(self, ("lr", "scale"))

    def __copy__(self) -> Self:
        """The same with coefficients and an optimizer of its own."""
        found = object.__new__(type(self))
        vars(found).update(vars(self), _optimizer=copy.copy(self._optimizer))
        found._optimizer._memory = self._optimizer._memory.copy()
        found._params = None if self._params is None else self._params.copy()
        return found

    grown: tuple[dict[str, Any], ...] = ()  # what its saved states have gained, version by version

    def _of(self, s):
        n = s.shape[-1]
        if self._params is None:
            self._params = Params({"A": np.zeros((n, n)), "b": np.zeros(n), "c": np.zeros(1)})
        if self._params["b"].shape != (n,):
            raise ShapeError(f"{self!r} learned states of {len(self._params['b'])} entries; got {n}: reset() it first")
        return self._params["A"], self._params["b"], self._params["c"]

    def value(self, s: Array) -> Array:
        """v(s) of states ``(B, n)``, shape ``(B,)``."""
        a, b, c = self._of(s)
        return np.sum((0.5 * s @ a + b) * s, axis=-1) + c

    def gradient(self, s: Array) -> Array:
        """v′(s) of states ``(B, n)``, times ``scale``."""
        a, b, _ = self._of(s)
        return self.scale * (s @ a + b)

    def learn_value(self, s: Array, target: Array) -> None:
        """A step on the mean of ½ (v(s) - target)²."""
        error = (self.value(s) - target) / len(s)
        a = 0.5 * (s * error[:, None]).T @ s
        self._optimizer.step(self._params, {"A": a, "b": error @ s, "c": np.array([error.sum()])})

    def learn_gradient(self, s: Array, target: Array) -> None:
        """A step on the mean of ½ ‖v′(s) - target‖², before scaling; A stays symmetric."""
        a, b, c = self._of(s)
        error = (s @ a + b - target) / len(s)
        a = s.T @ error
        self._optimizer.step(self._params, {"A": 0.5 * (a + a.T), "b": error.sum(0), "c": 0 * c})

    def reset(self) -> None:
        """Forget all that was learned."""
        self._params = None
        self._optimizer.reset()

    def state_dict(self) -> dict[str, Any]:
        """Coefficients and optimizer, as plain data for `dualgrad.save`."""
        coefficients = None if self._params is None else {name: v.copy() for name, v in self._params.items()}
        state = {"critic": settings(self), "coefficients": coefficients, "optimizer": self._optimizer.state_dict()}
        return versioned(self, state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises
        ------
        LayoutError
            When it is not that of such a critic with these settings; nothing has changed.
        """
        state = known_state(self, state, {"critic", "coefficients", "optimizer"})
        require_fit(self, "critic", state["critic"], settings(self))
        params, optimizer = _coefficients(self, state["coefficients"]), copy.copy(self._optimizer)
        optimizer.load_state_dict(state["optimizer"])
        self._params, self._optimizer = params, optimizer


def _coefficients(critic, saved):
    """Saved coefficients, checked."""
    if saved is None:
        return None
    found = (
        {name: np.array(to_numpy(v) if is_array(v) else v) for name, v in saved.items()}
        if isinstance(saved, dict)
        else {}
    )
    n = np.size(found.get("b", 0.0))
    fits = {name: v.shape for name, v in found.items()} == {"A": (n, n), "b": (n,), "c": (1,)}
    if not fits or not all(v.dtype == np.float64 and np.all(np.isfinite(v)) for v in found.values()):
        given = {name: f"{v.dtype}{list(v.shape)}" for name, v in found.items()}
        raise LayoutError(f"{critic!r} expects finite coefficients A (n, n), b (n,) and c (1,); got {given}")
    return Params(found)


class _Critical(Estimator):
    """What both candidates share: windows of a sequence, at whose boundaries a critic stands in for the future."""

    parts: Mapping[str, str] = {"critic": "critic"}
    named: Names = ("window",)
    critic: Any
    window: int

    def __init__(self, critic: Any, window: int) -> None:
        for method in ("gradient", *self.learns, "reset", "state_dict", "load_state_dict"):
            if not hasattr(critic, method) or isinstance(critic, type):
                raise TypeError(f"got critic={critic!r}, which has no {method}; expected such as QuadraticCritic()")
        self.critic, self.window = critic, positive_count("window", window, "a positive number of steps")

    has_memory: bool = True  # the critic's states are those of one model

    def estimated(self, at: Point, rng: Any) -> Estimated:
        """The loss and the candidate; the critic then learns from this batch."""
        objective = at.objective
        layers = require_recurrent(self, objective)
        count = sum(layer.num_layers for layer in layers)
        if count > 1:
            raise ShapeError(f"{self!r} has one critic, for one recurrent layer; the model has {count}")
        if layers[0].batch_first or "lengths" in objective.kwargs:
            raise ShapeError(
                f"{self!r} learns from whole sequences (T, B, n): take nn.{type(layers[0]).__name__} without "
                "batch_first, and bind without lengths"
            )
        losses = objective.per_example(at.params)
        self._require(losses, objective.x)
        value, total = objective(at.params), np.sum(losses)
        require_finite(self, value)
        # what a summed loss counts for in the objective
        share = float(to_numpy(value / total)) if to_numpy(total) else 0.0
        met = []

        def cut(t, state, dstate):
            met.append((t, _state_rows(state), _state_rows(dstate)))
            return _as_state(share * self.critic.gradient(met[-1][1]), state) if t % self.window == 0 else dstate

        _, gradient = at.vjp(cut=cut)
        require_finite_gradient(self, value, gradient, at.layout)
        self._learn(met, to_numpy(losses), share)
        return value, gradient, None, 5.0

    def _require(self, losses, x):
        """What the method needs of the losses."""


class SyntheticGradient(_Critical):
    """g̃: at the end of each window a critic's v′(s_t) stands for Σ_{j>t} ∂l_j/∂s_t (DODGE, section 2 and 5.4.3).

    Parameters
    ----------
    critic : `QuadraticCritic`, or of the same methods
    window : int
        Steps that are backpropagated through before the critic takes over; 5 in DODGE, with a scale of 0.5.

    Notes
    -----
    The critic learns by bootstrapping, v′(s_t) ≈ the gradient that arrives at s_t through the next window, whose own
    end is the critic's (Jaderberg et al. 2017).

    Cost: three forward passes, two for the losses, one step of the critic per window. Memory: as `TruncatedBPTT`.
    Bias: the critic's error (which takes the losses of all steps and examples to count alike). Variance: none at a
    given state of the critic.
    When: credit goes further back than any window that fits; as a candidate of `Dodge`.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.estimators.SyntheticGradient(dg.estimators.QuadraticCritic(scale=0.5))
    SyntheticGradient(QuadraticCritic(lr=0.001, scale=0.5), window=5)
    """

    learns: Names = ("learn_gradient",)

    def __init__(self, critic: Any, window: int = 5) -> None:
        super().__init__(critic, window)

    def _learn(self, met, losses, share):
        for t, state, arrived in met:
            if t % self.window == 0 and share:
                self.critic.learn_gradient(state, arrived / share)


class DeterministicPolicyGradient(_Critical):
    """g̃ = Σ_t ∂ṽ(s_t)/∂s_t ∂s_t/∂w, ṽ(s_t) ≈ l_{t+1} + ṽ(s_{t+1}) being learned, the loss to come (DODGE, eq. 2).

    Parameters
    ----------
    critic : `QuadraticCritic`, or of the same methods
    window : int
        Steps that are backpropagated through before the critic takes over; 1 in the paper.

    Notes
    -----
    The loss of step t itself is differentiated exactly; the critic stands for those after it.

    Cost, memory, bias and variance: as `SyntheticGradient`. The value is a weaker teacher than the gradient: it is
    right on the states met, and its slope is a guess between them.
    When: only losses are known, not their gradients; as a candidate of `Dodge`.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.estimators.DeterministicPolicyGradient(dg.estimators.QuadraticCritic())
    DeterministicPolicyGradient(QuadraticCritic(lr=0.001, scale=1.0), window=1)
    """

    learns: Names = ("value", "learn_value")

    def __init__(self, critic: Any, window: int = 1) -> None:
        super().__init__(critic, window)

    def _require(self, losses, x):
        if losses.ndim != 2 or len(losses) != len(x):
            raise ShapeError(
                f"{self!r} learns from a loss for every step and example, (T, B); got losses of shape {losses.shape} "
                f"for an input of {np.shape(x)}: take SyntheticGradient, which needs none"
            )

    def _learn(self, met, losses, share):
        states = {t: state for t, state, _ in met}
        for t, state in states.items():  # the state before step t, whose loss is losses[t]
            ahead = self.critic.value(states[t + 1]) if t + 1 in states else 0.0
            self.critic.learn_value(state, losses[t] + ahead)


def _state_rows(state):
    """A state's parts side by side, ``(B, n)``, in double precision on the host."""
    return np.concatenate([wide(part) for part in flatten(state)[0]], axis=-1)


def _as_state(rows, state):
    """Rows ``(B, n)`` as a state."""
    parts, structure = flatten(state)
    ends = np.cumsum([part.shape[-1] for part in parts])
    pieces = np.split(rows, ends[:-1], axis=-1)
    return unflatten(structure, [in_kind(v, s) for v, s in zip(pieces, parts, strict=True)])
