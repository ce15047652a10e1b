"""The forward Laplacian: every function of the catalogue against nested jvp, known operators, networks, its cost."""

import itertools
import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.curvature import bending, fast
from dualgrad.curvature.curved import Curved
from tests.support.catalogue import CATALOGUE
from tests.support.checks import direction, moving
from tests.support.layers import LAYERS, LOSSES
from tests.support.strict import device, host

EVERY = [c for c in CATALOGUE if c.draws]
BY_FUNCTION = {f: list(calls) for f, calls in itertools.groupby(EVERY, key=lambda c: c.function)}
SMOOTH = [c for calls in BY_FUNCTION.values() for c in calls[:3]]
X = np.array([1.0, 2.0, 0.5])


def along_lines(case):
    """A call of the catalogue as a function of two numbers, the steps along random directions of its arguments; a
    random sum of the entries of its results, real and imaginary parts."""
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    lines = [direction(rng, xs, np.ones(len(xs), bool)) for _ in range(2)]
    g, at, _ = moving(case, xs, lines[0])
    columns = [np.stack([np.asarray(a) for a in v]) for v in zip(*(moving(case, xs, v)[2] for v in lines), strict=True)]

    def f(steps):
        total, rng = 0, np.random.default_rng(1)
        for y in g(*(x + np.tensordot(steps.astype(V.real.dtype), V, 1) for x, V in zip(at, columns, strict=True))):
            if not hasattr(y, "dtype") or y.dtype.kind in "fcO":
                weights = rng.uniform(0.5, 1.5, np.shape(y))
                total = total + np.sum(weights * np.real(y)) + np.sum(weights * np.imag(y))
        return total

    return f


def nested(f, x, v):
    return dg.jvp(lambda x: dg.jvp(f, (x,), (v,))[1], (x,), (v,))[1]


# calls of the catalogue warn by themselves, with plain numbers too: of numbers out of range, of what is deprecated
as_numpy_warns = pytest.mark.filterwarnings("ignore")


def faults(cases):
    """The calls of which the Laplacian is not what nested jvp gives; of every fourth also the diagonal."""
    found, at = [], np.zeros(2)
    for k, case in enumerate(cases):
        f = along_lines(case)
        terms = [nested(f, at, e) for e in np.eye(2)]
        bound = (1e-9 if np.result_type(*terms).itemsize == 8 else 1e-3) * np.max(np.abs(terms), initial=1)
        total, each = dg.laplacian(f)(at), terms if k % 4 else dg.hessian_diag(f)(at)
        if not abs(total - sum(terms)) <= bound or not np.all(np.abs(np.subtract(each, terms)) <= bound):
            found.append(f"{case}: {total}, {each}; nested {terms}")
    return found


@as_numpy_warns
@pytest.mark.parametrize("part", range(2))
def test_every_function_bends_as_nested_jvp_says(part):
    assert faults(SMOOTH[part::2]) == []


@as_numpy_warns
@pytest.mark.parametrize(
    ("module", "way"),
    [(bending, "_inner_product"), (bending, "_entrywise"), (bending, "_one_by_one"), (fast, "_moved")],
)
def test_a_wrong_bend_is_noticed(module, way, monkeypatch):
    original = getattr(module, way)

    def wrong(*args):
        found = original(*args)
        return [s if s is None else 2 * s for s in found] if isinstance(found, list) else 2 * found

    monkeypatch.setattr(module, way, wrong)
    assert faults(SMOOTH[::20])


@as_numpy_warns
def test_it_nests_with_jvp_inside_and_outside():
    v, at = np.array([1.0, 0.5]), np.full(2, 1e-3)
    for case in SMOOTH[::12]:
        f = along_lines(case)
        expected = dg.jvp(lambda x, f=f: sum(nested(f, x, e) for e in np.eye(2)), (at,), (v,))[1]
        outside = dg.jvp(dg.laplacian(f), (at,), (v,))[1]
        inside = dg.laplacian(lambda x, f=f: dg.jvp(f, (x,), (v,))[1])(at)
        bound = 1e-6 * max(1, abs(expected))
        assert abs(outside - expected) <= bound and abs(inside - expected) <= bound, case  # noqa: PT018


