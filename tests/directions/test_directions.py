"""Distributions of directions: kinds, shapes, exact moments."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, testing
from dualgrad.testing import exact_moments

SIGNS = directions.Rademacher()
INDEPENDENT = [SIGNS, directions.Gaussian(), directions.Uniform(), directions.LowRank()]
ALL = [
    *INDEPENDENT,
    directions.Sphere(),
    directions.Coordinate(),
    directions.Blocks(SIGNS),
    directions.Blocks(directions.Gaussian()),
    directions.Orthogonal(),
    directions.Hadamard(),
    directions.Hadamard(low_rank=True),
    directions.Scaled(SIGNS, {"w": np.full((3, 2), 2.0), "k": np.ones((2, 2, 2)), "b": np.ones(2)}),
]
every = pytest.mark.parametrize("distribution", ALL, ids=repr)
GRADIENT = {"w": np.array([[1.0, -2.0], [0.5, 1.5]]), "b": np.array([0.7, -0.3])}
SCALE = {"w": np.array([[1.0, 2.0], [0.5, 1.5]]), "b": np.array([0.7, 0.3])}


def test_every_public_distribution_is_in_the_catalogue():
    assert {type(d).__name__ for d in ALL} | {"Along", "Direction", "Rows"} == set(directions.__all__)


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


@pytest.mark.parametrize("distribution", [d for d in ALL if not isinstance(d, directions.Scaled)], ids=repr)
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


def rows_of(drawn, n):
    return np.concatenate([np.array(a).reshape(n, -1) for a in drawn.values()], 1)


@pytest.mark.parametrize(
    "distribution", [*INDEPENDENT, directions.Sphere(), directions.Coordinate(), directions.Hadamard()], ids=repr
)
def test_entries_are_uncorrelated_with_the_stated_moments(distribution):
    """E v = 0, E v vᵀ = 1, E v⁴ = κ and E ‖v‖² = p, by all outcomes."""
    shape = {"w": np.zeros((2, 2)), "b": np.zeros(1)}

    def draw(rng):
        return rows_of(distribution.sample(shape, rng=rng), 1)[0]

    mean, covariance, *_ = exact_moments(draw)
    np.testing.assert_allclose(mean, np.zeros(5), atol=1e-14)
    np.testing.assert_allclose(covariance, distribution.second_moment * np.eye(5), atol=1e-14)
    fourth = exact_moments(lambda rng: draw(rng) ** 4, degree=8).mean
    np.testing.assert_allclose(fourth, np.full(5, distribution.kurtosis(5)), rtol=1e-12)
    np.testing.assert_allclose(distribution.norm(5), np.sqrt(5))


@pytest.mark.parametrize(
    ("distribution", "n"),
    [
        (SIGNS, 2), (directions.Uniform(), 1), (directions.Gaussian(), 1), (directions.Sphere(), 1),
        (directions.LowRank(), 2), (directions.Coordinate(), 2), (directions.Blocks(SIGNS), 2),
        (directions.Blocks(SIGNS), 6), (directions.Blocks(directions.Gaussian()), 4), (directions.Hadamard(), 2),
        pytest.param(directions.Hadamard(low_rank=True), 2, marks=pytest.mark.slow),
        (directions.Scaled(SIGNS, SCALE), 1),
        (directions.Scaled(directions.Gaussian(), SCALE), 1), (directions.Along(SCALE), None),
        (directions.Scaled(directions.Along(SCALE), SCALE), None),
    ],
    ids=str,
)  # fmt: skip
def test_the_sum_of_products_has_the_stated_moments(distribution, n):
    """Σ (g·v_i) v_i, all outcomes."""
    g = directions.as_vector(GRADIENT)

    def total(rng):
        v = rows_of(distribution.sample(GRADIENT, rng=rng, n=n), n or 1)
        return (v @ g) @ v

    found = exact_moments(total)
    mean, variance = distribution.sum_moments(GRADIENT, n or 1)
    np.testing.assert_allclose(found.mean, directions.as_vector(mean), atol=1e-13)
    np.testing.assert_allclose(found.variance, directions.as_vector(variance), atol=1e-13)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_orthogonal_directions_are_orthogonal_and_uniform(n):
    """Orthonormal up to √p; their sum's variance is that of a projection, here as a test on samples."""
    g = np.array([1.0, -2.0, 0.5, 1.5, 0.7])
    distribution = directions.Orthogonal()
    v = distribution.sample(g, rng=1, n=n)
    np.testing.assert_allclose(v @ v.T, 5 * np.eye(n), atol=1e-13)
    mean, variance = distribution.sum_moments(g, n)
    np.testing.assert_allclose(variance.sum(), n * n * (5 / n - 1) * (g @ g), atol=1e-12)

    def total(rng):
        v = distribution.sample(g, rng=rng, n=n)
        return (v @ g) @ v

    if n == 5:
        np.testing.assert_allclose(total(dg.Rng(0)), mean, rtol=1e-12)
    else:
        testing.check_mean(total, mean, samples=4000)
        testing.check_variance(total, mean, variance, samples=4000)


