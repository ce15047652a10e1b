"""Weights from torch: the same outputs for every layer that torch has, and back without loss.

Where torch is not installed, `pretend_torch` stands in for it: the same layers in NumPy, channels first.
"""

import contextlib
import inspect
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.nn.torch.alignment import Alignment
from dualgrad.nn.torch.twins import TWINS
from tests.support import layers, pretend_torch, strict
from tests.support.draws import examples
from tests.support.pretend_torch import any_model, channels_first, channels_last, random_model, randomised

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def torch():
    found = pytest.importorskip("torch")
    found.set_default_dtype(found.float64)
    yield found
    found.set_default_dtype(found.float32)


def images(*shape):
    return RNG.standard_normal(shape)


def run(torch, module, *x):
    with torch.no_grad():
        y = module(*(torch.from_numpy(np.ascontiguousarray(a)) for a in x))
    return (y[0] if isinstance(y, tuple) else y).numpy()


def tensors(torch, state):
    return {name: torch.from_numpy(a) for name, a in state.items()}


def close(found, expected, dtype=np.float64):
    """Equal to 1e-10 in float64, to some roundings in float32."""
    assert found.dtype == expected.dtype == dtype
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-10 if dtype == np.float64 else 2e-5)


def plain(layer):
    """A layer of the catalogue without its keywords."""
    return getattr(layer, "layer", layer)


# ---------------------------------------------------------------------- random models, channels first


def agree(seed, t, into):
    """Parameters of ours, in the twin that ``t`` makes, give the same; and come back bit for bit."""
    ours, make, shape, channels = random_model(seed)
    rng = np.random.default_rng(seed)
    params = randomised(ours.init(rng=0, dtype=np.float64), rng)
    x = rng.standard_normal((2, *shape))
    state = nn.to_torch(params, ours, channels=channels)
    y, z = ours(params, x), into(make(t), state, channels_first(x))
    close(y, z if z.ndim == 2 else channels_last(z))
    again = nn.from_torch(state, ours, channels=channels)
    assert np.array_equal(again.vector, params.vector)
    assert all(np.array_equal(again.buffers[name], b) for name, b in params.buffers.items())
    return ours, channels


def into_pretend(twin, state, x):
    assert sorted(twin.load(state)) == sorted(state)
    return twin(x)


def test_random_models_give_what_channels_first_gives():
    turned = 0
    for seed in range(examples(5)):
        ours, channels = agree(seed, pretend_torch.PRETEND, into_pretend)
        turned += any(turn is not None for row in Alignment(ours, channels=channels).rows for turn in row.permutations)
    assert 2 * turned > seed


def test_random_models_give_what_torch_gives(torch):
    t = pretend_torch.namespace(torch)

    def into(twin, state, x):
        twin.load_state_dict(tensors(torch, state), strict=True)
        twins.append(twin.eval())
        return run(torch, twin, x)

    for seed in range(examples(1)):
        twins = []
        ours, channels = agree(1000 + seed, t, into)
        (twin,) = twins
        nn.from_torch(twin, ours, channels=channels)  # and no setting differs
        params = nn.from_torch(twin.float(), ours, channels=channels)
        assert params.vector.dtype == np.float32


def twins_of(make, state):
    """Every twin that has these parameters."""
    tried = set()
    for choices in itertools.product([True, False], repeat=5):
        taken = []
        first = (taken.append(k) or k for k in itertools.chain(choices, itertools.repeat(True)))
        twin = make(pretend_torch.PRETEND, first)
        if tuple(taken) not in tried:
            tried.add(tuple(taken))
            assert sorted(twin.load(state)) == sorted(state)
            yield twin


def test_what_is_accepted_is_what_some_twin_gives():
    """Any layers in any order, most of which torch's model could not have: refused, or right. Whether torch's Unflatten
    and cat have the channels first is theirs to choose, and so is the input's order where nothing is said of it."""
    right = refused = 0
    for seed in range(examples(20)):
        ours, make, shape, channels = any_model(seed)
        rng = np.random.default_rng(seed)
        params = randomised(ours.init(rng=0, dtype=np.float64), rng)
        try:
            state = nn.to_torch(params, ours, channels=channels)
        except dg.LayoutError:
            refused += 1
            continue
        x, found = rng.standard_normal((2, *shape)), []
        y = ours(params, x)
        for twin, into in itertools.product(twins_of(make, state), (np.asarray, channels_first)):
            if channels is None or (into is channels_first) == (channels > 0):
                with contextlib.suppress(AssertionError, ValueError):  # no model that torch could run
                    found.append(np.max(np.abs(twin(into(x)) - y)))
        assert not found or min(found) < 1e-9 * np.max(np.abs(y)), (seed, ours, channels)
        right += bool(found)
    assert min(right, refused) > seed / 4


