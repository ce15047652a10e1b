"""Weights from torch: the same outputs for every layer that torch has, and back without loss."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.nn.torch import TABLES

RNG = np.random.default_rng(0)


def channels_last(a):
    return np.moveaxis(a, 1, -1)


def images(*shape):
    return RNG.standard_normal(shape)


def pairs(torch):
    """Our layer, torch's, an input, and how ours are turned into torch's inputs and torch's outputs into ours."""
    t = torch.nn
    plain = (lambda x: x, lambda y: y)
    pictures = (lambda x: np.moveaxis(x, -1, 1), channels_last)
    return {
        "Linear": (nn.Linear(3, 4), t.Linear(3, 4), images(2, 3), plain),
        "Bilinear": (
            nn.Bilinear(2, 3, 4), t.Bilinear(2, 3, 4), images(5, 5), (lambda x: (x[:, :2], x[:, 2:]), plain[1]),
        ),
        "Embedding": (nn.Embedding(5, 3), t.Embedding(5, 3), np.array([[0, 4], [2, 2]]), plain),
        "Conv1d": (nn.Conv1d(4, 6, 3, 2, 1, 2, 2), t.Conv1d(4, 6, 3, 2, 1, 2, 2), images(2, 9, 4), pictures),
        "Conv2d": (
            nn.Conv2d(4, 6, (3, 2), 2, 1, 2, 2), t.Conv2d(4, 6, (3, 2), 2, 1, 2, 2), images(2, 7, 8, 4), pictures,
        ),
        "ConvTranspose2d": (
            nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, True, 2), t.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, True, 2),
            images(2, 3, 4, 4), pictures,
        ),
        "LayerNorm": (nn.LayerNorm(5), t.LayerNorm(5), images(2, 5), plain),
        "RMSNorm": (nn.RMSNorm(5), t.RMSNorm(5), images(2, 5), plain),
        "GroupNorm": (nn.GroupNorm(2, 4), t.GroupNorm(2, 4), images(2, 3, 3, 4), pictures),
        "BatchNorm": (nn.BatchNorm(4), t.BatchNorm2d(4), images(2, 3, 3, 4), pictures),
        "RNN": (nn.RNN(3, 4), t.RNN(3, 4), images(5, 2, 3), (plain[0], lambda y: y[0])),
        "GRU": (nn.GRU(3, 4), t.GRU(3, 4), images(5, 2, 3), (plain[0], lambda y: y[0])),
        "LSTM": (nn.LSTM(3, 4), t.LSTM(3, 4), images(5, 2, 3), (plain[0], lambda y: y[0])),
        "MultiHeadAttention": (
            nn.MultiHeadAttention(4, 2), t.MultiheadAttention(4, 2, batch_first=True), images(2, 3, 4),
            (lambda x: (x, x, x), lambda y: y[0]),
        ),
        "TransformerBlock": (
            nn.TransformerBlock(4, 2, 6),
            t.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", batch_first=True, norm_first=True), images(2, 3, 4), plain,
        ),
        "Sequential": (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm(2)),
            t.Sequential(t.Conv2d(1, 2, 3), t.ReLU(), t.MaxPool2d(2), t.BatchNorm2d(2)), images(2, 6, 6, 1), pictures,
        ),
    }  # fmt: skip


PLAIN = ("ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Softplus", "Tanh", "Sigmoid")


@pytest.fixture(scope="module")
def torch():
    found = pytest.importorskip("torch")
    found.set_default_dtype(found.float64)
    yield found
    found.set_default_dtype(found.float32)


def run(torch, layer, x):
    x = x if isinstance(x, tuple) else (x,)
    with torch.no_grad():
        y = layer(*(torch.from_numpy(np.ascontiguousarray(a)) for a in x))
    return tuple(a.numpy() for a in y if a is not None and hasattr(a, "numpy")) if isinstance(y, tuple) else y.numpy()


