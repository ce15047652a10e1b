"""Sparse matrices of SciPy beside Duals: products in every format against dense ones, solutions, what is refused."""

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")

import scipy.sparse
import scipy.sparse.linalg

from dualgrad.scipy.sparse import SparseOperand, linalg

rng = np.random.default_rng(0)
DENSE = np.where(rng.random((4, 3)) < 0.5, 0, rng.standard_normal((4, 3)))
X, Y = rng.standard_normal((3, 2)), rng.standard_normal((2, 4))
FORMATS = [f"{short}_{kind}" for short in "csr csc coo bsr dia dok lil".split() for kind in ("array", "matrix")]
each_format = pytest.mark.parametrize("name", FORMATS)
PRODUCTS = {
    "A @ x": (lambda A, x: A @ x**2, X[:, 0]),
    "A @ X": (lambda A, x: A @ x**2, X),
    "A @ column": (lambda A, x: A @ x**2, X[:, :1]),
    "A.dot(x)": (lambda A, x: A.dot(x**2), X[:, 0]),
    "A.dot(X)": (lambda A, x: A.dot(x**2), X),
    "y @ A": (lambda A, y: y**2 @ A, Y[0]),
    "Y @ A": (lambda A, y: y**2 @ A, Y),
    "np.matmul": (lambda A, x: np.matmul(A, x**2), X),
    "A + dense": (lambda A, x: A + np.outer(np.ones(4), x**2), X[:, 0]),
    "dense - A": (lambda A, x: np.outer(np.ones(4), x**2) - A, X[:, 0]),
    "A.T @ A @ x": (lambda A, x: A.T @ (A @ x**3), X[:, 0]),
}


def same(found, expected, atol=1e-12):
    assert type(found) is np.ndarray
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=atol)


