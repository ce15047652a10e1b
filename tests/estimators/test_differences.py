"""Estimates from values alone: their stated bias and variance exactly; MeZO in place, its memory and its drift."""

import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn
from dualgrad.testing import assert_unbiased, assert_variance

PARAMS = {"a": np.array([0.5, -0.3]), "b": np.array([0.7])}


def cubic(p):
    return np.sum(p["a"] ** 3) + p["a"][0] * p["a"][1] * p["b"][0] + p["b"][0] ** 2 * p["a"][1]


def quadratic(p):
    return np.sum(p["a"] ** 2) + p["a"][0] * p["b"][0]


SAMPLED = [
    estimators.SPSA(0.3),
    estimators.SPSA(0.3, n=2),
    estimators.SPSA(0.3, directions=directions.Gaussian()),
    estimators.MeZO(0.3),
    estimators.MeZO(0.3, n=2, directions=directions.Rademacher()),
]


@pytest.mark.parametrize("estimator", [*SAMPLED, estimators.FiniteDifference(0.3)], ids=repr)
def test_the_bias_is_the_stated_one_on_cubic_losses(estimator):
    assert_unbiased(estimator, cubic, PARAMS)
    assert_unbiased(estimator, cubic, dg.Params(PARAMS))
    gradient = dg.grad(cubic)(PARAMS)
    bias = directions.as_vector(estimator.expectation(gradient, cubic, PARAMS)) - directions.as_vector(gradient)
    assert np.max(np.abs(bias)) > 0.05


@pytest.mark.parametrize("estimator", SAMPLED, ids=repr)
def test_the_variance_is_the_stated_one_on_quadratic_losses(estimator):
    assert_unbiased(estimator, quadratic, PARAMS, expectation=dg.grad(quadratic)(PARAMS))
    assert_variance(estimator, quadratic, PARAMS)


def test_normals_have_three_times_the_bias_of_signs():
    w = np.array([0.5])
    g = dg.grad(lambda w: np.sum(w**3))(w)
    bias = [
        (estimators.SPSA(0.1, directions=d).expectation(g, lambda w: np.sum(w**3), w) - g)[0]
        for d in (directions.Rademacher(), directions.Gaussian())
    ]
    np.testing.assert_allclose(bias, [0.01, 0.03])


def test_a_finite_difference_of_a_network_is_near_its_gradient():
    params = dg.Params({"w": np.array([[0.3, -0.2], [0.5, 0.1]]), "b": np.zeros(2)})
    loss = lambda p: np.sum(np.tanh(np.ones((3, 2)) @ p["w"] + p["b"]) ** 2)  # noqa: E731
    found = estimators.FiniteDifference(1e-5).estimate(loss, params)
    np.testing.assert_allclose(found.gradient.vector, dg.grad(loss)(params).vector, rtol=1e-8, atol=1e-9)
    assert found.cost == 13
    assert np.array_equal(params["b"], np.zeros(2))


def start(dtype=np.float64):
    rng = np.random.default_rng(0)
    return dg.Params({"w": rng.standard_normal((40, 30)).astype(dtype), "b": rng.standard_normal(30).astype(dtype)})


def bowl(p):
    return np.sum(p["w"] ** 2) + np.sum(p["b"] ** 2)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    "distribution", [directions.Gaussian(), directions.Rademacher(), directions.Uniform()], ids=repr
)
def test_a_step_in_place_is_the_dense_step(n, distribution):
    """w - lr ĝ with the ĝ of `estimate` for the same random numbers, across several blocks of z."""
    estimator = estimators.MeZO(1e-3, n=n, directions=distribution)
    params, dense = start(), start()
    found = estimator.step(bowl, params, lr=0.01, rng=4)
    expected = estimator.estimate(bowl, dense, rng=4)
    np.testing.assert_allclose(params.vector, dense.vector - 0.01 * expected.gradient.vector, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.directional, expected.directional, rtol=1e-9)
    assert found.gradient is None
    assert found.cost == 2 * n


def test_a_long_direction_is_replayed_block_by_block():
    params, before = dg.Params({"w": np.zeros(200_001)}), dg.Params({"w": np.zeros(200_001)})
    estimators.MeZO(1e-3).step(lambda p: p["w"][-1] * 1.0, params, lr=1.0, rng=0)
    dense = estimators.MeZO(1e-3).estimate(lambda p: p["w"][-1] * 1.0, before, rng=0).gradient
    np.testing.assert_allclose(params.vector, -dense.vector, rtol=1e-9, atol=1e-12)


def test_the_stream_goes_on_after_a_step():
    rng, params = dg.Rng(0), start()
    estimators.MeZO().step(bowl, params, lr=0.01, rng=rng)
    fresh = dg.Rng(0)
    fresh.normal(params.size)
    assert rng.state_dict() == fresh.state_dict()


def test_drift_stays_within_its_bound():
    """1,000 steps of no learning: each adds at most three half-ulps of abs(w) + eps abs(z), and they go either way."""
    params, rng, eps, steps = start(np.float32), dg.Rng(0), 1e-3, 1000
    before = params.vector.copy()
    estimator = estimators.MeZO(eps)
    for _ in range(steps):
        estimator.step(lambda p: np.float32(1.0), params, lr=1.0, rng=rng)
    drift = np.abs(params.vector.astype(np.float64) - before)
    half_ulps = np.finfo(np.float32).eps / 2 * (np.abs(before) + 6 * eps)
    assert np.max(drift / half_ulps) <= 3 * steps
    assert np.sqrt(np.mean((drift / half_ulps) ** 2)) <= 3 * np.sqrt(steps)
    assert np.max(drift) > 0


