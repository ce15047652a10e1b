"""The tangents of a record are those of jvp: every function of the catalogue, layers, buffers; what is not recorded."""

import contextlib
import itertools

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.linearized import linearization, recording
from tests.support.catalogue import CATALOGUE
from tests.support.checks import close, direction, moving
from tests.support.layers import LAYERS
from tests.support.strict import device, host

EVERY = [c for c in CATALOGUE if c.draws]
BY_FUNCTION = {f: list(calls) for f, calls in itertools.groupby(EVERY, key=lambda c: c.function)}
SOME = [c for calls in BY_FUNCTION.values() for c in calls[:3]]
X = np.array([1.0, 2.0, 0.5])

as_numpy_warns = pytest.mark.filterwarnings("ignore")  # of numbers out of range, of what is deprecated


def faults(cases, lead):
    """The calls of which the record gives other tangents than jvp, and the number of those that are recorded."""
    found, recorded = [], 0
    for case in cases:
        rng = np.random.default_rng(0)
        xs = case.sample(rng)
        f, at, v = moving(case, xs, direction(rng, xs, np.ones(len(xs), bool)))
        vs = [np.stack([a * (k - 1.5) for k in range(lead[0])]) if lead else a for a in v]
        y, push = dg.linearize(f, *at)
        for _ in range(2):
            expected, slopes = dg.jvp(f, at, tuple(vs))
            for a, b, c, d in zip(y, push(*vs), expected, slopes, strict=True):
                scale = np.max(np.abs(d), initial=0, where=np.isfinite(d)) if d.dtype.kind in "fc" else 1
                alike = b.dtype == d.dtype and b.shape == d.shape and np.array_equal(a, c, equal_nan=True)
                if not alike or not np.allclose(b, d, 1e3 * np.finfo(d.dtype).eps, 1e-12 * scale, equal_nan=True):
                    found.append(f"{case}: {b}; jvp {d}")
            vs = [-2 * a for a in vs]
        recorded += push.records[lead] is not None
    return found, recorded


@as_numpy_warns
@pytest.mark.parametrize("lead", [(), (3,)], ids=["one direction", "three"])
def test_every_function_has_the_tangents_of_jvp(lead):
    found, recorded = faults(SOME, lead)
    assert found == []
    assert recorded > 0.9 * len(SOME)


@as_numpy_warns
def test_a_planted_fault_is_seen(monkeypatch):
    right = recording.LinearRecord.replay
    scaled = lambda self, vs: dg.tree.map_leaves(lambda a: a * 1.001, right(self, vs))  # noqa: E731
    monkeypatch.setattr(recording.LinearRecord, "replay", scaled)
    monkeypatch.setattr(linearization, "_repeats", lambda *args: True)
    assert len(faults(SOME[:40], ())[0]) > 20


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    layer, shape = LAYERS[name]
    params, x = layer.init(rng=0, dtype=float), np.random.default_rng(0).normal(size=shape)
    require_tangents(lambda p, x: layer(p, x), params, x)


def test_a_network_is_recorded():
    net = dg.nn.networks.mlp([3, 5, 2], dg.nn.Tanh)
    _, push = dg.linearize(net, net.init(rng=0), np.ones((4, 3), np.float32))
    assert repr(push) == "<the tangents of Sequential(Linear(3, 5), Tanh(), Linear(5, 2)): 11 operations>"


def require_tangents(f, *xs):
    """Raise where the tangents are not those of jvp, in any number of directions."""
    y, push = dg.linearize(f, *xs)
    rng = dg.Rng(0)
    for lead in ((), (2,), (), (1,), (0,)):
        draw = lambda a, lead=lead: rng.normal((*lead, *np.shape(a))).astype(np.result_type(a))  # noqa: E731
        vs = dg.tree.map_leaves(draw, xs)
        expected, slopes = dg.jvp(f, xs, vs)
        found, structure = dg.tree.flatten((y, push(*vs)))
        for a, b in zip(found, dg.tree.leaves_like((expected, slopes), structure, "result"), strict=True):
            assert np.result_type(a) == np.result_type(b)
            close(a, b, 1e-6 if np.result_type(a) == np.float32 else 1e-12)


