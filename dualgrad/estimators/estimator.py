"""Estimator: what all estimators share: an estimate on vectors, its mean and variance, and state that is saved."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from ..backend import Array
from ..errors import ShapeError
from ..layout import Layout, ravel
from ..random import RngLike, as_rng
from ..settings import call_of
from ..tree import Tree
from ..unwritten import Unwritten
from ..vectors import double, wide
from .estimate import Estimate
from .moving import Moving
from .point import Point, as_params, require_finite, require_finite_gradient
from .state import Names, Stateful, attempted

Estimated: TypeAlias = tuple[Any, Array, Any, float]  # the loss, ĝ as a vector, slopes or None, the cost


@runtime_checkable
class GradientEstimator(Protocol):
    """Anything with ``estimate``: what `diagnose`, `Dodge` and the checks of `dualgrad.testing` take.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> class Half:
    ...     def estimate(self, objective, params, *, rng=None):
    ...         value, gradient = dg.value_and_grad(objective)(params)
    ...         return dg.estimators.Estimate(value, gradient / 2)
    >>> dg.estimators.diagnose(Half(), lambda w: np.sum(w**2), np.ones(3), rng=0, samples=2).bias
    0.5
    """

    def estimate(self, objective: Any, params: Any, /, *, rng: Any) -> Estimate:
        """The loss, and the estimate of its gradient at ``params``."""
        ...


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
    value_is_loss : bool
        Whether the value of an estimate is the loss at ``params``, not that of points around; the class says so.
    vectors : tuple of str
        What goes on from one estimate to the next: ``("average",)`` for the vector ``self._average``, None at first.
        Replace it, and never write into it: so it is as it was where an estimate fails.
    parts : dict
        Which arguments of the constructor are estimators, and under which names they are kept.
    named : tuple of str
        Which arguments its repr names in any case; others are named where they differ from their default.
    grown : tuple of dict
        What its saved states have gained, a dict of names and values for every version after the first.

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

    draws: bool = False  # whether it needs a stream of random numbers
    value_is_loss: bool = True
    named: Names = ()  # which arguments its repr always names

    def __repr__(self) -> str:
        return call_of(self, self.named)

    def estimate(
        self,
        objective: Callable[[Any], Any],
        params: Tree,
        *,
        rng: RngLike = None,
        frozen: str | Iterable[str] = (),
    ) -> Estimate:
        """The loss, and the estimate of its gradient at ``params``.

        Parameters
        ----------
        objective : callable
            A function of the parameters that returns a number, such as a bound `dualgrad.nn.Objective`.
        params : Params, array or number, or tree of them
        rng : int, numpy.random.Generator or Rng
            Needed by the estimators that draw.
        frozen : str, or several
            Names of parameters that stay where they are, or patterns (``"0.*"``), such as ``optimizer.frozen(params)``:
            the estimate is that of the objective as a function of the others, with zeros in their places. Directions
            are drawn for the others alone, so that the variance is that of fewer parameters.

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
            When what it keeps from past estimates belongs to other parameters, or no parameter is called as one of
            ``frozen``. In each case nothing has changed.
        """
        if frozen:
            return self._of_moving(objective, params, rng, frozen)
        if rng is None and self.draws:
            raise TypeError(f"{self!r} draws random numbers: estimate(objective, params, rng=0)")
        rng = rng if rng is None else as_rng(rng)
        remembers = self.has_memory
        if not remembers and not self.parts:
            return self._estimate(objective, params, rng)
        return attempted(self, self._estimate, objective, params, rng, remembers)

    def _of_moving(self, objective, params, rng, frozen):
        """The estimate of a function of the parameters that are not frozen, with zeros for the others."""
        part = Moving(self, as_params(params), frozen)
        found = self.estimate(part.objective(objective), part.params, rng=rng)
        return dataclasses.replace(found, gradient=part.widened(found.gradient))

    def _estimate(self, objective, params, rng, remembers=False):
        at = Point(self, objective, params)
        if remembers:
            self._require_same(at.layout)
        found = self.estimated(at, rng)
        if not isinstance(found, (tuple, list)) or len(found) != 4:
            raise TypeError(f"{self!r} estimated {found!r:.80}; expected the loss, a gradient, slopes and the cost")
        value, gradient, slopes, cost = found
        if slopes is not None or not isinstance(value, (float, np.floating)) or not math.isfinite(value):
            require_finite(self, value, slopes)
        if gradient.__class__ is not Unwritten or not math.isfinite(gradient.largest):
            gradient = self._finite(at, value, gradient, slopes)
        if slopes is not None and getattr(slopes, "dtype", None) is not getattr(value, "dtype", None):
            slopes = _as_precise(slopes, value)
        self._one_more()
        return Estimate(value, at.layout.tree(gradient), slopes, cost)

    def _finite(self, at, value, gradient, slopes):
        """ĝ as it is given out, if it is finite."""
        gradient = self._own(at, gradient, slopes)
        require_finite_gradient(self, value, gradient, at.layout)
        return gradient

    def _own(self, at, gradient, slopes):
        """ĝ as a vector in the kind of the parameters, which shares no memory with them, the slopes or what is kept."""
        found = at.like(_vector(self, "a gradient", gradient, at.vector))
        kept = [getattr(self, f"_{name}") for name in self.vectors] if self.has_memory else []
        for a in (at.vector, slopes, *kept):
            if a.__class__ is found.__class__ and np.may_share_memory(found, a):
                return found.copy()
        return found

    def estimated(self, at: Point, rng: Any) -> Estimated:
        """The loss, ĝ, its slopes and its cost; ``rng`` is an Rng, or None where none is needed and none was given."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it estimates")

    # ------------------------------------------------------------------ theory

    def expectation(self, gradient: Tree, objective: Callable[[Any], Any] | None = None, params: Tree = None) -> Tree:
        """E ĝ at the exact gradient g, in its structure.

        For some estimators it depends on objective and params, for guesses on these alone: their gradient may be None.
        """
        return self._moment(self.mean, gradient, objective, params)

    def variance(self, gradient: Tree, objective: Callable[[Any], Any] | None = None, params: Tree = None) -> Tree:
        """The variance of each component of ĝ, in the same way; NotImplementedError where none is known."""
        return self._moment(self.spread, gradient, objective, params)

    def _moment(self, moment, gradient, objective, params):
        at = None if objective is None or params is None else Point(self, objective, params)
        given = as_params(params if gradient is None else gradient, "gradient")
        g, layout = ravel(given)
        if at is not None and g.shape != at.vector.shape:
            raise ShapeError(f"{self!r}: got a gradient of {g.size} entries for {at.vector.size} parameters")
        g_double = wide(g if gradient is not None else np.full_like(g, np.nan))
        found = _vector(self, "moments", moment(g_double, layout, at), g_double)
        if gradient is None and np.any(np.isnan(found)):
            raise TypeError(f"got gradient=None, on which {self!r} depends: give dg.grad(objective)(params)")
        return given if found is g_double else layout.tree(found, like=g)

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """E ĝ."""
        raise NotImplementedError(f"the expectation of {type(self).__name__} has no closed form here")

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """Var ĝ."""
        raise NotImplementedError(f"the variance of {type(self).__name__} has no closed form here")


def _vector(estimator, what, vector, like):
    """A vector of p entries, complex only where the parameters are; any other raises."""
    if getattr(vector, "shape", None) != like.shape:
        found = f"of shape {vector.shape}" if hasattr(vector, "shape") else f"that is a {type(vector).__name__}"
        raise ShapeError(f"{estimator!r} made {what} {found}; expected a vector {like.shape}")
    if vector.dtype is not like.dtype and vector.dtype.kind == "c" != like.dtype.kind:
        raise TypeError(f"{estimator!r} made {what} of complex numbers for real parameters")
    return vector


def _as_precise(slopes, value):
    """Real slopes in the precision of the loss, of which they are derivatives."""
    real = all(getattr(getattr(x, "dtype", None), "kind", "") == "f" for x in (slopes, value))
    return slopes.astype(value.dtype) if real else slopes


class Exact(Estimator):
    """ĝ = g: an estimator without bias or variance."""

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        return g

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
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
