"""An estimator at one point: how it is run, what it says of itself, and whether that is so."""

import contextlib
import copy
import functools
from typing import NamedTuple

import numpy as np

from ..backend import to_numpy
from ..transforms import grad
from ..tree import map_leaves
from .claims import GLANCE, Claims
from .enumeration.traversal import Traversal
from .moments import playing
from .report import Check, Elements, compare, row

SPARE = 200  # runs that are spent unasked on more points, or on second steps
FIRST_STEPS = 3  # outcomes of a first step after which the second is enumerated
PUT_BACK = 1e-9  # parameters that were moved and put back may be off by so much, relatively


class Limits(NamedTuple):
    """What a check allows and affords."""

    atol: float
    degree: int
    max_outcomes: int
    samples: int


class EstimatorAt:
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
            self.has_moved |= not np.allclose(after, self.flat, PUT_BACK, PUT_BACK * np.max(np.abs(self.flat)))
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
            found = once.settle(limits.degree, limits.max_outcomes, powers=min(steps, 2), samples=GLANCE)
            p = expected.size
            claims = Claims(once, found, limits.atol, limits.samples, self.elements)
            if steps > 1:
                claims.elements = Elements([self.params] * steps)
                yield from claims.all(expected, None, None, steps)
            elif found.why:
                yield claims.honest(claims.mean(np.append(expected, np.zeros(found.sum.mean.size - p))))
            else:
                yield claims.honest(claims.mean(expected))
                if found.sum.mean.size > p:
                    yield self._value(found, limits)
            self.cost = 0 if found.why or found.foreign else found.cost
            if alone:
                yield from claims.kept()
        if self.has_moved:
            yield Check("params", "as they were", "failed", note="the estimator changed them in place")
        if alone and steps == 1 and expectation is None and self.affords(2 * FIRST_STEPS):
            yield self._second(found, limits)

    def _value(self, found, limits):
        off = found.sum.mean[-1:]
        return compare(
            "value", "the loss", Elements(np.zeros(1)), off + self.loss, np.array([self.loss]),
            limits.atol * max(1.0, abs(self.loss)) + found.error,
        )  # fmt: skip

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
                means.append(Traversal(once, found.degree, limits.max_outcomes, fixed=choices).sum.mean)
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
        with self.playing(self.successive(1)) as once:
            found = once.settle(limits.degree, limits.max_outcomes, samples=GLANCE)
            claims = Claims(once, found, limits.atol, limits.samples, self.elements)
            yield from claims.all(None, covariance, variance)
            self.cost = 0 if found.why or found.foreign else found.cost


def doubled(params):
    """A copy of the parameters in double precision."""
    return map_leaves(lambda a: np.array(to_numpy(a), np.float64), params)
