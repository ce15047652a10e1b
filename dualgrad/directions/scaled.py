"""Scaled: √c times the directions of a base."""

import numpy as np

from ..backend import to_numpy
from ..checks import flag
from ..lowrank import LowRank
from ..tree import flatten, leaves_like
from .along import Along
from .base import Direction, lead_axes, require_real
from .vectors import as_tree, as_vector, require_numbers, vector_like


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
        require_numbers("c", c)
        if not (np.all(as_vector(c) > 0) and np.all(np.isfinite(as_vector(c)))):
            raise ValueError(f"got c={c!r:.80}, a scale that is not positive and finite everywhere")

    def __repr__(self):
        return f"Scaled({self.base!r}, c{', restore=True' if self.restore else ''})"

    def _roots(self, like):
        return np.sqrt(vector_like(self.c, like, "c"))

    def _rotated(self, roots, like):
        if not isinstance(self.base, Along):
            return self.base
        return Along(as_tree(roots * self.base.unit(like), like))

    def sample(self, params, *, rng, n=None):
        require_real(params)
        roots = self._roots(params)
        drawn = self._rotated(roots, params).sample(params, rng=rng, n=n)
        _, structure = flatten(params)
        lead = lead_axes(n)
        drawn = [v.dense() if isinstance(v, LowRank) else v for v in leaves_like(drawn, structure, "directions")]
        flat = [to_numpy(v).reshape(*lead, -1) for v in drawn]
        return as_tree(roots * np.concatenate(flat, -1), params)

    def finish(self, gradient):
        """The estimate from Σ (g·v) v: divided by c, where it is restored."""
        return as_tree(as_vector(gradient) / self._roots(gradient) ** 2, gradient) if self.restore else gradient

    def sum_moments(self, gradient, n=1):
        roots = self._roots(gradient)
        mean, variance = self._rotated(roots, gradient).sum_moments(as_tree(roots * as_vector(gradient), gradient), n)
        mean, variance = roots * as_vector(mean), roots**2 * as_vector(variance)
        if self.restore:
            mean, variance = mean / roots**2, variance / roots**4
        return as_tree(mean, gradient), as_tree(variance, gradient)

    def norm(self, p):
        if isinstance(self.base, Along):
            roots = np.sqrt(as_vector(self.c))
            return float(np.linalg.norm(roots * self._rotated(roots, self.c).unit(self.c)))
        return self.base.norm(p) * float(np.sqrt(np.mean(as_vector(self.c))))

    def kurtosis(self, p):
        return self.base.kurtosis(p)
