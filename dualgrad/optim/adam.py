"""Adam and what came of it: steps by averages of the gradient and of its square."""

import math
from dataclasses import dataclass

import numpy as np

from ..backend import to_numpy
from .blockwise import blocks, mix, prepared, scratch, visible
from .hyperparameters import Rate
from .optimizer import Optimizer


@dataclass(eq=False, repr=False)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): m̂ and v̂ are bias-corrected averages of g and g²; w ← w - lr m̂ / (√v̂ + eps).

    Parameters
    ----------
    lr : float or schedule, not negative
    betas : pair of float, in [0, 1)
    eps : positive float
    weight_decay : float, not negative
        weight_decay w is added to g (L2), as in torch; `AdamW` decays the parameters by themselves.
    amsgrad : bool
        The largest v of all steps so far stands for v (Reddi et al. 2018).
    clip_norm, clip_value, maximize, groups : as in `SGD`

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.Adam(lr=0.1).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.9, 2.1])
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0
    amsgrad: bool = False

    squares = ("v", "largest")
    _has_amsgrad = True
    _by_blocks = _adds_decay = True

    def _agree(self):
        super()._agree()
        if self.amsgrad and not self._has_amsgrad:
            raise ValueError(f"got {self!r}, which takes v itself: expected amsgrad=False, or Adam or AdamW")

    @property
    def state_names(self) -> tuple[str, ...]:
        """The vectors it keeps."""
        return ("m", "v") + ("largest",) * self.amsgrad

    def _bounds(self, rate, largest):
        state_bound = self.betas[0] * self._state_bound + largest
        step_bound = state_bound / self.eps / math.sqrt(1 - self.betas[1])
        return state_bound, max(largest * largest, max(1, rate) * step_bound)

    def _numbers(self, rate, kind):
        """With s = √(1 - b2ᵗ) the step is lr s / (1 - b1ᵗ) times m / (√v + s eps): one pass less than m̂ and v̂ take."""
        (b1, b2), t = self.betas, self.steps
        s = math.sqrt(1 - b2**t)
        return b1, 1 - b1, b2, 1 - b2, visible(self.eps, kind, s), rate * s / (1 - b1**t)

    def _update(self, numbers, w, g, m, v, largest=None):
        (b1, rest1, b2, rest2, eps, rate), a = numbers, scratch(w)
        self._average(b1, rest1, b2, rest2, g, m, v, a)
        self._move(eps, rate, w, m, v if largest is None else np.maximum(v, largest, out=largest), a)

    def _average(self, b1, rest1, b2, rest2, g, m, v, a):
        mix(m, b1, rest1, g, a)
        mix(v, b2, rest2, np.square(g, out=a), a)

    def _move(self, eps, rate, w, m, v, a):
        np.sqrt(v, out=a)
        a += eps
        np.divide(m, a, out=a)
        w -= np.multiply(rate, a, out=a)


@dataclass(eq=False, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): w ← (1 - lr weight_decay) w, then Adam's step.

    Parameters
    ----------
    lr, betas, eps, amsgrad, clip_norm, clip_value, maximize, groups : as in `Adam`
    weight_decay : float, not negative

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.AdamW(lr=0.1, weight_decay=0.5).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.85, 2.  ])
    """

    weight_decay: float = 1e-2

    _adds_decay = False

    def _bounds(self, rate, largest):
        state_bound, step_bound = super()._bounds(rate, largest)
        grows = rate * self.weight_decay > 2  # the parameters themselves
        return state_bound, math.inf if grows else step_bound

    def _numbers(self, rate, kind):
        return 1 - rate * self.weight_decay, *super()._numbers(rate, kind)

    def _update(self, numbers, w, g, *state):
        shrink, *numbers = numbers
        w *= shrink
        super()._update(numbers, w, g, *state)


@dataclass(eq=False, repr=False)
class StableAdamW(AdamW):
    """AdamW at the rate lr / max(1, RMS), RMS = √mean(g² / max(v̂, eps²)) over each tensor (each named leaf).

    The rate drops where a gradient is larger than v̂ has yet learnt (Wortsman et al. 2023, "Stable and low-precision
    training for large-scale vision-language models", Algorithm 2).

    Parameters
    ----------
    lr, betas, eps, clip_norm, clip_value, maximize, groups : as in `Adam`
    weight_decay : float, not negative

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w, optimizer = np.zeros(1), dg.optim.StableAdamW(lr=0.1)
    >>> for g in (1.0, 1.0, 100.0):  # the last step is far shorter than lr
    ...     optimizer.step(w, np.array([g]))
    ...     print(w.round(3))
    [-0.1]
    [-0.2]
    [-0.237]
    """

    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-6

    _by_blocks, _by_tensor, _has_amsgrad = False, True, False

    def _bounds(self, rate, largest):
        state_bound, step_bound = super()._bounds(rate, largest)
        return state_bound, max(step_bound, largest * largest / (1 - self.betas[1]), largest / self.eps / self.eps)

    def _numbers(self, rate, kind):
        return rate, kind

    def _sweep(self, row, w, g, m, v):
        *clipping, rate, kind = row
        total = count = 0
        for w_block, g_block, *moments in blocks(w, g, m, v):
            total += self._surprise(prepared(w_block, g_block, *clipping), *moments)
            count += g_block.size
        shrink, *_, eps, rate = AdamW._numbers(self, rate / max(1, math.sqrt(total / max(count, 1))), kind)
        for part, *moments in blocks(w, m, v):
            part *= shrink
            self._move(eps, rate, part, *moments, scratch(part))

    def _surprise(self, g, m, v):
        """Bring m and v up to date; the sum of g² / max(v̂, eps²)."""
        (b1, b2), a = self.betas, scratch(v)
        self._average(b1, 1 - b1, b2, 1 - b2, g, m, v, a)
        np.multiply(v, 1 / (1 - b2**self.steps), out=a)
        np.divide(g, np.maximum(a, visible(self.eps**2, a.dtype), out=a), out=a)
        a *= g
        return float(to_numpy(np.sum(a)))
