"""Adam with other corrections of its averages: NAdam and RAdam."""

import math
from dataclasses import dataclass, field

import numpy as np

from .adam import Adam
from .blockwise import scratch, visible
from .hyperparameters import Rate


@dataclass(eq=False, repr=False)
class NAdam(Adam):
    """Adam with Nesterov's momentum (Dozat 2016), as in torch.

    w ← w - lr ((1 - μₜ) g / (1 - Π μ) + μₜ₊₁ m / (1 - μₜ₊₁ Π μ)) / (√v̂ + eps), where Π is over all steps so far, and
    μₜ = b1 (1 - 0.96^(t momentum_decay) / 2).

    Parameters
    ----------
    lr, betas, eps, weight_decay, clip_norm, clip_value, maximize, groups : as in `Adam`
    momentum_decay : float, not negative

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.NAdam(lr=0.1).step(w, np.array([1.0, -5.0]))
    >>> w.round(4)
    array([0.8944, 2.1056])
    """

    lr: Rate = 2e-3
    amsgrad: bool = field(default=False, kw_only=True)
    momentum_decay: float = 4e-3

    _has_amsgrad = False

    def _share(self, t):
        """μₜ."""
        return self.betas[0] * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def _product(self):
        """Π μ over all steps so far."""
        settings = self.betas[0], self.momentum_decay
        before, known, product = vars(self).get("_known", (settings, 0, 1.0))
        if before != settings or known > self.steps:
            known, product = 0, 1.0
        for t in range(known + 1, self.steps + 1):
            product *= self._share(t)
        self._known = settings, self.steps, product
        return product

    def _update(self, rate, w, g, m, v):
        self._average(g, m, v)
        product, now, following = self._product(), self._share(self.steps), self._share(self.steps + 1)
        s, a, b = math.sqrt(1 - self.betas[1] ** self.steps), scratch(w), scratch(w)
        np.sqrt(v, out=b)
        b += visible(self.eps, b, s)
        np.multiply((1 - now) / (1 - product), g, out=a)
        a /= b
        np.divide(m, b, out=b)
        b *= following / (1 - following * product)
        a += b
        w -= np.multiply(rate * s, a, out=a)


@dataclass(eq=False, repr=False)
class RAdam(Adam):
    """Adam whose rate is rectified while v is the average of a few steps (Liu et al. 2020), as in torch.

    With ρ∞ = 2 / (1 - b2) - 1 and ρ = ρ∞ - 2 t b2ᵗ / (1 - b2ᵗ): w ← w - lr r m̂ / (√v̂ + eps / √(1 - b2ᵗ)) for ρ > 5,
    r = √((ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ)), and w ← w - lr m̂ before.

    Parameters
    ----------
    lr, betas, eps, weight_decay, clip_norm, clip_value, maximize, groups : as in `Adam`

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.RAdam(lr=0.1).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.9, 2.5])
    """

    amsgrad: bool = field(default=False, kw_only=True)

    _has_amsgrad = False

    def _move(self, rate, w, m, v):
        (b1, b2), t, a = self.betas, self.steps, scratch(w)
        last, rate = 2 / (1 - b2) - 1, rate / (1 - b1**t)
        length = last - 2 * t * b2**t / (1 - b2**t)
        if length <= 5:
            w -= np.multiply(rate, m, out=a)
            return
        rectified = (length - 4) * (length - 2) * last / ((last - 4) * (last - 2) * length)
        np.sqrt(v, out=a)
        a += visible(self.eps, a)
        np.divide(m, a, out=a)
        w -= np.multiply(rate * math.sqrt(rectified * (1 - b2**t)), a, out=a)
