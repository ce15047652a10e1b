"""An operator multiplies as the Jacobian does, and SciPy's solvers go on with it."""

import sys

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.linearized import linear_operator
from tests.support.strict import device

linalg = pytest.importorskip("scipy.sparse.linalg")

X, G = np.linspace(0.5, 1.5, 6), np.random.default_rng(0)
TREES = {
    "an array": (lambda x: np.cumsum(np.sin(x))[:4], X),
    "a matrix": (lambda x: np.tan(x).T, X.reshape(2, 3)),
    "a number": (np.exp, 0.5),
    "trees": (lambda x: {"y": x["a"] * np.sum(x["b"] ** 2), "z": [x["b"][1]]}, {"a": 2.0, "b": X[:3]}),
    "Params": (lambda p: p["w"] @ p["b"], dg.Params({"w": X[:4].reshape(2, 2), "b": X[4:]})),
    "float32": (np.square, X.astype(np.float32)),
    "complex y": (lambda x: np.exp(1j * x[1:]) * x[0], X),
    "complex": (lambda z: np.exp(z[1:]) * z[0], X + 1j * X[::-1]),
}


def require_products(f, x):
    """Raise where a product is not that of the Jacobian."""
    layout, of_y = dg.Layout.of(x), dg.Layout.of(f(x))
    exact = dg.jacfwd(lambda v: of_y.vector(f(layout.tree(v))))(layout.vector(x))
    J = dg.operator(f, x, chunk=2)
    assert J.shape == exact.shape
    assert J.dtype == exact.dtype
    tolerance = {"rtol": 20 * np.finfo(exact.dtype).eps, "atol": 20 * np.finfo(exact.dtype).eps}
    V = G.standard_normal((J.shape[1], 5)).astype(exact.real.dtype)
    U = G.standard_normal((J.shape[0], 5)).astype(exact.real.dtype)
    for _ in range(2):  # before J is formed, and then
        for W in (V, V + 1j * V[::-1]):
            np.testing.assert_allclose(J @ W, exact @ W, **tolerance)
            np.testing.assert_allclose(J @ W[:, 0], exact @ W[:, 0], **tolerance)
            np.testing.assert_allclose(J @ W[:, :1], exact @ W[:, :1], **tolerance)
        for W in (U, U + 1j * U[::-1]):
            np.testing.assert_allclose(J.H @ W, exact.conj().T @ W, **tolerance)
            np.testing.assert_allclose(J.T @ W[:, 0], exact.T @ W[:, 0], **tolerance)
    assert (J @ V).dtype == exact.dtype


@pytest.mark.parametrize(("f", "x"), TREES.values(), ids=TREES)
def test_products_are_those_of_the_jacobian(f, x):
    require_products(f, x)


@pytest.mark.parametrize("name", ["of_columns", "transposed"])
def test_a_planted_fault_is_seen(monkeypatch, name):
    right = getattr(linear_operator.Products, name)
    monkeypatch.setattr(linear_operator.Products, name, lambda self, V: right(self, V) * 1.001)
    with pytest.raises(AssertionError):
        require_products(*TREES["an array"])


def test_a_product_is_one_pass_and_a_transposed_one_forms_the_jacobian_once():
    passes = []
    J = dg.operator(lambda x: passes.append(1) or np.sin(x), X)
    passes.clear()
    J @ X, J @ X, J @ np.eye(6), J @ np.eye(6)
    assert len(passes) == 1  # in which six directions are written down
    J.T @ X, J.T @ X, J @ X
    assert len(passes) == 1  # and J is formed by


def test_what_becomes_of_x_and_what_f_returns_in_an_object_array_do_not_count():
    x = X.copy()
    J = dg.operator(lambda x: np.array([x[0] * x[1], x[2]]), x)
    exact = J @ np.eye(6)
    x[:] = 0
    np.testing.assert_array_equal(J @ np.eye(6), exact)
    np.testing.assert_array_equal(J.T @ np.eye(2), exact.T)


def test_solvers_of_scipy_take_it():
    A = np.eye(6) * 4 + G.standard_normal((6, 6))
    f = lambda x: A @ x + 0.1 * np.sin(x)  # noqa: E731
    J, exact = dg.operator(f, X), dg.jacfwd(f)(X)
    for solve in (linalg.gmres, linalg.bicgstab, linalg.lsmr, linalg.lsqr):
        options = {"rtol": 1e-12} if solve in (linalg.gmres, linalg.bicgstab) else {"atol": 1e-12, "btol": 1e-12}
        np.testing.assert_allclose(solve(J, X, **options)[0], np.linalg.solve(exact, X), rtol=1e-8)
    largest = linalg.eigs(J, k=1, v0=X)[0]
    np.testing.assert_allclose(np.abs(largest), np.max(np.abs(np.linalg.eigvals(exact))), rtol=1e-10)


ERRORS = {
    "no function": (lambda: dg.operator(X, X), TypeError, "got a ndarray; expected a function"),
    "integers": (lambda: dg.operator(np.sin, np.arange(3)), TypeError, "expected floating or complex"),
    "None": (lambda: dg.operator(lambda x: None, X), TypeError, "did you forget return"),
    "a Dual": (
        lambda: dg.derivative(lambda t: (dg.operator(np.sin, t * X) @ X)[0])(1.0), dg.TangentLossError, "x carries",
    ),
    "a Dual in f": (
        lambda: dg.derivative(lambda t: (dg.operator(lambda x: t * x, X) @ X)[0])(1.0), dg.TangentLossError, r"f\(x\)",
    ),
    "not holomorphic": (lambda: dg.operator(np.abs, X + 1j), ValueError, "not holomorphic"),
    "real and complex": (lambda: dg.operator(lambda x: x[0], (X, X + 1j)), TypeError, "real and complex arrays"),
    "a device": (lambda: dg.operator(np.sin, device(X)), TypeError, "arrays of a device"),
    "another length": (lambda: dg.operator(np.sin, X) @ X[1:], ValueError, "dimension mismatch"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), ERRORS.values(), ids=ERRORS)
def test_what_is_wrong_is_said(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_it_asks_for_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse.linalg", None)
    with pytest.raises(ImportError, match="needs SciPy, which is not installed: pip install scipy"):
        dg.operator(np.sin, X)
