"""MatchedCosine: the gradient's direction, turned to a given cosine."""

import numpy as np

from ...checks import real_number
from ...directions.vectors import as_tree, as_vector
from ...random import as_rng
from ...tree import map_leaves
from ..candidates import Oracle
from ..estimate import Estimator, all_or_nothing, as_params, finished, proposed, require_finite


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

    parts = {"base": "base"}  # noqa: RUF012  (a table, not state)

    def __init__(self, base, cosine):
        if not hasattr(base, "estimate") or isinstance(base, type):
            raise TypeError(f"got base={base!r}; expected an estimator such as ForwardGradient(directions.Gaussian())")
        self.base = base
        self.cosine = real_number("cosine", cosine, "a number in (0, 1]", lambda x: 0 < x <= 1)

    def __repr__(self):
        return f"MatchedCosine({self.base!r}, {self.cosine})"

    @all_or_nothing
    def estimate(self, objective, params, *, rng):
        """The loss and the estimate."""
        params = as_params(params)
        exact, guess = Oracle().estimate(objective, params), self.base.estimate(objective, params, rng=as_rng(rng))
        g, v = as_vector(exact.gradient), proposed(self, self.base, guess, params)
        size = np.linalg.norm(g)
        if not size > 0:
            return finished(self, exact.value, exact.gradient, np.zeros(()), guess.cost + exact.cost)
        rest = v - (v @ g) * g / size**2
        u = self.cosine * g / size
        if np.any(rest):
            u = u + np.sqrt(1 - self.cosine**2) * rest / np.linalg.norm(rest)
        require_finite(self, exact.value, g @ u)
        return finished(self, exact.value, as_tree((g @ u) * u, params), g @ u, guess.cost + exact.cost)

    def expectation(self, gradient, objective=None, params=None):
        """cos² g, for a base that favours no direction beside g."""
        return map_leaves(lambda g: self.cosine**2 * g, gradient)
