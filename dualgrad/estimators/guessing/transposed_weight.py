"""TransposedWeight: y = D W ξ."""

from typing import Literal

import numpy as np

from ...checks import real_number
from ...errors import DualgradError
from ...nn.linear import Linear
from ..state import Names
from .base import Guess


class TransposedWeight(Guess):
    """y = D W ξ: noise behind the next layer, taken back through its weight W and the slope D of what lies between.

    (With W of shape ``(in, out)``, as here; in the paper it stands the other way, and the guess is D Wᵀ ξ. Norms are
    passed through like activations.)

    Parameters
    ----------
    power : float
        Raise the singular values of W to this power first: above 1 a few dominate the guess, 0 evens them out (the
        study of the paper's figure 5). Other than 1 it needs `dualgrad.nn.Linear` layers.
    noise, n, store, local : as in `ActivationPerturbation`

    Notes
    -----
    Cost: that of `ActivationPerturbation` and a product with W per guess and pass; a singular value decomposition of
    every weight per pass, where ``power`` is not 1. Memory: that of three layers.
    Bias: E ĝ is M δ at each layer's output, M = D W Wᵀ D. Variance: with C = M, tr(C) δᵀ C δ + δᵀ C² δ for normals.
    When: weights of low rank, whose image most gradients lie in.

    Raises
    ------
    DualgradError
        At `estimate`, for a power other than 1 where the next layer is not Linear.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([3, 4, 2])
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.eye(3), np.zeros((3, 2)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> estimate = dg.estimators.TransposedWeight().estimate(batch, params, rng=0)
    >>> estimate.directional.shape  # a slope for every guess and example
    (1, 3)
    """

    ahead: float = 1.0
    named: Names = ("power",)
    power: float

    def __init__(
        self,
        power: float = 1.0,
        noise: Literal["normal", "signs"] = "normal",
        n: int = 1,
        store: bool = False,
        local: bool = False,
    ) -> None:
        super().__init__(noise, n, store, local)
        self.power = real_number("power", power)

    def _end(self, walk, k):
        return walk.downstream(k)[0][0] + 1 if walk.downstream(k) else k + 1

    def _guess(self, walk, k, rng):
        if self.power == 1 or not walk.downstream(k):
            return super()._guess(walk, k, rng)
        site, _ = walk.downstream(k)[0]
        x = walk.value(site + 1)
        return walk.pull(k + 1, site, self._draw(rng, x.shape, x) @ self._powered(walk, site).T)

    def _powered(self, walk, site):
        """W with its singular values to the power."""
        step = walk.steps[site]
        if not isinstance(step.layer, Linear):
            raise DualgradError(f"{self!r} raises the singular values of Linear layers; the next one is {step.layer!r}")
        if site not in walk.kept:
            u, s, vt = np.linalg.svd(walk.p[step.names["weight"]], full_matrices=False)
            walk.kept[site] = (u * s**self.power) @ vt
        return walk.kept[site]

    def _covariance(self, walk, k, delta):
        if self.power == 1 or not walk.downstream(k):
            return super()._covariance(walk, k, delta)
        site, _ = walk.downstream(k)[0]
        w = self._powered(walk, site)
        return walk.pull(k + 1, site, walk.pushed(k + 1, site, delta) @ w @ w.T)

    def _moments(self, walk, k, delta):
        if self.power != 1:
            raise NotImplementedError("the variance is known in closed form for a power of 1")
        return super()._moments(walk, k, delta)
