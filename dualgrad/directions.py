"""Distributions of a random direction v, with their exact moments.

The estimate of a gradient g from directions v₁ ... vₙ is made of Σ_i (g·v_i) v_i. Every class knows the exact mean and
variance of that sum (`sum_moments`), which is all that an estimator needs to state its own. Below, κ is the fourth
moment of an entry of v, and p the number of parameters; variances are of component k, for one direction.

============ =========== ======== ================================== =====================================
class        fourth      norm     variance of (g·v) v_k              take it for
============ =========== ======== ================================== =====================================
`LowRank`    1           √p       ‖g‖² - g_k²                        networks: a jvp costs 2 passes, not 3
`Rademacher` 1           √p       ‖g‖² - g_k²                        functions of one's own, vectors
`Uniform`    9/5         about √p ‖g‖² - g_k²/5                      comparison
`Gaussian`   3           about √p ‖g‖² + g_k²                        comparison with papers
`Sphere`     3p/(p + 2)  √p       p (‖g‖² + 2 g_k²)/(p + 2) - g_k²   rotations, at constant norm
`Coordinate` p           √p       (p - 1) g_k²                       one row of RTRL at a time
`Blocks`     of its base √(p/n)   that of its base, in k's block     n parts, none disturbs another
`Orthogonal` 3p/(p + 2)  √p       in total ‖g‖² (p/n - 1), n of them n directions of a small problem
`Hadamard`   1           √p       in total ‖g‖² (p/n - 1), n of them n directions; LowRank too
`Along`      -           1        0, and the mean is (g·u) u         DODGE: a candidate for g
`Scaled`     of its base √(p c)   c_k times its base's, at √c g      a preconditioner inside
============ =========== ======== ================================== =====================================

(DODGE, eqs. 5 to 10 and 12; the general fourth moment gives ‖g‖² + (κ - 2) g_k².)
"""

import math

import numpy as np

from .backend import like as on_device
from .backend import to_numpy
from .checks import flag
from .dual import Dual
from .errors import DualgradError, ShapeError
from .lowrank import LowRank as Factors
from .params import Params
from .random import as_rng
from .tree import flatten, leaves_like, map_leaves, unflatten

__all__ = [
    "Along",
    "Blocks",
    "Coordinate",
    "Gaussian",
    "Hadamard",
    "LowRank",
    "Orthogonal",
    "Rademacher",
    "Scaled",
    "Sphere",
    "Uniform",
]


def _lead(n):
    if n is None:
        return ()
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise ValueError(f"got n={n!r} directions; expected a positive integer, or None for one without a lead axis")
    return (int(n),)


def require_real(tree):
    leaves, structure = flatten(tree)
    for leaf in leaves:
        if isinstance(leaf, Dual):
            raise DualgradError("draw the direction outside the differentiated function, or for dg.primal(params)")
        if getattr(getattr(leaf, "dtype", None), "kind", None) != "f":
            kind = getattr(leaf, "dtype", type(leaf).__name__)
            raise TypeError(f"directions are drawn for real floating parameters; got a leaf of {kind}")
    return leaves, structure


def as_vector(tree):
    """All entries of a tree in one vector of float64, on the host."""
    leaves = [np.ravel(to_numpy(leaf)) for leaf in flatten(tree)[0]]
    for leaf in leaves:
        if leaf.dtype.kind not in "fiub":
            raise TypeError(f"got {leaf.dtype} numbers; expected real ones, which directions are made of")
    leaves = [leaf.astype(np.float64) for leaf in leaves]
    return np.concatenate(leaves) if leaves else np.zeros(0)


def _require_numbers(name, tree):
    """Raise unless a tree has leaves, and all of them are real numbers."""
    dtypes = [leaf.dtype if hasattr(leaf, "dtype") else np.result_type(type(leaf)) for leaf in flatten(tree)[0]]
    if not dtypes or any(getattr(dtype, "kind", "?") not in "fiu" for dtype in dtypes):
        raise TypeError(f"got {name}={tree!r:.80}; expected an array of real numbers, or a tree of them")


def vector_like(tree, like, what):
    """`as_vector` of a tree that must match another in structure and shapes, and be finite."""
    leaves, structure = flatten(dict(like) if isinstance(like, Params) else like)
    given = leaves_like(tree, structure, what)
    for found, leaf in zip(given, leaves, strict=True):
        if np.shape(found) != np.shape(leaf):
            raise ShapeError(f"{what} has a leaf of shape {np.shape(found)}; expected {np.shape(leaf)}")
    vector = as_vector([to_numpy(v) for v in given])
    if not np.all(np.isfinite(vector)):
        raise ValueError(f"{what} has a NaN or an infinity; expected finite numbers")
    return vector


