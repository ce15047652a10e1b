"""Estimator: what all estimators share: an estimate on vectors, its mean and variance, and state that is saved."""

from ..errors import ShapeError
from ..layout import ravel
from ..random import as_rng
from ..settings import call_of
from ..vectors import double, wide
from .estimate import Estimate
from .point import Point, require_finite_gradient
from .state import Stateful, attempted


class Estimator(Stateful):
    """What all estimators share; the base of one of your own.

    A subclass writes ``estimated(at, rng)``, which returns the loss, the estimate ĝ as a vector of p entries, the
    slopes it is made of (or None) and its cost in forward passes. ``at`` is where: ``at.vector`` has the parameters,
    ``at.rows(directions, n, rng)`` draws directions as the rows of V, ``at.jvp(V)`` is the loss and its slopes g·v_i
    along them, ``c @ V`` is Σ c_i v_i, ``at.value(w)`` is the loss elsewhere, and ``at.vjp()`` the loss and the exact
    gradient of a bound network. Trees, dtypes and devices, checks, `Estimate` and saved states are the base's.

    Where they are known it also says ``mean(g, layout, at)`` and ``spread(g, layout, at)``, the mean and the variance
    of every entry of ĝ for a gradient vector g in double precision; ``at`` is None where no objective was given.

    Attributes
    ----------
    draws : bool
        Whether ``estimate`` needs an rng; the class says so.
    vectors : tuple of str
        What goes on from one estimate to the next: ``("average",)`` for the vector ``self._average``, None at first.
    parts : dict
        Which arguments of the constructor are estimators, and under which names they are kept.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> class OneDirection(dg.estimators.Estimator):
    ...     draws = True
    ...     def estimated(self, at, rng):
    ...         V = at.rows(dg.directions.Rademacher(), 1, rng)
    ...         value, slope = at.jvp(V)
    ...         return value, slope @ V, slope, 3.0
    ...     def mean(self, g, layout, at):
    ...         return g
    >>> OneDirection().estimate(lambda w: np.sum(w * np.array([3.0, 4.0])), np.zeros(2), rng=3).gradient
    array([7., 7.])
    >>> dg.testing.assert_unbiased(OneDirection(), lambda w: np.sum(np.sin(w)), np.zeros(3)).checks[0].status
    'passed'
    """

    draws = False  # whether it needs a stream of random numbers
    named = ()  # which arguments its repr always names

    def __repr__(self):
        return call_of(self, self.named)

    def estimate(self, objective, params, *, rng=None):
        """The loss, and the estimate of its gradient at ``params``.

        Parameters
        ----------
        objective : callable
            A function of the parameters that returns a number, such as a bound `dualgrad.nn.Objective`.
        params : Params, array or number, or tree of them
        rng : int, numpy.random.Generator or Rng
            Needed by the estimators that draw.

        Returns
        -------
        Estimate

        Raises
        ------
        ShapeError, TypeError
            When the objective does not return one real number, or the parameters are not floating.
        DualgradError
            When the estimator needs a bound network, or one of another kind.
        NonFiniteError
            When the loss, a directional derivative or the estimate is NaN or infinite.
        LayoutError
            When what it keeps from past estimates belongs to other parameters. In each case nothing has changed.
        """
        if rng is None and self.draws:
            raise TypeError(f"{self!r} draws random numbers: estimate(objective, params, rng=0)")
        rng = rng if rng is None else as_rng(rng)
        if not self.has_memory and not self.parts:
            return self._estimate(objective, params, rng)
        return attempted(self, self._estimate, objective, params, rng)

    def _estimate(self, objective, params, rng):
        at = Point(self, objective, params)
        if self.has_memory:
            self._require_same(at.layout)
        value, gradient, slopes, cost = self.estimated(at, rng)
        gradient = at.like(gradient)
        require_finite_gradient(self, value, gradient, at.layout)
        self.made += 1
        return Estimate(value, at.layout.tree(gradient), slopes, cost)

    def estimated(self, at, rng):
        """The loss, ĝ, its slopes and its cost."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it estimates")

    # ------------------------------------------------------------------ theory

    def expectation(self, gradient, objective=None, params=None):
        """E ĝ at the exact gradient g, in its structure; for some estimators it depends on objective and params."""
        return self._moment(self.mean, gradient, objective, params)

    def variance(self, gradient, objective=None, params=None):
        """The variance of each component of ĝ, in the same way; NotImplementedError where none is known."""
        return self._moment(self.spread, gradient, objective, params)

    def _moment(self, moment, gradient, objective, params):
        g, layout = ravel(params if gradient is None else gradient)
        at = None if objective is None or params is None else Point(self, objective, params)
        g_double = wide(g)
        found = moment(g_double, layout, at)
        return gradient if found is g_double else layout.tree(found, like=g)

    def mean(self, g, layout, at):
        """E ĝ."""
        raise NotImplementedError(f"the expectation of {type(self).__name__} has no closed form here")

    def spread(self, g, layout, at):
        """Var ĝ."""
        raise NotImplementedError(f"the variance of {type(self).__name__} has no closed form here")


class Exact(Estimator):
    """ĝ = g: an estimator without bias or variance."""

    def mean(self, g, layout, at):
        return g

    def spread(self, g, layout, at):
        return 0 * g


def proposed(estimator, candidate, found, layout):
    """What a candidate proposes, as a vector of float64; one that does not lie as the parameters do raises."""
    vector, _ = ravel(found.gradient)
    if vector.size != layout.size:
        raise ShapeError(
            f"{estimator!r}: the candidate {candidate!r} proposes a gradient of {vector.size} entries; expected "
            f"{layout.size}"
        )
    return double(vector)
