"""Gradients that are not written out: the entries, the norm and the steps are those of the vector."""

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.directions.rows import MANY, FactorRows
from dualgrad.layout import Layout
from dualgrad.unwritten import Unwritten

SHAPES = {"w": (3, 5), "b": (5,), "k": (2, 2, 4), "s": (), "long": (1, 23), "tall": (29, 2)}
OPTIMIZERS = [
    dg.optim.SGD(lr=0.1), dg.optim.SGD(lr=0.1, momentum=0.9, nesterov=True), dg.optim.SGD(lr=0.1, clip_norm=0.5),
    dg.optim.Adam(lr=0.1), dg.optim.Adam(lr=0.1, clip_value=0.2), dg.optim.AdamW(lr=0.1), dg.optim.StableAdamW(lr=0.1),
    dg.optim.RMSprop(lr=0.1, centered=True, momentum=0.5), dg.optim.KalmanQDOP(prior=8.0),
]  # fmt: skip


def factors(dtype=np.float64):
    layout = dg.Params({name: np.zeros(shape) for name, shape in SHAPES.items()}).layout
    counts = [3 + 5, 5, 4 + 4, 1, 1 + 23, 29 + 2]
    return FactorRows(dg.Rng(0).signs((1, sum(counts)), dtype=dtype), layout)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("c", [1.5, -0.25, 0.0])
def test_it_is_the_vector(c, dtype):
    V = factors(dtype)
    g = Unwritten(dtype(c), V.signs[0], V._pieces, V.layout.size)
    assert (g.dtype, g.shape) == (dtype, (V.layout.size,))
    np.testing.assert_array_equal(g.written(), c * V.dense()[0])
    assert g.written().dtype == dtype
    np.testing.assert_allclose(g.norm(), np.linalg.norm(c * V.dense()[0]), rtol=1e-6)
    for most in (1, 3, 7, 10, 1000):
        out, sizes = np.full(V.layout.size, np.nan, dtype), []
        for place, part in g.blocks(most):
            out[place] = part
            sizes.append(part.size)
        np.testing.assert_array_equal(out, g.written())
        assert max(sizes) <= most
        assert sum(sizes) == V.layout.size


@pytest.fixture
def estimate(monkeypatch):
    """An estimate whose gradient is not written out, and the same as an array."""
    params = dg.Params({name: np.full(shape, 0.5, np.float32) for name, shape in SHAPES.items()})
    estimator = dg.estimators.ForwardGradient(dg.directions.LowRank())
    loss = lambda p: sum(np.sum(np.sin(p[name])) for name in SHAPES)  # noqa: E731
    plain = estimator.estimate(loss, params, rng=3).gradient.vector
    monkeypatch.setattr("dualgrad.directions.rows.MANY", 0)
    gradient = estimator.estimate(loss, params, rng=3).gradient
    assert gradient.entries.__class__ is Unwritten
    return params, gradient, plain


@pytest.mark.parametrize("most", [4, 7, 1 << 16])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_step_is_the_same(optimizer, most, estimate, monkeypatch):
    monkeypatch.setattr("dualgrad.optim.blockwise.BLOCK", most)
    params, gradient, plain = estimate
    other, one, two = params.copy(), copy.deepcopy(optimizer), copy.deepcopy(optimizer)
    for _ in range(2):
        one.step(params, gradient)
        two.step(other, other.at(plain))
    np.testing.assert_array_equal(params.vector, other.vector)
    written = isinstance(optimizer, (dg.optim.StableAdamW, dg.optim.KalmanQDOP))
    assert (gradient.entries.__class__ is Unwritten) != written


