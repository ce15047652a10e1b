"""Cells: one step against the engine and its transpose, on plain arrays and Duals; memory does not grow with time."""

import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn

RNG = np.random.default_rng(3)
CELLS = {
    "RNNCell": nn.RNNCell(3, 4),
    "RNNCell, relu": nn.RNNCell(3, 4, nonlinearity="relu"),
    "LeakyRNNCell": nn.LeakyRNNCell(3, 4, leak=np.array([0.1, 0.5, 0.9, 1.0])),
    "LeakyRNNCell, learned": nn.LeakyRNNCell(3, 4, leak="learned"),
    "GRUCell": nn.GRUCell(3, 4),
    "LSTMCell": nn.LSTMCell(3, 4),
}
cells = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
leads = pytest.mark.parametrize("lead", [(), (3,)], ids=["one", "K=3"])


def close(a, b, rtol=1e-12):
    for x, y in zip(dg.tree.leaves(a), dg.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


def draw(cell, lead=(), batch=(2,)):
    params = cell.init(rng=0, dtype=np.float64)
    p, x = {**params, **params.buffers}, RNG.standard_normal((*batch, 3))
    state = dg.tree.map_leaves(lambda s: RNG.standard_normal(s.shape), cell.start(x))
    dp = {n: RNG.standard_normal(lead + v.shape) for n, v in params.items()}
    dstate = dg.tree.map_leaves(lambda s: RNG.standard_normal(lead + s.shape), state)
    return p, state, x, dp, dstate, RNG.standard_normal(lead + x.shape)


def engine(cell, p, state, x, dp, dstate, dx):
    params = {n: p[n] for n in dp}
    return dg.jvp(lambda q, s, x: cell.step(p | q, s, x), (params, state, x), (dp, dstate, dx))


@leads
@cells
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batch", "one example"])
def test_one_step(cell, lead, batch):
    p, state, x, dp, dstate, dx = draw(cell, lead, batch)
    expected = engine(cell, p, state, x, dp, dstate, dx)
    close(cell.step_jvp(p, state, x, dp, dstate, dx), expected)
    params = {n: p[n] for n in dp}
    called = dg.jvp(lambda q, s, x: cell(p | q, s, x), (params, state, x), (dp, dstate, dx))
    close(called, expected)
    if not lead:
        value, pullback = cell.step_vjp(p, state, x)
        close(value, expected[0])
        u = dg.tree.map_leaves(lambda s: RNG.standard_normal(s.shape), state)
        bar_p, bar_state, bar_x = pullback(u)
        inner = lambda a, b: sum(  # noqa: E731
            np.sum(x * y) for x, y in zip(dg.tree.leaves(a), dg.tree.leaves(b), strict=True)
        )
        close(inner(u, expected[1]), inner(bar_p, dp) + inner(bar_state, dstate) + np.sum(bar_x * dx))


@cells
def test_zeros_are_absorbed(cell):
    p, state, x, dp, dstate, dx = draw(cell)
    still = dict.fromkeys(dp, dg.ZERO)
    zero = dg.tree.map_leaves(np.zeros_like, dp), dg.tree.map_leaves(np.zeros_like, dstate), np.zeros_like(dx)
    assert cell.step_jvp(p, state, x, still, dg.ZERO, dg.ZERO)[1] is dg.ZERO
    close(cell.step_jvp(p, state, x, dp, dg.ZERO, dg.ZERO), engine(cell, p, state, x, dp, zero[1], zero[2]))
    close(cell.step_jvp(p, state, x, still, dstate, dg.ZERO), engine(cell, p, state, x, zero[0], dstate, zero[2]))
    close(cell.step_jvp(p, state, x, still, dg.ZERO, dx), engine(cell, p, state, x, zero[0], zero[1], dx))


@cells
def test_second_order_and_hessian_products(cell):
    p, state, x, dp, *_ = draw(cell)
    params = {n: p[n] for n in dp}
    slope = lambda f: lambda q: dg.jvp(lambda q: f(p | q, state, x), (q,), (dp,))[1]  # noqa: E731
    close(dg.jvp(slope(cell), (params,), (dp,)), dg.jvp(slope(cell.step), (params,), (dp,)), 1e-11)
    u = dg.tree.map_leaves(lambda s: np.ones_like(s), state)
    through = dg.jvp(lambda q: cell.step_vjp(p | q, state, x)[1](u)[0], (params,), (dp,))[1]
    close(through, dg.hvp(lambda q: sum(np.sum(s) for s in dg.tree.leaves(cell.step(p | q, state, x))), params, dp))


@cells
def test_float32_stays_float32(cell):
    params = cell.init(rng=0)
    x = np.ones((2, 3), np.float32)
    found = dg.jvp(lambda p: cell(p, cell(p, cell.start(x), x), x), (params,), (params.copy(),))
    assert {leaf.dtype for leaf in dg.tree.leaves(found)} == {np.dtype(np.float32)}


@cells
def test_lowrank_is_its_dense_form(cell):
    p, state, x, dp, dstate, dx = draw(cell)
    low = {
        n: dg.OuterProduct(RNG.standard_normal(d.shape[0]), RNG.standard_normal(d.shape[1])) if d.ndim == 2 else d
        for n, d in dp.items()
    }
    dense = {n: np.array(d) for n, d in low.items()}
    close(cell.step_jvp(p, state, x, low, dstate, dx), cell.step_jvp(p, state, x, dense, dstate, dx))


def test_the_gates_stand_where_they_should():
    """The LSTM against its equations, one number at a time."""
    cell = nn.LSTMCell(1, 1)
    p = {"weight_x": np.array([[0.1, 0.2, 0.3, 0.4]]), "weight_h": np.array([[0.5, 0.6, 0.7, 0.8]])}
    p["bias"] = np.array([0.01, 0.02, 0.03, 0.04])
    x, h, c = 1.5, -0.4, 0.7
    i, f, o = (
        1 / (1 + np.exp(-(w * x + u * h + b))) for w, u, b in ((0.1, 0.5, 0.01), (0.2, 0.6, 0.02), (0.4, 0.8, 0.04))
    )
    c_new = f * c + i * np.tanh(0.3 * x + 0.7 * h + 0.03)
    found = cell(p, (np.array([h]), np.array([c])), np.array([x]))
    close(found, (np.array([o * np.tanh(c_new)]), np.array([c_new])))


def test_leaky_cells_follow_the_equation():
    """NoBackTrack, eq. 37: h ← α h + x R + σ(h) W + b, and the network sees σ(h)."""
    cell = nn.LeakyRNNCell(3, 4, leak=0.7)
    p, h, x, *_ = draw(cell)
    a = 1 / (1 + np.exp(-h))
    close(cell.step(p, h, x), 0.7 * h + x @ p["weight_x"] + a @ p["weight_h"] + p["bias"])
    close(cell.output(h), a)


LONG = pytest.mark.parametrize("long", [1000, pytest.param(10_000, marks=pytest.mark.slow)])


def peak(run, long):
    run(100)
    tracemalloc.start()
    run(100)
    short = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    run(long)
    long = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return short, long


@LONG
def test_memory_does_not_grow_with_time(long):
    """A loss at every step, inputs and targets streamed: T = 1,000, or 10,000, within 5 % of T = 100."""
    cell = nn.LSTMCell(4, 32)
    params = cell.init(rng=0)
    v = dg.directions.Rademacher().sample(params, rng=0)
    x, y = np.ones((8, 4), np.float32), np.zeros((8, 32), np.float32)

    def run(steps):
        def loss(p):
            state, total = cell.start(x), 0.0
            for t in range(steps):
                state = cell(p, state, x * np.float32(np.sin(t)))
                total = total + nn.mse(cell.output(state), y)
            return total

        dg.jvp(loss, (params,), (v,))

    short, long = peak(run, long)
    assert long <= 1.05 * short


@LONG
def test_memory_of_the_last_output_does_not_grow_with_time(long):
    layer = nn.LSTM(4, 32, last_only=True)
    params = layer.init(rng=0)
    v = dg.directions.LowRank().sample(params, rng=0)
    x = np.broadcast_to(np.ones((8, 4), np.float32), (long, 8, 4))
    short, long = peak(lambda steps: dg.jvp(lambda p: layer(p, x[:steps]), (params,), (v,)), long)
    assert long <= 1.05 * short


def test_bad_input_is_named():
    layer = nn.LSTM(3, 4)
    params = layer.init(rng=0)
    with pytest.raises(dg.ShapeError, match=r"LSTM\(3, 4\) got an input of shape \(5, 3\); expected \(T, B, 3\)"):
        layer(params, np.zeros((5, 3), np.float32))
    with pytest.raises(dg.ShapeError, match=r"with T > 0"):
        layer(params, np.zeros((0, 5, 3), np.float32))
    cell = nn.GRUCell(3, 4)
    with pytest.raises(dg.ShapeError, match=r"GRUCell\(3, 4\) got an input of shape \(2, 5\); expected \(B, 3\)"):
        cell(cell.init(rng=0), np.zeros((2, 4)), np.zeros((2, 5)))
    with pytest.raises(dg.LayoutError, match="another model"):
        cell(params, np.zeros((2, 4)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="expected 'tanh' or 'relu'"):
        nn.RNNCell(3, 4, nonlinearity="sigmoid")
    with pytest.raises(ValueError, match="expected numbers or 'learned'"):
        nn.LeakyRNNCell(3, 4, "fixed")
