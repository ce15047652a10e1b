"""Layers and losses, from one catalogue: the three rules of each against each other, the engine and differences."""

import copy
import math
import pickle
import types
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dualgrad as dg
from dualgrad import nn
from dualgrad.nn.joint import joint
from dualgrad.nn.normal import ndtr
from dualgrad.testing import check_vjp, exact_moments
from dualgrad.testing.derivatives.oracles import along, richardson
from tests.support.layers import INTEGERS, LAYERS, LOSSES, names_of
from tests.support.strict import device, host

RNG = np.random.default_rng(7)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers_in_any_order():
    RNG.bit_generator.state = START


layers = pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)
losses = pytest.mark.parametrize(("loss", "shape", "target"), LOSSES.values(), ids=LOSSES)
leads = pytest.mark.parametrize("lead", [(), (1,), (3,)], ids=["one", "K=1", "K=3"])


def draw(layer, shape, lead=()):
    """Parameters, input, and tangents for both."""
    params = layer.init(rng=1, dtype=np.float64)
    x = RNG.standard_normal(shape)
    dp = {name: RNG.standard_normal(lead + p.shape) for name, p in params.items()}
    return dict(params), x, dp, RNG.standard_normal(lead + shape)


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def engine_jvp(layer, p, x, dp, dx):
    """The engine's derivative of `forward`, with ZERO tangents left out."""
    moving = {name: d for name, d in dp.items() if d is not dg.ZERO}
    still = dx is dg.ZERO

    def forward(q, *inputs):
        return layer.forward(p | q, *(inputs or (x,)))

    return dg.jvp(forward, ({n: p[n] for n in moving}, *(() if still else (x,))), (moving, *(() if still else (dx,))))


def test_every_public_layer_and_loss_is_in_the_catalogue():
    abstract = {"Activation", "Cell", "Container", "Summary", "Layer", "Loss", "Objective", "BoundObjective"}
    abstract |= {"RNNCell", "LeakyRNNCell", "GRUCell", "LSTMCell"}  # in test_recurrent
    functions = {n for n in nn.__all__ if isinstance(getattr(nn, n), (types.FunctionType, types.ModuleType, nn.Loss))}
    assert names_of(LAYERS, LOSSES) - {"LocalMixer", "_Siren"} == set(nn.__all__) - abstract - functions
    assert set(nn.networks.__all__) <= {*LAYERS, *INTEGERS}


@leads
@layers
def test_jvp_is_the_engines(layer, shape, lead):
    p, x, dp, dx = draw(layer, shape, lead)
    for found, expected in zip(layer.jvp(p, x, dp, dx), engine_jvp(layer, p, x, dp, dx), strict=True):
        assert np.shape(found) == np.shape(expected)
        close(found, expected)


@leads
@layers
@pytest.mark.parametrize("still", ["input", "weights", "biases"])
def test_symbolic_zeros_are_absorbed(layer, shape, lead, still):
    p, x, dp, dx = draw(layer, shape, lead)
    dx = dg.ZERO if still == "input" else dx
    dp = {
        n: dg.ZERO
        if still == "weights" and d.ndim > len(lead) + 1 or still == "biases" and d.ndim == len(lead) + 1
        else d
        for n, d in dp.items()
    }
    y, dy = layer.jvp(p, x, dp, dx)
    if (dx is dg.ZERO or isinstance(layer, nn.Parameter)) and all(d is dg.ZERO for d in dp.values()):
        assert dy is dg.ZERO
        return
    for found, expected in zip((y, dy), engine_jvp(layer, p, x, dp, dx), strict=True):
        close(found, expected)


@layers
def test_all_zero_tangents_give_zero(layer, shape):
    p, x, dp, _ = draw(layer, shape)
    assert layer.jvp(p, x, dict.fromkeys(dp, dg.ZERO), dg.ZERO)[1] is dg.ZERO


