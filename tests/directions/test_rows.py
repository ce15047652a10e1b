"""Rows of directions: factors answer as the dense matrix does."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.directions.rows import FactorRows, Rows
from dualgrad.layout import Layout

RNG = np.random.default_rng(0)
TREE = {"w": np.zeros((3, 2)), "k": np.zeros((2, 2, 2)), "b": np.zeros(2), "s": np.float64(0.0)}


def factors(n, dtype=np.float64):
    """n directions for TREE, as factors where it has matrices."""
    return FactorRows(np.sign(RNG.normal(size=(n, 5 + 6 + 2 + 1))).astype(dtype), Layout.of(TREE))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("kind", ["dense", "factors"])
def test_rows_are_a_matrix(kind, n, dtype):
    V = factors(n, dtype)
    M = V.dense().astype(np.float64)
    V = V if kind == "factors" else Rows(V.dense())
    c, g, tight = RNG.normal(size=n), RNG.normal(size=17), {np.float32: 1e-5, np.float64: 1e-13}[dtype]
    total, dots = c.astype(dtype) @ V, V @ g.astype(dtype)
    np.testing.assert_allclose(total, c @ M, rtol=tight, atol=tight)
    np.testing.assert_allclose(dots, M @ g if n > 1 else M[0] @ g, rtol=tight, atol=tight)
    np.testing.assert_allclose(V.gram(), M @ M.T, rtol=tight, atol=tight)
    assert (total.dtype, total.shape, np.shape(dots), len(V)) == (dtype, (17,), (n,) if n > 1 else (), n)
    assert (c @ V).dtype == dtype  # the loss was in another precision
    for listed in (c.tolist(), tuple(c)):  # also where n = p, on which a product of arrays would have another meaning
        np.testing.assert_allclose(listed @ V, c @ M, rtol=tight, atol=tight)
        np.testing.assert_allclose(listed @ Rows(V.dense()[:, :n]), c @ M[:, :n], rtol=tight, atol=tight)
    if n == 1:
        for number in (c[0], float(c[0]), np.array(c[0])):
            np.testing.assert_allclose(number @ V, c[0] * M[0], rtol=tight, atol=tight)
    np.testing.assert_array_equal(V[:2].dense(), V.dense()[:2])
    assert len(V[1:]) == n - 1


@pytest.mark.parametrize("lead", [None, True, False])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("kind", ["dense", "factors"])
def test_the_tree_is_what_a_jvp_is_given(kind, n, lead):
    V = factors(n)
    V = V if kind == "factors" else Rows(V.dense())
    if n > 1 and lead is False:
        return
    tree = V.tree(Layout.of(TREE), lead)
    front = (n,) if n > 1 or lead else ()
    assert {k: np.shape(a) for k, a in tree.items()} == {k: front + np.shape(a) for k, a in TREE.items()}
    assert isinstance(tree["w"], dg.OuterProduct) == isinstance(tree["k"], dg.OuterProduct) == (kind == "factors")
    dense = {k: np.asarray(a) for k, a in tree.items()}
    rows = Layout.of(TREE).rows(dense, n) if front else Layout.of(TREE).vector(dense)[None]
    np.testing.assert_array_equal(rows, V.dense())


def test_sums_own_their_memory():
    for V in (factors(2), Rows(RNG.normal(size=(2, 5)))):
        c = np.ones(2)
        first = c @ V
        second = (2 * c) @ V
        np.testing.assert_allclose(second, 2 * first)
        assert not np.shares_memory(first, V.dense())


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("kind", ["dense", "factors"])
def test_other_sizes_are_refused(kind, n):
    V = factors(n)
    V = V if kind == "factors" else Rows(V.dense())
    for c in (2.0, np.array([2.0]), np.ones(2), np.ones((n, 1))):
        if n > 1 or np.shape(c) not in ((), (1,)) and np.shape(c) != (n,):
            with pytest.raises(dg.ShapeError, match=f"for {n} directions"):
                c @ V
    for g in (np.ones(16), np.ones(18)):
        with pytest.raises((dg.ShapeError, ValueError)):
            V @ g
    for some in (0, [0], np.array([True] * n), np.array([0])):
        with pytest.raises(TypeError, match="expected a slice of directions"):
            V[some]
