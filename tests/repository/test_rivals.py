"""Published mistakes of other systems, each with the right answer here.

The numbers are those of the issues: torch is pytorch/pytorch, jax is jax-ml/jax.
"""

import numpy as np
import pytest

import dualgrad as dg


def slope(f, x, v=None):
    x = np.asarray(x, float)
    return dg.jvp(f, (x,), (np.ones_like(x) if v is None else np.asarray(v, float),))[1]


def differences(f, x, v, h=1e-6):
    x, v = np.asarray(x, float), np.asarray(v, float)
    return (f(x + h * v) - f(x - h * v)) / (2 * h)


def second(f, x, v, w):
    """∂²f(x) v w, forward over forward."""
    return slope(lambda x: dg.jvp(f, (x,), (np.asarray(w, float),))[1], x, v)


RNG = np.random.default_rng(0)
M, V, W = RNG.standard_normal((3, 3, 3))


# ---------------------------------------------------------------------- PyTorch


@pytest.mark.parametrize(
    "f",
    [np.linalg.det, lambda x: np.linalg.slogdet(x)[1], lambda x: np.linalg.solve(x, W)[0], np.linalg.inv],
    ids=["det", "slogdet", "solve", "inv"],
)
def test_second_derivatives_in_linear_algebra(f):
    """torch 198017, 192540, 196696, 196697: wrong without an error."""
    x = M + 3 * np.eye(3)
    expected = differences(lambda x: slope(f, x, W), x, V)
    np.testing.assert_allclose(second(f, x, V, W), expected, rtol=1e-6, atol=1e-8)


