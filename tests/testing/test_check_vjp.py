"""check_vjp: every layer and loss passes, wrong ones are named leaf by leaf, and what is no layer is refused."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.testing import CheckError, check_vjp
from tests.support.layers import LAYERS, LOSSES, Bound

X = np.random.default_rng(0).standard_normal((4, 3))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_passes(name, dtype):
    layer, shape = LAYERS[name]
    x = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    assert check_vjp(layer, layer.init(rng=0, dtype=dtype), x).passed


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_passes(name):
    loss, shape, target = LOSSES[name]
    x = np.random.default_rng(1).standard_normal(shape)
    for reduction in ("mean", "sum", "none"):
        assert check_vjp(loss, {}, x, target=target, reduction=reduction).passed


HELD = {
    name: (getattr(layer, "layer", layer), shape, {"train": layer.kwargs["train"]} if "train" in layer.kwargs else {})
    for name, (layer, shape) in LAYERS.items()
    if isinstance(layer, Bound) and not layer.kwargs.keys() - {"train", "rng"}
}


@pytest.mark.parametrize("name", HELD)
def test_buffers_stand_still_and_draws_are_the_same(name):
    """As its user has them: Params with buffers, and ``train=True`` alone."""
    layer, shape, train = HELD[name]
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    assert check_vjp(layer, layer.init(rng=0), x, **train).passed


def test_wrong_ones_with_buffers_are_noticed():
    class Own(nn.BatchNorm):
        def vjp(self, p, x, **kwargs):
            y, pull = super().vjp(p, x, **kwargs)
            return y, lambda dy: (pull(dy)[0], 2 * pull(dy)[1])

    report = check_vjp(Own(3), Own(3).init(rng=0, dtype=np.float64), X, train=True, raises=False)
    assert {c.oracle for c in report.failures} >= {"v in ['x']"}


class Wrong(nn.Linear):
    """A pullback that changes as it is told."""

    def __init__(self, change):
        super().__init__(3, 2)
        self.change = change

    def vjp(self, p, x):
        y, pullback = super().vjp(p, x)
        return y, lambda dy: self.change(*pullback(dy))


def report_of(change):
    layer = Wrong(change)
    return check_vjp(layer, layer.init(rng=0, dtype=np.float64), X, raises=False)


def test_the_wrong_leaf_is_named():
    report = report_of(lambda dp, dx: (dp | {"bias": 1.0001 * dp["bias"]}, dx))
    failed = {(c.name, c.oracle) for c in report.failures}
    assert failed == {("⟨Jᵀu, v⟩ = ⟨u, Jv⟩", "v in ['params']['bias']"), ("transpose", "Jᵀ u by the engine")}
    assert next(c for c in report.failures if c.name == "transpose").where.startswith("['params']['bias']")
    layer = Wrong(lambda dp, dx: (dp, dx[::-1]))
    params = layer.init(rng=0, dtype=np.float64)
    with pytest.raises(AssertionError, match=r"v in \['x'\] .*\n.*got"):
        check_vjp(layer, params, X)


def test_large_layers_are_compared_by_inner_products():
    layer = nn.Linear(100, 80)
    report = check_vjp(layer, layer.init(rng=0, dtype=np.float64), np.ones((2, 100)))
    assert report.passed
    assert not [c for c in report.checks if c.name == "transpose"]


def test_missing_names_and_shapes_are_failures():
    with pytest.raises(AssertionError, match=r"returns \['weight'\]; expected \['bias', 'weight'\]"):
        report_of(lambda dp, dx: ({"weight": dp["weight"]}, dx))
    with pytest.raises(AssertionError, match=r"returns shape \(2, 3\) for \['params'\]\['weight'\]; expected \(3, 2\)"):
        report_of(lambda dp, dx: (dp | {"weight": dp["weight"].T}, dx))


def test_a_symbolic_zero_is_a_zero():
    report = report_of(lambda dp, dx: (dp, dg.ZERO))
    assert {c.oracle for c in report.failures} == {"v in ['x']", "Jᵀ u by the engine"}


def test_integer_inputs_are_held_constant():
    class Table(nn.Layer):
        def shapes(self):
            return {"table": (5, 2)}

        def initial(self, name, shape, rng, dtype):
            return rng.normal(shape, dtype=dtype)

        def forward(self, p, x):
            return p["table"][x]

        def vjp(self, p, x):
            def pullback(dy):
                d = np.zeros_like(p["table"])
                np.add.at(d, x, dy)
                return {"table": d}, dg.ZERO

            return p["table"][x], pullback

    layer = Table()
    assert check_vjp(layer, layer.init(rng=0, dtype=np.float64), np.array([0, 3, 3])).passed


def test_what_is_no_layer_is_refused():
    with pytest.raises(TypeError, match="has no forward"):
        check_vjp(np.sin, {}, X)

    with pytest.raises(dg.LayoutError, match="expected \\['bias', 'weight'\\]"):
        check_vjp(nn.Linear(3, 2), {}, X)

    class Writes(nn.Tanh):
        def vjp(self, p, x):
            y, pullback = super().vjp(p, x)
            x += 1
            return y, pullback

    with pytest.raises(CheckError, match="writes to its parameters or its input"):
        check_vjp(Writes(), {}, X.copy())


# ---------------------------------------------------------------------- the explicit jvp


class Scale(nn.Layer):
    """y = s x, in natural code."""

    def shapes(self):
        return {"s": (3,)}

    def initial(self, name, shape, rng, dtype):
        return rng.normal(shape, dtype=dtype)

    def forward(self, p, x):
        return p["s"] * x

    def jvp(self, p, x, dp, dx):
        return p["s"] * x, dp["s"] * x + p["s"] * dx

    def vjp(self, p, x):
        return p["s"] * x, lambda dy: ({"s": np.sum(dy * x, axis=0)}, dy * p["s"])


class Promising(Scale):
    """The same with a promise: silently wrong where K is the batch, and an error elsewhere."""

    lead = True

    def jvp(self, p, x, dp, dx):
        return super().jvp(p, x, dp, dx)


def test_natural_code_passes_and_fails_with_a_promise():
    params = Scale().init(rng=0, dtype=np.float64)
    assert check_vjp(Scale(), params, X).passed
    report = check_vjp(Promising(), params, X, raises=False)
    found = {(c.name, c.oracle): c for c in report.failures}
    assert found["jvp of K directions", "K = 3"].note.startswith("ValueError: operands could not be broadcast")
    assert found["jvp of K directions", "the engine on forward"].where.startswith("['K = 4'][1]")
    assert not [c for c in report.failures if not c.name.startswith("jvp of K") and "K = 3" not in c.oracle]


def test_a_layer_of_the_library_that_is_wrong_where_k_is_the_batch_fails(monkeypatch):
    right, layer = nn.Linear.jvp, nn.Linear(3, 2)

    def jvp(self, p, x, dp, dx):
        y, dy = right(self, p, x, dp, dx)
        return y, dy[::-1] if dy is not dg.ZERO and dy.ndim > y.ndim and len(dy) == len(y) else dy

    params = layer.init(rng=0, dtype=np.float64)
    assert check_vjp(layer, params, X).passed
    monkeypatch.setattr(nn.Linear, "jvp", jvp)
    (failed,) = check_vjp(layer, params, X, raises=False).failures
    assert (failed.name, failed.where[:9]) == ("jvp of K directions", "['K = 4']")


@pytest.mark.parametrize(
    ("rule", "oracle", "says"),
    [
        (lambda dx, dy: dy if dx is not dg.ZERO else dg.ZERO, "the engine on forward", ""),
        (lambda dx, dy: dy + 0 * dx.real.sum(), "along ['params']['weight']", "AttributeError"),
        (
            lambda dx, dy: dy if dx is not dg.ZERO else 0 * X[:, :2],
            "along nothing",
            "expected ZERO, which goes with any K",
        ),
        (
            lambda dx, dy: dy if dy is dg.ZERO or dx is not dg.ZERO else dy[..., :1],
            "along ['params']['weight']",
            "shapes",
        ),
    ],
    ids=["stops", "raises", "array", "shape"],
)
def test_a_rule_that_does_not_take_zeros_fails(rule, oracle, says):
    class Promised(nn.Linear):
        lead = True

        def jvp(self, p, x, dp, dx):
            y, dy = super().jvp(p, x, dp, dx)
            return y, rule(dx, dy)

    layer = Promised(3, 2)
    report = check_vjp(layer, layer.init(rng=0, dtype=np.float64), X, raises=False)
    assert {c.name for c in report.failures} == {"jvp with ZERO tangents"}
    assert any(c.oracle == oracle and says in c.note for c in report.failures)