HARMONIC = {
    "x² - y²": lambda x: x[0] ** 2 - x[1] ** 2,
    "1 / r": lambda x: 1 / np.sqrt(x @ x),
    "e^x sin y": lambda x: np.exp(x[0]) * np.sin(x[1]),
    "log r of the plane": lambda x: np.log(np.hypot(x[0], x[1])),
    "Im (x + iy)³": lambda x: np.imag((x[0] + 1j * x[1]) ** 3),
}


@pytest.mark.parametrize("name", HARMONIC)
def test_harmonic_functions_have_none(name):
    assert abs(dg.laplacian(HARMONIC[name])(X)) < 1e-14


def test_polynomials_exactly():
    f = lambda x: x[0] ** 4 + x[0] ** 2 * x[1] ** 2 + np.sum(x**3)  # noqa: E731
    assert dg.laplacian(f)(X) == 12 + 2 * 4 + 2 + 6 * X.sum()
    assert dg.laplacian(dg.laplacian(f))(X) == 24 + 8  # the biharmonic operator
    assert np.array_equal(dg.hessian_diag(f)(X), [12 + 8 + 6, 2 + 12, 3])
    assert dg.divergence(dg.grad(f))(X) == dg.laplacian(f)(X)
    assert dg.laplacian(lambda x: 3.0)(X) == 0
    assert np.array_equal(dg.hessian_diag(lambda x: 3.0)(X), np.zeros(3))
    assert dg.laplacian(np.sin)(0.5) == -np.sin(0.5)
    assert dg.laplacian(np.sum)(X[:0]) == dg.divergence(np.sin)(X[:0]) == 0
    assert dg.hessian_diag(np.sum)(X[:0]).shape == (0,)


def bumpy(x):
    """Writes, views, an object array, a determinant and a branch."""
    y = np.zeros_like(x)
    y[::-1][: x.size] = x**2
    y[0] *= np.sin(x[-1])
    y += np.array([x[0] * x[1]] * x.size)
    return np.linalg.det(np.outer(y, x) + np.eye(x.size)) + (np.var(y) if x[0] > 0 else 0) + np.tanh(x) @ y


def test_the_trace_and_the_diagonal_of_the_hessian():
    H = dg.hessian(bumpy)(X)
    np.testing.assert_allclose(dg.laplacian(bumpy)(X), np.trace(H), rtol=1e-12)
    np.testing.assert_allclose(dg.hessian_diag(bumpy)(X), np.diag(H), rtol=1e-12)
    sigma = np.random.default_rng(0).normal(size=(3, 2))
    np.testing.assert_allclose(dg.second_order(bumpy, X, sigma), np.trace(sigma.T @ H @ sigma), rtol=1e-12)
    field = lambda x: np.cumsum(x**2) * x[0]  # noqa: E731
    np.testing.assert_allclose(dg.divergence(field)(X), np.trace(dg.jacfwd(field)(X)), rtol=1e-12)
    matrix = np.arange(4.0).reshape(2, 2)
    assert np.array_equal(dg.hessian_diag(lambda x: np.sum(x**3))(matrix), 6 * matrix)
    assert dg.divergence(lambda x: x**2 + x.T)(matrix) == 2 * matrix.sum() + 2


@pytest.mark.parametrize("chunk", [None, 7, "auto"])
def test_many_directions_go_in_chunks(chunk):
    x = np.linspace(0, 1, 150)
    f = lambda x: np.sum(np.sin(x)) * x[0] + np.sum(x) ** 2  # noqa: E731
    diagonal = -np.sin(x) * x[0] + 2
    diagonal[0] += 2 * np.cos(x[0])
    np.testing.assert_allclose(dg.hessian_diag(f, chunk=chunk)(x), diagonal, rtol=1e-12)
    np.testing.assert_allclose(dg.laplacian(f, chunk=chunk)(x), diagonal.sum(), rtol=1e-12)
    np.testing.assert_allclose(dg.divergence(np.sin, chunk=chunk)(x), np.cos(x).sum(), rtol=1e-12)


