"""The multivariate normal distribution and Dirichlet's: values, derivatives against mpmath and each other, refusals."""

import re

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")

import scipy.stats as ss

from dualgrad.scipy import stats

mp = pytest.importorskip("mpmath").mp
RNG = np.random.default_rng(24)


def covariance(n, condition=1.0):
    """A covariance matrix with variances that spread over a factor of ``condition``."""
    a = RNG.normal(size=(n, n)) / np.sqrt(n)
    return (a @ a.T + np.eye(n)) * np.sqrt(np.outer(*[np.geomspace(1, condition, n)] * 2))


# ---------------------------------------------------------------------- the truth, by mpmath


def normal_logpdf(x, mean, cov):
    gap = mp.matrix([a - b for a, b in zip(x, mean, strict=True)])
    return -(gap.T * mp.lu_solve(cov, gap))[0] / 2 - mp.log(mp.det(2 * mp.pi * cov)) / 2


def unflatten(v, n):
    """x, the mean and a symmetric matrix, from its lower triangle."""
    rows, columns = np.tril_indices(n)
    entries = dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), v[2 * n :], strict=True))
    return v[:n], v[n : 2 * n], [[entries[max(i, j), min(i, j)] for j in range(n)] for i in range(n)]


def log_beta(alpha):
    return mp.fsum(map(mp.loggamma, alpha)) - mp.loggamma(mp.fsum(alpha))


def dirichlet_entropy(alpha):
    total = mp.fsum(alpha)
    shares = mp.fsum((a - 1) * mp.digamma(a) for a in alpha)
    return log_beta(alpha) + (total - len(alpha)) * mp.digamma(total) - shares


def dirichlet_logpdf(x, alpha):
    return mp.fsum((a - 1) * mp.log(b) for a, b in zip(alpha, x, strict=True)) - log_beta(alpha)


def check(call, exact, v, rtol=1e-9):
    """Orders 1 and 2 of a function of a vector along one direction, against differences of 60 digits."""
    direction = np.cos(np.arange(v.size) + 1.0)
    first = dg.derivative(lambda t: call(v + t * direction))
    with mp.workdps(80):
        h = mp.mpf(10) ** -20
        moved = [exact([mp.mpf(a) + s * mp.mpf(d) for a, d in zip(v, direction, strict=True)]) for s in (-h, 0, h)]
        expected = (moved[2] - moved[0]) / (2 * h), (moved[2] - 2 * moved[1] + moved[0]) / h**2
    np.testing.assert_allclose([first(0.0), dg.derivative(first)(0.0)], [float(e) for e in expected], rtol=rtol)


@pytest.mark.parametrize("condition", [1.0, 1e4])
@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("function", ["pdf", "logpdf", "entropy"])
def test_normal(function, n, condition):
    """Along x, the mean and the covariance at once; also in the tail, 30 standard deviations out."""
    cov = covariance(n, condition)
    for distance in (0.3, 30.0):
        x = distance * np.sqrt(np.diag(cov)) * np.cos(np.arange(n))
        v = np.concatenate([x, RNG.normal(size=n), cov[np.tril_indices(n)]])

        def call(v):
            x, mean, rows = unflatten(v, n)
            given = (mean, np.stack([np.stack(row) for row in rows]))
            of = stats.multivariate_normal
            return of.entropy(*given) if function == "entropy" else getattr(of, function)(x, *given)

        def exact(v):
            x, mean, rows = unflatten(v, n)
            cov = mp.matrix(rows)
            if function == "entropy":
                return mp.log(mp.det(2 * mp.pi * mp.e * cov)) / 2
            y = normal_logpdf(x, mean, cov)
            return mp.exp(y) if function == "pdf" else y

        check(call, exact, v)


ALPHAS = [np.array([0.5, 1.0, 2.5]), np.array([1e-3, 3.0]), np.array([1e4, 2e4, 5.0, 1.0])]