LOOKS = {
    "vector": lambda g: g.vector, "by name": lambda g: g["w"], "copy": lambda g: g.copy().vector,
    "items": lambda g: dict(g.items()), "values": lambda g: list(g.values()), "dtype": lambda g: g.dtype,
    "repr": repr, "pickle": lambda g: pickle.loads(pickle.dumps(g)).vector,
    "deepcopy": lambda g: copy.deepcopy(g).vector,
    "len": len, "in": lambda g: "w" in g, "zeros_like": lambda g: g.zeros_like().vector, "size": lambda g: g.size,
    "layout": lambda g: g.layout.vector(g), "leaves": lambda g: g.map_leaves(lambda a: 2 * a).vector,
    "entries": lambda g: np.asarray(g.vector), "tree": lambda g: dg.Layout.of(g).vector(g), "keys": lambda g: list(g),
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_whoever_looks_sees_the_vector(look, estimate):
    params, gradient, plain = estimate
    found, expected = LOOKS[look](gradient), LOOKS[look](params.at(plain))
    if isinstance(found, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert str(found) == str(expected)
    np.testing.assert_array_equal(gradient.vector, plain)
    gradient.vector[:] = 1.0
    assert gradient["w"].sum() == 15  # the views look into the vector
    dg.optim.SGD(lr=1.0).step(params, gradient)
    np.testing.assert_allclose(params["w"], -0.5)  # what was written to it counts


def test_threads_write_to_one_vector(monkeypatch):
    """Whichever of them looks first."""
    monkeypatch.setattr("dualgrad.directions.rows.MANY", 0)
    interval = sys.getswitchinterval()
    params = dg.Params({f"w{k}": np.zeros((20, 30)) for k in range(4)})
    estimator = dg.estimators.ForwardGradient(dg.directions.LowRank())
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for seed in range(100):
                one, two = (estimator.estimate(lambda p: np.sum(p["w0"]), params, rng=seed).gradient for _ in range(2))
                list(pool.map(lambda name, g=one: np.add(g[name], 1, out=g[name]), list(params)))
                np.testing.assert_array_equal(one.vector, two.vector + 1)
    finally:
        sys.setswitchinterval(interval)


def test_an_error_inside_a_property_of_ones_own_keeps_its_words():
    class Named(dg.Params):
        @property
        def first(self):
            return self.firts

    with pytest.raises(AttributeError, match="no attribute 'firts'"):
        _ = Named({"a": np.ones(2)}).first


def test_an_unknown_attribute_is_one(estimate):
    with pytest.raises(AttributeError, match="'Params' object has no attribute 'vectr'"):
        _ = estimate[1].vectr


def test_a_direction_that_finishes_is_given_the_vector(monkeypatch):
    class Half(dg.directions.LowRank):
        def finish(self, gradient, layout):
            return gradient / 2

    params, loss = dg.Params({"w": np.ones((3, 4))}), lambda p: np.sum(p["w"] ** 2)
    monkeypatch.setattr("dualgrad.directions.rows.MANY", 0)
    whole, half = (dg.estimators.ForwardGradient(d()) for d in (dg.directions.LowRank, Half))
    expected = whole.estimate(loss, params, rng=0).gradient.vector / 2
    np.testing.assert_array_equal(half.estimate(loss, params, rng=0).gradient.vector, expected)


def test_an_overflow_is_told():
    params = dg.Params({"w": np.ones((300, 300), np.float32)})
    loss = lambda p: np.sum(p["w"].astype(np.float64)) * 1e39  # noqa: E731
    with pytest.raises(dg.NonFiniteError, match=r"gradient\['w'\] is not finite"), np.errstate(over="ignore"):
        dg.estimators.ForwardGradient(dg.directions.LowRank()).estimate(loss, params, rng=1)
    assert params.size > MANY


def test_a_tree_of_ones_own_stays_a_tree():
    tree = {"w": np.ones((300, 300))}
    found = dg.estimators.ForwardGradient(dg.directions.LowRank()).estimate(lambda p: np.sum(p["w"]), tree, rng=0)
    assert isinstance(found.gradient["w"], np.ndarray)
    assert Layout.of(found.gradient) == Layout.of(tree)
