"""Planted faults of estimators that need more than one look: far tails, second steps, other points, bad habits."""

import numpy as np

import dualgrad as dg
from dualgrad import directions, estimators, testing
from tests.support.mutations.planting import MUTATIONS, Mutation

G = np.array([1.0, -2.0, 0.5])


def fault(kind, name, check):
    MUTATIONS.append(Mutation(f"estimator: {kind}", name, check))


def linear(w):
    return np.sum(G * w)


def quadratic(w):
    return np.sum(G * w * w) + w[0] * w[1]


def cubic(w):
    return np.sum(G * w**3) / 3 + w[0] * w[1] * w[2]


# ---------------------------------------------------------------------- what happens far out


def projected(draw):
    """(g·v) v, whose mean is g where E v vᵀ = 1."""

    def run(rng):
        v = draw(rng)
        return (G @ v) * v

    return run


def far_out(name, right, wrong):
    def check(is_wrong):
        testing.assert_moments(projected(wrong if is_wrong else right), mean=G, samples=2000)

    fault("far out", name, check)


def normal(rng):
    return rng.normal(3)


def changed(change):
    def draw(rng):
        v = rng.normal(3)
        return change(v)

    return draw


for limit in (2.6, 3.5, 5.0, 6.0):
    far_out(f"normals rejected beyond {limit}", normal, changed(lambda v, t=limit: np.where(np.abs(v) > t, 0, v)))
    far_out(f"normals clipped at {limit}", normal, changed(lambda v, t=limit: np.clip(v, -t, t)))
for centre in (0.5, 1.2345):  # between the nodes, and between the points of a line
    far_out(f"normals near {centre} dropped", normal,
            changed(lambda v, c=centre: np.where(np.abs(v - c) < 0.1, 0, v)))  # fmt: skip
far_out("normals enlarged beyond 3", normal, changed(lambda v: np.where(np.abs(v) > 3, 2 * v, v)))
far_out("a product beyond 6 dropped", normal, changed(lambda v: v if v[0] * v[1] < 6 else 0 * v))


def of_uniforms(change):
    return lambda rng: np.sqrt(12) * change(rng.uniform(shape=3) - 0.5)


far_out("uniforms clipped at 0.499", of_uniforms(lambda u: 1 * u), of_uniforms(lambda u: np.clip(u, -0.499, 0.499)))
far_out("uniform tails dropped after arithmetic", of_uniforms(lambda u: 1 * u),
        of_uniforms(lambda u: np.where(np.abs(np.exp(u) - 1) > 0.64, 0, u)))  # fmt: skip
far_out(
    "a cap of the sphere dropped", lambda rng: np.sqrt(3) * rng.unit(3),
    lambda rng: (lambda v: np.sqrt(3) * np.where(v[0] > 0.9, 0, v))(rng.unit(3)),
)  # fmt: skip


# ---------------------------------------------------------------------- draws from elsewhere, rare paths, cuts


def roulette(reweighted):
    """Σ 2^-k, each term with probability 1/2 after the last, divided by the probability that it is reached."""

    def run(rng):
        total, k = 0.0, 0
        while k == 0 or rng.signs(1)[0] > 0:
            total += 0.5**k * (2.0**k if reweighted else 1.0)
            k += 1
        return total

    return run


fault("stopping time", "a roulette without its weights", lambda w: testing.assert_moments(roulette(not w), mean=2.0))


def rounding(below):
    """Stochastic rounding to whole numbers."""

    def run(rng):
        x = np.array([0.3, -1.75, 2.0])
        return np.floor(x) + below(rng.uniform(shape=3), x - np.floor(x))

    return run


fault("cut", "stochastic rounding the other way", lambda w: testing.assert_moments(
    rounding((lambda u, p: u > p) if w else (lambda u, p: u < p)), mean=[0.3, -1.75, 2.0]))  # fmt: skip