def test_second_derivative_of_a_normalised_layer():
    """torch 196700: layer_norm."""
    f = lambda x: (x - np.mean(x, -1, keepdims=True)) / np.std(x, -1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose(second(f, M, V, W), differences(lambda x: slope(f, x, W), M, V), rtol=1e-6, atol=1e-7)


def test_cumprod_at_a_zero():
    """torch 196701."""
    np.testing.assert_array_equal(slope(np.cumprod, [2.0, 0.0, 5.0]), [1, 2, 10])


def test_det_at_a_singular_matrix():
    """Forward 0, reverse 1."""
    assert slope(np.linalg.det, np.diag([1.0, 0.0]), np.eye(2)) == 1


def test_degenerate_eigenvectors_have_the_limit_along_a_direction_and_are_not_nan():
    """The direction is diagonal in them, so they stand."""
    v, dv = dg.jvp(lambda x: np.linalg.eigh(x)[1], (np.eye(2),), (np.array([[2.0, 1.0], [1.0, 2.0]]),))
    np.testing.assert_allclose(np.abs(v), 0.5**0.5)
    np.testing.assert_allclose(dv, 0, atol=1e-15)


def test_numpy_functions_keep_the_tangent():
    """A NumPy ufunc and float() drop it."""
    assert slope(lambda x: np.sin(np.stack([x, x])).sum(), 0.0) == 2
    with pytest.raises(dg.TangentLossError):
        slope(float, 1.0)


# ---------------------------------------------------------------------- JAX


@pytest.mark.parametrize(("x", "y"), [(1.0, 1.0), (1.0, -1.0), (-2.0, 2.0)])
def test_hypot_at_a_tie(x, y):
    """A scaled formula was differentiated through the tie of |x| and |y|."""
    f = lambda z: np.hypot(z[0], z[1])  # noqa: E731
    np.testing.assert_allclose(slope(f, [x, y], [1, 0]), x / np.hypot(x, y), rtol=1e-15)
    np.testing.assert_allclose(second(f, [x, y], [1, 0], [1, 0]), y * y / np.hypot(x, y) ** 3, rtol=1e-14)


def test_sinc_near_zero():
    """jax 40629: -0.44 for 7e-16."""
    x = 2.1e-16
    np.testing.assert_allclose(dg.derivative(np.sinc)(x), -(np.pi**2) * x / 3, rtol=1e-13)


def test_tails_of_tanh_and_the_sigmoid():
    """jax 40343, 40342: zero at 20 and at 40."""
    np.testing.assert_allclose(dg.derivative(np.tanh)(20.0), 4 * np.exp(-40.0), rtol=1e-12)
    sigmoid = lambda x: 0.5 + 0.5 * np.tanh(0.5 * x)  # noqa: E731
    np.testing.assert_allclose(dg.derivative(sigmoid)(40.0), np.exp(-40.0), rtol=1e-12)


def test_remainders():
    """jax 11469: lax.rem was wrong for years, within a wide tolerance."""
    f = lambda z: np.fmod(z[0], z[1])  # noqa: E731
    np.testing.assert_array_equal(dg.grad(f)(np.array([-7.5, 2.0])), [1, 3])
    np.testing.assert_array_equal(dg.grad(lambda z: np.remainder(z[0], z[1]))(np.array([-7.5, 2.0])), [1, 4])


def test_norm_and_std_at_zero():
    """jax 21723 and its kin: NaN."""
    assert slope(np.linalg.norm, [0.0, 0.0]) == 0
    assert slope(np.std, [3.0, 3.0], [1.0, 2.0]) == 0


@pytest.mark.parametrize("f", [lambda x: np.maximum(x, 0), lambda x: np.logaddexp(0, x)], ids=["relu", "softplus"])
def test_taylor_mode_of_activations(f):
    """jax 30352: functions with a custom rule cannot be pushed."""
    found = dg.taylor(f, 0.7, 1.0, 3)
    np.testing.assert_allclose(found[1], dg.derivative(f)(0.7), rtol=1e-14)
    np.testing.assert_allclose(2 * found[2], dg.derivative(dg.derivative(f))(0.7), rtol=1e-14)


def test_taylor_mode_of_linear_algebra():
    """jax 26801: solve, inv, cholesky, eigh."""
    x = M @ M.T + np.eye(3)
    for f in (lambda x: np.linalg.solve(x, W), np.linalg.inv, np.linalg.cholesky, np.linalg.eigvalsh):
        np.testing.assert_allclose(2 * dg.taylor(f, x, x, 2)[2], second(f, x, x, x), rtol=1e-10, atol=1e-12)


def test_high_coefficients_do_not_overflow():
    """jax 29624: factorials."""
    found = dg.taylor(lambda x: 1 / (1 - x), 0.0, 1.0, 200)
    np.testing.assert_array_equal(found, np.ones(201))


# ---------------------------------------------------------------------- HIPS autograd


def test_var_over_a_tuple_of_axes():
    """A NameError."""
    f = lambda x: np.var(x, axis=(0, 1))  # noqa: E731
    np.testing.assert_allclose(slope(f, M, V), differences(f, M, V), rtol=1e-7)


@pytest.mark.parametrize("f", [lambda x: np.sort(x, 0), lambda x: np.partition(x, 1), lambda x: np.sort(x, None)])
def test_sort_and_partition_of_matrices(f):
    """Crashed, or gave another shape."""
    np.testing.assert_allclose(slope(f, M, V), differences(f, M, V), atol=1e-8)


def test_prod_with_a_zero_and_sinc_at_zero():
    """NaN."""
    assert slope(np.prod, [2.0, 0.0, 3.0]) == 6
    assert slope(np.sinc, 0.0) == 0


def test_max_below_initial():
    """NaN where ``initial`` exceeds every entry."""
    assert slope(lambda x: np.max(x, initial=9.0), [1.0, 2.0]) == 0


@pytest.mark.parametrize("f", [np.std, np.var, np.mean, np.sum])
def test_moments_with_where(f):
    """std(where=) was wrong, here and in dualpy."""
    mask = np.array([[True, False, True], [True, True, True], [False, True, True]])
    g = lambda x: f(x, axis=1, where=mask)  # noqa: E731
    np.testing.assert_allclose(slope(g, M, V), differences(g, M, V), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("mode", ["maximum", "minimum", "median", "mean", "edge", "reflect", "symmetric", "wrap"])
def test_pad(mode):
    """Wrong for maximum, and in dualpy for edge."""
    f = lambda x: np.pad(x, 2, mode)  # noqa: E731
    np.testing.assert_allclose(slope(f, M, V), differences(f, M, V), atol=1e-8)


def test_containers_do_not_lose_the_tangent():
    """HIPS 8: plain np.concatenate, einsum and block on a box gave zeros."""
    assert slope(lambda x: np.concatenate([x, x]).sum(), [1.0, 2.0]) == 4
    assert slope(lambda x: np.einsum("i,i", x, x), [1.0, 2.0]) == 6
    assert slope(lambda x: np.block([[x, x]]).sum(), [1.0, 2.0]) == 4


def test_a_tangent_of_another_shape_is_refused():
    """It was broadcast."""
    with pytest.raises(dg.ShapeError):
        dg.jvp(np.sin, (np.ones(3),), (np.ones(1),))


# ---------------------------------------------------------------------- dualpy


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.linspace(x[0], x[1], 4),
        lambda x: np.stack(np.meshgrid(x[0], x[1])),
        lambda x: np.copysign(x, -1.0),
        lambda x: np.linalg.norm(x, 1),
        lambda x: np.linalg.norm(x, 2),
        lambda x: np.linalg.norm(x, "nuc"),
    ],
    ids=["linspace", "meshgrid", "copysign", "norm 1", "norm 2", "norm nuc"],
)
def test_silently_wrong_in_dualpy(f):
    np.testing.assert_allclose(slope(f, M, V), differences(f, M, V), rtol=1e-6, atol=1e-8)


def test_perturbation_confusion():
    """d/dx (x d/dy (x + y)) is 1, and 2 for those who mix them up (ForwardDiff 83, dualpy)."""
    assert dg.derivative(lambda x: x * dg.derivative(lambda y: x + y)(1.0))(1.0) == 1


def test_the_callers_arrays_are_not_overwritten():
    x, v = np.ones(2), np.ones(2)

    def f(y):
        y = y.copy()
        y[0] = 7
        return y

    dg.jvp(f, (x,), (v,))
    np.testing.assert_array_equal([x, v], np.ones((2, 2)))
