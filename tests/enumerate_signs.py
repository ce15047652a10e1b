"""An Rng that plays every outcome of its signs in turn, for exact means and variances of unchanged estimators."""

import itertools

import numpy as np

import dualgrad as dg


class Replay(dg.Rng):
    """Gives out a prepared pattern of signs, and counts how many were asked for."""

    def __init__(self, pattern):
        self.pattern, self.used = pattern, 0

    def signs(self, shape, *, dtype=np.float64, like=None):
        count = int(np.prod(shape))
        taken = self.pattern[self.used : self.used + count] if self.pattern is not None else np.ones(count)
        self.used += count
        return np.asarray(taken, dtype=dtype).reshape(shape)


def moments(run):
    """The exact mean and variance, entry by entry, of ``run(rng)`` over all outcomes of the signs it draws."""
    probe = Replay(None)
    run(probe)
    outcomes = np.array([run(Replay(np.array(p))) for p in itertools.product([1.0, -1.0], repeat=probe.used)])
    return outcomes.mean(0), outcomes.var(0)
