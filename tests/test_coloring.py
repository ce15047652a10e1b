"""Sparse Jacobians: colors that are valid and few, entries equal to the dense ones, wrong patterns found out."""

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dualgrad as dg
from dualgrad import coloring
from dualgrad.transforms import jacobian

PATTERNS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7))


def function_with(pattern):
    """A function whose Jacobian has nonzero entries at the pattern and nowhere else."""
    weight = np.where(pattern, 1.0 + np.arange(pattern.size).reshape(pattern.shape), 0)
    return lambda x: np.sin(weight * x).sum(-1) if pattern.size else x.sum() * np.ones(len(pattern))


def colors_of(pattern):
    return coloring.colors(*np.nonzero(pattern), pattern.shape)


@given(pattern=PATTERNS)
def test_no_two_columns_of_a_color_share_a_row(pattern):
    color = colors_of(pattern)
    assert color.shape == pattern.shape[1:]
    for c in set(color.tolist()):
        assert np.all(pattern[:, color == c].sum(axis=1) <= 1)


BANDS = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
FEW = {
    "diagonal": (BANDS == 0, 1), "tridiagonal": (BANDS <= 1, 3), "seven bands": (BANDS <= 3, 7),
    "bands apart": ((BANDS == 0) | (BANDS == 4), 3), "blocks": (np.kron(np.eye(4), np.ones((3, 3))) > 0, 3),
    "arrow": ((BANDS == 0) | (np.arange(12) == 0)[:, None] | (np.arange(12) == 0), 12), "empty": (BANDS < 0, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", FEW)
def test_colors_are_few(name):
    pattern, count = FEW[name]
    assert colors_of(pattern).max() + 1 == count


@given(pattern=PATTERNS)
def test_equal_to_the_dense_jacobian(pattern):
    f, x = function_with(pattern), np.linspace(0.1, 1, pattern.shape[1])
    if pattern.shape[1] == 0:
        return
    dense = dg.jacfwd(f)(x)
    np.testing.assert_allclose(dg.jacfwd(f, sparsity=pattern)(x), dense, rtol=1e-13)
    np.testing.assert_allclose(
        dg.jacfwd(f, sparsity=np.nonzero(pattern), chunk=2)(x), dense[np.nonzero(pattern)], rtol=1e-13
    )


def test_shapes_of_y_and_x():
    f, x = lambda x: x**2 + x[::-1], np.arange(1.0, 7.0).reshape(2, 3)
    dense = dg.jacfwd(f)(x)
    for pattern in (dense != 0, (dense != 0).reshape(6, 6)):
        np.testing.assert_array_equal(dg.jacfwd(f, sparsity=pattern)(x), dense)


def test_scipy_comes_back_in_kind():
    sparse = pytest.importorskip("scipy.sparse")
    f, x = lambda x: x * x[::-1], np.arange(1.0, 6.0)
    dense = dg.jacfwd(f)(x)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        found = dg.jacfwd(f, sparsity=kind(dense != 0))(x)
        assert type(found) is kind
        np.testing.assert_array_equal(found.toarray(), dense)


def test_an_entry_given_twice_is_one_entry():
    sparse = pytest.importorskip("scipy.sparse")
    f, x = lambda x: np.stack([x[0] ** 2, x[0] * x[1], x[2]]), np.array([1.0, 2.0, 3.0])
    dense = dg.jacfwd(f)(x)
    rows, cols = np.array([1, 0, 1, 2, 1, 0]), np.array([0, 0, 1, 2, 0, 0])
    for chunk in (None, 1):
        np.testing.assert_array_equal(dg.jacfwd(f, sparsity=(rows, cols), chunk=chunk)(x), dense[rows, cols])
        for kind in (sparse.coo_array, sparse.coo_matrix, sparse.csr_array):
            pattern = kind((np.ones(6, bool), (rows, cols)), shape=(3, 3))
            found = dg.jacfwd(f, sparsity=pattern, chunk=chunk)(x)
            assert type(found) is kind
            np.testing.assert_array_equal(found.toarray(), dense)
    with pytest.raises(ValueError, match="outside the sparsity pattern: row 2"):
        dg.jacfwd(f, sparsity=(rows[:2], cols[:2]))(x)


def test_a_zero_stored_in_a_sparse_pattern_is_an_entry():
    sparse = pytest.importorskip("scipy.sparse")
    pattern = sparse.csr_array((np.array([0.0, 1.0]), (np.array([0, 1]), np.array([1, 0]))), shape=(2, 2))
    found = dg.jacfwd(lambda x: 3 * x[::-1], sparsity=pattern)(np.ones(2))
    np.testing.assert_array_equal(found.toarray(), [[0, 3], [3, 0]])


EMPTY = [([], []), (np.zeros(0, int), np.zeros(0, int)), np.zeros((2, 3), bool)]


@pytest.mark.parametrize("pattern", EMPTY, ids=["lists", "arrays", "matrix"])
def test_an_empty_pattern(pattern):
    found = dg.jacfwd(lambda x: 0 * x[:2], sparsity=pattern)(np.ones(3))
    assert not np.any(found)
    assert np.shape(found) == ((0,) if isinstance(pattern, tuple) else (2, 3))
    with pytest.raises(ValueError, match="outside the sparsity pattern: row 1"):
        dg.jacfwd(lambda x: x[:2], sparsity=pattern)(np.ones(3))


def test_an_empty_sparse_pattern():
    sparse = pytest.importorskip("scipy.sparse")
    found = dg.jacfwd(lambda x: 0 * x[:2], sparsity=sparse.csr_array((2, 3)))(np.ones(3))
    assert found.shape == (2, 3)
    assert found.nnz == 0


@pytest.mark.parametrize(("y_size", "x_size"), [(0, 3), (3, 0), (0, 0)])
def test_a_jacobian_without_entries(y_size, x_size):
    f = lambda x: np.zeros_like(x, shape=y_size) + np.sum(x)  # noqa: E731
    for pattern in (([], []), np.zeros((y_size, x_size), bool)):
        found = dg.jacfwd(f, sparsity=pattern)(np.ones(x_size))
        assert np.shape(found) == ((0,) if isinstance(pattern, tuple) else (y_size, x_size))


def test_single_precision_stays():
    x = np.ones(4, np.float32)
    assert dg.jacfwd(np.sin, sparsity=np.eye(4, dtype=bool))(x).dtype == np.float32


def test_the_number_of_directions(monkeypatch):
    pushed = []
    real = jacobian.jvp
    monkeypatch.setattr(jacobian, "jvp", lambda f, xs, vs: pushed.append(len(vs[0])) or real(f, xs, vs))
    dg.jacfwd(lambda x: np.diff(x**2), sparsity=BANDS[:-1] * (BANDS[:-1] <= 1) + (BANDS[:-1] == 0) > 0)(np.ones(12))
    assert pushed == [3, 1]  # the colors, and the check


def test_ten_thousand_columns_in_a_moment():
    n = 10_000
    i = np.arange(n)
    rows, cols = np.concatenate([i, i[1:], i[:-1]]), np.concatenate([i, i[:-1], i[1:]])

    def f(u):
        return u**3 + np.concatenate([u[:1], u[:-1]]) + np.concatenate([u[1:], u[-1:]])

    jacobian = dg.jacfwd(f, sparsity=(rows, cols))
    start = time.perf_counter()
    values = jacobian(np.linspace(0, 1, n))
    assert time.perf_counter() - start < 2
    tracemalloc.start()
    jacobian(np.linspace(0, 1, n))
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    np.testing.assert_allclose(values[1 : n - 1], 3 * np.linspace(0, 1, n)[1:-1] ** 2, atol=1e-15)


# ---------------------------------------------------------------------- what is wrong is found out


@given(pattern=PATTERNS, seed=st.integers(0, 100))
def test_a_missing_entry_raises(pattern, seed):
    missing = pattern.copy()
    entries = np.argwhere(pattern)
    if len(entries) == 0:
        return
    missing[tuple(entries[seed % len(entries)])] = False
    with pytest.raises(ValueError, match="outside the sparsity pattern: row"):
        dg.jacfwd(function_with(pattern), sparsity=missing)(np.linspace(0.1, 1, pattern.shape[1]))


def test_wrong_colors_are_found_out(monkeypatch):
    """A planted fault: every column the same color."""
    monkeypatch.setattr(coloring, "colors", lambda rows, cols, shape: np.zeros(shape[1], int))
    with pytest.raises(ValueError, match="outside the sparsity pattern"):
        dg.jacfwd(function_with(BANDS <= 1), sparsity=BANDS <= 1)(np.ones(12))


@pytest.mark.parametrize(
    ("f", "x", "sparsity", "error", "message"),
    [
        (np.sin, np.ones(3), np.eye(2, dtype=bool), dg.ShapeError, r"\(2, 2\); the Jacobian has shape \(3, 3\)"),
        (np.sin, np.ones(3), ([0, 3], [0, 1]), dg.ShapeError, "has row 3; .* rows run from 0 to 2"),
        (np.sin, np.ones(3), ([0, 1], [0, -1]), dg.ShapeError, "has column -1; .* columns run from 0 to 2"),
        (np.sin, np.ones(3), ([0.5], [1]), TypeError, "float64 and int64; expected integer arrays"),
        (np.sin, np.ones(2), [[True, False], [False, True]], TypeError, "around a boolean matrix in lists"),
        (np.sin, np.ones(3), [[1, 0, 0], [0, 1, 0], [0, 0, 1]], TypeError, "pattern of type list"),
        (np.sin, np.ones(3), ([0, 1], [0]), dg.ShapeError, r"rows of shape \(2,\) and columns of shape \(1,\)"),
        (np.sin, np.ones(3), (0, 1), dg.ShapeError, r"rows of shape \(\)"),
        (np.sin, np.ones(3), True, TypeError, "pattern of type bool"),
        (np.sin, np.ones(3), np.True_, dg.ShapeError, r"has \(\); the Jacobian"),
        (np.sin, np.ones(3), "banded", TypeError, "pattern of type str"),
        (lambda x: [x], np.ones(3), np.eye(3, dtype=bool), TypeError, "returns one array"),
        (np.sin, [np.ones(3)], np.eye(3, dtype=bool), TypeError, "one real array"),
        (np.sin, np.ones(3, complex), np.eye(3, dtype=bool), TypeError, "one real array"),
    ],
)
def test_bad_input(f, x, sparsity, error, message):
    with pytest.raises(error, match=message):
        dg.jacfwd(f, sparsity=sparsity)(x)
