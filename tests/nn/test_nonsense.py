"""Nonsense is refused in words, or works: settings of layers, losses and networks, inputs of other kinds, NaN."""

import inspect

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.nn import networks
from dualgrad.tree import flatten, map_leaves
from tests.support.layers import INTEGERS, LAYERS, LOSSES, Bound
from tests.support.strict import device, host

# ---------------------------------------------------------------------- settings

GOOD = {  # a constructor, settings that are right, and the shape of an input
    nn.Linear: ({"in_features": 4, "out_features": 3}, (2, 4)),
    nn.Embedding: ({"num_embeddings": 4, "embedding_dim": 3}, None),
    nn.Bilinear: ({"in1_features": 2, "in2_features": 2, "out_features": 3}, (2, 4)),
    nn.Conv1d: ({"in_channels": 4, "out_channels": 2, "kernel_size": 3}, (2, 6, 4)),
    nn.Conv2d: ({"in_channels": 4, "out_channels": 2, "kernel_size": 3}, (2, 6, 7, 4)),
    nn.ConvTranspose2d: ({"in_channels": 4, "out_channels": 2, "kernel_size": 3}, (2, 3, 2, 4)),
    nn.MaxPool2d: ({"kernel_size": 2}, (2, 4, 4, 3)),
    nn.MaxPool1d: ({"kernel_size": 2}, (2, 4, 3)),
    nn.AvgPool2d: ({"kernel_size": 2}, (2, 4, 4, 3)),
    nn.AvgPool1d: ({"kernel_size": 2}, (2, 4, 3)),
    nn.PReLU: ({}, (2, 4)),
    nn.Threshold: ({"threshold": 0.1, "value": 2.0}, (2, 4)),
    nn.InstanceNorm: ({"num_features": 4}, (3, 5, 4)),
    nn.Dropout1d: ({}, (2, 3, 4)),
    nn.Dropout2d: ({}, (2, 3, 2, 4)),
    nn.Upsample: ({"scale_factor": 2}, (2, 4, 4, 3)),
    nn.PixelShuffle: ({"upscale_factor": 2}, (2, 2, 3, 4)),
    nn.GlobalAvgPool2d: ({}, (2, 4, 4, 3)),
    nn.BatchNorm: ({"num_features": 4}, (3, 4)),
    nn.LayerNorm: ({"normalized_shape": 4}, (3, 4)),
    nn.RMSNorm: ({"normalized_shape": 4}, (3, 4)),
    nn.GroupNorm: ({"num_groups": 2, "num_channels": 4}, (3, 5, 4)),
    nn.Dropout: ({}, (3, 4)),
    nn.MultiHeadAttention: ({"embed_dim": 4, "num_heads": 2}, (2, 3, 4)),
    nn.TransformerBlock: ({"embed_dim": 4, "num_heads": 2, "dropout": 0.5}, (2, 3, 4)),
    nn.LocalMixerBlock: ({"tokens": 3, "channels": 4, "groups": 2}, (2, 3, 4)),
    nn.Transposed: ({"layer": nn.Linear(3, 2)}, (2, 3, 4)),
    nn.Flatten: ({}, (2, 3, 4)),
    nn.Reshape: ({"shape": (4, 3)}, (2, 3, 4)),
    nn.Identity: ({}, (2, 3)),
    nn.Sequential: ({"layers": (nn.Linear(4, 3), nn.Tanh())}, (2, 4)),
    nn.Parameter: ({"shape": (2, 3)}, (2, 4)),
    nn.PositionalEmbedding: ({"max_len": 4, "embedding_dim": 4}, (2, 3, 4)),
    nn.Residual: ({"layers": (nn.Linear(4, 4), nn.Tanh())}, (2, 4)),
    nn.Parallel: ({"layers": (nn.Linear(4, 3), nn.Tanh())}, (2, 4)),
    networks.mlp: ({"sizes": [4, 3, 2]}, (2, 4)),
    networks.conv_baydin: ({"size": 4, "channels": 2, "hidden": 3, "classes": 2}, (2, 4, 4, 1)),
    networks.resnet_small: ({"in_channels": 2, "channels": 2, "blocks": 1}, (2, 4, 4, 2)),
    networks.lstm_copy: ({"symbols": 4, "hidden": 3}, None),
    networks.siren: ({"hidden": 3, "layers": 2}, (4, 2)),
    networks.LocalMixer: (
        {"size": 4, "patch": 2, "in_channels": 2, "channels": 4, "groups": 2, "blocks": 2},
        (2, 4, 4, 2),
    ),
}
ACTIVATIONS = (
    nn.ELU, nn.GELU, nn.SELU, nn.HardTanh, nn.LeakyReLU, nn.LogSoftmax, nn.ReLU, nn.Sigmoid, nn.SiLU, nn.Sine,
    nn.Softmax, nn.Softplus, nn.Tanh, nn.CELU, nn.GLU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.LogSigmoid,
    nn.Mish, nn.ReLU6, nn.Softshrink, nn.Softsign, nn.Tanhshrink,
)  # fmt: skip
CELLS = nn.RNNCell, nn.LeakyRNNCell, nn.GRUCell, nn.LSTMCell
GOOD |= dict.fromkeys(ACTIVATIONS, ({}, (2, 4)))
for pad in ("Zero", "Reflection", "Replication", "Circular"):
    GOOD |= {getattr(nn, f"{pad}Pad1d"): ({"padding": 1}, (2, 4, 3))}
    GOOD |= {getattr(nn, f"{pad}Pad2d"): ({"padding": 1}, (2, 4, 4, 3))}
