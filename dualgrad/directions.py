"""Distributions of a random direction v, with E v = 0 and E v vᵀ = 1, and their exact moments.

======================= ============== ====================== =======================================================
class                   fourth moment  variance of (g·v) v_k  cost of one jvp, in forward passes
======================= ============== ====================== =======================================================
`Rademacher`            1              ‖g‖² - g_k²            3 (dense tangents of the weights)
`Gaussian`              3              ‖g‖² + g_k²            3
`LowRank`               1              ‖g‖² - g_k²            2: as good as Rademacher, at less than a dense jvp
======================= ============== ====================== =======================================================

(DODGE, eqs. 8 and 9; for general fourth moment κ the variance is ‖g‖² + (κ - 2) g_k².)
"""

import numpy as np

from .dual import Dual
from .errors import DualgradError
from .lowrank import LowRank as Factors
from .params import Params
from .random import as_rng
from .tree import flatten, map_leaves, unflatten

__all__ = ["Gaussian", "LowRank", "Rademacher"]


def _lead(n):
    if n is None:
        return ()
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise ValueError(f"got n={n!r} directions; expected a positive integer, or None for one without a lead axis")
    return (int(n),)


def _require_real(tree):
    leaves, structure = flatten(tree)
    for leaf in leaves:
        if isinstance(leaf, Dual):
            raise DualgradError("draw the direction outside the differentiated function, or for dg.primal(params)")
        if getattr(getattr(leaf, "dtype", None), "kind", None) != "f":
            kind = getattr(leaf, "dtype", type(leaf).__name__)
            raise TypeError(f"directions are drawn for real floating parameters; got a leaf of {kind}")
    return leaves, structure


class _Independent:
    """Directions with independent entries of mean 0 and variance 1."""

    second_moment = 1.0
    cost = 3.0

    def __repr__(self):
        return f"{type(self).__name__}()"

    def sample(self, params, *, rng, n=None):
        """A direction for ``params`` and of its kind, or n of them along a leading axis.

        Parameters
        ----------
        params : Params, array, or tree of arrays
        rng : int, numpy.random.Generator or Rng
        n : int, optional

        Returns
        -------
        Params (whose vector is ``(p,)`` or ``(n, p)``), an array, or a tree of arrays, in the dtype of ``params``.
        """
        rng, lead = as_rng(rng), _lead(n)
        _require_real(params)
        if isinstance(params, Params):
            vector = params.vector
            return Params.from_vector(params.layout, self._draw(rng, lead + vector.shape, vector.dtype, vector))
        return map_leaves(lambda leaf: self._draw(rng, lead + leaf.shape, leaf.dtype, leaf), params)

    def variance(self, gradient):
        """The variance of (g·v) v per component, ‖g‖² + (κ - 2) g_k² (DODGE, eq. 8), in the structure of g."""
        return _variance(gradient, self.fourth_moment)


def _variance(gradient, fourth_moment):
    leaves, structure = flatten(gradient)
    square = sum(np.sum(np.asarray(g, dtype=np.float64) ** 2) for g in leaves)
    return unflatten(structure, [square + (fourth_moment - 2) * g * g for g in leaves])


class Rademacher(_Independent):
    """Independent signs ±1: of all distributions with independent entries the one of least variance.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Rademacher().sample(np.zeros(4), rng=3)
    array([ 1.,  1.,  1., -1.])
    >>> dg.directions.Rademacher().variance(np.array([3.0, 4.0]))
    array([16.,  9.])
    """

    fourth_moment = 1.0

    def _draw(self, rng, shape, dtype, like):
        return rng.signs(shape, dtype=dtype, like=like)


class Gaussian(_Independent):
    """Independent standard normals, rotation invariant; κ = 3.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Gaussian().sample({"w": np.zeros((2, 2), np.float32)}, rng=0, n=3)["w"].shape
    (3, 2, 2)
    >>> dg.directions.Gaussian().variance(np.array([3.0, 4.0]))
    array([34., 41.])
    """

    fourth_moment = 3.0

    def _draw(self, rng, shape, dtype, like):
        return rng.normal(shape, dtype=dtype, like=like)


def _is_matrix(leaf):
    return leaf.ndim > 1 and leaf.size > 0


class LowRank:
    """Signs a bᵀ for every matrix (kernels: output channel times the rest), dense signs for vectors.

    The entries of a bᵀ are ±1 and pairwise uncorrelated, which is all that the variance of (g·v) v depends on: it is
    exactly that of `Rademacher`. Drawing costs O(n + m) for an n x m matrix and ``x @ v`` O(n + m) per row.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.LowRank().sample({"w": np.zeros((3, 2)), "b": np.zeros(2)}, rng=3)
    {'w': LowRank(float64[3, 2]), 'b': array([-1., -1.])}
    """

    second_moment = 1.0
    fourth_moment = 1.0
    cost = 2.0

    def __repr__(self):
        return "LowRank()"

    def sample(self, params, *, rng, n=None):
        """A direction for ``params``: a tree (a dict for Params) whose matrices are `dualgrad.LowRank`."""
        rng, lead = as_rng(rng), _lead(n)
        leaves, structure = _require_real(dict(params) if isinstance(params, Params) else params)
        counts = [leaf.size // leaf.shape[-1] + leaf.shape[-1] if _is_matrix(leaf) else leaf.size for leaf in leaves]
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
        if not _is_matrix(leaf):
            return signs.reshape(signs.shape[:-1] + leaf.shape)
        return Factors(signs[..., : -leaf.shape[-1]], signs[..., -leaf.shape[-1] :], leaf.shape, signs=True)

    def variance(self, gradient):
        """The variance of (g·v) v per component, ‖g‖² - g_k², in the structure of g."""
        return _variance(gradient, self.fourth_moment)
