"""Layers that act on the places of signals and images, by loops over every place in plain NumPy: pools and their
slopes, borders, convolutions that have one, upsampling, norms of instances; ties, NaN, infinities; what is refused."""

import itertools

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.testing import check_jvp, check_vjp

SEEDS = range(12)
MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def windows(spatial, kernel, stride, padding, ceil):
    """Where windows start along every axis: those that fit, and with ceil one that starts in the input or before it."""
    for size in spatial:
        starts = itertools.count(-padding, stride)
        if ceil:
            yield list(
                itertools.takewhile(
                    lambda s, n=size: s < n and (s == -padding or s - stride + kernel < n + padding), starts
                )
            )
        else:
            yield list(itertools.takewhile(lambda s, n=size: s + kernel <= n + padding, starts))


def pooled(x, d, kernel, stride, padding, dilation, ceil, average):
    """The value and tangent of a pool at every place; ``average`` gives the divisor of real and of all entries."""
    span = dilation * (kernel - 1) + 1
    starts = list(windows(x.shape[1:-1], span, stride, padding, ceil))
    y = np.zeros((len(x), *map(len, starts), x.shape[-1]))
    dy = np.zeros_like(y)
    for place in np.ndindex(*y.shape[1:-1]):
        corner = [s[k] for s, k in zip(starts, place, strict=True)]
        reach = [[c + dilation * k for k in range(kernel)] for c in corner]
        inside = [[i for i in r if 0 <= i < n] for r, n in zip(reach, x.shape[1:-1], strict=True)]
        known = [[i for i in r if -padding <= i < n + padding] for r, n in zip(reach, x.shape[1:-1], strict=True)]
        part, moved = (a[np.ix_(range(len(x)), *inside, range(x.shape[-1]))] for a in (x, d))
        part, moved = (a.reshape(len(x), -1, x.shape[-1]) for a in (part, moved))
        at = (slice(None), *place)
        if average:
            size = average(part.shape[1], np.prod([len(r) for r in known]))
            y[at], dy[at] = part.sum(1) / size, moved.sum(1) / size
        else:
            top = part.max(1, keepdims=True)
            share = (part == top) | (np.isnan(part) & np.isnan(top))
            y[at], dy[at] = top[:, 0], (share * moved).sum(1) / share.sum(1)
    return y, dy