for pool in (nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d):
    GOOD |= {pool: ({"output_size": 2}, (2, 4, 3))}
for pool in (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d):
    GOOD |= {pool: ({"output_size": 2}, (2, 4, 4, 3))}
GOOD |= dict.fromkeys(CELLS, ({"input_size": 4, "hidden_size": 3}, (2, 4)))
GOOD |= dict.fromkeys((nn.RNN, nn.LeakyRNN, nn.GRU, nn.LSTM), ({"input_size": 4, "hidden_size": 3}, (5, 2, 4)))
NONSENSE = [
    0, -1, 2.5, float("nan"), float("inf"), -float("inf"), None, "a", b"a", True, 1j, (), [], {}, [1, 2, 2.5], (0, 1),
    (1, -1), object, np.float64(2), np.nan, np.array([1.0, 2.0]), np.array(np.nan), np.bool_(True), 1.5, "tanh",
]  # fmt: skip


def parameters(kind):
    """The names of the parameters of a constructor, also of the cell to which a recurrent layer hands its own."""
    found = dict(inspect.signature(kind).parameters)
    if hasattr(kind, "cell_class"):
        found |= inspect.signature(kind.cell_class).parameters
    return [name for name in found if name not in ("args", "kwargs")]


def several(kind):
    """The name of *shape or *layers."""
    return [p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_POSITIONAL]


def made(kind, settings):
    """The layer, with the entries of *shape or *layers as they are given."""
    args = [a for name in several(kind) for a in settings.get(name, ())]
    return kind(*args, **{name: value for name, value in settings.items() if name not in several(kind)})


def leaves(tree):
    return [leaf for leaf in flatten(tree)[0] if leaf is not dg.ZERO]


def require_working(layer, shape):
    """Parameters start, and forward, jvp and vjp are finite."""
    rng = np.random.default_rng(3)
    x = rng.integers(0, 4, (3, 2)) if shape is None else rng.normal(size=shape)
    with np.errstate(all="raise", under="ignore"):
        params = layer.init(rng=0, dtype=np.float64)
        p, ones = {**params, **params.buffers}, {name: np.ones_like(v) for name, v in params.items()}
        if isinstance(layer, nn.Cell):
            state = layer.start(x)
            ds = map_leaves(np.ones_like, state)
            value, pull = layer.step_vjp(p, state, x)
            found = [layer(params, state, x), layer.step_jvp(p, state, x, ones, ds, np.ones_like(x)), value, pull(ds)]
        else:
            kwargs = layer.accepted({"train": True, "rng": 0})
            dx = dg.ZERO if layer.integers else np.ones_like(x)
            y, pull = layer.vjp(p, x, **kwargs)
            found = [layer(params, x, **kwargs), layer.push(p, x, ones, dx, **kwargs), y, pull(np.ones_like(y))]
    assert all(np.all(np.isfinite(leaf)) for leaf in leaves(found))


def require_named(error, name, value):
    """An error says which setting was given what; one about layers names their places."""
    says = str(error)
    if name in ("layers", "layer", "shortcut", "activation", "sizes") and f"got {name}=" not in says:
        places = "expected a Layer", "expected at least one", "got in_features=", "got out_features="
        assert any(place in says for place in places), f"{name}={value!r}: {says}"
    else:
        shown = {repr(value), repr(value.item()) if isinstance(value, np.generic) else "", "nan"}
        assert any(f"{name}={v}" in says for v in shown if v), f"{name}={value!r}: {says}"


def test_every_constructor_is_here():
    public = {getattr(module, name) for module in (nn, networks) for name in module.__all__}
    layers = {f for f in public if isinstance(f, type) and issubclass(f, nn.Layer)}
    functions = {f for f in public if inspect.isfunction(f) and f.__module__ == networks.__name__}
    bases, needs_a_memory = {nn.Layer, nn.Cell, nn.Activation, nn.Container}, {nn.CrossAttention}
    assert (layers | functions) - bases - needs_a_memory == set(GOOD)


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
def test_settings(kind):
    """Each setting, given nonsense: an error that names it and what was given, or a layer that works."""
    settings, shape = GOOD[kind]
    require_working(made(kind, settings), shape)
    for name in parameters(kind):
        for value in NONSENSE:
            if name in several(kind):
                value = (*value, 0.5) if isinstance(value, (list, tuple)) else (value,)
            try:
                layer = made(kind, settings | {name: value})
            except (ValueError, TypeError) as error:
                require_named(error, name, value)
                continue
            try:
                require_working(layer, shape)
            except Exception as error:
                raise AssertionError(f"{kind.__name__}({name}={value!r}) was accepted and does not work") from error


