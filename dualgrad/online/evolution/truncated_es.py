"""TruncatedES: a perturbation a window, from the state of the parameters themselves."""

from typing import Any

from .base import Windowed


class TruncatedES(Windowed):
    """ĝ = (1/(N σ²)) Σ_i ε_i L_i over a window, into which all particles go from the state of θ itself.

    Parameters
    ----------
    particles, sigma, perturbations : as in `EvolutionStrategies`
    window : int
        Steps between estimates. Windows are blocks, not sliding.

    Notes
    -----
    Cost: N + 1 forward passes a step. Memory: N + 1 states, N/2 perturbations.
    Each of n workers: N/n + 1 passes and states, N/2 perturbations.
    Bias: what a loss owes to the parameters before its window, as in `TruncatedBPTT`; and the smoothing. Do not change
    the parameters inside a window.
    Variance: that of ES over a window.
    When: as the rival of `PersistentES`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> system = dg.online.System(lambda s, x, w: s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    >>> es = dg.online.TruncatedES(particles=1000, sigma=0.1, window=1).start(system, np.ones(1), rng=0)
    >>> [float(es.step(None, None).gradient.round()[0]) for _ in range(3)]  # the gradients are 1, 2, 3
    [1.0, 1.0, 1.0]
    """

    extra_passes: int = 1

    def extra_memory(self) -> dict[str, Any]:
        return {"centre": self.dynamics.start()}

    def memory_updates(self, t: int, memory: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
        return {"centre": self.copies.unperturbed(t, memory["centre"], self.params, x)}

    def next_window(self, state: Any, memory: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return self.copies.spread(memory["centre"]), memory | {"noise": self._noise()}
