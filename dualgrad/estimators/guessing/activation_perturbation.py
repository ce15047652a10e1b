"""ActivationPerturbation: y = ξ."""

from .base import Guess


class ActivationPerturbation(Guess):
    """y = ξ: noise at the output of every layer (Ren et al. 2022); unbiased, over units instead of weights.

    Parameters
    ----------
    noise : "normal" or "signs"
        Signs have the smaller variance.
    n : int
        Guesses for every example, pushed in one pass.
    store : bool
        Keep the values and guesses for the update, instead of making them again in a second pass.
    local : bool
        Differentiate the model's local losses (`dualgrad.nn.networks.LocalMixer`), each by its own block.

    Notes
    -----
    Cost: n + 3 forward passes, n + 2 with ``store``, for Linear layers; about a third more for convolutions. The last
    two layers are kept, so that the second pass ends before them. Memory: that of two layers; with ``store``, of all.
    Bias: none. Variance of dW_k, in total, for normals: Σ_b ‖x_bk‖² (m_k D_b + ‖δ_bk‖²), with m_k units in the layer
    and D_b = Σ_k ‖δ_bk‖² (the 1/B of a mean loss is in δ); a minus sign for signs.
    When: the units are far fewer than the weights.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> batch = dg.nn.Objective(dg.nn.Linear(3, 1), dg.nn.mse).bind(np.ones((1, 3)), np.zeros((1, 1)))
    >>> params = dg.Params({"weight": np.ones((3, 1)), "bias": np.zeros(1)})
    >>> estimate = dg.estimators.ActivationPerturbation(noise="signs").estimate(batch, params, rng=0)
    >>> estimate.gradient.vector  # one unit: (±1)² times the exact gradient
    array([6., 6., 6., 6.])
    """