fault("cut", "inverse transform with edges off by one", lambda w: testing.assert_moments(
    lambda rng: np.array([5.0, 7.0, 9.0, 0.0])[
        np.searchsorted([0.2, 0.5, 1.0], rng.uniform(), side="right") + (1 if w else 0)],
    mean=7.6))  # fmt: skip
fault("cut", "a draw at its bound counted with those beyond", lambda w: testing.assert_moments(
    lambda rng: 1.0 * (np.greater_equal if w else np.greater)(np.maximum(rng.uniform() - 0.3, 0), 0),
    mean=0.7))  # fmt: skip


# ---------------------------------------------------------------------- a second step


class Keeping:
    """A forward gradient with state; ``keep`` holds on to the first direction."""

    def __init__(self, keep=False):
        self.keep, self.v = keep, None

    def state_dict(self):
        return {"v": self.v}

    def load_state_dict(self, state):
        self.v = state["v"]

    def estimate(self, objective, params, *, rng):
        if self.v is None or not self.keep:
            self.v = dg.Rng(rng).signs(params.shape)
        value, slope = dg.jvp(objective, (params,), (self.v,))
        return estimators.Estimate(value, slope * self.v)


class Baseline(Keeping):
    """A control variate b, taken out along today's direction and put back whole, or along yesterday's."""

    def estimate(self, objective, params, *, rng):
        v, before = dg.Rng(rng).signs(params.shape), self.v
        value, slope = dg.jvp(objective, (params,), (v,))
        self.v, b = v, np.array([0.5, -1.0, 1.5])
        back = b if before is None or not self.keep else b @ before * before
        return estimators.Estimate(value, (slope - b @ v) * v + back)


fault("second step", "a direction reused", lambda w: testing.assert_unbiased(Keeping(w), linear, np.ones(3)))
fault("second step", "a direction reused, both steps together",
      lambda w: testing.assert_unbiased(Keeping(w), linear, np.ones(3), steps=2))  # fmt: skip
fault("second step", "a stale baseline", lambda w: testing.assert_unbiased(Baseline(w), linear, np.ones(3)))


def correlated(is_wrong):
    """Two estimates, each unbiased, of opposite directions."""

    def run(rng):
        v = rng.signs(3)
        w = -v if is_wrong else rng.signs(3)
        return [(G @ v) * v, (G @ w) * np.abs(w) * v if is_wrong else (G @ w) * w]

    testing.assert_moments(run, mean=G, steps=2)


fault("second step", "two steps that depend on each other", correlated)


# ---------------------------------------------------------------------- other points


class Changed:
    """The exact gradient times signs, changed: ``change(g, params)``."""

    def __init__(self, change, variance=None):
        self.change = change
        if variance is not None:
            self.variance = lambda g, objective, params: variance(g)

    def estimate(self, objective, params, *, rng):
        v = dg.Rng(rng).signs(params.shape)
        value, g = dg.value_and_grad(objective)(params)
        return estimators.Estimate(value, (self.change(g, params) @ v) * v)


def at_a_point(kind, name, change, objective, point):
    right = Changed(lambda g, w: g)
    fault(kind, name, lambda w: testing.assert_unbiased(Changed(change) if w else right, objective, np.array(point)))


at_a_point("other points", "entries in another order, equal here", lambda g, w: g[::-1], quadratic, [0.0, 0.0, 0.0])
at_a_point("other points", "a shift, equal here", lambda g, w: np.roll(g, 1), lambda w: np.sum(w * w), [1.0, 1.0, 1.0])
at_a_point("other points", "clipped, not here", lambda g, w: np.clip(g, -2, 2), cubic, [1.0, 1.0, -1.0])
at_a_point("other points", "a term that vanishes here", lambda g, w: g + w[0] * w[1], cubic, [0.0, 1.0, 2.0])
at_a_point("other points", "the weight decays, zero here", lambda g, w: g + w, linear, [0.0, 0.0, 0.0])


