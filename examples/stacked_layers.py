"""The forward Laplacian of a tanh network as a network of its own: layers whose rows are the value, tangents, and Δ.

An input is ``(B, K + 2, n)``: for every point the value, K tangents J, and the second derivatives along the first few
of them, summed. What a layer makes of it is what `dg.laplacian` makes of it. Written as layers with a ``vjp``, it has
an exact gradient by reverse accumulation, which `dg.laplacian` itself has not: dualgrad is forward mode, and its one
transposed pass goes through layers.
"""

import itertools

import numpy as np

from dualgrad import nn


class StackedLinear(nn.Linear):
    """x W + b, J W, L W."""

    def forward(self, p, x):
        y = np.matmul(x, p["weight"])
        bias = np.zeros_like(p["bias"], shape=(x.shape[-2], self.out_features))
        bias[0] = p["bias"]
        return y + bias

    def vjp(self, p, x):
        def pullback(dy):
            rows, slopes = x.reshape(-1, self.in_features), dy.reshape(-1, self.out_features)
            return {"weight": rows.T @ slopes, "bias": dy[:, 0].sum(0)}, np.matmul(dy, p["weight"].T)

        return self.forward(p, x), pullback


class StackedTanh(nn.Layer):
    """y = tanh x, y' J, y' L + y'' Σ J², the sum over the first ``second`` tangents."""

    def __init__(self, second):
        self.second = second

    def shapes(self):
        return {}

    def forward(self, p, x):
        y = np.tanh(x[:, :1])
        slope = 1 - y * y
        squares = np.sum(x[:, 1 : 1 + self.second] ** 2, axis=1, keepdims=True)
        return np.concatenate([y, slope * x[:, 1:-1], slope * x[:, -1:] - 2 * y * slope * squares], axis=1)

    def vjp(self, p, x):
        y = np.tanh(x[:, :1])
        slope = 1 - y * y
        bend = -2 * y * slope
        J, L, some = x[:, 1:-1], x[:, -1:], x[:, 1 : 1 + self.second]
        squares = np.sum(some * some, axis=1, keepdims=True)

        def pullback(dy):
            to_J, to_L = dy[:, 1:-1], dy[:, -1:]
            dx = np.empty_like(x)
            dx[:, 1:-1] = slope * to_J
            dx[:, 1 : 1 + self.second] += 2 * bend * some * to_L
            dx[:, -1:] = slope * to_L
            third = -2 * (slope * slope + y * bend)
            along = np.sum(J * to_J, axis=1, keepdims=True) + L * to_L
            dx[:, :1] = slope * dy[:, :1] + bend * along + third * squares * to_L
            return {}, dx

        return np.concatenate([y, slope * J, slope * L + bend * squares], axis=1), pullback


def stacked(sizes, second):
    """The layers of a tanh network, whose parameters have the same names."""
    layers = []
    for a, b in itertools.pairwise(sizes):
        layers += [StackedLinear(a, b), StackedTanh(second)]
    return nn.Sequential(*layers[:-1], nn.Flatten())


def seeded(points):
    """Points ``(B, n)`` with the coordinates as tangents: the input of such a network."""
    B, n = points.shape
    x = np.zeros((B, n + 2, n), points.dtype)
    x[:, 0], x[:, 1:-1] = points, np.eye(n)
    return x
