"""Adagrad."""

from dataclasses import dataclass

import numpy as np

from .blockwise import scratch, visible
from .hyperparameters import Rate
from .optimizer import Optimizer


@dataclass(eq=False, repr=False)
class Adagrad(Optimizer):
    """w ← w - lr / (1 + (t - 1) lr_decay) g / (√v + eps), with v the sum of all g² (Duchi et al. 2011, as in torch).

    Parameters
    ----------
    lr : float or schedule, not negative
    lr_decay : float, not negative
    weight_decay : float, not negative
        weight_decay w is added to g (L2).
    initial_accumulator_value : float, not negative
        What v begins with.
    eps : positive float
    clip_norm, clip_value, maximize, groups : as in `SGD`

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w, optimizer = np.zeros(2), dg.optim.Adagrad(lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.step(w, np.array([3.0, -4.0]))
    ...     print(w.round(4))
    [-0.1  0.1]
    [-0.1707  0.1707]
    """

    lr: Rate = 1e-2
    lr_decay: float = 0
    weight_decay: float = 0
    initial_accumulator_value: float = 0
    eps: float = 1e-10

    state_names = ("v",)
    _by_blocks = _adds_decay = True

    def _bounds(self, rate, largest):
        state_bound = self._state_bound + largest * largest
        return state_bound, max(state_bound, max(1, rate) * largest / self.eps)

    def _numbers(self, rate, kind):
        slowed = rate / (1 + (self.steps - 1) * self.lr_decay)
        return self.initial_accumulator_value, visible(self.eps, kind), slowed

    def _update(self, numbers, w, g, v):
        (initial, eps, rate), a = numbers, scratch(w)
        v += np.square(g, out=a)
        np.sqrt(np.add(v, initial, out=a), out=a)
        a += eps
        np.divide(g, a, out=a)
        w -= np.multiply(rate, a, out=a)