# ---------------------------------------------------------------------- networks, and examples side by side

NETS = {
    "tanh": dg.nn.networks.mlp([3, 8, 1], dg.nn.Tanh),
    "gelu, normed": dg.nn.Sequential(
        dg.nn.Linear(3, 8), dg.nn.LayerNorm(8), dg.nn.GELU(), dg.nn.Linear(8, 8), dg.nn.Softmax(), dg.nn.Linear(8, 1)
    ),
    "siren": dg.nn.networks.siren(3, 8, 1, 1),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NETS)
def test_networks(name, dtype):
    net, rng = NETS[name], np.random.default_rng(0)
    params, points = net.init(rng=0, dtype=dtype), rng.normal(size=(5, 3)).astype(dtype)
    rtol = 1e-10 if dtype is np.float64 else 1e-3
    u = lambda x: net(params, x)[..., 0]  # noqa: E731
    found = dg.laplacian(u, axis=-1)(points)
    assert found.dtype == dtype
    terms = [nested(u, points, np.broadcast_to(e, points.shape).astype(dtype)) for e in np.eye(3)]
    np.testing.assert_allclose(found, sum(terms), rtol=rtol, atol=1e-4 * (rtol > 1e-9))
    across = dg.laplacian(lambda x: net(params, x.T)[:, 0], axis=0)(points.T)
    np.testing.assert_allclose(across, found, rtol=1e-5)
    loss = dg.nn.MSE()
    one = points[:1]
    f = lambda x: loss(net(params, x), np.ones((1, 1), dtype))  # noqa: E731
    expected = np.trace(dg.hessian(f)(one).reshape(3, 3))
    np.testing.assert_allclose(dg.laplacian(f)(one), expected, rtol=rtol, atol=1e-5)


def check_along_two(f, x):
    """tr σᵀ H σ along two random directions of x against nested jvp."""
    sigma = np.random.default_rng(2).normal(size=(*np.shape(x), 2))
    terms = [nested(f, x, v) for v in np.moveaxis(sigma, -1, 0)]
    np.testing.assert_allclose(dg.second_order(f, x, sigma), sum(terms), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name):
    layer, shape = LAYERS[name]
    params = layer.init(rng=0, dtype=np.float64)
    check_along_two(lambda x: np.sum(np.sin(3 * layer(params, x))), np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name):
    loss, shape, target = LOSSES[name]
    check_along_two(lambda x: loss(x, target), np.random.default_rng(0).normal(size=shape))


def test_the_parameters_of_an_objective():
    params, points = NETS["tanh"].init(rng=0, dtype=float), np.random.default_rng(0).normal(size=(5, 3))
    bound = dg.nn.Objective(NETS["tanh"], dg.nn.mse).bind(points, points[:, :1])
    check_along_two(lambda w: bound(params.at(w)), params.vector)


def test_directions_of_each_example():
    f = lambda x: np.sum(x**3, axis=-1) * x[..., 0]  # noqa: E731
    points = np.random.default_rng(0).normal(size=(4, 3))
    shared, own = np.arange(6.0).reshape(3, 2), np.random.default_rng(1).normal(size=(4, 3, 2))
    for k, x in enumerate(points):
        H = dg.hessian(f)(x)
        np.testing.assert_allclose(dg.second_order(f, points, shared, axis=-1)[k], np.trace(shared.T @ H @ shared))
        np.testing.assert_allclose(dg.second_order(f, points, own, axis=-1)[k], np.trace(own[k].T @ H @ own[k]))
    field = lambda x: x**2 * x[..., :1]  # noqa: E731
    each = [dg.divergence(field)(x) for x in points]
    np.testing.assert_allclose(dg.divergence(field, axis=-1)(points), each)


