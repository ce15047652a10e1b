"""Direction: what all distributions of directions share."""

import functools
import math
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..backend import Array
from ..backend import like as on_device
from ..checks import positive_count
from ..dual import Dual
from ..errors import DualgradError, ShapeError
from ..layout import Layout, ravel
from ..random import Rng, RngLike, as_rng
from ..settings import call_of
from ..tree import Tree, leaves
from ..vectors import all_finite, double
from .parts import as_part, knows_parts
from .rows import FactorRows, Rows


@runtime_checkable
class DirectionSampler(Protocol):
    """Anything that directions can be drawn from: ``sample``, and the ``cost`` of a jvp along one, in forward passes.

    Of what is known beside it, estimators use ``sum_moments`` or ``variance`` for their theory, ``kurtosis``, ``norm``,
    ``finish`` and ``apart``: as `Direction` has them.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> class Threes:
    ...     cost = 3.0
    ...     def sample(self, params, *, rng, n=None):
    ...         return np.sqrt(3.0) * (rng.signs(params.shape) if n is None else rng.signs((n, *params.shape)))
    >>> dg.estimators.ForwardGradient(Threes()).estimate(lambda w: np.sum(w), np.zeros(2), rng=3).gradient.round(6)
    array([6., 6.])
    """

    @property
    def cost(self) -> float:
        """Of a jvp along a direction, in forward passes: 3 where it is dense."""
        ...

    def sample(self, params: Any, /, *, rng: Rng, n: int | None = None) -> Tree:
        """A direction for ``params`` and of its kind, or n of them along a leading axis."""
        ...


