"""Claims about an estimator compared with its moments over every outcome of its draws."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..tree import Tree
from .enumeration.chance import conditional, weighted_mean
from .enumeration.path import Path
from .enumeration.settle import ROUNDING, as_row
from .moments import playing, require_run
from .report import Check, Elements, Report, compare, row, verdict
from .samples import check_mean

OTHERS = 4  # results that are made after one, to see whether it stays
GLANCE = 16  # samples that say how many entries a result has, where it is tested on more


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
        draws, the discrete ones enumerated under each, at a false-alarm rate of 1e-6; the report says so. Where it
        jumps, or a draw is compared that cannot be cut, samples may miss what is rare: they can fail a claim, and what
        passes is "unchecked", with an `UncheckedWarning`.

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
        found = once.settle(degree, max_outcomes, powers=powers, samples=GLANCE)
        claims = Claims(once, found, atol, samples, _elements(once.last, found.sum.mean))
        checks = tuple(claims.all(mean, covariance, variance, steps))
    return verdict(Report(f"assert_moments of {getattr(run, '__name__', None) or repr(run)}", checks), True)


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
            yield self.mean(_repeated(_of_size("mean", mean, (d, d * steps)), steps, d))
        if variance is not None:
            yield self.variance(_repeated(_of_size("variance", variance, (d, d * steps)), steps, d))
        if covariance is not None:
            claim = _of_size("covariance", covariance, (d * d, (d * steps) ** 2))
            yield self.covariance(claim if claim.size > d * d else np.kron(np.eye(steps), claim.reshape(d, d)))
        elif steps > 1:
            across = np.kron(1 - np.eye(steps), np.ones((d, d))).astype(bool)
            yield self.covariance(np.zeros(self.found.sum.covariance.shape), across, "covariance of any two steps")
        yield from self.kept()

    def kept(self):
        """Whether a result stays as it was when the next ones are made; only a fault is told."""
        if not self.found.samples:
            return
        first, *others = (Path(choices, self.found.degree) for choices, *_ in self.found.samples[:OTHERS])
        before, result = self.once(first), self.once.last
        for other in others:
            self.once(other)
        if not np.array_equal(before, as_row(result), equal_nan=True):
            yield Check("result", "as it was", "failed", note="the next call overwrites the result of the last one")

    def mean(self, claim):
        if self.found.by_samples:
            return self.tested("mean", lambda rng: self.draw(rng)[: claim.size], claim, self.samples)
        return self.compare("mean", self.elements, self.found.sum.mean[: claim.size], claim)

    def variance(self, claim):
        if self.found.by_samples:
            return self.tested("variance", self.squares, claim, self.samples // 2)
        return self.compare("variance", self.elements, np.real(np.diagonal(self.found.sum.covariance)), claim)

    def tested(self, name, draw, claim, samples):
        """The check on samples, and why there is no other. Where they may miss what is rare, it passes nothing."""
        check = check_mean(draw, claim, samples=samples, raises=False).checks[0]
        check = dataclasses.replace(check, name=name, note=f"{check.note}; not certified: {self.found.why}")
        if check.status == "passed" and self.found.rough:
            return dataclasses.replace(check, status="unchecked", mask=False)
        return check

    def covariance(self, claim, where=True, name="covariance"):
        found = self.found.sum.covariance
        if self.found.by_samples:
            note = f"not certified, and only means and variances are tested on samples: {self.found.why}"
            return Check(name, "no certificate", "unchecked", total=found.size, note=note, mask=False)
        claim = np.asarray(claim).reshape(found.shape)
        return self.compare(name, Elements(found), np.where(where, found, 0).ravel(), np.ravel(claim))

    def compare(self, name, elements, found, claim):
        size = max(1.0, float(np.max(np.abs(claim), initial=0)))
        budget = max(self.atol, ROUNDING * self.found.precision) * size
        outcomes = self.found.sum.outcomes
        oracle = "all 1 outcome (nothing is drawn)" if outcomes == 1 else f"all {outcomes:,} outcomes"
        check = compare(name, oracle, elements, found, claim, budget + self.found.error)
        if not self.found.why:
            return check
        status = "failed" if check.status == "failed" else "unchecked"
        return dataclasses.replace(check, status=status, note=f"not certified: {self.found.why}", mask=False)

    def draw(self, rng):
        """The conditional mean given one sample of the continuous draws."""
        return weighted_mean(*conditional(self.once, rng.generator))

    def squares(self, rng):
        """Half the mean square of the difference of two outcomes, whose mean is the variance; given their samples."""
        (one, p), (other, q) = (conditional(self.once, rng.generator) for _ in range(2))
        apart = np.array(one)[:, None] - np.array(other)
        return np.tensordot(np.multiply.outer(p, q) / (np.sum(p) * np.sum(q)), np.abs(apart) ** 2, 2) / 2


def _elements(result, mean):
    """The entries of a result by their names, or of the mean where they are others."""
    elements = Elements(result)
    return (
        elements if sum(int(np.prod(shape)) for shape in elements.shapes) == mean.size else Elements(np.asarray(mean))
    )


def _of_size(what, claim, sizes):
    claim = row(claim)
    if claim.size not in sizes:
        raise ValueError(f"the {what} has {claim.size} entries; expected {sizes[0]}")
    return claim


def _repeated(claim, steps, d):
    return np.tile(claim, steps) if claim.size == d else claim


def unbiased(
    *,
    mean: Any = None,
    variance: Any = None,
    covariance: Any = None,
    points: Iterable[Any] = (),
    steps: int = 1,
    draws: str | Callable[..., Any] = "dualgrad",
    atol: float = 1e-10,
    degree: int = 5,
    max_outcomes: int = 2**20,
    samples: int = 20_000,
) -> Callable[[Callable[..., Any]], Callable[[], list[Report]]]:
    """Make a test of an estimator: a decorator for what `assert_moments` takes as ``run``.

    Parameters
    ----------
    mean, variance, covariance : like a result, or callable
        The claims; with ``points`` functions of the point, or one for all.
    points : iterable, optional
        Where to test: each is handed to the estimator as its last argument.
    steps, draws, atol, degree, max_outcomes, samples
        As in `assert_moments`.

    Returns
    -------
    callable
        A function without arguments, which pytest collects by its name; it returns the reports.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> @testing.unbiased(mean=lambda a: a, points=[np.array([1.0, -2.0]), np.array([0.5, 3.0])])
    ... def test_projection(rng, a):
    ...     v = rng.signs(2)
    ...     return (a @ v) * v
    >>> [report.status for report in test_projection()]
    ['passed', 'passed']
    """
    places = [(point,) for point in points] or [()]

    def at(claim, place):
        return claim(*place) if callable(claim) else claim

    def decorate(estimate):
        def test():
            return [
                assert_moments(
                    _at_place(estimate, place), mean=at(mean, place), variance=at(variance, place),
                    covariance=at(covariance, place), steps=steps, draws=draws, atol=atol, degree=degree,
                    max_outcomes=max_outcomes, samples=samples,
                )
                for place in places
            ]  # fmt: skip

        test.__name__, test.__doc__, test.__module__ = estimate.__name__, estimate.__doc__, estimate.__module__
        return test

    return decorate


def _at_place(estimate, place):
    """The estimator at a place, under its own name."""

    def run(*drawn):
        return estimate(*drawn, *place)

    run.__name__ = estimate.__name__
    return run