def test_nests_with_jvp_over_parameters_and_with_taylor():
    net = NETS["tanh"]
    params, points = net.init(rng=0, dtype=float), np.random.default_rng(0).normal(size=(5, 3))
    residual = lambda p, op: np.mean(op(lambda x: net(p, x)[:, 0])(points) ** 2)  # noqa: E731
    forward = lambda u: dg.laplacian(u, axis=-1)  # noqa: E731
    by_nesting = lambda u: lambda x: sum(nested(u, x, np.broadcast_to(e, x.shape)) for e in np.eye(3))  # noqa: E731
    found, expected = (dg.grad(lambda p, op=op: residual(p, op))(params) for op in (forward, by_nesting))
    np.testing.assert_allclose(found.vector, expected.vector, rtol=1e-9, atol=1e-14)
    coefficients = dg.taylor(lambda t: dg.laplacian(lambda x: np.sum(np.sin(x) * np.exp(t * x)))(X * t), 2.0, 1.0, 2)
    at = lambda t: dg.laplacian(lambda x: np.sum(np.sin(x) * np.exp(t * x)))(X * t)  # noqa: E731
    np.testing.assert_allclose(coefficients[2], nested(at, 2.0, 1.0) / 2, rtol=1e-10)
    inside = dg.laplacian(lambda x: dg.taylor(lambda t: np.sin(t * x[0]) * np.sum(x**3), 2.0, 1.0, 2)[2])(X)
    outside = dg.laplacian(lambda x: -(x[0] ** 2) * np.sin(2 * x[0]) * np.sum(x**3) / 2)(X)
    np.testing.assert_allclose(inside, outside, rtol=1e-10)
    gradient = dg.jvp(dg.laplacian(bumpy), (X,), (X,))[1]
    np.testing.assert_allclose(gradient, dg.jvp(lambda x: np.trace(dg.hessian(bumpy)(x)), (X,), (X,))[1], rtol=1e-9)


def test_on_a_device():
    points, sigma = np.linspace(0.1, 1, 6).reshape(2, 3), np.arange(6.0).reshape(3, 2)
    u = lambda x: np.sum(np.tanh(x) * x / (1 + np.sort(x)), axis=-1)  # noqa: E731
    for op in (
        lambda x, s: dg.laplacian(u, axis=-1)(x),
        lambda x, s: dg.second_order(u, x, s, axis=-1),
        lambda x, s: dg.hessian_diag(lambda x: np.sum(u(x)))(x),
        lambda x, s: dg.divergence(np.sin, axis=-1)(x),
    ):
        np.testing.assert_allclose(host(op(device(points), device(sigma))), op(points, sigma), rtol=1e-12)


# ---------------------------------------------------------------------- rules of one's own, infinities, cost


def test_rules_of_ones_own(tables):
    @dg.custom_jvp
    def cube(x):
        return x**3

    cube.defjvp(lambda primals, tangents: (primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]))
    assert dg.laplacian(lambda x: np.sum(cube(x)))(X) == 6 * X.sum()
    dg.defjvp(np.tanh, lambda primals, tangents: (np.tanh(primals[0]), 2 * tangents[0] * primals[0]))
    assert dg.laplacian(lambda x: np.sum(np.tanh(x)))(X) == 6


def test_what_does_not_move_contributes_nothing():
    x = np.array([0.0, 4.0])
    assert dg.second_order(lambda x: np.sum(np.sqrt(x)), x, np.array([[0.0], [1.0]])) == -1 / 32
    assert dg.laplacian(lambda x: np.sum(np.sqrt(x)))(x) == -np.inf
    weights = np.array([[np.inf, 1.0], [1.0, 1.0]])
    assert dg.second_order(lambda x: np.sum(x[None] ** 2 @ weights), x + 1, np.array([[0.0], [1.0]])) == 4