@each_format
@pytest.mark.parametrize("product", PRODUCTS)
def test_products_of_every_format(name, product):
    """Value, one direction, K of them, order 2 and a series, against the dense matrix."""
    f, x = PRODUCTS[product]
    A = getattr(scipy.sparse, name)(DENSE)
    sparse, dense = (lambda x: f(A, x)), (lambda x: f(DENSE, x))
    for transform in (dg.jacfwd, lambda g: dg.jacfwd(dg.jacfwd(g))):
        same(transform(sparse)(x), transform(dense)(x))
    for found, expected in zip(dg.jvp(sparse, (x,), (x,)), dg.jvp(dense, (x,), (x,)), strict=True):
        same(found, expected)
    for found, expected in zip(dg.taylor(sparse, x, x, 3), dg.taylor(dense, x, x, 3), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


@each_format
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_precisions_and_complex_numbers(name, dtype):
    A = getattr(scipy.sparse, name)(DENSE.astype(np.float32))
    x = X.astype(dtype) * (1 + 1j if dtype is np.complex128 else 1)
    found, expected = (dg.jvp(lambda x, A=A: A @ x**2, (x,), (x,))[1] for A in (A, A.toarray()))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_large_matrix_stays_sparse():
    """A dense one would take 80 GB."""
    A = scipy.sparse.diags_array([np.ones(99_999), np.arange(1.0, 100_001)], offsets=[1, 0], shape=(100_000, 100_000))
    x = np.linspace(0, 1, 100_000)
    dy = dg.jvp(lambda x: A @ np.sin(x), (x,), (np.ones(100_000),))[1]
    same(dy, A @ np.cos(x))
    pattern = lambda p: A @ (p[0] * x) + (p[1] * x) @ A  # noqa: E731
    same(dg.jacfwd(pattern)(np.ones(2)), np.stack([A @ x, x @ A], 1))


def test_sparse_vectors():
    v = scipy.sparse.coo_array(np.array([1.0, 0.0, 2.0]))
    for f in (lambda x: v @ x**2, lambda x: x**2 @ v):
        np.testing.assert_allclose(dg.grad(f)(X[:, 0]), [2 * X[0, 0], 0, 4 * X[2, 0]])


def test_a_trace_shows_the_product():
    A = scipy.sparse.csr_array(DENSE)
    assert "matmul" in str(dg.trace(lambda x: np.sum(A @ x), (X[:, 0],), (X[:, 0],)))


def test_the_forward_laplacian():
    A = scipy.sparse.csr_array(DENSE)
    assert dg.laplacian(lambda x: np.sum((A @ x) ** 2))(X[:, 0]) == pytest.approx(2 * np.sum(DENSE**2))


REFUSED = {
    "A * x": lambda A, x: A * x,
    "x * A": lambda A, x: x * A,
    "number * A": lambda A, x: x[0] * A,
    "A * number": lambda A, x: A * x[0],
    "A / number": lambda A, x: A / x[0],
    "number / A": lambda A, x: x[0] / A,
    "A.multiply": lambda A, x: A.multiply(x),
    "A.maximum": lambda A, x: A.maximum(x),
    "A == x": lambda A, x: A == x,
    "made of Duals": lambda A, x: scipy.sparse.csr_array(x * np.eye(3)),
    "made of the entries": lambda A, x: scipy.sparse.coo_array((x, (np.arange(3), np.arange(3)))),
    "by diagonals": lambda A, x: scipy.sparse.diags_array(x),
    "written": lambda A, x: A.__setitem__((0, 0), x[0]),
}


@pytest.mark.parametrize("name", ["csr_array", "csr_matrix", "coo_array", "dia_matrix", "lil_array"])
@pytest.mark.parametrize("what", REFUSED)
def test_entries_carry_no_tangent(name, what):
    """Nor does SciPy return its arrays of objects."""
    A = getattr(scipy.sparse, name)(DENSE.T[:, :3])
    with pytest.raises((dg.TangentLossError, TypeError, ValueError, AttributeError)):
        dg.jvp(lambda x: REFUSED[what](A, x), (X[:, 0],), (X[:, 0],))


def test_the_refusal_says_what_to_write():
    A = scipy.sparse.csr_array(DENSE)
    with pytest.raises(dg.TangentLossError, match=r"entries of a sparse matrix are plain numbers.*d\[:, None\] \* \(A"):
        dg.derivative(lambda t: A * t)(1.0)
    with pytest.raises(TypeError, match=r"np\.multiply got a sparse matrix A and a Dual; expected A @ x or x @ A"):
        dg.derivative(lambda t: t * A)(1.0)
    with pytest.raises(dg.TangentLossError, match=r"write dualgrad\.scipy\.sparse\.linalg\.spsolve"):
        dg.jacfwd(lambda b: scipy.sparse.linalg.spsolve(SYSTEM, b))(Y[0])


def test_an_operand_is_an_array_where_one_is_asked_for():
    operand = SparseOperand(scipy.sparse.csr_array(DENSE))
    np.testing.assert_array_equal(np.asarray(operand), DENSE)
    assert operand.astype(np.float32).dtype == np.float32


# ---------------------------------------------------------------------- solutions

SYSTEM = scipy.sparse.csc_array(np.diag([4.0, 5, 6, 7]) + np.diag([1.0, 2, 1], 1) + np.diag([1.0, 1, 1], -1))
SOLUTIONS = {
    "spsolve": (lambda b: linalg.spsolve(SYSTEM, b), lambda b: np.linalg.solve(SYSTEM.toarray(), b)),
    "of csr": (lambda b: linalg.spsolve(SYSTEM.tocsr(), b), lambda b: np.linalg.solve(SYSTEM.toarray(), b)),
    "factorized": (linalg.factorized(SYSTEM), lambda b: np.linalg.solve(SYSTEM.toarray(), b)),
    "transposed": (lambda b: linalg.splu(SYSTEM).solve(b, "T"), lambda b: np.linalg.solve(SYSTEM.toarray().T, b)),
}


@pytest.mark.parametrize("what", SOLUTIONS)
@pytest.mark.parametrize("b", [Y[0], Y.T, Y[0] + 1j * Y[1]], ids=["vector", "columns", "complex"])
def test_solutions(what, b):
    found, dense = SOLUTIONS[what]
    for transform in (
        lambda g: dg.jvp(g, (b,), (b,))[1],
        lambda g: dg.jacfwd(g)(b),
        lambda g: dg.taylor(g, b, b, 2)[2],
    ):
        np.testing.assert_allclose(transform(lambda b: found(b**2)), transform(lambda b: dense(b**2)), atol=1e-13)
    if b.dtype.kind != "c":
        twice = lambda g: dg.jacfwd(dg.jacfwd(lambda b: g(b**3)))(b)  # noqa: E731
        np.testing.assert_allclose(twice(found), twice(dense), atol=1e-13)


def test_a_column_is_a_vector_as_in_scipy():
    value, tangent = dg.jvp(lambda b: linalg.spsolve(SYSTEM, b), (Y[:1].T,), (Y[1:].T,))
    np.testing.assert_allclose(value, scipy.sparse.linalg.spsolve(SYSTEM, Y[:1].T))
    np.testing.assert_allclose(tangent, scipy.sparse.linalg.spsolve(SYSTEM, Y[1]))


def test_one_factorization_for_all_directions_and_orders(monkeypatch):
    calls = []
    splu = scipy.sparse.linalg.splu
    monkeypatch.setattr(scipy.sparse.linalg, "splu", lambda *args, **named: calls.append(1) or splu(*args, **named))
    dg.jacfwd(dg.jacfwd(lambda b: linalg.spsolve(SYSTEM, b**2)))(Y[0])
    assert len(calls) == 1


def test_plain_arrays_get_the_answer_of_scipy():
    np.testing.assert_array_equal(linalg.spsolve(SYSTEM, Y[0]), scipy.sparse.linalg.spsolve(SYSTEM, Y[0]))
    np.testing.assert_array_equal(linalg.splu(SYSTEM).solve(Y[0]), scipy.sparse.linalg.splu(SYSTEM).solve(Y[0]))
    assert linalg.splu(SYSTEM).shape == (4, 4)
    assert linalg.cg is scipy.sparse.linalg.cg


def test_a_matrix_of_duals_is_refused():
    with pytest.raises(TypeError, match="got Dual for A; expected a sparse matrix"):
        dg.jvp(lambda t: linalg.spsolve(t * np.eye(2), t * np.ones(2)), (1.0,), (1.0,))
