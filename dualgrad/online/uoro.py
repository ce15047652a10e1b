"""UORO: NoBackTrack from one random vector a step."""

from typing import Any

import numpy as np

from ..backend import Array
from .learner import OnlineEstimator
from .rank_one import balance, row_norms


class UORO(OnlineEstimator):
    """G̃ = s̃ θ̃ᵀ, E G̃ = G: s̃ ← ρ0 J s̃ + ρ1 ν, θ̃ ← θ̃/ρ0 + (ν D)/ρ1, with signs ν (Tallec and Ollivier 2017).

    ρ0 = √(‖θ̃‖/‖J s̃‖) and ρ1 = √(‖ν D‖/‖ν‖).

    Notes
    -----
    Cost: four forward passes, one jvp and one vjp of the step, exact: no finite differences. Memory: N + p numbers.
    Bias: none; ρ1 depends on ν, evenly, and signs are symmetric. Variance: above `NoBackTrack`'s, which keeps the last
    step exact and knows the norm of every D_i.
    When: the step has a vjp, but its D is not sparse.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> leak = dg.online.System(lambda s, x, w: 0.5 * s + w, lambda s, y, w: np.sum(s), np.zeros(1))
    >>> learner = dg.online.UORO().start(leak, np.ones(1), rng=0)
    >>> learner.step(None, None).gradient
    array([1.])
    """

    draws: bool = True

    def init_memory(self) -> Any:
        return tuple(self.dynamics.zeros(m) for m in (self.dynamics.size, self.dynamics.recurrent.stop))

    def propagate(self, memory: Any, transitions: list[Any]) -> Any:
        s, theta = memory
        nu = self.rng.signs(s.shape, dtype=s.dtype, like=s)
        pulled, u = np.zeros_like(theta), nu
        for T in reversed(transitions):
            pulled[T.own] += T.pull_params(u[T.rows])
            u = T.pull(u)
        for T in transitions:
            s = T.push(s)
        (rho0, inverse0), (rho1, inverse1) = (
            balance(row_norms(s), row_norms(theta)),
            balance(row_norms(nu), row_norms(pulled)),
        )
        return rho0 * s + rho1 * nu, inverse0 * theta + inverse1 * pulled

    def influence(self, memory: Any, H: Array, transition: Any) -> Array:
        s, theta = memory
        return (H @ s)[..., None] * theta

    def cost(self) -> float:
        return 4.0
