"""Recurrent layers over all their settings: against loops over single sequences, and each rule against the engine."""

import itertools

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.zero import ZERO

RNG = np.random.default_rng(5)
STEPS, BATCH, WIDTH, HIDDEN = 4, 2, 3, 2
KINDS = [nn.RNN, nn.LeakyRNN, nn.GRU, nn.LSTM]
FLAGS = list(itertools.product((1, 2), *[(False, True)] * 6))
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def case(kind, flags, dropout=0.0):
    """A layer, its parameters with buffers, an input, and the keywords of a call."""
    layers, bidirectional, bias, batch_first, last_only, padded, stated = flags
    layer = kind(
        WIDTH, HIDDEN, num_layers=layers, bidirectional=bidirectional, bias=bias, batch_first=batch_first,
        last_only=last_only, dropout=dropout,
    )  # fmt: skip
    x = RNG.standard_normal((BATCH, STEPS, WIDTH) if batch_first else (STEPS, BATCH, WIDTH))
    keywords = {"lengths": np.array([STEPS, 2])} if padded else {}
    if stated:
        parts = [RNG.standard_normal((layers * (1 + bidirectional), BATCH, HIDDEN)) for _ in range(2)]
        keywords["state"] = tuple(parts) if kind is nn.LSTM else parts[0]
    return layer, layer.init(rng=RNG.integers(99), dtype=np.float64), x, keywords


def looped(layer, p, x, lengths=None, state=None):
    """Outputs (T, B, n) and last states of a layer, one sequence after another, one cell after another."""
    x = np.swapaxes(x, 0, 1) if layer.batch_first else x
    lengths = [len(x)] * x.shape[1] if lengths is None else lengths
    ys, ends = [], []
    for b, n in enumerate(lengths):
        z, last = x[:n, b : b + 1], []
        for k in range(layer.num_layers):
            halves = []
            for back in range(1 + layer.bidirectional):
                prefix = "" if len(layer.runs()) == 1 else f"l{k}{'_reverse' * back}."
                cell = layer.cell_class(z.shape[-1], HIDDEN, bias=layer.cell.bias)
                own, s = {name: p[prefix + name] for name in cell.names()}, cell.start(z[0])
                if state is not None:
                    place = len(last)
                    s = dg.tree.map_leaves(lambda part, place=place, b=b: part[place, b : b + 1], state)
                outputs = []
                for row in z[::-1] if back else z:
                    s = cell.step(own, s, row)
                    outputs.append(cell.output(s))
                last.append(s)
                halves.append(np.stack(outputs[::-1] if back else outputs))
            z = np.concatenate(halves, axis=-1)
        ys.append(np.concatenate([z, np.zeros((len(x) - n, *z.shape[1:]))]))
        ends.append(last)
    return np.concatenate(ys, axis=1), [joined(same) for same in zip(*ends, strict=True)]


def joined(states):
    """States of single sequences as one."""
    if isinstance(states[0], tuple):
        return tuple(np.concatenate(parts) for parts in zip(*states, strict=True))
    return np.concatenate(states)


def shifted(state, moved, e):
    if isinstance(state, tuple):
        return tuple(a + e * b for a, b in zip(state, moved, strict=True))
    return state + e * moved


@kinds
def test_against_loops(kind):
    for flags in FLAGS:
        layer, params, x, keywords = case(kind, flags)
        p = {**params, **params.buffers}
        y, state = layer(params, x, return_state=True, **keywords)
        want, last = looped(layer, p, x, **keywords)
        cells = [run.cell for run in layer.runs()][-1 - layer.bidirectional :]
        if layer.last_only:
            tops = zip(cells, last[-len(cells) :], strict=True)
            want = np.concatenate([cell.output(s) for cell, s in tops], axis=-1)
        elif layer.batch_first:
            want = np.swapaxes(want, 0, 1)
        np.testing.assert_allclose(y, want, atol=1e-13)
        for k, s in enumerate(last):
            found = dg.tree.map_leaves(lambda part, k=k: part[k], state)
            np.testing.assert_allclose(np.stack(dg.tree.leaves(found)), np.stack(dg.tree.leaves(s)), atol=1e-13)