@leads
@layers
def test_lowrank_tangents_are_their_dense_form(layer, shape, lead):
    p, x, dp, dx = draw(layer, shape, lead)
    low = {
        n: dg.OuterProduct(
            RNG.standard_normal((*lead, v.size // v.shape[-1])), RNG.standard_normal(lead + v.shape[-1:]), v.shape
        )
        if v.ndim > 1
        else dp[n]
        for n, v in p.items()
    }
    dense = {n: v.dense() if isinstance(v, dg.OuterProduct) else v for n, v in low.items()}
    for tangent in (dx, dg.ZERO) if p else (dx,):
        for found, expected in zip(layer.jvp(p, x, low, tangent), layer.jvp(p, x, dense, tangent), strict=True):
            close(found, expected)


@layers
def test_vjp_is_the_transpose_of_jvp(layer, shape):
    p, x, dp, dx = draw(layer, shape)
    y, dy = layer.jvp(p, x, dp, dx)
    value, pullback = layer.vjp(p, x)
    close(value, y)
    u = RNG.standard_normal(np.shape(y))
    bar_p, bar_x = pullback(u)
    assert set(bar_p) == set(p)
    close(np.sum(u * dy), sum(np.sum(bar_p[n] * dp[n]) for n in p) + np.sum(bar_x * dx))


@layers
def test_jvp_agrees_with_differences(layer, shape):
    p, x, dp, dx = draw(layer, shape)

    def forward(x, *weights):
        return layer.forward(dict(zip(p, weights, strict=True)), x)

    small = [0.001 * d for d in (dx, *dp.values())]  # so that no step crosses a kink
    estimate, error = richardson(along(forward, (x, *p.values()), small))
    found = 0.001 * layer.jvp(p, x, dp, dx)[1]
    assert np.all(np.abs(found - estimate) <= 1e-10 + 10 * error)


@layers
def test_second_order_by_nesting(layer, shape):
    """jvp of jvp through the layer's own rule, against the engine's on `forward`."""
    p, x, dp, dx = draw(layer, shape)
    _, _, ep, ex = draw(layer, shape)

    def slope(call):
        return lambda p, x: dg.jvp(call, (p, x), (dp, dx))[1]

    _, ours = dg.jvp(slope(layer), (p, x), (ep, ex))
    _, engines = dg.jvp(slope(layer.forward), (p, x), (ep, ex))
    close(ours, engines)


@layers
def test_jvp_of_a_pullback_gives_a_symmetric_hessian(layer, shape):
    p, x, _, _ = draw(layer, shape)
    u = RNG.standard_normal(np.shape(layer(p, x)))
    mask = np.sin(np.arange(u.size)).reshape(u.shape)

    def gradient(x):
        y, pullback = layer.vjp(p, x)
        return pullback(u * mask * y)[1]  # the gradient of Σ u mask y² / 2

    def slopes(x):
        return dg.jvp(lambda x: np.sum(u * mask * layer.forward(p, x) ** 2) / 2, (x,), (v,))[1]

    if x.size:
        v = RNG.standard_normal((min(x.size, 6), *x.shape))  # what is wrong anywhere is in all of them
        hessian = np.reshape(v, (len(v), -1)) @ np.reshape(dg.jvp(gradient, (x,), (v,))[1], (len(v), -1)).T
        close(hessian, hessian.T)
        close(hessian, dg.jvp(slopes, (x,), (v,))[1])


@leads
@layers
def test_the_same_on_a_device(layer, shape, lead):
    p, x, dp, dx = draw(layer, shape, lead)
    on = {n: device(v) for n, v in p.items()}, device(x), {n: device(v) for n, v in dp.items()}, device(dx)
    for found, expected in zip(layer.jvp(*on), layer.jvp(p, x, dp, dx), strict=True):
        close(host(found), expected)


@layers
def test_float32_stays_float32(layer, shape):
    params = layer.init(rng=1)
    x = RNG.standard_normal(shape).astype(np.float32)
    dp = {n: np.ones_like(p) for n, p in params.items()}
    y, dy = layer.jvp(params, x, dp, np.ones_like(x))
    assert y.dtype == dy.dtype == np.float32
    _, pullback = layer.vjp(params, x)
    bar_p, bar_x = pullback(y)
    assert bar_x.dtype == np.float32
    assert all(g.dtype == np.float32 for g in bar_p.values())


@layers
def test_inputs_are_untouched(layer, shape):
    p, x, dp, dx = draw(layer, shape)
    before = [a.copy() for a in (x, dx, *p.values(), *dp.values())]
    layer.jvp(p, x, dp, dx)
    layer.vjp(p, x)
    assert all(np.array_equal(a, b) for a, b in zip(before, (x, dx, *p.values(), *dp.values()), strict=True))


@leads
@pytest.mark.parametrize("name", INTEGERS)
def test_layers_of_whole_numbers(name, lead):
    layer, x = INTEGERS[name]
    params = layer.init(rng=0, dtype=np.float64)
    dp = {n: RNG.standard_normal(lead + p.shape) for n, p in params.items()}
    expected = dg.jvp(lambda p: layer.forward(p, x), (dict(params),), (dp,))
    for found in (layer.jvp(params, x, dp, dg.ZERO), dg.jvp(lambda p: layer(p, x), (params,), (dp,))):
        close(found[0], expected[0])
        close(found[1], expected[1])
    low = {
        n: dg.OuterProduct(RNG.standard_normal((*lead, p.shape[0])), RNG.standard_normal((*lead, p.shape[1])))
        if p.ndim == 2
        else dp[n]
        for n, p in params.items()
    }
    dense = {n: np.array(v) for n, v in low.items()}
    close(layer.jvp(params, x, low, dg.ZERO)[1], layer.jvp(params, x, dense, dg.ZERO)[1])
    assert layer.jvp(params, x, dict.fromkeys(params, dg.ZERO), dg.ZERO)[1] is dg.ZERO
    assert check_vjp(layer, params, x).passed


# ---------------------------------------------------------------------- losses


@leads
@losses
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_loss_jvp_is_the_engines_and_vjp_its_transpose(loss, shape, target, reduction, lead):
    z, dz = RNG.standard_normal(shape), RNG.standard_normal(lead + shape)
    y, dy = loss.jvp(z, target, dz, reduction)
    expected = dg.jvp(lambda z: loss.forward(z, target, reduction), (z,), (dz,))
    close(y, expected[0])
    close(dy, expected[1])
    assert np.shape(dy) == lead + np.shape(y)
    if not lead:
        value, pullback = loss.vjp(z, target, reduction)
        u = RNG.standard_normal(np.shape(y))
        close(value, y)
        close(np.sum(u * dy), np.sum(pullback(u) * dz))
    called = dg.jvp(lambda z: loss(z, target, reduction), (z,), (dz,))
    close(called[1], dy)


def counts(loss, shape, target):
    """What each loss counts in a mean: for integer classes what theirs weighs, and nothing where it is ignored."""
    own = {**loss.settings, **loss.given}
    if "ignore_index" not in own or target.ndim == len(shape):
        return 1
    weight = np.ones(shape[-1]) if own["weight"] is None else own["weight"]
    return np.array([0 if c == own["ignore_index"] else weight[c] for c in target.ravel()]).reshape(target.shape)


@leads
@losses
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_and_masks(loss, shape, target, reduction, lead):
    z, dz = RNG.standard_normal(shape), RNG.standard_normal(lead + shape)
    each, deach = loss.jvp(z, target, dz, "none")
    for weights in (RNG.random(each.shape), RNG.random(each.shape) < 0.7):
        w = np.asarray(weights, float)
        w = w if w.ndim else np.array(1.0)
        weights = weights if w.ndim else w
        y, dy = loss.jvp(z, target, dz, reduction, weights)
        axes = tuple(range(-each.ndim, 0))
        if reduction == "none":
            expected = each * w, deach * w
        else:
            mass = np.sum(w * counts(loss, shape, target)) if reduction == "mean" else 1
            expected = np.sum(each * w) / mass, np.sum(deach * w, axis=axes) / mass
        close(y, expected[0])
        close(dy, expected[1])
        close(loss(z, target, reduction, weights=weights), y)
        if not lead:
            _, pullback = loss.vjp(z, target, reduction, weights)
            u = RNG.standard_normal(np.shape(y))
            close(np.sum(u * dy), np.sum(pullback(u) * dz))


@losses
def test_losses_keep_float32(loss, shape, target):
    z = RNG.standard_normal(shape).astype(np.float32)
    target = target.astype(np.float32) if target.dtype.kind == "f" else target
    weights = np.ones(loss.examples(z, target))
    for y in (*loss.jvp(z, target, z), *loss.jvp(z, target, z, weights=weights), loss.vjp(z, target)[1](np.float32(1))):
        assert y.dtype == np.float32


@losses
def test_loss_second_order(loss, shape, target):
    z = RNG.standard_normal(shape)
    close(dg.hessian(lambda z: loss(z, target))(z), dg.hessian(lambda z: loss.forward(z, target))(z), 1e-11)


def test_cross_entropy_is_stable_and_right():
    z = np.array([[1000.0, 0.0], [0.0, -1000.0]])
    close(nn.cross_entropy(z, np.array([1, 1]), "none"), [1000.0, 1000.0])
    expected = -np.log(np.exp(2.0) / (np.exp(2.0) + 1))
    close(nn.cross_entropy(np.array([[2.0, 0.0]]), np.array([0])), expected)


def test_loss_tangent_zero():
    assert nn.mse.jvp(np.ones((2, 2)), np.ones((2, 2)), dg.ZERO)[1] is dg.ZERO


# ---------------------------------------------------------------------- joint buffers, initial values, errors


def test_a_joint_buffer_is_recognised_and_nothing_else_is():
    layer = nn.Linear(5, 3)
    p, x, dp, dx = draw(layer, (4, 5), (2,))
    y, dy = layer.jvp(p, x, dp, dx)
    assert joint(y, dy) is y.base
    assert joint(x, dx) is None
    assert joint(y[:2], dy[:, :2]) is None
    assert joint(y, dy[:1]) is None
    assert joint(dy[0], dy) is None


def test_linear_starts_as_in_torch():
    params = nn.Linear(100, 50).init(rng=0)
    assert params["weight"].dtype == np.float32
    assert 0.095 < np.abs(params["weight"]).max() <= 0.1
    assert np.array_equal(params.vector, nn.Linear(100, 50).init(rng=0).vector)


def test_errors_say_what_was_given_and_expected():
    model = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(4, 2))
    params = model.init(rng=0)
    with pytest.raises(
        dg.ShapeError, match=r"^Linear\(4, 2\) got an input of shape \(1, 3\); expected \(..., 4\)"
    ) as e:
        model(params, np.zeros((1, 5), np.float32))
    assert e.value.__notes__ == ["in layer 2, Linear(4, 2)"]
    with pytest.raises(dg.LayoutError, match="another model"):
        nn.Linear(5, 3)(params, np.zeros((1, 5)))
    with pytest.raises(ValueError, match="classes 5 to 5; expected 0 to 4"):
        nn.cross_entropy(np.zeros((1, 5)), np.array([5]))
    with pytest.raises(ValueError, match="classes -1 to -1"):
        nn.cross_entropy(np.zeros((1, 5)), np.array([-1]))
    with pytest.raises(dg.ShapeError, match="targets of shape"):
        nn.cross_entropy(np.zeros((2, 5)), np.array([1]))
    for labels in (np.array([1.0, 2.0]), np.array([True, False])):
        with pytest.raises(TypeError, match=rf"integer classes of shape \(2,\); got {labels.dtype}: labels.astype"):
            nn.cross_entropy(np.zeros((2, 5)), labels)
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none'"):
        nn.mse(np.zeros((2, 5)), np.zeros((2, 5)), "average")
    with pytest.raises(dg.ShapeError, match="mse got"):
        nn.mse(np.zeros((2, 5)), np.zeros(5))


def test_a_dual_kept_by_a_layer_call_is_refused():
    kept = []
    layer = nn.Linear(2, 2)
    params = layer.init(rng=0, dtype=np.float64)
    dg.jvp(lambda p: kept.append(p) or np.sum(p["weight"]), (params,), (params,))
    with pytest.raises(dg.LevelError):
        layer(kept[0], np.ones((1, 2)))


# ---------------------------------------------------------------------- objectives


def test_an_objective_binds_a_batch():
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    x, y = RNG.standard_normal((6, 5)), RNG.integers(0, 3, 6)
    batch = nn.Objective(model, nn.cross_entropy).bind(x, y)
    params = model.init(rng=0, dtype=np.float64)
    assert batch.model is model
    assert batch.x is x
    close(np.mean(batch.per_example(params)), batch(params))
    value, gradient = batch.vjp(params)
    exact = dg.grad(batch)(params)
    close(value, batch(params))
    for name, g in gradient.items():
        close(g, exact[name])


def test_relu_is_right_at_infinities_and_nan():
    """The fast path and the definition agree where 0 · inf could arise."""
    x = np.array([[-np.inf, -1.0, 0.0, 1.0, np.inf, np.nan]])
    dx = np.array([[1.0, np.inf, -np.inf, np.inf, 1.0, 1.0]])
    y, dy = nn.ReLU().jvp({}, x, {}, dx)
    np.testing.assert_array_equal(y, [[0, 0, 0, 1, np.inf, np.nan]])
    np.testing.assert_array_equal(dy, [[0, 0, 0, np.inf, 1, 1]])
    for found, expected in zip((y, dy), dg.jvp(lambda x: nn.ReLU().forward({}, x), (x,), (dx,)), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", [n for n, (layer, _) in LAYERS.items() if isinstance(layer, nn.Activation)])
def test_extremes_stay_what_they_are(name, dtype):
    """A NaN stays one; large numbers and ±inf give finite slopes, and values that are no NaN."""
    layer, limits = LAYERS[name][0], np.finfo(dtype)
    x = np.array([np.nan, np.inf, -np.inf, limits.max / 2, -limits.max / 2, limits.smallest_subnormal, 0, -0.0], dtype)
    with np.errstate(all="ignore"):
        pairs = layer.jvp({}, x, {}, np.ones_like(x)), dg.jvp(lambda x: layer({}, x), (x,), (np.ones_like(x),))
        y, pull = layer.vjp({}, x)
        pairs += ((y, pull(np.ones_like(x))[1]),)
    for y, slope in pairs:
        assert y.dtype == slope.dtype == dtype
        assert np.isnan(y[0])
        if not isinstance(layer, nn.Sine):
            assert np.all(np.isfinite(slope[1:]))
            assert not np.any(np.isnan(y[1:]))
            assert np.all(np.isfinite(y[3:]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_digits_that_would_cancel(dtype):
    """x - tanh x next to 0, and all orders of x / (1 + x) far out."""
    x = np.logspace(-6, -1, 40, dtype=dtype)
    exact = sum(c * x.astype(np.longdouble) ** n for n, c in ((3, 1 / 3), (5, -2 / 15), (7, 17 / 315), (9, -62 / 2835)))
    rtol = 100 * np.finfo(dtype).eps
    near = x < (0.02 if dtype == np.float64 else 1)
    for y in (nn.Tanhshrink()({}, x), -nn.Tanhshrink()({}, -x)):
        np.testing.assert_allclose(y[near], exact[near].astype(dtype), rtol=rtol)
    x = np.logspace(-3, 8, 40, dtype=dtype)
    found = dg.taylor(lambda x: nn.Softsign()({}, x), x, np.ones_like(x), order=3)
    for k, c in enumerate(found[1:], 1):
        np.testing.assert_allclose(c, -((-1 / (1 + x)) ** k) / (1 + x), rtol=rtol)


def test_an_infinite_slope_of_what_stands_still():
    """0 · inf = 0 in the rules of a gate and of a loss, as in the engine."""
    x, dx = np.array([[np.inf, 1.0]]), np.array([[1.0, 0.0]])
    assert nn.GLU().jvp({}, x, {}, dx)[1] == nn.GLU().jvp({}, np.ones((1, 2)), {}, dx)[1]
    loss, both = nn.gaussian_nll.using(log_var=True), np.array([[1e200, 0.0]])
    with np.errstate(over="ignore"):
        value, slope = loss.jvp(both, np.zeros((1, 1)), dx, "sum")
        assert (value, slope) == (np.inf, 1e200)
        assert loss(np.array([[1e200, 1e200]]), np.zeros((1, 1))) == 5e199


def test_a_bias_alone_moves_every_row():
    """Whatever the rank of the input, plain or nested, and without lending the bias tangent out."""
    layer, w, b = nn.Linear(5, 3), RNG.standard_normal((5, 3)), RNG.standard_normal(3)
    for shape in ((5,), (4, 5), (2, 4, 5)):
        x = RNG.standard_normal(shape)
        f = lambda b, x=x: layer({"weight": w, "bias": b}, x)  # noqa: E731
        rows = x.size // 5
        close(dg.grad(lambda b, f=f: np.sum(f(b)))(b), np.full(3, float(rows)))
        y, dy = dg.jvp(f, (b,), (np.eye(3),))
        assert dy.shape == (3, *y.shape)
        twice = dg.jvp(lambda s, f=f: dg.jvp(f, (b,), (b * s,))[1], (2.0,), (1.0,))
        close(twice[1], np.broadcast_to(b, y.shape))

    def doubled(b):
        y = layer({"weight": w, "bias": b}, np.ones(5))
        y *= 2
        return y, b

    close(dg.jvp(doubled, (b,), (np.ones(3),))[1][1], np.ones(3))


def test_a_layer_that_returns_its_input_does_not_lend_it_for_writing():
    def doubled(x):
        y = nn.Sequential()({}, x)
        y *= 2
        return y

    x = np.ones(3)
    with pytest.raises(dg.TangentLossError, match="read-only"):
        dg.jvp(doubled, (x,), (x,))
    np.testing.assert_array_equal(x, 1)
    np.testing.assert_array_equal(dg.jvp(lambda x: doubled(x.copy()), (x,), (x,)), np.full((2, 3), 2.0))


@pytest.mark.parametrize("loss", [nn.mse, nn.cross_entropy], ids=repr)
def test_a_target_may_carry_a_tangent(loss):
    x = np.array([[0.4, -1.0, 0.7]])
    target = lambda s: np.exp(s * x)  # noqa: E731
    close(
        dg.derivative(lambda s: loss(s * x, target(s)))(0.8),
        richardson(lambda h: loss((0.8 + h) * x, target(0.8 + h)))[0],
    )
    close(dg.derivative(lambda s: loss(x, target(s)))(0.8), richardson(lambda h: loss(x, target(0.8 + h)))[0])
    inner = lambda s: dg.derivative(lambda r: loss(s * x, target(r * s)))(1.5)  # noqa: E731
    close(dg.derivative(inner)(0.8), richardson(lambda h: inner(0.8 + h))[0], 1e-7)


# ---------------------------------------------------------------------- a layer of one's own


class Scale(nn.Layer):
    """Only a forward rule: the engine does the rest."""

    def shapes(self):
        return {"scale": (5,)}

    def initial(self, name, shape, rng, dtype):
        return rng.normal(shape, dtype=dtype)

    def forward(self, p, x):
        return np.sin(x) * p["scale"]


@leads
def test_a_layer_needs_only_its_forward_rule(lead):
    layer = Scale()
    p, x, dp, dx = draw(layer, (4, 5), lead)
    for tangents in ((dp, dx), (dp, dg.ZERO), ({"scale": dg.ZERO}, dx)):
        for found, expected in zip(layer.jvp(p, x, *tangents), engine_jvp(layer, p, x, *tangents), strict=True):
            close(found, expected)
    assert layer.jvp(p, x, {"scale": dg.ZERO}, dg.ZERO)[1] is dg.ZERO
    model = nn.Sequential(nn.Linear(5, 5), layer, nn.Linear(5, 2))
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.cross_entropy).bind(x, np.array([0, 1, 0, 1]))
    v = dg.directions.LowRank().sample(params, rng=1, n=lead[0] if lead else None)
    exact = dg.grad(batch)(params)
    found = dg.jvp(batch, (params,), (v,))[1]
    close(found, sum(np.sum(np.array(v[n]) * exact[n], axis=tuple(range(-exact[n].ndim, 0))) for n in params), 1e-10)
    assert np.isfinite(dg.hvp(batch, params, exact).vector).all()
    with pytest.raises(NotImplementedError, match=r"has no transposed rule: define vjp"):
        dg.estimators.Backprop().estimate(batch, params)


def test_wrong_uses_are_named():
    with pytest.raises(TypeError, match=r"layer 1 is <ufunc 'tanh'>; expected a Layer"):
        nn.Sequential(nn.Linear(2, 2), np.tanh)
    layer = nn.Linear(2, 2)
    with pytest.raises(dg.LayoutError, match=r"got a ndarray as parameters: call layer\(params, x\)"):
        layer(np.ones((3, 2)), layer.init(rng=0))
    with pytest.raises(dg.DualgradError, match="has no transposed rule, which Backprop needs: use one"):
        nn.Objective(layer, lambda z, y: np.sum(z)).bind(np.ones((1, 2)), None).vjp(layer.init(rng=0))
    with pytest.raises(TypeError, match="expected an instance"):
        dg.estimators.ForwardGradient(dg.directions.LowRank)


# ---------------------------------------------------------------------- what each layer is particular about


def test_the_normal_distribution_is_accurate_in_both_tails():
    x = np.concatenate([np.linspace(-10, 10, 20_001), np.logspace(-300, 0, 300), [np.inf, -np.inf, 0.6629, 5.656]])
    exact = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x])
    np.testing.assert_allclose(ndtr(x), exact, rtol=3e-14)
    assert np.isnan(ndtr(np.array([np.nan]))[0])
    assert ndtr(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(dg.derivative(ndtr)(0.5), np.exp(-0.125) / np.sqrt(2 * np.pi), rtol=1e-14)


def test_activations_at_the_ends_of_the_line():
    x = np.array([-1e4, -40.0, 0.0, 40.0, 1e4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layer in (nn.Sigmoid(), nn.SiLU(), nn.Softplus(), nn.GELU(), nn.GELU("tanh"), nn.ELU(), nn.SELU()):
            y, dy = layer.jvp({}, x, {}, np.ones(5))
            assert np.all(np.isfinite(y) & np.isfinite(dy))
            engine = dg.jvp(lambda x, f=layer: f.forward({}, x), (x,), (np.ones(5),))
            for found, expected in zip((y, dy), engine, strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(nn.Sigmoid().jvp({}, x, {}, np.ones(5))[1][[1, 3]], 4.248354255291589e-18, rtol=1e-12)


def test_the_local_losses_of_a_mixer_see_their_own_block_alone():
    """With what comes in held constant, the gradient of the sum is each block's own; the outputs are left alone."""
    model = nn.networks.LocalMixer(4, 2, 2, 3, channels=4, groups=2, blocks=2)
    params, x, y = model.init(rng=0, dtype=np.float64), RNG.standard_normal((5, 4, 4, 2)), np.array([0, 1, 2, 0, 1])
    g = dg.grad(lambda p: model.local_loss(p, x, y))(params)
    assert all(np.any(g[name]) for name in params)
    last = [name for name in params if name.split(".")[0] == str(len(model.layers) - 1)]
    through = dg.grad(nn.Objective(model, nn.cross_entropy).bind(x, y))(params)
    for name in last:
        close(g[name], through[name])
    assert not np.any(through["heads.0.weight"])
    moved = params.copy()
    moved["heads.0.weight"] *= 2
    again = dg.grad(lambda p: model.local_loss(p, x, y))(moved)
    assert not np.allclose(again["2.0.body.0.weight"], g["2.0.body.0.weight"])  # its own head guides block 0
    close(again["heads.1.weight"], g["heads.1.weight"])


def test_dropout_draws_one_mask_a_batch():
    """A bound objective keeps its mask; binding again draws another; the mean over masks is the input."""
    model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5))
    params, x, y = model.init(rng=0, dtype=np.float64), np.ones((3, 4)), np.zeros((3, 50))
    objective, rng = nn.Objective(model, nn.mse), dg.Rng(0)
    batch = objective.bind(x, y, train=True, rng=rng)
    other = objective.bind(x, y, train=True, rng=rng)
    assert batch(params) == batch(params)
    assert batch(params) != other(params)
    value, dy = dg.jvp(batch, (params,), (params,))
    assert value == batch(params)
    close(dy, 2 * value)
    close(batch.vjp(params)[1]["0.weight"], dg.grad(batch)(params)["0.weight"])
    assert np.array_equal(model(params, x), nn.Linear(4, 50).forward({n[2:]: v for n, v in params.items()}, x))
    found = exact_moments(lambda r: nn.Dropout(0.25)({}, np.array([2.0, -1.0]), train=True, rng=r))
    close(found.mean, [2.0, -1.0])
    with pytest.raises(ValueError, match=r"^Dropout\(0.5\) in training mode needs randomness: pass rng="):
        model(params, x, train=True)


def test_batch_norm_keeps_running_statistics_beside_the_vector():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4, momentum=0.25))
    params, x = model.init(rng=0, dtype=np.float64), RNG.standard_normal((6, 3))
    assert params.size == 16 + 8
    assert set(params.buffers) == {"1.running_mean", "1.running_var"}
    before = params.vector.copy()
    model(params, x, train=True)
    assert not np.any(params.buffers["1.running_mean"])
    with pytest.raises(dg.LayoutError, match=r"buffers belong to parameters alone; params\.copy\(\) and params\.at"):
        model(params.at(before).zeros_like(), x)
    with pytest.raises(dg.LayoutError, match=r"the buffer 1.running_var of shape \(1,\); expected \(4,\)"):
        model(dg.Params(params, params.buffers | {"1.running_var": np.ones(1)}), x)
    model.update_buffers(params, x)
    h = x @ params["0.weight"] + params["0.bias"]
    close(params.buffers["1.running_mean"], 0.25 * h.mean(0))
    close(params.buffers["1.running_var"], 0.75 + 0.25 * h.var(0, ddof=1))
    assert np.array_equal(params.vector, before)
    expected = (h - params.buffers["1.running_mean"]) / np.sqrt(params.buffers["1.running_var"] + 1e-5)
    close(model(params, x), expected)
    close(dg.jvp(lambda p: model(p, x), (params,), (params,))[0], expected)
    twin = params.copy()
    model.update_buffers(twin, x)
    close(model(params, x), expected)
    assert not np.allclose(model(twin, x), expected)
    with pytest.raises(dg.ShapeError, match=r"^BatchNorm\(4\) got an input of shape \(1, 4\) in training mode"):
        model(params, x[:1], train=True)


BAD = {
    "rank": (
        nn.Conv2d(3, 4, 3),
        np.zeros((5, 5, 3)),
        dg.ShapeError,
        r"got an input of shape \(5, 5, 3\); expected \(B, H, W, 3\)",
    ),
    "channels": (nn.Conv2d(3, 4, 3), np.zeros((1, 5, 5, 4)), dg.ShapeError, r"expected \(B, H, W, 3\)"),
    "window": (
        nn.Conv2d(3, 4, 7, padding=1),
        np.zeros((1, 4, 4, 3)),
        dg.ShapeError,
        r"window of \(7, 7\) is larger than .* \(6, 6\)",
    ),
    "pool": (nn.MaxPool2d(3), np.zeros((1, 2, 2, 3)), dg.ShapeError, r"window of \(3, 3\) is larger"),
    "dtype": (
        nn.Linear(3, 4),
        np.zeros((1, 3), int),
        TypeError,
        r"Linear\(3, 4\) got an input of int64; expected floating",
    ),
    "signal": (nn.Conv1d(3, 4, 3), np.zeros((1, 5)), dg.ShapeError, r"expected \(B, L, 3\)"),
    "norm": (
        nn.LayerNorm(4),
        np.zeros((1, 5)),
        dg.ShapeError,
        r"LayerNorm\(4\) got an input of shape \(1, 5\); expected \(B, ..., 4\)",
    ),
    "attention": (nn.MultiHeadAttention(4, 2), np.zeros((1, 4)), dg.ShapeError, r"expected \(B, L, 4\)"),
    "indices": (nn.Embedding(4, 2), np.array([4]), ValueError, r"got indices 4 to 4; expected 0 to 3"),
    "not indices": (nn.Embedding(4, 2), np.array([0.5]), TypeError, r"expected integers"),
    "reshape": (nn.Reshape(3, 3), np.zeros((2, 8)), dg.ShapeError, r"Reshape\(3, 3\) got an input of shape \(2, 8\)"),
    "bilinear": (nn.Bilinear(2, 3, 1), np.zeros((2, 4)), dg.ShapeError, r"expected \(..., 2 \+ 3\)"),
    "residual": (nn.Residual(nn.Linear(3, 4)), np.zeros((2, 3)), dg.ShapeError, r"adds shapes \(2, 4\) and \(2, 3\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_are_named(name):
    layer, x, error, says = BAD[name]
    with pytest.raises(error, match=says):
        layer(layer.init(rng=0, dtype=np.float64), x)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "groups=2; expected groups that divide both"),
        (lambda: nn.Conv2d(3, 4, 0), "got kernel_size=0; expected a whole number from 1 on"),
        (lambda: nn.Conv2d(3, 4, (1, 2, 3)), "got kernel_size=.*expected a whole number from 1 on, or 2"),
        (lambda: nn.Conv2d(3, 4, 3, 2, padding="same"), "needs stride 1; got stride=2"),
        (lambda: nn.GroupNorm(3, 4), "the groups must divide"),
        (lambda: nn.MultiHeadAttention(5, 2), "the heads must divide"),
        (lambda: nn.Dropout(1.1), "got p=1.1; expected a number from 0 to 1"),
        (lambda: nn.GELU("erf"), "expected 'none' or 'tanh'"),
        (lambda: nn.HardTanh(1.0, 1.0), "expected min_val < max_val"),
        (lambda: nn.MaxPool2d(2, padding=2), "at most half"),
        (lambda: nn.initialise({}, "xavier", rng=0), "expected one of glorot_uniform"),
        (lambda: nn.networks.mlp([3]), "at least an input and an output"),
        (lambda: nn.networks.conv_baydin(size=30), "multiple of 4"),
    ],
)
def test_bad_settings_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_nested_layer_is_named_by_its_dotted_name():
    model = nn.Sequential(nn.Linear(3, 4), nn.Residual(nn.Tanh(), nn.Linear(5, 4)))
    params, x = model.init(rng=0), np.zeros((2, 3), np.float32)
    for run in (model, lambda p, x: dg.jvp(lambda q: model(q, x), (p,), (p,)), lambda p, x: model.vjp(p, x)):
        with pytest.raises(dg.ShapeError, match=r"^Linear\(5, 4\) got an input of shape \(2, 4\)") as e:
            run(params, x)
        assert e.value.__notes__ == ["in layer 1.body.1, Linear(5, 4)"]


