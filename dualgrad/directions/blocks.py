"""Blocks: one direction cut into parts."""

import numpy as np

from ..backend import Array
from ..layout import Layout
from ..random import Rng
from .base import Direction
from .independent import Independent


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

    def __init__(self, base: Independent) -> None:
        if not isinstance(base, Independent):
            raise TypeError(f"got base={base!r}; expected a direction with independent entries, such as Rademacher()")
        self.base = base
        self.fourth_moment = base.fourth_moment

    def norm(self, p: int) -> float:
        """√E‖v‖² of all parts together."""
        return self.base.norm(p)

    def _parts(self, n, p):
        if n > p:
            raise ValueError(f"got n={n} parts of {p} parameters; expected at most {p}")
        return np.array_split(np.arange(p), n)

    def matrix(self, rng: Rng, n: int, p: int) -> Array:
        rows, whole = np.zeros((n, p)), self.base.matrix(rng, 1, p)[0]
        for row, part in zip(rows, self._parts(n, p), strict=True):
            row[part] = whole[part]
        return rows

    def moments(self, g: Array, n: int, layout: Layout) -> tuple[Array, Array]:
        variance = [self.base.moments(g[part], 1, None)[1] for part in self._parts(n, g.size)]
        return g, np.concatenate(variance)
