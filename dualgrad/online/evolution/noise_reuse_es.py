"""NoiseReuseES: one perturbation for all windows of an episode."""

from .base import Windowed


class NoiseReuseES(Windowed):
    """ĝ = (1/(N σ²)) Σ_i ε_i L_i over a window, with one perturbation for all windows of an episode (Li et al. 2023).

    Parameters
    ----------
    particles, sigma, window, perturbations : as in `TruncatedES`

    Notes
    -----
    Cost: N forward passes a step. Memory: N states, N/2 perturbations; in a step N p numbers more.
    Each of n workers: as in `EvolutionStrategies`.
    Bias: none for the loss smoothed as in `EvolutionStrategies`. Do not change the parameters inside a window.
    Variance of the sum over an episode: (p + 1) ‖g‖² a pair, where the loss is linear over σ; that of `PersistentES`
    is less where the gradients of windows are alike, more where they differ.
    When: as `PersistentES`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> system = dg.online.System(lambda s, x, w: s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    >>> nres = dg.online.NoiseReuseES(particles=10_000, sigma=0.1, window=1).start(system, np.ones(1), rng=0)
    >>> [float(nres.step(None, None).gradient.round()[0]) for _ in range(3)]
    [1.0, 2.0, 3.0]
    """