def test_every_layer_gives_what_torchs_gives(torch):
    for name, (ours, theirs, x, (into, out)) in pairs(torch).items():
        for parameter in theirs.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape)
        for buffer in theirs.buffers():
            if buffer.is_floating_point():
                buffer += torch.rand(buffer.shape)
        theirs.eval()
        params = nn.from_torch(theirs.state_dict(), ours)
        expected = out(run(torch, theirs, into(x)))
        np.testing.assert_allclose(ours(params, x), expected, rtol=1e-10, atol=1e-10, err_msg=name)
        state = nn.to_torch(params, ours)
        again = nn.from_torch(state, ours)
        assert np.array_equal(again.vector, params.vector)
        theirs.load_state_dict(
            {k: torch.from_numpy(v) for k, v in state.items()}, strict="BatchNorm" not in str(theirs)
        )
        np.testing.assert_allclose(out(run(torch, theirs, into(x))), expected, rtol=1e-10, atol=1e-10)


def test_every_table_is_tried(torch):
    tried = {type(ours) for ours, *_ in pairs(torch).values()} | {nn.RNNCell, nn.GRUCell, nn.LSTMCell}
    assert set(TABLES) <= tried


def test_cells_and_activations(torch):
    x, h = images(2, 3), images(2, 4)
    for ours, theirs in ((nn.RNNCell(3, 4), torch.nn.RNNCell(3, 4)), (nn.GRUCell(3, 4), torch.nn.GRUCell(3, 4))):
        np.testing.assert_allclose(
            ours(nn.from_torch(theirs.state_dict(), ours), h, x), run(torch, theirs, (x, h)), rtol=1e-10
        )
    ours, theirs = nn.LSTMCell(3, 4), torch.nn.LSTMCell(3, 4)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), (torch.from_numpy(h), torch.from_numpy(h)))
    found = ours(nn.from_torch(theirs.state_dict(), ours), (h, h), x)
    np.testing.assert_allclose(found, np.stack([a.numpy() for a in expected]), rtol=1e-10)
    x = 3 * images(50)
    for name in PLAIN:
        np.testing.assert_allclose(getattr(nn, name)()({}, x), run(torch, getattr(torch.nn, name)(), x), rtol=1e-10)
    gelu = run(torch, torch.nn.GELU("tanh"), x)
    np.testing.assert_allclose(
        nn.GELU("tanh")({}, x), gelu, rtol=1e-10, atol=1e-15
    )  # torch's 1 + tanh cancels on the left
    np.testing.assert_allclose(nn.HardTanh(-1, 2)({}, x), run(torch, torch.nn.Hardtanh(-1, 2), x), rtol=1e-10)


def test_pools_and_losses(torch):
    x = images(2, 6, 7, 3)
    for ours, theirs in (
        (nn.MaxPool2d(3, 2, 1), torch.nn.MaxPool2d(3, 2, 1)),
        (nn.AvgPool2d((3, 2), 2, 1), torch.nn.AvgPool2d((3, 2), 2, 1)),
    ):
        np.testing.assert_allclose(ours({}, x), channels_last(run(torch, theirs, np.moveaxis(x, -1, 1))), rtol=1e-10)
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
        np.testing.assert_allclose(ours(z, target), run(torch, theirs, (z, target)), rtol=1e-10)


def test_state_dicts_that_do_not_fit_are_named():
    state = {"weight": np.zeros((4, 3)), "bias": np.zeros(4)}
    with pytest.raises(dg.LayoutError, match="has no 'bias', which 'bias' is made of"):
        nn.from_torch({"weight": state["weight"]}, nn.Linear(3, 4))
    with pytest.raises(dg.LayoutError, match=r"'weight' gives 'weight' the shape \(3, 4\); expected \(3, 5\)"):
        nn.from_torch(state, nn.Linear(3, 5))
    with pytest.raises(dg.LayoutError, match="has 'extra', for which"):
        nn.from_torch(state | {"extra": np.zeros(1)}, nn.Linear(3, 4))
    with pytest.raises(dg.LayoutError, match="torch has no LeakyRNN"):
        nn.from_torch({}, nn.LeakyRNN(3, 4))


def test_a_round_trip_needs_no_torch():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm(4), nn.Flatten(), nn.Linear(16, 3))
    params = model.init(rng=0)
    state = nn.to_torch(params, model)
    assert state["0.weight"].shape == (4, 2, 3, 3)
    again = nn.from_torch(state, model)
    assert np.array_equal(again.vector, params.vector)
    assert set(again.buffers) == set(params.buffers)


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