class Raises(nn.Layer):
    def __init__(self, error):
        self.error = error

    def __repr__(self):
        return "Raises()"

    def forward(self, p, x):
        raise self.error


class TwoNamesError(Exception):
    """One that cannot be made again from its text."""

    def __init__(self, first, second):
        super().__init__(first, second)
        self.first, self.second = first, second


@pytest.mark.parametrize(
    "error",
    [
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        TwoNamesError("a", "b"),
        KeyError("weight"),
        OSError(2, "No such file", "weights.npz"),
        np.linalg.LinAlgError("singular"),
        RuntimeError(),
        StopIteration(3),
        dg.TangentLossError("dropped"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_of_a_layer_stays_itself_and_says_where_it_was(error):
    error.add_note("a note of its own")
    model = nn.Sequential(nn.Tanh(), nn.Residual(nn.Tanh(), Raises(error), shortcut=nn.Identity()))
    args, cause = error.args, error.__cause__
    with pytest.raises(type(error)) as e:
        model({}, np.ones(2))
    assert e.value is error
    assert (error.args, error.__cause__) == (args, cause)
    assert error.__notes__ == ["a note of its own", "in layer 1.body.1, Raises()"]


def test_parameters_of_another_model_are_named():
    with pytest.raises(dg.LayoutError, match=r"got weight of shape \(3, 4\); expected \(3, 5\)"):
        nn.Linear(3, 5)(nn.Linear(3, 4).init(rng=0), np.zeros((1, 3), np.float32))
    with pytest.raises(TypeError, match="got the keyword 'training'; expected train or rng"):
        nn.Linear(3, 5)(nn.Linear(3, 5).init(rng=0), np.zeros((1, 3), np.float32), training=True)


def test_empty_batches_and_targets_out_of_range():
    with pytest.raises(dg.ShapeError, match="no examples have no mean"):
        nn.mse(np.zeros((0, 3)), np.zeros((0, 3)))
    assert nn.mse(np.zeros((0, 3)), np.zeros((0, 3)), "sum") == 0
    with pytest.raises(ValueError, match=r"got targets -1.0 to 0.5; expected 0 to 1"):
        nn.bce_with_logits(np.zeros((1, 2)), np.array([[-1.0, 0.5]]))
    with pytest.raises(ValueError, match=r"nn.nll got classes 3 to 3; expected 0 to 2"):
        nn.nll(np.zeros((1, 3)), np.array([3]))
    with pytest.raises(dg.ShapeError, match=r"weights of shape \(2,\); expected \(3,\)"):
        nn.mse(np.zeros((3, 1)), np.zeros((3, 1)), weights=np.ones(2))
    with pytest.raises(TypeError, match="got the keyword 'smoothing'"):
        nn.cross_entropy(np.zeros((1, 3)), np.array([0]), smoothing=0.1)


@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)), kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3), padding=st.integers(0, 2), dilation=st.integers(1, 2), groups=st.sampled_from([1, 2]),
    lead=st.sampled_from([(), (2,)]), single=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_windows_of_every_shape(size, kernel, stride, padding, dilation, groups, lead, single, seed):
    """Convolution, its transpose and pooling: jvp against the engine, vjp against jvp, or a named refusal."""
    rng, dtype = np.random.default_rng(seed), np.float32 if single else np.float64
    x = rng.standard_normal((2, *size, 4)).astype(dtype)
    made = [
        nn.Conv2d(4, 2, kernel, stride, padding, dilation, groups),
        nn.ConvTranspose2d(4, 2, kernel, stride, 0, 0, groups, True, dilation),
        nn.AvgPool2d(kernel, stride),
        nn.MaxPool2d(kernel, stride, 0, dilation),
    ]
    for layer in made:
        params = dict(layer.init(rng=seed, dtype=dtype))
        dp = {n: rng.standard_normal(lead + p.shape).astype(dtype) for n, p in params.items()}
        dx = rng.standard_normal(lead + x.shape).astype(dtype)
        try:
            found = layer.jvp(params, x, dp, dx)
        except dg.ShapeError:  # a window larger than the input
            continue
        expected = engine_jvp(layer, params, x, dp, dx)
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == dtype
            close(a, b, 1e-3 if single else 1e-12)
        assert check_vjp(layer, params, x).passed