@kinds
def test_rules_against_the_engine(kind):
    """The tangent, K of them, those of factors, and the transpose; in training mode, with the same masks."""
    for flags in FLAGS[KINDS.index(kind) :: 3]:
        layer, params, x, keywords = case(kind, flags, dropout=0.4)
        p, keywords = {**params, **params.buffers}, {**keywords, "train": True}
        if kind is nn.LeakyRNN and flags[0] > 1:
            assert "l1.leak" in params.buffers or "l1_reverse.leak" in params.buffers
        for lead in ((), (3,)):
            dp = {n: RNG.standard_normal(lead + v.shape) for n, v in params.items()}
            dx = RNG.standard_normal(lead + x.shape)
            still = dict.fromkeys(params.buffers, ZERO)
            y, dy = layer.jvp(p, x, dp | still, dx, **keywords, rng=dg.Rng(4))
            exact = dg.jvp(
                lambda q, x, layer=layer, p=p, k=keywords: layer.forward({**p, **q}, x, **k, rng=dg.Rng(4)),
                (params, x), (dp, dx),
            )  # fmt: skip
            np.testing.assert_allclose(y, exact[0], atol=1e-13)
            np.testing.assert_allclose(dy, exact[1], atol=1e-12)
            low = {n: dg.OuterProduct(d[..., 0], d[..., 0, :], v.shape) if v.ndim == 2 else d
                   for (n, d), v in zip(dp.items(), params.values(), strict=True)}  # fmt: skip
            dense = {n: d.dense() if isinstance(d, dg.OuterProduct) else d for n, d in low.items()}
            pair = [layer.jvp(p, x, d | still, dx, **keywords, rng=dg.Rng(4))[1] for d in (low, dense)]
            np.testing.assert_allclose(*pair, atol=1e-12)
        y, pull = layer.vjp(p, x, **keywords, rng=dg.Rng(4))
        np.testing.assert_allclose(y, exact[0], atol=1e-13)
        cotangent = RNG.standard_normal(y.shape)
        by_p, by_x = pull(cotangent)
        inner = sum(np.sum(by_p[n] * dp[n][0]) for n in params) + np.sum(by_x * dx[0])
        np.testing.assert_allclose(inner, np.sum(cotangent * exact[1][0]), atol=1e-12)
        assert list(by_p) == list(params)


@kinds
def test_a_moving_state(kind):
    """Outputs and last state along a state, by differences; with everything moving, nested and as a series."""
    layer = kind(WIDTH, HIDDEN, num_layers=2, bidirectional=True)
    params, x = layer.init(rng=1, dtype=np.float64), RNG.standard_normal((STEPS, BATCH, WIDTH))
    start = RNG.standard_normal((4, BATCH, HIDDEN))
    start = (start, start / 2) if kind is nn.LSTM else start
    moved = dg.tree.map_leaves(np.ones_like, start)

    def f(s, q=params):
        return layer(q, x, state=s, return_state=True, lengths=[3, 4])

    _, found = dg.jvp(f, (start,), (moved,))
    around = [f(shifted(start, moved, e)) for e in (1e-6, -1e-6)]
    for tangent, up, down in zip(*map(dg.tree.leaves, (found, *around)), strict=True):
        np.testing.assert_allclose(tangent, (up - down) / 2e-6, atol=1e-8)
    total = lambda q, s: sum(np.sum(leaf**2) for leaf in dg.tree.leaves(f(s, q)))  # noqa: E731
    dp = params.map_leaves(np.ones_like)
    slope = lambda q, s: dg.jvp(total, (q, s), (dp, moved))[1]  # noqa: E731
    _, second = dg.jvp(slope, (params, start), (dp, moved))
    at = lambda e: (params.at(params.vector + e * dp.vector), shifted(start, moved, e))  # noqa: E731
    np.testing.assert_allclose(second, (slope(*at(1e-5)) - slope(*at(-1e-5))) / 2e-5, rtol=1e-5)


