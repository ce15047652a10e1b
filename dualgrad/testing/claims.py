"""Claims about an estimator compared with its moments over every outcome of its draws."""

import contextlib
import copy
import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..backend import to_numpy
from ..errors import NonFiniteError
from ..estimators.estimator import GradientEstimator
from ..transforms import grad
from ..tree import Tree, map_leaves
from .enumeration.settle import ROUNDING
from .enumeration.walk import Walk, conditional
from .moments import playing, require_run
from .report import Check, Elements, Report, compare, row, verdict
from .samples import check_mean

SPARE = 200  # runs that are spent unasked on more points, or on second steps
POINTS = 2  # random points beside the one given
FIRST_STEPS = 3  # outcomes of a first step after which the second is enumerated
PILOT = 16  # samples that say how many entries a result has, where it is tested on more
IN_PLACE = 1e-9  # parameters that were moved and put back may be off by so much, relatively


def assert_moments(
    run: Callable[..., Any],
    *,
    mean: Tree = None,
    covariance: Tree = None,
    variance: Tree = None,
    steps: int = 1,
    draws: str | Callable[..., Any] = "dualgrad",
    atol: float = 1e-10,
    degree: int = 5,
    max_outcomes: int = 2**20,
    samples: int = 20_000,
) -> Report:
    """Assert that the mean, the covariance or the variance of anything random is what it is claimed to be.

    Parameters
    ----------
    run, draws, degree, max_outcomes
        As in `exact_moments`.
    mean, variance : like a result of ``run``, optional
        The claims, entry by entry.
    covariance : array (d, d), optional
        The claim for all pairs of entries.
    steps : int
        With T steps ``run`` returns T successive estimates, a sequence or an array (T, ...). Each has the mean (the
        variance, the covariance) that is claimed, and the covariance of any two is 0; or the claims are those of all
        entries together.
    atol : float
        The largest deviation allowed in an entry, relative to the largest entry of the claim if that exceeds 1; for
        results in float32 at least 1e-5.
    samples : int
        Where a result cannot be certified, the mean and the variance are tested on so many samples of the continuous
        draws, the discrete ones enumerated under each, at a false-alarm rate of 1e-6; the report says so.

    Returns
    -------
    Report

    Raises
    ------
    AssertionError
        With the report: the worst entry, the claim, and the exact value.
    TypeError
        When nothing is claimed.
    TooManyOutcomesError, ReplayError, NonFiniteError
        As `exact_moments`.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> def hutchinson(gen):
    ...     v = gen.choice([-1.0, 1.0], size=2)
    ...     return v @ np.array([[3.0, 1.0], [1.0, 5.0]]) @ v
    >>> print(testing.assert_moments(hutchinson, mean=8.0, variance=4.0, draws="numpy"))
    assert_moments of hutchinson: PASSED
      passed     mean: all 4 outcomes       error 0.0e+00, budget 8.0e-10
      passed     variance: all 4 outcomes   error 0.0e+00, budget 4.0e-10
    """
    require_run(run)
    if mean is None and covariance is None and variance is None:
        raise TypeError("assert_moments got no claim: pass mean=, covariance= or variance=")
    with playing(run, draws) as once:
        powers = 1 if covariance is None and variance is None and steps == 1 else 2
        found = once.settle(degree, max_outcomes, powers=powers, samples=PILOT)
        claims = Claims(once, found, atol, samples)
        checks = claims.all(mean, covariance, variance, steps)
    return verdict(Report(f"assert_moments of {getattr(run, '__name__', None) or repr(run)}", tuple(checks)), True)