def test_features_stand_channel_by_channel_in_torch():
    """By hand: (C, H, W) = (2, 1, 3) flattened is c0p0 c0p1 c0p2 c1p0 c1p1 c1p2, ours p0c0 p0c1 p1c0 ..."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(6, 1))
    state = {"0.weight": np.zeros((2, 1, 1, 1)), "0.bias": np.zeros(2), "2.bias": np.zeros(1)}
    params = nn.from_torch(state | {"2.weight": np.arange(6.0)[None]}, model)
    assert params["2.weight"][:, 0].tolist() == [0, 3, 1, 4, 2, 5]
    back = nn.Sequential(nn.Linear(1, 6), nn.Reshape(1, 3, 2), nn.ConvTranspose2d(2, 1, 1))
    state = {"0.weight": np.arange(6.0)[:, None], "0.bias": np.arange(6.0)}
    state |= {"2.weight": np.zeros((2, 1, 1, 1)), "2.bias": np.zeros(1)}
    params = nn.from_torch(state, back)
    assert params["0.weight"][0].tolist() == params["0.bias"].tolist() == [0, 3, 1, 4, 2, 5]


FLAT = {  # what stands behind a Flatten of 6 places and 2 channels, and the orders of its arrays' axes
    "Linear": nn.Linear(12, 3), "BatchNorm": nn.BatchNorm(12), "LayerNorm": nn.LayerNorm(12), "RMSNorm": nn.RMSNorm(12),
    "GroupNorm of one group": nn.GroupNorm(1, 12), "GroupNorm of each": nn.GroupNorm(12, 12),
    "Residual": nn.Residual(nn.Linear(12, 12)), "nested": nn.Sequential(nn.Sequential(nn.ReLU(), nn.Linear(12, 3))),
    "an attention of one token": nn.Sequential(nn.Reshape(1, 12), nn.MultiHeadAttention(12, 2)),
    "a block of attention": nn.Sequential(nn.Reshape(1, 12), nn.TransformerBlock(12, 2)),
    "an image again": nn.Sequential(nn.Reshape(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)),
    "a recurrent layer": nn.Sequential(nn.Reshape(1, 12), nn.LSTM(12, 3)),
    "a convolution of one place": nn.Sequential(nn.Reshape(1, 1, 12), nn.Conv2d(12, 3, 1)),
    "Dropout, Softmax": nn.Sequential(nn.Dropout(), nn.Softmax(), nn.Identity(), nn.Sine(), nn.Linear(12, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAT)
def test_whatever_stands_behind_a_flatten_is_turned(name):
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), FLAT[name])
    params = randomised(model.init(rng=0), RNG)
    state = nn.to_torch(params, model)
    first = next(row for row in Alignment(model).rows if row.ours.startswith("2."))
    (q, *_) = (q for q in first.permutations if q is not None)
    assert q.tolist() == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]
    assert np.array_equal(nn.from_torch(state, model).vector, params.vector)


BY_HAND = {
    "the mean of channels as an image": lambda t: (
        t.Conv2d(2, 12, 1), t.ReLU(), t.AdaptiveAvgPool2d(1), t.Flatten(), t.Unflatten(1, (2, 2, 3)),
        t.ConvTranspose2d(2, 3, 2), t.Flatten(), t.Linear(36, 2),
    ),
    "flattened, an image again, flattened": lambda t: (
        t.Conv2d(2, 4, 1), t.Flatten(), t.RMSNorm(48, eps=1e-5), t.Unflatten(1, (4, 2, 6)), t.ReLU(), t.Flatten(),
        t.Linear(48, 5),
    ),
    "an image in the middle": lambda t: (
        t.Conv2d(2, 4, 1), t.Flatten(), t.Unflatten(1, (4, 4, 3)), t.Conv2d(4, 3, 2), t.LayerNorm((3, 3, 2)),
        t.Flatten(), t.BatchNorm1d(18), t.Linear(18, 2),
    ),
    "flat features as channels": lambda t: (
        t.Conv2d(2, 4, 1), t.Flatten(), t.Unflatten(1, (48, 1, 1)), t.Conv2d(48, 6, 1), t.GroupNorm(3, 6), t.Flatten(),
        t.Linear(6, 2),
    ),
    "one place": lambda t: (
        t.Conv2d(2, 4, (3, 4)), t.Flatten(), t.GroupNorm(2, 4), t.Linear(4, 2),
    ),
    "one channel": lambda t: (
        t.Conv2d(2, 1, 1), t.Flatten(), t.GroupNorm(3, 12), t.Unflatten(1, (1, 3, 4)), t.ReLU(), t.Flatten(),
        t.Linear(12, 2),
    ),
    "a sum of flattened images": lambda t: (
        t.Residual(
            t.Conv2d(2, 3, 1), t.Flatten(), t.Linear(36, 36), shortcut=t.Sequential(t.Conv2d(2, 3, 1), t.Flatten())
        ), t.LayerNorm(36), t.Linear(36, 2),
    ),
}  # fmt: skip
OURS = SimpleNamespace(
    **{name: getattr(nn, name) for name in nn.__all__},
    Unflatten=lambda axis, shape: nn.Reshape(*shape[1:], shape[0]), BatchNorm1d=nn.BatchNorm,
)  # fmt: skip
OURS.AdaptiveAvgPool2d = lambda n: nn.GlobalAvgPool2d()
OURS.LayerNorm = lambda shape: nn.LayerNorm(shape if isinstance(shape, int) else (*shape[1:], shape[0]))


@pytest.mark.parametrize("name", BY_HAND)
def test_models_by_hand_give_what_channels_first_gives(name):
    ours, theirs = nn.Sequential(*BY_HAND[name](OURS)), pretend_torch.Sequential(*BY_HAND[name](pretend_torch.PRETEND))
    params = randomised(ours.init(rng=0, dtype=np.float64), RNG)
    state, x = nn.to_torch(params, ours), images(2, 3, 4, 2)
    close(ours(params, x), into_pretend(theirs, state, channels_first(x)))
    assert np.array_equal(nn.from_torch(state, ours).vector, params.vector)


def test_a_residual_of_attention_turns_all_its_features():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Reshape(1, 12), nn.TransformerBlock(12, 2, 5))
    found = {
        row.ours[2:]: [k for k, turn in enumerate(row.permutations) if turn is not None]
        for row in Alignment(model).rows
    }
    turned = {"0.body.0.weight": [0], "0.body.0.bias": [0], "0.body.1.qkv.weight": [0], "0.body.1.qkv.bias": [],
              "0.body.1.out.weight": [1], "0.body.1.out.bias": [0], "1.body.0.weight": [0], "1.body.0.bias": [0],
              "1.body.1.weight": [0], "1.body.1.bias": [], "1.body.3.weight": [1], "1.body.3.bias": [0]}  # fmt: skip
    assert {name: axes for name, axes in found.items() if "body" in name} == turned


# ---------------------------------------------------------------------- the catalogue


CHANNELS = {"LayerNorm over two axes": 0}
PERMUTED = {"LocalMixerBlock": ["2.body.0", "2.body.1"]}
LACKING = {"LeakyRNN", "LeakyRNN, learned", "LocalMixer", "Parameter", "PositionalEmbedding"}


@pytest.mark.parametrize("name", layers.LAYERS | layers.INTEGERS)
def test_every_layer_comes_back_or_is_refused_by_name(name):
    layer = plain((layers.LAYERS | layers.INTEGERS)[name][0])
    params = randomised(layer.init(rng=0), RNG)
    params.vector[:1] = -0.0
    said = {"channels": CHANNELS.get(name), "permuted": PERMUTED.get(name, ())}
    if name in LACKING:
        with pytest.raises(dg.LayoutError, match=f"torch has no {type(layer).__name__}: set"):
            nn.to_torch(params, layer, **said)
        return
    again = nn.from_torch(nn.to_torch(params, layer, **said), layer, **said)
    assert again.vector.tobytes() == params.vector.tobytes()
    assert again.vector.dtype == params.vector.dtype
    assert list(again) == list(params)
    assert all(again.buffers[n].tobytes() == b.tobytes() for n, b in params.buffers.items())


def test_every_layer_is_in_the_catalogue():
    tried = {type(plain(layer)) for layer, _ in (layers.LAYERS | layers.INTEGERS).values()} | {
        nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.LeakyRNNCell, nn.Layer, nn.Cell, nn.Activation, nn.Container,
    }  # fmt: skip
    every = {c for c in map(vars(nn).get, nn.__all__) if isinstance(c, type) and issubclass(c, nn.Layer)}
    assert every <= tried
    assert set(TWINS) <= tried


def test_cells_come_back():
    for cell in (nn.RNNCell(3, 4), nn.GRUCell(3, 4), nn.LSTMCell(3, 4)):
        params = cell.init(rng=0)
        assert np.array_equal(nn.from_torch(nn.to_torch(params, cell), cell).vector, params.vector)
    with pytest.raises(dg.LayoutError, match="torch has no LeakyRNNCell"):
        nn.to_torch(nn.LeakyRNNCell(3, 4).init(rng=0), nn.LeakyRNNCell(3, 4))


def pairs(torch):
    """Our layer, torch's, an input, and how ours are turned into torch's inputs and torch's outputs into ours."""
    t, wide = torch.nn, 3 * images(10, 5)
    same = (lambda x: (x,), lambda y: y)
    pictures = (lambda x: (channels_first(x),), channels_last)
    return [
        (nn.Linear(3, 4), t.Linear(3, 4), images(2, 3), same),
        (nn.Linear(3, 4, bias=False), t.Linear(3, 4, bias=False), images(2, 3), same),
        (nn.Bilinear(2, 3, 4), t.Bilinear(2, 3, 4), images(5, 5), (lambda x: (x[:, :2], x[:, 2:]), same[1])),
        (nn.Embedding(5, 3), t.Embedding(5, 3), np.array([[0, 4], [2, 2]]), same),
        (nn.Conv1d(4, 6, 3, 2, 1, 2, 2), t.Conv1d(4, 6, 3, 2, 1, 2, 2), images(2, 9, 4), pictures),
        (nn.Conv1d(4, 6, 3, padding="same"), t.Conv1d(4, 6, 3, padding="same"), images(2, 9, 4), pictures),
        (nn.Conv2d(4, 6, (3, 2), 2, 1, 2, 2), t.Conv2d(4, 6, (3, 2), 2, 1, 2, 2), images(2, 7, 8, 4), pictures),
        (nn.Conv2d(4, 6, 3, padding="valid"), t.Conv2d(4, 6, 3, padding="valid"), images(2, 7, 8, 4), pictures),
        (nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, True, 2), t.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, True, 2),
         images(2, 3, 4, 4), pictures),
        (nn.MaxPool2d(3, 2, 1), t.MaxPool2d(3, 2, 1), images(2, 6, 7, 3), pictures),
        (nn.AvgPool2d((3, 2), 2, 1), t.AvgPool2d((3, 2), 2, 1), images(2, 6, 7, 3), pictures),
        (nn.GlobalAvgPool2d(), t.AdaptiveAvgPool2d(1), images(2, 6, 7, 3), (pictures[0], lambda y: y[:, :, 0, 0])),
        *more_pairs(t, wide, same, pictures),
        (nn.LayerNorm(5), t.LayerNorm(5), images(2, 5), same),
        (nn.RMSNorm(5), t.RMSNorm(5), images(2, 5), same),
        (nn.GroupNorm(2, 4), t.GroupNorm(2, 4), images(2, 3, 3, 4), pictures),
        (nn.BatchNorm(4), t.BatchNorm2d(4), images(2, 3, 3, 4), pictures),
        (nn.BatchNorm(4), t.BatchNorm1d(4), images(2, 3, 4), pictures),
        (nn.RNN(3, 4, nonlinearity="relu"), t.RNN(3, 4, nonlinearity="relu"), images(5, 2, 3), same),
        (nn.GRU(3, 4), t.GRU(3, 4), images(5, 2, 3), same),
        (nn.LSTM(3, 4), t.LSTM(3, 4), images(5, 2, 3), same),
        (nn.MultiHeadAttention(4, 2), t.MultiheadAttention(4, 2, batch_first=True), images(2, 3, 4),
         (lambda x: (x, x, x), same[1])),
        (nn.CrossAttention(4, 2), t.MultiheadAttention(4, 2, batch_first=True), (images(2, 3, 4), images(2, 5, 4)),
         (lambda pair: (*pair, pair[1]), same[1])),
        (nn.TransformerBlock(4, 2, 6),
         t.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", batch_first=True, norm_first=True), images(2, 3, 4), same),
        (nn.Flatten(), t.Flatten(), wide, same), (nn.Identity(), t.Identity(), wide, same),
        (nn.Dropout(0.3), t.Dropout(0.3), wide, same), (nn.Tanh(), t.Tanh(), wide, same),
        (nn.ReLU(), t.ReLU(), wide, same), (nn.SELU(), t.SELU(), wide, same),
        (nn.LeakyReLU(0.1), t.LeakyReLU(0.1), wide, same), (nn.ELU(0.5), t.ELU(0.5), wide, same),
        (nn.GELU(), t.GELU(), wide, same), (nn.GELU("tanh"), t.GELU("tanh"), wide, same),
        (nn.SiLU(), t.SiLU(), wide, same), (nn.Sigmoid(), t.Sigmoid(), wide, same),
        (nn.Softplus(2.0, 1.0), t.Softplus(2.0, 1.0), wide, same),
        (nn.HardTanh(-0.5, 0.4), t.Hardtanh(-0.5, 0.4), wide, same),
        (nn.HardTanh(0, 6), t.ReLU6(), wide, same),
        (nn.Softmax(), t.Softmax(dim=-1), wide, same),
        (nn.LogSoftmax(), t.LogSoftmax(dim=-1), wide, same),
    ]  # fmt: skip


