"""The forward gradient: directional derivatives along random directions, times those directions."""

import numpy as np

from ..errors import ShapeError
from ..lowrank import LowRank
from ..params import Params
from ..random import as_rng
from ..scratch import empty_like
from ..transforms import jvp
from ..tree import flatten, leaves_like, unflatten
from .estimate import Estimate, require_finite


class ForwardGradient:
    """ĝ = (1/n) Σ_i (g·v_i) v_i, each g·v_i by one jvp, no backward pass (Baydin et al. 2022; DODGE, eq. 9).

    Parameters
    ----------
    directions : an instance from `dualgrad.directions`
    n : int
        How many directions, all pushed in one pass.

    Notes
    -----
    Cost: n = 1, three forward passes with dense directions and two with LowRank ones; n directions, 1 + 2n or 1 + n.
    Memory: the values in use and n tangents of each; nothing is taped.
    Bias: none, for any directions with E v vᵀ = 1.
    Variance, per component: (‖g‖² + (κ - 2) g_k²) / n, with κ the fourth moment of the directions.
    When: a backward pass is impossible or too much code or memory. The error grows with the number of parameters.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> estimator = dg.estimators.ForwardGradient(directions=dg.directions.Rademacher())
    >>> estimate = estimator.estimate(lambda w: np.sum(w * np.array([3.0, 4.0])), np.zeros(2), rng=3)
    >>> estimate.value, estimate.directional, estimate.gradient
    (np.float64(0.0), np.float64(7.0), array([7., 7.]))
    >>> estimator.variance(np.array([3.0, 4.0]))
    array([16.,  9.])
    """

    def __init__(self, directions, n=1):
        if not hasattr(directions, "sample") or isinstance(directions, type):
            raise TypeError(f"got directions={directions!r}; expected an instance such as directions.Rademacher()")
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
            raise ValueError(f"got n={n!r}; expected a positive number of directions")
        self.directions, self.n = directions, int(n)

    def __repr__(self):
        return f"ForwardGradient(directions={self.directions!r}, n={self.n})"

    def estimate(self, objective, params, *, rng):
        """The loss and the estimate at ``params``.

        Raises
        ------
        ShapeError
            When the objective does not return a scalar.
        NonFiniteError
            When the loss or a directional derivative is NaN or infinite.
        """
        directions = self.directions.sample(params, rng=as_rng(rng), n=None if self.n == 1 else self.n)
        value, slopes = jvp(objective, (params,), (directions,))
        if np.shape(value) != ():
            raise ShapeError(f"{self!r}: the objective returned shape {np.shape(value)}; expected a scalar loss")
        require_finite(self, value, slopes)
        gradient = _mean_of_products(slopes, directions, params, self.n)
        return Estimate(value, gradient, slopes, 1 + self.n * (self.directions.cost - 1))

    def expectation(self, gradient, objective=None, params=None):
        """E ĝ = g."""
        return gradient

    def variance(self, gradient, objective=None, params=None):
        """The variance of each component of ĝ at the exact gradient g."""
        leaves, structure = flatten(self.directions.variance(gradient))
        return unflatten(structure, [v / self.n for v in leaves])


def _mean_of_products(slopes, directions, params, n):
    """(1/n) Σ_i slopes_i v_i, dense, in the kind of the parameters."""
    if isinstance(directions, Params):
        vector = _product(slopes, directions.vector, n, out=empty_like(params.vector))
        return Params.from_vector(params.layout, vector)
    if isinstance(params, Params):
        gradient = Params.from_vector(params.layout, empty_like(params.vector))
        for name, v in directions.items():
            _product(slopes, v, n, out=gradient[name])
        return gradient
    _, structure = flatten(params)
    return unflatten(structure, [_product(slopes, v, n) for v in leaves_like(directions, structure, "directions")])


def _product(slopes, v, n, out=None):
    slopes = slopes.astype(v.dtype)  # the loss may have another precision than the parameters
    if isinstance(v, LowRank):
        return _factored(slopes, v, n, out)
    if n == 1:
        return np.multiply(slopes, v, out=out)
    if v.ndim == 2:
        return np.matmul(slopes / n, v, out=out)
    g = np.tensordot(slopes / n, v, 1)
    if out is None:
        return g
    out[...] = g
    return out


def _factored(slopes, v, n, out):
    """slope · a bᵀ for one direction; for n of them Aᵀ diag(slopes) B / n, one product."""
    if n == 1:
        return v.times(slopes, out)
    out = None if out is None else out.reshape(v.a.shape[-1], v.b.shape[-1])
    return np.matmul((v.a * (slopes / n)[:, None]).T, v.b, out=out).reshape(v.leaf_shape)
