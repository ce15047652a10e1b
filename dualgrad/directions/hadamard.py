"""Hadamard: orthogonal signs."""

import numpy as np

from ..backend import like as on_device
from ..backend import to_numpy
from ..checks import flag
from ..lowrank import LowRank
from ..params import Params
from ..random import as_rng
from ..tree import flatten, unflatten
from .base import Direction, lead_axes, require_real
from .low_rank import is_matrix
from .vectors import as_tree, as_vector


class Hadamard(Direction):
    """Rows of a Hadamard matrix, drawn without replacement, times one vector of signs: orthogonal signs.

    Parameters
    ----------
    low_rank : bool
        One matrix for every matrix of the parameters, whose rows are Kronecker products a bᵀ: `dualgrad.LowRank`
        directions. Vectors get rows of their own.

    Notes
    -----
    Lengths are rounded up to a power of 2, P, and the rows cut: orthogonal where p is one, nearly so elsewhere. With
    n rows the variance of Σ (g·v) v_k is n (P - n) / (P - 1) (‖g‖² - g_k²); for p = P that is (p/n - 1) ‖g‖² in total
    for the mean, as for a random projection, without its QR, and for others (P - n)(p - 1) / (n (P - 1)) ‖g‖².
    With ``low_rank=True`` that holds within each leaf, whose rows begin anew after P, and other leaves add n times
    their ‖g‖², as independent signs do. Drawing takes O(n p).

    Raises
    ------
    ValueError
        For more directions than rows, of one matrix for all.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> v = dg.directions.Hadamard().sample(np.zeros(8), rng=0, n=3)
    >>> v @ v.T
    array([[8., 0., 0.],
           [0., 8., 0.],
           [0., 0., 8.]])
    """

    fourth_moment = 1.0

    def __init__(self, low_rank=False):
        self.low_rank = flag("low_rank", low_rank)
        self.cost = 2.0 if low_rank else 3.0

    def __repr__(self):
        return "Hadamard(low_rank=True)" if self.low_rank else "Hadamard()"

    def sample(self, params, *, rng, n=None):
        if not self.low_rank:
            return super().sample(params, rng=rng, n=n)
        rng, lead = as_rng(rng), lead_axes(n)
        leaves, structure = require_real(dict(params) if isinstance(params, Params) else params)
        return unflatten(structure, [self._factors(rng, leaf, lead) for leaf in leaves])

    def _factors(self, rng, leaf, lead):
        """Rows for one leaf, as factors where it is a matrix, each with a sign of its own."""
        n = lead[0] if lead else 1
        if not is_matrix(leaf):
            rows = _signs_of_rows(_cycled(rng, n, _padded(leaf.size)), leaf.size) * rng.signs((1, leaf.size))
            rows = rows * rng.signs((n, 1))
            rows = rows.reshape(lead + leaf.shape) if lead else rows.reshape(leaf.shape)
            return on_device(rows.astype(leaf.dtype), leaf)
        height, width = leaf.size // leaf.shape[-1], leaf.shape[-1]
        a_rows, b_rows = _padded(height), _padded(width)
        chosen = _cycled(rng, n, a_rows * b_rows)
        a = _signs_of_rows(chosen // b_rows, height) * rng.signs((1, height)) * rng.signs((n, 1))
        b = _signs_of_rows(chosen % b_rows, width) * rng.signs((1, width))
        a, b = (on_device((f if lead else f[0]).astype(leaf.dtype), leaf) for f in (a, b))
        return LowRank(a, b, leaf.shape, signs=True)

    def _require(self, n, p):
        if n > _padded(p):
            raise ValueError(f"got n={n} directions; there are {_padded(p)} rows: take fewer directions")

    def rows(self, rng, n, p):
        self._require(n, p)
        return _signs_of_rows(_without_replacement(rng, n, _padded(p)), p) * rng.signs((1, p))

    def moments(self, g, n):
        rows = _padded(g.size)
        self._require(n, g.size)
        share = n * (rows - n) / max(rows - 1, 1)
        return n * g, share * (g @ g - g * g)

    def sum_moments(self, gradient, n=1):
        if not self.low_rank:
            return super().sum_moments(gradient, n)
        leaves, _ = flatten(gradient if not isinstance(gradient, Params) else dict(gradient))
        total = sum(float(np.sum(np.square(to_numpy(g), dtype=np.float64))) for g in leaves)
        variances = []
        for g in leaves:
            rows = _padded(g.size // g.shape[-1]) * _padded(g.shape[-1]) if is_matrix(g) else _padded(g.size)
            flat = np.ravel(to_numpy(g)).astype(np.float64)
            share = n % rows * (rows - n % rows) / max(rows - 1, 1)
            variances.append(share * (flat @ flat - flat**2) + n * (total - flat @ flat))
        return as_tree(n * as_vector(gradient), gradient), as_tree(as_vector(variances), gradient)


def _padded(p):
    """The next power of 2."""
    return 1 << max(p - 1, 0).bit_length()


def _without_replacement(rng, n, count):
    """The first n of a random permutation of 0 ... count - 1, without the rest of it."""
    chosen = []
    for k in range(n):
        draw = int(rng.integers(0, count - k))
        for taken in sorted(chosen):
            draw += draw >= taken
        chosen.append(draw)
    return np.array(chosen, dtype=int)


def _cycled(rng, n, count):
    """n of 0 ... count - 1: as often as possible all of them, the rest drawn without replacement."""
    return np.concatenate([np.tile(np.arange(count), n // count), _without_replacement(rng, n % count, count)])


def _signs_of_rows(rows, p):
    """The first p entries of rows of the Hadamard matrix H_jk = (-1)^(number of ones in j & k)."""
    bits = rows[:, None] & np.arange(p)[None, :]
    return 1.0 - 2.0 * (np.bitwise_count(bits) & 1)
