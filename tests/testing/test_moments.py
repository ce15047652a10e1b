"""exact_moments and the claims of estimators: known moments of every kind of draw, control flow, and named refusals."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dualgrad as dg
from dualgrad import directions, estimators
from dualgrad.testing import (
    InexactWarning,
    ReplayError,
    TooManyOutcomesError,
    assert_unbiased,
    assert_variance,
    exact_moments,
)
from dualgrad.testing.enumeration import quadrature

G = np.array([1.0, -2.0, 0.5])


def close(a, b, atol=1e-13):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=atol)


# ---------------------------------------------------------------------- the draws


@pytest.mark.parametrize(
    ("run", "mean", "variance", "outcomes"),
    [
        (lambda r: r.signs(3), [0, 0, 0], [1, 1, 1], 8),
        (lambda r: r.signs((2, 2), dtype=np.float32), np.zeros(4), np.ones(4), 16),
        (lambda r: r.bernoulli(0.3), [0.3], [0.21], 2),
        (lambda r: r.bernoulli([0.3, 0.0, 1.0, 0.5]), [0.3, 0, 1, 0.5], [0.21, 0, 0, 0.25], 4),
        (lambda r: r.bernoulli(0.25, (2,)), [0.25, 0.25], [0.1875, 0.1875], 4),
        (lambda r: r.integers(-1, 3, (2,)), [0.5, 0.5], [1.25, 1.25], 16),
        (lambda r: r.permutation(4), [1.5] * 4, [1.25] * 4, 24),
        (lambda r: r.normal(2), [0, 0], [1, 1], 9),
        (lambda r: r.normal() ** 2, [1], [2], 3),
        (lambda r: r.uniform(1, 4), [2.5], [0.75], 3),
        (lambda r: r.uniform(np.array([0.0, 1]), 2, (2,)), [1, 1.5], [1 / 3, 1 / 12], 9),
        (lambda r: r.unit(3), [0, 0, 0], [1 / 3] * 3, 18),
        (lambda r: r.unit((2, 2)), np.zeros(4), [0.5] * 4, 36),
        (lambda r: r.unit(1), [0], [1], 2),
        (lambda r: [3, {"a": np.ones(2)}], [3, 1, 1], [0, 0, 0], 1),
    ],
)
def test_means_and_variances_of_draws(run, mean, variance, outcomes):
    found = exact_moments(run)
    close(found.mean, mean)
    close(found.variance, variance)
    assert found.outcomes == outcomes


@given(dimension=st.integers(1, 5), degree=st.integers(1, 7), seed=st.integers(0, 99))
def test_designs_integrate_polynomials_over_the_sphere(dimension, degree, seed):
    """E Π x_k^{a_k} = Π (a_k - 1)!! / (d (d+2) ... (d + a - 2)) for even a_k, and 0 otherwise."""
    powers = np.random.default_rng(seed).multinomial(degree, [1 / dimension] * dimension)
    points, weights = quadrature.sphere(dimension, degree)
    close(np.linalg.norm(points, axis=1), 1)
    exact = 0.0
    if not np.any(powers % 2):
        double = math.prod(math.prod(range(1, a, 2)) for a in powers)
        exact = double / math.prod(dimension + 2 * k for k in range(degree // 2))
    close(weights @ np.prod(points**powers, axis=1), exact)
    assert np.all(weights > 0)


@pytest.mark.parametrize("degree", range(1, 12))
def test_nodes_are_exact_to_their_degree(degree):
    (x, w), (u, v) = quadrature.normal(degree), quadrature.uniform(degree)
    for k in range(degree + 1):
        close(w @ x**k, 0 if k % 2 else math.prod(range(1, k, 2)), 1e-9)
        close(v @ u**k, 1 / (k + 1))


def test_covariances():
    found = exact_moments(lambda r: (lambda v: [v[0], v[0] * v[1], v[0] + v[1]])(r.signs(2)))
    close(found.covariance, [[1, 0, 1], [0, 1, 0], [1, 0, 2]])
    assert np.array_equal(found.covariance, found.covariance.T)


def test_complex_results():
    found = exact_moments(lambda r: (lambda v: [v[0] + 1j * v[1], 1j * v[0]])(r.signs(2)))
    close(found.covariance, [[2, -1j], [1j, 1]])


def test_results_are_laid_out_leaf_by_leaf():
    found = exact_moments(lambda r: {"b": np.arange(4.0).reshape(2, 2), "a": [9.0]})
    close(found.mean, [0, 1, 2, 3, 9])


def test_a_mean_far_from_zero_costs_no_digits():
    found = exact_moments(lambda r: 1e8 + np.sum(r.signs(12)))
    close(found.mean, 1e8)
    close(found.covariance, [[12.0]], 1e-6)


def test_runs_may_branch_on_what_they_draw():
    """A walk that stops at its first +1, after at most four steps: the branches differ in length."""

    def run(rng):
        for k in range(1, 5):
            if rng.signs(1)[0] > 0:
                return k
        return 0

    found = exact_moments(run)
    assert found.outcomes == 5
    close(found.mean, 1 / 2 + 2 / 4 + 3 / 8 + 4 / 16)


def test_streams_are_passed_on_spawned_and_rewound():
    def run(rng):
        state = rng.state_dict()
        first = dg.Rng(rng).signs(2)
        left, right = rng.spawn(2)
        other = left.signs(1) * right.signs(1)
        rng.load_state_dict(state)
        return [first, rng.signs(2), other]

    found = exact_moments(run)
    assert found.outcomes == 16
    close(found.covariance[:2, 2:4], np.eye(2))


def test_a_rewound_stream_must_be_read_as_before():
    def run(rng):
        state = rng.state_dict()
        rng.signs(2)
        rng.load_state_dict(state)
        return rng.integers(0, 3)

    with pytest.raises(ReplayError, match="was drawn where something else had been"):
        exact_moments(run)


DRAWN = {"signs": lambda r: r.signs(1)[0], "a normal": lambda r: r.normal(), "a uniform": lambda r: r.uniform(-1, 1)}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_streams_that_are_rewound_leave_each_other_alone(draw):
    """A child that begins again, as the masks of a bound objective do, between two draws of its parent."""

    def run(rng):
        (child,) = rng.spawn(1)
        start, seen = child.state_dict(), []
        for _ in range(2):
            child.load_state_dict(start)
            seen += [draw(child), draw(rng)]
        return seen

    found = exact_moments(run)
    unit = found.variance[0]
    close(found.covariance, unit * np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]))


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_a_named_stream_is_the_same_whenever_it_is_asked_for(draw):
    def run(rng):
        return [draw(rng.named("step", 1)), draw(rng), draw(rng.named("step", 2)), draw(rng.named("step", np.int64(1))),
                draw(rng.spawn(1)[0].named("step", 1))]  # fmt: skip

    found = exact_moments(run)
    expected = np.eye(5)
    expected[0, 3] = expected[3, 0] = 1
    close(found.covariance, found.variance[0] * expected)


def test_a_normal_that_is_drawn_twice_is_of_twice_the_degree():
    def run(rng):
        return np.prod([rng.named(1).normal() for _ in range(3)])

    found = exact_moments(run)
    close([found.mean[0], found.variance[0]], [0, 15], 1e-10)


def test_the_masks_of_a_bound_objective_are_drawn_once():
    """Two directions, one objective with Dropout: exact over masks and signs, and the directions are two."""
    model = dg.nn.Sequential(dg.nn.Linear(2, 1, bias=False), dg.nn.Dropout(0.5))
    params = dg.Params({"0.weight": np.array([[1.0], [2.0]])})
    objective = dg.nn.Objective(model, dg.nn.mse)

    def run(rng):
        batch = objective.bind(np.array([[3.0, 4.0]]), np.zeros((1, 1)), train=True, rng=rng)
        estimator = dg.estimators.SPSA(1e-2, n=2)
        return estimator.estimate(batch, params, rng=rng).gradient.vector

    found = exact_moments(run)
    assert found.outcomes == 2 * 4 * 4
    g = 2 * 2 * 11 * np.array([3.0, 4.0])  # half the time of twice the output's square
    close(found.mean, g)
    second = 2 * np.outer(g, g)  # E h hᵀ over the masks, h the gradient under one
    within = second + 2 * g @ g * np.eye(2) - 2 * np.diag(np.diag(second))
    close(found.covariance, within / 2 + second - np.outer(g, g), atol=1e-7)


# ---------------------------------------------------------------------- what is not exact


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (lambda r: np.abs(r.normal()), "a kink along a normal draw"),
        (lambda r: np.sign(r.normal() + 0.3), "jumps along a normal draw"),
        (lambda r: np.sqrt(r.uniform()) < 0.5, "along a uniform draw"),
        (lambda r: np.sign(r.unit(3)), "jumps along a unit draw"),
        (lambda r: r.uniform() < r.uniform(), "two uniform draws are compared|jumps"),
        (lambda r: np.argsort(r.uniform(shape=3)), "jumps along a uniform draw"),
        (lambda r: np.tanh(50 * r.normal(2)), "still move by|kink"),
        (lambda r: np.cos(np.sum(r.normal(12))), "12 normal are too many to add nodes"),
    ],
)
def test_what_nodes_do_not_integrate_is_sampled_and_says_so(run, why):
    with pytest.warns(InexactWarning, match=why):
        found = exact_moments(run)
    assert not found.certified
    truth = np.array([run(dg.Rng(k)) for k in range(4000)], float).reshape(4000, -1)
    assert np.all(np.abs(found.mean - truth.mean(0)) <= found.error + 5 * truth.std(0) / 4000**0.5)


@pytest.mark.parametrize("power", range(2, 9))
def test_the_degree_is_raised_to_that_of_the_result(power):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = exact_moments(lambda r: r.normal() ** power)
    moment = lambda k: 0 if k % 2 else math.prod(range(1, k, 2))  # noqa: E731
    close(found.mean, moment(power), 1e-10)
    np.testing.assert_allclose(found.variance, moment(2 * power) - moment(power) ** 2, 1e-10)


@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0])
def test_nodes_are_raised_until_they_converge(scale):
    """E exp(s z) = exp(s²/2); E cos(s u) for uniform u."""
    found = exact_moments(lambda r: [np.exp(scale * r.normal()), np.cos(scale * r.uniform(0, 2 * np.pi))])
    assert found.certified
    exact = [np.exp(scale**2 / 2), np.sin(2 * np.pi * scale) / (2 * np.pi * scale)]
    assert np.all(np.abs(found.mean - exact) <= 1e-9 + found.error)


@pytest.mark.parametrize("draw", [lambda r, p: r.bernoulli(p), lambda r, p: r.uniform() < p])
def test_probabilities_may_depend_on_continuous_draws(draw):
    """E σ(1 + z/2) by Gauss-Hermite nodes."""
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    found = exact_moments(lambda r: draw(r, sigmoid(1 + r.normal() / 2)))
    nodes, weights = quadrature.normal(79)
    assert found.certified
    assert abs(found.mean[0] - weights @ sigmoid(1 + nodes / 2)) <= 1e-9 + found.error


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (lambda r: r.signs(21), r"21 signs have 2,097,152 outcomes; max_outcomes is 1,048,576"),
        (lambda r: r.signs(2) * np.sum(r.normal(30)), "2 signs, 30 normal have"),
        (lambda r: np.sum(r.signs(200)), "200 signs have some 1e60 outcomes"),
        (lambda r: dg.Rng(int(r.integers(0, 2**62))).signs(1), r"1 integers\(0, 4611686018427387904"),
        (lambda r: sum(r.signs(1)[0] for _ in range(20 if r.signs(1)[0] < 0 else 1)), "outcomes there are more"),
    ],
)
def test_too_many_outcomes_are_counted(run, says):
    with pytest.raises(TooManyOutcomesError, match=says):
        exact_moments(run, max_outcomes=2**20 if "more" not in says else 1000)


@pytest.mark.parametrize(
    "run",
    [
        lambda r: np.random.default_rng().normal(),
        lambda r: r.signs(2) * np.random.default_rng().choice([1, -1]),
        lambda r: r.signs(1) * np.random.default_rng().choice([1, -1]),
        lambda r, kept=[]: kept.append(0) or len(kept) * r.signs(1),
    ],
)
def test_randomness_and_state_elsewhere_are_detected(run):
    with pytest.raises(ReplayError, match="not reproducible"):
        exact_moments(run)


def test_a_generator_cannot_be_replayed():
    with pytest.raises(ReplayError, match=r"rng.generator, which cannot be replayed"):
        exact_moments(lambda r: r.generator.normal())


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="expected a function of what it draws from"):
        exact_moments(3)
    with pytest.raises(TypeError, match="run returned None"):
        exact_moments(lambda r: None)
    with pytest.raises(TypeError, match="got Estimate"):
        exact_moments(lambda r: estimators.Estimate(1.0, np.ones(2)))
    with pytest.raises(ValueError, match="degree=0"):
        exact_moments(lambda r: r.signs(1), degree=0)
    with pytest.raises(dg.NonFiniteError, match=r"outcome 1 is not finite: entry 0 of the result, after 1 signs"):
        exact_moments(lambda r: np.where(r.signs(1) > 0, 1.0, np.nan))
    with pytest.raises(ReplayError, match="differ in size: 2 and 1"):
        exact_moments(lambda r: np.ones(2 if r.signs(1)[0] > 0 else 1))


# ---------------------------------------------------------------------- claims


class Orthogonal:
    """The first row of a random orthogonal matrix, by QR of normals: uniform on the sphere of radius √p."""

    fourth_moment, cost = None, 3.0

    def __repr__(self):
        return "Orthogonal()"

    def sample(self, params, *, rng, n=None):
        p = len(params)
        q, r = np.linalg.qr(dg.Rng(rng).normal((p, p)))
        return np.sqrt(p) * np.sign(r[0, 0]) * q[:, 0]

    def variance(self, g):
        p = len(g)
        return p / (p + 2) * (g @ g + 2 * g * g) - g * g


def loss(w):
    return np.sum(G * np.sin(w))


def test_claims_of_the_library_hold_exactly():
    for d in (directions.Rademacher(), directions.Gaussian(), directions.LowRank()):
        for n in (1, 2):
            e = estimators.ForwardGradient(d, n=n)
            assert "all" in assert_unbiased(e, loss, np.zeros(3)).checks[0].oracle
            assert assert_variance(e, loss, np.zeros(3)).passed


def test_what_no_quadrature_makes_exact_is_checked_on_samples_and_says_so():
    e = estimators.ForwardGradient(Orthogonal())
    report = assert_unbiased(e, loss, np.zeros(3), samples=4000)
    assert report.passed
    assert "statistical: false alarms 1e-06" in str(report)
    assert "detect a bias of" in str(report)
    assert assert_variance(e, loss, np.zeros(3), samples=4000).passed
    with pytest.raises(AssertionError, match="statistical"):
        assert_unbiased(e, loss, np.zeros(3), expectation=1.2 * G)


def test_claims_may_be_given_as_arrays():
    e = estimators.ForwardGradient(directions.Rademacher())
    assert_unbiased(e, loss, np.zeros(3), expectation=G)
    assert_variance(e, loss, np.zeros(3), variance=G @ G - G**2)
    with pytest.raises(AssertionError, match=r"at \[1\]: got -2, expected -2.1"):
        assert_unbiased(e, loss, np.zeros(3), expectation=np.array([1.0, -2.1, 0.5]))
    with pytest.raises(ValueError, match="has 2 entries; expected 3"):
        assert_variance(e, loss, np.zeros(3), variance=np.ones(2))


def test_entries_are_named_in_the_structure_of_the_parameters():
    params = dg.Params({"w": np.ones((2, 2)), "b": np.ones(1)})
    wrong = dg.Params({"w": np.ones((2, 2)), "b": np.ones(1)})
    f = lambda p: np.sum(p["w"]) + 2 * np.sum(p["b"])  # noqa: E731
    with pytest.raises(AssertionError, match=r"at \['b'\]\[0\]: got 2, expected 1"):
        assert_unbiased(estimators.ForwardGradient(directions.Rademacher()), f, params, expectation=wrong)


def test_an_estimator_need_not_be_ours():
    class Mine:
        def estimate(self, objective, params, *, rng):
            v = dg.Rng(rng).signs(params.shape)
            gradient = dg.jvp(objective, (params,), (v,))[1] * v
            return estimators.Estimate(objective(params), gradient)

    assert_unbiased(Mine(), loss, np.zeros(3))
    with pytest.raises(TypeError, match="has no variance method: pass variance="):
        assert_variance(Mine(), loss, np.zeros(3))
    with pytest.raises(TypeError, match="expected an estimator with estimate"):
        assert_unbiased(loss, loss, np.zeros(3))


def test_state_is_put_back_before_every_run():
    class Averaging:
        """A baseline that moves with every estimate."""

        def __init__(self):
            self.b = np.array([0.5, 0.5, 0.5])

        def state_dict(self):
            return {"b": self.b}

        def load_state_dict(self, state):
            self.b = state["b"]

        def estimate(self, objective, params, *, rng):
            v = dg.Rng(rng).signs(params.shape)
            gradient = self.b + (dg.jvp(objective, (params,), (v,))[1] - self.b @ v) * v
            self.b += 0.1 * gradient
            return estimators.Estimate(None, gradient)

    e = Averaging()
    assert assert_unbiased(e, loss, np.zeros(3)).passed
    left = G - 0.5
    assert assert_variance(e, loss, np.zeros(3), variance=left @ left - left**2).passed
    del Averaging.state_dict
    with pytest.raises(ReplayError, match="keeps state between runs"):
        assert_unbiased(Averaging(), loss, np.zeros(3))


def test_estimators_that_work_in_place_leave_the_parameters_alone():
    class SeedReplay:
        """MeZO: perturb in place, come back, and draw the direction again from the rewound stream."""

        def estimate(self, objective, params, *, rng):
            state, values = rng.state_dict(), []
            for step in (1e-3, -2e-3, 1e-3):
                rng.load_state_dict(state)
                params += step * rng.normal(params.shape)
                values.append(objective(params))
            rng.load_state_dict(state)
            slope = (values[0] - values[1]) / 2e-3
            return estimators.Estimate(values[2], slope * rng.normal(params.shape))

    w = np.array([1.0, -2.0, 0.5], np.float32)
    before = w.copy()
    quadratic = lambda w: np.sum(w * w) + w[0] * w[1]  # noqa: E731
    g = dg.grad(quadratic)(w.astype(float))
    assert_unbiased(SeedReplay(), quadratic, w, atol=1e-9)
    assert_variance(SeedReplay(), quadratic, w, variance=g @ g + g * g, atol=1e-9)
    assert np.array_equal(w, before)
    assert w.dtype == np.float32


# ---------------------------------------------------------------------- what must never be certified


class Kept:
    """What is drawn once and kept."""

    v = None


def kept(rng):
    if Kept.v is None:
        Kept.v = rng.normal()
    return Kept.v


@pytest.mark.parametrize(
    "run",
    [
        lambda r: abs(r.normal()) if r.uniform() < 0.05 else 0.0,
        lambda r: (lambda k, z: max(z, 0) if k == 3 else z)(r.integers(0, 8), r.normal()),
        lambda r: (lambda s, z: [s * abs(z), s])(r.signs(1)[0], r.normal()),
        lambda r: 1e15 if r.uniform() < 1e-15 else 0.0,
        lambda r: 1e16 if r.uniform() < 1e-8 and r.uniform() < 1e-8 else 0.0,
        lambda r: (lambda x: np.cos(66 * np.arctan2(x[1], x[0])))(r.unit(2)),
        lambda r: [1e9 * r.normal(), abs(r.normal())],
        lambda r: np.sqrt(np.float64(float(r.uniform()))),
        lambda r: (lambda z: float(z[0] > 1.5 and z[1] > 1.5))(r.normal(2)),
        lambda r: (lambda z: z + 100 * (abs(z - 0.5) < 0.2))(r.normal()),
        lambda r: (lambda z: z[0] * z[1] + (abs(z[2] - 1.2345) < 0.15))(r.normal(3)),
        lambda r: (lambda u: u + (abs(u - 0.37) < 0.02))(float(r.uniform())),
        lambda r: (lambda z: z if z else 5.0)(r.normal()),
        lambda r: (lambda v: 2 * v[0] * np.divide(v, v @ v, where=v @ v > 0, out=np.full(2, np.nan)))(r.normal(2)),
    ],
    ids=["a kink in a rare branch", "a kink in one of eight", "a kink that averages out", "a rare and large result",
         "two rare draws", "aliases on a circle", "entries of unlike size", "a square root at 0", "two large draws",
         "a band", "a band of one of three", "a band of a uniform draw", "what no draw is", "no direction at 0"],
)  # fmt: skip
def test_is_not_certified(run):
    with pytest.warns(InexactWarning):
        assert not exact_moments(run).certified


@pytest.mark.parametrize("law", [lambda r: r.normal(), lambda r: float(r.uniform())], ids=["normal", "uniform"])
@pytest.mark.parametrize("part", np.linspace(0.0, 0.95, 8).round(3))
def test_a_band_of_a_twentieth_of_a_draw_is_seen_wherever_it_lies(law, part):
    """Of the quadrature's three nodes and of the line's points none may be in it."""
    low, high = np.quantile([law(dg.Rng(k)) for k in range(4000)], [part, part + 0.05])
    with pytest.warns(InexactWarning, match="abruptly|jumps"):
        assert not exact_moments(lambda r: (lambda z: z + (low < z < high))(law(r))).certified


@pytest.mark.parametrize("p", [0.3, 0.5, 0.7])
def test_a_stopping_time_ends_however_long_its_first_path_is(p):
    def waited(rng):
        n = 0
        while rng.uniform() < p:
            n += 1
        return float(n)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = exact_moments(waited)
    close(found.mean, p / (1 - p), 1e-10)
    close(found.variance, p / (1 - p) ** 2, 1e-9)


def test_a_drift_below_the_digits_that_are_shown_is_told():
    calls = [5.0]

    def drifting(rng):
        calls[0] += 1e-7
        return calls[0] * rng.signs(1) ** 2

    with pytest.raises(ReplayError, match=r"and then 1\.0e-07 more"):
        exact_moments(drifting)


def test_what_is_kept_from_the_first_run_is_detected():
    Kept.v = None
    with pytest.raises(ReplayError, match="and then nothing; it keeps state"):
        exact_moments(kept)


def test_a_run_that_swallows_everything_ends():
    def run(rng):
        n = 0
        while True:
            try:
                if rng.signs(1)[0] < 0:
                    return n
            except BaseException:
                pass
            n += 1

    close(exact_moments(run).mean, 1, 1e-12)