def more_pairs(t, wide, same, pictures):
    signal, image = images(2, 6, 4), images(2, 5, 6, 4)
    made = [
        (name, (), wide, same)
        for name in (
            "Mish",
            "CELU",
            "Softsign",
            "LogSigmoid",
            "Tanhshrink",
            "Hardsigmoid",
            "Hardswish",
            "Hardshrink",
            "Softshrink",
            "ReLU6",
            "PReLU",
        )
    ]
    made += [("Threshold", (0.1, 2.0), wide, same), ("PReLU", (4,), image, pictures)]
    made += [(f"{kind}Pool1d", (3, 2, 1), signal, pictures) for kind in ("Max", "Avg")]
    for n, x in ((1, signal), (2, image)):
        made += [(f"Adaptive{kind}Pool{n}d", (3,), x, pictures) for kind in ("Max", "Avg")]
        made += [(f"{kind}Pad{n}d", (2,), x, pictures) for kind in ("Zero", "Reflection", "Replication", "Circular")]
        made += [(f"Dropout{n}d", (), x, pictures)]
    made = [(getattr(nn, name)(*args), getattr(t, name)(*args), x, maps) for name, args, x, maps in made]
    up = {"scale_factor": 2.0, "mode": "bilinear"}
    return [
        *made, (nn.Upsample(**up), t.Upsample(**up), image, pictures),
        (nn.InstanceNorm(4, affine=True), t.InstanceNorm1d(4, affine=True), signal, pictures),
        (nn.InstanceNorm(4, track_running_stats=True), t.InstanceNorm2d(4, track_running_stats=True), image, pictures),
        (nn.Softmax(dim=1), t.Softmax(dim=1), signal, same),
        (nn.Embedding(5, 3, padding_idx=2), t.Embedding(5, 3, padding_idx=2), np.array([[0, 4], [2, 2]]), same),
        (nn.Conv2d(4, 2, 2, padding="same", padding_mode="reflect"),
         t.Conv2d(4, 2, 2, padding="same", padding_mode="reflect"), image, pictures),
    ]  # fmt: skip


def test_every_layer_gives_what_torchs_gives(torch):
    tried = {nn.RNNCell, nn.GRUCell, nn.LSTMCell}
    for ours, theirs, x, (into, out) in pairs(torch):
        tried.add(type(ours))
        params = randomised(ours.init(rng=0, dtype=np.float64), RNG)
        theirs.load_state_dict(tensors(torch, nn.to_torch(params, ours)), strict=True)
        theirs.eval()
        expected = out(run(torch, theirs, *into(x)))
        np.testing.assert_allclose(ours(params, x), expected, rtol=1e-10, atol=1e-10, err_msg=repr(ours))
        for source in (theirs, theirs.state_dict()):
            again = nn.from_torch(source, ours)
            np.testing.assert_allclose(ours(again, x), expected, rtol=1e-10, atol=1e-10, err_msg=repr(ours))
    assert {kind for kind, twin in TWINS.items() if twin.torch} <= tried


def test_cells_give_what_torchs_give(torch):
    x, h = images(2, 3), images(2, 4)
    for ours, theirs in ((nn.RNNCell(3, 4), torch.nn.RNNCell(3, 4)), (nn.GRUCell(3, 4), torch.nn.GRUCell(3, 4))):
        np.testing.assert_allclose(ours(nn.from_torch(theirs, ours), h, x), run(torch, theirs, x, h), rtol=1e-10)
    ours, theirs = nn.LSTMCell(3, 4), torch.nn.LSTMCell(3, 4)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), (torch.from_numpy(h), torch.from_numpy(h)))
    found = ours(nn.from_torch(theirs, ours), (h, h), x)
    np.testing.assert_allclose(found, np.stack([a.numpy() for a in expected]), rtol=1e-10)


def test_losses_are_torchs(torch):
    z, t = images(4, 5), images(4, 5)
    p, classes = RNG.random((4, 5)), np.array([0, 4, 2, 2])
    for ours, theirs, target in (
        (nn.mse, torch.nn.MSELoss(), t),
        (nn.mae, torch.nn.L1Loss(), t),
        (nn.huber.using(delta=0.5), torch.nn.HuberLoss(delta=0.5), t),
        (nn.bce_with_logits, torch.nn.BCEWithLogitsLoss(), p),
        (nn.cross_entropy.using(label_smoothing=0.1), torch.nn.CrossEntropyLoss(label_smoothing=0.1), classes),
        (nn.nll, torch.nn.NLLLoss(), classes),
    ):
        np.testing.assert_allclose(ours(z, target), run(torch, theirs, z, target), rtol=1e-10)


# ---------------------------------------------------------------------- whole models


def lenet(torch):
    t = torch.nn

    class LeNet(t.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = t.Conv2d(1, 6, 5, padding=2), t.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = t.Linear(96, 20), t.Linear(20, 12), t.Linear(12, 10)
            self.pool = t.AvgPool2d(2)

        def forward(self, x):
            x = self.pool(torch.sigmoid(self.conv1(x)))
            x = self.pool(torch.sigmoid(self.conv2(x)))
            x = torch.sigmoid(self.fc1(torch.flatten(x, 1)))
            return self.fc3(torch.sigmoid(self.fc2(x)))

    ours = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(96, 20), nn.Sigmoid(), nn.Linear(20, 12), nn.Sigmoid(),
        nn.Linear(12, 10),
    )  # fmt: skip
    names = {"0": "conv1", "2": "pool", "3": "conv2", "5": "pool", "7": "fc1", "9": "fc2", "11": "fc3"}
    return ours, LeNet(), (16, 20, 1), {"names": names}


def the_issue(torch):
    t = torch.nn
    theirs = t.Sequential(t.Conv2d(1, 8, 3), t.ReLU(), t.Flatten(), t.Linear(288, 10))
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)), theirs, (8, 8, 1), {}


