"""The transforms over every kind of tree, their errors, rules of one's own, and threads."""

import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.dual import LIVE
from tests.support.strict import device

Point = namedtuple("Point", "x y")
X = np.array([0.5, -1.2, 2.0])
V = np.array([1.0, 2.0, -1.0])


# ---------------------------------------------------------------------- jvp


def test_jvp_of_an_array():
    y, dy = dg.jvp(np.exp, (X,), (V,))
    np.testing.assert_array_equal(y, np.exp(X))
    np.testing.assert_allclose(dy, np.exp(X) * V)


def test_jvp_of_several_arguments_and_numbers():
    y, dy = dg.jvp(lambda a, b, c: a * b + c, (2.0, X, 1j), (1.0, V, 0j))
    np.testing.assert_allclose(y, 2 * X + 1j)
    np.testing.assert_allclose(dy, X + 2 * V)


TREES = [
    ({"a": X, "b": 2.0}, {"a": V, "b": 3.0}, lambda t: t["a"] * t["b"]),
    ([X, 2.0], [V, 3.0], lambda t: t[0] * t[1]),
    ((X, (2.0,)), (V, (3.0,)), lambda t: t[0] * t[1][0]),
    (Point(X, 2.0), Point(V, 3.0), lambda t: t.x * t.y),
    ({"a": [X, None], "b": {"c": (2.0,)}}, {"a": [V, None], "b": {"c": (3.0,)}}, lambda t: t["a"][0] * t["b"]["c"][0]),
    ({"b": 2.0, "a": X}, {"a": V, "b": 3.0}, lambda t: t["a"] * t["b"]),
    (dg.Params({"a": X, "b": np.array(2.0)}), dg.Params({"a": V, "b": np.array(3.0)}), lambda t: t["a"] * t["b"]),
    (dg.Params({"a": X, "b": np.array(2.0)}), {"a": V, "b": np.array(3.0)}, lambda t: t["a"] * t["b"]),
]


@pytest.mark.parametrize(("x", "v", "f"), TREES)
def test_jvp_of_trees(x, v, f):
    y, dy = dg.jvp(f, (x,), (v,))
    np.testing.assert_allclose(y, 2 * X)
    np.testing.assert_allclose(dy, 2 * V + 3 * X)


@pytest.mark.parametrize(("x", "v", "f"), TREES)
def test_jvp_gives_the_function_its_own_containers_and_keeps_the_output_s(x, v, f):
    def g(t):
        assert type(t) is type(x)
        return {"y": f(t), "more": [f(t) * 2, None, Point(f(t), 1.0)]}

    y, dy = dg.jvp(g, (x,), (v,))
    for tree, factor in ((y, 2 * X), (dy, 2 * V + 3 * X)):
        assert tree["more"][1] is None
        assert type(tree["more"][2]) is Point
        np.testing.assert_allclose(tree["y"], factor)
        np.testing.assert_allclose(tree["more"][0], 2 * factor)
    assert dy["more"][2].y == 0


def test_jvp_of_k_directions_over_a_tree():
    x, vs = {"a": X, "b": 2.0}, {"a": np.eye(3), "b": np.zeros(3)}
    y, dy = dg.jvp(lambda t: t["a"] * t["b"], (x,), (vs,))
    np.testing.assert_allclose(y, 2 * X)
    np.testing.assert_allclose(dy, 2 * np.eye(3))


def test_params_come_back_as_params():
    params = dg.Params({"w": np.ones((2, 2)), "b": X[:2]})
    y, dy = dg.jvp(lambda p: {"out": p, "sum": np.sum(p.vector)}, (params,), (params,))
    assert isinstance(y["out"], dg.Params)
    assert isinstance(dy["out"], dg.Params)
    np.testing.assert_array_equal(dy["out"].vector, params.vector)
    assert dy["sum"] == y["sum"] == params.vector.sum()


def test_has_aux_drops_the_tangent_of_aux():
    _y, dy, aux = dg.jvp(lambda x: (x * x, {"twice": 2 * x, "note": "text"}), (X,), (V,), has_aux=True)
    np.testing.assert_array_equal(dy, 2 * X * V)
    assert type(aux["twice"]) is np.ndarray
    assert aux["note"] == "text"