def as_tree(vector, like):
    """A vector ``(..., p)`` as a tree of the kind, shapes and dtypes of ``like``; a lead axis stays in front."""
    lead = vector.shape[:-1]
    if isinstance(like, Params):
        return Params.from_vector(like.layout, on_device(vector.astype(like.dtype, copy=False), like.vector))
    leaves, structure = flatten(like)
    ends = np.cumsum([leaf.size for leaf in leaves])
    parts = np.split(vector, ends[:-1], axis=-1) if leaves else []
    made = [
        on_device(part.reshape(lead + leaf.shape).astype(leaf.dtype, copy=False), leaf)
        for part, leaf in zip(parts, leaves, strict=True)
    ]
    if lead == ():
        made = [part[()] if isinstance(leaf, np.generic) else part for part, leaf in zip(made, leaves, strict=True)]
    return unflatten(structure, made)


def at(vector, params):
    """The parameters where their entries are those of a vector: `as_tree`, with the buffers."""
    tree = as_tree(vector, params)
    return params.at(tree.vector) if isinstance(params, Params) else tree


class Direction:
    """What all directions share: ``_rows(rng, n, p)`` draws n directions as rows of p numbers, ``_sum_moments(g, n)``
    is the exact mean and variance of Σ_i (g·v_i) v_i for a gradient vector g.
    """

    second_moment = 1.0
    fourth_moment = None
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
        leaves, _ = require_real(params)
        rows = self._rows(rng, 1 if n is None else n, sum(leaf.size for leaf in leaves))
        return as_tree(rows[0] if not lead else rows, params)

    def sum_moments(self, gradient, n=1):
        """The exact mean and variance, entry by entry, of Σ_i (g·v_i) v_i, in the structure of the gradient g."""
        mean, variance = self._sum_moments(as_vector(gradient), int(n))
        return as_tree(mean, gradient), as_tree(variance, gradient)

    def variance(self, gradient):
        """The variance of (g·v) v per component, in the structure of g."""
        return self.sum_moments(gradient)[1]

    def finish(self, gradient):
        """The estimate made of Σ_i (g·v_i) v_i: that sum itself, except for `Scaled` directions that restore."""
        return gradient

    def kurtosis(self, p):
        """E v_k⁴ / (E v_k²)² of an entry of v, for p parameters."""
        return self.fourth_moment

    def norm(self, p):
        """√E‖v‖² for p parameters."""
        return math.sqrt(p * self.second_moment)


class _Independent(Direction):
    """Directions with independent entries of mean 0 and variance 1."""

    def sample(self, params, *, rng, n=None):
        rng, lead = as_rng(rng), _lead(n)
        require_real(params)
        if isinstance(params, Params):
            vector = params.vector
            return Params.from_vector(params.layout, self._draw(rng, lead + vector.shape, vector.dtype, vector))
        return map_leaves(lambda leaf: self._draw(rng, lead + leaf.shape, leaf.dtype, leaf), params)

    def _rows(self, rng, n, p):
        return self._draw(rng, (n, p), np.float64, None)

    def _sum_moments(self, g, n):
        return n * g, n * (g @ g + (self.fourth_moment - 2) * g * g)


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


class Uniform(_Independent):
    """Independent entries, uniform on ±√3; κ = 9/5.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Uniform().variance(np.array([3.0, 4.0]))
    array([23.2, 21.8])
    """

    fourth_moment = 1.8

    def _draw(self, rng, shape, dtype, like):
        return rng.uniform(-math.sqrt(3), math.sqrt(3), shape, dtype=dtype, like=like)


class Sphere(Direction):
    """Points on the sphere of radius √p: rotation invariant, of constant norm.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> v = dg.directions.Sphere().sample(np.zeros(9), rng=0)
    >>> round(float(np.linalg.norm(v)), 6)
    3.0
    """

    def _rows(self, rng, n, p):
        return math.sqrt(p) * rng.unit((n, p))

    def kurtosis(self, p):
        return 3 * p / (p + 2)

    def _sum_moments(self, g, n):
        p = g.size
        return n * g, n * (p / (p + 2) * (g @ g + 2 * g * g) - g * g)


class Coordinate(Direction):
    """±√p along one coordinate, drawn evenly: (g·v) v is one entry of the gradient, p times.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Coordinate().variance(np.array([3.0, 4.0]))
    array([ 9., 16.])
    """

    def _rows(self, rng, n, p):
        rows = np.zeros((n, p))
        rows[np.arange(n), rng.integers(0, p, (n,))] = math.sqrt(p) * rng.signs(n)
        return rows

    def kurtosis(self, p):
        return p

    def _sum_moments(self, g, n):
        return n * g, n * (g.size - 1) * g * g


