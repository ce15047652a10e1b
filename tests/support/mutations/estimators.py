"""Gradient estimators, also inside a network."""

import dataclasses

import numpy as np

import dualgrad as dg
from dualgrad import directions, estimators, nn, testing
from dualgrad.tree import map_leaves
from tests.support.mutations.planting import MUTATIONS, Mutation
from tests.support.mutations.rules import M, X

W = np.array([0.4, -0.9, 1.3])


def objective(w):
    return np.sum(np.sin(w)) + w[0] * w[1]


class Estimator:
    """A gradient estimator from a function of the gradient oracle and an Rng."""

    def __init__(self, f, expectation=None, variance=None):
        self.f = f
        if expectation:
            self.expectation = lambda g, objective=None, params=None: expectation(g)
        if variance:
            self.variance = lambda g, objective=None, params=None: variance(g)

    def __repr__(self):
        return "Estimator"

    def estimate(self, objective, params, *, rng):
        slope = lambda v: dg.jvp(objective, (params,), (v,))[1]  # noqa: E731
        return estimators.Estimate(objective(params), self.f(slope, objective, params, rng))


def estimator(kind, name, right, wrong, claim=testing.assert_unbiased):
    def check(is_wrong):
        claim(wrong if is_wrong else right, objective, W)

    MUTATIONS.append(Mutation(f"estimator: {kind}", name, check))


def forward(slope, objective, w, rng):
    v = rng.signs(w.shape)
    return slope(v) * v


def gaussian(slope, objective, w, rng):
    v = rng.normal(w.shape)
    return slope(v) * v


def scaled(f, factor):
    return lambda slope, objective, w, rng: factor * f(slope, objective, w, rng)


def spherical(radius):
    def f(slope, objective, w, rng):
        v = radius(len(w)) * rng.unit(w.shape)
        return slope(v) * v

    return f


def projection(rescaled):
    def f(slope, objective, w, rng):
        chosen = rng.permutation(len(w))[:2]
        g = np.zeros_like(w)
        for k in chosen:
            g[k] = slope(np.eye(len(w))[k])
        return g * (len(w) / 2 if rescaled else 1)

    return f


def two_directions(reused):
    def f(slope, objective, w, rng):
        v = rng.signs(w.shape)
        u = v if reused else rng.signs(w.shape)
        return (slope(v) * v + slope(u) * u) / 2

    return f


def controlled(sign):
    def f(slope, objective, w, rng):
        b, v = np.array([1.0, -0.5, 0.25]), rng.signs(w.shape)
        return b + sign * (slope(v) - b @ v) * v

    return f


def evolution(second):
    def f(slope, objective, w, rng):
        e = 0.1 * rng.signs(w.shape)
        other = second(e, rng)
        quadratic = lambda d: slope(d) + 1.0  # noqa: E731  (a loss with a constant, linear in the perturbation)
        return (e * quadratic(e) + other * quadratic(other)) / (2 * 0.01)

    return f


def rank_one(noise, shared=True):
    """UORO's reduction of Σ_k g_k e_k: (Σ ν_k g_k)(Σ ν_k e_k)."""

    def f(slope, objective, w, rng):
        nu = noise(rng, len(w))
        mu = nu if shared else noise(rng, len(w))
        g = np.array([slope(e) for e in np.eye(len(w))])
        return (nu @ g) * mu

    return f


def stepsum(reset):
    """An accumulator, as of persistent evolution strategies, over two windows of one episode."""
    kept = np.zeros(3)

    def f(slope, objective, w, rng):
        nonlocal kept
        if reset:
            kept = np.zeros(3)
        total = 0
        for _ in range(2):
            e = rng.signs(w.shape)
            kept = kept + e
            total = total + kept * slope(e)
        return total / 2

    return f


SIGN_VARIANCE = lambda g: g @ g - g * g  # noqa: E731
GAUSS_VARIANCE = lambda g: g @ g + g * g  # noqa: E731
LIBRARY = estimators.ForwardGradient(directions.Rademacher())
VARIANCE = testing.assert_variance


class OnePercent(estimators.ForwardGradient):
    """The library's own, with a bias of 1 %."""

    def estimate(self, objective, params, *, rng):
        found = super().estimate(objective, params, rng=rng)
        return dataclasses.replace(found, gradient=map_leaves(lambda g: 1.01 * g, found.gradient))


class SameDraw(directions.Rademacher):
    """Signs from a seed of its own."""

    def sample(self, params, *, rng, n=None):
        return super().sample(params, rng=7, n=n)


class Outside(directions.Rademacher):
    """Signs from NumPy's global stream."""

    def sample(self, params, *, rng, n=None):
        return np.random.default_rng().choice([-1.0, 1.0], np.shape(params))


class Correlated(directions.Rademacher):
    """One sign for every pair of neighbours."""

    def sample(self, params, *, rng, n=None):
        return np.repeat(dg.Rng(rng).signs(2), 2)[:3]


