"""Layers beside torch's over drawn settings: values, tangents, K directions, factors and pullbacks."""

import numpy as np
import pytest

from dualgrad import nn
from tests.support.beside_torch import channels_first, channels_last, compare

torch = pytest.importorskip("torch")
t = torch.nn
IMAGES = {"to_torch": channels_first, "from_torch": channels_last}
BATCH = (2, 1, 3)


def draws(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def inputs(rng, n, channels):
    """A batch of signals or images of drawn sizes."""
    return rng.standard_normal((rng.choice(BATCH), *rng.integers(5, 8, n), channels))


def either(rng, *values):
    return values[rng.integers(len(values))]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [1, 2])
def test_pools(n, seed):
    rng = np.random.default_rng(seed)
    kernel, stride = int(rng.integers(2, 4)), either(rng, None, 1, 2, 3)
    padding, ceil, x = int(rng.integers(0, kernel // 2 + 1)), bool(seed % 2), inputs(rng, n, int(rng.integers(1, 4)))
    dilation, include = either(rng, 1, 2), bool(rng.integers(2))
    name = f"MaxPool{n}d"
    ours = getattr(nn, name)(kernel, stride, padding, dilation, ceil_mode=ceil)
    compare(ours, getattr(t, name)(kernel, stride, padding, dilation, ceil_mode=ceil), x, **IMAGES)
    settings = (kernel, stride, padding, ceil, include) + ((either(rng, None, 3),) if n == 2 else ())
    compare(getattr(nn, f"AvgPool{n}d")(*settings), getattr(t, f"AvgPool{n}d")(*settings), x, **IMAGES)


@pytest.mark.parametrize("size", [1, 3, 7, None])
@pytest.mark.parametrize("name", ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d"])
def test_adaptive_pools(name, size):
    n = int(name[-2])
    size = (size, 2) if n == 2 else 5 if size is None else size
    compare(getattr(nn, name)(size), getattr(t, name)(size), draws(2, *(5, 6)[:n], 3), **IMAGES)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("n", [1, 2])
def test_convolutions(n, mode):
    rng = np.random.default_rng(n)
    for padding in (0, 2, "same"):
        groups, stride = int(rng.integers(1, 3)), 1 if padding == "same" else 2
        settings = 4, 2, int(rng.integers(2, 4)), stride, padding, int(rng.integers(1, 3)), groups, True, mode
        name = f"Conv{n}d"
        compare(getattr(nn, name)(*settings), getattr(t, name)(*settings), inputs(rng, n, 4), **IMAGES)


@pytest.mark.parametrize(
    "name", [f"{kind}Pad{n}d" for kind in ("Zero", "Reflection", "Replication", "Circular") for n in (1, 2)]
)
def test_borders(name):
    n = int(name[-2])
    for widths in (1, (3, 2, 0, 1)[: 2 * n]):
        compare(getattr(nn, name)(widths), getattr(t, name)(widths), draws(2, *(4, 5)[:n], 3), **IMAGES)


@pytest.mark.parametrize("settings", [{"size": 7}, {"size": 1}, {"scale_factor": 2.0}, {"scale_factor": 1.7}], ids=repr)
@pytest.mark.parametrize("mode", ["nearest", "linear", "bilinear"])
def test_upsampling(mode, settings):
    for corners in (None,) if mode == "nearest" else (False, True):
        every = {"mode": mode, "align_corners": corners} | settings
        x = draws(2, *((4, 5) if mode != "linear" else (5,)), 3)
        compare(nn.Upsample(**every), t.Upsample(**every), x, **IMAGES)


@pytest.mark.parametrize("seed", range(12))
def test_upsampling_by_factors_that_leave_or_double_a_size(seed):
    """But for "nearest" of signals, whose gradient in torch is not that of its value there."""
    rng = np.random.default_rng(seed)
    mode, n = either(rng, ("nearest", 2), ("bilinear", 2), ("linear", 1))
    sizes = [int(h) for h in rng.integers(1, 6, n)]
    factors = [float(either(rng, 1 + 0.9 / h, 2 + 0.9 / h, 0.6 + 1 / h)) for h in sizes]
    settings = {"scale_factor": tuple(factors) if n == 2 else factors[0], "mode": mode}
    compare(nn.Upsample(**settings), t.Upsample(**settings), draws(2, *sizes, 2), **IMAGES)


CURVES = [
    ("Mish",), ("CELU", 0.7), ("Softsign",), ("LogSigmoid",), ("Tanhshrink",), ("ReLU6",), ("Hardsigmoid",),
    ("Hardswish",),
    ("Hardshrink", 0.4), ("Softshrink", 0.4), ("Threshold", 0.1, -2.0), ("PReLU",), ("GLU",), ("ELU", 0.7), ("SELU",),
    ("LeakyReLU", 0.1), ("GELU",), ("GELU", "tanh"), ("SiLU",), ("Softplus", 2.0, 1.0), ("Sigmoid",), ("ReLU",),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), [(name, settings) for name, *settings in CURVES], ids=lambda x: str(x))
def test_activations(name, settings):
    x = np.concatenate([4 * draws(3, 4), [[-30.0, 30.0, -4.0, 5.0]]])
    rounded = 1e3 if name in ("CELU", "Hardsigmoid") else 1  # torch has 1/α and 1/6 in float32 there
    compare(getattr(nn, name)(*settings), getattr(t, name)(*settings), x, tolerance=rounded)


def test_what_acts_on_channels_or_on_one_axis():
    x, signal = draws(2, 3, 4, 4), draws(3, 5, 4)
    compare(nn.PReLU(4), t.PReLU(4), x, **IMAGES)
    compare(nn.PixelShuffle(2), t.PixelShuffle(2), x, **IMAGES)
    for dim in (-1, 1, 0):
        compare(nn.Softmax(dim), t.Softmax(dim), signal)
        compare(nn.LogSoftmax(dim), t.LogSoftmax(dim), signal)


@pytest.mark.parametrize("train", [False, True])
def test_instance_norm(train):
    for affine in (False, True):
        for track in (False, True):
            ours = nn.InstanceNorm(4, affine=affine, track_running_stats=track)
            for kind, x in ((t.InstanceNorm1d, draws(2, 6, 4)), (t.InstanceNorm2d, draws(2, 3, 3, 4))):
                compare(ours, kind(4, affine=affine, track_running_stats=track), x, train=train, **IMAGES)


def test_running_statistics_of_instances():
    ours, theirs = nn.InstanceNorm(4, track_running_stats=True), t.InstanceNorm1d(4, track_running_stats=True).double()
    params = ours.init(rng=0, dtype=np.float64)
    for x in (draws(3, 5, 4), 2 + draws(2, 3, 4)):
        ours.update_buffers(params, x)
        theirs(channels_first(torch.from_numpy(x)))
        for name, b in params.buffers.items():
            np.testing.assert_allclose(b, getattr(theirs, name).numpy(), rtol=1e-12)


def test_a_row_that_stays():
    """torch has no gradient there, and a tangent in forward mode; without that, it is ours."""
    places = np.array([[0, 4], [2, 2]])

    def still(module, x):
        moves = (torch.arange(5) != 2)[:, None]
        weight = torch.where(moves, module.weight, module.weight.detach())
        return torch.nn.functional.embedding(x, weight, 2)

    compare(nn.Embedding(5, 3, -3), t.Embedding(5, 3, -3), places, call=still)
    ours, theirs = nn.Embedding(5, 3, 2), t.Embedding(5, 3, 2).double()
    params = nn.from_torch(theirs, ours)
    theirs(torch.from_numpy(places)).sum().backward()
    gradient = ours.vjp(params, places)[1](np.ones((2, 2, 3)))[0]["weight"]
    np.testing.assert_array_equal(gradient, theirs.weight.grad.numpy())
    assert not np.any(params["weight"][2])
    assert not np.any(ours.init(rng=0)["weight"][2])


def test_layers_that_stood_here_before():
    x = draws(2, 3, 4, 4)
    compare(nn.Embedding(5, 3), t.Embedding(5, 3), np.array([[0, 4], [2, 2]]))
    compare(nn.BatchNorm(4), t.BatchNorm2d(4), x, train=True, **IMAGES)
    compare(nn.BatchNorm(4), t.BatchNorm2d(4), x, **IMAGES)
    compare(nn.GroupNorm(2, 4), t.GroupNorm(2, 4), x, **IMAGES)
    compare(nn.LayerNorm(4), t.LayerNorm(4), x)
    compare(nn.RMSNorm(4), t.RMSNorm(4), x)
    compare(nn.Linear(4, 3), t.Linear(4, 3), x)
    compare(nn.Bilinear(1, 3, 2), t.Bilinear(1, 3, 2), x, to_torch=lambda x: (x[..., :1], x[..., 1:]))
    up = 4, 6, 3, 2, 1, 1, 2, True, 2
    compare(nn.ConvTranspose2d(*up), t.ConvTranspose2d(*up), x, **IMAGES)


def test_another_layer_is_noticed():
    """What is compared is seen: the value, a slope, and the gradient alone."""

    class WrongSlope(nn.Activation):
        def curve(self, x):
            return np.tanh(x), lambda: 1 - np.tanh(x)

    class WrongPullback(nn.Tanh):
        def vjp(self, p, x):
            return np.tanh(x), lambda dy: ({}, dy)

    for layer, what in ((nn.Sigmoid(), "the value"), (WrongSlope(), "the tangent"), (WrongPullback(), "the gradient")):
        with pytest.raises(AssertionError, match=what):
            compare(layer, t.Tanh(), draws(2, 3))
