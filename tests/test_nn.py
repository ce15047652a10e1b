"""Layers and losses, from one catalogue: the three rules of each against each other, the engine and differences."""

import math
import types
import warnings

import numpy as np
import pytest
from layers import INTEGERS, LAYERS, LOSSES, names_of
from strict import device, host

import dualgrad as dg
from dualgrad import nn
from dualgrad.nn.erf import erf
from dualgrad.nn.joint import joint
from dualgrad.testing import check_vjp
from dualgrad.testing.oracles import along, richardson

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
    abstract = {"Activation", "Cell", "Layer", "Loss", "Objective", "BoundObjective"}
    abstract |= {"RNNCell", "LeakyRNNCell", "GRUCell", "LSTMCell"}  # in test_recurrent
    functions = {name for name in nn.__all__ if isinstance(getattr(nn, name), types.FunctionType)}
    assert names_of(LAYERS, LOSSES) == set(nn.__all__) - abstract - functions


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
    if dx is dg.ZERO and all(d is dg.ZERO for d in dp.values()):
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
        n: dg.LowRank(
            RNG.standard_normal((*lead, v.size // v.shape[-1])), RNG.standard_normal(lead + v.shape[-1:]), v.shape
        )
        if v.ndim > 1
        else dp[n]
        for n, v in p.items()
    }
    dense = {n: v.dense() if isinstance(v, dg.LowRank) else v for n, v in low.items()}
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

    small = [0.01 * d for d in (dx, *dp.values())]  # so that no step crosses a kink
    estimate, error = richardson(along(forward, (x, *p.values()), small))
    found = 0.01 * layer.jvp(p, x, dp, dx)[1]
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

    if x.size:
        hessian = dg.jacfwd(gradient)(x).reshape(x.size, x.size)
        close(hessian, hessian.T)
        close(hessian, dg.hessian(lambda x: np.sum(u * mask * layer.forward(p, x) ** 2) / 2)(x).reshape(x.size, x.size))


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
    a, b = RNG.standard_normal((*lead, 6)), RNG.standard_normal((*lead, 3))
    low = {n: dg.LowRank(a, b) for n in params}
    dense = {n: v.dense() for n, v in low.items()}
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
            mass = np.sum(w) if reduction == "mean" else 1
            expected = np.sum(each * w) / mass, np.sum(deach * w, axis=axes) / mass
        close(y, expected[0])
        close(dy, expected[1])
        close(loss(z, target, reduction, weights), y)
        if not lead:
            _, pullback = loss.vjp(z, target, reduction, weights)
            u = RNG.standard_normal(np.shape(y))
            close(np.sum(u * dy), np.sum(pullback(u) * dz))


@losses
def test_losses_keep_float32(loss, shape, target):
    z = RNG.standard_normal(shape).astype(np.float32)
    target = target.astype(np.float32) if target.dtype.kind == "f" else target
    weights = np.ones(shape[:-1])
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
        dg.ShapeError, match=r"layer 2: Linear\(4, 2\) got an input of shape \(1, 3\); expected \(..., 4\)"
    ):
        model(params, np.zeros((1, 5), np.float32))
    with pytest.raises(dg.LayoutError, match="another model"):
        nn.Linear(5, 3)(params, np.zeros((1, 5)))
    with pytest.raises(ValueError, match="classes 5 to 5; expected 0 to 4"):
        nn.cross_entropy(np.zeros((1, 5)), np.array([5]))
    with pytest.raises(ValueError, match="classes -1 to -1"):
        nn.cross_entropy(np.zeros((1, 5)), np.array([-1]))
    with pytest.raises(dg.ShapeError, match="targets of shape"):
        nn.cross_entropy(np.zeros((2, 5)), np.array([1]))
    with pytest.raises(TypeError, match="integer classes"):
        nn.cross_entropy(np.zeros((2, 5)), np.array([1.0, 2.0]))
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
    with pytest.raises(dg.DualgradError, match="has no transposed rule: use one of"):
        nn.Objective(layer, lambda z, y: np.sum(z)).bind(np.ones((1, 2)), None).vjp(layer.init(rng=0))
    with pytest.raises(TypeError, match="expected an instance"):
        dg.estimators.ForwardGradient(dg.directions.LowRank)


# ---------------------------------------------------------------------- what each layer is particular about


def test_erf_is_accurate_to_1e_14():
    x = np.concatenate([np.linspace(-7, 7, 20_001), np.logspace(-300, 0, 300), [np.inf, -np.inf, 0.46875, 4.0]])
    exact = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(erf(x), exact, rtol=1e-14)
    assert np.isnan(erf(np.array([np.nan]))[0])
    assert erf(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(dg.derivative(erf)(0.5), 2 / np.sqrt(np.pi) * np.exp(-0.25), rtol=1e-14)


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
