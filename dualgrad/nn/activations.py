"""Activations: functions of one number, applied to every entry."""

import numpy as np

from ..dual import primal
from ..zero import ZERO
from .joint import empty_joint, joint, plain
from .layer import Layer


class ReLU(Layer):
    """y = max(x, 0) ;  dy = [x > 0] dx ;  dx = [x > 0] ȳ. The derivative at 0 is 0.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ReLU().jvp({}, np.array([-1.0, 0.0, 2.0]), {}, np.array([1.0, 1.0, 1.0]))
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """

    def __repr__(self):
        return "ReLU()"

    def forward(self, p, x):
        return np.where(primal(x) > 0, x, 0)

    def jvp(self, p, x, dp, dx):
        active = primal(x) > 0
        if dx is ZERO:
            return np.where(active, x, 0), ZERO
        both = joint(x, dx) if plain(x, dx) else None
        if both is not None:
            z, y, dy = empty_joint(dx.shape[: dx.ndim - x.ndim], x.shape, x.dtype)
            np.multiply(both, active, out=z)
            return y, dy
        return np.where(active, x, 0), np.where(active, dx, 0)

    def vjp(self, p, x):
        active = primal(x) > 0
        return np.where(active, x, 0), lambda dy: ({}, np.where(active, dy, 0))


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
        z, y, dy = empty_joint(dx.shape[: dx.ndim - x.ndim], x.shape, x.dtype)
        np.tanh(x, out=y)
        np.multiply(1 - y * y, dx, out=dy)
        return y, dy

    def vjp(self, p, x):
        y = np.tanh(x)
        return y, lambda dy: ({}, (1 - y * y) * dy)
