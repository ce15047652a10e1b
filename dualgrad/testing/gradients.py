"""assert_unbiased and assert_variance: what an estimator of a gradient claims, at one point and more."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import NonFiniteError
from ..estimators.estimator import GradientEstimator
from ..tree import Tree, map_leaves
from .claims import assert_moments
from .estimator_at import EstimatorAt, Limits
from .report import Report, verdict

MORE = 2  # random points beside the one given


def assert_unbiased(
    estimator: GradientEstimator | Callable[..., Any],
    objective: Callable[[Any], Any] | None = None,
    params: Tree = None,
    *,
    atol: float = 1e-10,
    expectation: Tree = None,
    steps: int = 1,
    points: int | Iterable[Tree] | None = None,
    draws: str | Callable[..., Any] = "dualgrad",
    degree: int = 5,
    max_outcomes: int = 2**20,
    samples: int = 20_000,
) -> Report:
    """Assert that the mean of an estimator's gradient is what it claims: an equality over all outcomes of its draws.

    Looked at besides, wherever it costs little: whether the mean of its value is the loss, whether it leaves the
    parameters as they were, whether a second estimate has the mean it should have after any first one, and whether a
    result is overwritten by the next call.

    Parameters
    ----------
    estimator : anything with ``estimate(objective, params, *, rng)``, or a function
        Run unchanged; what it returns has a ``gradient``. State (``state_dict``) is put back before every run. A bare
        function is called with an rng (or what ``draws`` gives); its claim is ``expectation``.
    objective : callable
        A differentiable scalar function of ``params``; not needed for a function.
    params : Params, array or tree
        The check runs on copies in double precision.
    atol : float
        The largest deviation allowed in an entry, relative to the largest entry of the claim if that exceeds 1.
    expectation : like params, optional
        The claim; by default ``estimator.expectation(g, objective, params)`` at the exact gradient g, or g itself for
        an estimator without that method.
    steps : int
        With T > 1, T estimates in a row over all their outcomes together: each has the mean claimed, and the
        covariance of any two is 0.
    points : int or iterable of trees like params, optional
        More points to look at: so many random ones near ``params``, no two entries equal and none zero, or those given.
        By default 2 where a point takes at most 200 runs for it and the claim is not given as an array.
    draws : str or callable
        As in `exact_moments`, for a function.
    degree, max_outcomes
        As in `exact_moments`.
    samples : int
        Where the mean cannot be certified (directions made orthogonal by QR, say) it is tested on so many samples, as
        in `assert_moments`.

    Returns
    -------
    Report

    Raises
    ------
    AssertionError
        With the report: the worst entry, the claim, and the exact value.
    TooManyOutcomesError, ReplayError, NonFiniteError
        As `exact_moments`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import testing
    >>> estimator = dg.estimators.ForwardGradient(dg.directions.Rademacher())
    >>> print(testing.assert_unbiased(estimator, lambda w: np.sum(np.sin(w)), np.arange(3.0)))
    assert_unbiased of ForwardGradient(directions=Rademacher(), n=1): PASSED
      passed     mean: all 8 outcomes                  error ..., budget 1.0e-10
      passed     value: the loss                       error ..., budget 1.8e-10
      passed     second step: after 3 of the first     error ..., budget 1.0e-10
      passed     2 more points: mean, all 8 outcomes   error ..., budget 1.0e-10
    """
    if objective is None and not hasattr(estimator, "estimate"):
        return assert_moments(
            estimator, mean=expectation, steps=steps, draws=draws, atol=atol, degree=degree, max_outcomes=max_outcomes,
            samples=samples,
        )  # fmt: skip
    _require_own(draws, estimator)
    limits = Limits(atol, degree, max_outcomes, samples)
    at = EstimatorAt(estimator, objective, params)
    checks = [*at.unbiased(expectation, steps, limits)]
    unasked = expectation is None and steps == 1 and at.affords(MORE)
    checks += _more_points(at, points, unasked, lambda other: other.unbiased(None, 1, limits, alone=False))
    return verdict(Report(f"assert_unbiased of {estimator!r}", tuple(checks)), True)


def assert_variance(
    estimator: GradientEstimator | Callable[..., Any],
    objective: Callable[[Any], Any] | None = None,
    params: Tree = None,
    *,
    atol: float = 1e-10,
    variance: Tree = None,
    covariance: Tree = None,
    points: int | Iterable[Tree] | None = None,
    draws: str | Callable[..., Any] = "dualgrad",
    degree: int = 5,
    max_outcomes: int = 2**20,
    samples: int = 20_000,
) -> Report:
    """Assert that the variance of every entry of an estimator's gradient is what it claims.

    Parameters
    ----------
    estimator, objective, params, atol, points, draws, degree, max_outcomes, samples
        As in `assert_unbiased`.
    variance : like params, optional
        The claim, entry by entry; by default ``estimator.variance(g, objective, params)`` at the exact gradient g.
    covariance : array (p, p), optional
        The claim for all pairs of entries; by default ``estimator.covariance(g, objective, params)``, if it has one.

    Returns
    -------
    Report

    Raises
    ------
    AssertionError
        With the report: the worst entry, the claim, and the exact value.
    TypeError
        When the estimator has no ``variance`` and none is given.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import testing
    >>> estimator = dg.estimators.ForwardGradient(dg.directions.Gaussian(), n=2)
    >>> testing.assert_variance(estimator, lambda w: np.sum(np.sin(w)), np.arange(2.0)).passed
    True
    """
    if objective is None and not hasattr(estimator, "estimate"):
        return assert_moments(
            estimator, variance=variance, covariance=covariance, draws=draws, atol=atol, degree=degree,
            max_outcomes=max_outcomes, samples=samples,
        )  # fmt: skip
    _require_own(draws, estimator)
    limits = Limits(atol, degree, max_outcomes, samples)
    at = EstimatorAt(estimator, objective, params)
    checks = [*at.spread(variance, covariance, limits)]
    unasked = variance is None and covariance is None and at.affords(MORE)
    checks += _more_points(at, points, unasked, lambda other: other.spread(None, None, limits))
    return verdict(Report(f"assert_variance of {estimator!r}", tuple(checks)), True)


def _require_own(draws, estimator):
    """An estimator with an objective is given a dualgrad.Rng, and nothing else."""
    if draws != "dualgrad":
        raise TypeError(
            f"got draws={draws!r} for {estimator!r}, whose estimate(objective, params, rng=) takes a dualgrad.Rng: "
            "pass a function of what draws= gives, and the claim, without objective and params"
        )


def _more_points(at, points, unasked, checks):
    """The worst check at more points: those given, or random ones."""
    if points is None:
        points = MORE if unasked else 0
    given = not isinstance(points, int)
    found, looked_at = [], 0
    for tree in points if given else _near(at.params, points):
        try:
            with contextlib.nullcontext() if given else np.errstate(all="ignore"):
                found += checks(EstimatorAt(at.estimator, at.objective, tree))
            looked_at += 1
        except (ArithmeticError, ValueError, NonFiniteError):
            if given:
                raise  # a random point may lie where the objective is not defined
    if found:
        worst = max(found, key=lambda c: (c.status == "failed", c.error / max(c.budget, 1e-300)))
        name = f"{looked_at} more point{'s' * (looked_at > 1)}"
        yield dataclasses.replace(worst, name=name, oracle=f"{worst.name}, {worst.oracle}")


def _near(params, count):
    """Random points near the parameters: no two entries equal and none zero, each sign as it was."""
    rng = np.random.default_rng(0)

    def moved(a):
        size = np.where(a == 0, rng.choice([-1.0, 1.0], a.shape), a)
        return size * np.exp(rng.choice([-1.0, 1.0], a.shape) * rng.uniform(0.1, 0.5, a.shape))

    return [map_leaves(moved, params) for _ in range(count)]
