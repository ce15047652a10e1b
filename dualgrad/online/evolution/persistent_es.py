"""PersistentES: the perturbations of all windows so far, accumulated."""

from typing import Any

import numpy as np

from ...backend import Array
from ...checks import flag
from ...directions.base import Direction
from ...errors import LayoutError
from ..bptt import TruncatedBPTT
from ..dynamics import copied, is_finite
from ..learner import kept_data, placed_data, restored_leaves, saved_leaves
from .base import Windowed


class PersistentES(Windowed):
    """ĝ = (1/(N σ²)) Σ_i ξ_i L_i over a window, ξ_i the sum of particle i's perturbations of all windows so far.

    The states of the particles go on from one window to the next, and so their losses owe something to every
    perturbation there was (Vicol et al. 2021, Persistent Evolution Strategies).

    Parameters
    ----------
    particles, sigma, window, perturbations : as in `TruncatedES`
    analytic : bool
        Whether the gradient g̃ of the window alone, by backpropagation at θ, is a control variate:
        ĝ = g̃ + (1/(N σ²)) Σ_i ξ_i (L_i - ε_i·g̃), with ε_i the perturbation of this window.

    Notes
    -----
    Cost: N forward passes a step; ``analytic`` four more. Memory: N states, N/2 perturbations and as many sums; in a
    step N p numbers more; ``analytic`` two states and the data of a window.
    The sums are written out, (N/2, p) numbers, also those of `LowRank`.
    Each of n workers: N/n passes and states, N/2 perturbations and sums; what ``analytic`` adds is added to each.
    Bias: none for the loss smoothed by independent perturbations of every window; of a quadratic one, none at all. Do
    not change the parameters inside a window.
    Variance of the sum over an episode, a pair, for losses linear over σ, with t, s, τ windows and
    h_{sτ} = Σ_{t >= max(s, τ)} ∂L_t/∂θ_τ: p Σ_{sτ} ‖h_{sτ}‖² + Σ_{sτ} h_{sτ}·h_{τs}; of signs
    2 Σ_s ‖h_{ss}‖² less. ``analytic`` takes the terms t = τ out of h.
    When: updates are wanted within long episodes, without the bias of truncation. ``analytic`` where what a window owes
    to itself is most of it, and has a derivative.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> system = dg.online.System(lambda s, x, w: s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    >>> pes = dg.online.PersistentES(particles=100_000, sigma=0.1, window=1).start(system, np.ones(1), rng=0)
    >>> [float(pes.step(None, None).gradient.round()[0]) for _ in range(3)]
    [1.0, 2.0, 3.0]
    """

    analytic: bool
    extra_passes: int

    def __init__(
        self,
        particles: int,
        sigma: float,
        window: int,
        analytic: bool = False,
        perturbations: Direction | None = None,
    ) -> None:
        super().__init__(particles, sigma, window, perturbations)
        self.analytic = flag("analytic", analytic)
        self.extra_passes = 4 * self.analytic

    def extra_memory(self) -> dict[str, Any]:
        start = self.dynamics.start
        accumulated = np.zeros_like(self.dynamics.like, shape=(self.particles // 2, self.dynamics.params_size))
        return {"accumulated": accumulated} | (
            {"first": start(), "centre": start(), "data": ()} if self.analytic else {}
        )

    def memory_updates(self, t: int, memory: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
        if not self.analytic:
            return {}
        centre = self.copies.unperturbed(t, memory["centre"], self.params, x)
        if not is_finite((x, y)):
            self._exact(t, memory["centre"], 1).step(x, y)  # raises where the window could not be closed
        return {"centre": centre, "data": (*memory["data"], copied((x, y)))}

    def window_gradient(self, t: int, memory: dict[str, Any], difference: Array) -> Array:
        scale, walked = self.particles * self.sigma**2, self._walked(memory)
        if not self.analytic:
            return difference @ walked / scale
        exact = self._exact(t, memory["first"], len(memory["data"]))
        slope = self.dynamics.entries([exact.step(x, y) for x, y in memory["data"]][-1].gradient)
        return slope + (difference - 2 * (self.noise.rows(memory["noise"]) @ slope)) @ walked / scale

    def _walked(self, memory):
        """ξ, with the perturbation of this window."""
        return memory["accumulated"] + self.noise.written(memory["noise"])

    def _exact(self, t, state, count):
        """Backpropagation at θ through the ``count`` steps up to step t, whose last gives g̃."""
        exact = TruncatedBPTT(count).start(self.system, self.params)
        exact.state, exact.steps = state, t - count
        return exact

    def next_window(self, state: Any, memory: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        memory = memory | {"accumulated": self._walked(memory), "noise": self._noise()}
        return state, memory | ({"first": memory["centre"], "data": ()} if self.analytic else {})

    def saved_memory(self) -> Any:
        """The memory with the open window's data, which it goes back through."""
        if not self.analytic:
            return super().saved_memory()
        arrays = saved_leaves(self.memory | {"data": ()})
        return {"arrays": arrays, "data": [kept_data(each) for each in self.memory["data"]]}

    def restored_memory(self, saved: Any, steps: int) -> Any:
        """The memory from its plain data."""
        if not self.analytic:
            return super().restored_memory(saved, steps)
        if not isinstance(saved, dict) or set(saved) != {"arrays", "data"}:
            raise LayoutError("the saved memory has no data of the open window")
        memory = restored_leaves("memory", saved["arrays"], self.memory | {"data": ()})
        data, seen = saved["data"], int(memory["seen"])
        pairs = isinstance(data, (list, tuple)) and all(isinstance(d, (list, tuple)) and len(d) == 2 for d in data)
        if not pairs or len(data) != seen:
            raise LayoutError(f"the saved memory has not the input and target of each of {seen} open steps")
        data = tuple(placed_data(tuple(each), self.dynamics.like) for each in data)
        return memory | {"data": data}
