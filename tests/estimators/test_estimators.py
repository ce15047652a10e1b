"""Estimators: exact mean and variance by enumeration, equality with dense forms, and named errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    np.testing.assert_allclose(directions.as_vector(estimator.expectation(G)), FLAT, rtol=1e-15)


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


SMALL = {"w": np.array([[0.5, -1.0], [2.0, 1.5]]), "b": np.array([-3.0])}
COMBINED = [
    estimators.ForwardGradient(directions.Blocks(directions.Rademacher()), n=3, combine="sum"),
    estimators.ForwardGradient(directions.Blocks(directions.Gaussian()), n=5, combine="sum"),
    estimators.ForwardGradient(directions.Blocks(directions.Rademacher()), n=3),
    estimators.ForwardGradient(directions.Rademacher(), n=2, combine="sum"),
    estimators.ForwardGradient(directions.Rademacher(), n=2, combine="sum", shrink=True),
    estimators.ForwardGradient(directions.Hadamard(), n=2),
    estimators.ForwardGradient(directions.Hadamard(low_rank=True), n=2),
    estimators.ForwardGradient(directions.Uniform()),
    estimators.ForwardGradient(directions.Sphere(), combine="project"),
    estimators.ForwardGradient(directions.Coordinate(), n=2),
    estimators.ForwardGradient(directions.Along({"w": np.ones((2, 2)), "b": np.ones(1)})),
    estimators.ForwardGradient(directions.Rademacher(), shrink=True),
    estimators.ForwardGradient(directions.LowRank(), n=2, shrink=True, baseline={"w": SMALL["w"] / 2, "b": np.ones(1)}),
    estimators.ForwardGradient(directions.Rademacher(), baseline={"w": SMALL["w"] / 2, "b": np.ones(1)}),
    estimators.ForwardGradient(
        directions.Scaled(directions.Rademacher(), {k: 1 / np.abs(g) for k, g in SMALL.items()})
    ),
    estimators.ForwardGradient(
        directions.Scaled(directions.Rademacher(), {k: 1 / np.abs(g) for k, g in SMALL.items()}, restore=True)
    ),
]


@pytest.mark.parametrize("estimator", COMBINED, ids=repr)
def test_every_combination_has_the_stated_mean_and_variance(estimator):
    """DODGE, eqs. 5 to 16, each over all outcomes."""
    params = {k: np.zeros_like(g) for k, g in SMALL.items()}
    loss = lambda p: sum(np.sum(p[k] * SMALL[k]) for k in SMALL)  # noqa: E731
    assert_unbiased(estimator, loss, params)
    assert_variance(estimator, loss, params)


def test_a_projection_on_hadamard_rows_has_the_stated_mean_and_variance():
    estimator = estimators.ForwardGradient(directions.Hadamard(), n=2, combine="project")
    assert_unbiased(estimator, lambda w: w @ FLAT[:4], np.zeros(4))
    assert_variance(estimator, lambda w: w @ FLAT[:4], np.zeros(4))


@pytest.mark.parametrize(
    "distribution",
    [directions.Gaussian(), directions.Sphere(), directions.Orthogonal(), directions.Hadamard()],
    ids=repr,
)
def test_projections_are_shorter_by_p_over_n_and_their_own_images(distribution):
    """‖ĝ‖² = ĝ·g; total variance (n/p)(1 - n/p) ‖g‖², which is p/n - 1 for the unbiased one."""
    g = np.random.default_rng(0).standard_normal(8)
    project = estimators.ForwardGradient(distribution, n=3, combine="project")
    found = project.estimate(lambda w: w @ g, np.zeros(8), rng=0).gradient
    np.testing.assert_allclose(found @ found, found @ g, rtol=1e-10)
    np.testing.assert_allclose(project.expectation(g), 3 / 8 * g, rtol=1e-12)
    np.testing.assert_allclose(project.variance(g).sum(), 3 / 8 * (1 - 3 / 8) * (g @ g), rtol=1e-12)
    unbiased = estimators.ForwardGradient(
        distribution if isinstance(distribution, directions.Hadamard) else directions.Orthogonal(), n=3
    )
    np.testing.assert_allclose(unbiased.variance(g).sum(), (8 / 3 - 1) * (g @ g), rtol=1e-12)
    every = estimators.ForwardGradient(distribution, n=8, combine="project")
    np.testing.assert_allclose(every.estimate(lambda w: w @ g, np.zeros(8), rng=0).gradient, g, rtol=1e-8)


@pytest.mark.parametrize("distribution", [directions.Rademacher(), directions.LowRank(), directions.Hadamard(True)])
def test_a_projection_of_factors_is_that_of_their_dense_form(distribution):
    params = {"w": np.zeros((2, 3)), "b": np.zeros(2)}
    found = estimators.ForwardGradient(distribution, n=4, combine="project").estimate(linear, params, rng=3)
    v = np.concatenate([np.array(a).reshape(4, -1) for a in distribution.sample(params, rng=3, n=4).values()], 1)
    np.testing.assert_allclose(
        directions.as_vector(found.gradient), np.linalg.pinv(v) @ (v @ FLAT), rtol=1e-9, atol=1e-12
    )


def test_blocks_have_less_variance_than_averages():
    """DODGE, eq. 10 against eq. 9: p/n - 1 against (p - 1)/n."""
    g = np.ones(8)
    blocks = estimators.ForwardGradient(directions.Blocks(directions.Rademacher()), n=4, combine="sum")
    mean = estimators.ForwardGradient(directions.Rademacher(), n=4)
    assert blocks.variance(g).sum() == pytest.approx((8 / 4 - 1) * 8)
    assert mean.variance(g).sum() == pytest.approx((8 - 1) / 4 * 8)


def test_shrinking_has_the_least_squared_error():
    """c = 1/(p + κ - 1) for one direction (Shukla and Shin 2023): a relative error of 1 - c, and no c does better."""
    g = np.array([1.0, -2.0, 0.5])
    for distribution in (directions.Rademacher(), directions.Gaussian()):
        shrunk = estimators.ForwardGradient(distribution, shrink=True)
        c = 1 / (3 + distribution.fourth_moment - 1)
        np.testing.assert_allclose(shrunk.expectation(g), c * g)
        error = shrunk.variance(g).sum() + (1 - c) ** 2 * (g @ g)
        np.testing.assert_allclose(error, (1 - c) * (g @ g))
        plain = estimators.ForwardGradient(distribution).variance(g).sum()
        assert all(error <= s**2 * plain + (1 - s) ** 2 * (g @ g) for s in np.linspace(0, 1, 101))


def test_the_average_of_past_estimates_is_a_control_variate():
    """On a constant gradient the estimate converges to it; the state is saved and restored."""
    params = {"w": np.zeros((2, 3)), "b": np.zeros(2)}
    estimator, rng = estimators.ForwardGradient(directions.Rademacher(), baseline=0.9), dg.Rng(0)
    for _ in range(4000):
        last = estimator.estimate(linear, params, rng=rng).gradient
    np.testing.assert_allclose(directions.as_vector(last), FLAT, atol=1e-6)
    assert directions.as_vector(estimator.variance(G)).sum() < 1e-10
    other = estimators.ForwardGradient(directions.Rademacher(), baseline=0.9)
    other.load_state_dict(estimator.state_dict())
    a, b = (e.estimate(linear, params, rng=5).gradient for e in (estimator, other))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    with pytest.raises(dg.LayoutError, match="average"):
        other.load_state_dict({"m": 0})
    other.reset()
    np.testing.assert_allclose(directions.as_vector(other.variance(G)), FLAT @ FLAT - FLAT**2)


@pytest.mark.parametrize("n", [1, 16])
@pytest.mark.parametrize("decay", [0.1, 0.9])
def test_an_average_of_past_estimates_never_runs_away(n, decay):
    """An estimate's own error is r times that of the baseline: unshrunk, the average of p = 400 would explode."""
    g = np.ones(400) / 20
    estimator, rng = estimators.ForwardGradient(directions.Rademacher(), n=n, baseline=decay), dg.Rng(0)
    for _ in range(300):
        estimator.estimate(lambda w: w @ g, np.zeros(400), rng=rng)
    assert np.linalg.norm(estimator.state_dict()["average"] - g) <= 1.01