class Claims:
    """What is claimed beside what was found; where that is no certificate, tested on samples."""

    def __init__(self, once, found, atol, samples, elements=None):
        self.once, self.found, self.atol, self.samples = once, found, atol, samples
        self.elements = elements or Elements(np.asarray(found.sum.mean))

    def all(self, mean, covariance, variance, steps=1):
        """A check for every claim; over several steps each has the same, and no two are correlated."""
        return map(self.honest, self._all(mean, covariance, variance, steps))

    def honest(self, check):
        """The check, which cannot pass where the run draws elsewhere."""
        if not self.found.foreign:
            return check
        note = "; ".join(filter(None, (check.note, self.found.foreign)))
        if check.status == "failed":
            return dataclasses.replace(check, note=note)
        return dataclasses.replace(check, status="unchecked", certified=0, note=note, mask=False)

    def _all(self, mean, covariance, variance, steps):
        d = self.found.sum.mean.size // steps
        if mean is not None:
            yield self.mean(_repeated(_sized("mean", mean, (d, d * steps)), steps, d))
        if variance is not None:
            yield self.variance(_repeated(_sized("variance", variance, (d, d * steps)), steps, d))
        if covariance is not None:
            claim = _sized("covariance", covariance, (d * d, (d * steps) ** 2))
            yield self.covariance(claim if claim.size > d * d else np.kron(np.eye(steps), claim.reshape(d, d)))
        elif steps > 1:
            across = np.kron(1 - np.eye(steps), np.ones((d, d))).astype(bool)
            yield self.covariance(np.zeros(self.found.sum.covariance.shape), across, "covariance of any two steps")

    def mean(self, claim):
        if self.found.why:
            draw = lambda rng: self.draw(rng)[: claim.size]  # noqa: E731
            return _with_reason(check_mean(draw, claim, samples=self.samples, raises=False).checks[0], self.found.why)
        return self.compare("mean", self.elements, self.found.sum.mean[: claim.size], claim)

    def variance(self, claim):
        if self.found.why:
            test = check_mean(self.squares, claim, samples=self.samples // 2, raises=False).checks[0]
            return _with_reason(test, self.found.why, "variance")
        return self.compare("variance", self.elements, np.real(np.diagonal(self.found.sum.covariance)), claim)

    def covariance(self, claim, where=True, name="covariance"):
        found = self.found.sum.covariance
        if self.found.why:
            note = f"not certified, and only means and variances are tested on samples: {self.found.why}"
            return Check(name, "no certificate", "unchecked", total=found.size, note=note, mask=False)
        claim = np.asarray(claim).reshape(found.shape)
        return self.compare(
            name, Elements(found), found.ravel(), claim.ravel(), np.broadcast_to(where, found.shape).ravel()
        )

    def compare(self, name, elements, found, claim, certified=True):
        size = max(1.0, float(np.max(np.abs(claim), initial=0)))
        budget = max(self.atol, ROUNDING * self.found.precision) * size
        outcomes = self.found.sum.outcomes
        oracle = "all 1 outcome (nothing is drawn)" if outcomes == 1 else f"all {outcomes:,} outcomes"
        return compare(name, oracle, elements, found, claim, budget + self.found.error, certified)

    def draw(self, rng):
        """The conditional mean given one sample of the continuous draws."""
        rows, weights = conditional(self.once, rng.generator)
        return np.asarray(weights) @ np.array(rows) / np.sum(weights)

    def squares(self, rng):
        """Half the mean square of the difference of two outcomes, whose mean is the variance; given their samples."""
        (one, p), (other, q) = (conditional(self.once, rng.generator) for _ in range(2))
        apart = np.array(one)[:, None] - np.array(other)
        return np.tensordot(np.multiply.outer(p, q) / (np.sum(p) * np.sum(q)), np.abs(apart) ** 2, 2) / 2


def _with_reason(check, why, name=None):
    """The check on samples, saying why there is none over all outcomes."""
    return Check(**(vars(check) | {"name": name or check.name, "note": f"{check.note}; not certified: {why}"}))


def _sized(what, claim, sizes):
    claim = row(claim)
    if claim.size not in sizes:
        raise ValueError(f"the {what} has {claim.size} entries; expected {sizes[0]}")
    return claim


def _repeated(claim, steps, d):
    return np.tile(claim, steps) if claim.size == d else claim


# ---------------------------------------------------------------------- estimators of gradients


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
        Where the mean cannot be certified (directions made orthogonal by QR, say) it is tested on so many samples, and
        the report says so.

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
      passed     mean: all 8 outcomes                error ..., budget 1.0e-10
      passed     value: the loss                     error ..., budget ...
      passed     second step: after 3 of the first   error ..., budget 1.0e-10
      passed     mean: all 8 outcomes at 2 more points   error ..., budget 1.0e-10
    """
    if objective is None and not hasattr(estimator, "estimate"):
        return assert_moments(
            estimator, mean=expectation, steps=steps, draws=draws, atol=atol, degree=degree, max_outcomes=max_outcomes,
            samples=samples,
        )  # fmt: skip
    limits = Limits(atol, degree, max_outcomes, samples)
    at = AtPoint(estimator, objective, params)
    checks = [*at.unbiased(expectation, steps, limits)]
    unasked = expectation is None and steps == 1 and at.affords(POINTS)
    checks += _elsewhere(at, points, unasked, lambda other: other.unbiased(None, 1, limits, alone=False))
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
    limits = Limits(atol, degree, max_outcomes, samples)
    at = AtPoint(estimator, objective, params)
    checks = [*at.spread(variance, covariance, limits)]
    unasked = variance is None and covariance is None and at.affords(POINTS)
    checks += _elsewhere(at, points, unasked, lambda other: other.spread(None, None, limits))
    return verdict(Report(f"assert_variance of {estimator!r}", tuple(checks)), True)


class Limits(NamedTuple):
    """What a check allows and affords."""

    atol: float
    degree: int
    max_outcomes: int
    samples: int


class AtPoint:
    """An estimator at one point: how it is run, and what it says of itself. Its state is put back at the end."""

    cost = 0  # runs that the claim of a mean took, if it was certified

    def __init__(self, estimator, objective, params):
        if not callable(getattr(estimator, "estimate", None)):
            raise TypeError(
                f"got {estimator!r}; expected an estimator with estimate(objective, params, *, rng), or without an "
                "objective a function of an rng, and its expectation="
            )
        if not callable(objective):
            raise TypeError(f"got objective={objective!r}; expected a function of the parameters")
        self.estimator, self.objective, self.params = estimator, objective, doubled(params)
        self.flat, self.elements = row(self.params), Elements(self.params)
        keeps = hasattr(estimator, "state_dict") and (getattr(estimator, "has_memory", True) or estimator.parts)
        self.state = copy.deepcopy(estimator.state_dict()) if keeps else None
        self.has_moved = False

    @functools.cached_property
    def gradient(self):
        return grad(self.objective)(self.params)

    @functools.cached_property
    def loss(self):
        """The loss, where the estimator's value is to be it; None otherwise."""
        return float(self.objective(doubled(self.params))) if getattr(self.estimator, "value_is_loss", True) else None

    def affords(self, times):
        """Whether all runs so many times are few enough to be played unasked."""
        return 0 < times * self.cost <= SPARE

    # ------------------------------------------------------------------ runs

    @contextlib.contextmanager
    def playing(self, run):
        """``once(source)`` for a run of the estimator, which begins each time in the state that it had."""
        try:
            with playing(run, "dualgrad") as once:
                yield once
        finally:
            self.restore()

    def restore(self):
        if self.state is not None:
            self.estimator.load_state_dict(copy.deepcopy(self.state))

    def estimate(self, rng):
        """One estimate, of parameters that it may work on in place and must leave as they were."""
        params = doubled(self.params)
        found = self.estimator.estimate(self.objective, params, rng=rng)
        after = row(params)
        if after is not self.flat and not np.array_equal(after, self.flat):
            self.has_moved |= not np.allclose(after, self.flat, IN_PLACE, IN_PLACE * np.max(np.abs(self.flat)))
        return found

    def first(self, rng):
        """The gradient, and by how much the value misses the loss."""
        self.restore()
        found = self.estimate(rng)
        return found.gradient if self.loss is None or found.value is None else (found.gradient, found.value - self.loss)

    def successive(self, steps):
        """The gradients of so many estimates in a row."""

        def run(rng):
            self.restore()
            return [self.estimate(rng).gradient for _ in range(steps)]

        return run

    # ------------------------------------------------------------------ claims

    def claim(self, what, given, default=None):
        """The claim as a row: what the caller gave, or the estimator says, or the default."""
        if given is None:
            method = getattr(self.estimator, what, None)
            if method is None and default is None:
                raise TypeError(f"{self.estimator!r} has no {what} method: pass {what}=, an array like the parameters")
            given = default() if method is None else method(self.gradient, self.objective, self.params)
        claim = row(given)
        if claim.size != self.flat.size:
            raise ValueError(f"the {what} has {claim.size} entries; expected {self.flat.size}, one a parameter")
        return claim

    def unbiased(self, expectation, steps, limits, alone=True):
        """Checks of the mean, of the value, and of a second estimate after the first; not ``alone``, of the mean."""
        expected = self.claim("expectation", expectation, lambda: self.gradient)
        with self.playing(self.first if steps == 1 else self.successive(steps)) as once:
            found = once.settle(limits.degree, limits.max_outcomes, powers=min(steps, 2), samples=PILOT)
            p = expected.size
            claims = Claims(once, found, limits.atol, limits.samples, self.elements)
            if steps > 1:
                claims.elements = Elements([self.params] * steps)
                yield from claims.all(expected, None, None, steps)
            elif found.why:
                yield claims.mean(np.append(expected, np.zeros(found.sum.mean.size - p)))
            else:
                yield claims.honest(claims.mean(expected))
                if found.sum.mean.size > p:
                    yield self._value(found, limits)
            self.cost = 0 if found.why or found.foreign else found.cost
            if alone:
                yield from self._kept(once, found)
        if alone and steps == 1 and expectation is None and self.affords(2 * FIRST_STEPS):
            yield self._second(found, limits)

    def _value(self, found, limits):
        off = found.sum.mean[-1:]
        return compare(
            "value", "the loss", Elements(np.zeros(1)), off + self.loss, np.array([self.loss]),
            limits.atol * max(1.0, abs(self.loss)) + found.error,
        )  # fmt: skip

    def _kept(self, once, found):
        """Whether parameters and results are left alone: only a fault is told."""
        if self.has_moved:
            yield Check("params", "as they were", "failed", note="the estimator changed them in place")

    def _second(self, found, limits):
        """The mean of a second estimate after some outcomes of the first: the claim made then, whatever came before."""
        claims = []

        def run(rng):
            self.restore()
            self.estimate(rng)
            if not claims:
                claims.append(self.claim("expectation", None, lambda: self.gradient))
            return self.estimate(rng).gradient

        chosen = np.linspace(0, len(found.samples) - 1, FIRST_STEPS).astype(int)
        means = []
        with self.playing(run) as once:
            for choices, *_ in (found.samples[k] for k in dict.fromkeys(chosen.tolist())):
                means.append(Walk(once, found.degree, limits.max_outcomes, fixed=choices).sum.mean)
        means, (claim,) = np.array(means), claims
        budget = limits.atol * max(1.0, float(np.max(np.abs(claim), initial=0))) + found.error
        name = f"after {len(means)} of the first"
        return compare("second step", name, Elements(means), means.ravel(), np.tile(claim, len(means)), budget)

    def spread(self, variance, covariance, limits):
        """Checks of the variance and of the covariance, if there is a claim."""
        if covariance is None and hasattr(self.estimator, "covariance"):
            covariance = self.estimator.covariance(self.gradient, self.objective, self.params)
        if variance is not None or covariance is None:
            variance = self.claim("variance", variance)
        with self.playing(lambda rng: self.successive(1)(rng)) as once:
            found = once.settle(limits.degree, limits.max_outcomes, samples=PILOT)
            claims = Claims(once, found, limits.atol, limits.samples, self.elements)
            yield from claims.all(None, covariance, variance)
            self.cost = 0 if found.why or found.foreign else found.cost


def doubled(params):
    """A copy of the parameters in double precision."""
    return map_leaves(lambda a: np.array(to_numpy(a), np.float64), params)


def _elsewhere(at, points, unasked, checks):
    """The worst check of every kind at more points: those given, or random ones."""
    if points is None:
        points = POINTS if unasked else 0
    trees = _near(at.params, points) if isinstance(points, int) else list(points)
    found = {}
    for tree in trees:
        try:
            for check in checks(AtPoint(at.estimator, at.objective, tree)):
                found.setdefault(check.name, []).append(check)
        except NonFiniteError:
            if not isinstance(points, int):
                raise  # a random point may lie where the objective is not defined
    for several in found.values():
        worst = max(several, key=lambda c: (c.status == "failed", c.error / max(c.budget, 1e-300)))
        yield dataclasses.replace(worst, oracle=f"{worst.oracle}, the worst of {len(several)} more points")


def _near(params, count):
    """Random points near the parameters: no two entries equal and none zero, each sign as it was."""
    rng = np.random.default_rng(0)

    def moved(a):
        size = np.where(a == 0, rng.choice([-1.0, 1.0], a.shape), a)
        return size * np.exp(rng.choice([-1.0, 1.0], a.shape) * rng.uniform(0.1, 0.5, a.shape))

    return [map_leaves(moved, params) for _ in range(count)]
