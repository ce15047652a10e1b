"""Claims that are tested on samples."""

import numpy as np

from dualgrad import testing
from tests.support.mutations.planting import MUTATIONS, Mutation


def sampled(kind, name, claim, right, wrong):
    def check(is_wrong):
        claim(wrong if is_wrong else right)

    MUTATIONS.append(Mutation(f"samples: {kind}", name, check))


def heavy(rng):
    return (rng.normal(4) ** 3) @ np.ones(4)


sampled("bias", "a tenth of a standard deviation", lambda f: testing.check_mean(f, np.zeros(3)),
        lambda rng: rng.normal(3), lambda rng: rng.normal(3) + np.array([0, 0.1, 0]))  # fmt: skip
sampled("bias", "with the variance known", lambda f: testing.check_mean(f, 0.0, variance=1.0, samples=8000),
        lambda rng: rng.normal(), lambda rng: rng.normal() + 0.1)  # fmt: skip
sampled("bias", "under heavy tails", lambda f: testing.check_mean(f, 0.0, variance=60.0, samples=8000),
        heavy, lambda rng: heavy(rng) + 1)  # fmt: skip
sampled("variance off", "by a sixth", lambda f: testing.check_variance(f, np.zeros(2), np.ones(2)),
        lambda rng: rng.normal(2), lambda rng: rng.normal(2) * [1, 1.08])  # fmt: skip
sampled("bias", "in what does not vary", lambda f: testing.check_mean(f, [0.0, 1.0], samples=1000),
        lambda rng: [rng.normal(), 1.0], lambda rng: [rng.normal(), 1.01])  # fmt: skip
