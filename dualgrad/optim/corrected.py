"""Adam with other corrections of its averages: NAdam and RAdam."""

import math
from dataclasses import dataclass, field

import numpy as np

from .adam import Adam
from .blockwise import is_just, scratch, visible
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

    def _shares(self):
        """Π μ over all steps so far, the last μ of them, and the next."""
        settings = self.betas[0], self.momentum_decay
        before, known, product, now, following = vars(self).get("_known", (None, 0, 1.0, 0.0, 0.0))
        if before != settings or known > self.steps:
            known, product, following = 0, 1.0, self._share(1)
        for t in range(known + 1, self.steps + 1):
            product, now, following = product * following, following, self._share(t + 1)
        vars(self)["_known"] = settings, self.steps, product, now, following
        return product, now, following

    def _numbers(self, rate, kind):
        (b1, b2), t = self.betas, self.steps
        product, now, following = self._shares()
        s = math.sqrt(1 - b2**t)
        of_g, of_m = rate * s * (1 - now) / (1 - product), rate * s * following / (1 - following * product)
        return b1, 1 - b1, b2, 1 - b2, visible(self.eps, kind, s), of_g, of_m

    def _update(self, numbers, w, g, m, v):
        (*weights, eps, of_g, of_m), a, b = numbers, scratch(w), scratch(w)
        self._average(*weights, g, m, v, a)
        np.multiply(of_g, g, out=a)
        a += np.multiply(of_m, m, out=b)
        np.sqrt(v, out=b)
        b += eps
        a /= b
        w -= a


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

    def _numbers(self, rate, kind):
        """The last three: the rate with what corrects it, and the factor of √v and eps, which are 0 and 1 at first."""
        (b1, b2), t = self.betas, self.steps
        last, rate = 2 / (1 - b2) - 1, rate / (1 - b1**t)
        length, how = last - 2 * t * b2**t / (1 - b2**t), (0, 1)
        if length > 5:
            rectified = (length - 4) * (length - 2) * last / ((last - 4) * (last - 2) * length)
            rate, how = rate * math.sqrt(rectified * (1 - b2**t)), (1, visible(self.eps, kind))
        return b1, 1 - b1, b2, 1 - b2, rate, *how

    def _update(self, numbers, w, g, m, v):
        (*weights, rate, by, eps), a = numbers, scratch(w)
        self._average(*weights, g, m, v, a)
        if is_just(by, 0):
            w -= np.multiply(rate, m, out=a)
            return
        np.sqrt(v, out=a)
        if not is_just(by, 1):
            a *= by
        a += eps
        np.divide(m, a, out=a)
        w -= np.multiply(rate, a, out=a)