def vgg(torch):
    def build(t, flatten):
        features = [t.Conv2d(3, 4, 3, padding=1), t.ReLU(), t.Conv2d(4, 5, 3, padding=1), t.ReLU(), t.MaxPool2d(2)]
        classifier = [t.Linear(60, 16), t.ReLU(), t.Dropout(), t.Linear(16, 16), t.ReLU(), t.Dropout(), t.Linear(16, 7)]
        return t.Sequential(*features), flatten, t.Sequential(*classifier)

    class VGG(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.flatten, self.classifier = build(torch.nn, torch.nn.Flatten())

        def forward(self, x):
            return self.classifier(self.flatten(self.features(x)))

    names = {"0": "features", "1": "flatten", "2": "classifier"}
    return nn.Sequential(*build(nn, nn.Flatten())), VGG(), (6, 8, 3), {"names": names}


def resnet(torch):
    t = torch.nn

    class Block(t.Module):
        def __init__(self, c, d):
            super().__init__()
            self.conv1, self.bn1 = t.Conv2d(c, d, 3, 2, 1, bias=False), t.BatchNorm2d(d)
            self.conv2, self.bn2 = t.Conv2d(d, d, 3, 1, 1, bias=False), t.BatchNorm2d(d)
            self.downsample = t.Sequential(t.Conv2d(c, d, 1, 2, bias=False), t.BatchNorm2d(d))

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(y + self.downsample(x))

    theirs = t.Sequential(Block(3, 4), Block(4, 6), t.AdaptiveAvgPool2d(1), t.Flatten(), t.Linear(6, 5))

    def block(c, d):
        return nn.Residual(
            nn.Conv2d(c, d, 3, 2, 1, bias=False), nn.BatchNorm(d), nn.ReLU(), nn.Conv2d(d, d, 3, 1, 1, bias=False),
            nn.BatchNorm(d), shortcut=nn.Sequential(nn.Conv2d(c, d, 1, 2, bias=False), nn.BatchNorm(d)),
        )  # fmt: skip

    ours = nn.Sequential(
        nn.Sequential(block(3, 4), nn.ReLU()), nn.Sequential(block(4, 6), nn.ReLU()), nn.GlobalAvgPool2d(),
        nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip
    inside = {
        "0.body.0": "conv1",
        "0.body.1": "bn1",
        "0.body.3": "conv2",
        "0.body.4": "bn2",
        "0.shortcut": "downsample",
    }
    names = {f"{k}.{mine}": f"{k}.{other}" for k in (0, 1) for mine, other in inside.items()}
    return ours, theirs, (8, 8, 3), {"names": names}


def autoencoder(torch):
    t = torch.nn
    theirs = t.Sequential(
        t.Conv2d(3, 4, 3, 2, 1), t.ReLU(), t.Flatten(), t.Linear(48, 5), t.ReLU(), t.Linear(5, 48), t.ReLU(),
        t.Unflatten(1, (4, 4, 3)), t.ConvTranspose2d(4, 3, 3, 2, 1, 1), t.Sigmoid(),
    )  # fmt: skip
    ours = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 48), nn.ReLU(),
        nn.Reshape(4, 3, 4), nn.ConvTranspose2d(4, 3, 3, 2, 1, 1), nn.Sigmoid(),
    )  # fmt: skip
    return ours, theirs, (8, 6, 3), {}


def decoder(torch):
    """What comes out is an image that no layer follows."""
    t = torch.nn
    theirs = t.Sequential(t.Flatten(), t.Linear(6, 24), t.Tanh(), t.Unflatten(1, (2, 3, 4)))
    ours = nn.Sequential(nn.Flatten(), nn.Linear(6, 24), nn.Tanh(), nn.Reshape(3, 4, 2))
    return ours, theirs, (3, 1, 2), {"channels": {"": 2, "3": 2}}


