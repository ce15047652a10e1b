"""Layers beside torch's over settings: values, tangents, K directions, factors and pullbacks."""

import numpy as np
import pytest

from dualgrad import nn
from tests.support.beside_torch import channels_first, channels_last, compare

torch = pytest.importorskip("torch")
t = torch.nn
IMAGES = {"to_torch": channels_first, "from_torch": channels_last}


def draws(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def test_convolutions():
    compare(nn.Conv1d(4, 6, 3, 2, 1, 2, 2), t.Conv1d(4, 6, 3, 2, 1, 2, 2), draws(2, 9, 4), **IMAGES)
    compare(nn.BatchNorm(4), t.BatchNorm2d(4), draws(2, 3, 2, 4), train=True, **IMAGES)
    compare(nn.Embedding(5, 3), t.Embedding(5, 3), np.array([[0, 4], [2, 2]]))


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
