"""Taylor coefficients along K directions in one pass: what K single calls give, for every function of the catalogue."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.series import fan
from dualgrad.series.fan import Fan
from tests.support.catalogue import CATALOGUE
from tests.support.checks import direction, moving, outputs
from tests.support.strict import device, host

SMOOTH = [c for c in CATALOGUE if c.draws]
X = np.array([0.5, 1.2, 2.0])
V = np.array([[1.0, -0.5, 0.25], [0.0, 1.0, 0.0], [2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])

# calls of the catalogue warn by themselves, with plain numbers too: of numbers out of range, of what is deprecated
as_numpy_warns = pytest.mark.filterwarnings("ignore")


def lines(case, count=3):
    """A call of the catalogue as a function of one tree, where it is taken, and directions: each, and stacked."""
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    each = [direction(rng, xs, np.ones(len(xs), bool)) for _ in range(count)]
    g, at, _ = moving(case, xs, each[0])
    each = [moving(case, xs, v)[2] for v in each]
    return lambda x: g(*x), at, each, tuple(np.stack([np.asarray(a) for a in v]) for v in zip(*each, strict=True))


def faults(f, x, each, together, order, rtol=1e-9):
    """The coefficients that K directions in one pass have otherwise than single calls, or in another dtype."""
    many = [outputs(c) for c in dg.taylor(f, x, together, order)]
    found = []
    for k, v in enumerate(each):
        for j, single in enumerate(dg.taylor(f, x, v, order)):
            for n, (a, b) in enumerate(zip(many[j], outputs(single), strict=True)):
                a = a[k] if j else a
                alike = np.shape(a) == np.shape(b) and getattr(a, "dtype", 0) == getattr(b, "dtype", 0)
                bound = rtol if np.result_type(a).char in "dDgG?lqi" else 1e-3
                if not alike or not np.allclose(a, b, rtol=bound, atol=bound * 1e-2, equal_nan=True):
                    found.append((k, j, n, a, b))
    return found


@as_numpy_warns
@pytest.mark.parametrize("part", range(3))
def test_every_function_has_the_coefficients_of_single_calls(part):
    wrong = []
    for case in SMOOTH[part::3]:
        f, at, each, together = lines(case)
        wrong += [(str(case), order, *found) for order in (2, 3) for found in faults(f, at, each, together, order)]
    assert wrong == []


PROGRAMS = {
    "products": lambda x: np.outer(x, x) @ x * x[0],
    "recurrences": lambda x: np.tanh(x * np.exp(x)) / (1 + np.sqrt(x)) + 2 / np.cos(x) + np.log(1 + x) ** 1.5,
    "powers": lambda x: x**3 + x**-0.5 + 2.0**x + x**x,
    "by definition": lambda x: np.var(x) + np.linalg.norm(x) * np.std(x),
    "one by one": lambda x: np.linalg.inv(np.diag(x) + 0.1) @ np.arctan(x) + np.sort(x)[::-1],
    "lists, branches": lambda x: np.array([x[0] * x[1], x[2] if x[0] > 0 else x[1], 1.0]),
    "numbers": lambda x: np.float64(2.0) * x[0] * x[1] - x[2] / 3,
    "a constant": lambda x: np.ones(2),
    "a tree": lambda x: [x * x, np.sum(x), np.zeros(2)],
}


def written(x):
    y = np.zeros_like(x)
    y[1:] = x[:2] ** 2
    y[0] = 3.0
    y *= x[0]
    return y.reshape(3, 1)


PROGRAMS["writes and views"] = written


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("order", [0, 1, 2, 5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_programs(name, order, dtype):
    if dtype is np.complex128 and name in ("one by one", "by definition", "lists, branches"):
        pytest.skip("real functions")
    at, directions = X.astype(dtype), V.astype(dtype)
    assert faults(PROGRAMS[name], at, directions, directions, order) == []


@pytest.mark.parametrize(
    ("where", "name"), [("_by_directions", "products"), ("_along_each", "one by one"), ("_later", "one by one")]
)
def test_a_wrong_coefficient_is_noticed(where, name, monkeypatch):
    original = getattr(fan, where)

    def wrong(*args):
        found = original(*args)
        if isinstance(found, list):
            return [c if c is None else 2 * c for c in found]
        return 2 * found if where == "_by_directions" else dg.dual.Dual(found.primal, 2 * found.tangent, found.level)

    monkeypatch.setattr(fan, where, wrong)
    assert faults(PROGRAMS[name], X, V, V, 3)


def test_trees_and_no_directions():
    f = lambda p: p["a"] * np.sum(p["b"]) ** 2  # noqa: E731
    at, v = {"a": 2.0, "b": X}, {"a": np.array([1.0, 0.5]), "b": V[:2]}
    found = dg.taylor(f, at, v, 3)
    for k in range(2):
        single = dg.taylor(f, at, {"a": v["a"][k], "b": v["b"][k]}, 3)
        np.testing.assert_allclose([c[k] for c in found[1:]], single[1:], rtol=1e-14)
    nothing = dg.taylor(lambda x: np.exp(x) * np.arctan(x) @ x, X, V[:0], 3)
    assert [np.shape(c) for c in nothing] == [(), (0,), (0,), (0,)]


def test_nests_with_jvp_and_with_itself():
    f = lambda x: np.sum(np.sin(x) * np.exp(x[0] * x)) / np.arctan(x[1])  # noqa: E731
    second = lambda x: dg.taylor(f, x, V, 2)[2]  # noqa: E731
    w = np.array([1.0, 0.5, -0.5])
    outside = dg.jvp(second, (X,), (w,))[1]
    inside = dg.taylor(lambda x: dg.jvp(f, (x,), (w,))[1], X, V, 2)[2]
    of_one = [dg.jvp(lambda x, v=v: dg.taylor(f, x, v, 2)[2], (X,), (w,))[1] for v in V]
    np.testing.assert_allclose(outside, of_one, rtol=1e-12)
    np.testing.assert_allclose(inside, of_one, rtol=1e-12)
    twice = dg.taylor(second, X, V, 2)[2]
    for k, v in enumerate(V):
        np.testing.assert_allclose(twice[k], dg.taylor(second, X, v, 2)[2], rtol=1e-11, atol=1e-13)
        along = dg.taylor(lambda x, v=v: dg.taylor(f, x, v, 2)[2], X, V, 2)[2]
        np.testing.assert_allclose(twice[:, k], along, rtol=1e-11, atol=1e-13)
    laplacian = dg.taylor(lambda x: dg.laplacian(f)(x), X, V, 2)
    for k, v in enumerate(V):
        np.testing.assert_allclose(laplacian[2][k], dg.taylor(dg.laplacian(f), X, v, 2)[2], rtol=1e-10, atol=1e-12)


def test_networks_losses_and_roots():
    model = dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.GELU(), dg.nn.LayerNorm(4), dg.nn.Linear(4, 2))
    params, labels = model.init(rng=0, dtype=float), np.array([0, 1])
    f = lambda x: dg.nn.cross_entropy(model(params, x), labels)  # noqa: E731
    points, directions = np.stack([X, X[::-1]]), np.random.default_rng(0).normal(size=(3, 2, 3))
    assert faults(f, points, directions, directions, 3) == []
    objective = dg.nn.Objective(model, dg.nn.cross_entropy).bind(points, labels)
    along = dg.directions.Gaussian().sample(params, rng=1, n=2)
    found = dg.taylor(objective, params, along, 2)[2]
    singles = [dg.taylor(objective, params, dg.Params({k: a[i] for k, a in along.items()}), 2)[2] for i in range(2)]
    np.testing.assert_allclose(found, singles, rtol=1e-10)
    root = dg.implicit(lambda y, a: y**3 + y - a, lambda a: _solved(a))
    assert faults(lambda x: root(x) * x, X, V, V, 4) == []


def _solved(a):
    y = np.ones_like(a)
    for _ in range(50):
        y = y - (y**3 + y - a) / (3 * y**2 + 1)
    return y


def test_what_does_not_move_contributes_nothing():
    x, v = np.array([0.0, 4.0]), np.array([[0.0, 1.0], [0.0, 2.0]])
    found = dg.taylor(np.sqrt, x, v, 3)
    for k in range(2):
        np.testing.assert_array_equal([c[k] for c in found[1:]], dg.taylor(np.sqrt, x, v[k], 3)[1:])
    assert faults(lambda x: 1e-200 * x / (1e-200 * x[::-1]), X, V, V, 4) == []


def test_rules_of_ones_own(tables):
    dg.defjvp(np.tanh, lambda primals, tangents: (np.tanh(primals[0]), 2 * tangents[0] * primals[0]))
    assert faults(lambda x: np.tanh(x) * x, X, V, V, 3) == []
    assert np.array_equal(dg.taylor(np.tanh, X, V, 2)[2], V**2)


def test_large_arrays_go_block_by_block(monkeypatch):
    f = lambda x: np.tanh(x) * np.exp(x) / x + x**2.5  # noqa: E731
    expected = dg.taylor(f, X, V, 4)
    monkeypatch.setattr("dualgrad.series.stacked.ENTRIES_AT_ONCE", 20)
    for a, b in zip(dg.taylor(f, X, V, 4), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_on_a_device():
    f = lambda x: np.tanh(x) @ x / x[0]  # noqa: E731
    found = dg.taylor(f, device(X), device(V), 3)
    for a, b in zip(found, dg.taylor(f, X, V, 3), strict=True):
        np.testing.assert_allclose(host(a), b, rtol=1e-12)


def test_arguments_are_untouched_and_fans_end():
    kept, x, v = [], X.copy(), V.copy()

    def f(y):
        kept.append((y, repr(y)))
        y[0] = 7.0
        return y * y

    dg.taylor(f, x, v, 2)
    assert np.array_equal(x, X)
    assert np.array_equal(v, V)
    assert isinstance(kept[0][0], Fan)
    assert kept[0][1].startswith("Fan(float64[3], order 2, level ")
    with pytest.raises(dg.LevelError, match="ended"):
        np.sin(kept[0][0])


def test_a_network_costs_one_pass(monkeypatch):
    """Its value is computed once, whatever the number of directions."""
    calls = []
    monkeypatch.setattr("dualgrad.series.fan.AT_ONCE", Counted(fan.AT_ONCE, calls))
    net = dg.nn.networks.mlp([20, 8, 1], dg.nn.Tanh)
    params = net.init(rng=0)
    dg.taylor(lambda x: net(params, x), np.zeros((4, 20), np.float32), np.ones((7, 4, 20), np.float32), 3)
    assert calls.count(np.tanh) == 1


class Counted(dict):
    """A table that writes down which of its rules are taken."""

    def __init__(self, table, calls):
        super().__init__(table)
        self.calls = calls

    def __getitem__(self, function):
        self.calls.append(function)
        return super().__getitem__(function)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: dg.taylor(np.sin, X, np.ones((2, 2))), dg.ShapeError, r"or \(K, 3\) for K directions"),
        (lambda: dg.taylor(np.sin, (X, X), (V, V[:2])), dg.ShapeError, "the same number of directions"),
        (lambda: dg.taylor(float, 1.0, np.ones(2)), dg.TangentLossError, "drop the tangent"),
    ],
)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()
