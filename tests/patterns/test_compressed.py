"""Jacobians and Hessians by patterns: star colorings that are valid by their definition, entries equal to the dense
ones, the forms of the result, wrong patterns found out, and what a sparse matrix costs beside a dense one."""

import importlib
import itertools
import time

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import coloring, sparsity_pattern, star_coloring
from dualgrad.star_coloring import star_colors
from tests.support.differences import bands, brusselator, heat

X = np.linspace(0.3, 0.9, 12)


def symmetric(rng, n, density):
    there = rng.uniform(size=(n, n)) < density
    return there | there.T


def is_star_coloring(pattern, color):
    """By the definition: no edge of one color, no path of four vertices of two."""
    n = len(pattern)
    edge = pattern & ~np.eye(n, dtype=bool)
    if any(color[i] == color[j] for i, j in np.argwhere(edge)):
        return False
    paths = (
        p for p in itertools.permutations(range(n), 4) if edge[p[0], p[1]] and edge[p[1], p[2]] and edge[p[2], p[3]]
    )
    return all(len({color[v] for v in path}) > 2 for path in paths)


GRAPHS = [(n, density, seed) for n in (1, 2, 5, 8) for density in (0.15, 0.3, 0.6) for seed in range(8)]


@pytest.mark.parametrize(("n", "density", "seed"), GRAPHS)
def test_star_colorings_by_their_definition(n, density, seed):
    pattern = symmetric(np.random.default_rng(seed), n, density)
    color = star_colors(*np.nonzero(pattern), n)
    assert is_star_coloring(pattern, color)
    assert set(color.tolist()) == set(range(color.max() + 1))


def test_a_wrong_star_coloring_is_noticed():
    """A planted fault: colors that differ along edges alone."""
    path = bands(6, -1, 0, 1)
    assert not is_star_coloring(path, np.arange(6) % 2)
    assert is_star_coloring(path, np.arange(6) % 3)


def test_colors_are_few():
    for pattern, count in (
        (bands(40, 0), 1), (bands(40, -1, 0, 1), 3), (bands(40, -2, -1, 0, 1, 2), 5),
        *((bands(40, 0) | (np.arange(40) == k)[:, None] | (np.arange(40) == k), 2) for k in (0, 1, 20, 38, 39)),
        (bands(40, -1, 0, 1) | (np.arange(40) == 39)[:, None] | (np.arange(40) == 39), 4),
    ):  # fmt: skip
        assert star_colors(*np.nonzero(pattern), 40).max() + 1 == count