@pytest.mark.parametrize("alpha", ALPHAS, ids=str)
@pytest.mark.parametrize("function", ["pdf", "logpdf"])
def test_dirichlet(function, alpha):
    """Along alpha and along the entries of x, the last of which is what is left."""
    x, n = (alpha + 1) / np.sum(alpha + 1), alpha.size
    v = np.concatenate([x[:-1], alpha])
    call = lambda v: getattr(stats.dirichlet, function)(v[: n - 1], v[n - 1 :])  # noqa: E731

    def exact(v):
        y = dirichlet_logpdf([*v[: n - 1], 1 - mp.fsum(v[: n - 1])], v[n - 1 :])
        return mp.exp(y) if function == "pdf" else y

    check(call, exact, v, rtol=1e-8)


MOMENTS = {
    "entropy": dirichlet_entropy,
    "mean": lambda a: a[0] / mp.fsum(a),
    "var": lambda a: a[0] * (mp.fsum(a) - a[0]) / (mp.fsum(a) ** 2 * (mp.fsum(a) + 1)),
    "cov": lambda a: -a[0] * a[1] / (mp.fsum(a) ** 2 * (mp.fsum(a) + 1)),
}


@pytest.mark.parametrize("alpha", ALPHAS, ids=str)
@pytest.mark.parametrize("function", MOMENTS)
def test_what_dirichlet_depends_on_alpha_alone(function, alpha):
    pick = {"entropy": (), "mean": 0, "var": 0, "cov": (0, 1)}[function]
    check(lambda a: getattr(stats.dirichlet, function)(a)[pick], MOMENTS[function], alpha, rtol=1e-8)


# ---------------------------------------------------------------------- SciPy's values, shapes and errors

X = {0: 0.4, 1: np.array([0.3, -0.2, 0.7]), 2: RNG.normal(size=(4, 3)), 3: RNG.normal(size=(2, 4, 3))}
COVARIANCES = [1, 2.5, np.array([1.0, 2.0, 0.5]), covariance(3), [[2.0, 0, 0], [0, 1.0, 0], [0, 0, 3.0]]]


@pytest.mark.parametrize("ndim", X)
@pytest.mark.parametrize("cov", COVARIANCES, ids=lambda c: f"cov{np.shape(c)}")
@pytest.mark.parametrize("mean", [np.array([0.1, 0.2, 0.3]), [0, 0, 0], None])
def test_normal_has_scipy_s_values_and_shapes(mean, cov, ndim):
    """Or SciPy's error, which the call with a Dual has, too; frozen, too."""
    of, x = stats.multivariate_normal, X[ndim]
    moved = lambda x: dg.jvp(lambda x: of.logpdf(x, mean, cov), (x,), (np.ones_like(x),))  # noqa: E731
    frozen = lambda x: dg.jvp(lambda x: of(mean, cov).logpdf(x), (x,), (np.ones_like(x),))  # noqa: E731
    try:
        expected = ss.multivariate_normal.logpdf(x, mean, cov)
    except ValueError as error:
        said = re.escape(str(error))
        for call in (moved, frozen):
            with pytest.raises(ValueError, match=said):
                call(x)
        return
    for y, dy in (moved(x), frozen(x)):
        assert np.asarray(y).tobytes() == np.asarray(expected).tobytes()
        assert np.shape(dy) == np.shape(expected)
    h = 1e-6
    moves = (
        ss.multivariate_normal.logpdf(np.asarray(x) + h, mean, cov),
        ss.multivariate_normal.logpdf(np.asarray(x) - h, mean, cov),
    )
    np.testing.assert_allclose(moved(x)[1], (moves[0] - moves[1]) / (2 * h), rtol=1e-6, atol=1e-6)


def test_one_dimension_and_covariance_objects():
    of, x = stats.multivariate_normal, np.array([0.3, -0.5])
    y, dy = dg.jvp(lambda v: of.logpdf(x, 0.5, v), (2.0,), (1.0,))
    np.testing.assert_allclose(dy, ((x - 0.5) ** 2 / 2 - 1) / 4, rtol=1e-14)
    assert y.tobytes() == ss.multivariate_normal.logpdf(x, 0.5, 2.0).tobytes()
    given = ss.Covariance.from_diagonal([1.0, 4.0])
    np.testing.assert_allclose(dg.grad(lambda x: of.logpdf(x, [0, 0], given))(x), -x / [1, 4], rtol=1e-14)