def test_a_baseline_must_fit_the_parameters():
    signs, params = directions.Rademacher(), {"w": np.zeros((2, 3), np.float32)}
    loss = lambda p: np.sum(p["w"])  # noqa: E731
    fits = estimators.ForwardGradient(signs, baseline={"w": np.ones((2, 3))}).estimate(loss, params, rng=0)
    assert fits.gradient["w"].dtype == np.float32
    for shape in ((3, 2), (6,), ()):
        with pytest.raises(dg.ShapeError, match="baseline has a leaf of shape"):
            estimators.ForwardGradient(signs, baseline={"w": np.ones(shape)}).estimate(loss, params, rng=0)
    with pytest.raises(ValueError, match="baseline has a NaN"):
        estimators.ForwardGradient(signs, baseline={"w": np.full((2, 3), np.nan)}).estimate(loss, params, rng=0)
    assert estimators.ForwardGradient(signs, baseline=np.float32(0.5)).baseline == 0.5


def test_more_directions_than_parameters_project_on_everything():
    g = np.array([1.0, 2.0, 3.0])
    project = estimators.ForwardGradient(directions.Gaussian(), n=5, combine="project")
    np.testing.assert_allclose(project.expectation(g), g)
    np.testing.assert_allclose(project.variance(g), 0, atol=1e-14)
    np.testing.assert_allclose(project.estimate(lambda w: w @ g, np.zeros(3), rng=0).gradient, g, rtol=1e-10)
    scaled = directions.Scaled(directions.Gaussian(), np.ones(3), restore=True)
    with pytest.raises(ValueError, match="leave restore out"):
        estimators.ForwardGradient(scaled, n=2, combine="project")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(
        ["signs", "normals", "uniform", "sphere", "coordinate", "factors", "along", "scaled", "dodge"]
    ),
)
def test_one_direction_never_ascends(seed, kind):
    """ĝ·g = (g·v)² >= 0 (DODGE, eq. 4)."""
    rng = np.random.default_rng(seed)
    g = {"w": rng.standard_normal((2, 3)), "b": rng.standard_normal(2)}
    other = {"w": rng.standard_normal((2, 3)), "b": rng.standard_normal(2)}
    distribution = {
        "signs": directions.Rademacher(), "normals": directions.Gaussian(), "uniform": directions.Uniform(),
        "sphere": directions.Sphere(), "coordinate": directions.Coordinate(), "factors": directions.LowRank(),
        "along": directions.Along(other),
        "scaled": directions.Scaled(directions.Along(other), {k: np.exp(v) for k, v in g.items()}),
    }.get(kind)  # fmt: skip
    estimator = estimators.Dodge(Proposes(other)) if kind == "dodge" else estimators.ForwardGradient(distribution)
    params = {k: np.zeros_like(v) for k, v in g.items()}
    found = estimator.estimate(lambda p: np.sum(p["w"] * g["w"]) + np.sum(p["b"] * g["b"]), params, rng=seed)
    inner = directions.as_vector(found.gradient) @ directions.as_vector(g)
    np.testing.assert_allclose(inner, found.directional**2, rtol=1e-9)