def test_callers_arrays_are_untouched_and_cannot_be_written():
    x = X.copy()
    dg.laplacian(bumpy)(x)
    assert np.array_equal(x, X)
    with pytest.raises(dg.TangentLossError, match="read-only"):
        dg.laplacian(lambda x: x.__setitem__(0, 1.0))(x)
    kept = []
    dg.laplacian(lambda x: kept.append(x) or np.sum(x))(x)
    with pytest.raises(dg.LevelError, match="after its jvp had ended"):
        np.sin(kept[0])
    assert isinstance(kept[0], Curved)
    assert repr(kept[0]).startswith("Curved(float64[3], level ")


def test_memory_is_that_of_the_directions():
    """No (K, K) of anything: twice the directions need twice the memory."""
    peaks = []
    for n in (64, 128):
        x = np.linspace(0, 1, n)
        tracemalloc.start()
        dg.laplacian(lambda x: np.sum(np.tanh(np.outer(x, np.ones(200)).T)))(x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 4.6 * peaks[0]  # (K, 200, n): each grows with n


def test_a_network_costs_one_pass(monkeypatch):
    """Of the network's own functions each is called once, whatever the number of directions."""
    calls, original = [], fast.pushed_at_once
    monkeypatch.setattr(
        "dualgrad.curvature.curved.pushed_at_once", lambda *args: calls.append(args[0]) or original(*args)
    )
    net = dg.nn.networks.mlp([20, 8, 1], dg.nn.Tanh)
    params = net.init(rng=0)
    dg.laplacian(lambda x: net(params, x)[:, 0], axis=-1)(np.zeros((4, 20), np.float32))
    assert calls.count(np.matmul) == 2
    assert calls.count(np.tanh) == 1


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: dg.laplacian(lambda x: x[:, :1], axis=-1)(np.ones((4, 2))), dg.ShapeError, r"take \[:, 0\]"),
        (lambda: dg.laplacian(np.sin)(X), dg.ShapeError, r"returns a number; f returned shape \(3,\)"),
        (lambda: dg.hessian_diag(lambda x: (x[0], x[1]))(X), dg.ShapeError, "f returned a tuple"),
        (lambda: dg.divergence(np.sum)(X), dg.ShapeError, r"the shape of x, \(3,\); f returned shape \(\)"),
        (lambda: dg.laplacian(np.sum)({"a": X}), TypeError, "laplacian takes one array; got a dict"),
        (lambda: dg.divergence(np.sum)([X]), TypeError, "divergence takes one array; got a list"),
        (lambda: dg.laplacian(np.sum)(np.arange(3)), TypeError, "floating numbers; got dtype int64"),
        (lambda: dg.hessian_diag(np.sum)(X + 0j), TypeError, "takes real numbers; got complex ones"),
        (lambda: dg.laplacian(lambda x: np.exp(1j * x[0]))(X), TypeError, "f returned complex numbers"),
        (lambda: dg.laplacian(np.sum, axis=1)(X), np.exceptions.AxisError, "axis 1 is out of bounds"),
        (lambda: dg.laplacian(np.sum, axis="x")(X), TypeError, "got axis='x'; expected a whole number"),
        (lambda: dg.second_order(np.sum, X, np.eye(2)), dg.ShapeError, r"a sigma of shape \(2, 2\); expected x.shape"),
        (lambda: dg.second_order(X, np.sum, X), TypeError, r"expected a function: dg.second_order\(f, x, sigma\)"),
        (lambda: dg.laplacian(X), TypeError, "dg.laplacian got a ndarray; expected a function"),
        (lambda: dg.laplacian(np.sum, argnums=1), TypeError, "has no keyword 'argnums': argnum="),
        (lambda: dg.laplacian(np.sum, chunk=0)(X), ValueError, "got chunk=0"),
        (lambda: dg.laplacian(lambda x: np.sum((x - x.mean(0)) ** 2, 1), axis=-1)(np.eye(3)), ValueError, "f mixes"),
        (lambda: dg.divergence(lambda x: x - x.mean(0), axis=-1)(np.eye(3)), ValueError, "f mixes the examples"),
        (lambda: dg.laplacian(lambda x: "3")(X), TypeError, "returns numbers; f returned a str"),
    ],
)  # fmt: skip
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()
