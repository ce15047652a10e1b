"""Downstream: y = Jᵀ ξ."""

from typing import Literal

from ...checks import positive_count
from ..state import Names
from .base import Guess


class Downstream(Guess):
    """y = Jᵀ ξ: noise some layers further on, taken back through all that lies between.

    Parameters
    ----------
    layers : int
        How many layers with parameters lie between; noise is drawn behind the last one's activation.
    noise, n, store, local : as in `ActivationPerturbation`

    Notes
    -----
    Cost: that of `ActivationPerturbation` and ``layers`` products per guess and pass. Memory: that of ``layers`` + 2
    layers. Bias: E ĝ is M δ at each layer's output, M = Jᵀ J. Variance: with C = M as in `TransposedWeight`.
    When: as `TransposedWeight`; more than one layer brings no more (the paper's figure 7).

    Raises
    ------
    ValueError
        For a number of layers that is not a positive integer.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([3, 4, 4, 2])
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.eye(3), np.zeros((3, 2)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> dg.estimators.Downstream(layers=2, n=4).estimate(batch, params, rng=0).directional.shape
    (4, 3)
    """

    named: Names = ("layers",)
    layers: int
    ahead: float

    def __init__(
        self,
        layers: int = 1,
        noise: Literal["normal", "signs"] = "normal",
        n: int = 1,
        store: bool = False,
        local: bool = False,
    ) -> None:
        super().__init__(noise, n, store, local)
        self.layers = positive_count("layers", layers)
        self.ahead = float(self.layers)

    def _end(self, walk, k):
        sites = walk.downstream(k)
        if not sites:
            return k + 1
        return next((site for site, between in sites if between >= self.layers), len(walk.steps))
