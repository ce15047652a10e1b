"""System: a recurrent computation, as online learning sees it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """s ← step(s, x, θ), and a loss ℓ(s, y, θ) at every step.

    Attributes
    ----------
    step : callable
        ``step(state, x, params) -> state``
    loss : callable
        ``loss(state, y, params) -> scalar``
    init_state : array or tree
        The state at the beginning of an episode.
    vjp : callable, optional
        ``vjp(state, x, params) -> state, pullback``, with ``pullback(u)`` the products of u with ∂step/∂state and
        ∂step/∂params.
    batched : bool
        Whether state and every parameter may carry a leading axis of particles.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.online import System
    >>> leak = System(lambda s, x, p: p * s + x, lambda s, y, p: np.sum((s - y) ** 2), np.zeros(1))
    >>> leak.step(leak.init_state, np.ones(1), 0.5)
    array([1.])
    """

    step: Callable
    loss: Callable
    init_state: object
    vjp: Callable | None = None
    batched: bool = False