def test_settings_that_only_look_like_nonsense():
    """What has a meaning is taken: NumPy's integers, every entry dropped, statistics that do not move."""
    assert nn.Linear(np.int64(4), np.int32(3), bias=np.False_).shapes() == {"weight": (4, 3)}
    assert nn.Conv2d(4, 2, np.int64(3), padding="same").patches.padding == (1, 1)
    assert nn.LayerNorm([2, np.int64(3)]).feature_shape == (2, 3)
    for layer in (
        nn.BatchNorm(4, momentum=0), nn.BatchNorm(4, momentum=1), nn.Dropout(0), nn.Dropout(1), nn.RMSNorm(4, eps=None),
        nn.LeakyReLU(-0.5), nn.ELU(0), nn.Softplus(-2.0), nn.Softplus(threshold=np.inf), nn.Sine(-3.0),
        nn.HardTanh(0, np.inf), nn.Residual(nn.Tanh()), nn.Sequential(), nn.Reshape(2, -1), nn.Linear(4, 3, False),
        nn.TransformerBlock(4, 2, dropout=1.0),
    ):  # fmt: skip
        require_working(layer, (2, 3, 4))
    require_working(nn.Reshape(), (2, 1))
    require_working(networks.resnet_small(2, channels=3, blocks=0), (2, 4, 4, 2))
    require_working(networks.siren(omega=-3.0), (4, 2))
    require_working(nn.LeakyRNNCell(4, 3, leak=[0.1, -0.2, 1.0]), (2, 4))
    x = np.array([-1.0, 2.0])
    assert (
        dg.derivative(lambda a: np.sum(nn.LeakyReLU(a)({}, x)))(0.1) == -1
    )  # a setting may be what one differentiates by
    assert nn.LeakyReLU(np.array(0.1))({}, x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("dtype", "efd")
def test_dropout_of_everything(dtype):
    """y = 0 and dy = 0, also where 1 - p is below the smallest number; all of x without train=True."""
    x = np.ones((3, 4), dtype)
    for p in (1.0, 1, 1 - 1e-12):
        layer = nn.Dropout(p)
        y, dy = dg.jvp(lambda x, layer=layer: layer({}, x, train=True, rng=0), (x,), (x,))
        z, pull = layer.vjp({}, x, train=True, rng=0)
        for a in (y, dy, z, pull(x)[1]):
            np.testing.assert_array_equal(a, np.zeros((3, 4), dtype), strict=True)
        np.testing.assert_array_equal(layer({}, x), x)


LINEAR, SHRINKING = nn.Linear(3, 2), nn.ConvTranspose2d(1, 1, 1, padding=1)
OTHER_NONSENSE = {  # a call, and what the error says
    "no features": (lambda: nn.Linear(0, 3), "got in_features=0; expected a positive integer"),
    "momentum": (lambda: nn.BatchNorm(3, momentum=2), "got momentum=2; expected a number from 0 to 1"),
    "eps of LayerNorm": (lambda: nn.LayerNorm(3, eps=0), "got eps=0; expected a positive number"),
    "eps of BatchNorm": (lambda: nn.BatchNorm(3, -1e-5), "got eps=-1e-05; expected a positive number"),
    "kernel_size": (lambda: nn.Conv2d(3, 3, True), "got kernel_size=True; expected a whole number from 1 on"),
    "padding": (
        lambda: nn.MaxPool2d(2, padding=(0, False)),
        r"got padding=\(0, False\); expected a whole number from 0",
    ),
    "delta": (lambda: nn.huber.using(delta=-1), "got delta=-1; expected a positive number"),
    "delta of 0": (lambda: nn.huber(np.ones((1, 2)), np.ones((1, 2)), delta=0), "got delta=0; expected a positive"),
    "label_smoothing": (
        lambda: nn.cross_entropy.using(label_smoothing=1.5),
        "got label_smoothing=1.5; expected a number",
    ),
    "nothing in parallel": (nn.Parallel, "got no layers; expected at least one"),
    "a size of -1": (
        lambda: SHRINKING(SHRINKING.init(rng=0), np.ones((1, 1, 1, 1))),
        r"output would be of size \(-1, -1\)",
    ),
    "a class for a model": (lambda: nn.Objective(nn.Linear, nn.mse), "got model=.*expected a model to call"),
    "no model": (lambda: nn.Objective(None, nn.mse), "got model=None; expected a model to call"),
    "a class for a loss": (lambda: nn.Objective(LINEAR, type(nn.mse)), "got loss=.*expected a loss to call"),
    "the name of a loss": (lambda: nn.Objective(LINEAR, "mse"), "got loss='mse'; expected a loss to call"),
    "integers for parameters": (
        lambda: LINEAR.init(rng=0, dtype=int),
        "got dtype=<class 'int'>; expected one of float",
    ),
    "integers for buffers": (lambda: nn.BatchNorm(3, affine=False).init(rng=0, dtype="i4"), "got dtype='i4'; expected"),
    "text for parameters": (lambda: LINEAR.init(rng=0, dtype=str), "got dtype=<class 'str'>; expected one of floating"),
    "omega": (
        lambda: nn.initialise(LINEAR.init(rng=0), "siren", rng=0, omega=0),
        "got omega=0; expected a finite number",
    ),
    "first": (
        lambda: nn.initialise(LINEAR.init(rng=0), "siren", rng=0, first="no"),
        "got first='no'; expected True",
    ),
    "a list for a parameter": (
        lambda: LINEAR({"weight": [[1.0]], "bias": [0.0]}, np.ones((1, 3))),
        "got a list as weight",
    ),
    "no parameters": (lambda: LINEAR(None, np.ones((1, 3))), "got a NoneType as parameters"),
    "too many settings": (lambda: nn.Linear(3, 2, True, 5), "positional arguments"),
    "too few": (lambda: nn.Linear(3), "out_features"),
    "unknown": (lambda: nn.Linear(3, 2, biass=True), "biass"),
    "a model for parameters": (lambda: nn.initialise(LINEAR, "zeros", rng=0), "expected parameters, as model.init"),
    "a last axis of 1": (lambda: nn.mse(np.ones((4, 1)), np.ones(4)), r"expected equal ones: y\[..., None\]"),
    "one of the target": (lambda: nn.huber(np.ones(4), np.ones((4, 1))), r"expected equal ones: y\[..., 0\]"),
    "one of classes": (
        lambda: nn.cross_entropy(np.ones((4, 2)), np.ones((4, 1), int)),
        r"expected equal ones: y\[..., 0\]",
    ),
    "one of classes of nll": (lambda: nn.nll(np.ones((4, 2)), np.ones((4, 1), int)), r"ones: y\[..., 0\]"),
    "batch and time": (
        lambda: (layer := nn.GRU(3, 2))(layer.init(rng=0), np.ones((5, 2, 3)), lengths=[1] * 5),
        "is batch_first=True meant",
    ),
    "time and batch": (
        lambda: (layer := nn.GRU(3, 2, batch_first=True))(layer.init(rng=0), np.ones((5, 2, 3)), lengths=[1, 1]),
        "is batch_first=False meant",
    ),
    "output_padding": (
        lambda: nn.ConvTranspose2d(1, 1, 3, output_padding=1),
        "got output_padding=1; expected less than",
    ),
}


@pytest.mark.parametrize("name", OTHER_NONSENSE)
def test_other_nonsense(name):
    call, says = OTHER_NONSENSE[name]
    with pytest.raises((TypeError, ValueError), match=says):
        call()


# ---------------------------------------------------------------------- settings and weights of losses


def outcome(call, *args, **kwargs):
    """What a call returned, or the error that refused a value or type."""
    try:
        return call(*args, **kwargs)
    except (ValueError, TypeError) as error:
        return error


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
def test_settings_of_losses(value):
    x, classes = np.array([[0.3, 2.0], [1.0, 3.0]]), np.array([0, 1])
    targets = {nn.CrossEntropy: classes, nn.NLL: classes, nn.Hinge: np.sign(x), nn.GaussianNLL: x[:, :1]}
    for loss in [kind() for kind in {type(loss) for loss, *_ in LOSSES.values()}]:
        for name in ("reduction", *loss.settings):
            known = name == "var" and value is not None
            target = x / 10 + 0.5 if known else targets.get(type(loss), x / 10 + 0.5)
            found = [outcome(loss.using, **{name: value}), outcome(loss, x, target, **{name: value})]
            found += [outcome(loss.vjp, x, target, **{name: value})]
            if np.shape(value) == (3,) and isinstance(found[1], dg.ShapeError):
                assert isinstance(found[2], dg.ShapeError)
                continue
            assert len({isinstance(f, Exception) for f in found}) == 1 or name == "reduction" and value is None
            for f in found:
                if isinstance(f, Exception):
                    require_named(f, name, value)
                else:
                    f = f(x, target) if isinstance(f, nn.Loss) else f
                    assert np.all(np.isfinite(f[0] if isinstance(f, tuple) else f)), (loss, name, value)


ALWAYS, MEAN = ("mean", "sum", "none"), ("mean",)
WEIGHTS = [  # and the reductions that refuse them
    ([0, 0, 0], MEAN),
    ([False, False, False], MEAN),
    ([1e-60, 1e-60, 0.0], MEAN),  # which float32 does not hold
    ([1.0, -1.0, 1.0], MEAN),
    ([1.0, np.nan, 1.0], ALWAYS),
    ([1.0, np.inf, 1.0], ALWAYS),
    ([1.0, 1e60, 1.0], ALWAYS),
    ([1, 0, 2], ()),
    ([True, False, True], ()),
]


@pytest.mark.parametrize(("weights", "reductions"), WEIGHTS)
@pytest.mark.parametrize("name", ["cross_entropy", "nll", "mse", "mae", "huber", "bce_with_logits"])
def test_weights(name, weights, reductions):
    """A mean over no mass, or over a negative one, is refused; a sum takes weights of any sign."""
    loss, x = getattr(nn, name), np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2)
    target, weights = np.array([0, 1, 1]) if name in ("cross_entropy", "nll") else abs(x), np.array(weights)
    for reduction in ALWAYS:
        found = [outcome(f, x, target, reduction, weights=weights) for f in (loss, loss.vjp)]
        if reduction in reductions:
            assert all(isinstance(f, ValueError) and f"nn.{name} got weights" in str(f) for f in found)
        else:
            assert all(np.all(np.isfinite(f)) for f in (found[0], found[1][0], found[1][1](1.0)))


