"""OuterProduct: the products that keep the factors, and everything else equal to the dense matrix."""

import numpy as np
import pytest

import dualgrad as dg
from tests.support.catalogue import CATALOGUE
from tests.support.checks import close, direction, push
from tests.support.strict import device

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=4), RNG.normal(size=3)
AK, BK = RNG.normal(size=(2, 4)), RNG.normal(size=(2, 3))
ONE, MANY = dg.OuterProduct(A, B), dg.OuterProduct(AK, BK)
both = pytest.mark.parametrize("v", [ONE, MANY], ids=["one", "K"])


@both
def test_facts(v):
    dense = v.dense()
    assert type(dense) is np.ndarray
    assert v.shape == dense.shape
    assert (v.ndim, v.size, v.dtype, len(v)) == (dense.ndim, dense.size, dense.dtype, len(dense))
    assert repr(v) == f"OuterProduct(float64{list(dense.shape)})"
    np.testing.assert_array_equal(np.asarray(v), dense)


def test_dense_is_the_outer_product():
    np.testing.assert_array_equal(ONE.dense(), np.outer(A, B))
    np.testing.assert_array_equal(MANY.dense()[1], np.outer(AK[1], BK[1]))


@both
def test_products_are_the_dense_ones(v):
    x, y = RNG.normal(size=(5, 4)), RNG.normal(size=3)
    np.testing.assert_allclose(x @ v, x @ v.dense(), rtol=1e-13)
    np.testing.assert_allclose(v @ y, v.dense() @ y, rtol=1e-13)
    np.testing.assert_allclose(x[0] @ v, x[0] @ v.dense(), rtol=1e-13)
    np.testing.assert_allclose(v @ RNG.normal(size=(3, 2)) * 0, 0)
    np.testing.assert_allclose(np.matmul(x[None], v), np.matmul(x[None], v.dense()), rtol=1e-13)


SCALINGS = [lambda v: 2.5 * v, lambda v: v * np.float64(2.5), lambda v: -v, lambda v: v / 4, lambda v: +(-v)]


@both
@pytest.mark.parametrize("f", SCALINGS)
def test_scaling_and_negation(v, f):
    np.testing.assert_allclose(np.asarray(f(v)), f(v.dense()), rtol=1e-15)


@both
def test_scaling_keeps_the_factors(v):
    for scaled in (3 * v, v * 3, -v, v / 3, v.T if v is ONE else -v):
        assert isinstance(scaled, dg.OuterProduct)


def test_transpose_and_directions():
    assert isinstance(ONE.T, dg.OuterProduct)
    np.testing.assert_array_equal(ONE.T.dense(), ONE.dense().T)
    assert isinstance(MANY[1], dg.OuterProduct)
    np.testing.assert_array_equal(MANY[1].dense(), MANY.dense()[1])


OTHERS = [
    lambda v: v + 1, lambda v: 1 - v, lambda v: v - v, lambda v: v * v, lambda v: v**2, abs, lambda v: v > 0, np.exp,
    lambda v: 1 / v, lambda v: np.sum(v, -1), lambda v: v.reshape(-1), lambda v: v.sum(axis=-1),
    lambda v: v[..., 1:], lambda v: np.concatenate([v, v]), lambda v: np.where(v > 0, v, 0), lambda v: v.copy(),
    lambda v: np.stack([v, v], axis=-1), lambda v: np.add.reduce(v), lambda v: v.astype(np.float32), lambda v: v == v,
    lambda v: np.swapaxes(v, -1, -2) @ v, lambda v: np.multiply(v, np.ones(3)), lambda v: np.broadcast_to(v, (2, 4, 3)),
]  # fmt: skip


@both
@pytest.mark.parametrize("f", OTHERS)
def test_every_other_use_turns_dense(v, f):
    np.testing.assert_allclose(f(v), f(v.dense()), rtol=1e-14)


def test_kernels():
    v = dg.OuterProduct(RNG.normal(size=6), B, shape=(2, 3, 3))
    assert v.shape == (2, 3, 3)
    np.testing.assert_array_equal(v.dense().reshape(6, 3), np.outer(v.a, B))
    np.testing.assert_array_equal((2 * v).dense(), 2 * v.dense())
    np.testing.assert_array_equal(np.asarray(v.T), v.dense().T)
    np.testing.assert_allclose(np.ones(3) @ v, np.ones(3) @ v.dense())