def buffers(x):
    """A function that writes into arrays again and again."""
    total, row = np.zeros_like(x), np.zeros_like(x)
    for k in range(len(x)):
        row[...] = x * x[k]
        row[0] = 0
        total[1:] += row[:-1] * row[1:]
        np.multiply(total, row, out=total)
    np.copyto(row, total)
    return np.concatenate([row, total[::-1]])


FUNCTIONS = {
    "buffers": (buffers, X),
    "a buffer of numbers": (lambda x: [b := np.arange(3.0), y := x * b, b.__imul__(7), y + x * b][3], X),
    "trees": (lambda x: {"y": x["a"] * np.sum(x["b"] ** 2), "z": [x["b"][1], 3.0]}, {"a": 2.0, "b": X}),
    "float32": (lambda x: np.tanh(x) @ x, X.astype(np.float32)),
    "complex": (lambda z: np.exp(z) * np.conj(z[0]), X + 1j),
    "an inner derivative": (lambda x: dg.grad(lambda y: np.sum(y**3 * x))(x), X),
    "an inner Laplacian": (lambda x: dg.laplacian(lambda y: np.sum(y**3 * x))(x), X),
    "an inner series": (lambda x: dg.taylor(lambda t: np.sin(t * x), 1.0, 3)[2], X),
    "Python": (lambda x: max(x[0], x[1]) * sum(x) if x[0] < x[1] else x[0], X),
    "entries": (lambda x: np.array([[x[0], x[1]], [1.0, x[0] * x[2]]]), X),
    "a constant": (lambda x: np.ones(2), X),
}  # fmt: skip