def test_a_step_needs_the_memory_of_inference():
    """One block of z beside the parameters, however many these are."""
    params, estimator = dg.Params({"w": np.zeros(4_000_000, np.float32)}), estimators.MeZO()
    loss = lambda p: p["w"][0]  # noqa: E731
    estimator.step(loss, params, lr=0.1, rng=0)
    tracemalloc.start()
    estimator.step(loss, params, lr=0.1, rng=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("n", [1, 3])
def test_the_way_back_from_the_last_direction_is_one_with_the_step(n):
    class Counted(directions.Rademacher):
        drawn = 0

        def draw(self, *args):
            self.drawn += 1
            return super().draw(*args)

    counted = Counted()
    estimators.MeZO(n=n, directions=counted).step(bowl, start(), lr=0.01, rng=0)
    assert counted.drawn == 4 * n - 1


def test_what_goes_wrong_is_put_back():
    params = start()
    before = params.vector.copy()
    with pytest.raises(dg.NonFiniteError, match=r"estimate 1 of MeZO.*the loss is nan"):
        estimators.MeZO().step(lambda p: np.float64(np.nan), params, lr=0.1, rng=0)
    np.testing.assert_allclose(params.vector, before, rtol=1e-13, atol=1e-15)
    with pytest.raises(ZeroDivisionError):
        estimators.MeZO().step(lambda p: 1 / 0, params, lr=0.1, rng=0)
    np.testing.assert_allclose(params.vector, before, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", [np.float64, np.float32, float])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_an_infinite_loss_is_refused_without_a_warning_of_numpys(kind, value):
    for estimator in (estimators.SPSA(), estimators.MeZO(), estimators.FiniteDifference()):
        for go in [estimator.estimate, *([estimator.step] if hasattr(estimator, "step") else [])]:
            with pytest.raises(dg.NonFiniteError, match=f"the loss is {value}"):
                go(lambda p: kind(value), start(), rng=0, **({"lr": 0.1} if go != estimator.estimate else {}))


def test_a_tree_that_cannot_be_moved_is_left_alone():
    w = {"a": np.ones(3), "b": np.ones(3, int)}
    with pytest.raises(TypeError, match="real floating"):
        estimators.MeZO(eps=0.5).step(lambda w: np.sum(w["a"]), w, lr=0.1, rng=0)
    assert np.array_equal(w["a"], np.ones(3))
    big = np.float32(3e38)
    with pytest.raises(dg.NonFiniteError, match="direction 0"):
        estimators.MeZO().step(lambda w: big * np.sign(w[0]), np.zeros(1, np.float32), lr=0.1, rng=0)


def test_an_objective_that_returns_a_view():
    for estimator, expected in ((estimators.FiniteDifference(), [1, 0]), (estimators.SPSA(), None)):
        found = estimator.estimate(lambda w: w[0, ...], np.array([3.0, 1.0]), rng=0).gradient
        np.testing.assert_allclose(found if expected else np.abs(found), expected or [1, 1], rtol=1e-6, atol=1e-8)
    w = np.array([3.0, 1.0])
    assert estimators.MeZO().step(lambda w: w[0, ...], w, lr=0.1, rng=0).directional[0] != 0


def test_the_theory_knows_buffers():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm(2), nn.Linear(2, 1))
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.mse).bind(np.random.default_rng(0).standard_normal((4, 2)), np.ones((4, 1)))
    assert_unbiased(estimators.FiniteDifference(1e-3), batch, params, atol=1e-7)


def test_bad_input_is_named():
    for estimator in (estimators.SPSA, estimators.MeZO, estimators.FiniteDifference):
        for eps in (0, -1e-3, np.inf, "small"):
            with pytest.raises(ValueError, match="positive step"):
                estimator(eps)
    with pytest.raises(ValueError, match="positive number of directions"):
        estimators.SPSA(n=0)
    for other in ("signs", directions.Rademacher, directions.LowRank(), directions.Sphere()):
        for estimator in (estimators.SPSA, estimators.MeZO):
            with pytest.raises(TypeError, match=r"expected Rademacher\(\), Gaussian\(\) or Uniform\(\)"):
                estimator(directions=other)
    for lr in (np.nan, np.inf, -0.1, lambda t: 0.1):
        with pytest.raises(ValueError, match="got lr="):
            estimators.MeZO().step(bowl, start(), lr=lr, rng=0)
    for estimator in (estimators.SPSA(), estimators.FiniteDifference()):
        with pytest.raises(dg.ShapeError, match=r"returned shape \(2,\); expected a scalar"):
            estimator.estimate(lambda w: w, np.ones(2), rng=0)
    with pytest.raises(dg.DualgradError, match="third derivatives"):
        estimators.SPSA().expectation(np.ones(2))
    with pytest.raises(TypeError, match="writable contiguous"):
        estimators.MeZO().step(lambda p: 0.0, {"w": np.ones((4, 4)).T[:2]}, lr=0.1, rng=0)
    for estimator in (estimators.SPSA(), estimators.FiniteDifference()):
        with pytest.raises(dg.NonFiniteError):
            estimator.estimate(lambda w: np.sum(w) * np.nan, np.ones(2), rng=0)