DTYPES = ["?", "i1", "u1", "i8", "e", "f", "d"]


def predictions():
    """The losses, each with a prediction, a target and weights."""
    for loss, shape, target in LOSSES.values():
        x = np.random.default_rng(2).normal(size=shape)
        target = np.asarray(target)
        yield loss, x, target, np.random.default_rng(3).random(loss.examples(x, target))


def value_tangent_cotangent(loss, x, target, reduction, weights, **settings):
    """The same of a call on arrays and of one on Duals."""
    value, pull = loss.vjp(x, target, reduction, weights, **settings)
    array = np.asarray(x)
    y, dy = dg.jvp(lambda x: loss(x, target, reduction, weights=weights, **settings), (array,), (np.ones_like(array),))
    return loss(x, target, reduction, weights=weights, **settings), value, y, dy, pull(1.0)


@pytest.mark.parametrize("dtype", "efd")
@pytest.mark.parametrize("other", DTYPES)
def test_losses_stay_in_the_precision_of_the_prediction(dtype, other):
    """Whatever the target, the weights and the settings are made of."""
    for loss, x, target, weights in predictions():
        x, weights = x.astype(dtype), (1 + weights).astype(other)
        if target.dtype.kind == "f":
            target = abs(target) if isinstance(loss, nn.Hinge) else target
            target = (np.clip(target, 0, 1) if target.min() >= 0 or other == "u1" else target).astype(other)
        settings = (loss.settings | loss.given).items()
        settings = {name: np.float64(value) if isinstance(value, float) else value for name, value in settings}
        for reduction in ALWAYS:
            for w in (None, weights):
                found = value_tangent_cotangent(loss, x, target, reduction, w, **settings)
                assert [a.dtype.char for a in found] == [dtype] * 5, (loss, reduction, w)
                wide = loss(x.astype(float), target, reduction, weights=w)
                np.testing.assert_allclose(found[0], wide, rtol=3e-2 if dtype == "e" else 1e-4, atol=1e-2)