@pytest.mark.parametrize("seed", SEEDS)
def test_pools_are_their_windows(seed):
    """Of few different numbers, so that entries tie; and with NaN and infinities among them."""
    rng = np.random.default_rng(seed)
    n, kernel, stride, dilation = (int(v) for v in (1 + seed % 2, *rng.integers(1, 4, 2), rng.integers(1, 3)))
    padding, ceil = int(rng.integers(0, kernel // 2 + 1)), bool(rng.integers(2))
    x = rng.integers(0, 3, (2, *rng.integers(5, 8, n), 2)).astype(float)
    d = rng.standard_normal(x.shape)
    layer = getattr(nn, f"MaxPool{n}d")(kernel, stride, padding, dilation, ceil_mode=ceil)
    require(layer, x, d, pooled(x, d, kernel, stride, padding, dilation, ceil, None))
    odd = np.where(rng.random(x.shape) < 0.6, rng.choice([-np.inf, np.nan, np.inf], x.shape, p=[0.8, 0.1, 0.1]), x)
    odd[0] = -np.inf
    require(layer, odd, d, pooled(odd, d, kernel, stride, padding, dilation, ceil, None))
    include, own = bool(rng.integers(2)), int(rng.integers(2, 5))
    layer = getattr(nn, f"AvgPool{n}d")(kernel, stride, padding, ceil, include)
    size = (lambda real, known: known) if include else (lambda real, known: real)
    require(layer, x, d, pooled(x, d, kernel, stride, padding, 1, ceil, size))
    if n == 2:
        layer = nn.AvgPool2d(kernel, stride, padding, ceil, include, own)
        require(layer, x, d, pooled(x, d, kernel, stride, padding, 1, ceil, lambda real, known: own))


def require(layer, x, d, expected):
    """Value, tangent, and the pullback as the transpose of that."""
    y, dy = layer.jvp({}, x, {}, d)
    z, pull = layer.vjp({}, x)
    for found, right in zip((y, z, layer({}, x), dy), (expected[0],) * 3 + expected[1:], strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12, err_msg=repr(layer))
    u = np.random.default_rng(1).standard_normal(dy.shape)
    np.testing.assert_allclose(np.sum(u * dy), np.sum(pull(u)[1] * d), rtol=1e-10, err_msg=repr(layer))


@pytest.mark.parametrize("seed", SEEDS)
def test_adaptive_pools_are_their_windows(seed):
    rng = np.random.default_rng(seed)
    n = 1 + seed % 2
    x = rng.integers(0, 3, (2, *rng.integers(1, 8, n), 2)).astype(float)
    x[0, 0] = np.nan if seed % 3 == 0 else x[0, 0]
    d, count = rng.standard_normal(x.shape), tuple(int(k) for k in rng.integers(1, 7, n))
    for kind, function in (("Avg", np.mean), ("Max", np.max)):
        y, dy = np.zeros((2, *count, 2)), np.zeros((2, *count, 2))
        for place in np.ndindex(*count):
            ends = [(i * h // o, -(-(i + 1) * h // o)) for i, h, o in zip(place, x.shape[1:-1], count, strict=True)]
            part, moved = (a[(slice(None), *(slice(*e) for e in ends))] for a in (x, d))
            for b, c in np.ndindex(2, 2):
                one, along = part[b, ..., c], moved[b, ..., c]
                y[(b, *place, c)] = function(one)
                tied = (one == np.max(one)) | np.isnan(one)
                dy[(b, *place, c)] = np.mean(along) if kind == "Avg" else np.mean(along[tied])
        require(getattr(nn, f"Adaptive{kind}Pool{n}d")(count if n == 2 else count[0]), x, d, (y, dy))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mode", MODES)
def test_a_convolution_with_a_border_is_one_of_the_bordered_input(mode, seed):
    """np.pad, and then the convolution that has no padding, by a loop."""
    rng = np.random.default_rng(seed)
    n, kernel, padding = 1 + seed % 2, int(rng.integers(1, 4)), int(rng.integers(0, 4))
    same = seed % 3 == 0
    layer = getattr(nn, f"Conv{n}d")(2, 3, kernel, padding="same" if same else padding, padding_mode=mode)
    params, x = layer.init(rng=seed, dtype=np.float64), rng.standard_normal((2, *rng.integers(4, 7, n), 2))
    widths = ((kernel - 1) // 2, kernel // 2) if same else (padding, padding)
    wide = np.pad(x, [(0, 0), *[widths] * n, (0, 0)], MODES[mode])
    border = {"zeros": "Zero", "reflect": "Reflection", "replicate": "Replication", "circular": "Circular"}[mode]
    np.testing.assert_array_equal(getattr(nn, f"{border}Pad{n}d")(widths * n)({}, x), wide)
    expected = np.zeros((2, *(h - kernel + 1 for h in wide.shape[1:-1]), 3))
    for place in np.ndindex(*expected.shape[1:-1]):
        patch = wide[(slice(None), *(slice(i, i + kernel) for i in place))]
        expected[(slice(None), *place)] = np.tensordot(patch, params["weight"], n + 1) + params["bias"]
    np.testing.assert_allclose(layer(params, x), expected, rtol=1e-12, atol=1e-12)
    if seed < 2:
        assert check_vjp(layer, params, x).passed
        assert check_jvp(lambda x: layer(params, x), (x,)).passed


@pytest.mark.parametrize("seed", SEEDS)
def test_upsampling_is_interpolation(seed):
    """By np.interp between the middles of entries, or between the outermost ones."""
    rng = np.random.default_rng(seed)
    h, o, corners = int(rng.integers(1, 6)), int(rng.integers(1, 9)), bool(rng.integers(2))
    x = rng.standard_normal((2, h, 3))
    at = np.linspace(0, h - 1, o) if corners else (np.arange(o) + 0.5) * h / o - 0.5
    at = at if o > 1 or not corners else np.zeros(1)
    expected = np.stack([[np.interp(at, np.arange(h), x[b, :, c]) for c in range(3)] for b in range(2)]).swapaxes(1, 2)
    layer = nn.Upsample(o, mode="linear", align_corners=corners)
    np.testing.assert_allclose(layer({}, x), expected, rtol=1e-12, atol=1e-12)
    image = nn.Upsample((o, 4), mode="bilinear", align_corners=corners)({}, x[:, :, None] * np.ones((1, 1, 2, 1)))
    np.testing.assert_allclose(image, np.repeat(expected[:, :, None], 4, 2), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(nn.Upsample(o)({}, x), x[:, np.arange(o) * h // o])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_factor_that_leaves_a_size_leaves_the_entries(seed):
    """As 1.1 does of 5; of images, one that doubles it doubles them. "nearest" of signals goes by the factor."""
    rng = np.random.default_rng(seed)
    h, w = (int(n) for n in rng.integers(2, 7, 2))
    x, kept, doubled = rng.standard_normal((2, h, w, 3)), 1 + 0.9 / h, 2 + 0.9 / w
    assert (int(h * kept), int(w * doubled)) == (h, 2 * w)
    image = nn.Upsample(scale_factor=(kept, doubled))({}, x)
    np.testing.assert_array_equal(image, np.repeat(x, 2, axis=2))
    signal = x[:, :, 0]
    np.testing.assert_array_equal(nn.Upsample(scale_factor=kept, mode="linear")({}, signal), signal)
    by_factor = signal[:, (np.arange(h) / kept).astype(int)]
    np.testing.assert_array_equal(nn.Upsample(scale_factor=kept)({}, signal), by_factor)


def test_places_that_float_would_miss():
    """49 · (1/49) is less than 1."""
    x = np.arange(4.0).reshape(1, 4, 1)
    assert nn.Upsample(scale_factor=49)({}, x)[0, :, 0].tolist() == np.repeat(np.arange(4.0), 49).tolist()
    assert nn.Upsample(size=196)({}, x)[0, :, 0].tolist() == np.repeat(np.arange(4.0), 49).tolist()


def test_instances_are_normalised_one_by_one():
    rng = np.random.default_rng(0)
    layer = nn.InstanceNorm(3, affine=True, track_running_stats=True, momentum=0.25)
    params, x = layer.init(rng=0, dtype=np.float64), 3 + rng.standard_normal((4, 2, 5, 3))
    params["weight"], params["bias"] = np.arange(1.0, 4.0), np.arange(3.0)
    expected = np.empty_like(x)
    for b, c in np.ndindex(4, 3):
        one = x[b, ..., c]
        expected[b, ..., c] = (one - one.mean()) / np.sqrt(one.var() + 1e-5) * (c + 1) + c
    np.testing.assert_allclose(layer(params, x, train=True), expected, rtol=1e-12)
    layer.update_buffers(params, x)
    means, variances = x.mean((1, 2)), x.var((1, 2), ddof=1)
    np.testing.assert_allclose(params.buffers["running_mean"], 0.25 * means.mean(0), rtol=1e-12)
    np.testing.assert_allclose(params.buffers["running_var"], 0.75 + 0.25 * variances.mean(0), rtol=1e-12)


def test_whole_channels_are_dropped():
    for layer, shape in ((nn.Dropout1d(0.5), (40, 3, 5)), (nn.Dropout2d(0.5), (40, 3, 2, 5))):
        y = layer({}, np.ones(shape), train=True, rng=0).reshape(40, -1, 5)
        assert np.all(y == y[:, :1])
        assert set(np.unique(y)) == {0.0, 2.0}
        assert 0.4 < np.mean(y) / 2 < 0.6
        np.testing.assert_array_equal(layer({}, np.ones(shape)), np.ones(shape))


def test_a_row_that_stays_has_no_tangent_and_no_gradient():
    layer, places = nn.Embedding(4, 2, padding_idx=-3), np.array([[0, 1], [1, 3]])
    params = layer.init(rng=0, dtype=np.float64)
    assert not np.any(params["weight"][1])
    params["weight"][1] = 5.0  # weights of one's own are looked up as they are
    y, dy = dg.jvp(lambda p: layer(p, places), (params,), ({"weight": np.ones((4, 2))},))
    assert np.all(y[0, 1] == 5)
    np.testing.assert_array_equal(dy, np.where(places == 1, 0.0, 1.0)[..., None] * np.ones(2))
    (gradient,) = layer.vjp(params, places)[1](np.ones((2, 2, 2)))[0].values()
    np.testing.assert_array_equal(gradient, [[1, 1], [0, 0], [0, 0], [1, 1]])


@pytest.mark.parametrize("kind", [nn.Softmax, nn.LogSoftmax])
def test_softmax_of_any_layout_and_axis(kind):
    """A transposed array of three axes is no view as rows; LogSoftmax of one was wrong."""
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    for axes in itertools.permutations(range(3)):
        y = x.transpose(axes)
        expected = kind()({}, y.copy())
        for found in (kind()({}, y), kind().jvp({}, y, {}, y)[0], kind().vjp({}, y)[0]):
            np.testing.assert_allclose(found, expected, rtol=1e-14)
        for dim in range(-3, 3):
            turned = np.moveaxis(kind()({}, np.moveaxis(y, dim, -1).copy()), -1, dim)
            np.testing.assert_allclose(kind(dim)({}, y), turned, rtol=1e-14)


REFUSED = {  # a layer, an input, and what the error says
    "a window beyond the input": (nn.MaxPool1d(4), (2, 3, 1), r"a window of \(4,\) is larger than the padded input"),
    "images for signals": (nn.AvgPool1d(2), (2, 4, 4, 1), r"expected \(B, L, C\)"),
    "an adaptive pool of nothing": (nn.AdaptiveMaxPool2d(2), (2, 0, 4, 1), "which is empty"),
    "a mirror as wide as the input": (
        nn.ReflectionPad1d(4),
        (2, 4, 1),
        "a reflect border of 4 needs at least 5 entries",
    ),
    "more than once around": (nn.CircularPad2d((0, 0, 5, 0)), (2, 4, 9, 1), "a circular border of 5 needs at least 5"),
    "nothing to repeat": (nn.ReplicationPad1d(1), (2, 0, 1), "needs at least 1"),
    "upsampling to nothing": (nn.Upsample(scale_factor=0.1), (2, 4, 1), "output would be of size"),
    "signals for bilinear": (nn.Upsample(size=3, mode="bilinear"), (2, 4, 1), r"expected \(B, H, W, C\)"),
    "one place": (nn.InstanceNorm(2), (3, 1, 2), "more than one place"),
    "rows of features": (nn.InstanceNorm(2), (3, 2), "more than one place"),
    "an odd number": (nn.GLU(), (3, 5), "an even number of features"),
    "channels that do not fit": (nn.PixelShuffle(2), (1, 2, 2, 3), r"expected \(B, H, W, 4 C\)"),
    "another number of slopes": (nn.PReLU(3), (2, 4), r"expected \(..., 3\)"),
    "no such axis": (nn.Softmax(2), (2, 4), "classes along axis 2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_named(name):
    layer, shape, says = REFUSED[name]
    with pytest.raises(dg.ShapeError, match=says) as caught:
        layer(layer.init(rng=0, dtype=np.float64), np.ones(shape))
    assert repr(layer) in str(caught.value)


def test_convolutions_refuse_a_border_that_does_not_fit_by_every_rule():
    layer = nn.Conv1d(1, 1, 3, padding=3, padding_mode="reflect")
    p, x = layer.init(rng=0, dtype=np.float64), np.ones((1, 3, 1))
    for call in (lambda: layer(p, x), lambda: layer.jvp(p, x, p, x), lambda: layer.vjp(p, x)):
        with pytest.raises(dg.ShapeError, match="a reflect border of 3 needs at least 4"):
            call()