def recurrent(torch, kind):
    t = torch.nn

    class Classifier(t.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.rnn, self.head = t.Embedding(9, 4), getattr(t, kind)(4, 6), t.Linear(6, 3)

        def forward(self, x):
            return self.head(self.rnn(self.embedding(x))[0][-1])

    ours = nn.Sequential(nn.Embedding(9, 4), getattr(nn, kind)(4, 6, last_only=True), nn.Linear(6, 3))
    return ours, Classifier(), RNG.integers(0, 9, (5, 2)), {"names": {"0": "embedding", "1": "rnn", "2": "head"}}


def transformer(torch):
    t = torch.nn

    class Encoder(t.Module):
        def __init__(self):
            super().__init__()
            layer = t.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", batch_first=True, norm_first=True)
            self.encoder = t.TransformerEncoder(layer, 2, t.LayerNorm(4), enable_nested_tensor=False)
            self.head = t.Linear(12, 3)

        def forward(self, x):
            return self.head(torch.flatten(self.encoder(x), 1))

    ours = nn.Sequential(
        nn.TransformerBlock(4, 2, 6), nn.TransformerBlock(4, 2, 6), nn.LayerNorm(4), nn.Flatten(), nn.Linear(12, 3)
    )
    names = {"0": "encoder.layers.0", "1": "encoder.layers.1", "2": "encoder.norm", "4": "head"}
    return ours, Encoder(), ("tokens", 3, 4), {"names": names}


def text(torch):
    t = torch.nn

    class Text(t.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.conv, self.fc = t.Embedding(9, 4), t.Conv1d(4, 5, 3), t.Linear(20, 3)

        def forward(self, x):
            return self.fc(torch.flatten(torch.relu(self.conv(self.embedding(x).transpose(1, 2))), 1))

    ours = nn.Sequential(nn.Embedding(9, 4), nn.Conv1d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3))
    names = {"0": "embedding", "1": "conv", "4": "fc"}
    return ours, Text(), RNG.integers(0, 9, (2, 6)), {"names": names, "permuted": ["1"]}


def patches(torch):
    t = torch.nn

    class Patches(t.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.head = t.Conv2d(3, 4, 2, 2), t.Linear(16, 3)
            self.block = t.TransformerEncoderLayer(4, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True)

        def forward(self, x):
            return self.head(torch.flatten(self.block(self.patch(x).flatten(2).transpose(1, 2)), 1))

    ours = nn.Sequential(
        nn.Conv2d(3, 4, 2, 2), nn.Reshape(4, 4), nn.TransformerBlock(4, 2), nn.Flatten(), nn.Linear(16, 3)
    )
    names = {"0": "patch", "2": "block", "4": "head"}
    return ours, Patches(), (4, 4, 3), {"names": names, "permuted": ["2"]}


def convnext(torch):
    t = torch.nn

    class Block(t.Module):
        def __init__(self):
            super().__init__()
            self.dwconv, self.norm = t.Conv2d(3, 3, 3, padding=1, groups=3), t.LayerNorm(3)
            self.pwconv1, self.pwconv2 = t.Linear(3, 5), t.Linear(5, 3)

        def forward(self, x):
            y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
            return x + self.pwconv2(torch.nn.functional.gelu(self.pwconv1(y))).permute(0, 3, 1, 2)

    ours = nn.Sequential(
        nn.Residual(
            nn.Conv2d(3, 3, 3, padding=1, groups=3), nn.LayerNorm(3), nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 3),
            nn.Identity(),
        ), nn.Flatten(), nn.Linear(60, 2),
    )  # fmt: skip
    names = {"0.body.0": "0.dwconv", "0.body.1": "0.norm", "0.body.2": "0.pwconv1", "0.body.4": "0.pwconv2"}
    theirs = t.Sequential(Block(), t.Flatten(), t.Linear(60, 2))
    return ours, theirs, (4, 5, 3), {"names": names, "permuted": ["0.body.1", "0.body.5"]}


WHOLE = {
    "LeNet": lenet, "the issue": the_issue, "VGG": vgg, "ResNet": resnet, "autoencoder": autoencoder,
    "decoder": decoder, "LSTM": lambda torch: recurrent(torch, "LSTM"), "GRU": lambda torch: recurrent(torch, "GRU"),
    "RNN": lambda torch: recurrent(torch, "RNN"), "transformer": transformer, "text": text, "patches": patches,
    "ConvNeXt": convnext,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_models_give_equal_outputs_both_ways(torch, name, dtype):
    torch.manual_seed(0)
    ours, theirs, x, said = WHOLE[name](torch)
    if isinstance(x, tuple):
        x = images(2, *x[1:]) if x[0] == "tokens" else images(2, *x)
        x = x.astype(dtype)
    into = channels_first if x.ndim == 4 else np.asarray
    theirs = theirs.to(getattr(torch, np.dtype(dtype).name)).eval()
    with torch.no_grad():
        for buffer in theirs.buffers():
            if buffer.is_floating_point():
                buffer += torch.rand(buffer.shape)

    def same(params):
        y = run(torch, theirs, into(x))
        close(ours(params, x), channels_last(y) if y.ndim == 4 else y, dtype)

    for source in (theirs, theirs.state_dict()):
        params = nn.from_torch(source, ours, **said)
        same(params)
    params = randomised(ours.init(rng=0, dtype=dtype), RNG)
    params.vector[...] *= 0.5
    theirs.load_state_dict(tensors(torch, nn.to_torch(params, ours, **said)), strict=True)
    same(params)


# ---------------------------------------------------------------------- what is refused, and the cure


class Swap(nn.Layer):
    """A layer of one's own, about which nothing is known."""

    def forward(self, p, x):
        return x[..., ::-1]


class Twice(nn.Sequential):
    """A container of one's own."""

    def forward(self, p, x, **kwargs):
        return super().forward(p, super().forward(p, x))


class Cube(nn.Activation):
    def curve(self, x):
        return x**3, lambda: 3 * x**2


class Learned(nn.Activation):
    def shapes(self):
        return {"slope": (1,)}

    def initial(self, name, shape, rng, dtype):
        return np.ones(shape, dtype)

    def curve(self, x):
        return x * 2, lambda: x * 0 + 2


class Shifted(nn.Linear):
    def shapes(self):
        return super().shapes() | {"shift": (1,)}


class Steps(nn.GRUCell):
    def step(self, p, state, x):
        return super().step(p, state, 2 * x)


class Recurrent(nn.GRU):
    cell_class = Steps


class Scaled(nn.Linear):
    def forward(self, p, x):
        return 2 * super().forward(p, x)


CONV, LINEAR = nn.Conv2d(2, 3, 1), nn.Linear(12, 4)
REFUSED = {  # a model, part of the error, and a cure
    "an image without channels": (nn.Sequential(nn.Flatten(), LINEAR), "channels=C", {"channels": 3}),
    "the same, one channel": (nn.Sequential(nn.Flatten(), LINEAR), "channels={'0': C}", {"channels": 1}),
    "the same, no channels": (nn.Sequential(nn.Flatten(), LINEAR), "'0', Flatten", {"channels": {"0": 1}}),
    "behind activations": (nn.Sequential(nn.ReLU(), nn.Flatten(), LINEAR), "'1', Flatten", {"channels": 2}),
    "behind a pool": (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), LINEAR), "'1', Flatten", {"channels": 2}),
    "a norm behind it": (nn.Sequential(nn.Flatten(), nn.BatchNorm(12)), "'0', Flatten", {"channels": 2}),
    "a group norm": (nn.Sequential(nn.Flatten(), nn.GroupNorm(2, 12)), "'0', Flatten", {"channels": {"0": 1}}),
    "an image comes out": (nn.Sequential(LINEAR, nn.Reshape(1, 2, 2)), "'1', Reshape", {"channels": {"1": 2}}),
    "tokens come out": (nn.Sequential(LINEAR, nn.Reshape(2, 2), nn.Tanh()), "'1', Reshape", {"channels": {"1": 1}}),
    "a flat input": (nn.Sequential(nn.Reshape(2, 2, 2), nn.Conv2d(2, 1, 1)), "'0', Reshape", {"channels": {"0": 2}}),
    "a flat input of one channel": (nn.Sequential(nn.Reshape(2, 2, 1), nn.Conv2d(1, 2, 1)), None, {}),
    "flattened for no reason": (
        nn.Sequential(nn.Flatten(), nn.Reshape(2, 2, 1), nn.Conv2d(1, 2, 1)), "'0', Flatten", {"channels": 1},
    ),
    "a norm of axes": (nn.LayerNorm((3, 4, 2)), r"LayerNorm\(\(3, 4, 2\)\)", {"channels": 2}),
    "a norm of axes of rows": (nn.RMSNorm((3, 4)), "channels=C", {"channels": 0}),
    "a norm of some axes": (nn.Sequential(CONV, nn.LayerNorm((4, 3))), "another axis", None),
    "a Linear on channels": (nn.Sequential(CONV, nn.Linear(3, 4)), "another axis", {"permuted": ["1"]}),
    "a norm of channels": (nn.Sequential(CONV, nn.LayerNorm(3)), r"permuted=\['1'\]", {"permuted": "1"}),
    "attention": (nn.Sequential(CONV, nn.Reshape(-1, 3), nn.MultiHeadAttention(3, 1)), "'2'", {"permuted": "2"}),
    "a signal as a sequence": (nn.Sequential(nn.Conv1d(2, 3, 1), nn.GRU(3, 2)), "'1'", {"permuted": "1"}),
    "text": (nn.Sequential(nn.Embedding(5, 4), nn.Conv1d(4, 2, 1)), "'1'", {"permuted": "1"}),
    "tokens by batch": (nn.Sequential(nn.LSTM(4, 3), nn.BatchNorm(3)), "'1'", {"permuted": "1"}),
    "a sum of both": (
        nn.Residual(nn.Conv2d(3, 3, 1), nn.Linear(3, 3), nn.Identity()), "'body.1'", {"permuted": ["body.1", "body.2"]},
    ),
    "both side by side": (
        nn.Parallel(nn.Conv2d(3, 3, 1), nn.Sequential(nn.Linear(3, 3), nn.Identity())), "'1.0'",
        {"permuted": ["1.0", "1.1"]},
    ),
    "groups of a row": (
        nn.Sequential(CONV, nn.Flatten(), nn.GroupNorm(3, 12)), "another order", {"channels": {"1": 1}},
    ),
    "convolved groups": (
        nn.Sequential(CONV, nn.Flatten(), nn.Reshape(1, 12), nn.Conv1d(12, 4, 1, groups=2)), "another order",
        {"permuted": "1"},
    ),
    "other channels": (
        nn.Sequential(CONV, nn.Flatten(), nn.Reshape(3, 2, 2), nn.Conv2d(2, 2, 1)), "another order",
        {"channels": {"1": 1, "2": 1}},
    ),
    "two flattened images": (
        nn.Parallel(nn.Sequential(nn.Conv2d(2, 4, 1), nn.Flatten()), nn.Sequential(CONV, nn.Flatten())), None, {},
    ),
    "their sum": (
        nn.Residual(nn.Conv2d(2, 4, 1), nn.Flatten(), shortcut=nn.Sequential(CONV, nn.Flatten())), "another order",
        None,
    ),
    "of unknown sizes": (
        nn.Sequential(nn.Parallel(nn.Sequential(nn.Conv2d(2, 4, 1), nn.Flatten()), nn.Sequential(CONV, nn.Flatten())),
                      nn.Linear(14, 2)), "each branch", {"channels": {"0.0.1": 1, "0.1.1": 1}},
    ),
    "no multiple": (nn.Sequential(CONV, nn.Flatten(), nn.Linear(10, 2)), "multiple of its 3 channels", None),
    "other features": (nn.Sequential(CONV, nn.BatchNorm(4)), "reads 4 features, but 3 come in", None),
    "a sum behind a permutation": (
        nn.Residual(nn.Conv2d(3, 3, 1), nn.LayerNorm(3), nn.Identity()), "another axis",
        {"permuted": ["body.1", "body.2"]}, {"permuted": "body.1"},
    ),
    "images of features": (nn.Sequential(nn.Linear(3, 2)), "another axis", {"channels": 0}, {"channels": 3}),
    "two rows as an image": (
        nn.Sequential(nn.Parallel(nn.Linear(4, 6), nn.Linear(4, 6)), nn.Reshape(2, 2, 3), nn.ConvTranspose2d(3, 2, 2)),
        "another order", {"channels": {"1": 1}},
    ),
    "a sum of an image by hand": (
        nn.Sequential(nn.Residual(Swap(), shortcut=nn.BatchNorm(3)), nn.Linear(3, 2)), "'1', Linear", None,
        {"channels": {"0.body.0": 3}},
    ),
    "a sum with a layer of one's own": (
        nn.Sequential(CONV, nn.Residual(Swap()), nn.Flatten(), LINEAR), "what '1.body.0', a layer",
        {"channels": {"1.body.0": 3}},
    ),
    "a mean as a token": (
        nn.Sequential(CONV, nn.GlobalAvgPool2d(), nn.Reshape(1, 3), nn.MultiHeadAttention(3, 1)), None, {},
    ),
    "a branch of a known size": (
        nn.Sequential(
            nn.Parallel(
                nn.Residual(CONV, nn.Flatten(), nn.Linear(12, 12), shortcut=nn.Sequential(CONV, nn.Flatten())),
                nn.Sequential(CONV, nn.Flatten()),
            ), nn.Linear(24, 2),
        ), None, {},
    ),
    "branches of branches": (
        nn.Sequential(
            nn.Parallel(nn.Conv2d(2, 2, 1), nn.Parallel(nn.ReLU(), nn.BatchNorm(2))), nn.Conv2d(6, 4, 1, groups=2)
        ), None, {},
    ),
    "another cell": (nn.Sequential(Recurrent(3, 2)), "no Recurrent: set 0.bias_h, ", None),
    "a layer of one's own": (nn.Sequential(CONV, Swap(), nn.Flatten(), LINEAR), "'1', a layer", {"channels": {"1": 3}}),
    "the same in front": (nn.Sequential(Swap(), nn.Linear(3, 2)), "'0', a layer", {"channels": {"0": 0}}),
    "an activation of one's own": (nn.Sequential(CONV, Cube(), nn.Flatten(), LINEAR), None, {}),
    "a container of one's own": (nn.Sequential(Twice(nn.Linear(2, 2))), "no Twice: set 0.0.bias, .* one by one", None),
    "an activation with parameters": (nn.Sequential(Learned()), "no Learned: set 0.slope by hand", None),
    "a Linear with more": (Shifted(3, 2), "nothing for 'shift'", None),
    "channels that are not there": (
        nn.Sequential(CONV, nn.Flatten(), LINEAR), "another order", None, {"channels": {"1": 2}},
    ),
    "the same of a Reshape": (
        nn.Sequential(LINEAR, nn.Reshape(1, 2, 2)), "another order", None, {"channels": {"1": 4}},
    ),
    "another Linear": (Scaled(3, 2), "no Scaled: set bias, weight by hand", None),
    "axes turned": (nn.Sequential(nn.Transposed(nn.GRU(3, 2, last_only=True))), "changes its axes", None),
    "not a layer": (nn.Linear(2, 2), "'7', which changes nothing", None, {"channels": {"7": 2}}),
    "not a name": (nn.Linear(2, 2), "'7', which changes nothing", None, {"names": {"7": "fc"}}),
    "nothing to permute": (nn.Linear(2, 2), "'7', which changes nothing", None, {"permuted": ["7"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_refused_and_the_cure_works(name):
    model, message, cure, *said = REFUSED[name]
    said = said[0] if said else {}
    params = randomised(model.init(rng=0), RNG)
    if message is not None:
        with pytest.raises(dg.LayoutError, match=message):
            nn.to_torch(params, model, **said)
        with pytest.raises(dg.LayoutError, match=message):
            nn.from_torch({name: np.zeros(1) for name in params}, model, **said)
    if cure is not None:
        state = nn.to_torch(params, model, **cure)
        assert np.array_equal(nn.from_torch(state, model, **cure).vector, params.vector)


# ---------------------------------------------------------------------- names


SMALL = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm(2), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3))
NAMES = {"0": "conv1", "1": "bn1", "4": "classifier.0"}


def test_names_of_torchs_own():
    params = randomised(SMALL.init(rng=0), RNG)
    state = nn.to_torch(params, SMALL, names=NAMES)
    assert next(iter(state)) == "conv1.weight"
    assert list(state)[-1] == "classifier.0.bias"
    assert np.array_equal(nn.from_torch(state, SMALL, names=NAMES).vector, params.vector)
    counted = state | {"bn1.num_batches_tracked": np.array(3)}
    with pytest.raises(dg.LayoutError) as caught:
        nn.from_torch(counted, SMALL)
    assert f"names={NAMES}" in str(caught.value)
    everywhere = {f"module.{name}": a for name, a in state.items()}
    outside = {name: f"module.{other}" for name, other in NAMES.items()}
    assert np.array_equal(nn.from_torch(everywhere, SMALL, names=outside).vector, params.vector)
    plain = {f"module.{name}": a for name, a in nn.to_torch(params, SMALL).items()}
    assert np.array_equal(nn.from_torch(plain, SMALL, names={"": "module"}).vector, params.vector)


def test_names_are_suggested_where_they_fit_alone():
    state = nn.to_torch(randomised(SMALL.init(rng=0), RNG), SMALL, names=NAMES)
    swapped = dict(sorted(state.items()))  # bn1 in front of conv1
    for given in (swapped, state | {"fc2.weight": np.zeros((3, 3))}, {"a": np.zeros(1)}):
        with pytest.raises(dg.LayoutError, match="say which layer is which by names=") as caught:
            nn.from_torch(given, SMALL)
        assert "By order" not in str(caught.value)
    block = nn.Sequential(nn.TransformerBlock(4, 2), nn.LayerNorm(4))
    names = {"0": "encoder.layers.0", "1": "encoder.norm"}
    params = randomised(block.init(rng=0), RNG)
    state = nn.to_torch(params, block, names=names)
    with pytest.raises(dg.LayoutError, match="By order and shape") as caught:
        nn.from_torch(state, block)
    assert str(names) in str(caught.value)
    lone = {"fc.weight": np.zeros((2, 3)), "fc.bias": np.zeros(2)}
    with pytest.raises(dg.LayoutError, match=r"names=\{'': 'fc'\}"):
        nn.from_torch(lone, nn.Linear(3, 2))


def test_names_of_single_parameters_and_of_tied_layers():
    model = nn.Sequential(nn.Embedding(5, 3), nn.LSTM(3, 3), nn.LSTM(3, 3), nn.Linear(3, 5, bias=False))
    ends = {"weight_x": "weight_ih_l1", "weight_h": "weight_hh_l1", "bias": ("bias_ih_l1", "bias_hh_l1")}
    deep = {f"2.{mine}": f"rnn.{end}" if isinstance(end, str) else tuple(f"rnn.{e}" for e in end)
            for mine, end in ends.items()}  # fmt: skip
    names = {"0": "words", "1": "rnn", "3": "words"} | deep
    params = randomised(model.init(rng=0), RNG)
    with pytest.raises(dg.LayoutError, match=r"'3.weight' shares 'words.weight' with another layer, and their values"):
        nn.to_torch(params, model, names=names)
    params["3.weight"][...] = params["0.weight"].T
    state = nn.to_torch(params, model, names=names)
    assert sorted(state)[-1] == "words.weight"
    assert len(state) == 9
    assert np.array_equal(nn.from_torch(state, model, names=names).vector, params.vector)


def test_two_recurrent_layers_of_torch(torch):
    theirs = torch.nn.LSTM(3, 4, num_layers=2)
    ours = nn.Sequential(nn.LSTM(3, 4), nn.LSTM(4, 4))
    ends = {"weight_x": "weight_ih_l1", "weight_h": "weight_hh_l1", "bias": ("bias_ih_l1", "bias_hh_l1")}
    names = {"0": ""} | {f"1.{mine}": end for mine, end in ends.items()}
    x = images(5, 2, 3)
    close(ours(nn.from_torch(theirs.state_dict(), ours, names=names), x), run(torch, theirs, x))


def test_state_dicts_that_do_not_fit_are_named():
    state = {"weight": np.zeros((4, 3)), "bias": np.zeros(4)}
    with pytest.raises(dg.LayoutError, match="has no 'bias', which 'bias' is made of"):
        nn.from_torch({"weight": state["weight"]}, nn.Linear(3, 4))
    with pytest.raises(dg.LayoutError, match=r"'weight' has the shape \(4, 3\); expected \(4, 5\) for 'weight'"):
        nn.from_torch(state, nn.Linear(5, 4))
    with pytest.raises(dg.LayoutError, match="has 'extra', for which"):
        nn.from_torch(state | {"extra": np.zeros(1)}, nn.Linear(3, 4))
    with pytest.raises(dg.LayoutError, match="has 'num_batches_tracked', for which"):
        nn.from_torch(state | {"num_batches_tracked": np.zeros(1)}, nn.Linear(3, 4))
    with pytest.raises(dg.LayoutError, match="looks like a checkpoint: is the state_dict under 'model'"):
        nn.from_torch({"model": state, "epoch": 3}, nn.Linear(3, 4))
    with pytest.raises(TypeError, match="got a str; expected a state_dict or a module"):
        nn.from_torch("model.pt", nn.Linear(3, 4))
    with pytest.raises(TypeError, match="'weight' has dtype int8; expected floating numbers"):
        nn.from_torch(state | {"weight": np.zeros((4, 3), np.int8)}, nn.Linear(3, 4))
    with pytest.raises(ValueError, match="got channels=-1; expected a whole number"):
        nn.from_torch(state, nn.Linear(3, 4), channels=-1)
    with pytest.raises(dg.LayoutError, match="is it of another model"):
        nn.to_torch(nn.Linear(3, 5).init(rng=0), nn.Linear(3, 4))
    for cell in ("GRU", "LSTM", "RNN"):
        layer = getattr(nn, cell)(3, 4)
        both = nn.to_torch(layer.init(rng=0), layer)
        with pytest.raises(dg.LayoutError, match="weight_ih_l0_reverse"):
            nn.from_torch(both | {"weight_ih_l0_reverse": np.zeros(1)}, layer)


# ---------------------------------------------------------------------- dtypes and memory


class Tensor:
    """What NumPy sees of a tensor of torch: bfloat16 has no array."""

    def __init__(self, a, dtype):
        self.a, self.dtype, self.shape, self.steps = a, f"torch.{dtype}", a.shape, []

    def float(self):
        return Tensor(self.a.astype(np.float32), "float32")

    def detach(self):
        self.steps.append("detach")
        return self

    def cpu(self):
        self.steps.append("cpu")
        return self

    def numpy(self):
        assert self.steps == ["detach", "cpu"]
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.a


@pytest.mark.parametrize(
    ("weight", "bias", "expected"),
    [
        ("bfloat16", "bfloat16", np.float32),
        ("bfloat16", "float16", np.float32),
        ("bfloat16", "float64", np.float64),
        ("float16", "float16", np.float16),
        ("float16", "float32", np.float32),
        ("float32", "float32", np.float32),
        ("float32", "float64", np.float64),
        ("complex64", "complex64", np.complex64),
    ],
)
def test_the_widest_dtype_is_taken_and_nothing_is_lost(weight, bias, expected):
    held = {"bfloat16": np.float32}
    a, b = (images(*shape).astype(held.get(dtype, dtype)) for shape, dtype in (((4, 3), weight), ((4,), bias)))
    params = nn.from_torch({"weight": Tensor(a, weight), "bias": Tensor(b, bias)}, nn.Linear(3, 4))
    assert params.vector.dtype == expected
    assert np.array_equal(params["weight"], a.T)
    assert np.array_equal(params["bias"], b)


def test_running_statistics_have_the_dtype_of_the_rest():
    model = nn.Sequential(nn.BatchNorm(2))
    state = {name: a.astype(np.float16) for name, a in nn.to_torch(model.init(rng=0), model).items()}
    state["0.running_var"] = np.array([1 / 3, 2], np.float32)
    params = nn.from_torch(state, model)
    assert params.vector.dtype == params.buffers["0.running_var"].dtype == np.float32
    assert params.buffers["0.running_var"][0] == np.float32(1 / 3)


def test_nothing_is_shared():
    model = nn.Sequential(nn.BatchNorm(2), nn.Linear(2, 2))
    state = nn.to_torch(model.init(rng=0), model)
    params = nn.from_torch(state, model)
    back = nn.to_torch(params, model)
    arrays = [params.vector, *params.buffers.values()]
    assert not any(np.shares_memory(a, b) for a in arrays for b in [*state.values(), *back.values()])
    for a in back.values():
        assert a.flags.c_contiguous
        assert a.flags.writeable


def test_parameters_on_a_device_become_arrays():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(4, 2))
    params = model.init(rng=0)
    expected = nn.to_torch(params, model)
    on_device = type(params).from_vector(params.layout, strict.device(params.vector))
    found = nn.to_torch(on_device, model)
    assert all(type(a) is np.ndarray and np.array_equal(a, expected[name]) for name, a in found.items())


def test_tensors_of_torch(torch):
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm(3), nn.Flatten(), nn.Linear(6, 2))
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(6, 2)
    ).float()
    whole = nn.from_torch(theirs, model)
    assert whole.vector.dtype == np.float32
    theirs = theirs.to(memory_format=torch.channels_last)  # not contiguous
    assert not theirs[0].weight.is_contiguous()
    assert np.array_equal(nn.from_torch(theirs, model).vector, whole.vector)
    assert np.array_equal(nn.from_torch(dict(theirs.named_parameters()) | dict(theirs.named_buffers()), model).vector,
                          whole.vector)  # fmt: skip
    for dtype, expected in ((torch.bfloat16, np.float32), (torch.float16, np.float16), (torch.float64, np.float64)):
        theirs = theirs.to(dtype)
        params = nn.from_torch(theirs, model)
        assert params.vector.dtype == params.buffers["1.running_mean"].dtype == expected
        assert np.array_equal(params["3.bias"], theirs[3].bias.detach().double().numpy())
    params.buffers["1.running_mean"][...] = 7
    params.vector[...] = 7
    assert not (theirs[1].running_mean == 7).any()
    assert not (theirs[1].weight == 7).any()


