"""Δ²: polynomials and plane waves in every dimension, the Laplacian twice, nested jvp, and what it costs."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.curvature import biharmonics
from tests.support.strict import device, host

X = np.array([0.4, 1.1, 0.7])


@pytest.mark.parametrize("n", biharmonics.DIAGONALS)
def test_directions_are_a_design(n):
    """Unit vectors over which every moment of fourth order is that of the sphere, (δδ + δδ + δδ) / n(n + 2)."""
    lines = biharmonics.DIAGONALS[n]
    if not n:
        return
    np.testing.assert_allclose(np.linalg.norm(lines, axis=1), 1, rtol=1e-15)
    mean = np.einsum("ki,kj,kl,km->ijlm", *[lines] * 4) / len(lines)
    d = np.eye(n)
    pairs = sum(np.einsum(f"{a},{b}->ijlm", d, d) for a, b in (("ij", "lm"), ("il", "jm"), ("im", "jl")))
    np.testing.assert_allclose(mean, pairs / (n * (n + 2)), atol=1e-15)


@pytest.mark.parametrize("n", range(8))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_known_functions_in_every_dimension(n, dtype):
    x = np.linspace(0.5, 1.5, n).astype(dtype)
    k = np.linspace(1, 0.2, n).astype(dtype)
    rtol = 1e-12 if dtype is np.float64 else 1e-4
    for f, expected in (
        (lambda x: np.sum(x**2) ** 2, 8 * n * (n + 2)),
        (lambda x: np.sum(np.sin(x) + x**4), np.sum(np.sin(x)) + 24 * n),
        (lambda x: np.cos(k @ x), np.cos(k @ x) * (k @ k) ** 2),
    ):
        found = dg.biharmonic(f)(x)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


def test_biharmonic_functions_have_none():
    r2 = lambda x: x @ x  # noqa: E731
    assert abs(dg.biharmonic(lambda x: r2(x) * np.log(r2(x)))(X[:2])) < 1e-12
    assert abs(dg.biharmonic(lambda x: np.sqrt(r2(x)))(X)) < 1e-12
    assert abs(dg.biharmonic(lambda x: x[0] * np.exp(x[0]) * np.sin(x[1]))(X)) < 1e-12


def nested(f, v, w):
    """D⁴f[v, v, w, w] by four jvp inside each other."""
    for a in (v, v, w, w):
        f = lambda x, f=f, a=a: dg.jvp(f, (x,), (np.broadcast_to(a, x.shape).astype(x.dtype),))[1]  # noqa: E731
    return f


@pytest.mark.parametrize("n", [2, 3, 5])
def test_networks_and_many_examples(n):
    net = dg.nn.networks.mlp([n, 6, 1], dg.nn.GELU if n == 2 else dg.nn.Tanh)
    params, points = net.init(rng=0, dtype=float), np.random.default_rng(0).normal(size=(4, n))
    u = lambda x: net(params, x)[:, 0]  # noqa: E731
    found = dg.biharmonic(u, axis=-1)(points)
    expected = sum(nested(u, a, b)(points) for a in np.eye(n) for b in np.eye(n))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dg.laplacian(dg.laplacian(u, axis=-1), axis=-1)(points), expected, rtol=1e-9, atol=1e-12)
    across = dg.biharmonic(lambda p, x: net(p, x.T)[:, 0], argnum=1, axis=0)(params, points.T)
    np.testing.assert_allclose(across, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 4, "auto"])
def test_chunks(chunk):
    f = lambda x: np.sum(np.exp(x)) * x[0] ** 2  # noqa: E731
    for x in (X, np.linspace(0, 1, 5)):
        np.testing.assert_allclose(dg.biharmonic(f, chunk=chunk)(x), dg.biharmonic(f)(x), rtol=1e-12)


def test_nests_and_lives_on_a_device():
    f = lambda x: np.exp(x[0]) * np.sin(x[1] * x[2])  # noqa: E731
    slope = dg.jvp(dg.biharmonic(f), (X,), (X,))[1]
    step = 1e-5
    difference = (dg.biharmonic(f)(X + step * X) - dg.biharmonic(f)(X - step * X)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-8)
    np.testing.assert_allclose(dg.taylor(dg.biharmonic(f), X, X, 1)[1], slope, rtol=1e-12)
    inside = dg.biharmonic(lambda x: dg.jvp(f, (x,), (np.ones(3),))[1])(X)
    np.testing.assert_allclose(inside, dg.jvp(dg.biharmonic(f), (X,), (np.ones(3),))[1], rtol=1e-11)
    np.testing.assert_allclose(host(dg.biharmonic(f)(device(X))), dg.biharmonic(f)(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: dg.biharmonic(np.sin)(X), dg.ShapeError, r"biharmonic takes a function that returns a number"),
        (lambda: dg.biharmonic(lambda x: x[:, :1], axis=-1)(np.eye(3)), dg.ShapeError, r"take \[:, 0\]"),
        (lambda: dg.biharmonic(lambda x: np.exp(1j * x[0]))(X), TypeError, "f returned complex numbers"),
        (lambda: dg.biharmonic(lambda x: x @ x.mean(0), axis=-1)(np.eye(3)), ValueError, "f mixes the examples"),
        (lambda: dg.biharmonic(np.sum)(np.arange(3)), TypeError, "floating numbers; got dtype int64"),
        (lambda: dg.biharmonic(X), TypeError, "dg.biharmonic got a ndarray; expected a function"),
        (
            lambda: dg.biharmonic(np.sum, directions=dg.directions.Rademacher(), rng=0),
            ValueError,
            r"Rademacher\(\); expected Gaussian\(\), Sphere\(\) or Orthogonal",
        ),
    ],
)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()