def test_has_aux_keeps_outer_levels():
    def outer(x):
        return dg.jvp(lambda y: (y * y, y * x), (X,), (V,), has_aux=True)[2]

    np.testing.assert_array_equal(dg.jvp(outer, (X,), (V,))[1], X * V)


@pytest.mark.parametrize("lead", [(), (2,)])
def test_constant_outputs_have_zero_tangents(lead):
    out = [3.0, 2, True, np.float32(1.5), np.arange(3), X, np.ones(2, np.float32), 1j]
    y, dy = dg.jvp(lambda x: out, (X,), (np.ones((*lead, 3)),))
    for value, tangent, expected in zip(y, dy, out, strict=True):
        assert value is expected
        assert tangent.shape == lead + np.shape(expected)
        assert np.issubdtype(tangent.dtype, np.inexact)
        assert not tangent.any()
    assert dy[3].dtype == dy[6].dtype == np.float32
    assert dy[7].dtype == complex


def test_a_zero_number_of_directions():
    y, dy = dg.jvp(lambda x: np.matmul(np.tanh(x), np.ones((3, 2))), (X,), (np.zeros((0, 3)),))
    assert y.shape == (2,)
    assert dy.shape == (0, 2)


def test_precision_is_the_primal_s():
    x = X.astype(np.float32)
    _, dy = dg.jvp(np.sin, (x,), (V,))
    assert dy.dtype == np.float32


