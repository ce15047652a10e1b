"""Activations: functions of one number, applied to every entry."""

import numpy as np

from ..dual import primal
from ..zero import ZERO
from .joint import empty_joint, plain
from .layer import Layer


class ReLU(Layer):
    """y = max(x, 0) ;  dy = [x > 0] dx ;  dx = [x > 0] ȳ. The derivative at 0 is 0; a NaN stays one.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ReLU().jvp({}, np.array([-1.0, 0.0, 2.0]), {}, np.array([1.0, 1.0, 1.0]))
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """

    def __repr__(self):
        return "ReLU()"

    def forward(self, p, x):
        return np.where(primal(x) <= 0, 0, x)

    def jvp(self, p, x, dp, dx):
        if dx is not ZERO and plain(x, dx) and x.dtype.char in "efd":
            return self._fast_jvp(x, dx)
        off = primal(x) <= 0
        return np.where(off, 0, x), dx if dx is ZERO else np.where(off, 0, dx)

    def _fast_jvp(self, x, dx):
        """The same into one joint buffer: bit masks that are all ones, or all zeros where x <= 0."""
        _, y, dy = empty_joint(dx.shape[: dx.ndim - x.ndim], x.shape, x.dtype)
        bits = f"i{x.itemsize}"
        mask = y.view(bits)
        np.subtract((x <= 0).view(np.int8), 1, out=mask)
        np.bitwise_and(dx.view(bits), mask, out=dy.view(bits))
        np.bitwise_and(x.view(bits), mask, out=mask)
        return y, dy

    def vjp(self, p, x):
        off = primal(x) <= 0
        return np.where(off, 0, x), lambda dy: ({}, np.where(off, 0, dy))


class Tanh(Layer):
    """y = tanh x ;  dy = (1 - y²) dx ;  dx = (1 - y²) ȳ.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Tanh().jvp({}, np.zeros(2), {}, np.array([1.0, 2.0]))
    (array([0., 0.]), array([1., 2.]))
    """

    def __repr__(self):
        return "Tanh()"

    def forward(self, p, x):
        return np.tanh(x)

    def jvp(self, p, x, dp, dx):
        if dx is ZERO or not plain(x, dx):
            y = np.tanh(x)
            return y, (1 - y * y) * dx
        _, y, dy = empty_joint(dx.shape[: dx.ndim - x.ndim], x.shape, x.dtype)
        np.tanh(x, out=y)
        np.multiply(1 - y * y, dx, out=dy)
        return y, dy

    def vjp(self, p, x):
        y = np.tanh(x)
        return y, lambda dy: ({}, (1 - y * y) * dy)
