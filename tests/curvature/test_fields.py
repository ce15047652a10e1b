"""Divergence and curl: identities of vector analysis, Jacobians, many points, and bad input."""

import numpy as np
import pytest

import dualgrad as dg
from tests.support.strict import device, host

X = np.array([0.4, 1.1, 0.7])


def field(x):
    """Of the last axis."""
    a, b, c = x[..., 0], x[..., 1], x[..., 2]
    return np.stack([a * b * c, np.sin(a * c) + b**2, np.exp(b) * a], -1)


def plane(x):
    return np.stack([x[..., 0] * x[..., 1] ** 2, np.sin(x[..., 0]) * x[..., 1]], -1)


def test_the_curl_is_twice_the_skew_part_of_the_jacobian():
    J = dg.jacfwd(field)(X)
    np.testing.assert_allclose(dg.curl(field)(X), [J[2, 1] - J[1, 2], J[0, 2] - J[2, 0], J[1, 0] - J[0, 1]], rtol=1e-14)
    J = dg.jacfwd(plane)(X[:2])
    np.testing.assert_allclose(dg.curl(plane)(X[:2]), J[1, 0] - J[0, 1], rtol=1e-14)


def test_identities():
    potential = lambda x: np.sin(x[0]) * np.exp(x[1] * x[2])  # noqa: E731
    assert np.max(np.abs(dg.curl(dg.grad(potential))(X))) < 1e-14
    assert abs(dg.curl(dg.grad(lambda x: potential(np.stack([x[0], x[1], x[0] * x[1]]))))(X[:2])) < 1e-14
    assert abs(dg.divergence(dg.curl(field))(X)) < 1e-14
    rows = lambda x: np.stack([dg.laplacian(lambda y, k=k: field(y)[k])(x) for k in range(3)])  # noqa: E731
    expected = dg.grad(dg.divergence(field))(X) - rows(X)
    np.testing.assert_allclose(dg.curl(dg.curl(field))(X), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("f", [field, plane])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_many_points(f, dtype):
    n = 3 if f is field else 2
    points = np.random.default_rng(0).normal(size=(4, 5, n)).astype(dtype)
    found = dg.curl(f, axis=-1)(points)
    assert found.dtype == dtype
    one = [[dg.curl(f)(x) for x in row] for row in points]
    np.testing.assert_allclose(found, one, rtol=1e-5)
    first = lambda x: np.moveaxis(f(np.moveaxis(x, 0, -1)), -1, 0)  # noqa: E731
    across = dg.curl(first, axis=0)(np.moveaxis(points, -1, 0))
    np.testing.assert_allclose(across, np.moveaxis(found, -1, 0) if n == 3 else found, rtol=1e-5)
    scaled = dg.curl(lambda a, x: a * f(x), argnum=1, axis=-1)(dtype(2), points)
    np.testing.assert_allclose(scaled, 2 * found, rtol=1e-5)


def test_nests_with_jvp_and_taylor_and_lives_on_a_device():
    along = dg.jvp(dg.curl(field), (X,), (X,))[1]
    np.testing.assert_allclose(dg.taylor(dg.curl(field), X, X, 2)[1], along, rtol=1e-13)
    np.testing.assert_allclose(dg.curl(lambda x: dg.jvp(field, (x,), (X,))[1])(X), along - 0, rtol=1e-13)
    turned = lambda x: np.stack([-x[1], x[0]])  # noqa: E731
    assert host(dg.curl(turned)(device(X[:2]))) == 2


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: dg.curl(np.sin)(np.ones(4)),
            dg.ShapeError,
            r"curl takes a field .* \(3,\) or \(2,\); got shape \(4,\)",
        ),
        (lambda: dg.curl(np.sin)(np.ones((5, 3))), dg.ShapeError, "with axis= of many points"),
        (lambda: dg.curl(np.sin, axis=0)(np.ones((5, 3))), dg.ShapeError, r"3 or 2 coordinates; got shape \(5, 3\)"),
        (lambda: dg.curl(np.sum)(X), dg.ShapeError, r"curl takes a field of the shape of x, \(3,\); f returned shape"),
        (lambda: dg.curl(lambda x: (x, x))(X), dg.ShapeError, "f returned a tuple"),
        (lambda: dg.curl(lambda x: x - x.mean(0), axis=-1)(np.eye(3)), ValueError, "curl.*f mixes the examples"),
        (lambda: dg.curl(np.sin)(X + 0j), TypeError, "takes real numbers"),
        (lambda: dg.curl(X), TypeError, "dg.curl got a ndarray; expected a function"),
    ],
)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()