class Proposes:
    """A candidate that proposes a given gradient."""

    def __init__(self, gradient):
        self.gradient = gradient

    def estimate(self, objective, params, *, rng):
        return estimators.Estimate(0.0, self.gradient, None, 1.0)


def test_the_exact_yardsticks_agree():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    params = model.init(rng=2, dtype=np.float64)
    batch = nn.Objective(model, nn.cross_entropy).bind(
        np.random.default_rng(1).standard_normal((5, 3)), np.arange(5) % 2
    )
    exact = estimators.Backprop().estimate(batch, params)
    for other in (estimators.ForwardJacobian(), estimators.ForwardJacobian(chunk=7), estimators.Oracle()):
        found = other.estimate(batch, params)
        np.testing.assert_allclose(found.gradient.vector, exact.gradient.vector, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(found.value, exact.value, rtol=1e-14)
        assert not np.any(other.variance(found.gradient).vector)
        assert other.expectation(found.gradient) is found.gradient
    with pytest.raises(dg.ShapeError, match="scalar"):
        estimators.ForwardJacobian().estimate(lambda w: w, np.ones(2))
    with pytest.raises(dg.NonFiniteError):
        estimators.ForwardJacobian().estimate(lambda w: np.sum(w) * np.nan, np.ones(2))


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
    with pytest.raises(ValueError, match="one of mean, sum, project"):
        estimators.ForwardGradient(directions.Rademacher(), combine="median")
    with pytest.raises(ValueError, match="a decay in"):
        estimators.ForwardGradient(directions.Rademacher(), baseline=1.0)
    with pytest.raises(ValueError, match="least squared error already"):
        estimators.ForwardGradient(directions.Orthogonal(), combine="project", shrink=True)
    with pytest.raises(ValueError, match="orthogonal directions of 2 parameters"):
        estimators.ForwardGradient(directions.Orthogonal(), n=3).estimate(lambda x: np.sum(x), np.zeros(2), rng=0)
    with pytest.raises(NotImplementedError, match="no closed form"):
        estimators.ForwardGradient(directions.Rademacher(), n=2, combine="project").variance(np.ones(3))
    with pytest.raises(dg.StructureError, match="baseline"):
        estimators.ForwardGradient(directions.Rademacher(), baseline={"v": np.ones(2)}).estimate(
            lambda p: np.sum(p["w"]), {"w": np.zeros(2)}, rng=0
        )
    with pytest.raises(dg.ShapeError, match=r"returned shape \(2,\); expected a scalar"):
        forward.estimate(lambda x: x, np.zeros(2), rng=0)
    with pytest.raises(dg.NonFiniteError, match="the loss is nan"):
        forward.estimate(lambda x: np.sum(x) * np.nan, np.zeros(2), rng=0)
    forward.estimate(lambda x: np.sum(x), np.zeros(2), rng=0)
    with pytest.raises(dg.NonFiniteError, match=r"estimate 2 of ForwardGradient\(.*direction 0 is not finite"):
        forward.estimate(lambda x: np.sqrt(x[0]), np.zeros(2), rng=0)


# ---------------------------------------------------------------------- estimators of one's own


class Own(estimators.Estimator):
    vectors = ("last",)

    def __init__(self, found):
        self._found = found

    def estimated(self, at, rng):
        self._last = np.ones(at.layout.size)
        return self._found(self, at)


@pytest.mark.parametrize(
    ("found", "error", "message"),
    [
        (lambda self, at: (1.0, np.ones(5), None, 1.0), dg.ShapeError, r"shape \(5,\); expected a vector \(2,\)"),
        (lambda self, at: (1.0, 1.0, None, 1.0), dg.ShapeError, r"a float; expected a vector \(2,\)"),
        (lambda self, at: (1.0, {"w": 1.0}, None, 1.0), dg.ShapeError, r"a dict; expected a vector \(2,\)"),
        (lambda self, at: (1.0, 1j * np.ones(2), None, 1.0), TypeError, "complex numbers for real parameters"),
        (lambda self, at: (np.nan, np.ones(2), None, 1.0), dg.NonFiniteError, "the loss is nan"),
        (lambda self, at: (np.ones(2), np.ones(2), None, 1.0), dg.ShapeError, "expected a scalar loss"),
        (lambda self, at: (1.0, np.array([1, np.inf]), None, 1.0), dg.NonFiniteError, r"its gradient\['b'\] is not"),
        (lambda self, at: (1.0, np.ones(2), np.nan, 1.0), dg.NonFiniteError, "derivative along direction 0"),
        (lambda self, at: at.nothing, AttributeError, "nothing"),
    ],
)
def test_what_an_estimator_of_ones_own_finds_is_checked(found, error, message):
    own = Own(found)
    before = own.state_dict()
    with pytest.raises(error, match=message):
        own.estimate(lambda w: w["a"][0] + w["b"][0], {"a": np.ones(1), "b": np.ones(1)})
    assert own.state_dict() == before
    assert repr(own) == "Own(...)"


@pytest.mark.parametrize("found", [lambda self, at: at.vector, lambda self, at: self._last])
def test_its_gradient_is_the_callers_own(found):
    own, w = Own(lambda self, at: (1.0, found(self, at), None, 1.0)), np.ones(2)
    gradient = own.estimate(np.sum, w).gradient
    gradient[...] = 7
    assert w.tolist() == own._last.tolist() == [1, 1]


@pytest.mark.parametrize(
    "tree", [[np.ones((2, 2)), np.ones(2)], (np.ones(3), {"a": np.ones(1)}), dg.Params({"w": np.ones(3)})]
)
def test_a_baseline_is_a_tree_of_any_kind(tree):
    f = lambda t: sum(np.sum(x * x) for x in dg.tree.leaves(t))  # noqa: E731
    double = dg.tree.map_leaves(lambda x: 2 * x, tree)
    found = estimators.ForwardGradient(directions.Rademacher(), baseline=double).estimate(f, tree, rng=0).gradient
    for a, b in zip(dg.tree.leaves(found), dg.tree.leaves(double), strict=True):
        np.testing.assert_allclose(a, b)  # the baseline is the gradient


def test_a_gradient_shares_no_memory_with_its_slopes():
    found = estimators.FiniteDifference().estimate(np.sum, np.ones(3))
    assert not np.shares_memory(found.gradient, found.directional)


@pytest.mark.parametrize("combine", ["mean", "project"])
def test_an_objective_that_moves_outside_is_refused_in_words(combine):
    estimator = estimators.ForwardGradient(directions.Gaussian(), n=2, combine=combine)
    with pytest.raises(dg.TangentLossError, match="inside of another derivative"):
        dg.grad(lambda a: np.sum(estimator.estimate(lambda w: a * np.sum(w), np.ones(2), rng=0).gradient))(2.0)


@pytest.mark.parametrize("n", [2.7, 0, "a", None, True])
def test_the_number_of_directions_of_moments_is_checked(n):
    with pytest.raises(ValueError, match="got n="):
        directions.Gaussian().sum_moments(np.ones(2), n)
