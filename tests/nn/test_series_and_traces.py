"""Layers and losses of the catalogue in `dg.taylor`, `dg.trace` and nested jvp: along parameters and input at once, and
along what stands beside them; single precision stays single."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.testing import check_jvp
from dualgrad.tree import map_leaves
from tests.support.layers import INTEGERS, LAYERS, LOSSES

RNG = np.random.default_rng(5)


def draws(*shape):
    return RNG.standard_normal(shape)


def alike(found, expected, what):
    scale = 1e-12 + np.max(np.abs(expected), initial=0)
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-9, err_msg=what)


def held_to_jvp(f, at, single=True):
    """All the same derivatives of a function of one tree, by three engines, and their dtypes in single precision."""
    along = map_leaves(lambda a: RNG.standard_normal(a.shape), at)
    slope = lambda at, along=along: dg.jvp(f, (at,), (along,))[1]  # noqa: E731
    y, dy = dg.jvp(f, (at,), (along,))
    series = dg.taylor(f, at, along, order=2)
    alike(series[0], y, "the value")
    alike(series[1], dy, "order 1")
    alike(2 * series[2], dg.jvp(slope, (at,), (along,))[1], "order 2")
    alike(dg.trace(f, (at,), (along,)).tangent, dy, "the tangent of a trace")
    if single:
        at, along = (map_leaves(lambda a: a.astype(np.float32), tree) for tree in (at, along))
        assert {a.dtype for a in dg.taylor(f, at, along, order=1)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", [*LAYERS, *INTEGERS])
def test_layers(name):
    layer, x = (LAYERS | INTEGERS)[name]
    params = dict(layer.init(rng=1, dtype=np.float64))
    if name in INTEGERS:
        held_to_jvp(lambda p: layer(p, x), params)
    else:
        held_to_jvp(lambda both: layer(*both), (params, draws(*x)))


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    loss, shape, target = LOSSES[name]
    for reduction in ("mean", "none"):
        held_to_jvp(lambda x, reduction=reduction: loss(x, target, reduction), draws(*shape))


QUERIES, BATCH, CLASSES = draws(2, 2, 4), draws(4, 3), np.array([0, 1, 2, 1])
STATE, THREE, TWO = (draws(4, 2, 2), draws(4, 2, 2)), nn.Linear(3, 3), nn.Linear(3, 2)
DECODER = nn.Sequential(nn.Residual(nn.LayerNorm(4), nn.CrossAttention(4, 2)), nn.Linear(4, 2))
ATTENTION, RECURRENT = nn.MultiHeadAttention(4, 2), nn.LSTM(4, 2, num_layers=2, bidirectional=True)
BESIDE = {
    "memory": (DECODER, lambda p, m: DECODER(p, QUERIES, memory=m), draws(2, 3, 4)),
    "mask": (ATTENTION, lambda p, m: ATTENTION(p, QUERIES, attn_mask=m), draws(4, 2, 2)),
    "state": (RECURRENT, lambda p, s: RECURRENT(p, QUERIES, state=s, lengths=[1, 2]), STATE),
    "last state": (RECURRENT, lambda p, s: RECURRENT(p, QUERIES, state=s, return_state=True)[1][0], STATE),
    "weights": (TWO, lambda p, w: nn.mse(TWO(p, BATCH), BATCH[:, :2], weights=w), 3 + RNG.random(4)),
    "class weight": (
        THREE, lambda p, w: nn.cross_entropy(THREE(p, BATCH), CLASSES, weight=w, ignore_index=1), 3 + RNG.random(3),
    ),
    "soft targets": (
        THREE, lambda p, t: nn.cross_entropy(THREE(p, BATCH), t, label_smoothing=0.1), RNG.random((4, 3)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_the_input(name):
    layer, f, at = BESIDE[name]
    both = lambda tree: f(*tree)  # noqa: E731
    point = dict(layer.init(rng=1, dtype=np.float64)), at
    held_to_jvp(both, point, single=False)
    assert check_jvp(both, (point,), orders=1, directions=(), rng=0).passed
