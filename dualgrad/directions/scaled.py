"""Scaled: √c times the directions of a base."""

import math

import numpy as np

from ..backend import Array, to_numpy
from ..backend import like as on_device
from ..checks import flag
from ..layout import Layout
from ..random import Rng
from ..tree import Tree
from .along import Along
from .base import Direction, DirectionSampler, as_direction, drawn, finite_vector, require_direction, require_numbers
from .rows import Rows


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

    base: DirectionSampler
    c: Tree
    restore: bool
    apart: bool

    def __init__(self, base: DirectionSampler, c: Tree, restore: bool = False) -> None:
        self.base, self.c, self.restore = require_direction("base", base), c, flag("restore", restore)
        require_numbers("c", c)
        self.apart = bool(getattr(base, "apart", False))
        entries = Layout.of(c).double(c)
        if not (np.all(entries > 0) and np.all(np.isfinite(entries))):
            raise ValueError(f"got c={c!r:.80}, a scale that is not positive and finite everywhere")

    def __repr__(self) -> str:
        return f"Scaled({self.base!r}, c{', restore=True' if self.restore else ''})"

    def _roots(self, layout):
        return np.sqrt(finite_vector(layout.double(self.c, "c"), "c"))

    def _rotated(self, roots, layout):
        """The base; a given direction v turned to c v, which times √c is c v again."""
        if not isinstance(self.base, Along):
            return as_direction(self.base)
        return Along(layout.tree(roots * self.base.unit(layout)))

    def rows(self, rng: Rng, n: int, layout: Layout, w: Array) -> Rows:
        return self._scaled(rng, n, None, layout, w)

    def part_of(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> Rows:
        return self._scaled(rng, n, part, layout, w)

    def _scaled(self, rng, n, part, layout, w):
        roots = self._roots(layout)
        base = drawn(self._rotated(roots, layout), rng, n, layout, w, part).dense()
        return Rows(on_device((roots * to_numpy(base)).astype(w.dtype), w))

    def finish(self, gradient: Array, layout: Layout) -> Array:
        """The estimate from Σ (g·v) v: divided by c, where it is restored."""
        if not self.restore:
            return gradient
        return on_device((to_numpy(gradient) / self._roots(layout) ** 2).astype(gradient.dtype), gradient)

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        roots = self._roots(layout)
        mean, variance = self._rotated(roots, layout).moments(roots * g, n, layout)
        mean, variance = roots * mean, roots**2 * variance
        return (mean / roots**2, variance / roots**4) if self.restore else (mean, variance)

    def norm(self, p: int) -> float:
        layout = Layout.of(self.c)
        roots = self._roots(layout)
        if isinstance(self.base, Along):
            return float(np.linalg.norm(roots * self._rotated(roots, layout).unit(layout)))
        return as_direction(self.base).norm(p) * math.sqrt(np.mean(roots**2))

    def kurtosis(self, p: int) -> float | None:
        return as_direction(self.base).kurtosis(p)