# ---------------------------------------------------------------------- settings of a module


class Fake:
    """A module with children, as much as is looked at."""

    def __init__(self, layer, children=()):
        self.state, self.inside, self.training = nn.to_torch(layer.init(rng=0), layer), dict(children), False

    def state_dict(self):
        return self.state

    def named_modules(self, remove_duplicate=True):
        return [("", self), *self.inside.items()]

    def named_children(self):
        return self.inside.items()

    def modules(self):
        return [self, *self.inside.values()]


class Part:
    """A part of a module under a dotted setting."""


def twin_of(layer, training=False):
    """A module with the settings that torch's must have."""
    kind = TWINS[type(layer)]
    twin = type(kind.torch.split()[0] or "Module", (Fake,), {})(layer)
    twin.training = training
    for name, value in (kind.settings(layer) | kind.training(layer)).items():
        outer, _, inner = name.rpartition(".")
        if outer:
            setattr(twin, outer, getattr(twin, outer, Part()))
        setattr(getattr(twin, outer) if outer else twin, inner, value)
    return twin


def other(value):
    """Another value for a setting."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return tuple(v + 1 for v in value)
    words = {"same": "valid", "valid": "same"}
    return value + 1 if isinstance(value, (int, float)) else words.get(value, "another")


COMPARED = {
    "Conv2d": nn.Conv2d(2, 4, 3, groups=2, stride=(1, 2)), "Conv1d": nn.Conv1d(2, 3, 2), "Dropout": nn.Dropout(0.3),
    "ConvTranspose2d": nn.ConvTranspose2d(2, 3, 2), "MaxPool2d": nn.MaxPool2d(2), "AvgPool2d": nn.AvgPool2d(2),
    "GlobalAvgPool2d": nn.GlobalAvgPool2d(), "LayerNorm": nn.LayerNorm(3), "RMSNorm": nn.RMSNorm(3),
    "GroupNorm": nn.GroupNorm(2, 4), "BatchNorm": nn.BatchNorm(3), "RNNCell": nn.RNNCell(2, 3), "RNN": nn.RNN(2, 3),
    "LSTM": nn.LSTM(2, 3), "GRU": nn.GRU(2, 3), "MultiHeadAttention": nn.MultiHeadAttention(4, 2),
    "CrossAttention": nn.CrossAttention(4, 2),
    "TransformerBlock": nn.TransformerBlock(4, 2, dropout=0.1), "LeakyReLU": nn.LeakyReLU(), "ELU": nn.ELU(),
    "GELU": nn.GELU(), "Softplus": nn.Softplus(), "HardTanh": nn.HardTanh(), "Flatten": nn.Flatten(),
    "Embedding": nn.Embedding(3, 2), "MaxPool1d": nn.MaxPool1d(2), "AvgPool1d": nn.AvgPool1d(2), "CELU": nn.CELU(),
    "Upsample": nn.Upsample(size=3), "InstanceNorm": nn.InstanceNorm(3), "PReLU": nn.PReLU(), "ReLU6": nn.ReLU6(),
    "Hardshrink": nn.Hardshrink(), "Softshrink": nn.Softshrink(), "Threshold": nn.Threshold(0.1, 2.0),
    "Dropout1d": nn.Dropout1d(0.3), "Dropout2d": nn.Dropout2d(0.3),
    **{f"Adaptive{kind}Pool{n}d": getattr(nn, f"Adaptive{kind}Pool{n}d")(3) for kind in ("Max", "Avg") for n in (1, 2)},
    **{f"{kind}Pad{n}d": getattr(nn, f"{kind}Pad{n}d")(1)
       for kind in ("Zero", "Reflection", "Replication", "Circular") for n in (1, 2)},
}  # fmt: skip


def differs(module, layer, *names, **said):
    with pytest.raises(dg.LayoutError) as caught:
        nn.from_torch(module, layer, **said)
    for name in names:
        assert name in str(caught.value)


@pytest.mark.parametrize("name", COMPARED)
def test_every_setting_that_differs_is_named(name):
    layer = COMPARED[name]
    kind = TWINS[type(layer)]
    nn.from_torch(twin_of(layer, training=True), layer)
    for training, settings in ((False, kind.settings(layer)), (True, kind.training(layer))):
        for setting, value in settings.items():
            twin = twin_of(layer, training)
            outer, _, inner = setting.rpartition(".")
            setattr(getattr(twin, outer) if outer else twin, inner, other(value))
            differs(
                twin, layer, f"{type(layer).__name__}(", f"{setting}={value!r}", f"{setting}={other(value)!r} in torch"
            )
            nn.from_torch(twin.state_dict(), layer)
            if training:
                twin.training = False
                nn.from_torch(twin, layer)


def test_every_kind_that_has_settings_is_compared():
    tried = {type(layer) for layer in COMPARED.values()}
    for name, (layer, *_) in (layers.LAYERS | layers.INTEGERS).items():
        kind = TWINS.get(type(plain(layer)))
        if kind is not None and (kind.settings(plain(layer)) or kind.training(plain(layer))):
            assert type(plain(layer)) in tried, name


def test_every_setting_of_torch_that_differs_is_named(torch):
    """The same on torch's own modules: the tables know what it calls them."""
    for ours, theirs, *_ in pairs(torch):
        kind = TWINS[type(ours)]
        for training, settings in ((False, kind.settings(ours)), (True, kind.training(ours))):
            theirs.train(training)
            nn.from_torch(theirs, ours)
            for setting in settings:
                *outer, name = setting.split(".")
                module = theirs.get_submodule(".".join(outer))
                before = getattr(module, name)
                setattr(module, name, other(before) if name != "activation" else torch.nn.functional.relu)
                differs(theirs, ours, f"{setting}=")
                setattr(module, name, before)