@kinds
def test_through_containers_and_objectives(kind):
    """``lengths`` reaches the layers that take it; the quick path of a bound objective is the jvp; what is padded has
    no influence; the gradient is Backprop's."""
    model = nn.Sequential(kind(WIDTH, HIDDEN, num_layers=2), kind(HIDDEN, 2, last_only=True), nn.Linear(2, 1))
    assert model.by_example == {"lengths"}
    assert {"state", "return_state"}.isdisjoint(model.takes)
    params, x = model.init(rng=0, dtype=np.float64), RNG.standard_normal((STEPS, BATCH, WIDTH))
    batch = nn.Objective(model, nn.mse).bind(x, np.ones((BATCH, 1)), lengths=[2, 3])
    v = params.map_leaves(lambda a: RNG.standard_normal(a.shape))
    value, slope = batch.jvp(params, v)
    exact = dg.jvp(batch, (params,), (v,))
    np.testing.assert_allclose((value, slope), exact, rtol=1e-14)
    _, gradient = batch.vjp(params)
    np.testing.assert_allclose(sum(np.sum(gradient[n] * v[n]) for n in v), slope, rtol=1e-10)
    spoilt = x.copy()
    spoilt[2:, 0] = np.nan
    again = nn.Objective(model, nn.mse).bind(spoilt, np.ones((BATCH, 1)), lengths=[2, 3])
    assert again.jvp(params, v) == (value, slope)
    np.testing.assert_array_equal(again.vjp(params)[1]["0.l0.weight_x"], gradient["0.l0.weight_x"])
    with pytest.raises(TypeError, match="got the keyword 'state'; expected cut, lengths, train or rng"):
        model(params, x, state=np.zeros((2, BATCH, HIDDEN)))


@kinds
def test_truncation_of_several_layers(kind):
    """Windows cut all layers at the same steps: the gradient of the loss with every state stopped there."""
    model = nn.Sequential(kind(WIDTH, HIDDEN, num_layers=2), nn.Linear(HIDDEN, 1))
    params, x = model.init(rng=0, dtype=np.float64), RNG.standard_normal((STEPS, BATCH, WIDTH))
    target = RNG.standard_normal((STEPS, BATCH, 1))
    batch = nn.Objective(model, nn.mse).bind(x, target)

    layer, readout = model.layers

    def of(q, start):
        return {n.removeprefix(start): v for n, v in {**params.buffers, **q}.items() if n.startswith(start)}

    _, state = layer(of(params, "0."), x[:2], return_state=True)

    def windows(q):
        parts = layer(of(q, "0."), x[:2]), layer(of(q, "0."), x[2:], state=state)
        return nn.mse(readout(of(q, "1."), np.concatenate(parts)), target)

    found = dg.estimators.TruncatedBPTT(2).estimate(batch, params).gradient
    exact = dg.grad(windows)(dict(params))
    np.testing.assert_allclose(found.vector, np.concatenate([exact[n].ravel() for n in params]), atol=1e-12)


def test_both_directions_are_not_cut():
    model = nn.Sequential(nn.GRU(WIDTH, HIDDEN, bidirectional=True), nn.Linear(2 * HIDDEN, 1))
    params, x = model.init(rng=0), np.ones((STEPS, BATCH, WIDTH), np.float32)
    batch = nn.Objective(model, nn.mse).bind(x, np.ones((STEPS, BATCH, 1)))
    for candidate in (dg.estimators.TruncatedBPTT(2), dg.estimators.SyntheticGradient(dg.estimators.QuadraticCritic())):
        with pytest.raises(dg.DualgradError, match="from both ends"):
            candidate.estimate(batch, params)
    for settings, extra in (({"batch_first": True}, {}), ({}, {"lengths": [2, 2]})):
        model = nn.Sequential(nn.GRU(WIDTH, HIDDEN, **settings), nn.Linear(HIDDEN, 1))
        batch = nn.Objective(model, nn.mse).bind(np.ones((2, 2, WIDTH), np.float32), np.ones((2, 2, 1)), **extra)
        with pytest.raises(dg.ShapeError, match="batch_first"):
            dg.estimators.SyntheticGradient(dg.estimators.QuadraticCritic()).estimate(batch, model.init(rng=0))
    for settings in ({"num_layers": 2}, {"bidirectional": True}, {"batch_first": True}):
        with pytest.raises(dg.DualgradError, match="one after another"):
            dg.online.Network.of(nn.Sequential(nn.GRU(3, 4, **settings), nn.Linear(4, 1)), nn.mse)


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LeakyRNNCell, nn.GRUCell, nn.LSTMCell], ids=lambda c: c.__name__)
def test_online_without_bias(cell):
    """The blocks of a cell without bias are those of its parameters: RTRL is Backprop."""
    layer = {nn.RNNCell: nn.RNN, nn.LeakyRNNCell: nn.LeakyRNN, nn.GRUCell: nn.GRU, nn.LSTMCell: nn.LSTM}[cell]
    model = nn.Sequential(layer(2, 3, bias=False), nn.Linear(3, 1))
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.mse).bind(RNG.standard_normal((3, 2, 2)), RNG.standard_normal((3, 2, 1)))
    exact = dg.estimators.Backprop().estimate(batch, params).gradient
    np.testing.assert_allclose(dg.online.RTRL().estimate(batch, params).gradient.vector, exact.vector, atol=1e-12)


