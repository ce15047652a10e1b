"""Estimators: exact mean and variance by enumeration, equality with dense forms, and named errors."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn
from dualgrad.testing import assert_unbiased, assert_variance, exact_moments

G = {"w": np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]), "b": np.array([1.0, -3.0])}
FLAT = np.concatenate([G["w"].ravel(), G["b"]])
SIGNS = pytest.mark.parametrize("distribution", [directions.Rademacher(), directions.LowRank()], ids=repr)


def linear(p):
    """A loss whose gradient is G everywhere."""
    return np.sum(p["w"] * G["w"]) + np.sum(p["b"] * G["b"])


@SIGNS
@pytest.mark.parametrize("kind", [dict, dg.Params])
def test_unbiased_with_the_stated_variance(distribution, kind):
    estimator = estimators.ForwardGradient(directions=distribution)
    params = kind({"w": np.zeros((2, 3)), "b": np.zeros(2)})
    assert_unbiased(estimator, linear, params, expectation=kind(G))
    assert_variance(estimator, linear, params)
    moments = exact_moments(lambda rng: dict(estimator.estimate(linear, params, rng=rng).gradient))
    np.testing.assert_allclose(moments.variance, FLAT @ FLAT - FLAT**2, atol=1e-12)
    assert estimator.expectation(G) is G


def quadratic(p):
    return np.sum(p["w"] ** 2) * p["b"][0]


@pytest.mark.parametrize(
    "distribution", [directions.Rademacher(), directions.LowRank(), directions.Gaussian()], ids=repr
)
def test_n_directions_divide_the_variance(distribution):
    params = {"w": np.array([[0.5, -1.0]]), "b": np.array([2.0])}
    for n in (1, 2):
        estimator = estimators.ForwardGradient(directions=distribution, n=n)
        assert_unbiased(estimator, quadratic, params, expectation=dg.grad(quadratic)(params))
        assert_variance(estimator, quadratic, params)
    g = np.concatenate([np.ravel(a) for a in dg.grad(quadratic)(params).values()])
    stated = np.concatenate([np.ravel(a) for a in estimator.variance(dg.grad(quadratic)(params)).values()])
    np.testing.assert_allclose(stated, (g @ g + (distribution.fourth_moment - 2) * g * g) / 2, rtol=1e-14)


@pytest.mark.parametrize(
    "distribution", [directions.Rademacher(), directions.Gaussian(), directions.LowRank()], ids=repr
)
@pytest.mark.parametrize("n", [1, 4])
def test_the_estimate_is_the_mean_of_products(distribution, n):
    """ĝ = (1/n) Σ (g·v) v, computed again from the same directions, on a network and on a kernel-shaped leaf."""
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.cross_entropy).bind(
        np.random.default_rng(0).standard_normal((6, 4)), np.arange(6) % 3
    )
    estimate = estimators.ForwardGradient(distribution, n=n).estimate(batch, params, rng=5)
    v = distribution.sample(params, rng=5, n=None if n == 1 else n)
    exact = estimators.Backprop().estimate(batch, params).gradient
    dense = np.concatenate([np.array(v[name]).reshape(n, -1) for name in params], 1)
    slopes = dense @ exact.vector
    np.testing.assert_allclose(np.atleast_1d(estimate.directional), slopes, rtol=1e-10)
    np.testing.assert_allclose(estimate.gradient.vector, slopes @ dense / n, rtol=1e-10)
    np.testing.assert_allclose(estimate.value, batch(params), rtol=1e-14)
    assert isinstance(estimate.gradient, dg.Params)
    assert estimate.cost == 1 + n * (distribution.cost - 1)


@SIGNS
@pytest.mark.parametrize("n", [1, 3])
def test_any_tree_of_parameters(distribution, n):
    tree = {"k": np.ones((2, 2, 3)), "rest": [np.ones(2), (np.float64(2.0),)]}
    found = estimators.ForwardGradient(distribution, n=n).estimate(
        lambda p: np.sum(p["k"]) * np.sum(p["rest"][0]) * p["rest"][1][0], tree, rng=0
    )
    assert np.shape(found.gradient["k"]) == (2, 2, 3)
    assert np.shape(found.gradient["rest"][1][0]) == ()
    array = estimators.ForwardGradient(distribution, n=n).estimate(lambda x: np.sum(x * x), np.ones((2, 2)), rng=0)
    assert isinstance(array.gradient, np.ndarray)
    assert array.gradient.shape == (2, 2)


def test_float32_stays_float32():
    params = nn.Linear(4, 3).init(rng=0)
    batch = nn.Objective(nn.Linear(4, 3), nn.cross_entropy).bind(np.ones((2, 4), np.float32), np.array([0, 1]))
    for estimator in (
        estimators.ForwardGradient(directions.LowRank(), n=2),
        estimators.ForwardGradient(directions.Gaussian()),
        estimators.Backprop(),
    ):
        estimate = estimator.estimate(batch, params, rng=0)
        assert estimate.gradient.vector.dtype == estimate.value.dtype == np.float32
    wide = np.ones((3, 2))
    for n in (1, 2):
        for distribution in (directions.LowRank(), directions.Rademacher()):
            tree = {"w": np.ones((3, 2), np.float32), "b": np.ones(2, np.float32)}
            estimate = estimators.ForwardGradient(distribution, n=n).estimate(
                lambda p: np.sum(p["w"] * wide) + np.sum(p["b"] * wide[0]), tree, rng=0
            )
            assert estimate.value.dtype == np.float64
            assert all(g.dtype == np.float32 for g in estimate.gradient.values())


def test_estimates_do_not_share_memory():
    """Buffers are reused only once nobody sees them."""
    estimator = estimators.ForwardGradient(directions.LowRank())
    params = dg.Params({"w": np.ones((128, 128))})
    found = [estimator.estimate(lambda p: np.sum(p["w"] ** 2), params, rng=k).gradient for k in range(4)]
    assert not any(np.shares_memory(a.vector, b.vector) for k, a in enumerate(found) for b in found[:k])
    again = estimator.estimate(lambda p: np.sum(p["w"] ** 2), params, rng=0).gradient
    assert np.array_equal(again.vector, found[0].vector)


def test_backprop_is_the_exact_gradient():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    params = model.init(rng=2, dtype=np.float64)
    batch = nn.Objective(model, nn.cross_entropy).bind(
        np.random.default_rng(1).standard_normal((5, 3)), np.arange(5) % 2
    )
    found = estimators.Backprop().estimate(batch, params).gradient
    np.testing.assert_allclose(found.vector, dg.grad(batch)(params).vector, rtol=1e-12, atol=1e-15)
    assert not np.any(estimators.Backprop().variance(found).vector)
    with pytest.raises(dg.DualgradError, match=r"nn.Objective\(model, loss\).bind"):
        estimators.Backprop().estimate(lambda p: 0.0, params)


def test_bad_input_is_named():
    forward = estimators.ForwardGradient(directions.Rademacher())
    with pytest.raises(TypeError, match="expected an instance such as"):
        estimators.ForwardGradient("signs")
    with pytest.raises(ValueError, match="positive number of directions"):
        estimators.ForwardGradient(directions.Rademacher(), n=0)
    with pytest.raises(dg.ShapeError, match=r"returned shape \(2,\); expected a scalar"):
        forward.estimate(lambda x: x, np.zeros(2), rng=0)
    with pytest.raises(dg.NonFiniteError, match="the loss is nan"):
        forward.estimate(lambda x: np.sum(x) * np.nan, np.zeros(2), rng=0)
    with pytest.raises(dg.NonFiniteError, match="direction 0 is not finite"):
        forward.estimate(lambda x: np.sqrt(x[0]), np.zeros(2), rng=0)