def test_wrong_shapes_are_named():
    with pytest.raises(dg.ShapeError, match=r"expected lead \+ \(n,\) and lead \+ \(m,\)"):
        dg.OuterProduct(A, BK)
    with pytest.raises(dg.ShapeError, match=r"got shape \(2, 3\) for factors of 4 and 3"):
        dg.OuterProduct(A, B, shape=(2, 3))
    with pytest.raises(AttributeError):
        _ = ONE.nonsense


def test_no_python_array_conversion_behind_the_back():
    with pytest.raises(TypeError, match="unhashable"):
        hash(ONE)


# ---------------------------------------------------------------------- as a tangent

MATRICES = [c for c in CATALOGUE if c.draws and len(c.draws[0].shape) == 2 and not c.is_complex]


@pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "K"])
@pytest.mark.parametrize("case", MATRICES, ids=str)
def test_any_rule_takes_it_as_a_tangent(case, lead):
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    vs = direction(rng, xs, [True] * len(xs), lead)
    n, m = xs[0].shape
    v = dg.OuterProduct(rng.normal(size=(*lead, n)), rng.normal(size=(*lead, m)))
    _, expected = push(case, xs, [v.dense(), *vs[1:]])
    _, found = push(case, xs, [v, *vs[1:]])
    for a, b in zip(found, expected, strict=True):
        close(a, b, 1e-12)


def test_a_layer_by_hand():
    w, x, b = RNG.normal(size=(4, 3)), RNG.normal(size=(5, 4)), RNG.normal(size=3)

    def layer(w, x):
        return np.tanh(x @ w + b)

    for v, vx in ((ONE, x * 2), (MANY, np.stack([x, -x]))):
        y, dy = dg.jvp(layer, (w, x), (v, vx))
        _, expected = dg.jvp(layer, (w, x), (v.dense(), vx))
        np.testing.assert_allclose(dy, expected, rtol=1e-12)
        np.testing.assert_array_equal(y, layer(w, x))


def test_it_can_be_returned_written_to_a_copy_and_nested():
    w = RNG.normal(size=(4, 3))
    np.testing.assert_array_equal(dg.jvp(lambda w: w, (w,), (ONE,))[1], ONE.dense())
    np.testing.assert_array_equal(dg.jvp(lambda w: w.T, (w,), (MANY,))[1], np.swapaxes(MANY.dense(), 1, 2))

    def program(w):
        w = w.copy()
        w[0] = w[1] * w[2]
        return w

    np.testing.assert_allclose(dg.jvp(program, (w,), (ONE,))[1], dg.jvp(program, (w,), (ONE.dense(),))[1])
    f = lambda w: np.sum(np.sin(w) @ w.T)  # noqa: E731
    second = lambda v: dg.jvp(lambda w: dg.jvp(f, (w,), (v,))[1], (w,), (v,))[1]  # noqa: E731
    np.testing.assert_allclose(second(ONE), second(ONE.dense()), rtol=1e-12)
    np.testing.assert_allclose(second(MANY), second(MANY.dense()), rtol=1e-12)


def test_on_a_strict_device():
    w, x = RNG.normal(size=(4, 3)), RNG.normal(size=(5, 4))
    for v, a, b in ((ONE, A, B), (MANY, AK, BK)):
        on = dg.OuterProduct(device(a), device(b))
        _, dy = dg.jvp(lambda w, x=x: np.tanh(device(x) @ w), (device(w),), (on,))
        np.testing.assert_allclose(dy.get(), dg.jvp(lambda w: np.tanh(x @ w), (w,), (v.dense(),))[1], rtol=1e-12)


def test_a_negated_dual_can_be_written():
    def f(w):
        y = -w
        y += 1
        return y

    for v in (ONE, MANY):
        y, dy = dg.jvp(f, (np.ones((4, 3)),), (v,))
        np.testing.assert_array_equal(y, 0)
        np.testing.assert_array_equal(dy, -v.dense())
        assert isinstance(dg.jvp(np.negative, (np.ones((4, 3)),), (v,))[1], np.ndarray)


def test_the_former_name_is_the_same_class():
    from dualgrad.lowrank import LowRank

    assert dg.LowRank is LowRank is dg.OuterProduct