@pytest.mark.parametrize("dtype", "FD")
def test_complex_losses_are_refused(dtype):
    for loss, x, target, weights in predictions():
        z = x.astype(dtype)
        bound = nn.Objective(nn.Identity(), loss).bind(z, target)
        found = [outcome(loss, z, target), outcome(loss.vjp, z, target), outcome(bound, {}), outcome(bound.vjp, {})]
        assert all(isinstance(f, TypeError) and f"{loss!r} got a prediction of complex" in str(f) for f in found)
        if target.shape == x.shape:
            with pytest.raises(TypeError, match="a target of complex"):
                loss(x, target.astype(dtype))
        with pytest.raises(TypeError, match="got weights of complex"):
            loss(x, target, weights=weights.astype(dtype))


def test_losses_of_no_features():
    for loss, shape in {(loss, shape[:1]) for loss, shape, _ in LOSSES.values()}:
        empty = np.zeros((*shape, 0))
        for call in (loss, loss.vjp):
            with pytest.raises((dg.ShapeError, TypeError), match=r"got (a prediction|logits|log-prob|classes)"):
                call(empty, empty)


# ---------------------------------------------------------------------- running statistics


def statistics(*layers):
    """A model with running statistics behind these layers and between others."""
    return nn.Sequential(*layers, nn.BatchNorm(4), nn.Residual(nn.Linear(4, 4), nn.BatchNorm(4)), nn.BatchNorm(4))


class Exploding(nn.Layer):
    """Finite values that overflow in the statistics after it."""

    def forward(self, p, x):
        return x * x.dtype.type(np.finfo(x.dtype).max / 4)


@pytest.mark.parametrize("dtype", "efd")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_running_statistics_stay_finite(bad, dtype):
    """The batch that would spoil one of them moves none of the model's, wherever in the model it does so."""
    good = np.random.default_rng(0).normal(size=(5, 4)).astype(dtype)
    batch = good.copy()
    batch[3, 1] = bad
    explosion = nn.Sequential(nn.BatchNorm(5), Exploding(), nn.BatchNorm(5))
    for model, x in (
        (nn.BatchNorm(4), batch),
        (nn.BatchNorm(4, affine=False), batch),
        (statistics(), batch),
        (statistics(nn.LeakyReLU(), nn.Dropout(0.5)), batch),
        (networks.resnet_small(1, channels=2), batch[..., None, None]),
        (nn.Sequential(nn.BatchNorm(4), Exploding(), nn.BatchNorm(4)), good),
        (nn.Parallel(nn.BatchNorm(4), nn.Sequential(Exploding(), nn.BatchNorm(4))), good),
        (nn.Sequential(nn.BatchNorm(4), nn.Transposed(explosion)), np.stack([good, good])),
    ):
        params = model.init(rng=0, dtype=dtype)
        before = params.copy()
        assert params.buffers
        with pytest.raises(dg.NonFiniteError, match="NaN or infinite; all buffers are unchanged"):
            model.update_buffers(params, x, rng=0)
        for name, value in params.buffers.items():
            np.testing.assert_array_equal(value, before.buffers[name])
    model = statistics()
    params = model.init(rng=0, dtype=dtype)
    start = params.copy().buffers
    model.update_buffers(params, good)
    assert all(np.any(value != start[name]) for name, value in params.buffers.items())


def test_running_statistics_after_other_errors():
    """A batch that a later layer refuses moves none either."""
    model = nn.Sequential(nn.BatchNorm(4), nn.Linear(4, 3), nn.Linear(4, 3))
    params = model.init(rng=0)
    with pytest.raises(dg.ShapeError):
        model.update_buffers(params, np.random.default_rng(0).normal(size=(5, 4)))
    np.testing.assert_array_equal(params.buffers["0.running_mean"], np.zeros(4))
    with pytest.raises(dg.LayoutError):
        model.update_buffers(nn.Linear(4, 3).init(rng=0), np.ones((5, 4)))


# ---------------------------------------------------------------------- inputs of other shapes


def misshapen(shape):
    """Shapes that are not the one a layer takes: an axis of none or of one, an axis too few or too many."""
    for axis in range(len(shape)):
        for n in (0, 1):
            yield (*shape[:axis], n, *shape[axis + 1 :])
        yield shape[:axis] + shape[axis + 1 :]
    yield (0,) * len(shape)
    yield (2, *shape)
    yield ()


