"""Estimates that several workers make together."""

import functools

import numpy as np

from dualgrad import directions, estimators, testing
from dualgrad.estimators.sharing.plan import Plan
from tests.support.mutations.planting import MUTATIONS, Mutation

W, SIGNS = np.array([0.4, -0.9]), directions.Rademacher()


def shared(plan, base, shards=1):
    """A shared estimator whose steps are made of some kind of plan, of a loss that is given whole."""

    class Planned(estimators.Shared):
        def _plan(self, kind=None):
            return super()._plan(plan)

        def estimate(self, objective, params, *, rng=None):
            return super().estimate(objective if shards == 1 else lambda j: objective, params, rng=rng)

        def _whole(self, at):
            return at

    return Planned(base, shards=shards, chunk=1)


class OneName(Plan):
    """Every chunk draws from the stream of the step."""

    def directions(self, at, rng, step, chunk):
        return super().directions(at, rng, step, 0)


class NoStep(Plan):
    """Every step draws from the streams of the first."""

    def directions(self, at, rng, step, chunk):
        return super().directions(at, rng, 0, chunk)


class DrawnApart(Plan):
    """Rows that belong together, each from a stream of its own."""

    def directions(self, at, rng, step, chunk):
        return at.rows(self.estimator.directions, self.estimator.n, rng.named("directions", step, chunk), slice(0, 1))


class OtherDirections(Plan):
    """The sum is made along other directions than the slopes were taken along."""

    def gradient(self, at, slopes, rng, step):
        return super().gradient(at, slopes, rng.named("again"), step)


class SumOfShards(Plan):
    """The slopes of the shards are added, and not averaged."""

    def mean(self, rows):
        value, slopes = super().mean(rows)
        return value, self.shards * slopes


class OneShort(Plan):
    """The sum leaves out the last chunk."""

    def gradient(self, at, slopes, rng, step):
        return super().gradient(at, np.append(slopes[:-1], 0.0), rng, step)


def sharing(kind, name, wrong, base, claim=testing.assert_unbiased, shards=1):
    right, wrong = shared(Plan, base, shards), shared(wrong, base, shards)

    def check(is_wrong):
        claim(wrong if is_wrong else right, lambda w: np.sum(np.sin(w)) + w[0] * w[1], W, points=1)

    MUTATIONS.append(Mutation(f"estimator: {kind}", name, check))


PAIR = estimators.ForwardGradient(SIGNS, n=2)
HADAMARD = estimators.ForwardGradient(directions.Hadamard(), n=2)
sharing("reused seed", "chunks drawn from one name", OneName, PAIR, testing.assert_variance)
sharing(
    "reused seed", "steps drawn from one name", NoStep, estimators.ForwardGradient(SIGNS),
    functools.partial(testing.assert_unbiased, steps=2),
)  # fmt: skip
sharing("correlated directions", "rows that belong together drawn apart", DrawnApart, HADAMARD, testing.assert_variance)
sharing("wrong antithetic pairing", "summed along other directions", OtherDirections, PAIR)
sharing("forgotten rescaling", "shards added, not averaged", SumOfShards, PAIR, shards=2)
sharing("missing term", "the last chunk left out", OneShort, PAIR)