estimator("bias of 1 %", "ForwardGradient", LIBRARY, OnePercent(directions.Rademacher()))
estimator("bias of 1 %", "in one entry", Estimator(forward), Estimator(lambda *a: forward(*a) * [1, 1, 1.01]))
estimator(
    "bias of 1 %", "in the expectation claimed", Estimator(forward, lambda g: g), Estimator(forward, lambda g: 1.01 * g)
)
estimator("bias", "shrunk and called unbiased", Estimator(forward), Estimator(scaled(forward, 1 / 3)))
estimator("bias", "sign of a control variate", Estimator(controlled(1)), Estimator(controlled(-1)))
estimator("bias", "ascent for descent", Estimator(forward), Estimator(scaled(forward, -1)))
estimator(
    "variance off",
    "1 + 2/p, signs",
    Estimator(forward, variance=SIGN_VARIANCE),
    Estimator(forward, variance=lambda g: SIGN_VARIANCE(g) * (1 + 2 / 3)),
    VARIANCE,
)
estimator(
    "variance off",
    "1 - 2/p, signs",
    Estimator(forward, variance=SIGN_VARIANCE),
    Estimator(forward, variance=lambda g: SIGN_VARIANCE(g) * (1 - 2 / 3)),
    VARIANCE,
)
estimator(
    "variance off",
    "that of signs claimed for normals",
    Estimator(gaussian, variance=GAUSS_VARIANCE),
    Estimator(gaussian, variance=SIGN_VARIANCE),
    VARIANCE,
)
estimator(
    "variance off",
    "that of normals claimed for signs",
    Estimator(forward, variance=SIGN_VARIANCE),
    Estimator(forward, variance=GAUSS_VARIANCE),
    VARIANCE,
)
estimator(
    "variance off",
    "entries in another order",
    Estimator(forward, variance=SIGN_VARIANCE),
    Estimator(forward, variance=lambda g: SIGN_VARIANCE(g)[::-1]),
    VARIANCE,
)
estimator(
    "variance off",
    "p/(p - 1), one direction too few",
    Estimator(two_directions(False), variance=lambda g: SIGN_VARIANCE(g) / 2),
    Estimator(two_directions(False), variance=SIGN_VARIANCE),
    VARIANCE,
)
estimator("forgotten rescaling", "normals of variance 1/N", Estimator(gaussian), Estimator(scaled(gaussian, 1 / 3)))
estimator(
    "forgotten rescaling",
    "unit instead of radius √p",
    Estimator(spherical(np.sqrt)),
    Estimator(spherical(lambda p: 1.0)),
)
estimator("forgotten rescaling", "p/k of a projection", Estimator(projection(True)), Estimator(projection(False)))
estimator(
    "forgotten rescaling",
    "sum instead of mean",
    Estimator(two_directions(False)),
    Estimator(scaled(two_directions(False), 2)),
)
estimator(
    "forgotten rescaling",
    "uniform noise of variance 1/3",
    Estimator(rank_one(lambda r, n: r.signs(n))),
    Estimator(rank_one(lambda r, n: r.uniform(-1, 1, n))),
)
estimator("correlated directions", "neighbours share a sign", LIBRARY, estimators.ForwardGradient(Correlated()))
estimator(
    "correlated directions",
    "both factors their own noise",
    Estimator(rank_one(lambda r, n: r.signs(n))),
    Estimator(rank_one(lambda r, n: r.signs(n), shared=False)),
)
estimator(
    "correlated directions",
    "signs that lean to one side",
    Estimator(forward),
    Estimator(lambda s, o, w, r: (lambda v: s(v) * v)(2 * r.bernoulli(0.6, 3) - 1)),
)
estimator(
    "reused seed",
    "the same direction twice",
    Estimator(two_directions(False), variance=lambda g: SIGN_VARIANCE(g) / 2),
    Estimator(two_directions(True), variance=lambda g: SIGN_VARIANCE(g) / 2),
    VARIANCE,
)
estimator("reused seed", "the same direction every time", LIBRARY, estimators.ForwardGradient(SameDraw()))
estimator("randomness outside Rng", "NumPy's own", LIBRARY, estimators.ForwardGradient(Outside()))
estimator(
    "wrong antithetic pairing",
    "the pair is (ε, ε)",
    Estimator(evolution(lambda e, rng: -e), variance=SIGN_VARIANCE),
    Estimator(evolution(lambda e, rng: e), variance=SIGN_VARIANCE),
    VARIANCE,
)
estimator(
    "wrong antithetic pairing",
    "the pair is (ε, ε')",
    Estimator(evolution(lambda e, rng: -e), variance=SIGN_VARIANCE),
    Estimator(evolution(lambda e, rng: 0.1 * rng.signs(3)), variance=SIGN_VARIANCE),
    VARIANCE,
)
SMALL_STEP = estimators.SPSA(1e-4)  # whose bias, stated to order eps², is then within rounding
BLOCKS, NEAR = directions.Blocks(directions.Rademacher()), np.array([0.5, -1.0, 1.5])


class ClaimsToBeUnbiased:
    """An estimator of the library, with g for its expectation."""

    def __init__(self, inner):
        self.estimate = inner.estimate
        self.expectation = lambda g, objective=None, params=None: g