class Blocks(Direction):
    """One direction cut into n parts, each padded with zeros: the sum of their estimates is unbiased (DODGE, eq. 10).

    Parameters
    ----------
    base : Rademacher, Gaussian, Uniform
        Independent entries, so that the parts are independent.

    Notes
    -----
    For ``ForwardGradient(Blocks(base), n, combine="sum")``. The parts are contiguous and of equal size to within one.
    With signs and n = p the sum is the gradient itself. Variance of entry k: that of the base, with ‖g‖² over the part
    that k is in; in total (p/n - 1) ‖g‖² for signs, where averages of n whole directions have (p - 1)/n ‖g‖².

    Raises
    ------
    ValueError
        For more parts than parameters.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Blocks(dg.directions.Rademacher()).sample(np.zeros(4), rng=0, n=2)
    array([[-1., -1.,  0.,  0.],
           [ 0.,  0., -1., -1.]])
    """

    def __init__(self, base):
        if not isinstance(base, _Independent):
            raise TypeError(f"got base={base!r}; expected a direction with independent entries, such as Rademacher()")
        self.base = base
        self.fourth_moment = base.fourth_moment

    def __repr__(self):
        return f"Blocks({self.base!r})"

    def norm(self, p):
        """√E‖v‖² of all parts together."""
        return self.base.norm(p)

    def _parts(self, n, p):
        if n > p:
            raise ValueError(f"got n={n} parts of {p} parameters; expected at most {p}")
        return np.array_split(np.arange(p), n)

    def _rows(self, rng, n, p):
        rows, whole = np.zeros((n, p)), self.base._rows(rng, 1, p)[0]
        for row, part in zip(rows, self._parts(n, p), strict=True):
            row[part] = whole[part]
        return rows

    def _sum_moments(self, g, n):
        variance = [self.base._sum_moments(g[part], 1)[1] for part in self._parts(n, g.size)]
        return g, np.concatenate(variance)