def test_only_the_lower_triangle_counts_as_in_scipy():
    cov, x, h = covariance(2), np.array([0.3, -0.2]), 1e-6
    found = dg.jacfwd(lambda c: stats.multivariate_normal.logpdf(x, None, c))(cov)
    for i, j in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[i, j] = h
        moved = [ss.multivariate_normal.logpdf(x, None, cov + s * step) for s in (1, -1)]
        assert found[i, j] == pytest.approx((moved[0] - moved[1]) / (2 * h), abs=1e-8)


def test_dirichlet_at_zero_and_of_columns():
    columns = np.array([[0.2, 0.5], [0.8, 0.5]])
    y, dy = dg.jvp(lambda a: stats.dirichlet.logpdf(columns, a), (np.array([2.0, 1.0]),), (np.ones((3, 2)),))
    assert y.tobytes() == ss.dirichlet.logpdf(columns, [2.0, 1.0]).tobytes()
    assert dy.shape == (3, 2)
    edge = dg.grad(lambda a: stats.dirichlet.pdf(np.array([0.0, 1.0]), a))(np.array([1.0, 3.0]))
    assert edge[0] == -np.inf
    assert edge[1] == pytest.approx(1.0, rel=1e-14)


def test_marginals_and_frozen_parameters():
    mean, cov = np.array([0.1, 0.2, 0.3]), covariance(3)
    whole = dg.grad(lambda m: stats.multivariate_normal(m, cov).marginal([2, 0]).logpdf(np.zeros(2)))(mean)
    part = dg.grad(lambda m: stats.multivariate_normal.logpdf(np.zeros(2), m, cov[[2, 0]][:, [2, 0]]))(mean[[2, 0]])
    np.testing.assert_allclose(whole, [part[1], 0, part[0]], rtol=1e-12)
    assert stats.multivariate_normal(mean, cov, seed=3).rvs().shape == (3,)
    assert stats.dirichlet([1.0, 2.0]).logpdf([0.4, 0.6]) == ss.dirichlet([1.0, 2.0]).logpdf([0.4, 0.6])
    assert dg.grad(lambda m: np.sum(stats.multivariate_normal(m, cov).mean))(mean).tolist() == [1, 1, 1]


def test_along_the_support_of_a_constant_singular_covariance():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    flat = turn[:, :2] @ np.diag([0.5, 2.0]) @ turn[:, :2].T
    mean, start = turn @ [0.3, -0.2, 0.7], np.array([1.0, 0.4])

    def inside(steps):
        return turn[:, :2] @ steps + 0.7 * turn[:, 2]

    for name in ("pdf", "logpdf"):
        density = getattr(stats.multivariate_normal, name)
        of_two = lambda steps: density(steps, np.array([0.3, -0.2]), np.diag([0.5, 2.0]))  # noqa: B023, E731
        on_support = lambda steps: density(inside(steps), mean, flat, True)  # noqa: B023, E731
        np.testing.assert_allclose(on_support(start), of_two(start))
        np.testing.assert_allclose(dg.grad(on_support)(start), dg.grad(of_two)(start), rtol=1e-10)
        np.testing.assert_allclose(dg.hessian(on_support)(start), dg.hessian(of_two)(start), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("f", "error", "says"),
    [
        (lambda m: stats.multivariate_normal.cdf(m, np.zeros(2)), NotImplementedError, "no rule for cdf and logcdf"),
        (lambda m: stats.multivariate_normal(m).logcdf(m), NotImplementedError, "integrates by random points"),
        (
            lambda m: stats.multivariate_normal.pdf(0 * m, m, np.ones((2, 2)), True),
            NotImplementedError,
            "got a singular",
        ),
        (lambda m: stats.multivariate_normal.pdf(m, m, np.ones((2, 2))), np.linalg.LinAlgError, "positive definite"),
        (lambda m: stats.multivariate_normal(m).rvs(), dg.TangentLossError, "marginal take Duals"),
        (lambda m: stats.multivariate_normal(m).nothing, AttributeError, "has no nothing"),
        (lambda m: stats.multivariate_normal(m, spread=1.0), TypeError, "spread"),
        (lambda m: stats.dirichlet.pdf(m, np.ones(2)), ValueError, "normal simplex"),
        (lambda m: stats.dirichlet.rvs(m), TypeError, "would drop the tangent"),
    ],
)
def test_refused(f, error, says):
    with pytest.raises(error, match=says):
        dg.jacfwd(f)(np.array([0.3, 0.2]))