def test_one_orthogonal_direction_is_a_point_on_the_sphere():
    g = np.array([1.0, -2.0, 0.5])
    for ours, theirs in zip(directions.Orthogonal().sum_moments(g), directions.Sphere().sum_moments(g), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_hadamard_rows_are_orthogonal_signs():
    for low_rank in (False, True):
        v = rows_of(directions.Hadamard(low_rank).sample({"w": np.zeros((4, 8))}, rng=0, n=32), 32)
        assert np.array_equal(np.abs(v), np.ones((32, 32)))
        assert np.array_equal(v @ v.T, 32 * np.eye(32))


def test_low_rank_hadamard_rows_begin_anew_after_the_last():
    g = {"w": np.array([[1.0, -2.0]]), "b": np.array([0.5])}
    vector, distribution = directions.as_vector(g), directions.Hadamard(low_rank=True)

    def total(rng):
        v = rows_of(distribution.sample(g, rng=rng, n=3), 3)
        return (v @ vector) @ v

    found, (mean, variance) = exact_moments(total), distribution.sum_moments(g, 3)
    np.testing.assert_allclose(found.mean, directions.as_vector(mean), atol=1e-13)
    np.testing.assert_allclose(found.variance, directions.as_vector(variance), atol=1e-13)


@pytest.mark.parametrize("n", [1, 3])
def test_low_rank_hadamard_rows_for_empty_and_odd_leaves(n):
    g = dg.Params({"e": np.zeros((3, 0)), "s": np.array(2.0), "k": np.ones((2, 1, 3))})
    distribution = directions.Hadamard(low_rank=True)
    drawn = distribution.sample(g, rng=0, n=n)
    assert {name: np.shape(v) for name, v in drawn.items()} == {"e": (n, 3, 0), "s": (n,), "k": (n, 2, 1, 3)}
    assert all(isinstance(part, dg.Params) for part in distribution.sum_moments(g, n))


def test_as_many_blocks_of_signs_as_parameters_give_the_gradient():
    """DODGE, section 4.3: one-hot directions, which is RTRL."""
    g = np.array([1.0, -2.0, 0.5, 1.5, 0.7])
    v = directions.Blocks(SIGNS).sample(g, rng=0, n=5)
    np.testing.assert_array_equal((v @ g) @ v, g)


def test_signs_scaled_by_the_gradient_have_the_least_variance():
    """(Σ|g_k|)² - ‖g‖² in total (DODGE, section 6), below that of plain signs and of any other scale tried."""
    g = directions.as_vector(GRADIENT)

    def total(c):
        return directions.as_vector(directions.Scaled(SIGNS, c, restore=True).variance(g)).sum()

    best = total(1 / np.abs(g))
    np.testing.assert_allclose(best, np.abs(g).sum() ** 2 - g @ g)
    assert best < directions.as_vector(SIGNS.variance(g)).sum()
    for seed in range(20):
        assert best <= total(np.exp(np.random.default_rng(seed).standard_normal(6)) / np.abs(g))


@pytest.mark.slow
def test_low_rank_signs_have_heavier_tails_than_dense_ones():
    """The kurtosis of V·G: 3 for dense signs of many entries, 9 for factors (E (Σ a_i)⁴ (Σ b_j)⁴ over its square)."""
    shape = {"w": np.zeros((4, 4))}
    dense, factors = (
        exact_moments(
            lambda rng, d=d: (lambda t: [t**2, t**4])(np.sum(np.array(d.sample(shape, rng=rng)["w"]))), degree=8
        ).mean
        for d in (SIGNS, directions.LowRank())
    )
    np.testing.assert_allclose([dense[0], factors[0]], 16)
    np.testing.assert_allclose(dense[1] / dense[0] ** 2, 3 - 2 / 16)
    np.testing.assert_allclose(factors[1] / factors[0] ** 2, (3 - 2 / 4) ** 2)


def test_bad_directions_are_named():
    w = np.zeros(3)
    for distribution in (directions.Orthogonal(), directions.Blocks(SIGNS)):
        with pytest.raises(ValueError, match=r"n=4 .* 3 parameters"):
            distribution.sample(w, rng=0, n=4)
    with pytest.raises(ValueError, match="there are 4 rows"):
        directions.Hadamard().sample(w, rng=0, n=5)
    with pytest.raises(TypeError, match="independent entries"):
        directions.Blocks(directions.Sphere())
    with pytest.raises(ValueError, match="points somewhere"):
        directions.Along(np.zeros(3)).sample(w, rng=0)
    with pytest.raises(ValueError, match="finite numbers"):
        directions.Along(np.array([1.0, np.nan, 0.0])).sample(w, rng=0)
    for vector in (np.ones(2), np.ones((1, 3))):
        with pytest.raises(dg.ShapeError, match=r"vector has a leaf of shape .*; expected \(3,\)"):
            directions.Along(vector).sample(w, rng=0)
    with pytest.raises(dg.ShapeError, match=r"c has a leaf of shape \(2, 3\); expected \(3, 2\)"):
        directions.Scaled(SIGNS, np.ones((2, 3))).sample(np.ones((3, 2)), rng=0)
    for distribution, n in ((directions.Orthogonal(), 4), (directions.Hadamard(), 5)):
        with pytest.raises(ValueError, match=f"got n={n}"):
            distribution.sum_moments(w, n)
    with pytest.raises(TypeError, match="expected an instance"):
        directions.Scaled("signs", np.ones(3))
    with pytest.raises(ValueError, match="not positive and finite"):
        directions.Scaled(SIGNS, np.array([1.0, np.inf]))
    with pytest.raises(ValueError, match="one direction along a vector"):
        directions.Along(np.ones(3)).sample(w, rng=0, n=2)
    with pytest.raises(ValueError, match="not positive"):
        directions.Scaled(SIGNS, np.array([1.0, 0.0]))


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
def test_a_wrong_count_is_refused(n):
    with pytest.raises(ValueError, match="expected a positive integer"):
        directions.Rademacher().sample(np.zeros(2), rng=0, n=n)


@every
def test_only_real_floating_leaves(distribution):
    for leaf in (np.zeros(2, int), np.zeros(2, complex), 3):
        with pytest.raises(TypeError, match="real floating"):
            distribution.sample({"w": np.zeros((3, 2)), "k": np.zeros((2, 2, 2)), "b": leaf}, rng=0)
    with pytest.raises(dg.DualgradError, match="outside the differentiated function"):
        dg.jvp(lambda p: distribution.sample(p, rng=0), (params(),), (params(),))


# ---------------------------------------------------------------------- directions of one's own


class Own(directions.Direction):
    def __init__(self, draw):
        self.draw = draw

    def matrix(self, rng, n, p):
        return self.draw(n, p)


class Drawn:
    """Known by its sample alone."""

    cost = 3.0

    def __init__(self, *shape):
        self.shape = shape

    def sample(self, params, *, rng, n=None):
        return np.ones(self.shape)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda n, p: np.ones((n, p + 1)), dg.ShapeError, r"of shape \(., 4\); expected \(., 3\)"),
        (lambda n, p: np.ones((n + 1, p)), dg.ShapeError, r"of shape \(., 3\); expected \(., 3\)"),
        (lambda n, p: np.ones(p), dg.ShapeError, r"of shape \(3,\); expected"),
        (lambda n, p: 1j * np.ones((n, p)), TypeError, "drew complex128 numbers; expected an array of real ones"),
    ],
)
def test_a_matrix_of_another_shape_is_refused(draw, error, message, n):
    estimator = dg.estimators.ForwardGradient(Own(draw), n=n)
    with pytest.raises(error, match=message):
        estimator.estimate(np.sum, np.ones(3), rng=0)


