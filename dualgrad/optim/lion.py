"""Lion."""

import math
from dataclasses import dataclass

import numpy as np

from .blockwise import mix, scratch
from .hyperparameters import Rate
from .optimizer import Optimizer


@dataclass(eq=False, repr=False)
class Lion(Optimizer):
    """w ← (1 - lr weight_decay) w - lr sign(b1 m + (1 - b1) g), then m ← b2 m + (1 - b2) g (Chen et al. 2023).

    Every entry moves by lr, so lr is to be three to ten times smaller than that of `AdamW`.

    Parameters
    ----------
    lr : float or schedule, not negative
    betas : pair of float, in [0, 1)
    weight_decay : float, not negative
        Decoupled, as in `AdamW`.
    clip_norm, clip_value, maximize, groups : as in `SGD`

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.Lion(lr=0.1).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.9, 2.1])
    """

    lr: Rate = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0

    state_names = ("m",)
    _by_blocks = True

    def _bounds(self, rate, largest):
        state_bound = self._state_bound + largest
        return state_bound, math.inf if rate * self.weight_decay > 2 else max(state_bound, rate)

    def _numbers(self, rate, kind):
        b1, b2 = self.betas
        return b1, 1 - b1, b2, 1 - b2, 1 - rate * self.weight_decay, rate

    def _update(self, numbers, w, g, m):
        (b1, rest1, b2, rest2, shrink, rate), a, b = numbers, scratch(w), scratch(w)
        np.multiply(b1, m, out=a)
        a += np.multiply(rest1, g, out=b)
        w *= shrink
        w -= np.multiply(rate, np.sign(a, out=a), out=a)
        mix(m, b2, rest2, g, b)
