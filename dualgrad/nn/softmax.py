"""Softmax and its logarithm, over the last axis."""

import numpy as np

from ..backend import Array
from ..errors import ShapeError
from ..exponentials import exponentials, less, log_softmax_tangent, one_minus_softmax, softmax_tangent, stable_softmax
from ..zero import ZERO
from .layer import Layer
from .types import Parameters, Pulled, Pushed, Tangent, Tangents


class Softmax(Layer):
    """y = eˣ / Σ eˣ over the last axis ;  dy = y (dx - ⟨y, dx⟩) ;  dx = y (ȳ - ⟨y, ȳ⟩).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Softmax()({}, np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    lead = True

    def forward(self, p: Parameters, x: Array) -> Array:
        _require_classes(self, x)
        return stable_softmax(x)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        y = Softmax.forward(self, p, x)
        return y, ZERO if dx is ZERO else softmax_tangent(y, dx)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        y = Softmax.forward(self, p, x)
        return y, lambda dy: ({}, softmax_tangent(y, dy))


class LogSoftmax(Layer):
    """y = x - log Σ eˣ over the last axis ;  dy = dx - ⟨softmax x, dx⟩ ;  dx = ȳ - softmax(x) Σ ȳ.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.LogSoftmax()({}, np.zeros((1, 2)))
    array([[-0.69314718, -0.69314718]])
    """

    lead = True

    def forward(self, p: Parameters, x: Array) -> Array:
        _require_classes(self, x)
        _, shifted, _, rest = exponentials(x)
        return less(shifted, np.log1p(rest))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        _require_classes(self, x)
        _, shifted, e, rest = exponentials(x)
        return less(shifted, np.log1p(rest)), ZERO if dx is ZERO else log_softmax_tangent(e / (1 + rest), dx)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        _require_classes(self, x)
        at, shifted, e, rest = exponentials(x)

        def pullback(dy):
            others = np.sum(dy, axis=-1, keepdims=True) - dy
            return {}, one_minus_softmax(at, e, rest) * dy - e / (1 + rest) * others

        return less(shifted, np.log1p(rest)), pullback


def _require_classes(layer, x):
    if np.ndim(x) == 0 or not x.shape[-1]:
        raise ShapeError(f"{layer!r} got an input of shape {np.shape(x)}; expected (..., classes)")