def by_all_rules(layer, x):
    """Values, tangent and cotangents of a layer of the catalogue."""
    params = layer.init(rng=0, dtype=np.float64)
    y = layer(params, x)
    z, dy = layer.jvp(params, x, params.map_leaves(np.ones_like), np.ones_like(x))
    z2, pull = layer.vjp(params, x)
    return y, z, z2, dy, pull(np.ones_like(y))


@pytest.mark.parametrize("name", LAYERS)
def test_inputs_of_other_shapes(name):
    """A ShapeError that names the layer, or all rules agree on finite numbers in the shape of the input."""
    layer, shape = LAYERS[name]
    for other in misshapen(shape):
        x = np.random.default_rng(0).normal(size=other)
        try:
            with np.errstate(all="raise", under="ignore"):
                y, z, z2, dy, (dp, dx) = by_all_rules(layer, x)
        except dg.ShapeError as error:
            says = str(error) + "".join(getattr(error, "__notes__", []))
            named = type(getattr(layer, "layer", layer)).__name__ in says or "in layer" in says
            if not named or not any(what in says for what in ("got an input of", "got a number", "shapes")):
                raise
            continue
        for a in (z, z2):
            np.testing.assert_allclose(a, y, rtol=1e-12, atol=1e-12)
        assert dy is dg.ZERO or dy.shape == y.shape
        assert dx is dg.ZERO or dx.shape == x.shape
        assert all(np.all(np.isfinite(a)) for a in leaves([y, dy, dx, dp]))


# ---------------------------------------------------------------------- inputs of other kinds


class Tensor:
    """As a tensor of torch stands to NumPy: no ndarray, without its protocols, but with `__array__`."""

    def __init__(self, a):
        self.a = a

    shape = property(lambda self: self.a.shape)
    dtype = property(lambda self: f"tensor.{self.a.dtype}")
    ndim = property(lambda self: self.a.ndim)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.a, dtype)

    def __len__(self):
        return len(self.a)