class Orthogonal(Direction):
    """Orthogonal directions of length √p, uniformly distributed: the Q of normals, n at most p.

    Notes
    -----
    (p/n) times the projection of the gradient on a random subspace: unbiased, and exact for n = p. The distribution
    is rotation invariant, the matrix P of the projection having E P_kk² = n (n + 2) / (p (p + 2)). Drawing takes
    O(p n²): for larger problems take `Hadamard` or `Blocks`.

    Raises
    ------
    ValueError
        For more directions than parameters.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> v = dg.directions.Orthogonal().sample(np.zeros(4), rng=0, n=2)
    >>> np.round(v @ v.T, 6) + 0.0
    array([[4., 0.],
           [0., 4.]])
    """

    def _require(self, n, p):
        if n > p:
            raise ValueError(f"got n={n} orthogonal directions of {p} parameters; there are at most {p}")

    def _rows(self, rng, n, p):
        self._require(n, p)
        q, r = np.linalg.qr(rng.normal((p, n)))
        return math.sqrt(p) * (q * np.sign(np.diagonal(r))).T

    def kurtosis(self, p):
        return 3 * p / (p + 2)

    def _sum_moments(self, g, n):
        p = g.size
        self._require(n, p)
        if n == p:
            return p * g, 0 * g
        beside = n * (p - n) / (p * (p + 2) * (p - 1))  # E P_kj² for j != k
        along = n * (n + 2) / (p * (p + 2)) - beside
        return n * g, p * p * (along * g * g + beside * (g @ g) - (n / p) ** 2 * g * g)


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
        rng, lead = as_rng(rng), _lead(n)
        leaves, structure = require_real(dict(params) if isinstance(params, Params) else params)
        return unflatten(structure, [self._factors(rng, leaf, lead) for leaf in leaves])

    def _factors(self, rng, leaf, lead):
        """Rows for one leaf, as factors where it is a matrix, each with a sign of its own."""
        n = lead[0] if lead else 1
        if not _is_matrix(leaf):
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
        return Factors(a, b, leaf.shape, signs=True)

    def _require(self, n, p):
        if n > _padded(p):
            raise ValueError(f"got n={n} directions; there are {_padded(p)} rows: take fewer directions")

    def _rows(self, rng, n, p):
        self._require(n, p)
        return _signs_of_rows(_without_replacement(rng, n, _padded(p)), p) * rng.signs((1, p))

    def _sum_moments(self, g, n):
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
            rows = _padded(g.size // g.shape[-1]) * _padded(g.shape[-1]) if _is_matrix(g) else _padded(g.size)
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


class Along(Direction):
    """A given direction, scaled to unit length: u = v / ‖v‖, so that (g·u) u is the part of g along it.

    Parameters
    ----------
    vector : Params, array, or tree like the parameters

    Notes
    -----
    Nothing is random. E ĝ = (g·u) u, which is g only where u points along it; (g·u)² >= 0, so it never ascends
    (DODGE, eq. 4).

    Raises
    ------
    ValueError
        For a vector of zeros, or one that is not finite.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.directions.Along(np.array([3.0, 4.0])).sample(np.zeros(2), rng=0)
    array([0.6, 0.8])
    """

    def __init__(self, vector):
        _require_numbers("vector", vector)
        self.vector = vector

    def __repr__(self):
        return "Along(...)"

    def sample(self, params, *, rng=None, n=None):
        require_real(params)
        if n is not None:
            raise ValueError(f"got n={n!r}; there is one direction along a vector")
        return as_tree(self._unit(params), params)

    def _unit(self, params):
        v = vector_like(self.vector, params, "vector")
        length = np.linalg.norm(v)
        if not length > 0:
            raise ValueError("the vector is zero; expected one that points somewhere")
        return v / length

    def sum_moments(self, gradient, n=1):
        u, g = self._unit(gradient), as_vector(gradient)
        return as_tree((g @ u) * u, gradient), as_tree(0 * u, gradient)

    def norm(self, p):
        return 1.0


class Scaled(Direction):
    """√c times a direction of its base: E ĝ = c g, a preconditioner inside the direction (DODGE, eq. 12).

    Parameters
    ----------
    base : direction
    c : like the parameters, positive
        For example Adam's 1 / (√v̂ + eps). A direction scaled inside keeps ĝ·g >= 0 for the scaled product, where
        scaling (g·u) u afterwards may ascend.
    restore : bool
        Divide the estimate by c again: unbiased for any c. Best for signs is c_k = 1/√(g_k²), or 1/√E g_k² where
        the variances of the gradient are known (DODGE, section 6; UORO's rescaling): total variance ‖g‖₁² - ‖g‖².

    Notes
    -----
    Variance of entry k: c_k times that of the base at √c g; with ``restore`` over c_k² more. An `Along` base is turned
    first: u = c v / √Σ c v².

    Raises
    ------
    ValueError
        For a c that is not positive.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> scaled = dg.directions.Scaled(dg.directions.Rademacher(), np.array([4.0, 1.0]))
    >>> scaled.sample(np.zeros(2), rng=3)
    array([2., 1.])
    >>> scaled.sum_moments(np.array([3.0, 4.0]))
    (array([12.,  4.]), array([64., 36.]))
    """

    def __init__(self, base, c, restore=False):
        self.base, self.c, self.restore = base, c, flag("restore", restore)
        if not hasattr(base, "sample") or isinstance(base, type):
            raise TypeError(f"got base={base!r}; expected an instance such as directions.Rademacher()")
        _require_numbers("c", c)
        if not (np.all(as_vector(c) > 0) and np.all(np.isfinite(as_vector(c)))):
            raise ValueError(f"got c={c!r:.80}, a scale that is not positive and finite everywhere")

    def __repr__(self):
        return f"Scaled({self.base!r}, c{', restore=True' if self.restore else ''})"

    def _roots(self, like):
        return np.sqrt(vector_like(self.c, like, "c"))

    def _turned(self, roots, like):
        if not isinstance(self.base, Along):
            return self.base
        return Along(as_tree(roots * self.base._unit(like), like))

    def sample(self, params, *, rng, n=None):
        require_real(params)
        roots = self._roots(params)
        drawn = self._turned(roots, params).sample(params, rng=rng, n=n)
        _, structure = flatten(params)
        lead = _lead(n)
        drawn = [v.dense() if isinstance(v, Factors) else v for v in leaves_like(drawn, structure, "directions")]
        flat = [to_numpy(v).reshape(*lead, -1) for v in drawn]
        return as_tree(roots * np.concatenate(flat, -1), params)

    def finish(self, gradient):
        """The estimate from Σ (g·v) v: divided by c, where it is restored."""
        return as_tree(as_vector(gradient) / self._roots(gradient) ** 2, gradient) if self.restore else gradient

    def sum_moments(self, gradient, n=1):
        roots = self._roots(gradient)
        mean, variance = self._turned(roots, gradient).sum_moments(as_tree(roots * as_vector(gradient), gradient), n)
        mean, variance = roots * as_vector(mean), roots**2 * as_vector(variance)
        if self.restore:
            mean, variance = mean / roots**2, variance / roots**4
        return as_tree(mean, gradient), as_tree(variance, gradient)

    def norm(self, p):
        if isinstance(self.base, Along):
            roots = np.sqrt(as_vector(self.c))
            return float(np.linalg.norm(roots * self._turned(roots, self.c)._unit(self.c)))
        return self.base.norm(p) * float(np.sqrt(np.mean(as_vector(self.c))))

    def kurtosis(self, p):
        return self.base.kurtosis(p)


def _is_matrix(leaf):
    return leaf.ndim > 1 and leaf.size > 0


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
        rng, lead = as_rng(rng), _lead(n)
        leaves, structure = require_real(dict(params) if isinstance(params, Params) else params)
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

    def _sum_moments(self, g, n):
        return n * g, n * (g @ g - g * g)