class Direction:
    """What all directions share; the base of one of your own.

    A direction is known by what it draws: ``matrix(rng, n, p)``, n directions as an array ``(n, p)``, or, where it must
    know more than the number p of parameters, ``rows(rng, n, layout, w)``, as `Rows`; by the exact
    ``moments(g, n, layout)``, mean and variance of every entry of Σ_i (g·v_i) v_i for a gradient vector g; and by the
    ``cost`` of a jvp along it, in forward passes. ``rng`` is an `Rng`.

    Attributes
    ----------
    cost : float
        Of a jvp along it, in forward passes.
    apart : bool
        Whether directions of different draws are as good as those of one: they are independent of each other.
    portable : bool
        Whether a seed draws the same bits on every CPU: by integers, signs, and sums and products entry by entry.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> class Pairs(dg.directions.Direction):
    ...     '''One sign for every two parameters: biased.'''
    ...     def matrix(self, rng, n, p):
    ...         return np.repeat(rng.signs((n, p // 2)), 2, axis=1)
    >>> Pairs().sample(np.zeros(4), rng=3)
    array([1., 1., 1., 1.])
    >>> dg.estimators.ForwardGradient(Pairs()).estimate(lambda w: w[0] + w[2], np.zeros(4), rng=0).gradient
    array([2., 2., 2., 2.])
    """

    second_moment: float = 1.0
    fourth_moment: float | None = None
    cost: float = 3.0
    apart: bool = False
    portable: bool = False

    def __repr__(self) -> str:
        return call_of(self)

    def rows(self, rng: Rng, n: int, layout: Layout, w: Array) -> Rows | FactorRows:
        """n directions as `Rows`, for parameters w of a layout, in their dtype and where they live."""
        return Rows(on_device(real_rows(self, self.matrix(rng, n, layout.size)).astype(w.dtype, copy=False), w))

    def part_of(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> Rows | FactorRows:
        """Some of the n directions that ``rows`` draws, as `Rows`: ``part`` is a slice of them with both its ends.

        All are drawn and the others dropped, where a class does not say how to do without them.
        """
        V = checked_rows(self, self.rows(rng, n, layout, w), n, layout, w)
        return Rows(V.matrix[part].copy()) if V.__class__ is Rows else V[part]

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        """n directions as an array ``(n, p)`` of float64, on the host."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it draws")

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        """The exact mean and variance, entry by entry, of Σ_i (g·v_i) v_i."""
        raise NotImplementedError(f"the moments of {self!r} are not known")

    def finish(self, gradient: Array, layout: Layout) -> Array:
        """The estimate made of Σ_i (g·v_i) v_i: that sum itself, except for `Scaled` directions that restore."""
        return gradient

    def kurtosis(self, p: int) -> float | None:
        """E v_k⁴ / (E v_k²)² of an entry of v, for p parameters."""
        return self.fourth_moment

    def norm(self, p: int) -> float:
        """√E‖v‖² for p parameters."""
        return math.sqrt(p * self.second_moment)

    # ------------------------------------------------------------------ the same for trees

    def sample(self, params: Tree, *, rng: RngLike, n: int | None = None, part: slice | None = None) -> Tree:
        """A direction for ``params`` and of its kind, or n of them along a leading axis, or some of these n.

        Parameters
        ----------
        params : Params, array, or tree of arrays
        rng : int, numpy.random.Generator or Rng
        n : int, optional
        part : slice, optional
            Which of the n, a slice of them without a step: every leaf is ``sample(..., n=n)[part]``, bit for bit, from
            the same place of the stream. Where a part leaves the stream is not promised: begin every part of a draw at
            one place, for which `dualgrad.Rng.named` gives a stream of its own.

        Returns
        -------
        Params (whose vector is ``(p,)`` or ``(n, p)``), an array, or a tree of arrays, in the dtype of ``params``;
        for `LowRank` directions a dict or tree with `dualgrad.OuterProduct` matrices.

        Raises
        ------
        ValueError
            For an n that is not positive, and a part that is empty, has a step, or is one of no n.
        TypeError
            For parameters that are not real floating numbers, and a part that is no slice.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> signs = dg.directions.Rademacher()
        >>> signs.sample(np.zeros(4), rng=3, n=3)
        array([[ 1.,  1.,  1., -1.],
               [-1., -1., -1., -1.],
               [ 1., -1.,  1.,  1.]])
        >>> signs.sample(np.zeros(4), rng=3, n=3, part=slice(1, None))
        array([[-1., -1., -1., -1.],
               [ 1., -1.,  1.,  1.]])
        """
        rng, lead = as_rng(rng), lead_axes(n)
        part = None if part is None else as_part(part, n)
        w, layout = ravel(params)
        for leaf in [w] if layout.container else leaves(params):
            require_real(leaf)
        return _rows_of(self, rng, 1 if n is None else n, layout, w, part).tree(layout, lead=bool(lead))

    def sum_moments(self, gradient: Tree, n: int = 1) -> tuple[Tree, Tree]:
        """The exact mean and variance, entry by entry, of Σ_i (g·v_i) v_i, in the structure of the gradient g."""
        g, layout = ravel(gradient)
        for kind in layout.dtypes or (g.dtype,):
            if getattr(kind, "kind", None) != "f":
                raise TypeError(f"got a gradient of {kind}; expected real floating numbers: write 3.0 for 3")
        return tuple(layout.tree(moment, like=g) for moment in self.moments(double(g), positive_count("n", n), layout))

    def variance(self, gradient: Tree) -> Tree:
        """The variance of (g·v) v per component, in the structure of g."""
        return self.sum_moments(gradient)[1]


class Sampled(Direction):
    """A direction of one's own, of which ``sample`` is known, and ``sum_moments`` or ``variance``."""

    def __init__(self, own):
        self.own = own
        self.cost, self.apart = own.cost, bool(getattr(own, "apart", False))

    def __repr__(self):
        return repr(self.own)

    def rows(self, rng, n, layout, w):
        found = self.own.sample(layout.tree(w), rng=rng, n=None if n == 1 else n)
        if n == 1:
            return Rows(layout.vector(found, "directions")[None])
        return Rows(layout.rows(found, n, "directions"))

    def kurtosis(self, p):
        return self.own.kurtosis(p) if hasattr(self.own, "kurtosis") else None

    def norm(self, p):
        return self.own.norm(p) if hasattr(self.own, "norm") else super().norm(p)

    def moments(self, g, n, layout):
        gradient = layout.tree(g)
        if hasattr(self.own, "sum_moments"):
            return tuple(map(layout.double, self.own.sum_moments(gradient, n)))
        if not hasattr(self.own, "variance"):
            return super().moments(g, n, layout)
        return n * g, n * layout.double(self.own.variance(gradient))

    def finish(self, gradient, layout):
        if isinstance(self.own, Direction):
            return self.own.finish(gradient, layout)
        if not hasattr(self.own, "finish"):
            return gradient
        return layout.vector(self.own.finish(layout.tree(gradient)))


def as_direction(direction):
    """A direction that draws rows: of one's own, by its ``sample``."""
    if isinstance(direction, Direction) and type(direction).sample is Direction.sample:
        return direction
    return Sampled(direction)


def drawn(direction, rng, n, layout, w, part=None):
    """n directions from what draws them, as `Rows`, or the ``part`` of them that a slice is."""
    return _rows_of(as_direction(direction), rng, n, layout, w, None if part is None else as_part(part, n))


def _rows_of(direction, rng, n, layout, w, part):
    if part is None or part == slice(0, n):
        return checked_rows(direction, direction.rows(rng, n, layout, w), n, layout, w)
    draw = direction.part_of if knows_parts(type(direction)) else functools.partial(Direction.part_of, direction)
    return checked_rows(direction, draw(rng, n, part, layout, w), part.stop - part.start, layout, w)


def checked_rows(direction, V, n, layout, w):
    """What a direction drew, if it is n directions of p real entries; any other raises."""
    if V.__class__ is Rows:
        shape, kind = np.shape(V.matrix), getattr(V.matrix, "dtype", None)
        if shape != (n, layout.size):
            raise ShapeError(f"{direction!r} drew directions of shape {shape}; expected {(n, layout.size)}")
        if kind is not w.dtype:
            V = Rows(real_rows(direction, V.matrix).astype(w.dtype))
    elif not hasattr(V, "tree") or len(V) != n:
        raise TypeError(f"{direction!r} drew {V!r:.80}; expected directions.rows.Rows(matrix), of {n} rows")
    return V


def real_rows(direction, matrix):
    """A matrix of directions, if it is an array of real numbers."""
    kind = getattr(getattr(matrix, "dtype", None), "kind", None)
    if kind is None or kind not in "fiu":
        what = f"{matrix.dtype} numbers" if kind else f"a {type(matrix).__name__}"
        raise TypeError(f"{direction!r} drew {what}; expected an array of real ones")
    return matrix


def require_direction(name, direction):
    """Raise unless this is an instance that directions can be drawn from."""
    if not hasattr(direction, "sample") or isinstance(direction, type):
        raise TypeError(f"got {name}={direction!r}; expected an instance such as directions.Rademacher()")
    if not hasattr(direction, "cost"):
        raise TypeError(f"got {name}={direction!r}, which has no cost, that of a jvp along it: 3.0 where it is dense")
    return direction


def lead_axes(n):
    """The axes of n directions in front of the parameters': none for n = None."""
    if n is None:
        return ()
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise ValueError(f"got n={n!r} directions; expected a positive integer, or None for one without a lead axis")
    return (int(n),)


def require_real(leaf):
    """An array of parameters; raise unless it is real and floating."""
    if isinstance(leaf, Dual):
        raise DualgradError("draw the direction outside the differentiated function, or for dg.primal(params)")
    if getattr(getattr(leaf, "dtype", None), "kind", None) != "f":
        kind = getattr(leaf, "dtype", type(leaf).__name__)
        raise TypeError(f"directions are drawn for real floating parameters; got a leaf of {kind}")
    return leaf


def require_numbers(name, tree):
    """Raise unless a tree has leaves, and all of them are real numbers."""
    dtypes = Layout.of(tree).dtypes if getattr(tree, "vector", None) is None else [tree.dtype]
    if not dtypes or any(getattr(dtype, "kind", "?") not in "fiu" for dtype in dtypes):
        raise TypeError(f"got {name}={tree!r:.80}; expected an array of real numbers, or a tree of them")


def finite_vector(vector, name):
    """A vector, if it is finite."""
    if not all_finite(vector):
        raise ValueError(f"{name} has a NaN or an infinity; expected finite numbers")
    return vector
