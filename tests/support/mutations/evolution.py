"""Evolution strategies over unrolls."""

import numpy as np

from dualgrad import online, testing
from tests.support.mutations.planting import MUTATIONS, Mutation
from tests.support.unrolls import coefficients, history, perturbation_a_window

WINDOWS = coefficients(2, 1)
BOTH = WINDOWS.sum((0, 1))


def unrolled(estimator, episodes=1):
    """The exact mean and variance of the gradient of an episode of two windows, the last of some, of linear losses."""
    system, params = history(2, 1), np.ones(1)

    def run(rng):
        estimator.start(system, params, rng=rng)
        for k in range(episodes):
            if k:
                estimator.reset()
            total = sum(estimator.step(t, g).gradient for t, g in enumerate(WINDOWS))
        return total

    return testing.exact_moments(run)


def evolution(kind, name, right, wrong, *, mean=BOTH, variance=None, episodes=1):
    """Is its mean that of the whole unroll, or what it is said to be; and its variance?"""

    def check(is_wrong):
        found = unrolled(wrong if is_wrong else right, episodes)
        assert np.max(np.abs(found.mean - mean)) < 1e-10, f"the mean is off by {np.max(np.abs(found.mean - mean))}"
        if variance is not None:
            assert abs(found.variance.sum() - variance) < 1e-10, f"a variance of {found.variance.sum()}"

    MUTATIONS.append(Mutation(f"evolution: {kind}", name, check))


class OwnWindowAlone(online.PersistentES):
    """Losses times the perturbation of their own window, as if the states had not gone on."""

    def window_gradient(self, t, memory, difference):
        return online.NoiseReuseES.window_gradient(self, t, memory, difference)


class SumThatOutlivesTheEpisode(online.PersistentES):
    """Particles begin anew, ξ does not."""

    def extra_memory(self):
        return {"accumulated": self.memory["accumulated"]} if hasattr(self, "memory") else super().extra_memory()

    def _started(self, *args, **options):
        self.__dict__.pop("memory", None)
        return super()._started(*args, **options)


class VarianceAsDeviation(online.PersistentES):
    """Divided by σ, as if sigma were a variance."""

    def window_gradient(self, t, memory, difference):
        return super().window_gradient(t, memory, difference) * self.sigma


class SumOverPairs(online.PersistentES):
    """A pair counts as one particle."""

    def window_gradient(self, t, memory, difference):
        return super().window_gradient(t, memory, difference) * 2


class BothSidesUp(online.PersistentES):
    """θ + ε twice: no antithetic partner."""

    def perturbed(self, noise, some):
        half = super().perturbed(noise, range(len(noise)))
        return np.concatenate([half, half])[some.start : some.stop]


class FreshNoise(online.NoiseReuseES):
    """ε is drawn again in every window, and no sum is kept."""

    def next_window(self, state, memory):
        return state, memory | {"noise": self._noise()}


class ParticlesThatGoOn(online.TruncatedES):
    """The window begins where the particles were, not at the state of θ: other variance, same mean."""

    def next_window(self, state, memory):
        return state, memory | {"noise": self._noise()}


pes = online.PersistentES(2, 0.5, 1)
evolution("missing term", "the perturbation of the window alone", pes, OwnWindowAlone(2, 0.5, 1))
evolution("missing term", "fresh noise without a sum", online.NoiseReuseES(2, 0.5, 1), FreshNoise(2, 0.5, 1))
evolution("forgotten rescaling", "σ for σ²", pes, VarianceAsDeviation(2, 0.5, 1))
evolution("forgotten rescaling", "over pairs, not particles", pes, SumOverPairs(2, 0.5, 1))
evolution("sign", "both of a pair at θ + ε", pes, BothSidesUp(2, 0.5, 1))
evolution(
    "reset forgotten", "a sum that outlives its episode", pes, SumThatOutlivesTheEpisode(2, 0.5, 1),
    variance=perturbation_a_window(WINDOWS), episodes=2,
)  # fmt: skip
evolution(
    "variance off", "truncated windows that go on", online.TruncatedES(2, 0.5, 1), ParticlesThatGoOn(2, 0.5, 1),
    mean=WINDOWS[0, 0] + WINDOWS[1, 1], variance=2 * (WINDOWS[0, 0, 0] ** 2 + WINDOWS[1, 1, 0] ** 2),
)  # fmt: skip
