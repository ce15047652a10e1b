"""Distributions of directions: kinds, shapes, exact moments."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions
from dualgrad.testing import exact_moments

ALL = [directions.Rademacher(), directions.Gaussian(), directions.LowRank()]
every = pytest.mark.parametrize("distribution", ALL, ids=repr)


def params():
    return dg.Params(
        {"w": np.zeros((3, 2), np.float32), "k": np.zeros((2, 2, 2), np.float32), "b": np.zeros(2, np.float32)}
    )


@every
@pytest.mark.parametrize("n", [None, 1, 3])
def test_a_direction_fits_its_params(distribution, n):
    v = distribution.sample(params(), rng=0, n=n)
    lead = () if n is None else (n,)
    assert {name: np.shape(a) for name, a in v.items()} == {
        "w": (*lead, 3, 2),
        "k": (*lead, 2, 2, 2),
        "b": (*lead, 2),
    }
    assert all(a.dtype == np.float32 for a in v.values())
    dg.jvp(lambda p: np.sum(p["w"]) + np.sum(p["b"]) * np.sum(p["k"]), (params(),), (v,))


@every
def test_it_answers_in_kind(distribution):
    assert np.shape(distribution.sample(np.zeros(4), rng=0)) == (4,)
    tree = distribution.sample({"a": np.zeros(2), "b": [np.zeros((2, 3)), np.float64(1.0)]}, rng=0, n=2)
    assert (np.shape(tree["a"]), np.shape(tree["b"][0]), np.shape(tree["b"][1])) == ((2, 2), (2, 2, 3), (2,))


@every
def test_the_same_seed_gives_the_same_direction(distribution):
    def dense(rng):
        return np.concatenate([np.ravel(np.array(a)) for a in distribution.sample(params(), rng=rng).values()])

    assert np.array_equal(dense(3), dense(np.random.default_rng(3)))
    stream = dg.Rng(3)
    assert not np.array_equal(dense(stream), dense(stream))


@every
def test_entries_are_uncorrelated_with_the_stated_moments(distribution):
    """E v = 0, E v vᵀ = 1 and E v⁴ = κ, by all outcomes."""
    shape = {"w": np.zeros((2, 2)), "b": np.zeros(1)}

    def draw(rng):
        return [np.array(a) for a in distribution.sample(shape, rng=rng).values()]

    mean, covariance, _ = exact_moments(draw)
    np.testing.assert_allclose(mean, np.zeros(5), atol=1e-14)
    np.testing.assert_allclose(covariance, distribution.second_moment * np.eye(5), atol=1e-14)
    fourth = exact_moments(lambda rng: [v**4 for v in draw(rng)], degree=8).mean
    np.testing.assert_allclose(fourth, np.full(5, distribution.fourth_moment), rtol=1e-12)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
def test_a_wrong_count_is_refused(n):
    with pytest.raises(ValueError, match="expected a positive integer"):
        directions.Rademacher().sample(np.zeros(2), rng=0, n=n)


@every
def test_only_real_floating_leaves(distribution):
    for leaf in (np.zeros(2, int), np.zeros(2, complex), 3):
        with pytest.raises(TypeError, match="real floating"):
            distribution.sample({"a": leaf}, rng=0)
    with pytest.raises(dg.DualgradError, match="outside the differentiated function"):
        dg.derivative(lambda x: distribution.sample(x, rng=0))(1.0)