BY_SHAPE = set(
    "in_features out_features bias in1_features in2_features num_embeddings embedding_dim in_channels out_channels "
    "normalized_shape elementwise_affine num_channels num_features affine track_running_stats input_size hidden_size "
    "embed_dim kdim vdim add_bias_kv d_model dim_feedforward".split()
)
NO_MATTER = set(  # to outputs: of memory, or of gradients
    "self args kwargs inplace device dtype mode padding_idx norm_type scale_grad_by_freq sparse _weight _freeze "
    "min_value max_value init".split()
)
INSIDE = {"nhead": "self_attn.num_heads", "layer_norm_eps": "norm2.eps", "batch_first": "self_attn.batch_first"}


def test_every_argument_of_torch_is_compared(torch):
    """Nothing that torch's classes take is forgotten in the tables."""
    for ours, theirs, *_ in pairs(torch):
        kind, of = TWINS[type(ours)], torch.nn.RNNBase if isinstance(theirs, torch.nn.RNNBase) else type(theirs)
        compared = {name.split(".")[0] for name in kind.settings(ours) | kind.training(ours)}
        compared |= {"dim"} if isinstance(ours, (nn.Softmax, nn.LogSoftmax)) else set()
        compared |= {"dropout"} if of is torch.nn.RNNBase else set()  # between layers, of which there is one
        rest = set(inspect.signature(of.__init__).parameters) - compared - BY_SHAPE - NO_MATTER
        if isinstance(ours, nn.TransformerBlock):
            for name in rest:
                *outer, last = INSIDE[name].split(".")
                module = theirs.get_submodule(".".join(outer))
                before = getattr(module, last)
                setattr(module, last, other(before))
                differs(theirs, ours, f"{last}=")
                setattr(module, last, before)
        else:
            assert not rest, (ours, rest)
    for setting, layer, theirs in (
        ("nonlinearity", nn.RNN(2, 3), torch.nn.RNN(2, 3, nonlinearity="relu")),
        ("nonlinearity", nn.RNNCell(2, 3), torch.nn.RNNCell(2, 3, nonlinearity="relu")),
    ):
        differs(theirs, layer, setting)


