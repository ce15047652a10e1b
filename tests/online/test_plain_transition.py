"""The short ways of a step of a small network give the numbers of the general ones, to the bit where these are."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn, online
from dualgrad.nn.losses.base import Loss
from dualgrad.online.plain_transition import PlainTransition
from dualgrad.online.transition import CellTransition

CELLS = [nn.RNNCell(3, 4), nn.RNNCell(3, 4, nonlinearity="relu"), nn.RNNCell(3, 4, bias=False), nn.RNNCell(2, 1),
         nn.LeakyRNNCell(3, 4, leak=0), nn.LeakyRNNCell(3, 4, leak=[0.1, 0.9, -0.5, 0.0])]  # fmt: skip
RULES = {
    "push": lambda T, v, G: [T.push(v), T.push(v[0])],
    "tangent": lambda T, v, G: [T.tangent(v, G[: len(v)])],
    "pull": lambda T, v, G: [T.pull(v), T.pull(v[0])],
    "pull_params": lambda T, v, G: [T.pull_params(v), T.pull_params(v[0])],
    "propagate": lambda T, v, G: [T.propagate(G)],
    "matrices": lambda T, v, G: [T.jacobian(), T.influence(), T.spread(T.factors.gains), T.unit_jacobians()],
    "norms": lambda T, v, G: [T.norms(), T.norms((G > 0).astype(G.dtype))],
}


def transitions(cell, dtype):
    network, rng = online.Network(cell, nn.Linear(cell.hidden_size, 3), nn.cross_entropy), dg.Rng(0)
    params = network.init(rng=rng, dtype=dtype)
    dynamics = network.dynamics(params)
    state = rng.normal((cell.hidden_size,), dtype=dtype)
    x = rng.normal((cell.input_size,), dtype=dtype)
    (T,) = dynamics.advance(params, state, x)[1]
    return T, CellTransition(T.cell, T.p, T.factors, T.rows, T.own, T.size, T.below)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cell", CELLS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_plain_transition_is_the_general_one(cell, dtype, rule):
    short, general = transitions(cell, dtype)
    assert type(short) is PlainTransition
    n, p = cell.hidden_size, sum(np.prod(s) for s in cell.shapes().values())
    rng = dg.Rng(1)
    v, G = rng.normal((min(n, 3), n), dtype=dtype), rng.normal((n, int(p)), dtype=dtype)
    kept = G.copy()
    for a, b in zip(RULES[rule](short, v, G), RULES[rule](general, v, G), strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(G, kept)


@pytest.mark.parametrize("cell", [nn.GRUCell(3, 4), nn.LSTMCell(3, 4), nn.LeakyRNNCell(3, 4, leak="learned")], ids=repr)
def test_gates_parts_and_learned_leaks_go_the_general_way(cell):
    network = online.Network(cell, nn.Linear(4, 3), nn.cross_entropy)
    params = network.init(rng=0)
    assert type(network.dynamics(params).advance(params, network.init_state, np.ones(3))[1][0]) is CellTransition


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_loss_of_one_example_is_the_general_one(dtype):
    rng = dg.Rng(0)
    for classes in [1, 2, 3, 20, 60]:
        for size in [0, 1e-3, 1, 30, 1e3]:
            z = rng.normal((1, classes), dtype=dtype) * dtype(size)
            y = rng.integers(0, classes, (1,))
            value, pull = nn.cross_entropy.vjp(z, y)
            general, pull_general = Loss.vjp(nn.cross_entropy, z, y)
            np.testing.assert_array_equal(value, general, strict=True)
            for dy in (1.0, dtype(0.3), rng.normal((2, 1), dtype=dtype)[:, 0]):
                np.testing.assert_array_equal(pull(dy), pull_general(dy), strict=True)


@pytest.mark.parametrize("y", [-1, 3, -101])
def test_a_class_out_of_range_is_refused_and_an_ignored_one_has_no_mean(y):
    with pytest.raises(ValueError, match="expected 0 to 2"):
        nn.cross_entropy.vjp(np.zeros((1, 3)), np.array([y]))
    with pytest.raises(ValueError, match="no target counts"):
        nn.cross_entropy.vjp(np.zeros((1, 3)), np.array([-100]))
