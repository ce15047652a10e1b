"""EvolutionStrategies: one perturbation an episode."""

from typing import Any

from .base import Evolution


class EvolutionStrategies(Evolution):
    """ĝ = (1/(N σ²)) Σ_i ε_i L_i over whole episodes: the gradient of the loss smoothed by N(0, σ²), E L(θ + ε).

    (Rechenberg 1973; Salimans et al. 2017.)

    Parameters
    ----------
    particles : int
        N, even: N/2 antithetic pairs.
    sigma : float
        The standard deviation of the perturbations, in units of the parameters.
    perturbations : Direction, optional
        Where ε = σ v draws v from: normals by default; `dualgrad.directions.Rademacher`, or another direction whose
        entries are independent; or `dualgrad.directions.LowRank`, for large matrices. Of a particle's matrix
        W + σ a bᵀ the system is then given what stands for it: ``x @ W`` and ``W @ y`` do not write it out, any other
        use does, and nothing can be written into it.

    Notes
    -----
    ``step`` returns None; ``close()`` at the end of the episode gives its estimate and begins the next.
    Cost: N forward passes a step. Memory: N states, N/2 perturbations; in a step N p numbers more. Of a `Network` with
    ``batched=True`` these are its vectors alone.
    Each of n workers: N/n passes and states, N/2 perturbations; in a step p numbers for each particle of a chunk more.
    With `LowRank` a perturbation of an n x m matrix is n + m numbers, and as many, not n m, are more for a particle.
    Bias: none for the smoothed loss; of the loss itself it is σ²/2 times third derivatives and on. Of signs it is less:
    σ²/6 of those by one parameter alone. Do not change the parameters inside an episode.
    Variance: (p + 1) ‖g‖² a pair, where the loss is linear over σ; of signs, also those of `LowRank`, (p - 1) ‖g‖².
    (One-sided it would be p L²/σ² more.)
    When: an objective has no derivative, or too rough a one; one update an episode is enough.

    Raises
    ------
    ValueError
        For an odd number of particles, or σ that is not positive.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> system = dg.online.System(lambda s, x, w: s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    >>> es = dg.online.EvolutionStrategies(particles=2, sigma=0.1).start(system, np.ones(1), rng=0)
    >>> es.step(None, None), es.step(None, None)
    (None, None)
    >>> es.close().value.round(6)  # 1 + 2
    np.float64(3.0)
    """

    def next_window(self, state: Any, memory: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self.steps = 0
        return self.copies.spread(self.dynamics.start()), memory | {"noise": self._noise()}
