"""Rows of directions: factors answer as the dense matrix does."""

import os
import subprocess
import sys

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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("kind", ["dense", "factors"])
def test_a_sum_is_added_to_a_total(kind, n, dtype):
    V = factors(n, dtype)
    V = V if kind == "factors" else Rows(RNG.normal(size=(n, 17)).astype(dtype))
    c, before = RNG.normal(size=n), RNG.normal(size=17).astype(dtype)
    loop = before.copy()
    for c_i, v_i in zip(c.astype(dtype), V.dense(), strict=True):
        loop += c_i * v_i
    for exact, given in ((False, c), (True, c), (True, c.tolist()), (True, c if n > 1 else c[0])):
        total = before.copy()
        assert V.add_to(total, given, exact) is total
        np.testing.assert_allclose(total, before + c @ V, rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-5)
        assert not exact or np.array_equal(total, loop)
    parts = before.copy()
    for k in range(n):  # a part after the other
        V[k : k + 1].add_to(parts, c[k : k + 1], exact=True)
    assert np.array_equal(parts, loop)
    strided = np.repeat(before, 2)
    V.add_to(strided[::2], c, exact=True)
    assert np.array_equal(strided[::2], loop)
    assert np.array_equal(strided[1::2], before)


def test_an_exact_sum_of_many_entries_is_the_plain_loop():
    """More of them than a block."""
    tree = dg.Params({"w": np.zeros((300, 301)), "e": np.zeros((2, 0)), "b": np.zeros(70001), "k": np.zeros((2, 3, 4))})
    c, size = RNG.normal(size=3).astype(np.float32), tree.layout.size
    V = dg.directions.LowRank().rows(dg.Rng(0), 3, tree.layout, np.zeros(size, np.float32))
    loop = np.zeros(size, np.float32)
    for c_i, v_i in zip(c, V.dense(), strict=True):
        loop += c_i * v_i
    for rows in (V, Rows(V.dense())):
        assert np.array_equal(rows.add_to(np.zeros(size, np.float32), c, exact=True), loop)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("kind", ["dense", "factors"])
def test_another_total_is_refused_and_left_alone(kind, exact):
    V = factors(3)
    V = V if kind == "factors" else Rows(V.dense())
    for total, c, error, message in (
        (np.zeros(16), np.ones(3), dg.ShapeError, r"a total of shape \(16,\); expected \(17,\)"),
        (np.zeros((1, 17)), np.ones(3), dg.ShapeError, r"a total of shape \(1, 17\)"),
        (np.zeros(17, np.float32), np.ones(3), TypeError, "a total of float32; expected one of float64"),
        ([0.0] * 17, np.ones(3), TypeError, "a total of list"),
        (np.zeros(17), np.ones(2), dg.ShapeError, "for 3 directions"),
        (np.zeros(17), 1.0, dg.ShapeError, "for 3 directions"),
    ):
        with pytest.raises(error, match=message):
            V.add_to(total, c, exact)
        assert not np.any(total)


def test_no_directions_of_no_entries_are_added():
    empty = FactorRows(np.ones((2, 0)), Layout.of({}))
    for V in (empty, Rows(np.ones((2, 0)))):
        assert V.add_to(np.zeros(0), np.ones(2), exact=True).shape == (0,)


BITS = """
import numpy as np, dualgrad as dg
w = dg.Params({"w": np.zeros((61, 53), np.float32), "b": np.zeros(7, np.float32)})
c = dg.Rng(1).uniform(-1, 1, 32, dtype=np.float32)
d = dg.directions
signs = [d.Rademacher(), d.LowRank(), d.Hadamard(), d.Hadamard(low_rank=True)]
for directions in (*signs, d.Uniform(), d.Coordinate(), d.Blocks(d.Uniform())):
    assert directions.portable
    V = directions.rows(dg.Rng(0), 32, w.layout, w.vector)
    print(dg.workers.digest(V.add_to(np.zeros_like(w.vector), c, exact=True)))
"""


def test_an_exact_sum_has_the_same_bits_whatever_the_kernels_of_blas():
    """Those of two generations of CPUs; of directions that are portable."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", BITS],
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_CORETYPE": kind, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for kind in ("Haswell", "Nehalem")
    ]
    first, second = (child.communicate(timeout=60)[0] for child in children)
    assert [child.returncode for child in children] == [0, 0]
    assert first == second
    assert len(first.split()) == 7
