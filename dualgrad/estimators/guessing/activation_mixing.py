"""ActivationMixing: y = D A x′."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ...errors import DualgradError
from ...tree import Tree
from .base import Guess


class ActivationMixing(Guess):
    """y = D A x′: random mixtures of the batch's activations x′ behind the layer, masked, at mean square 1.

    A is ``(B, B)`` noise; D the slope of what lies between, for ReLU its mask. The last layer's guess is noise.

    Parameters
    ----------
    noise, n, store, local : as in `ActivationPerturbation`

    Notes
    -----
    Cost and memory: as `ActivationPerturbation`, and a product of ``(B, B)`` with the activations.
    Bias: gradients are sought among the activations only. Variance: not known in closed form.
    When: activations and gradients lie in the same subspace (`subspace` says how far).

    Raises
    ------
    DualgradError
        For a batch of one, which has nothing to mix.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([3, 4, 2])
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.eye(3), np.zeros((3, 2)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> dg.estimators.ActivationMixing().estimate(batch, params, rng=0).gradient.vector.shape
    (26,)
    """

    def _guess(self, walk, k, rng):
        if not walk.downstream(k):
            return super()._guess(walk, k, rng)
        site, _ = walk.downstream(k)[0]
        x = walk.value(site)
        mixtures = np.reshape(self._draw(rng, (len(x), len(x)), x) @ np.reshape(x, (len(x), -1)), x.shape)
        y = walk.pull(k + 1, site, mixtures)
        size = np.sqrt(np.mean(np.square(y)))
        return y / np.where(size > 0, size, 1)

    def _require(self, objective):
        if len(objective.x) < 2:
            raise DualgradError(f"{self!r} mixes the examples of a batch; got a batch of {len(objective.x)}")

    def expectation(
        self, gradient: Tree, objective: Callable[[Any], Any] | None = None, params: Tree = None
    ) -> NoReturn:
        """Not known in closed form, for the normalisation."""
        raise NotImplementedError("the mean of activation mixing, which is normalised, has no closed form")

    def variance(self, gradient: Tree, objective: Callable[[Any], Any] | None = None, params: Tree = None) -> NoReturn:
        """Not known in closed form, for the normalisation."""
        raise NotImplementedError("the variance of activation mixing, which is normalised, has no closed form")
