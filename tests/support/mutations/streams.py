"""Online estimators."""

import numpy as np

from dualgrad import nn, online, testing
from tests.support.mutations.planting import MUTATIONS, Mutation

STREAM = online.Network(nn.RNNCell(1, 2), nn.Linear(2, 2), nn.cross_entropy)
STREAM_PARAMS = STREAM.init(rng=5, dtype=np.float64)
STREAM_PARAMS.vector[:] *= 2
INPUTS, TARGETS = np.array([[0.7], [-1.2], [1.9]]), [0, 1, 1]


def streamed(estimator):
    """The exact mean and covariance of the gradient after three steps of a recurrent network of two units."""

    def run(rng):
        estimator.start(STREAM, STREAM_PARAMS, rng=rng)
        return [estimator.step(x, y) for x, y in zip(INPUTS, TARGETS, strict=True)][-1].gradient.vector

    return testing.exact_moments(run)


def stream(kind, name, right, wrong):
    """Is its mean the gradient of RTRL?"""

    def check(is_wrong):
        exact = streamed(online.RTRL()).mean
        found = streamed(wrong if is_wrong else right).mean
        assert np.max(np.abs(found - exact)) < 1e-10, f"the mean is off by {np.max(np.abs(found - exact))}"

    MUTATIONS.append(Mutation(f"online: {kind}", name, check))


class OneSign(online.NoBackTrack):
    """One sign for all units."""

    def reduce(self, memory, T):
        draws, signs = self.rng, self.rng.signs((self.rank, 1))
        self.rng = type("Same", (), {"signs": lambda _, shape, **kw: np.broadcast_to(signs, shape)})()
        try:
            return super().reduce(memory, T)
        finally:
            self.rng = draws


class MinusTheLast(online.NoBackTrack):
    """Algorithm 2 as it is printed: (H v̄) w̄ - Σ H_i D_i."""

    def influence(self, memory, H, T):
        return super().influence(memory, H, T) - 2 * T.pull_params(H[..., T.rows])


class NotCarried(online.NoBackTrack):
    """v̄ is not taken through J."""

    def propagate(self, memory, transitions):
        return memory


class ScaledOnOneSide(online.NoBackTrack):
    """v̄ is scaled by ρ̄, w̄ not by its inverse."""

    def _scales(self, memory, T):
        (rho, inverse), others = super()._scales(memory, T)
        return (rho, np.ones_like(inverse)), others


class SmallNoise(online.UORO):
    """ν of variance 1/3, as of uniform numbers on (-1, 1)."""

    def propagate(self, memory, transitions):
        draws = self.rng
        self.rng = type("Small", (), {"signs": lambda _, shape, **kw: draws.signs(shape, **kw) / 3**0.5})()
        try:
            return super().propagate(memory, transitions)
        finally:
            self.rng = draws


class EpisodeThatGoesOn(online.RTRL):
    """The influence of the last episode is still there."""

    def init_memory(self):
        fresh = super().init_memory()
        return getattr(self, "memory", fresh)


class WithoutSigns(online.KroneckerRTRL):
    """The two Kronecker terms added without signs."""

    def propagate(self, memory, transitions):
        draws = self.rng
        self.rng = type("Plus", (), {"signs": lambda _, shape, **kw: np.ones(shape)})()
        try:
            return super().propagate(memory, transitions)
        finally:
            self.rng = draws


stream("correlated directions", "one sign for all units", online.NoBackTrack(), OneSign())
stream("sign", "the printed Algorithm 2", online.NoBackTrack(), MinusTheLast())
stream("missing term", "a tangent not carried on", online.NoBackTrack(), NotCarried())
stream("forgotten rescaling", "ρ on one side only", online.NoBackTrack(), ScaledOnOneSide())
stream("forgotten rescaling", "UORO with noise of variance 1/3", online.UORO(), SmallNoise())
stream("correlated directions", "Kronecker terms without signs", online.KroneckerRTRL(), WithoutSigns())
stream("reset forgotten", "an episode that goes on", online.RTRL(), EpisodeThatGoesOn())