class Growing(Tensor):
    """As one that requires grad."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")


class Frame(Tensor):
    """As a data frame, whose columns of several kinds become objects."""

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.a, object)


def of_torch(a):
    return pytest.importorskip("torch").as_tensor(a)


def of_jax(a):
    return pytest.importorskip("jax.numpy").asarray(single(a))


def of_pandas(a):
    pandas = pytest.importorskip("pandas")
    return pandas.Series(a) if a.ndim == 1 else pandas.DataFrame(a) if a.ndim == 2 else a


def single(a):
    return a.astype("f" if a.dtype.kind == "f" else "i4")


KINDS = {
    "list": np.ndarray.tolist,
    "tuple": lambda a: tuple(a.tolist()) if a.ndim else a,
    "list of rows": lambda a: list(a) if a.ndim else a,
    "tensor": Tensor,
    "frame": Frame,
    "object array": lambda a: a.astype(object),
    "masked array": np.ma.masked_array,
    "memmap": lambda a: a.view(np.memmap),
    "matrix": lambda a: np.matrix(a) if a.ndim == 2 else a,
    "read-only": lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    "torch": of_torch,
    "jax": of_jax,
    "pandas": of_pandas,
}
HOPELESS = {
    "None": lambda a: None,
    "text": lambda a: "0.5",
    "array of text": lambda a: a.astype(str),
    "dates": lambda a: a.astype("M8[s]"),
    "objects": lambda a: np.full(a.shape, None),
    "missing entries": lambda a: Frame(np.full(a.shape, None)),
    "a dict": lambda a: {"x": a},
    "rows of several lengths": lambda a: [[0.5], [0.5, 0.5]],
    "masked entries": lambda a: np.ma.masked_array(a, np.ones(a.shape, bool)),
    "a tensor that requires grad": Growing,
    "of torch, requires grad": lambda a: of_torch(a.astype(float)).requires_grad_(),
    "of torch, bfloat16": lambda a: of_torch(a.astype(float)).bfloat16(),
    "a generator": lambda a: (row for row in a),
    "a class": lambda a: np.ndarray,
}
kinds = pytest.mark.parametrize("kind", KINDS)
hopeless = pytest.mark.parametrize("kind", HOPELESS)
pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass")


def require_equal(found, expected):
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        assert type(a) is type(b)
        np.testing.assert_array_equal(a, b, strict=True)


def inputs():
    """The layers, each with an input and the keywords of a call."""
    for layer, shape in (LAYERS | INTEGERS).values():
        x = np.random.default_rng(5).normal(size=shape) if isinstance(shape, tuple) else shape
        if x.size:
            yield (layer.layer, x, layer.kwargs) if isinstance(layer, Bound) else (layer, x, {})


def called(layer, params, x, kwargs):
    """What a layer, its tangent rule, its statistics and its objectives give at an input of some kind."""
    y = layer(params, x, **kwargs)
    batch = nn.Objective(layer, nn.mse).bind(x, np.zeros_like(y), **kwargs)
    own = nn.Objective(layer, lambda y, target: np.sum(y * y)).bind(x, None, **kwargs)
    found = [y, batch(params), batch.per_example(params), batch.vjp(params), own(params)]
    tangent = (params.map_leaves(np.ones_like),)
    found += [dg.jvp(f, (params,), tangent) for f in (batch, lambda p: layer(p, x, **kwargs))]
    if "train" in kwargs:
        params = params.copy()
        layer.update_buffers(params, x, **kwargs)
        found += [params.buffers]
    return [dict(a) if isinstance(a, dg.Params) else a for a in found]


@kinds
def test_inputs_of_other_kinds(kind):
    """They give what the array of the same numbers gives."""
    for layer, x, kwargs in inputs():
        x = single(x) if kind == "jax" else x
        params = layer.init(rng=0, dtype=x.dtype if x.dtype.kind == "f" else np.float64)
        require_equal(called(layer, params, KINDS[kind](x), kwargs), called(layer, params, x, kwargs))
    mixer, x = networks.LocalMixer(4, 2, 2, 3, channels=4, groups=2, blocks=2), np.ones((2, 4, 4, 2), np.float32)
    params, y = mixer.init(rng=0), np.array([0, 1])
    require_equal(mixer.local_loss(params, x, KINDS[kind](y)), mixer.local_loss(params, x, y))


@hopeless
def test_inputs_that_are_no_arrays(kind):
    """Refused in words, by each layer and by each objective."""
    for layer, x, kwargs in inputs():
        if kind == "rows of several lengths" and x.ndim == 1:
            continue
        params, other = layer.init(rng=0), HOPELESS[kind](x)
        found = [outcome(layer, params, other, **kwargs), outcome(layer.update_buffers, params, other)]
        found += [outcome(nn.Objective(layer, nn.mse).bind, other, x)]
        assert all(isinstance(f, TypeError) and f"{layer!r} got an input" in str(f) for f in found), (layer, found)


@kinds
def test_targets_of_other_kinds(kind):
    """Predictions, targets and weights: the value, its tangent and its pullback are those of the arrays."""
    for loss, *arrays in predictions():
        for place in range(3):
            others, arrays = list(arrays), [single(a) if kind == "jax" else a for a in arrays]
            others[place] = KINDS[kind](arrays[place])
            require_equal(*(value_tangent_cotangent(loss, *a[:2], "none", a[2]) for a in (others, arrays)))
            bound = [nn.Objective(nn.Identity(), loss).bind(*a[:2]) for a in (others, arrays)]
            require_equal(*((f({}), f.per_example({}), f.vjp({})) for f in bound))


@hopeless
def test_targets_that_are_no_arrays(kind):
    for loss, x, target, _ in predictions():
        bad = HOPELESS[kind](x)
        found = [(outcome(loss, bad, target), "a prediction"), (outcome(loss, x, bad), "a target")]
        found += [(outcome(loss.vjp, x, bad), "a target")]
        found += [(outcome(nn.Objective(nn.Identity(), loss).bind, x, bad), "a target")]
        found += [(outcome(loss, x, target, weights=bad), "weights")] if bad is not None else []
        assert all(isinstance(f, TypeError) and f"{loss!r} got {what}" in str(f) for f, what in found), found


@kinds
@pytest.mark.parametrize("cell", CELLS)
def test_cells_of_other_kinds(cell, kind):
    dtype = np.float64 if kind in ("list", "tuple", "frame", "object array") else np.float32  # which those know
    cell, x = cell(3, 2), np.random.default_rng(1).normal(size=(2, 3)).astype(dtype)
    params = cell.init(rng=0)
    state = cell(params, cell.start(x), x)
    require_equal(cell(params, state, KINDS[kind](x)), cell(params, state, x))
    require_equal(cell(params, map_leaves(KINDS[kind], state), x), cell(params, state, x))


@hopeless
@pytest.mark.parametrize("cell", CELLS)
def test_cells_and_what_is_no_array(cell, kind):
    cell, x = cell(3, 2), np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    params, bad = cell.init(rng=0), HOPELESS[kind]
    state = cell(params, cell.start(x), x)
    with pytest.raises(TypeError, match="got an input"):
        cell(params, state, bad(x))
    with pytest.raises(TypeError, match="got a state"):
        cell(params, bad(state) if cell.parts == 1 else (state[0], bad(state[1])), x)
    with pytest.raises((TypeError, dg.ShapeError), match="got a state"):
        cell(params, bad(x), x)
    with pytest.raises(dg.ShapeError, match=r"got a state of shape .*; expected \(B, 2\)"):
        cell(params, map_leaves(lambda s: s[:, :1], state), x)


def test_lists_of_duals_are_one_input():
    x, layer = np.random.default_rng(0).normal(size=(3, 4)), nn.Linear(4, 2)
    params = layer.init(rng=0, dtype=np.float64)
    for listed in (lambda x: [x[0], x[1], x[2]], lambda x: [list(row) for row in x]):
        found = dg.jvp(lambda x, listed=listed: layer(params, listed(x)), (x,), (np.ones_like(x),))
        for a, b in zip(found, dg.jvp(lambda x: layer(params, x), (x,), (np.ones_like(x),)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)


class Two(nn.Layer):
    """A layer of one's own, whose input is no array."""

    def forward(self, p, x):
        return x["left"] + 2 * x["right"] if isinstance(x, dict) else x[0] + 2 * x[1]


class Distance(nn.Loss):
    """A loss of one's own, whose target is no array."""

    def check(self, prediction, target):
        assert isinstance(target, tuple)

    def evaluate(self, prediction, target):
        center, scale = target
        error = (prediction - center) / scale
        return np.sum(error * error, axis=-1), lambda: 2 * error / scale


