"""LowRank: signs a bᵀ for every matrix."""

import numpy as np

from .. import lowrank
from ..params import Params
from ..random import as_rng
from ..tree import unflatten
from .base import Direction, lead_axes, require_real


class LowRank(Direction):
    """Signs a bᵀ for every matrix (kernels: output channel times the rest), dense signs for vectors.

    The entries of a bᵀ are ±1 and pairwise uncorrelated, which is all that the variance of (g·v) v depends on: it is
    exactly that of `Rademacher`. Drawing costs O(n + m) for an n x m matrix and ``x @ v`` O(n + m) per row. Of what
    depends on more, the estimates are less alike normals: g·v has a kurtosis of up to 9, against 3, and its entries
    covary differently.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.LowRank().sample({"w": np.zeros((3, 2)), "b": np.zeros(2)}, rng=3)
    {'w': LowRank(float64[3, 2]), 'b': array([-1., -1.])}
    """

    fourth_moment = 1.0
    cost = 2.0

    def sample(self, params, *, rng, n=None):
        """A direction for ``params``: a tree (a dict for Params) whose matrices are `dualgrad.LowRank`."""
        rng, lead = as_rng(rng), lead_axes(n)
        leaves, structure = require_real(dict(params) if isinstance(params, Params) else params)
        counts = [leaf.size // leaf.shape[-1] + leaf.shape[-1] if is_matrix(leaf) else leaf.size for leaf in leaves]
        first = leaves[0] if leaves else np.zeros(0)
        signs = rng.signs((*lead, sum(counts)), dtype=first.dtype, like=first)
        drawn, start = [], 0
        for leaf, count in zip(leaves, counts, strict=True):
            drawn.append(self._factors(signs[..., start : start + count], leaf))
            start += count
        return unflatten(structure, drawn)

    def _factors(self, signs, leaf):
        if leaf.dtype != signs.dtype:
            signs = signs.astype(leaf.dtype)
        if not is_matrix(leaf):
            return signs.reshape(signs.shape[:-1] + leaf.shape)
        return lowrank.LowRank(signs[..., : -leaf.shape[-1]], signs[..., -leaf.shape[-1] :], leaf.shape, signs=True)

    def moments(self, g, n):
        return n * g, n * (g @ g - g * g)


def is_matrix(leaf):
    return leaf.ndim > 1 and leaf.size > 0