def test_small_batches_and_precision():
    for kind, flags in itertools.product(KINDS, FLAGS[::5]):
        layer, _, x, keywords = case(kind, flags)
        params = layer.init(rng=0)
        keywords.pop("lengths", None)
        if "state" in keywords:
            keywords["state"] = dg.tree.map_leaves(lambda s: s.astype(np.float64), keywords["state"])
        found = dg.jvp(lambda q: layer(q, x.astype(np.float32), **keywords), (params,), (params.copy(),))  # noqa: B023
        assert {leaf.dtype for leaf in dg.tree.leaves(found)} == {np.dtype(np.float32)}
        axis = 0 if layer.batch_first else 1
        empty = np.take(x.astype(np.float32), [], axis)
        y, pull = layer.vjp({**params, **params.buffers}, empty, lengths=np.zeros(0, int))
        assert y.size == 0
        assert not any(np.any(d) for d in pull(y)[0].values())


def test_what_does_not_fit_is_named():
    layer = nn.LSTM(3, 2, num_layers=2)
    params, x = layer.init(rng=0), np.zeros((4, 2, 3), np.float32)
    h = np.zeros((2, 2, 2), np.float32)
    for error, keywords, message in (
        (dg.ShapeError, {"lengths": [4]}, "of 2 sequences and lengths of int64"),
        (dg.ShapeError, {"lengths": [4.0, 2.0]}, "lengths of float64"),
        (dg.ShapeError, {"lengths": [5, 1]}, "from 1 to 5; expected 1 to 4"),
        (dg.ShapeError, {"lengths": [0, 1]}, "from 0 to 1; expected 1 to 4"),
        (dg.ShapeError, {"state": h}, r"got a state of shapes \[\(2, 2, 2\)\]; expected \[\(2, 2, 2\), \(2, 2, 2\)\]"),
        (dg.ShapeError, {"state": (h[:1], h[:1])}, "layers and directions"),
        (TypeError, {"state": (h + 1j, h)}, "got a state of complex64; expected real numbers"),
        (ValueError, {"return_state": "yes"}, "got return_state='yes'; expected True or False"),
        (
            TypeError,
            {"length": [4, 4]},
            "got the keyword 'length'; expected cut, lengths, return_state, state, train or rng",
        ),
    ):
        with pytest.raises(error, match=message):
            layer(params, x, **keywords)
    for settings in ({"num_layers": 0}, {"bidirectional": "both"}, {"batch_first": "yes"}, {"dropout": 2}, {"bias": 3}):
        with pytest.raises(ValueError, match=f"got {next(iter(settings))}="):
            nn.LSTM(3, 2, **settings)
    with pytest.raises(ValueError, match="needs randomness"):
        nn.GRU(3, 2, num_layers=2, dropout=0.5).forward(nn.GRU(3, 2, num_layers=2).init(rng=0), x, train=True)


def test_the_forget_gates_of_all_layers_open():
    params = nn.initialise(nn.LSTM(3, 2, num_layers=2, bidirectional=True).init(rng=0), "forget_gate", rng=0)
    assert all(np.all(v[2:4] == 1) for name, v in params.items() if name.endswith("bias"))