def test_initialisers():
    params = dg.Params({"w": np.zeros((300, 200)), "k": np.zeros((3, 3, 20, 40)), "b": np.zeros(5)})
    for name, deviation in (
        ("glorot_uniform", np.sqrt(2 / 500)), ("glorot_normal", np.sqrt(2 / 500)), ("he_uniform", np.sqrt(2 / 300)),
        ("he_normal", np.sqrt(2 / 300)), ("siren", np.sqrt(2 / 300) / 30), ("zeros", 0.0),
    ):  # fmt: skip
        nn.initialise(params, name, rng=0)
        assert abs(np.std(params["w"]) - deviation) <= 0.02 * deviation
        assert not np.any(params["b"])
    nn.initialise(params, "orthogonal", rng=0)
    close(params["w"].T @ params["w"], np.eye(200))
    close(params["k"].reshape(180, 40).T @ params["k"].reshape(180, 40), np.eye(40))
    lstm = nn.Sequential(nn.LSTM(3, 4), nn.Linear(4, 4)).init(rng=0)
    nn.initialise(lstm, "forget_gate", rng=0)
    assert np.array_equal(lstm["0.bias"] == 1, np.arange(16) // 4 == 1)
    assert not np.any(lstm["1.bias"] == 1)


@pytest.mark.parametrize("name", ["cross_entropy", "nll", "mse", "mae", "huber", "bce_with_logits"])
def test_losses_pickle_by_name(name):
    """The module's name is that of the loss, not of its class; workers of a pool get it so."""
    loss = getattr(nn, name).using(reduction="sum")
    again = pickle.loads(pickle.dumps(loss))
    assert (type(again), repr(again)) == (type(loss), repr(loss))
    assert repr(copy.deepcopy(getattr(nn, name))) == repr(getattr(nn, name))
