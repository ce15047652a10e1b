"""ZERO absorbs products and vanishes in sums."""

import copy
import operator
import pickle

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import ZERO

X = np.array([[1.0, -2.0], [3.0, 4.0]])


def test_products_and_sums():
    for zero in (ZERO * X, X * ZERO, ZERO @ X, X @ ZERO, np.matmul(X, ZERO), np.multiply(2.0, ZERO), -ZERO, ZERO / 2):
        assert zero is ZERO
    for same in (ZERO + X, X + ZERO, X - ZERO, np.add(ZERO, X)):
        assert same is X
    assert np.array_equal(ZERO - X, -X)
    assert ZERO + ZERO is ZERO
    assert ZERO - ZERO is ZERO
    assert np.sum(ZERO) is ZERO
    assert np.reshape(ZERO, (2, 2)) is ZERO
    assert np.einsum("ij,jk->ik", X, ZERO) is ZERO
    assert ZERO.reshape(3) is ZERO.sum(axis=0) is ZERO[0] is ZERO


def test_it_is_one_object_false_and_named():
    assert repr(ZERO) == "ZERO"
    assert not ZERO
    assert pickle.loads(pickle.dumps(ZERO)) is ZERO
    assert copy.deepcopy(ZERO) is ZERO


def test_what_is_not_linear_is_refused():
    for call in (lambda: np.exp(ZERO), lambda: np.sort(ZERO), lambda: np.sign(ZERO)):
        with pytest.raises(NotImplementedError, match="not known to be zero"):
            call()


def test_it_meets_duals_and_lowrank():
    dg.jvp(lambda x: np.testing.assert_array_equal(dg.primal(x + ZERO), X) or x, (X,), (X,))
    assert np.matmul(dg.OuterProduct(np.ones(2), np.ones(2)), ZERO) is ZERO


@pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "K"])
@pytest.mark.parametrize("absorb", [operator.mul, operator.matmul, np.multiply, np.matmul, np.dot, np.inner, np.outer])
def test_it_absorbs_products_with_duals(absorb, lead):
    """On either side, also where the Dual belongs to two levels."""

    def inside(x):
        assert absorb(x, ZERO) is ZERO
        assert absorb(ZERO, x) is ZERO
        return x

    dg.jvp(inside, (X,), (np.ones(lead + X.shape),))
    dg.jvp(lambda x: dg.jvp(inside, (x,), (np.ones(lead + X.shape),)), (X,), (np.ones(lead + X.shape),))
