"""RMSprop."""

from dataclasses import dataclass

import numpy as np

from .blockwise import mix, scratch, visible
from .hyperparameters import Rate
from .optimizer import Optimizer


@dataclass(eq=False, repr=False)
class RMSprop(Optimizer):
    """w ← w - lr g / (√v + eps), with v an average of g² (Tieleman and Hinton 2012, as in torch).

    Centred, v less the square of an average of g stands for v; with momentum, m ← momentum m + g / (√v + eps) and
    w ← w - lr m.

    Parameters
    ----------
    lr : float or schedule, not negative
    alpha : float, in [0, 1)
        The weight of the past in the averages.
    eps : positive float
    weight_decay : float, not negative
        weight_decay w is added to g (L2).
    momentum : float, in [0, 1)
    centered : bool
    clip_norm, clip_value, maximize, groups : as in `SGD`

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.RMSprop(lr=0.1, alpha=0.75).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.8, 2.2])
    """

    lr: Rate = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0
    momentum: float = 0
    centered: bool = False

    _by_blocks = _adds_decay = True

    @property
    def state_names(self) -> tuple[str, ...]:
        """The vectors it keeps."""
        return ("v",) + ("mean",) * self.centered + ("momentum",) * bool(self.momentum)

    def _bounds(self, rate, largest):
        state_bound = self.momentum * self._state_bound + largest / self.eps
        return state_bound, max(largest * largest, max(1, rate) * state_bound)

    def _numbers(self, rate, kind):
        return self.alpha, 1 - self.alpha, visible(self.eps, kind), self.momentum, rate

    def _update(self, numbers, w, g, v, *more):
        (alpha, rest, eps, b, rate), a = numbers, scratch(w)
        mix(v, alpha, rest, np.square(g, out=a), a)
        if self.centered:
            mean = more[0]
            mix(mean, alpha, rest, g, a)
            np.subtract(v, np.square(mean, out=a), out=a)
            np.sqrt(np.maximum(a, 0, out=a), out=a)  # rounding can make this variance negative
        else:
            np.sqrt(v, out=a)
        a += eps
        update = np.divide(g, a, out=a)
        if self.momentum:
            momentum = more[-1]
            momentum *= b
            momentum += update
            update = momentum
        w -= np.multiply(rate, update, out=a)
