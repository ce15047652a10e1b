"""RTRL: the influence matrix itself."""

from typing import Any

from ..backend import Array
from .learner import OnlineEstimator


class RTRL(OnlineEstimator):
    """G ← J G + D, and ∂ℓ/∂θ = H G: real-time recurrent learning (Williams and Zipser 1989; NoBackTrack, eqs. 3 to 6).

    Notes
    -----
    J = ∂s'/∂s and D = ∂s'/∂θ of the step, H = ∂ℓ/∂s.
    Cost: the product J G, N p numbers times N: for n units about n² forward passes a step. For a `System` without a
    vjp, one forward direction per parameter. Memory: N p numbers, and as many to write to.
    Bias: none. Variance: none. The gradient is that along the trajectory of parameters that was taken.
    When: small systems, and as the yardstick of all others.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> leak = dg.online.System(lambda s, x, w: 0.5 * s + w, lambda s, y, w: np.sum(s), np.zeros(1))
    >>> rtrl = dg.online.RTRL().start(leak, np.ones(1))
    >>> [rtrl.step(None, None).gradient.item() for _ in range(3)]  # ds/dw = 1 + 1/2 + 1/4
    [1.0, 1.5, 1.75]
    """

    def init_memory(self) -> Any:
        return self.dynamics.zeros((self.dynamics.size, self.dynamics.recurrent.stop))

    def propagate(self, G: Any, transitions: list[Any]) -> Any:
        for T in transitions:
            G = T.propagate(G)
        return G

    def gradient(self, G: Any, cotangent: Any, transition: Any) -> tuple[Array, Any]:
        if cotangent.forward and G.shape[1] <= G.shape[0]:  # fewer slopes than entries of H
            return cotangent.along(G.T, self.dynamics.eye(G.shape[1])), None
        return super().gradient(G, cotangent, transition)

    def influence(self, G: Any, H: Array, transition: Any) -> Array:
        return H @ G

    def cost(self) -> float:
        return 1.0 + self.units**2
