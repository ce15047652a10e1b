"""Estimates from values alone: finite differences and simultaneous perturbation."""

from typing import Any

import numpy as np

from ..backend import Array, to_numpy
from ..backend import like as on_device
from ..checks import positive_count, positive_number
from ..directions import Rademacher
from ..directions.independent import Independent
from ..directions.rows import Rows
from ..errors import DualgradError
from ..layout import Layout
from ..transforms import hessian, jacfwd
from ..vectors import double
from .directional import Directional
from .estimator import Estimated, Estimator
from .point import Point
from .state import Names
from .step_size import coarse, require_moved, rounded_direction, too_small


def quotient(above, below, width):
    """(above - below) / width, not finite where a loss is not, or the two are too far apart for their precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(to_numpy((above - below) / width))


def third_derivatives(estimator, at):
    """∂³L / ∂w_j² ∂w_k as an array ``(p, p)``, by three nested forward passes: for small p."""
    if at is None:
        raise DualgradError(f"the bias of {estimator!r} depends on third derivatives: give objective and params too")
    third = jacfwd(hessian(lambda w: at.objective(at.moved(w))))(double(at.vector))
    return np.einsum("jjk->jk", third)


class FiniteDifference(Estimator):
    """ĝ_k = (L(w + eps e_k) - L(w - eps e_k)) / (2 eps), entry by entry.

    Parameters
    ----------
    eps : float
        Rounded to what the parameters' precision can hold beside each of them; the quotient is by the step taken.

    Notes
    -----
    At a complex entry z = a + ib it is ∂L/∂a + i ∂L/∂b, as `dualgrad.grad` has it.
    Cost: 2p + 1 forward passes, twice as many for complex parameters. Memory: that of a forward pass and a copy of the
    parameters.
    Bias: eps²/6 ∂³L/∂w_k³ + O(eps⁴), and rounding of about (machine precision)·L / eps: in float32 no eps is good.
    Variance: none.
    When: the objective is a black box, p is small and the numbers are float64.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> estimator = dg.estimators.FiniteDifference(eps=0.5)
    >>> estimator.estimate(lambda w: np.sum(w**3), np.array([1.0, 2.0])).gradient  # 3 w² + eps²
    array([ 3.25, 12.25])
    """

    named: Names = ("eps",)
    eps: float

    def __init__(self, eps: float = 1e-5) -> None:
        self.eps = positive_number("eps", eps, "a positive step")

    def estimated(self, at: Point, rng: Any) -> Estimated:
        value, kinds = at.value(), at.layout.dtype_of_entries(at.vector)
        slopes = np.array([self._slope(at, k, kind) for k, kind in enumerate(kinds)])
        return value, slopes, slopes, 1.0 + 2 * sum(2 if kind.kind == "c" else 1 for kind in kinds)

    def _slope(self, at, k, kind):
        """The difference quotient in entry k, of a dtype; of a complex entry along 1 and i."""
        return sum(unit * self._along(at, k, kind, unit) for unit in ((1, 1j) if kind.kind == "c" else (1,)))

    def _along(self, at, k, kind, unit):
        w, ends, losses = to_numpy(at.vector), [], []
        entry = kind.type(w[k] if kind.kind == "c" else w[k].real)
        for step in (self.eps, -self.eps):
            moved = w.copy()
            moved[k] = end = kind.type(entry + step * unit)  # rounded, as it stands there
            ends.append(end / unit)
            losses.append(at.value(at.like(moved)))
        width = float((ends[0] - ends[1]).real)
        if not width > 0:
            apart = np.spacing(np.abs(entry))
            if self.eps < apart:
                raise too_small(self.eps, f"params{at.layout.entry(k)} = {w[k]}", kind, apart)
        return quotient(*losses, width)

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """g + eps²/6 ∂³L/∂w_k³: exact for polynomials up to degree 4. Needs the objective and params."""
        return g + self.eps**2 / 6 * np.diagonal(third_derivatives(self, at))

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
        return 0 * g


class SPSA(Directional):
    """ĝ = (1/n) Σ_i (L(w + eps v_i) - L(w - eps v_i)) / (2 eps) v_i (Spall 1992): the forward gradient from values.

    Parameters
    ----------
    eps : float
    n : int
        How many directions.
    directions : Rademacher, Gaussian or Uniform
        Independent entries; signs by default.

    Notes
    -----
    Cost: 2n forward passes. Memory: that of a forward pass and two copies of the parameters.
    Bias: eps²/6 (3 Σ_j ∂³L/∂w_j²∂w_k + (κ - 3) ∂³L/∂w_k³), so three times as much for normals as for signs in one
    dimension; and rounding, of about (machine precision)·L/eps in every entry.
    Variance: to order eps² that of `ForwardGradient`, exactly that for quadratic losses.
    Take eps far above the spacing of the weights, s: rounding changes a step by up to s/2. A weight beside which eps is
    lost is not moved, and its estimate is 0, with a `RuntimeWarning`; beside most of them it raises.
    When: the objective is a black box; a jvp is as cheap, exact, and needs no eps.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.estimators.SPSA(eps=0.5).estimate(lambda w: 3 * w[0] + 4 * w[1], np.zeros(2), rng=3).gradient
    array([7., 7.])
    """

    draws: bool = True
    value_is_loss: bool = False  # it is the mean of the losses on both sides
    named: Names = ("eps", "n", "directions")
    eps: float
    n: int
    directions: Independent

    def __init__(self, eps: float = 1e-3, n: int = 1, directions: Independent | None = None) -> None:
        self.eps = positive_number("eps", eps, "a positive step")
        self.n = positive_count("n", n, "a positive number of directions")
        self.directions = Rademacher() if directions is None else directions
        if not isinstance(self.directions, Independent):
            raise TypeError(f"got directions={directions!r}; expected Rademacher(), Gaussian() or Uniform()")

    def estimated(self, at: Point, rng: Any) -> Estimated:
        values, slopes, gradient = [], [], 0
        for _ in range(self.n):
            V = at.rows(self.directions, 1, rng)
            value, slope = self.slopes(at, V)
            gradient += self.weights(slope, V, at.layout, at.vector) @ self.taken(at, V)
            values.append(value)
            slopes += list(slope)
        return sum(values) / self.n, gradient, np.array(slopes), self.passes(self.n)

    def slopes(self, at: Point, V: Rows) -> tuple[Any, Array]:
        w, rounded, values, slopes = at.vector, at.layout.rounded, [], []
        for v in V.dense():
            above, below = (at.value(rounded(w + step * v)) for step in (self.eps, -self.eps))
            values += [above, below]
            slopes.append(quotient(above, below, 2 * self.eps))
        return sum(values) / len(values), np.array(slopes)

    def taken(self, at: Point, V: Rows) -> Rows:
        """The directions along which rounding has let the parameters go."""
        if not coarse(self, at.params):
            return V
        w, eps, rounded = at.vector, self.eps, at.layout.rounded
        steps = [(v, rounded(w + eps * v), rounded(w - eps * v)) for v in V.dense()]
        rows = [rounded_direction(eps, *step, self.directions) for step in steps]
        require_moved(eps, rows)
        return Rows(np.stack(rows))

    def weights(self, slopes: Any, V: Rows, layout: Layout, w: Array) -> Any:
        return on_device(slopes / self.n, w)

    def passes(self, chunks: int) -> float:
        return 2.0 * self.n

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """g + eps²/6 (3 Σ_j ∂_jjk L + (κ - 3) ∂_kkk L): exact for cubic losses. Needs the objective and params."""
        third = third_derivatives(self, at)
        kappa = self.directions.kurtosis(len(third))
        return double(g) + self.eps**2 / 6 * (3 * third.sum(0) + (kappa - 3) * np.diagonal(third))

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """That of the forward gradient: exact for quadratic losses."""
        return self.directions.moments(double(g), 1, layout)[1] / self.n
