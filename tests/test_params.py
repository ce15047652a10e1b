"""Params: names, views into one vector, and what happens to them inside a jvp."""

import copy
import decimal
import fractions
import pickle

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.params import Layout
from tests.support.strict import DeviceArray, device


@pytest.fixture
def params():
    weight, bias = np.arange(6.0).reshape(2, 3), np.array([7.0, 8.0, 9.0])
    return dg.Params({"0.weight": weight, "0.bias": bias, "scale": np.array(5.0)})


def test_the_vector_holds_all_entries_in_order(params):
    np.testing.assert_array_equal(params.vector, [0, 1, 2, 3, 4, 5, 7, 8, 9, 5])
    assert params.vector.flags.c_contiguous
    assert (params.size, len(params), params.dtype) == (10, 3, np.float64)
    assert list(params) == ["0.weight", "0.bias", "scale"]
    assert {k: v.shape for k, v in params.items()} == {"0.weight": (2, 3), "0.bias": (3,), "scale": ()}


def test_the_arrays_are_views(params):
    params.vector[:] = 1
    assert np.all(params["0.weight"] == 1)
    params["0.weight"][0, 1] = 4
    assert params.vector[1] == 4
    params["0.bias"] = [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(params.vector[6:9], [1, 2, 3])
    params["scale"][...] = 2
    assert params.vector[9] == 2


def test_the_arrays_given_are_copied():
    a = np.ones(2)
    params = dg.Params({"a": a})
    params.vector[:] = 5
    assert np.array_equal(a, [1, 1])


def test_copies(params):
    for other in (params.copy(), copy.deepcopy(params), dg.Params(params), pickle.loads(pickle.dumps(params))):
        assert isinstance(other, dg.Params)
        other.vector[:] = -1
        assert params.vector[0] == 0
        assert np.all(other["0.weight"] == -1)


def test_zeros_like_and_map_leaves(params):
    assert not params.zeros_like().vector.any()
    doubled = params.map_leaves(lambda a: 2 * a)
    assert isinstance(doubled, dg.Params)
    np.testing.assert_array_equal(doubled.vector, 2 * params.vector)
    assert isinstance(params.map_leaves(np.sum), dict)
    assert isinstance(params.map_leaves(lambda a: "text"), dict)


def test_a_lead_axis(params):
    many = dg.Params.from_vector(params.layout, np.zeros((4, 10)))
    assert many["0.weight"].shape == (4, 2, 3)
    many["0.bias"][2] = 1
    assert many.vector[2, 6:9].sum() == 3
    back = params.map_leaves(lambda a: np.stack([a, a]))
    assert isinstance(back, dg.Params)
    assert back.vector.shape == (2, 10)


def test_layers(params):
    assert {k: v.shape for k, v in params.items_by_layer("0").items()} == {"weight": (2, 3), "bias": (3,)}


def test_empty_params():
    params = dg.Params({})
    assert params.size == 0
    assert params.vector.shape == (0,)


def test_float32_and_complex():
    assert dg.Params({"a": np.ones(2, np.float32)}).vector.dtype == np.float32
    assert dg.Params({"a": [1j, 2.0]}).dtype == complex


ERRORS = [
    (lambda p: dg.Params({"a": np.arange(3)}), r"params\['a'\] has dtype int64; expected a floating", TypeError),
    (lambda p: dg.Params({"a": np.ones(2), "b": np.ones(2, np.float32)}), "one dtype for all", dg.LayoutError),
    (lambda p: p["1.weight"], r"no parameter '1\.weight'; the names are \['0\.weight', '0\.bias', 'scale'\]", KeyError),
    (lambda p: p.__setitem__("0.bias", np.ones(2)), r"'0\.bias'\] has shape \(3,\); got a value of", dg.LayoutError),
    (lambda p: p.__setitem__("0.bias", 1.0), r"got a value of shape \(\)", dg.LayoutError),
    (lambda p: p.__setitem__("new", np.ones(2)), "no parameter 'new'", KeyError),
    (lambda p: dg.Params.from_vector(p.layout, np.ones(3)), "a vector of 3 entries; the layout has 10", dg.LayoutError),
]  # fmt: skip


@pytest.mark.parametrize(("use", "message", "error"), ERRORS)
def test_errors(params, use, message, error):
    with pytest.raises(error, match=message):
        use(params)


def test_layouts_compare_by_names_shapes_and_order():
    one = Layout({"a": (2,), "b": (3,)})
    assert one == Layout({"a": (2,), "b": (3,)})
    assert one != Layout({"b": (3,), "a": (2,)})
    assert one != Layout({"a": (2,), "b": (3, 1)})


def test_inside_a_jvp_the_vector_is_a_dual_of_the_leaves(params):
    def f(p):
        assert isinstance(p, dg.Params)
        assert p.size == 10
        return np.sum(p.vector**2) + p["scale"] * np.sum(p["0.weight"])

    _y, dy = dg.jvp(f, (params,), (params,))
    assert dy == 2 * np.sum(params.vector**2) + 2 * 5 * 15
    vs = dg.Params.from_vector(params.layout, np.eye(10))
    np.testing.assert_allclose(dg.jvp(f, (params,), (vs,))[1], dg.grad(f)(params).vector)


def test_inside_a_jvp_the_leaves_are_read_only(params):
    def f(p):
        p["0.bias"] = np.zeros(3)
        return 0.0

    with pytest.raises(dg.TangentLossError, match="read-only"):
        dg.jvp(f, (params,), (params,))


def test_repr(params):
    assert repr(params) == "Params(0.weight: (2, 3), 0.bias: (3,), scale: (); 10 entries)"


def test_on_a_strict_device(params):
    on = dg.Params({k: device(np.asarray(v)) for k, v in params.items()})
    assert isinstance(on.vector, DeviceArray)
    g = dg.grad(lambda p: np.sum(p["0.weight"] ** 2) * p["scale"])(on)
    assert isinstance(g, dg.Params)
    np.testing.assert_allclose(g.vector.get()[:6], 10 * params.vector[:6])
    assert isinstance(on.to(np).vector, np.ndarray)


def test_empty_arrays_among_the_parameters():
    params = dg.Params({"none": np.zeros((0, 2)), "scale": np.array(2.0), "w": np.ones(2)})
    np.testing.assert_array_equal(dg.grad(lambda p: np.sum(p.vector**2))(params).vector, [4, 2, 2])
    np.testing.assert_array_equal(
        dg.grad(lambda p: np.sum(np.kron(p["none"], p["w"])) + p["scale"])(params).vector, [1, 0, 0]
    )
    nothing = dg.Params({})
    assert (nothing.size, nothing.dtype, nothing.vector.shape) == (0, np.float64, (0,))


# ---------------------------------------------------------------------- buffers


def with_running_statistics(affine=True):
    model = dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.BatchNorm(4, affine=affine), dg.nn.Tanh(), dg.nn.Linear(4, 2))
    params = model.init(rng=0, dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((5, 3))
    model.update_buffers(params, x)
    return dg.nn.Objective(model, dg.nn.mse).bind(x, np.ones((5, 2))), params


DERIVED = {
    "zeros_like": lambda f, p: p.zeros_like(),
    "a gradient": lambda f, p: dg.grad(f)(p),
    "a value and gradient": lambda f, p: dg.value_and_grad(f)(p)[1],
    "a hessian-vector product": lambda f, p: dg.hvp(f, p, p.zeros_like()),
    "a tangent": lambda f, p: dg.jvp(lambda q: q, (p,), (p,))[1],
    "a Jacobian": lambda f, p: dg.jacfwd(f)(p),
    **{
        f"a direction of {name}": lambda f, p, d=d: d.sample(p, rng=0)
        for name, d in (
            (repr(d), d)
            for d in (
                dg.directions.Rademacher(),
                dg.directions.Sphere(),
                dg.directions.Coordinate(),
                dg.directions.LowRank(),
            )
        )
    },
    **{
        f"the gradient of {make()!r}": lambda f, p, make=make: make().estimate(f, p, rng=0).gradient
        for make in (
            dg.estimators.Backprop,
            dg.estimators.ForwardJacobian,
            dg.estimators.FiniteDifference,
            dg.estimators.SPSA,
            lambda: dg.estimators.ForwardGradient(dg.directions.LowRank(), n=2),
            lambda: dg.estimators.ForwardGradient(dg.directions.Gaussian(), baseline=0.5),
            lambda: dg.estimators.Dodge(dg.estimators.Oracle()),
            lambda: dg.estimators.Dodge(dg.estimators.Reptile(2, 0.1)),
        )
    },
}


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
@pytest.mark.parametrize("affine", [True, False])
def test_buffers_belong_to_parameters_alone(derive, affine):
    """A gradient or a direction has none; and the estimator found those of the parameters."""
    objective, params = with_running_statistics(affine)
    before = {name: b.copy() for name, b in params.buffers.items()}
    assert getattr(derive(objective, params), "buffers", {}) == {}
    assert all(np.array_equal(b, before[name]) for name, b in params.buffers.items())


SAME = {
    "copy": lambda p: p.copy(),
    "map_leaves": lambda p: p.map_leaves(lambda a: a * 1),
    "deepcopy": copy.deepcopy,
    "pickle": lambda p: pickle.loads(pickle.dumps(p)),
    "to": lambda p: p.to(np),  # NumPy's asarray: the same memory
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_copies_have_buffers_of_their_own(make):
    objective, params = with_running_statistics()
    other = make(params)
    assert objective(other) == objective(params)
    before = {name: b.copy() for name, b in params.buffers.items()}
    objective.model.update_buffers(other, objective.x)
    assert objective(other) != objective(params) or make is SAME["to"]
    assert make is SAME["to"] or all(np.array_equal(b, before[name]) for name, b in params.buffers.items())


@pytest.mark.parametrize("affine", [True, False])
def test_buffers_are_there_wherever_the_parameters_are(affine):
    """Inside jvp, nested, as a series, in primal(), in a function with a rule of its own, and at another vector."""
    objective, params = with_running_statistics(affine)
    v = dg.directions.Gaussian().sample(params, rng=0)
    slope = dg.jvp(objective, (params,), (v,))[1]
    at = dg.directions.at(params.vector * 1, params)
    assert objective(at) == objective(params)
    nested = dg.jvp(lambda p: dg.jvp(objective, (p,), (v,))[0], (params,), (v,))[1]
    np.testing.assert_allclose(nested, slope)
    np.testing.assert_allclose(dg.taylor(objective, params, v, order=1)[1], slope)
    owned = dg.custom_jvp(objective)
    owned.defjvp(lambda primals, tangents: dg.jvp(objective, primals, tangents))
    np.testing.assert_allclose(dg.jvp(lambda p: owned(p), (params,), (v,))[1], slope)
    assert dg.jvp(lambda p: (objective(p), objective(dg.primal(p))), (params,), (v,))[0][1] == objective(params)


def test_params_without_entries_stay_params():
    layer = dg.nn.BatchNorm(3, affine=False)
    params, x = layer.init(rng=0, dtype=np.float64), np.random.default_rng(0).standard_normal((4, 3))
    layer.update_buffers(params, x)
    y, dy = dg.jvp(lambda p, x: layer(p, x), (params, x), (params, x))
    np.testing.assert_array_equal(y, layer(params, x))
    np.testing.assert_allclose(dy, x / np.sqrt(params.buffers["running_var"] + 1e-5))
    for made in (params.copy(), params.map_leaves(np.sin), params.zeros_like(), dg.grad(lambda p: 1.0)(params)):
        assert isinstance(made, dg.Params)
        assert made.size == 0
    optimizer = dg.optim.Adam()
    optimizer.step(params, params.zeros_like())
    assert optimizer.steps == 1
    estimator = dg.estimators.ForwardGradient(dg.directions.Rademacher())
    found = estimator.estimate(dg.nn.Objective(layer, dg.nn.mse).bind(x, x), params, rng=0)
    assert found.gradient.size == 0


# ---------------------------------------------------------------------- arithmetic

SUMS = {
    "p + q": lambda p, q: p + q,
    "p - q": lambda p, q: p - q,
    "2 * p": lambda p, q: 2 * p,
    "p * 0.5": lambda p, q: p * 0.5,
    "p / 4": lambda p, q: p / 4,
    "-p": lambda p, q: -p,
    "+p": lambda p, q: +p,
    "np.float64(3) * p": lambda p, q: np.float64(3) * p,
    "np.array(3.0) * p": lambda p, q: np.array(3.0) * p,
    "sum([p, q, p])": lambda p, q: sum([p, q, p]),
    "p - 0.1 * (p + q)": lambda p, q: p - 0.1 * (p + q),
}


def pair(dtype, lead=()):
    """Two of one layout."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=(*lead, *shape)).astype(dtype)  # noqa: E731
    layout = dg.Params({"w": np.zeros((2, 3), dtype), "b": np.zeros(2, dtype)}).layout
    return tuple(dg.Params.from_vector(layout, draw(8)) for _ in range(2))


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("operate", SUMS.values(), ids=SUMS)
def test_they_are_vectors(operate, dtype):
    for lead in ((), (3,)):
        p, q = pair(dtype, lead)
        before = p.vector.copy()
        found = operate(p, q)
        assert type(found) is dg.Params
        assert found.layout is p.layout
        scalar = lambda v: v.astype(dtype)  # noqa: E731
        np.testing.assert_allclose(found.vector, scalar(np.asarray(operate(p.vector, q.vector))), rtol=1e-6)
        assert found.dtype == dtype
        found.vector[:] = 0
        np.testing.assert_array_equal(p.vector, before)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
def test_in_place(dtype):
    p, q = pair(dtype)
    view, expected = p["w"], (p.vector - 2 * q.vector) * 3 / 4 + q.vector
    same = p
    p -= 2 * q
    p *= 3
    p /= np.float64(4)
    p += {"w": q["w"], "b": q["b"]}
    assert p is same
    np.testing.assert_allclose(p.vector, expected, rtol=1e-5)
    assert np.shares_memory(view, p.vector)


def test_products_and_norms():
    p, q = pair("f8")
    assert p @ q == p.vector @ q.vector
    assert p @ {"w": q["w"], "b": q["b"]} == p @ q
    np.testing.assert_allclose(p.norm(), np.sqrt(p @ p))
    many, _ = pair("c16", (4,))
    np.testing.assert_allclose(many.norm(), np.linalg.norm(many.vector, axis=-1))
    assert pair("f4")[0].norm().dtype == np.float32
    tiny = 1e-200 * p
    np.testing.assert_allclose(tiny.norm(), 1e-200 * p.norm())
    assert dg.Params({"a": np.zeros(2)}).norm() == 0
    assert np.isnan(dg.Params({"a": np.array([np.nan])}).norm())
    assert dg.Params({"a": np.array([np.inf, 1])}).norm() == np.inf


@pytest.mark.parametrize("of", ["plain", "dual"])
def test_products_of_many(of):
    many, others = pair("f8", (3,))
    one = pair("f8")[1]
    each = [dg.Params.from_vector(many.layout, v) for v in many.vector]
    for p, q in ((many, one), (one, many), (many, others), (others, many)):
        f = (lambda t: (t * p) @ q) if of == "dual" else lambda t: p @ q  # noqa: B023
        expected = np.sum(p.vector * q.vector, axis=-1)
        found = dg.derivative(f)(2.0) if of == "dual" else f(2.0)
        np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(many @ one, [p @ one for p in each])


NUMBERS = [
    2, -3, 10**30, 2.5, True - 0.5, 1j, fractions.Fraction(1, 3), np.int8(3), np.uint64(2**63), np.float16(0.1),
    np.float32(0.1), np.longdouble(0.1), np.complex64(1 + 1j), np.array(2), np.array(0.25, "f4"),
]  # fmt: skip


@pytest.mark.parametrize("c", NUMBERS, ids=repr)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
def test_every_kind_of_number(c, dtype):
    p, _ = pair(dtype)
    plain = complex(c) if np.iscomplexobj(c) else float(c)
    for found, expected in ((c * p, plain * p.vector), (p * c, plain * p.vector), (p / c, p.vector / plain)):
        assert (
            found.dtype
            == expected.dtype
            == np.result_type(dtype, np.result_type(p.dtype, 1j) if np.iscomplexobj(c) else dtype)
        )
        np.testing.assert_array_equal(found.vector, expected)


def test_buffers_go_with_the_first():
    p, q = pair("f8")
    kept = dg.Params(p, {"mean": np.ones(2)})
    for found in (kept - q, q + kept, 2 * kept, -kept):
        np.testing.assert_array_equal(found.buffers["mean"], [1, 1])
        assert found.buffers["mean"] is not kept.buffers["mean"]


def test_arithmetic_has_derivatives():
    p, q = pair("f8")

    def f(p, t):
        return (p - t * (2 * p + q)).norm() + p @ (p / 2 - q * t)

    def of_vectors(v, t):
        return np.linalg.norm(v - t * (2 * v + q.vector)) + v @ (v / 2 - q.vector * t)

    g = dg.grad(f)(p, 0.3)
    np.testing.assert_allclose(g.vector, dg.grad(of_vectors)(p.vector, 0.3))
    np.testing.assert_allclose(
        dg.derivative(lambda t: f(p, t))(0.3), dg.derivative(lambda t: of_vectors(p.vector, t))(0.3)
    )
    along = dg.jvp(lambda p: 2 * p - q, (p,), (pair("f8", (3,))[0],))[1]
    assert along.vector.shape == (3, 8)


REFUSED = {
    "another layout": (lambda p, q: p + dg.Params({"w": np.ones(2)}), dg.LayoutError, "the same names and shapes"),
    "other names": (lambda p, q: p + {"w": p["w"]}, dg.LayoutError, "the same names and shapes"),
    "a number": (lambda p, q: p + 1, TypeError, "unsupported operand"),
    "an array": (lambda p, q: p + p.vector, TypeError, "ufunc|unsupported"),
    "times an array": (lambda p, q: p * np.ones(8), TypeError, "ufunc|unsupported"),
    "an array times": (lambda p, q: np.ones(8) * p, TypeError, "ufunc|unsupported"),
    "entry by entry": (lambda p, q: p * q, TypeError, "unsupported operand"),
    "a bool": (lambda p, q: True * p, TypeError, "unsupported operand"),
    "a ufunc": (lambda p, q: np.sin(p), TypeError, "does not support ufuncs"),
    "a decimal": (lambda p, q: decimal.Decimal(2) * p, TypeError, "unsupported operand"),
    "a bool of NumPy": (lambda p, q: np.bool(True) * p, TypeError, "unsupported operand|ufunc"),
    "an array of one": (lambda p, q: p * np.ones(1), TypeError, "unsupported operand|ufunc"),
    "too large": (lambda p, q: p * 10**400, OverflowError, "too large"),
    "directions in place": (lambda p, q: p.__iadd__(pair("f8", (3,))[0]), dg.LayoutError, r"3 directions.*p = p \+ q"),
    "in place, complex": (lambda p, q: p.__imul__(1j), TypeError, "same_kind"),
    "in place, with tangents": (
        lambda p, q: dg.jvp(lambda p: p.__iadd__(q), (p,), (q,)), TypeError, r"write p = p \+ q",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_vector_is_refused(call, error, says):
    p, q = pair("f8")
    before = p.vector.copy()
    with pytest.raises(error, match=says):
        call(p, q)
    np.testing.assert_array_equal(p.vector, before)
