"""Roots of equations inside a Laplacian: against a jvp of a jvp, however their linear systems are solved."""

import numpy as np
import pytest

import dualgrad as dg

X = np.array([1.0, 2.0, 0.5])


def nested(f, x, v):
    return dg.jvp(lambda x: dg.jvp(f, (x,), (v,))[1], (x,), (v,))[1]


def kepler(mean, e):
    """The root of E - e sin E = M, and a constant that is one of its own."""
    E = mean
    for _ in range(60):
        E = E - (E - e * np.sin(E) - mean) / (1 - e * np.cos(E))
    return E


def steady(x):
    """A minimum."""
    y = np.zeros(2)
    for _ in range(60):
        g = np.array([np.sinh(y[0]) + y[1] - x[0], y[0] + 3 * y[1] + 0.4 * y[1] ** 3 - x[1] * x[2]])
        y = y - np.linalg.solve(np.array([[np.cosh(y[0]), 1], [1, 3 + 1.2 * y[1] ** 2]]), g)
    return y


def energy(y, x):
    return np.cosh(y[0]) + y[0] * y[1] + 1.5 * y[1] ** 2 + 0.1 * y[1] ** 4 - y[0] * x[0] - y[1] * x[1] * x[2]


ROOTS = {
    "dense": dg.implicit(lambda E, M, e: E - e * np.sin(E) - M, kepler),
    "gmres": dg.implicit(lambda E, M, e: E - e * np.sin(E) - M, kepler, "gmres"),
    "one's own": dg.implicit(
        lambda E, M, e: E - e * np.sin(E) - M, kepler, lambda matvec, b: b / matvec(np.ones_like(b))
    ),
}
MINIMUM = dg.argmin(energy, steady)
FIXED = dg.fixed_point(lambda y, a: np.cos(y) * a, np.full(3, 0.5))
OF_ROOTS = {
    **{name: lambda x, r=r: np.sum(np.exp(r(x, 0.3)) * x[0]) for name, r in ROOTS.items()},
    "both parameters": lambda x: ROOTS["dense"](x[0], x[1] / 4) * x[2],
    "a minimum": lambda x: np.sum(MINIMUM(x) ** 2) * x[0],
    "a fixed point": lambda x: np.sum(FIXED(x / 3)) ** 2,
}


@pytest.mark.parametrize("name", OF_ROOTS)
def test_roots_of_equations(name):
    if name == "gmres":
        pytest.importorskip("scipy")
    f = OF_ROOTS[name]
    each = [nested(f, X, e) for e in np.eye(3)]
    np.testing.assert_allclose(dg.hessian_diag(f)(X), each, rtol=1e-9)
    np.testing.assert_allclose(dg.laplacian(f)(X), sum(each), rtol=1e-9)
    slope = dg.jvp(dg.laplacian(f), (X,), (X,))[1]
    expected = dg.jvp(lambda x: sum(nested(f, x, e) for e in np.eye(3)), (X,), (X,))[1]
    np.testing.assert_allclose(slope, expected, rtol=1e-8)
    inner = lambda x: dg.jvp(f, (x,), (X,))[1]  # noqa: E731
    np.testing.assert_allclose(dg.laplacian(inner)(X), sum(nested(inner, X, e) for e in np.eye(3)), rtol=1e-8)


def test_roots_of_many_examples_and_twice():
    root = ROOTS["dense"]
    points = np.stack([X, X[::-1] / 2])
    found = dg.laplacian(lambda x: root(x[:, 0] * x[:, 1], 0.3) * x[:, 2], axis=-1)(points)
    one = dg.laplacian(lambda x: root(x[0] * x[1], 0.3) * x[2])
    np.testing.assert_allclose(found, [one(x) for x in points], rtol=1e-10)
    twice = dg.laplacian(dg.laplacian(lambda x: root(x[0] * x[1], 0.3)))(X)
    u = lambda x: root(x[0] * x[1], 0.3)  # noqa: E731
    by_nesting = [nested(lambda x, e=e: nested(u, x, e), X, v) for e in np.eye(3)[:2] for v in np.eye(3)[:2]]
    np.testing.assert_allclose(twice, sum(by_nesting), rtol=1e-8)
    single = dg.laplacian(lambda x: root(x, np.float32(0.3))[0])(X.astype(np.float32))
    assert single.dtype == np.float32


def test_a_root_without_its_second_degree_is_noticed(monkeypatch):
    """The tangents of first order alone are what the residual's first look gives."""
    f = OF_ROOTS["dense"]
    expected = dg.laplacian(f)(X)
    monkeypatch.setattr("dualgrad.equations.lifting.total_degree", lambda r: 1)
    assert abs(dg.laplacian(f)(X) - expected) > 1e-3
