"""MatchedCosine: the gradient's direction, turned to a given cosine."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backend import Array
from ...checks import real_number
from ...layout import Layout
from ...vectors import double
from ..candidates import Oracle
from ..estimator import Estimated, Estimator, GradientEstimator, proposed
from ..point import Point


class MatchedCosine(Estimator):
    """ĝ = (g·u) u, with u at a given cosine to g and otherwise as ``base`` guesses (the control of figure 4).

    u = cos g/‖g‖ + sin v/‖v‖, v being what of the base's estimate lies beside g. The exact gradient is known here: an
    experiment that tells what a method's bias costs, at its own cosine.

    Parameters
    ----------
    base : estimator
    cosine : float, in (0, 1]

    Notes
    -----
    Cost: the base's and the exact gradient's. Memory: that of `Backprop`. Bias: E ĝ = cos² g, parallel to g, for a base
    that favours no direction beside g (normals); its length does not matter to Adam. Variance: sin² cos² ‖g‖² in total.

    Raises
    ------
    ValueError
        For a cosine outside (0, 1].

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> g = np.array([3.0, 4.0, 0.0, 0.0])
    >>> base = dg.estimators.ForwardGradient(dg.directions.Gaussian())
    >>> found = dg.estimators.MatchedCosine(base, 0.5).estimate(lambda w: w @ g, np.zeros(4), rng=0).gradient
    >>> round(float(found @ g / np.linalg.norm(found) / 5), 6)
    0.5
    """

    parts: Mapping[str, str] = {"base": "base"}
    draws: bool = True
    base: GradientEstimator
    cosine: float

    def __init__(self, base: GradientEstimator, cosine: float) -> None:
        if not hasattr(base, "estimate") or isinstance(base, type):
            raise TypeError(f"got base={base!r}; expected an estimator such as ForwardGradient(directions.Gaussian())")
        self.base = base
        self.cosine = real_number("cosine", cosine, "a number in (0, 1]", lambda x: 0 < x <= 1)

    def estimated(self, at: Point, rng: Any) -> Estimated:
        value, exact, _, cost = Oracle().estimated(at, None)
        guess = self.base.estimate(at.objective, at.params, rng=rng)
        g, v, cost = double(exact), proposed(self, self.base, guess, at.layout), cost + guess.cost
        size = np.linalg.norm(g)
        if not size > 0:
            return value, exact, np.zeros(()), cost
        rest = v - (v @ g) * g / size**2
        u = self.cosine * g / size
        if np.any(rest):
            u = u + np.sqrt(1 - self.cosine**2) * rest / np.linalg.norm(rest)
        return value, (g @ u) * u, g @ u, cost

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """cos² g, for a base that favours no direction beside g."""
        return self.cosine**2 * double(g)
