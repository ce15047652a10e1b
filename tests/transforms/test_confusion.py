"""Perturbation confusion: every derivative sees its own perturbation and no other's."""

import numpy as np
import pytest

import dualgrad as dg

D = dg.derivative


def test_the_classic():
    """d/dx (x · d/dy (x + y)) = 1 (Siskind and Pearlmutter 2005)."""
    assert D(lambda x: x * D(lambda y: x + y)(1.0))(1.0) == 1


def test_products_of_variables():
    assert D(lambda x: x * D(lambda y: x * y)(2.0))(3.0) == 6  # x · x
    assert D(lambda x: D(lambda y: x * x * y)(2.0))(3.0) == 6
    assert D(lambda x: D(lambda y: x**2 * y**3)(x))(1.5) == pytest.approx(D(lambda x: 3 * x**4)(1.5))


def test_the_inner_derivative_of_a_function_of_the_outer_variable_alone_is_zero():
    assert D(lambda x: D(lambda y: x * x)(x))(3.0) == 0
    assert D(lambda x: x * D(lambda y: x)(x))(3.0) == 0


def test_three_levels():
    f = lambda x: x * D(lambda y: y * y * D(lambda z: x * y * z)(1.0))(x)  # noqa: E731
    # d/dz = xy; y² · xy = x y³, d/dy at x = 3 x³; x · 3x³ = 3x⁴
    assert D(f)(2.0) == pytest.approx(12 * 8)
    assert D(D(f))(2.0) == pytest.approx(36 * 4)


def test_the_same_function_at_every_level():
    f = np.sin
    assert D(lambda x: D(f)(x) * f(x))(0.7) == pytest.approx(np.cos(1.4))
    assert D(lambda x: D(lambda y: f(y) * D(f)(x))(x))(0.7) == pytest.approx(-2 * np.sin(0.7) * np.cos(0.7))


def test_a_mutated_closure():
    """ForwardDiff.jl #443: a variable outside the inner function, written inside it."""

    def outer(x):
        seen = []

        def inner(y):
            seen.append(dg.primal(y) * x)
            return x * y

        slope = D(inner)(2.0)
        return seen[-1] * slope  # 2x · x

    assert D(outer)(3.0) == 12


def test_an_accumulator_shared_by_two_levels():
    def outer(x):
        total = np.zeros_like(x, shape=2)
        total[0] = x
        total[1] = D(lambda y: y * y * total[0])(x)  # 2 x²
        return total[0] * total[1]  # 2 x³

    assert D(outer)(3.0) == 54


def test_a_leaked_inner_dual_is_an_error_and_not_a_number():
    def outer(x):
        leaked = []
        D(lambda y: leaked.append(y) or y)(2.0)
        return x * leaked[0]

    with pytest.raises(dg.LevelError, match="ended"):
        D(outer)(3.0)


def test_siblings_do_not_meet():
    f = lambda x: D(lambda y: x * y * y)(3.0) * D(lambda z: x + z * z)(4.0)  # noqa: E731
    assert D(f)(5.0) == 48


@pytest.mark.parametrize("k", [1, 2, 5])
def test_outer_duals_inside_k_directions(k):
    """The inner jvp pushes K directions while the outer variable is a constant to it."""
    w, vs = np.array([1.0, -2.0, 0.5]), np.random.default_rng(0).normal(size=(k, 3))

    def outer(x):
        y, dy = dg.jvp(lambda w: np.sum(w * w) * x + x * x, (w,), (vs,))
        return np.sum(dy) * y

    slope = np.sum(2 * vs @ w)
    square = np.sum(w * w)
    expected = D(lambda x: slope * x * (square * x + x * x))(1.5)
    assert D(outer)(1.5) == pytest.approx(expected)


def test_k_directions_over_and_under_one_another():
    """∂²(wᵀ A x)/∂x∂w by K directions inside, L outside."""
    a = np.arange(6.0).reshape(2, 3)

    def outer(x):
        return dg.jvp(lambda w: w @ (a @ x), (np.ones(2),), (np.eye(2),))[1]

    y, dy = dg.jvp(outer, (np.ones(3),), (np.eye(3),))
    np.testing.assert_allclose(y, a.sum(1))
    np.testing.assert_allclose(dy, a.T)


def test_closures_over_outer_duals_with_batches():
    def outer(x):
        inner = dg.jacfwd(lambda w: np.tanh(w * x) * np.sum(x))(np.array([0.3, -0.2]))
        return np.sum(inner**2)

    x = np.array([0.5, 1.5])
    exact = dg.grad(outer)(x)
    step = 1e-6
    for k in range(2):
        e = step * np.eye(2)[k]
        np.testing.assert_allclose(exact[k], (outer(x + e) - outer(x - e)) / (2 * step), rtol=1e-8)


def test_grad_inside_jvp_inside_hessian():
    def f(x):
        g = dg.grad(lambda y: np.sum(y**3 * x))
        return np.sum(dg.jvp(g, (x,), (np.ones(2),))[1] * x)  # Σ 6 y x · x at y = x: 6 x³

    x = np.array([0.5, -1.5])
    np.testing.assert_allclose(dg.hessian(f)(x), np.diag(36 * x))


def test_hvp_is_the_hessian_times_the_vector():
    f = lambda x: np.prod(np.sin(x)) + x[0] * D(lambda t: np.sum(x * t**2))(x[1])  # noqa: E731
    x, v = np.array([0.4, 1.1, -0.7]), np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(dg.hvp(f, x, v), dg.hessian(f)(x) @ v, rtol=1e-12)
    h = dg.hessian(f)(x)
    np.testing.assert_allclose(h, h.T, rtol=1e-12)


def test_a_tangent_that_is_itself_differentiated():
    f = lambda t: dg.jvp(np.exp, (t,), (t * t,))[1]  # noqa: E731  (t² eᵗ)
    assert D(f)(1.3) == pytest.approx((2 * 1.3 + 1.3**2) * np.exp(1.3))


def test_inner_constants_and_outer_tangents_of_params():
    params = dg.Params({"w": np.array([1.0, 2.0]), "b": np.array(0.5)})

    def outer(p):
        return D(lambda t: np.sum(p["w"] * t**2) * p["b"])(3.0)  # 2·3·Σw·b

    np.testing.assert_allclose(dg.grad(outer)(params).vector, [3, 3, 18])


def test_an_inner_gradient_step():
    """Differentiating through one step of descent, the tangent of the learning rate."""

    w0 = np.array([1.0, -2.0])

    def after_step(rate):
        w = w0 - rate * dg.grad(lambda w: np.sum(w**4))(w0)
        return np.sum(w**2)

    expected = np.sum(2 * (w0 - 0.1 * 4 * w0**3) * (-4 * w0**3))
    assert D(after_step)(0.1) == pytest.approx(expected)


def test_custom_rules_do_not_confuse():
    @dg.custom_jvp
    def times(x, y):
        return x * y

    times.defjvp(lambda p, t: (times(*p), times(t[0], p[1]) + times(p[0], t[1])))
    assert D(lambda x: x * D(lambda y: times(x, y))(2.0))(3.0) == 6