def energy(x):
    return np.sum((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2)


def arrow(x):
    return np.sum(np.sin(x[1:])) * x[0] ** 2 + np.sum(x**4)


def of_graph(pattern):
    """A function whose Hessian has entries at a symmetric pattern and nowhere else."""
    i, j = np.nonzero(np.triu(pattern))
    return lambda x: (
        np.sum(np.sin(1.0 + i * x[i] * x[j] + x[i] + 0.7 * x[j]) * np.where(i == j, 0.0, 1.0))
        + np.sum(np.diag(pattern) * x**3)
    )


@pytest.mark.parametrize("chunk", [None, 5, "auto"])
@pytest.mark.parametrize("f", [energy, arrow, lambda x: x @ x, lambda x: 2 * x[0], lambda x: np.prod(x[:4]) * x[5]])
def test_sparse_hessians_are_the_dense_ones(f, chunk):
    pytest.importorskip("scipy.sparse")
    H = dg.hessian(f)(X)
    found = dg.hessian(f, sparsity="auto", chunk=chunk)(X)
    np.testing.assert_allclose(found.toarray(), H, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dg.hessian(f, sparsity=np.ones((12, 12), bool))(X), H, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("n", "density", "seed"), [g for g in GRAPHS if g[0] > 2 and g[2] < 4])
def test_entries_are_read_off_any_graph(n, density, seed):
    pattern = symmetric(np.random.default_rng(seed), n, density) | np.eye(n, dtype=bool)
    f, x = of_graph(pattern), np.linspace(0.2, 0.8, n)
    H = dg.hessian(f)(x)
    np.testing.assert_allclose(dg.hessian(f, sparsity=pattern)(x), H, rtol=1e-10, atol=1e-10)
    rows, cols = np.nonzero(pattern)
    np.testing.assert_allclose(dg.hessian(f, sparsity=(rows, cols))(x), H[rows, cols], rtol=1e-10, atol=1e-10)


def test_shapes_keywords_and_precision():
    f = lambda a, x, scale: scale * np.sum(a * x**3 * x[:, ::-1])  # noqa: E731
    x = np.linspace(0.1, 1, 6).reshape(2, 3)
    H = dg.hessian(f, argnum=1)(2.0, x, scale=3.0)
    found = dg.hessian(f, argnum=1, sparsity=H != 0)(2.0, x, scale=3.0)
    np.testing.assert_allclose(found, H)
    single = dg.hessian(f, argnum=1, sparsity=H != 0)(2.0, x.astype(np.float32), scale=3.0)
    assert single.dtype == np.float32
    assert dg.jacfwd(np.square, sparsity=np.eye(3, dtype=bool))(np.ones(3, np.float32)).dtype == np.float32


def test_the_form_of_the_result(monkeypatch):
    pattern = dg.sparsity(heat, X)
    dense = dg.jacfwd(heat)(X)
    found = [dg.jacfwd(heat, sparsity=given)(X) for given in ("auto", pattern)]
    sparse = pytest.importorskip("scipy.sparse")
    for J in found:
        assert type(J) is sparse.csr_array
        np.testing.assert_allclose(J.toarray(), dense, rtol=1e-13)
    assert type(pattern.tocoo()) is sparse.coo_array
    assert np.array_equal(pattern.tocoo().toarray(), pattern)
    monkeypatch.setattr(coloring, "as_sparse", lambda values, pattern: None)  # without SciPy
    monkeypatch.setattr(sparsity_pattern, "as_sparse", lambda values, pattern: None)
    np.testing.assert_allclose(dg.jacfwd(heat, sparsity="auto")(X), dense, rtol=1e-13)
    with pytest.raises(ImportError, match="SciPy, which is not installed"):
        pattern.tocoo()


def test_a_pattern_as_an_array():
    pattern = dg.sparsity(heat, X)
    assert pattern.nnz == len(pattern.rows) == len(pattern.cols) == np.sum(pattern.toarray())
    assert np.array(pattern, dtype=float).dtype == float
    assert pattern == dg.sparsity(heat, X)
    assert pattern != dg.sparsity(np.sin, X)
    assert pattern != 3
    assert repr(pattern) == "SparsityPattern(12 x 12, 34 entries)"
    assert str(pattern).splitlines()[0] == "●●··········"
    assert str(dg.sparsity(heat, np.ones(200))) == "SparsityPattern(200 x 200, 598 entries)"
    with pytest.raises(ValueError, match="leave copy=False out"):
        np.array(pattern, copy=False)
    with pytest.raises(TypeError, match="unhashable"):
        hash(pattern)


def test_colors_are_found_once(monkeypatch):
    pattern, calls = dg.sparsity(heat, X), []
    real = coloring.colors
    monkeypatch.setattr(coloring, "colors", lambda *args: calls.append(args) or real(*args))
    for _ in range(3):
        dg.jacfwd(heat, sparsity=pattern)(X)
    assert len(calls) == 1
    dg.jacfwd(heat, sparsity=(pattern.rows, pattern.cols))(X)
    assert len(calls) == 2


# ---------------------------------------------------------------------- what is wrong is found out


def test_a_missing_entry_raises():
    H = dg.hessian(energy)(X) != 0
    for i, j in ((0, 0), (3, 4)):
        missing = H.copy()
        missing[i, j] = missing[j, i] = False
        with pytest.raises(ValueError, match=r"outside the sparsity pattern: row \d+ of its Hessian"):
            dg.hessian(energy, sparsity=missing)(X)


@pytest.mark.parametrize("fault", [lambda r, c, n: np.arange(n) % 2, lambda r, c, n: np.zeros(n, int)])
def test_wrong_colors_are_found_out(fault, monkeypatch):
    monkeypatch.setattr(star_coloring, "star_colors", fault)
    with pytest.raises(ValueError, match="outside the sparsity pattern"):
        dg.hessian(energy, sparsity=bands(12, -1, 0, 1))(X)


def test_a_pattern_that_misses_entries_is_found_out(monkeypatch):
    """A planted fault: detection that sees the diagonal alone."""
    monkeypatch.setattr(
        importlib.import_module("dualgrad.transforms.hessian"), "hessian_pattern", lambda f, x: dg.sparsity(np.sin, x)
    )
    with pytest.raises(ValueError, match="outside the sparsity pattern"):
        dg.hessian(energy, sparsity="auto")(X)


@pytest.mark.parametrize(
    ("f", "x", "sparsity", "error", "message"),
    [
        (energy, X, np.triu(bands(12, 0, 1)), dg.ShapeError, r"one of the entries \(0, 1\) and \(1, 0\)"),
        (energy, X, np.eye(3, dtype=bool), dg.ShapeError, r"\(3, 3\); the Hessian has shape \(12, 12\)"),
        (energy, X, "banded", TypeError, "pattern of type str.*or 'auto'"),
        (np.sin, X, "auto", TypeError, "one real array that returns a number"),
        (lambda x: np.sum(x[0]), [X], "auto", TypeError, "one real array that returns a number"),
    ],
)
def test_bad_input(f, x, sparsity, error, message):
    with pytest.raises(error, match=message):
        dg.hessian(f, sparsity=sparsity)(x)


@pytest.mark.parametrize("transform", [dg.jacfwd, dg.hessian])
def test_a_dense_result_within_another_derivative(transform):
    f = {dg.jacfwd: lambda y, t: np.sin(t * y) * y, dg.hessian: lambda y, t: np.sum(np.sin(t * y))}[transform]
    for x in (X[:3], X[:3].astype(np.float32)):
        entries = lambda t, x=x, **given: transform(lambda y: f(y, t), **given)(x) * t  # noqa: E731
        for lead in ((), (2,)):
            t, v = x.dtype.type(0.7), np.ones(lead, x.dtype)[()]
            found = dg.jvp(lambda t: entries(t, sparsity=np.eye(3, dtype=bool)), (t,), (v,))  # noqa: B023
            for a, b in zip(found, dg.jvp(entries, (t,), (v,)), strict=True):
                assert a.dtype == b.dtype == x.dtype
                np.testing.assert_allclose(a, b, 1e-5 if x.dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", "efdg")
def test_every_precision_has_a_result_of_every_kind(dtype):
    sparse = pytest.importorskip("scipy.sparse")
    x, pattern = X.astype(dtype), dg.sparsity(heat, X)
    for given in ("auto", pattern, pattern.toarray(), pattern.tocoo(), (pattern.rows, pattern.cols)):
        J = dg.jacfwd(heat, sparsity=given)(x)
        assert J.dtype == dtype
        J = J.toarray() if sparse.issparse(J) else J
        expected = dg.jacfwd(heat)(x)
        expected = expected[given] if isinstance(given, tuple) else expected
        np.testing.assert_allclose(J, expected, {"e": 1e-2, "f": 1e-5}.get(dtype, 1e-12))


def test_complex_results_of_real_numbers():
    f = lambda x: np.exp(1j * x) * heat(x)  # noqa: E731
    for given in ("auto", np.ones((12, 12), bool)):
        J = dg.jacfwd(f, sparsity=given)(X)
        np.testing.assert_allclose(J.toarray() if hasattr(J, "toarray") else J, dg.jacfwd(f)(X), 1e-12)
    with pytest.raises(ValueError, match="outside the sparsity pattern"):
        dg.jacfwd(f, sparsity=np.eye(12, dtype=bool))(X)


def test_within_another_derivative():
    cube = lambda y: y**3  # noqa: E731
    entries = lambda x: dg.jacfwd(cube, sparsity=([0, 1, 2], [0, 1, 2]))(x)  # noqa: E731
    np.testing.assert_allclose(dg.jvp(entries, (X[:3],), (np.ones(3),))[1], 6 * X[:3])
    pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"within another derivative.*give the pattern as \(rows, columns\)"):
        dg.jvp(lambda x: dg.jacfwd(cube, sparsity="auto")(x), (X,), (X,))


# ---------------------------------------------------------------------- costs


@pytest.mark.parametrize("f", [lambda x: np.sum(x) ** 2, np.linalg.norm, lambda x: np.log(np.sum(np.exp(x)))])
def test_a_hessian_without_zeros_is_found_in_a_moment(f):
    pytest.importorskip("scipy.sparse")
    x = np.linspace(0.1, 1, 200)
    dense, found = dg.hessian(f), dg.hessian(f, sparsity="auto")
    np.testing.assert_allclose(found(x).toarray(), dense(x), atol=1e-10)
    assert least(lambda: found(x), 1) < 1 + 20 * least(lambda: dense(x), 2)


def least(f, times):
    found = []
    for _ in range(times):
        start = time.perf_counter()
        f()
        found.append(time.perf_counter() - start)
    return min(found)


@pytest.mark.parametrize(("f", "n"), [(heat, 2000), (brusselator, 2048)], ids=["heat", "Brusselator"])
def test_a_compressed_jacobian_takes_a_fraction_of_a_dense_one(f, n):
    x = np.linspace(0.1, 1, n)
    pattern = dg.sparsity(f, x)
    assert least(lambda: dg.sparsity(f, x), 20) < 40 * least(lambda: f(x), 100)
    sparse = dg.jacfwd(f, sparsity=pattern)
    assert 15 * least(lambda: sparse(x), 10) < least(lambda: dg.jacfwd(f)(x), 2)
