"""The forward gradient: directional derivatives along random directions, times those directions."""

from typing import Any, Literal

import numpy as np

from ..backend import Array, is_array, to_numpy
from ..backend import like as on_device
from ..checks import flag, positive_count, real_number
from ..directions import Gaussian, Hadamard, Orthogonal, Sphere
from ..directions.base import Direction, DirectionSampler, as_direction, finite_vector, require_direction
from ..directions.rows import FactorRows, Rows
from ..layout import Layout
from ..tree import Tree, is_container
from ..vectors import double, in_kind
from .directional import Directional
from .estimator import Estimated
from .point import Point
from .state import Names

_COMBINE = ("mean", "sum", "project")


class ForwardGradient(Directional):
    """ĝ = (1/n) Σ_i (g·v_i) v_i, each g·v_i by one jvp, no backward pass (Baydin et al. 2022; DODGE, eq. 9).

    Parameters
    ----------
    directions : an instance from `dualgrad.directions`
    n : int
        How many directions, all pushed in one pass.
    combine : "mean", "sum" or "project"
        The mean of (g·v_i) v_i (eq. 9); their sum, for `dualgrad.directions.Blocks` (eq. 10); or the projection
        Vᵀ(V Vᵀ)⁺ V g of the gradient on the span of the directions (section 4.4), which is their least-squares estimate
        and shorter than g: for the unbiased one, p/n times as long, take the mean of `dualgrad.directions.Orthogonal`.
    baseline : like the parameters, or a float in (0, 1)
        A control variate b: ĝ = b + Σ ((g - b)·v_i) v_i / n (eq. 13). A float is the decay of an average over the
        estimator's own past results, which is then b. (Each result moves it by c (1 - decay), with the c of ``shrink``:
        a result's own error is r times that of b, and would run away.)
    shrink : bool
        Multiply Σ by c = 1/(1 + r), r its relative variance tr Var ĝ/‖g‖²: the least mean squared error, and biased
        (Shukla and Shin 2023; with one direction c = 1/(p + κ - 1)). Where r depends on more than ‖g‖ (`Scaled`
        directions, unequal `Blocks`) it is that of a gradient of equal entries.

    Notes
    -----
    Cost: n = 1, three forward passes with dense directions and two with LowRank ones; n directions, 1 + 2n or 1 + n.
    Memory: the values in use and n tangents of each; nothing is taped.
    Bias: none for the mean of any directions with E v vᵀ = 1, and the sum of blocks, with any baseline independent of
    the directions. The projection has E ĝ = (n/p) g, the shrunk estimate c g.
    Variance, per component, at a given g: (‖g‖² + (κ - 2) g_k²) / n for the mean of directions with independent
    entries, κ their fourth moment; in total ‖g‖² (p/n - 1) for blocks of signs, orthogonal directions, and rows of
    Hadamard matrices where p is a power of 2. A baseline puts g - b in the place of g; shrinking multiplies by c².
    Where g itself is random and independent of v, the variance of its mean comes on top (eq. 8).
    When: a backward pass is impossible or too much code or memory. The error grows with the number of parameters.

    Raises
    ------
    ValueError
        For a combination that is not one of the three, a decay outside (0, 1), shrinking a projection.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> g = np.array([3.0, 4.0])
    >>> estimator = dg.estimators.ForwardGradient(directions=dg.directions.Rademacher())
    >>> estimate = estimator.estimate(lambda w: np.sum(w * g), np.zeros(2), rng=3)
    >>> estimate.value, estimate.directional, estimate.gradient
    (np.float64(0.0), np.float64(7.0), array([7., 7.]))
    >>> estimator.variance(g)
    array([16.,  9.])
    >>> blocks = dg.estimators.ForwardGradient(dg.directions.Blocks(dg.directions.Rademacher()), n=2, combine="sum")
    >>> blocks.estimate(lambda w: np.sum(w * g), np.zeros(2), rng=0).gradient
    array([3., 4.])
    """

    vectors: Names = ("average",)
    draws: bool = True
    named: Names = ("directions", "n")
    directions: DirectionSampler
    n: int
    combine: Literal["mean", "sum", "project"]
    baseline: Tree
    shrink: bool

    def __init__(
        self,
        directions: DirectionSampler,
        n: int = 1,
        combine: Literal["mean", "sum", "project"] = "mean",
        baseline: Tree = None,
        shrink: bool = False,
    ) -> None:
        require_direction("directions", directions)
        if not isinstance(combine, str) or combine not in _COMBINE:
            raise ValueError(f"got combine={combine!r}; expected one of {', '.join(_COMBINE)}")
        tree = is_container(baseline) or is_array(baseline) and not isinstance(baseline, np.generic)
        if baseline is not None and not tree:
            expected = "a gradient, or a decay in (0, 1)"
            baseline = real_number("baseline", baseline, expected, lambda x: 0 < x < 1)
        shrink = flag("shrink", shrink)
        if shrink and combine == "project":
            raise ValueError("a projection is the estimate of least squared error already: leave shrink out")
        if combine == "project" and getattr(directions, "restore", False):
            raise ValueError(f"{directions!r} divides by c again, which no projection can be: leave restore out")
        self.directions, self.combine, self.baseline = directions, combine, baseline
        self.n, self.shrink = positive_count("n", n, "a positive number of directions"), shrink
        self.reset()

    def estimated(self, at: Point, rng: Any) -> Estimated:
        V = at.rows(self.directions, self.n, rng)
        value, slopes = self.slopes(at, V)
        if V.__class__ is FactorRows and self.baseline is None and type(self.directions).finish is Direction.finish:
            gradient = V.unwritten(self.weights(slopes, V, at.layout, at.vector))
        else:
            gradient = self.combined(slopes, V, at.layout, at.vector)
        self.remember(gradient, at.layout)
        return value, gradient, slopes, self.passes(1)

    def slopes(self, at: Point, V: Rows | FactorRows) -> tuple[Any, Any]:
        return at.jvp(V)

    def passes(self, chunks: int) -> float:
        return chunks + self.n * (self.directions.cost - 1)

    def combined(self, slopes: Any, V: Rows | FactorRows, layout: Layout, w: Array) -> Array:
        """ĝ = b + Σ c_i v_i from the slopes g·v_i along the rows of V."""
        return self.finished(self.weights(slopes, V, layout, w) @ V, layout, w)

    def finished(self, total: Array, layout: Layout, w: Array) -> Array:
        b, total = self._control(layout), as_direction(self.directions).finish(total, layout)
        return total if b is None else in_kind(b, w) + total

    def remember(self, gradient: Array, layout: Layout) -> None:
        if self.has_memory:
            self._update_average(double(gradient), layout)

    def weights(self, slopes: Any, V: Rows | FactorRows, layout: Layout, w: Array) -> Any:
        b = self._control(layout)
        slopes = slopes if b is None else slopes - V @ in_kind(b, w)
        if self.combine == "project":
            inner, given = V.gram(), np.atleast_1d(to_numpy(slopes))
            kind = np.float32 if inner.dtype.itemsize <= 4 else np.float64  # LAPACK has no others
            inner = inner.astype(kind, copy=False)
            return on_device(np.linalg.lstsq(inner, given.astype(kind))[0].reshape(np.shape(slopes)), slopes)
        return slopes * self._least(layout) if self.shrink else slopes / self._count

    @property
    def _count(self):
        return self.n if self.combine == "mean" else 1

    def _least(self, layout):
        """The factor of Σ (g·v) v of least squared error, at a gradient of equal entries."""
        mean, variance = as_direction(self.directions).moments(np.ones(layout.size), self.n, layout)
        return mean.sum() / (mean @ mean + variance.sum()) if mean.size else 0.0

    # ------------------------------------------------------------------ the control variate

    @property
    def has_memory(self) -> bool:
        return isinstance(self.baseline, float)

    def _control(self, layout):
        """b, in double precision; None where there is none yet."""
        if self.baseline is None or self.has_memory:
            return self._average
        return finite_vector(layout.double(self.baseline, "baseline"), "baseline")

    def _update_average(self, new, layout):
        """average += (1 - decay) c (ĝ - average): shrunk by c, for ĝ carries the average's own error, r times over."""
        before = np.zeros_like(new) if self._average is None else self._average
        c = 1.0 if self.shrink or self.combine == "project" else self._least(layout) * self._count
        self._average = before + (1 - self.baseline) * c * (new - before)

    # ------------------------------------------------------------------ theory

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        b, mean, _ = self._moments(g, layout)
        return b + mean

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
        return self._moments(g, layout)[2]

    def _moments(self, g, layout):
        """The control variate b, and mean and variance of ĝ - b."""
        g = double(g)
        b = self._control(layout)
        b = np.zeros_like(g) if b is None else b
        if self.combine == "project":
            return b, *_projection_moments(self.directions, g - b, self.n, layout)
        mean, variance = as_direction(self.directions).moments(g - b, self.n, layout)
        factor = self._least(layout) if self.shrink else 1 / self._count
        return b, factor * mean, factor**2 * variance


def _projection_moments(directions, g, n, layout):
    """Mean and variance of the projection on a span: that of all directions with the same distribution of spans."""
    p = g.size
    n = min(n, p)
    if isinstance(directions, (Gaussian, Sphere, Orthogonal)):
        mean, variance = Orthogonal().moments(g, n, layout)
    elif isinstance(directions, Hadamard) and not directions.low_rank and p & (p - 1) == 0:
        mean, variance = directions.moments(g, n, layout)
    else:
        raise NotImplementedError(
            f"no closed form is known for the projection on the span of {directions!r}; it is known for Gaussian, "
            "Sphere, Orthogonal, and Hadamard with a power of 2 of parameters"
        )
    return mean / p, variance / p**2