def test_the_rank_of_torchs_batch_norm_counts(torch):
    t, ours = torch.nn, nn.Sequential(nn.BatchNorm(4), nn.Linear(4, 2))
    nn.from_torch(t.Sequential(t.BatchNorm1d(4), t.Linear(4, 2)), ours)
    differs(t.Sequential(t.BatchNorm2d(4), t.Linear(4, 2)), ours, "'1', Linear(4, 2) acts on another axis")
    ours = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm(4))
    differs(t.Sequential(t.Linear(4, 4), t.BatchNorm2d(4)), ours, "'1', BatchNorm(4) acts on another axis")


def test_tensors_that_torch_shares(torch):
    theirs = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False))
    theirs[1].weight = theirs[0].weight
    params = nn.from_torch(theirs, nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)))
    assert np.array_equal(params["0.weight"], params["1.weight"].T)
    assert not np.shares_memory(params["0.weight"], params["1.weight"])


def test_chains_of_other_layers_are_named(torch):
    t = torch.nn
    for theirs, ours, *parts in (
        (t.Sequential(t.ReLU(), t.Tanh()), nn.Sequential(nn.ReLU()), "torch's '1', Tanh(), has no layer here"),
        (t.Sequential(t.ReLU()), nn.Sequential(nn.ReLU(), nn.Tanh()), "layer '1', Tanh() is not in torch's chain"),
        (t.Sequential(t.Tanh()), nn.Sequential(nn.ReLU()), "layer '0', ReLU() is a Tanh in torch"),
        (t.Sequential(t.Sequential(t.ReLU())), nn.Sequential(nn.Sequential(nn.Tanh())), "'0.0', Tanh() is a ReLU"),
        (t.Sequential(t.GELU("tanh"), t.ReLU6()), nn.Sequential(nn.GELU(), nn.HardTanh(0, 5)), "approx", "max_val=6"),
        (t.Sequential(t.Dropout2d()), nn.Sequential(nn.Dropout()), "Dropout2d"),
        (t.Sequential(t.Dropout()), nn.Sequential(nn.Identity()), "Identity() is a Dropout in torch"),
        (t.Conv2d(1, 1, 3, padding="same"), nn.Conv2d(1, 1, 3), "padding=(0, 0)", "'same'"),
        (t.Conv2d(1, 1, 2, padding="same"), nn.Conv2d(1, 1, 2), "padding=(0, 0)", "'same'"),
        (t.Sequential(t.Flatten(0)), nn.Sequential(nn.Flatten()), "start_dim=1", "start_dim=0"),
        (t.Sequential(t.Linear(2, 2), t.Softmax(0)), nn.Sequential(nn.Linear(2, 2), nn.Softmax()), "dim=-1, ", "dim=0"),
        (t.Sequential(t.Linear(2, 2), t.Softmax(1)), nn.Sequential(nn.Linear(2, 2), nn.Softmax()), "dim=-1, ", "dim=1"),
        (t.Sequential(t.BatchNorm2d(2), t.LogSoftmax(-1)), nn.Sequential(nn.BatchNorm(2), nn.LogSoftmax()), "dim=1"),
    ):  # fmt: skip
        differs(theirs, ours, *parts)
    for theirs, ours in (
        (t.Sequential(t.ReLU(), t.Identity(), t.Flatten()), nn.Sequential(nn.ReLU())),
        (t.Sequential(t.ReLU(), t.Dropout().eval()), nn.Sequential(nn.ReLU(), nn.Identity(), nn.Dropout())),
        (t.Sequential(t.Conv2d(1, 2, 1), t.Softmax(dim=1)), nn.Sequential(nn.Conv2d(1, 2, 1), nn.Softmax())),
        (t.Sequential(t.LSTM(2, 3), t.Softmax(dim=-1)), nn.Sequential(nn.LSTM(2, 3), nn.Softmax())),
        (t.Sequential(t.Softplus(), t.Module()), nn.Sequential(nn.Softplus(), nn.Sine())),
    ):
        nn.from_torch(theirs, ours)


def test_a_block_of_torch_with_another_gelu_or_dropout_inside(torch):
    def block(activation, dropout=0.0):
        return torch.nn.TransformerEncoderLayer(4, 2, 16, dropout, activation, batch_first=True, norm_first=True)

    ours = nn.TransformerBlock(4, 2)
    nn.from_torch(block(torch.nn.GELU()), ours)
    nn.from_torch(block(torch.nn.functional.gelu, 0.1).eval(), ours)
    differs(block(torch.nn.GELU("tanh")), ours, "approximate='tanh' in torch")
    differs(block("relu"), ours, "activation='gelu'", "activation='relu' in torch")
    differs(block("gelu", 0.1), nn.TransformerBlock(4, 2, dropout=0.1), "dropout.p=0.0, and dropout.p=0.1 in torch")


def test_torchs_unflatten_tells_how_it_is_read(torch):
    t, ours = torch.nn, nn.Sequential(nn.Linear(5, 24), nn.Reshape(3, 4, 2))
    x = images(2, 5)
    theirs = t.Sequential(t.Linear(5, 24), t.Unflatten(1, (2, 3, 4)))
    close(ours(nn.from_torch(theirs, ours), x), channels_last(run(torch, theirs, x)))
    theirs = t.Sequential(theirs[0], t.Unflatten(1, (3, 4, 2)))
    close(ours(nn.from_torch(theirs, ours), x), run(torch, theirs, x))
    differs(t.Sequential(theirs[0], t.Unflatten(1, (4, 3, 2))), ours, "has the shape (4, 3, 2) in torch")
    differs(theirs.state_dict(), ours, "channels={'1': C}")


# ---------------------------------------------------------------------- what a model costs


def test_a_summary_shows_what_a_jvp_costs():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Sequential(nn.Linear(64, 5), nn.Tanh()))
    found = model.summary(np.zeros((2, 6, 6, 1), np.float32))
    assert [row[:3] for row in found.rows] == [
        ("0: Conv2d(1, 4, 3)", (2, 4, 4, 4), 40),
        ("1: ReLU()", (2, 4, 4, 4), 0),
        ("2: Flatten()", (2, 64), 0),
        ("3.0: Linear(64, 5)", (2, 5), 325),
        ("3.1: Tanh()", (2, 5), 0),
    ]
    linear = found.rows[3]
    assert 2 * 64 * 5 <= linear[3] <= 2 * 64 * 5 + 20
    assert 3 * 2 * 64 * 5 <= linear[4] <= 3 * 2 * 64 * 5 + 60
    assert "total" in str(found)
    assert max(map(len, str(found).splitlines())) < 100
    assert nn.networks.lstm_copy(4, 8).summary(np.zeros((3, 2), int)).rows[1][2] == 4 * 8 * (4 + 8 + 1)