class Uncentred(estimators.ForwardGradient):
    """A control variate that is taken out of the slope and not put back."""

    def estimate(self, objective, params, *, rng):
        found = super().estimate(objective, params, rng=rng)
        return dataclasses.replace(found, gradient=found.gradient - self.baseline)


class HalfStep(estimators.SPSA):
    """A difference over 2 eps, divided by eps."""

    def estimate(self, objective, params, *, rng):
        found = super().estimate(objective, params, rng=rng)
        return dataclasses.replace(found, gradient=2 * found.gradient)


class WrongVariance(estimators.ForwardGradient):
    """Blocks with the variance that averages of whole directions have."""

    def variance(self, gradient, objective=None, params=None):
        return directions.Rademacher().variance(gradient) / self.n


estimator(
    "forgotten rescaling", "blocks averaged instead of summed",
    estimators.ForwardGradient(BLOCKS, n=3, combine="sum"), ClaimsToBeUnbiased(estimators.ForwardGradient(BLOCKS, n=3)),
)  # fmt: skip
estimator(
    "bias", "a control variate not put back",
    estimators.ForwardGradient(directions.Rademacher(), baseline=NEAR),
    Uncentred(directions.Rademacher(), baseline=NEAR),
)  # fmt: skip
estimator(
    "bias", "shrinkage called unbiased",
    estimators.ForwardGradient(directions.Rademacher(), shrink=True),
    ClaimsToBeUnbiased(estimators.ForwardGradient(directions.Rademacher(), shrink=True)),
)  # fmt: skip
estimator(
    "bias", "DODGE called unbiased", estimators.Dodge(estimators.ForwardGradient(directions.Along(NEAR))),
    ClaimsToBeUnbiased(estimators.Dodge(estimators.ForwardGradient(directions.Along(NEAR)))),
)  # fmt: skip
estimator("forgotten rescaling", "SPSA by half its step", SMALL_STEP, HalfStep(1e-4))
estimator("bias", "SPSA's third derivatives forgotten", SMALL_STEP, ClaimsToBeUnbiased(estimators.SPSA(0.1)))
estimator(
    "variance off", "blocks with the variance of averages",
    estimators.ForwardGradient(BLOCKS, n=2, combine="sum"), WrongVariance(BLOCKS, n=2, combine="sum"),
    testing.assert_variance,
)  # fmt: skip


# ---------------------------------------------------------------------- guesses, inside a network


class OneSlopeForAll(estimators.ActivationPerturbation):
    """The slope of the whole batch for every example: their noise does not average out at once."""

    def _slopes(self, walk, chain, rng, kept):
        loss, error, d, guesses = super()._slopes(walk, chain, rng, kept)
        return loss, error, np.broadcast_to(d.mean(1, keepdims=True), d.shape), guesses


class WithoutItsMask(estimators.TransposedWeight):
    """W ξ, the slope of the activation between left out."""

    def _guess(self, walk, k, rng):
        if not walk.downstream(k):
            return super()._guess(walk, k, rng)
        site, _ = walk.downstream(k)[0]
        return self._draw(rng, walk.value(site + 1).shape, walk.value(k + 1)) @ walk.p[f"{site}.weight"].T


class WithoutItsMean(estimators.SelfSharpening):
    """Cov(ξ) for E ξ ξᵀ: erratum 20."""

    def _expected(self, sites):
        return [delta if self._known(walk, k) else self._covariance(walk, k, delta) / 12 for walk, k, delta in sites]


class VarianceOfNormals(estimators.ActivationPerturbation):
    """Signs that claim the fourth moment of normals."""

    def variance(self, gradient, objective=None, params=None):
        return estimators.ActivationPerturbation().variance(gradient, objective, params)


def guess(kind, name, right, wrong, claim=testing.assert_unbiased):
    def check(is_wrong):
        model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        params = dg.Params(
            {"0.weight": M[:2, :2], "0.bias": np.array([0.5, -3.0]), "2.weight": M[:2, 2:], "2.bias": X[:1]}
        )
        batch = nn.Objective(model, nn.mse).bind(np.array([[1.0, -0.5], [0.25, 2.0]]), np.array([[1.0], [-1.0]]))
        claim(wrong if is_wrong else right, batch, params)

    MUTATIONS.append(Mutation(f"estimator: {kind}", name, check))


guess(
    "bias",
    "one slope for all examples",
    estimators.ActivationPerturbation(noise="signs"),
    OneSlopeForAll(noise="signs"),
)
guess("bias", "a guess without its mask", estimators.TransposedWeight(noise="signs"), WithoutItsMask(noise="signs"))
guess("bias", "noise whose mean is forgotten", estimators.SelfSharpening(), WithoutItsMean())
guess(
    "variance off", "signs with the variance of normals", estimators.ActivationPerturbation(noise="signs"),
    VarianceOfNormals(noise="signs"), testing.assert_variance,
)  # fmt: skip
estimator("reset forgotten", "an accumulator that goes on", Estimator(stepsum(True)), Estimator(stepsum(False)))
