"""SelfSharpening: y = Jᵀ ξ with ξ uniform, and the true error at the last layer."""

import numpy as np

from ...backend import Array
from ...layout import Layout
from ..point import Point
from .downstream import Downstream


class SelfSharpening(Downstream):
    """`Downstream` with uniform noise, and the true error at the last layer (section 4.1): guesses sharpen in time.

    Parameters
    ----------
    layers, n, store, local : as in `Downstream`

    Notes
    -----
    Noise is uniform on [0, 1). It has a mean, and so has the guess, μ = Jᵀ 1/2: E ĝ is Jᵀ J δ/12 + μ Σ δ·μ at a layer's
    output, the sum over the layers that are guessed at, and the one direction μ dominates.
    The last layer gets its exact gradient, which is local. Train it with `dualgrad.optim.StableAdamW`, as the paper
    does; it fits the training data far better than it generalises.
    Cost, memory: as `Downstream`. Variance: not known in closed form.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([3, 4, 2])
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.eye(3), np.zeros((3, 2)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> found = dg.estimators.SelfSharpening().estimate(batch, params, rng=0).gradient
    >>> exact = dg.estimators.Backprop().estimate(batch, params).gradient
    >>> np.allclose(found["2.weight"], exact["2.weight"])
    True
    """

    def __init__(self, layers: int = 1, n: int = 1, store: bool = False, local: bool = False) -> None:
        super().__init__(layers, n=n, store=store, local=local)

    def _draw(self, rng, shape, x):
        return rng.uniform(0.0, 1.0, shape, dtype=x.dtype, like=x)

    def _known(self, walk, k):
        return not walk.downstream(k)

    def _expected(self, sites):
        """C δ + μ Σ δ·μ over the layers, with the noise's covariance 1/12 in C and its mean 1/2 in μ."""
        guessed = [site for site in sites if not self._known(*site[:2])]
        means = {id(site): self._mean(*site[:2]) for site in guessed}
        along = {}  # each chain, which has a loss of its own, has slopes of its own
        for site in guessed:
            share = np.sum(site[2] * means[id(site)], axis=tuple(range(1, site[2].ndim)))
            along[id(site[0])] = along.get(id(site[0]), 0.0) + share
        for site in sites:
            walk, k, delta = site
            if self._known(walk, k):
                yield delta
            else:
                share = np.reshape(along[id(walk)], (-1,) + (1,) * (delta.ndim - 1))
                yield self._covariance(walk, k, delta) / 12 + share * means[id(site)]

    def _mean(self, walk, k):
        end = self._end(walk, k)
        return walk.pull(k + 1, end, np.full_like(walk.value(end), 0.5))

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """Not known in closed form: the noise has a mean."""
        raise NotImplementedError("the variance of self-sharpening, whose noise has a mean, has no closed form here")