def test_levels_close_also_when_the_function_raises():
    before = dict(LIVE)
    with pytest.raises(ZeroDivisionError):
        dg.jvp(lambda x: 1 // 0, (X,), (V,))
    assert before == LIVE


# ---------------------------------------------------------------------- bad input, each with its message

BAD = [
    ((X, V), "takes a tuple of primals", TypeError),
    (((X,), (V, V)), "got 1 primals and 2 tangents", dg.StructureError),
    (((X,), (np.ones(2),)), r"tangents\[0\] has shape \(2,\); expected \(3,\)", dg.ShapeError),
    (((X,), (np.ones(1),)), "never broadcasts", dg.ShapeError),
    (((X,), (1.0,)), "never broadcasts", dg.ShapeError),
    (((X,), (np.ones((3, 1)),)), r"or \(K, 3\) for K directions", dg.ShapeError),
    (((X,), (np.ones((2, 2, 3)),)), "never broadcasts", dg.ShapeError),
    (((2.0,), (np.ones((1, 1)),)), "never broadcasts", dg.ShapeError),
    (((X, X), (np.ones((2, 3)), np.ones((4, 3)))), "same number of directions", dg.ShapeError),
    (((X, X), (np.ones((2, 3)), V)), r"tangents\[1\] has no K", dg.ShapeError),
    ((({"a": X},), ({"b": V},)), r"missing \['a'\], unexpected \['b'\]", dg.StructureError),
    ((({"a": X},), ({"a": V, "b": V},)), r"unexpected \['b'\]", dg.StructureError),
    ((({"a": X},), (V,)), r"tangents\[0\] is a ndarray; expected a mapping", dg.StructureError),
    (((X,), ({"a": V},)), r"tangents\[0\] is a dict; expected an array there", dg.StructureError),
    ((([X, X],), ([V],)), r"missing \['1'\]", dg.StructureError),
    ((([X, None],), ([V, V],)), r"tangents\[0\]\[1\] is a ndarray; expected None", dg.StructureError),
    ((({"a": [X]},), ({"a": [np.ones(2)]},)), r"tangents\[0\]\['a'\]\[0\] has shape \(2,\)", dg.ShapeError),
    (((np.arange(3),), (V,)), r"primals\[0\] has dtype int64; .* write 3\.0 for 3", TypeError),
    (((3,), (1.0,)), r"primals\[0\] has type int", TypeError),
    (((True,), (1.0,)), "has type bool", TypeError),
    (((X > 0,), (V,)), "has dtype bool", TypeError),
    (((np.array([1.0, None]),), (np.ones(2),)), "has dtype object", TypeError),
    ((("text",), (1.0,)), "has type str", TypeError),
    ((({"a": {"b": 1}},), ({"a": {"b": 1.0}},)), r"primals\[0\]\['a'\]\['b'\] has type int", TypeError),
    (((X,), (V * 1j,)), r"tangents\[0\] has dtype complex128, which does not fit the primal's float64", TypeError),
    (((X,), (device(V),)), "expected both on one device", TypeError),
    (((device(X),), (V,)), "expected both on one device", TypeError),
]


@pytest.mark.parametrize(("args", "message", "error"), BAD)
def test_bad_input_is_named(args, message, error):
    before = dict(LIVE)
    with pytest.raises(error, match=message):
        dg.jvp(lambda *a: a[0], *args)
    assert before == LIVE


def test_has_aux_needs_a_pair():
    with pytest.raises(TypeError, match=r"must return a pair \(y, aux\)"):
        dg.jvp(np.sin, (X,), (V,), has_aux=True)


def test_host_and_device_do_not_mix_inside_either():
    with pytest.raises(TypeError):
        dg.jvp(lambda x: x + V, (device(X),), (device(V),))


def test_an_integer_tangent_takes_the_primal_s_dtype():
    assert dg.jvp(np.sin, (X,), (np.ones(3, int),))[1].dtype == float


# ---------------------------------------------------------------------- derivative, grad, jacfwd, hessian, hvp


def test_derivative_composes():
    f = dg.derivative(dg.derivative(dg.derivative(np.sin)))
    np.testing.assert_allclose(f(0.7), -np.cos(0.7), rtol=1e-14)


def test_derivative_of_an_array_valued_function():
    np.testing.assert_allclose(dg.derivative(lambda t: np.stack([t, t * t]))(3.0), [1, 6])


def test_derivative_takes_scalars_only():
    with pytest.raises(dg.ShapeError, match="use jacfwd or grad"):
        dg.derivative(np.sin)(X)


def test_complex_derivative_checks_holomorphy():
    np.testing.assert_allclose(dg.derivative(np.exp)(1 + 2j), np.exp(1 + 2j))
    with pytest.raises(ValueError, match="Cauchy-Riemann"):
        dg.derivative(np.abs)(1 + 2j)


def quadratic(t):
    return np.sum(t["w"] ** 2) * t["b"] + t["nest"][0] * np.sin(t["nest"][1].x)


def test_grad_comes_in_the_argument_s_structure():
    x = {"w": np.array([1.0, 2.0]), "b": 3.0, "nest": (np.array(2.0), Point(0.5, None))}
    value, g = dg.value_and_grad(quadratic)(x)
    np.testing.assert_allclose(value, 15 + 2 * np.sin(0.5))
    np.testing.assert_allclose(g["w"], [6, 12])
    np.testing.assert_allclose([g["b"], g["nest"][0], g["nest"][1].x], [5, np.sin(0.5), 2 * np.cos(0.5)])
    assert g["nest"][1].y is None
    assert type(g["nest"][1]) is Point


def test_grad_of_params_is_params():
    params = dg.Params({"w": np.ones((2, 2)), "b": X[:2]})
    g = dg.grad(lambda p: np.sum(p.vector**3) + p["b"][0])(params)
    assert isinstance(g, dg.Params)
    np.testing.assert_allclose(g.vector, 3 * params.vector**2 + [0, 0, 0, 0, 1, 0])


@pytest.mark.parametrize("chunk", [None, 1, 2, 3, 7])
def test_chunks_do_not_change_the_result(chunk):
    x = np.linspace(0.1, 1, 7)
    f = lambda x: np.prod(np.tanh(x)) + np.sum(x[1:] * x[:-1] ** 2)  # noqa: E731
    np.testing.assert_allclose(dg.grad(f, chunk=chunk)(x), dg.grad(f)(x), rtol=1e-14)
    np.testing.assert_allclose(dg.jacfwd(np.cumprod, chunk=chunk)(x), dg.jacfwd(np.cumprod)(x), rtol=1e-14)
    np.testing.assert_allclose(dg.hessian(f, chunk=chunk)(x), dg.hessian(f)(x), rtol=1e-13)
    np.testing.assert_allclose(dg.hvp(f, x, x, chunk), dg.hessian(f)(x) @ x, rtol=1e-13)


@pytest.mark.parametrize("chunk", [0, -1, 2.5, "all"])
def test_a_chunk_is_a_positive_number(chunk):
    with pytest.raises(ValueError, match="chunk"):
        dg.grad(np.sum, chunk=chunk)(X)


def test_complex_gradient_points_uphill():
    z = np.array([1 + 2j, -0.5j])
    np.testing.assert_allclose(dg.grad(lambda z: np.sum(np.abs(z) ** 2))(z), 2 * z)


def test_grad_wants_a_real_scalar():
    with pytest.raises(dg.ShapeError, match=r"f returned shape \(3,\): use jacfwd"):
        dg.grad(np.sin)(X)
    with pytest.raises(TypeError, match="returned a complex number"):
        dg.grad(lambda x: np.sum(x) * 1j)(X)


def test_grad_of_a_constant_is_zero():
    np.testing.assert_array_equal(dg.grad(lambda x: 3.0)(X), 0 * X)
    np.testing.assert_array_equal(dg.hessian(lambda x: np.sum(x))(X), np.zeros((3, 3)))
    np.testing.assert_array_equal(dg.jacfwd(lambda x: np.ones(2))(X), np.zeros((2, 3)))


def test_empty_arguments():
    assert dg.grad(lambda x: np.sum(x * x))(np.zeros(0)).shape == (0,)
    assert dg.jacfwd(np.sin)(np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert dg.grad(lambda t: np.sum(t["a"]) + t["b"])({"a": np.zeros(0), "b": 1.0})["b"] == 1
    assert dg.jacfwd(lambda x: x[:0])(X).shape == (0, 3)


def test_jacfwd_shapes_and_argnum():
    f = lambda a, b: np.outer(a, b)  # noqa: E731
    assert dg.jacfwd(f)(X, V[:2]).shape == (3, 2, 3)
    j = dg.jacfwd(f, argnum=1)(X, V[:2])
    np.testing.assert_allclose(j, X[:, None, None] * np.eye(2))
    np.testing.assert_allclose(dg.jacfwd(np.sin)(0.5), np.cos(0.5))
    assert dg.jacfwd(lambda x: x.sum())(np.ones((2, 2))).shape == (2, 2)


def test_jacfwd_of_trees_nests_the_argument_in_the_output():
    j = dg.jacfwd(lambda t: {"u": t["a"] * t["b"], "v": (t["b"] ** 2,)})({"a": X, "b": 2.0})
    np.testing.assert_allclose(j["u"]["a"], 2 * np.eye(3))
    np.testing.assert_allclose(j["u"]["b"], X)
    np.testing.assert_allclose(j["v"][0]["a"], np.zeros(3))
    assert j["v"][0]["b"] == 4


def test_jacfwd_of_a_holomorphic_function():
    a = np.array([[1 + 1j, 2], [0.5j, -1]])
    np.testing.assert_allclose(dg.jacfwd(lambda z: a @ z)(np.array([1j, 2 + 1j])), a)
    with pytest.raises(ValueError, match="not holomorphic"):
        dg.jacfwd(np.conj)(np.array([1j, 2 + 1j]))


def test_hessian_of_a_tree_nests_twice():
    h = dg.hessian(lambda t: t["a"] @ t["a"] * t["b"])({"a": X, "b": 2.0})
    np.testing.assert_allclose(h["a"]["a"], 4 * np.eye(3))
    np.testing.assert_allclose(h["a"]["b"], 2 * X)
    np.testing.assert_allclose(h["b"]["a"], 2 * X)
    assert h["b"]["b"] == 0


def test_hessian_of_a_vector_function_and_third_derivatives():
    h = dg.hessian(lambda x: x**3)(X)
    np.testing.assert_allclose(np.einsum("iii->i", h), 6 * X)
    third = dg.jacfwd(dg.hessian(lambda x: np.prod(x)))(X)
    np.testing.assert_allclose(third[0, 1, 2], 1)
    np.testing.assert_allclose(third, np.transpose(third, (2, 0, 1)))


def test_hvp_of_params():
    params = dg.Params({"w": np.array([1.0, 2.0]), "b": np.array(3.0)})
    product = dg.hvp(lambda p: np.sum(p["w"] ** 2) * p["b"], params, params)
    assert isinstance(product, dg.Params)
    np.testing.assert_allclose(product.vector, [2 * 3 * 1 + 2 * 1 * 3, 2 * 3 * 2 + 2 * 2 * 3, 2 * 1 + 4 * 2])


def test_inputs_are_untouched():
    x, v = X.copy(), V.copy()

    def f(x):
        y = x.copy()
        y *= 2
        return np.sum(y * x)

    dg.jvp(f, (x,), (v,))
    dg.grad(f)(x)
    dg.hessian(f)(x)
    dg.hvp(f, x, v)
    assert np.array_equal(x, X)
    assert np.array_equal(v, V)


def test_transforms_keep_the_function_s_name():
    for transform in (dg.derivative, dg.grad, dg.value_and_grad, dg.jacfwd, dg.hessian):
        assert transform(quadratic).__name__ == "quadratic"


# ---------------------------------------------------------------------- on a device


def test_transforms_on_a_strict_device():
    x = device(X)
    f = lambda x: np.sum(np.tanh(x) * x**2)  # noqa: E731
    np.testing.assert_allclose(dg.grad(f)(x).get(), dg.grad(f)(X))
    np.testing.assert_allclose(dg.jacfwd(np.cumprod, chunk=2)(x).get(), dg.jacfwd(np.cumprod)(X))
    np.testing.assert_allclose(dg.hessian(f)(x).get(), dg.hessian(f)(X))
    np.testing.assert_allclose(dg.hvp(f, x, device(V)).get(), dg.hvp(f, X, V))


# ---------------------------------------------------------------------- rules of one's own


def cube_rule(primals, tangents):
    (x,), (dx,) = primals, tangents
    return np.cbrt(x), dx / (3 * np.cbrt(x) ** 2)


def test_defjvp_adds_a_rule_that_nests_and_takes_k(tables):
    dg.defjvp(np.cbrt, cube_rule)
    assert dg.supported()[np.cbrt] == "explicit"
    x = np.array([1.0, 8.0])
    np.testing.assert_allclose(dg.jacfwd(np.cbrt)(x), np.diag([1 / 3, 1 / 12]))
    np.testing.assert_allclose(dg.derivative(dg.derivative(np.cbrt))(8.0), -1 / 144)


def test_defjvp_of_an_array_function_with_keywords(tables):
    def rule(primals, tangents, axis=None):
        return np.median(primals[0], axis=axis), np.mean(tangents[0], axis=axis)

    dg.defjvp(np.median, rule)
    _y, dy = dg.jvp(lambda x: np.median(x, axis=1), (np.ones((2, 3)),), (np.arange(6.0).reshape(2, 3),))
    np.testing.assert_array_equal(dy, [1, 4])


def test_defjvp_refuses_what_it_could_not_reach():
    with pytest.raises(TypeError, match="does not dispatch"):
        dg.defjvp(quadratic, cube_rule)
    with pytest.raises(TypeError, match="expected a function"):
        dg.defjvp(np.cbrt, 3)


def make_log1pexp():
    @dg.custom_jvp
    def log1pexp(x, scale=1.0):
        """log(1 + exp(x))."""
        return np.log1p(np.exp(x)) * scale

    @log1pexp.defjvp
    def rule(primals, tangents):
        (x, scale), (dx, dscale) = primals, tangents
        y = log1pexp(x, scale)
        return y, dx * scale / (1 + np.exp(-x)) + dscale * y / scale

    return log1pexp


def test_custom_jvp():
    f = make_log1pexp()
    plain = lambda x, scale=1.0: np.log1p(np.exp(x)) * scale  # noqa: E731
    assert f.__name__ == "log1pexp"
    assert f(0.0) == np.log(2)
    np.testing.assert_allclose(dg.jacfwd(f)(X), dg.jacfwd(plain)(X), rtol=1e-13)
    np.testing.assert_allclose(dg.hessian(f)(X), dg.hessian(plain)(X), rtol=1e-12)
    np.testing.assert_allclose(dg.jacfwd(lambda s: f(X, scale=s))(2.0), f(X))
    third = dg.derivative(dg.derivative(dg.derivative(f)))
    np.testing.assert_allclose(third(0.3), dg.derivative(dg.derivative(dg.derivative(plain)))(0.3))


def test_custom_jvp_over_trees():
    @dg.custom_jvp
    def f(t):
        return {"y": t["a"] * t["b"][0]}

    @f.defjvp
    def rule(primals, tangents):
        (t,), (dt,) = primals, tangents
        return f(t), {"y": dt["a"] * t["b"][0] + t["a"] * dt["b"][0]}

    x, v = {"a": X, "b": [2.0]}, {"a": V, "b": [1.0]}
    _y, dy = dg.jvp(f, (x,), (v,))
    np.testing.assert_allclose(dy["y"], 2 * V + X)
    _, dy = dg.jvp(f, (x,), ({"a": np.eye(3), "b": [np.zeros(3)]},))
    np.testing.assert_allclose(dy["y"], 2 * np.eye(3))


def test_custom_jvp_result_is_fresh():
    @dg.custom_jvp
    def same(x):
        return x

    same.defjvp(lambda primals, tangents: (primals[0], tangents[0]))

    def program(x):
        y = x.copy()
        z = same(y)
        z *= 2
        return y

    _, dy = dg.jvp(program, (X,), (V,))
    np.testing.assert_array_equal(dy, V)


def test_a_custom_rule_cannot_depend_on_a_dual_beside_its_arguments():
    def program(a):
        @dg.custom_jvp
        def scaled(x):
            return a * x

        scaled.defjvp(lambda primals, tangents: (a * primals[0], a * tangents[0]))
        return scaled(2 * a)

    with pytest.raises(dg.LevelError, match="the rule of scaled depends on a Dual beside its arguments"):
        dg.jvp(program, (X,), (V,))


def test_custom_jvp_errors():
    @dg.custom_jvp
    def f(x):
        return x

    assert f(1.0) == 1.0
    with pytest.raises(NotImplementedError, match=r"f has no rule yet: decorate one with @f\.defjvp"):
        dg.derivative(f)(1.0)
    f.defjvp(lambda primals, tangents: primals[0])
    with pytest.raises(TypeError, match=r"expected a pair \(y, dy\)"):
        dg.jvp(f, (X,), (V,))
    f.defjvp(lambda primals, tangents: (primals[0], tangents[0][:1]))
    with pytest.raises(dg.ShapeError, match="the rule of f returned y of shape"):
        dg.jvp(f, (X,), (V,))
    f.defjvp(lambda primals, tangents: (primals[0], [tangents[0]]))
    with pytest.raises(dg.ShapeError, match="the rule of f"):
        dg.jvp(f, (X,), (V,))


def test_supported_is_a_copy():
    table = dg.supported()
    table.clear()
    assert dg.supported()[np.tanh] == "elementwise"


# ---------------------------------------------------------------------- a Dual belongs to its jvp


def test_a_dual_outliving_its_jvp_cannot_be_returned_by_another():
    kept = []
    dg.jvp(lambda x: kept.append(x) or x, (X,), (V,))
    with pytest.raises(dg.LevelError, match="ended"):
        dg.jvp(lambda x: kept[0], (X,), (V,))
    with pytest.raises(dg.LevelError, match="ended"):
        dg.jvp(np.sin, (kept[0],), (V,))


def test_a_generator_that_escapes_is_caught():
    lazy = []
    dg.jvp(lambda x: lazy.append(v * x for v in V) or x, (X,), (V,))
    with pytest.raises(dg.LevelError, match="ended"):
        next(lazy[0])


# ---------------------------------------------------------------------- threads


def slow_function(x):
    for _ in range(20):
        x = np.sin(x) * 1.1 + dg.jvp(np.tanh, (x,), (x,))[1] * 0.1
    return np.sum(x)


def test_threads_run_jvps_side_by_side():
    xs = np.random.default_rng(0).uniform(-1, 1, (16, 3))
    expected = [dg.grad(slow_function)(x) for x in xs]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(dg.grad(slow_function), xs))
    np.testing.assert_array_equal(found, expected)


def test_threads_started_inside_a_jvp_use_its_dual():
    def program(x):
        results = [None] * 4

        def work(k):
            with np.errstate(divide="raise"):
                results[k] = np.sin(x * k) * x[k % 3] / x

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return sum(results)

    y, dy = dg.jvp(program, (X,), (V,))
    straight = dg.jvp(lambda x: sum(np.sin(x * k) * x[k % 3] / x for k in range(4)), (X,), (V,))
    np.testing.assert_array_equal(y, straight[0])
    np.testing.assert_array_equal(dy, straight[1])


def test_errstate_is_the_caller_s_own():
    """The tangents' silence does not leak: what the program sets stays set, and divisions of its own still warn."""

    def program(x):
        with np.errstate(divide="raise"):
            y = np.exp(x)
            with pytest.raises(FloatingPointError):
                np.float64(1) / np.float64(0)
            with pytest.raises(FloatingPointError):
                np.log(x * 0)
        return y

    before = np.geterr()
    dg.jvp(program, (X,), (V,))
    assert np.geterr() == before


def test_a_custom_rule_is_heard_in_the_caller_s_errstate():
    @dg.custom_jvp
    def f(x):
        return x

    f.defjvp(lambda primals, tangents: (primals[0], tangents[0] / np.zeros(3)))
    with pytest.raises(RuntimeWarning, match="divide"):
        dg.jvp(f, (X,), (V,))


def test_no_directions_at_all():
    """K = 0, and an empty leaf in a Jacobian, also where a rule goes direction by direction."""
    double = dg.custom_jvp(lambda x: 2 * x)
    double.defjvp(lambda primals, tangents: (2 * primals[0], 2 * tangents[0]))
    for f in (np.exp, double, lambda x: np.kron(x, X), lambda x: np.pad(x, 1), lambda x: np.gradient(x, edge_order=1)):
        y, dy = dg.jvp(f, (X,), (np.zeros((0, 3)),))
        assert dy.shape == (0, *y.shape)
    assert dg.jacfwd(lambda x: np.kron(x, X))(np.zeros(0)).shape == (0, 0)
    assert dg.jacfwd(lambda x: np.pad(double(x), 1))(np.zeros(0)).shape == (2, 0)


@pytest.mark.parametrize("out", ["text", (k for k in range(2)), object()])
def test_an_output_that_is_no_number_is_refused(out):
    with pytest.raises(TypeError, match="expected arrays or numbers"):
        dg.jvp(lambda x: out, (X,), (V,))


def test_extra_outputs_do_not_look_into_the_arguments():
    _, _, aux = dg.jvp(lambda x: (x * 2, {"x": x, "part": x[1:]}), (X,), (V,), has_aux=True)
    assert not any(np.shares_memory(a, X) for a in aux.values())


def test_subclasses_of_ndarray(tmp_path):
    stored = np.memmap(tmp_path / "x", dtype=float, mode="w+", shape=3)
    stored[:] = X
    for v in (V, np.eye(3)):
        for found, expected in zip(
            dg.jvp(lambda x: np.tanh(x) * x, (stored,), (v,)), dg.jvp(lambda x: np.tanh(x) * x, (X,), (v,)), strict=True
        ):
            assert type(found) is np.ndarray
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(dg.jvp(np.exp, (X,), (stored,))[1], np.exp(X) * X)
    with pytest.raises(TypeError, match="MaskedArray; expected a plain array"):
        dg.jvp(np.exp, (np.ma.array(X, mask=[0, 1, 0]),), (V,))