def test_layers_and_losses_of_ones_own_take_what_they_like():
    x, y = np.ones((2, 4)), np.zeros((2, 4), bool)
    model = nn.Sequential(Two(), nn.Linear(4, 1))
    params = model.init(rng=0, dtype=np.float64)
    expected = nn.Linear(4, 1)({"weight": params["1.weight"], "bias": params["1.bias"]}, x + 2 * y)
    for pair in ((x, y), [x, y], {"left": x, "right": y}):
        batch = nn.Objective(model, Distance()).bind(pair, (1.0, 2.0))
        np.testing.assert_array_equal(model(params, pair), expected)
        np.testing.assert_allclose(batch(params), np.mean((expected - 1) ** 2 / 4), rtol=1e-14)
        assert np.any(dg.grad(batch)(params).vector)


@pytest.mark.parametrize("of_parameters", "efd")
@pytest.mark.parametrize("of_input", "efd")
def test_layers_promote_as_numpy_does(of_parameters, of_input):
    """Parameters of one precision and inputs of another: the value and its tangent in the wider of both."""
    for layer, x, kwargs in inputs():
        if isinstance(layer, nn.Parameter):  # its output is not of the input
            continue
        params, x = layer.init(rng=0, dtype=of_parameters), x.astype(of_input) if x.dtype.kind == "f" else x
        own = params or layer.buffers() and "train" not in kwargs
        kinds = [x.dtype] * (x.dtype.kind == "f") + [np.dtype(of_parameters)] * bool(own)
        found = called(layer, params, x, kwargs)
        assert {a.dtype for a in leaves([found[0], found[4], found[6:7]])} == {np.result_type(*kinds)}, layer


def test_on_a_device():
    """Arrays of a device stay there: statistics, precision, weights; and what overflows there is refused there."""
    model, rng = statistics(), np.random.default_rng(0)
    params, x = model.init(rng=0), rng.normal(size=(5, 4)).astype(np.float32)
    there = {name: device(v) for name, v in {**params, **params.buffers}.items()}
    model.update_buffers(there, device(x))
    model.update_buffers(params, x)
    for name, value in params.buffers.items():
        np.testing.assert_allclose(host(there[name]), value, rtol=1e-6)
    with pytest.raises(dg.NonFiniteError, match="unchanged"):
        model.update_buffers(there, device(x * np.inf))
    for name, value in params.buffers.items():
        np.testing.assert_allclose(host(there[name]), value, rtol=1e-6)
    for loss, x, *others in predictions():
        arrays = x.astype(np.float32), *others
        (x, target, weights), there = arrays, [device(a) for a in arrays]
        expected, found = loss(x, target, weights=weights), loss(*there[:2], weights=there[2])
        assert found.dtype == expected.dtype == np.float32
        np.testing.assert_allclose(host(found), expected, rtol=1e-5)
    cell, x = nn.GRUCell(4, 3), device(rng.normal(size=(5, 4)).astype(np.float32))
    params = {name: device(v) for name, v in cell.init(rng=0).items()}
    assert host(cell(params, cell.start(x), x)).shape == (5, 3)


ROWS, WAYS = np.ones((2, 3, 4), np.float32), np.array([0.5, 1.0, 2.0, 0.0])
BESIDE = {
    "padding mask": (nn.MultiHeadAttention(4, 2), "key_padding_mask", np.array([[True, False, False]] * 2)),
    "mask": (nn.MultiHeadAttention(4, 2), "attn_mask", np.eye(3)),
    "mask of booleans": (nn.MultiHeadAttention(4, 2), "attn_mask", np.triu(np.ones((3, 3)), 1) > 0),
    "memory": (nn.CrossAttention(4, 2), "memory", ROWS),
    "lengths": (nn.LSTM(4, 2), "lengths", np.array([1, 2, 2])),
    "state": (nn.GRU(4, 2), "state", np.ones((1, 3, 2))),
    "state of whole numbers": (nn.RNN(4, 2, last_only=True), "state", np.ones((1, 3, 2), int)),
    "class weight": (nn.cross_entropy, "weight", WAYS),
    "weight of an entry": (nn.bce_with_logits, "weight", WAYS),
    "pos_weight": (nn.bce_with_logits, "pos_weight", WAYS),
    "variance": (nn.gaussian_nll, "var", WAYS + 1),
    "weights": (nn.mse, "weights", np.array([1.0, 0.0])),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_the_input_is_of_any_library_and_precision(name):
    """Read where it is an array of another library, and single precision stays single."""
    owner, keyword, array = BESIDE[name]
    if isinstance(owner, nn.Loss):
        target = np.ones((2, 3), int) if owner is nn.cross_entropy else ROWS
        call = lambda a: owner(ROWS, target, "none", **{keyword: a})  # noqa: E731
    else:
        call = lambda a: owner(owner.init(rng=0), ROWS, **{keyword: a})  # noqa: E731
    expected = call(array)
    np.testing.assert_array_equal(call(Tensor(array)), expected)
    assert expected.dtype == np.float32
    for nothing in ("abc", Growing(array)):
        with pytest.raises((TypeError, ValueError), match=r"abc|grad|is a str|<U3"):
            call(nothing)


@pytest.mark.parametrize("given", [3, [3]], ids=str)
def test_shapes_that_are_no_tuples_are_told_so(given):
    class Scale(nn.Layer):
        def shapes(self):
            return {"scale": given}

        def initial(self, name, shape, rng, dtype):
            return np.ones(3, dtype)

        def forward(self, p, x):
            return p["scale"] * x

    for call in (lambda: Scale().init(rng=0), lambda: Scale()({"scale": np.ones(3)}, np.ones(3))):
        with pytest.raises(dg.DualgradError, match=r"shapes\(\) is to give tuples, as \(.*3.*,\)"):
            call()
