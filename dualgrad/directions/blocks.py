"""Blocks: one direction cut into parts."""

import numpy as np

from ..backend import Array
from ..backend import like as on_device
from ..layout import Layout
from ..random import Rng
from .base import Direction
from .independent import Independent
from .rows import Rows


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

    base: Independent
    fourth_moment: float
    portable: bool

    def __init__(self, base: Independent) -> None:
        if not isinstance(base, Independent):
            raise TypeError(f"got base={base!r}; expected a direction with independent entries, such as Rademacher()")
        self.base = base
        self.fourth_moment, self.portable = base.fourth_moment, base.portable

    def norm(self, p: int) -> float:
        """√E‖v‖² of all parts together."""
        return self.base.norm(p)

    def _parts(self, n, p):
        if n > p:
            raise ValueError(f"got n={n} parts of {p} parameters; expected at most {p}")
        size, longer = divmod(p, n)
        ends = [k * size + min(k, longer) for k in range(n + 1)]
        return list(map(slice, ends, ends[1:]))

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        return self._matrix(rng, n, slice(0, n), p, np.float64)

    def part_of(self, rng: Rng, n: int, part: slice, layout: Layout, w: Array) -> Rows:
        return Rows(on_device(self._matrix(rng, n, part, layout.size, w.dtype), w))

    def _matrix(self, rng, n, part, p, dtype):
        places = self._parts(n, p)[part]
        rows, whole = np.zeros((len(places), p), dtype), self.base.matrix(rng, 1, p)[0]
        for row, place in zip(rows, places, strict=True):
            row[place] = whole[place]
        return rows

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        variance = [self.base.moments(g[part], 1, None)[1] for part in self._parts(n, g.size)]
        return g, np.concatenate(variance)