def test_whole_numbers_are_rows_too():
    whole = Own(lambda n, p: np.ones((n, p), int))
    found = dg.estimators.ForwardGradient(whole, n=2).estimate(np.sum, np.ones(3, np.float32), rng=0).gradient
    assert found.dtype == np.float32
    assert found.tolist() == [3, 3, 3]


@pytest.mark.parametrize(("n", "shape"), [(1, (4,)), (1, (1, 3)), (2, (2, 4)), (2, (3, 3)), (2, (3,)), (2, (2, 1, 3))])
def test_what_is_sampled_in_another_shape_is_refused(n, shape):
    with pytest.raises(dg.ShapeError, match="directions has a leaf of shape"):
        dg.estimators.ForwardGradient(Drawn(*shape), n=n).estimate(np.sum, np.ones(3), rng=0)


@pytest.mark.parametrize("distribution", ALL[:-1], ids=repr)
@pytest.mark.parametrize("combine", ["mean", "project"])
def test_no_parameters_have_no_gradient(distribution, combine):
    estimator = dg.estimators.ForwardGradient(distribution, combine=combine)
    if isinstance(distribution, (directions.Orthogonal, directions.Blocks)):
        with pytest.raises(ValueError, match="of 0 parameters"):
            estimator.estimate(np.sum, np.zeros(0), rng=0)
    else:
        assert estimator.estimate(np.sum, np.zeros(0), rng=0).gradient.shape == (0,)


def test_moments_of_whole_numbers_are_not_rounded_to_them():
    for wrong in (np.array([3, 4]), {"a": 3, "b": np.ones(2)}, np.array([1j]), np.array(["a"])):
        with pytest.raises(TypeError, match=r"got a gradient of .*; expected real floating numbers"):
            directions.Uniform().variance(wrong)
    np.testing.assert_allclose(directions.Uniform().variance(np.array([3.0, 4.0])), [23.2, 21.8])
