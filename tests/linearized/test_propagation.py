"""Means and covariances are those of the polynomial that stands for f: linear maps and closed forms, exactly."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.linearized import covariances, entrywise
from tests.support.strict import device, host

G = np.random.default_rng(0)
F = G.standard_normal((5, 5))
V = np.array([0.5, 0.0, 2.0, 1e-3, 3.0])
UNITS = 10.0 ** np.array([-90, -5, 0, 5, 90])
FORMS = {  # what may be given for five entries, and the covariance that it says
    "full": ({"cov": F @ F.T}, F @ F.T),
    "singular": ({"cov": F[:, :2] @ F[:, :2].T}, F[:, :2] @ F[:, :2].T),
    "of one rank": ({"cov": np.ones((5, 5))}, np.ones((5, 5))),
    "diagonal": ({"cov": np.diag(V)}, np.diag(V)),
    "zero": ({"cov": np.zeros((5, 5))}, np.zeros((5, 5))),
    "variances": ({"cov": V}, np.diag(V)),
    "integers": ({"cov": np.array([1, 2, 0, 0, 1], np.int8)}, np.diag([1.0, 2, 0, 0, 1])),
    "no variances": ({"cov": np.zeros(5)}, np.zeros((5, 5))),
    "a factor": ({"factor": F[:, :2]}, F[:, :2] @ F[:, :2].T),
    "a wide factor": ({"factor": np.hstack([F, F])}, 2 * F @ F.T),
    "unlike units": ({"cov": F @ F.T * UNITS * UNITS[:, None]}, F @ F.T * UNITS * UNITS[:, None]),
}
TREES = {
    "an array": lambda v: v,
    "a matrix": lambda v: v.reshape(1, 5),
    "a dict": lambda v: {"b": v[:3].reshape(3, 1), "a": v[3], "c": [v[4:]]},
    "Params": lambda v: dg.Params({"w": v[:4].reshape(2, 2), "b": v[4:]}),
}
forms = pytest.mark.parametrize(("given", "exact"), FORMS.values(), ids=FORMS)
trees = pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
X, A = np.linspace(1, 2, 5), G.standard_normal((4, 5))


def require_linear(given, exact, tree, chunk):
    """Raise where the covariance of a linear map is not exact, for an x and a result of this kind."""
    x = tree(X)
    layout = dg.Layout.of(x)
    for order in (1, 2):
        f = lambda x: {"y": A[:3] @ layout.vector(x), "z": A[3] @ layout.vector(x)}  # noqa: E731
        y, cov = dg.propagate(f, x, **given, order=order, chunk=chunk)
        np.testing.assert_allclose(dg.Layout.of(y).vector(y), A @ X, rtol=1e-14)
        size = np.sqrt(np.abs(A) @ np.abs(exact) @ np.abs(A.T)).diagonal()
        np.testing.assert_allclose(cov, A @ exact @ A.T, atol=1e-14 * np.max(np.outer(size, size)))
        assert np.array_equal(cov, cov.T)


@forms
@trees
def test_linear_maps_are_exact(given, exact, tree):
    require_linear(given, exact, tree, 2)


@trees
def test_variances_may_be_like_x(tree):
    require_linear({"cov": tree(V)}, np.diag(V), tree, None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_singular_covariance_takes_as_many_directions_as_it_has_rank(dtype):
    S = (F[:, :2] @ F[:, :2].T).astype(dtype)
    seen = []
    dg.propagate(lambda x: seen.append(len(x.tangent)) or x, X.astype(dtype), S)
    assert seen == [2]


@forms
def test_a_planted_fault_is_seen(monkeypatch, given, exact):
    if not np.any(exact):
        return
    monkeypatch.setattr(covariances.FactorMatrix, "part", lambda self, start, stop: 1.01 * self.matrix[start:stop])
    monkeypatch.setattr(covariances.FactorDiagonal, "part", lambda self, i, j: np.eye(5)[self.places[i:j]])
    with pytest.raises(AssertionError):
        require_linear(given, exact, TREES["an array"], None)


# ---------------------------------------------------------------------- entry by entry

N = np.linspace(0.5, 1.5, 150)
U = {"u": N, "c": 2.0, "v": 2 * N}
WORKING = {  # functions, and whether they work entry by entry
    "one array": (lambda x: np.exp(x) * np.sin(x) / x, N, True),
    "a matrix": (lambda x: x**3, N.reshape(5, 30), True),
    "arrays and a number": (lambda x: np.hypot(x["u"], x["v"]) * x["c"], U, True),
    "a number alone": (lambda x: x["c"] * N, U, True),
    "float32": (np.tanh, N.astype(np.float32), True),
    "of a mean": (lambda x: x + 1e-10 * np.mean(x), N, False),
    "turned": (lambda x: x[::-1], N, False),
    "moved": (lambda x: x - np.roll(x, 1), N, False),
    "transposed": (lambda x: x.reshape(15, 10).T.reshape(-1), N, False),
    "summed": (np.cumsum, N, False),
    "in two": (lambda x: (x, x * x), N, False),
    "beside nothing": (lambda x: x["u"] ** 2, {"u": N, "n": np.zeros(0)}, False),
    "to a number": (np.sum, N, False),
    "half precision": (lambda x: np.tanh(x).astype(np.float16), N, False),
}


def require_entries(f, x):
    """Raise where another way is taken to another covariance; give the directions that went in a pass."""
    seen = []
    layout = dg.Layout.of(x)
    deviations = np.linspace(0.1, 0.2, layout.size)
    watched = lambda x: seen.append(len(dg.tree.leaves(x)[0].tangent)) or f(x)  # noqa: E731
    y, cov = dg.propagate(watched, x, deviations**2)
    expected, exact = dg.propagate(f, x, factor=np.diag(deviations))
    np.testing.assert_equal(y, expected)
    tolerance = 20 * np.finfo(cov.dtype).eps
    np.testing.assert_allclose(cov, exact, rtol=tolerance, atol=tolerance * np.max(exact) / 100)
    assert cov.dtype == exact.dtype
    return seen


@pytest.mark.parametrize(("f", "x", "works"), WORKING.values(), ids=WORKING)
def test_a_function_that_works_entry_by_entry_takes_a_direction_an_array(f, x, works):
    seen = require_entries(f, x)
    assert (seen == [len(dg.Layout.of(x).shapes) + 1]) == works


@pytest.mark.parametrize("name", ["of a mean", "moved", "summed"])
def test_the_random_direction_decides(monkeypatch, name):
    monkeypatch.setattr(entrywise, "ULPS", np.inf)
    with pytest.raises(AssertionError):
        require_entries(*WORKING[name][:2])


def test_a_slope_that_is_zero_by_chance_has_a_derivative():
    f = lambda t: dg.propagate(lambda x: x + t * np.sum(x), N, np.ones(150))[1]  # noqa: E731
    np.testing.assert_allclose(dg.jacfwd(f)(0.0), np.full((150, 150), 2.0))


# ---------------------------------------------------------------------- curvature


def test_products_of_independent_numbers_have_the_moments_of_goodman():
    """Goodman 1960: the mean and the variance of x y, exactly; a quadratic form of a Gaussian likewise."""
    x, v = np.array([2.0, 3.0]), np.array([0.5, 0.25])
    mean, variance = dg.propagate(lambda x: x[0] * x[1], x, v, order=2)
    np.testing.assert_allclose([mean, variance], [6, 2**2 * 0.25 + 3**2 * 0.5 + 0.5 * 0.25], rtol=1e-14)
    Q, S = A[:, :4] + A[:, :4].T, F[:4] @ F[:4].T
    for given in ({"cov": S}, {"factor": F[:4]}):
        mean, variance = dg.propagate(lambda x: {"y": x @ Q @ x}, X[:4], **given, order=2, chunk=2)
        np.testing.assert_allclose(mean["y"], X[:4] @ Q @ X[:4] + np.trace(Q @ S), rtol=1e-13)
        exact = 4 * X[:4] @ Q @ S @ Q @ X[:4] + 2 * np.trace(Q @ S @ Q @ S)
        np.testing.assert_allclose(variance, [[exact]], rtol=1e-13)


@pytest.mark.parametrize("order", [1, 2])
def test_a_number_gives_numbers_of_its_precision(order):
    y, variance = dg.propagate(np.exp, 0.5, 0.01, order)
    closed = np.exp(0.5) * (1 + 0.005 * (order == 2)), np.exp(1.0) * (0.01 + 0.5 * 0.01**2 * (order == 2))
    np.testing.assert_allclose([y, variance], closed, rtol=1e-14)
    assert np.ndim(y) == np.ndim(variance) == 0
    x = np.linspace(0, 1, 3, dtype=np.float32)
    y, cov = dg.propagate(lambda x: {"a": np.exp(x), "b": np.sum(x)}, x, np.eye(3), order)
    assert {cov.dtype, y["a"].dtype, y["b"].dtype} == {np.dtype(np.float32)}
    y, cov = dg.propagate(lambda x: (x, 2), 1.0, 1.0, order)  # a constant does not vary
    assert y == (1.0, 2)
    assert np.result_type(*y) == np.float64
    assert np.array_equal(cov, [[1, 0], [0, 0]])


# ---------------------------------------------------------------------- nesting


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("given", ["cov", "variances", "factor"])
def test_what_is_propagated_has_derivatives_by_x_and_by_its_covariance(order, given):
    """Oracle: the same by the matrices J and H, in NumPy."""
    f = lambda x: np.stack([np.sin(x[0] * x[1]), x[1] ** 2 * x[2]])  # noqa: E731

    def of(t):
        L = F[:3, :3] * (1 + t)
        return {"cov": {"cov": L @ L.T}, "variances": {"cov": t + V[2:]}, "factor": {"factor": L[:, :2]}}[given]

    def by_hand(t):
        given = of(t)
        L = given.get("factor")
        S = given["cov"] if L is None else L @ L.T
        S = S if S.ndim == 2 else np.diag(S)
        J, H = dg.jacfwd(f)(X[:3] * t), dg.hessian(f)(X[:3] * t)
        if order == 1:
            return f(X[:3] * t), J @ S @ J.T
        HS = H @ S
        return f(X[:3] * t) + 0.5 * np.trace(HS, axis1=1, axis2=2), J @ S @ J.T + 0.5 * np.einsum("aij,bji->ab", HS, HS)

    found, exact = lambda t: dg.propagate(f, X[:3] * t, order=order, **of(t)), by_hand
    for _ in range(3):
        for a, b in zip(found(0.7), exact(0.7), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        found, exact = dg.jacfwd(found), dg.jacfwd(exact)


def test_series_go_through():
    f = lambda t: dg.propagate(lambda x: np.exp(t * x), X, V)[1].sum()  # noqa: E731
    exact = lambda t: np.sum(V * t**2 * np.exp(2 * t * X))  # noqa: E731
    np.testing.assert_allclose(dg.taylor(f, 0.3, 1.0, 4), dg.taylor(exact, 0.3, 1.0, 4), rtol=1e-12)


# ---------------------------------------------------------------------- errors

E5 = np.eye(5)
ERRORS = {
    "nothing": (lambda: dg.propagate(np.sin, X), TypeError, "one of both"),
    "both": (lambda: dg.propagate(np.sin, X, V, factor=E5), TypeError, "one of both"),
    "order 3": (lambda: dg.propagate(np.sin, X, V, 3), ValueError, "got order=3; expected 1"),
    "no function": (lambda: dg.propagate(X, X, V), TypeError, "got a ndarray; expected a function"),
    "one variance": (lambda: dg.propagate(np.sin, X, 0.1), dg.ShapeError, r"shape \(\); expected \(5, 5\)"),
    "another size": (lambda: dg.propagate(np.sin, X, np.eye(4)), dg.ShapeError, r"shape \(4, 4\); expected \(5, 5\)"),
    "rows for columns": (lambda: dg.propagate(np.sin, X, factor=E5[:2]), dg.ShapeError, r"expected \(5, r\)"),
    "other keys": (lambda: dg.propagate(abs, {"a": 1.0}, {"b": 1.0}), dg.StructureError, "cov, variances like x"),
    "lists for a tree": (lambda: dg.propagate(sum, [1.0, 2.0], np.eye(2).tolist()), dg.StructureError, "one array"),
    "not symmetric": (lambda: dg.propagate(np.sin, X, E5 + 1e-6 * np.tri(5, k=-1)), ValueError, "1e-06 at .1, 0"),
    "a negative variance": (lambda: dg.propagate(np.sin, X, -V), ValueError, r"variance -3 at entry \[4\]"),
    "a negative eigenvalue": (lambda: dg.propagate(np.sin, X, 1.01 - 0.02 * E5), ValueError, "the eigenvalue -0.02"),
    "0, and covariances": (
        lambda: dg.propagate(np.sin, X[:2], np.array([[0, 1e-9], [1e-9, 1]])), ValueError, "variance 0 at entry .0",
    ),
    "NaN": (lambda: dg.propagate(np.sin, X, V * np.nan), dg.NonFiniteError, "cov has NaN"),
    "inf": (lambda: dg.propagate(np.sin, X, factor=E5 / 0.0), dg.NonFiniteError, "factor has NaN or infinite"),
    "text": (lambda: dg.propagate(np.sin, 1.0, "a"), TypeError, "expected an array of numbers"),
    "a complex cov": (lambda: dg.propagate(np.sin, X, E5 + 0j), TypeError, "real numbers"),
    "a complex variance": (lambda: dg.propagate(abs, {"a": 1.0}, {"a": 1 + 1j}), TypeError, "real numbers"),
    "no chunk": (lambda: dg.propagate(np.sin, N, N, chunk=0), ValueError, "got chunk=0"),
    "not symmetric, in integers": (
        lambda: dg.propagate(np.sum, X[:2], np.array([[99, 1], [2, 99]], np.int8)), ValueError, "not symmetric",
    ),
    "a complex x": (lambda: dg.propagate(np.abs, N + 0j, N), TypeError, "x has complex ones"),
    "a complex y": (lambda: dg.propagate(lambda x: x * 1j, X, V), TypeError, "f returned complex ones"),
    "no x": (lambda: dg.propagate(np.sin, None, 0.1), dg.ShapeError, r"expected \(0, 0\)"),
    "integers": (lambda: dg.propagate(np.sin, np.arange(5), V), TypeError, "expected floating or complex"),
    "a singular Dual": (
        lambda: dg.derivative(lambda t: dg.propagate(np.sum, X, t * np.ones((5, 5)))[1])(1.0), ValueError, "singular",
    ),
    "a Dual of 0": (
        lambda: dg.derivative(lambda t: dg.propagate(np.sum, X, t * V)[1])(1.0), ValueError, "variance of 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), ERRORS.values(), ids=ERRORS)
def test_what_is_wrong_is_said(call, error, says):
    with np.errstate(all="ignore"), pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize(
    "given", [{"cov": F @ F.T}, {"cov": V}, {"factor": F[:, :2]}], ids=["cov", "variances", "factor"]
)
def test_on_a_device_too(given):
    expected = dg.propagate(np.sin, X, **given, order=2)
    for to in (device, np.asarray):
        found = dg.propagate(np.sin, device(X), **{name: to(a) for name, a in given.items()}, order=2)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(host(a), b, rtol=1e-12, atol=1e-14)