def product_of_slopes(g):
    return g @ g - g * g + g[0] * g[1]


fault("other points", "a variance off by g_0 g_1, zero here", lambda w: testing.assert_variance(
    Changed(lambda g, p: g, product_of_slopes if w else lambda g: g @ g - g * g), lambda w: np.sum(w**2),
    np.array([1.0, 0.0, 2.0])))  # fmt: skip


# ---------------------------------------------------------------------- state, buffers, values, covariances


class Untidy(estimators.ForwardGradient):
    """A forward gradient with one bad habit."""

    def __init__(self, habit=None):
        super().__init__(directions.Rademacher())
        self.habit, self.buffer, self.calls = habit, np.zeros(3), 0

    def estimate(self, objective, params, *, rng):
        found = super().estimate(objective, params, rng=rng)
        value, gradient = found.value, found.gradient
        self.calls += 1
        if self.habit == "moves the parameters":
            params += 1e-3
        elif self.habit == "returns its buffer":
            self.buffer[:] = gradient
            gradient = self.buffer
        elif self.habit == "value of another point":
            value = value + 1e-3
        elif self.habit == "value of the direction":
            value = value + 1e-3 * gradient[0]
        elif self.habit == "other now and then" and self.calls % 100 == 0:
            gradient = gradient + 1e-3
        return estimators.Estimate(value, gradient)


for habit in ("moves the parameters", "returns its buffer", "value of another point", "value of the direction",
              "other now and then"):  # fmt: skip
    fault("habits", habit, lambda w, h=habit: testing.assert_unbiased(Untidy(h if w else None), quadratic, np.ones(3)))


fault("covariance", "two entries dependent, variances as claimed", lambda w: testing.assert_moments(
    (lambda rng: rng.signs(1) * np.ones(2)) if w else lambda rng: rng.signs(2), covariance=np.eye(2)))  # fmt: skip
fault("covariance", "a sign off the diagonal", lambda w: testing.assert_moments(
    lambda rng: (lambda v: np.array([v[0] + v[1], (v[0] - v[1] if w else v[1]) + v[2]]))(rng.signs(3)),
    covariance=np.array([[2.0, 1.0], [1.0, 3.0 if w else 2.0]])))  # fmt: skip


def one_sided(is_wrong, eps=0.1):
    """Differences of a quadratic: the mean of one-sided ones is right, their variance is not."""

    def run(rng):
        v = rng.normal(3)
        w = np.array([1.0, 2.0, -1.0])
        low = w if is_wrong else w - eps * v
        slope = (quadratic(w + eps * v) - quadratic(low)) / (eps if is_wrong else 2 * eps)
        return slope * v

    g = dg.grad(quadratic)(np.array([1.0, 2.0, -1.0]))
    testing.assert_moments(run, mean=g, variance=g @ g + g * g)


fault("variance off", "one-sided differences of a quadratic", one_sided)


def antithetic(is_wrong):
    """A pair of perturbations on the same minibatch of two, or each on its own."""
    data = np.array([1.0, 3.0])

    def run(rng):
        v, k = rng.signs(1), rng.integers(0, 2)
        other = rng.integers(0, 2) if is_wrong else k
        return (data[k] * (1 + 0.1 * v) - data[other] * (1 - 0.1 * v)) / 0.2 * v

    testing.assert_moments(run, mean=2.0, variance=1.0)


fault("variance off", "an antithetic pair on different data", antithetic)
fault("reused seed", "a stream asked for twice by its name", lambda w: testing.assert_moments(
    lambda rng: rng.named(1).normal() * rng.named(1 if w else 2).normal(), mean=0.0))  # fmt: skip
fault("bias", "1e-8 in one of 50 integers", lambda w: testing.assert_moments(
    lambda rng: (lambda k: k + 1e-8 * (w and k == 17))(float(rng.integers(0, 50))), mean=24.5, atol=1e-12))  # fmt: skip