@pytest.mark.parametrize(("f", "x"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_programs(f, x):
    require_tangents(f, x)


def test_f_runs_once_and_tangents_cost_less():
    calls = []

    def f(x):
        calls.append(1)
        return np.tanh(np.sin(x) ** 2)

    _, push = dg.linearize(f, X)
    for _ in range(5):
        push(X)
    assert len(calls) == 1
    for _ in range(5):
        push(np.eye(3))
    assert len(calls) == 2


def test_what_is_changed_afterwards_does_not_count():
    x, A = X.copy(), np.eye(3)
    _, push = dg.linearize(lambda x: A @ np.sin(x), x)
    before = push(X)
    x[:], A[:] = 0, 0
    np.testing.assert_array_equal(push(X), before)
    before[:] = 7
    assert np.all(push(X) != 7)
    v = X.copy()
    dg.linearize(lambda x: x, X)[1](v)[:] = 7
    np.testing.assert_array_equal(v, X)


def drawn(x, rng=dg.Rng(0)):  # noqa: B008 - the same generator at every call is the point
    return x * rng.normal(3)


def counted(x, calls=[0]):  # noqa: B006 - what is kept between calls is the point
    calls[0] += 1
    return {"y": x * calls[0], "n": 3}


def clipped_by_draws(x):
    return _clipped(drawn(x))


@dg.custom_jvp
def _clipped(x):
    return x


_clipped.defjvp(lambda primals, tangents: (primals[0], np.clip(tangents[0], -1, 1)))

NOT_THE_SAME = {"random": drawn, "a state": counted, "random, by jvp": clipped_by_draws}


@pytest.mark.parametrize("f", NOT_THE_SAME.values(), ids=NOT_THE_SAME)
def test_an_f_that_does_something_else_is_found_where_it_runs_again(f):
    y, push = dg.linearize(f, X)
    for v in (X, np.eye(3)):
        with contextlib.suppress(ValueError):
            found = push(v)
            assert v is X, f"{found}: tangents of another f"
            np.testing.assert_allclose(dg.tree.leaves(found)[0], dg.tree.leaves(y)[0])
    with pytest.raises(ValueError, match="did not do the same when it was called again"):
        push(np.eye(3))


def test_constants_that_are_written_to_are_found_where_f_runs_again():
    scale = X.copy()
    J = dg.operator(lambda x: x * scale, X)
    _, push = dg.linearize(lambda x: {"y": x * scale, "inf": np.inf - 0 * x, "n": np.arange(3)}, X)
    before = push(X)["y"]
    push(np.eye(3))
    scale[1] = 9
    np.testing.assert_array_equal(push(X)["y"], before)
    np.testing.assert_array_equal(push(np.eye(3))["y"], np.diag(X))  # known already
    for again in (lambda: push(np.eye(3)[:2]), lambda: J.T @ X):
        with pytest.raises(ValueError, match="copies of the arrays it uses"):
            again()


def test_a_value_that_is_no_number_is_the_same_again():
    push = dg.linearize(lambda x: np.stack([x[0], np.nan * x[1], np.inf * x[2]]), X)[1]
    for v in (X, np.eye(3)):
        assert np.isnan(push(v)).any()


def test_zeros_are_of_the_kind_of_jvp():
    f = lambda x: (3, np.float32(2), np.arange(2), x[0])  # noqa: E731
    for v in (X, np.eye(3)):
        for found, expected in zip(dg.linearize(f, X)[1](v), dg.jvp(f, (X,), (v,))[1], strict=True):
            assert type(found) is type(expected)
            assert np.result_type(found) == np.result_type(expected)


def test_it_nests():
    x, v = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    f = lambda x: np.sin(x) * x[0]  # noqa: E731
    push = dg.linearize(f, x)[1]
    np.testing.assert_allclose(dg.jacfwd(push)(v), dg.jacfwd(f)(x))
    found = dg.jacfwd(lambda x: dg.linearize(f, x)[1](v))(x)
    np.testing.assert_allclose(found, dg.jacfwd(lambda x: dg.jvp(f, (x,), (v,))[1])(x))
    found = dg.derivative(lambda t: dg.linearize(lambda x: f(t * x), x)[1](v)[0])(1.5)
    np.testing.assert_allclose(found, dg.derivative(lambda t: dg.jvp(lambda x: f(t * x), (x,), (v,))[1][0])(1.5))


def test_infinite_slopes_meet_zeros_as_in_jvp():
    _, push = dg.linearize(np.sqrt, np.array([0.0, 4.0]))
    np.testing.assert_array_equal(push(np.array([0.0, 1.0])), [0, 0.25])
    np.testing.assert_array_equal(push(np.array([1.0, 1.0])), [np.inf, 0.25])


def test_a_device_goes_by_jvp():
    _, push = dg.linearize(np.sin, device(X))
    np.testing.assert_allclose(host(push(device(X))), np.cos(X) * X)
    assert "by jvp" in repr(push)


def test_nonlinear_rules_go_by_jvp():
    @dg.custom_jvp
    def clipped(x):
        return x

    clipped.defjvp(lambda primals, tangents: (primals[0], np.clip(tangents[0], -1, 1)))
    _, push = dg.linearize(clipped, X)
    np.testing.assert_array_equal(push(np.array([5.0, 0.5, -5.0])), [1, 0.5, -1])
    assert "by jvp" in repr(push)


ERRORS = {
    "no function": (lambda: dg.linearize(X, X), TypeError, "got a ndarray; expected a function"),
    "integers": (lambda: dg.linearize(np.sin, 3), TypeError, "expected floating or complex"),
    "None": (lambda: dg.linearize(lambda x: None, X), TypeError, "did you forget return"),
    "a shape": (lambda: dg.linearize(np.sin, X)[1](X[1:]), dg.ShapeError, "a tangent never broadcasts"),
    "a number": (lambda: dg.linearize(np.sin, X)[1](), dg.StructureError, "expected"),
    "an error of f": (lambda: dg.linearize(lambda x: 1 // 0, X), ZeroDivisionError, "by zero"),
}


@pytest.mark.parametrize(("call", "error", "says"), ERRORS.values(), ids=ERRORS)
def test_what_is_wrong_is_said(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_solver_whose_steps_depend_on_the_directions():
    integrate = pytest.importorskip("dualgrad.scipy.integrate")
    x = np.array([0.5, 0.8])
    f = lambda k: integrate.solve_ivp(lambda t, y: -k * y, (0, 1), np.ones(2)).y[:, -1]  # noqa: E731
    push = dg.linearize(f, x)[1]
    for v in (np.ones(2), np.array([0.0, 50.0]), 30 * np.eye(2)):
        np.testing.assert_array_equal(push(v), dg.jvp(f, (x,), (v,))[1])
    np.testing.assert_allclose(dg.operator(f, x) @ x, -np.exp(-x) * x, rtol=1e-3)
