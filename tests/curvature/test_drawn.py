"""Randomised operators: their exact mean is the operator, their exact variance the formula, under every draw."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.curvature import drawn
from dualgrad.directions import Blocks, Coordinate, Gaussian, Hadamard, LowRank, Rademacher, Scaled, Sphere, Uniform
from dualgrad.testing import exact_moments

X = np.array([0.5, 1.0, -0.5])
QUADRATIC = np.array([[1.0, 2.0, 0.5], [2.0, -1.0, 3.0], [0.5, 3.0, 2.0]])


def f(x):
    """One with a full Hessian that depends on x."""
    return np.exp(x[..., 0] * x[..., 1]) + x[..., 1] ** 3 * x[..., 2] + np.sin(x[..., 0] * x[..., 2])


def offdiagonal(H):
    return np.sum(H**2) - np.sum(np.diag(H) ** 2)


VARIANCES = {  # of vᵀ H v
    Rademacher: lambda H: 2 * offdiagonal(H),
    LowRank: lambda H: 2 * offdiagonal(H),
    Uniform: lambda H: 2 * offdiagonal(H) + (9 / 5 - 1) * np.sum(np.diag(H) ** 2),
    Gaussian: lambda H: 2 * np.sum(H**2),
    Coordinate: lambda H: len(H) * np.sum(np.diag(H) ** 2) - np.trace(H) ** 2,
    Sphere: lambda H: 2 * len(H) / (len(H) + 2) * (np.sum(H**2) - np.trace(H) ** 2 / len(H)),
}


def check(run, mean, variance):
    found = exact_moments(run)
    assert found.certified
    np.testing.assert_allclose(found.mean, np.ravel(mean), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.variance, np.ravel(variance), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("directions", VARIANCES)
@pytest.mark.parametrize("n", [1, 2])
def test_laplacian(directions, n):
    H = dg.hessian(f)(X)
    run = lambda rng: dg.laplacian(f, directions=directions(), n=n, rng=rng)(X)  # noqa: E731
    check(run, np.trace(H), VARIANCES[directions](H) / n)


@pytest.mark.parametrize("directions", [Rademacher, Gaussian, Coordinate])
def test_second_order_and_divergence(directions):
    H, sigma = dg.hessian(f)(X), np.array([[1.0, 0.5], [0.0, -1.0], [2.0, 1.0]])
    M = sigma.T @ H @ sigma
    check(
        lambda rng: dg.second_order(f, X, sigma, directions=directions(), rng=rng),
        np.trace(M),
        VARIANCES[directions](M),
    )
    field = lambda x: QUADRATIC @ x**2 * x[0]  # noqa: E731
    J = dg.jacfwd(field)(X)
    S = (J + J.T) / 2
    check(lambda rng: dg.divergence(field, directions=directions(), rng=rng)(X), np.trace(J), VARIANCES[directions](S))


def test_every_example_draws_its_own():
    """So that the estimates of two examples are independent: no covariance."""
    points, sigma = np.stack([X[:2], X[1:]]), np.array([[1.0, 0.5], [0.0, -1.0]])
    u = lambda x: np.exp(x[..., 0] * x[..., 1]) + x[..., 1] ** 3  # noqa: E731
    Hs = [dg.hessian(u)(x) for x in points]
    for directions in (Rademacher, Coordinate, Gaussian):
        variance = VARIANCES[directions]
        found = exact_moments(lambda rng, d=directions: dg.laplacian(u, axis=-1, directions=d(), rng=rng)(points))
        np.testing.assert_allclose(found.mean, [np.trace(H) for H in Hs], rtol=1e-9)
        np.testing.assert_allclose(found.covariance, np.diag([variance(H) for H in Hs]), rtol=1e-8, atol=1e-9)
        mixed = exact_moments(
            lambda rng, d=directions: dg.second_order(u, points, sigma, axis=-1, directions=d(), rng=rng)
        )
        Ms = [sigma.T @ H @ sigma for H in Hs]
        np.testing.assert_allclose(mixed.mean, [np.trace(M) for M in Ms], rtol=1e-9)
        np.testing.assert_allclose(mixed.covariance, np.diag([variance(M) for M in Ms]), rtol=1e-8, atol=1e-9)
    field = lambda x: x**2 * x[..., ::-1]  # noqa: E731
    found = exact_moments(lambda rng: dg.divergence(field, axis=-1, directions=Rademacher(), rng=rng)(points))
    np.testing.assert_allclose(found.mean, dg.divergence(field, axis=-1)(points), rtol=1e-12)


def test_directions_that_depend_on_each_other():
    """All rows of a Hadamard matrix, and all parts of a sign vector that are their own blocks, have no variance or that
    of the blocks; the sum of their vvᵀ is another multiple of the identity."""
    g = lambda x: x @ np.kron(np.eye(2), np.array([[1.0, 2.0], [2.0, -1.0]])) @ x / 2  # noqa: E731
    at = np.ones(4)
    check(lambda rng: dg.laplacian(g, directions=Hadamard(), n=4, rng=rng)(at), 0.0, 0.0)
    check(lambda rng: dg.laplacian(g, directions=Blocks(Rademacher()), n=4, rng=rng)(at), 0.0, 0.0)
    check(lambda rng: dg.laplacian(g, directions=Blocks(Rademacher()), n=2, rng=rng)(at), 0.0, 2 * 4 * 2**2)


def test_biharmonic():
    """D⁴f[v, v, v, v] is 24 |v|⁴ for |x|⁴, of which the moments are known; and of one variable 24 v⁴."""
    norm = lambda x: np.sum(x**2) ** 2  # noqa: E731
    n = 2
    second, fourth = n * (n + 2), n * (n + 2) * (n + 4) * (n + 6)  # E |v|⁴ and E |v|⁸
    run = lambda rng: dg.biharmonic(norm, directions=Gaussian(), rng=rng)(X[:2])  # noqa: E731
    check(run, 8 * second, 64 * (fourth - second**2))
    check(lambda rng: dg.biharmonic(norm, directions=Sphere(), rng=rng)(X[:2]), 8 * second, 0)
    check(lambda rng: dg.biharmonic(lambda x: x[0] ** 4, directions=Gaussian(), n=2, rng=rng)(X[:1]), 24, 64 * 96 / 2)
    u = lambda x: np.sin(x[..., 0]) * np.exp(x[..., 1])  # noqa: E731
    exact = dg.biharmonic(u, axis=-1)(X[None, :2])
    for directions in (Gaussian(), Sphere()):
        run = lambda rng, d=directions: dg.biharmonic(u, axis=-1, directions=d, rng=rng)(X[None, :2])  # noqa: E731
        np.testing.assert_allclose(exact_moments(run).mean, exact, rtol=1e-9, atol=1e-12)
    signs = exact_moments(lambda rng: dg.taylor(norm, X[:2], rng.signs(2), 4)[4] * 8)  # which are refused
    assert abs(signs.mean[0] - 8 * second) > 1


@pytest.mark.parametrize("fault", ["no scale", "twice the same"])
def test_a_fault_is_noticed(fault, monkeypatch):
    if fault == "no scale":
        monkeypatch.setattr(drawn, "_identities", lambda directions, n, size: 1)
    else:
        original = Rademacher.sample

        def sample(self, params, *, rng, n=None):
            V = original(self, params, rng=rng, n=n)
            V[1:] = V[:1]
            return V

        monkeypatch.setattr(Rademacher, "sample", sample)
        monkeypatch.setattr(drawn, "as_direction", lambda d: d)
    with pytest.raises(AssertionError):
        test_laplacian(Rademacher, 2)


def test_directions_of_ones_own():
    class Threes:
        cost = 3.0

        def sample(self, params, *, rng, n=None):
            return rng.signs(params.shape if n is None else (n, *params.shape))

    H = dg.hessian(f)(X)
    check(lambda rng: dg.laplacian(f, directions=Threes(), n=2, rng=rng)(X), np.trace(H), offdiagonal(H))
    points = np.stack([X, X + 1])
    run = lambda rng: dg.laplacian(f, axis=-1, directions=Threes(), rng=rng)(points)  # noqa: E731
    np.testing.assert_allclose(exact_moments(run).mean, dg.laplacian(f, axis=-1)(points), rtol=1e-12)


def test_draws_go_on_with_an_rng_and_begin_anew_with_a_seed():
    rng = dg.Rng(3)
    op = dg.laplacian(f, directions=Gaussian(), rng=rng)
    first, second = op(X), op(X)
    assert first != second
    assert dg.laplacian(f, directions=Gaussian(), rng=3)(X) == first
    single = dg.laplacian(f, directions=Gaussian(), n=300, rng=3, chunk=128)(X.astype(np.float32))
    assert single.dtype == np.float32
    whole = dg.laplacian(f, directions=Gaussian(), n=300, rng=3)(X.astype(np.float32))
    np.testing.assert_allclose(single, whole, rtol=1e-5)
    along = dg.jvp(lambda x: dg.laplacian(f, directions=Gaussian(), rng=3)(x), (X,), (X,))[1]
    step = 1e-6
    near = [dg.laplacian(f, directions=Gaussian(), rng=3)(X + s * X) for s in (step, -step)]
    np.testing.assert_allclose(along, (near[0] - near[1]) / (2 * step), rtol=1e-6)
    assert dg.laplacian(np.sum, directions=Gaussian(), rng=0)(X[:0]) == 0
    assert dg.biharmonic(np.sum, directions=Gaussian(), rng=0)(X[:0]) == 0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: dg.laplacian(f, n=3), ValueError, "laplacian got n= and no directions="),
        (lambda: dg.divergence(f, rng=0), ValueError, "divergence got rng= and no directions="),
        (lambda: dg.laplacian(f, directions=Rademacher()), ValueError, "directions= without rng="),
        (lambda: dg.laplacian(f, directions=Rademacher, rng=0), TypeError, "expected an instance"),
        (lambda: dg.second_order(f, X, X[:, None], directions=Rademacher(), n=0, rng=0), ValueError, "got n=0"),
        (
            lambda: dg.laplacian(f, directions=Scaled(Rademacher(), X**2), rng=0)(X),
            ValueError,
            "is no multiple of the identity",
        ),
        (
            lambda: dg.laplacian(f, directions=dg.directions.Along(X), rng=0)(X),
            ValueError,
            "is no multiple of the identity",
        ),
    ],
)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()
