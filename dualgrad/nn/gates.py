"""A slope that is learned, and one half of the features that gates the other."""

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array
from ..dual import primal
from ..errors import ShapeError
from ..random import Rng
from ..rules.absorb import product, quietly
from ..slopes import logistic, logistic_slope
from ..zero import ZERO
from .affine import row_tangent
from .layer import Layer
from .setting_checks import checked
from .types import Parameters, Pulled, Pushed, Shape, Shapes, Tangent, Tangents


class PReLU(Layer):
    """y = x where x > 0, else a x ;  dy = dx, or a dx + x da ;  (da, dx) = (Σ [x <= 0] x ȳ, ȳ or a ȳ).

    Parameters
    ----------
    num_parameters : int
        One a for all, or one for every entry of the last axis.
    init : float
        What a starts at.

    Notes
    -----
    ``weight`` is a, of shape ``(num_parameters,)``. At 0 the slope is a (He et al. 2015).

    Raises
    ------
    ShapeError
        When the last axis has another number of entries.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.PReLU()
    >>> layer(layer.init(rng=0, dtype=np.float64), np.array([-1.0, 2.0]))
    array([-0.25,  2.  ])
    """

    lead = True

    @checked
    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        self.num_parameters = num_parameters
        self.start = init

    def __repr__(self) -> str:
        start = "" if self.start == 0.25 else f", init={self.start}"
        return f"{type(self).__name__}({self.num_parameters}{start})"

    def shapes(self) -> Shapes:
        return {"weight": (self.num_parameters,)}

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return np.full(shape, self.start, dtype)

    def _check(self, x):
        if self.num_parameters > 1 and (np.ndim(x) == 0 or x.shape[-1] != self.num_parameters):
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (..., {self.num_parameters})")

    def forward(self, p: Parameters, x: Array) -> Array:
        self._check(x)
        return np.where(primal(x) > 0, x, self._slope(p["weight"], x) * x)

    def _slope(self, a, x):
        """a, or its tangent, beside an input like x."""
        ndim = np.ndim(x)
        return row_tangent(a, ndim) if self.num_parameters > 1 else row_tangent(a[..., 0], ndim, 0)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        y, right, da = PReLU.forward(self, p, x), primal(x) > 0, dp["weight"]
        dy = dx if dx is ZERO else np.where(right, dx, self._slope(p["weight"], x) * dx)
        if da is not ZERO:
            dy = dy + np.where(right, 0, self._slope(da, x) * x)
        return y, dy

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        y, right, a = PReLU.forward(self, p, x), primal(x) > 0, self._slope(p["weight"], x)

        def pullback(dy):
            da = np.where(right, 0, x * dy)
            da = np.sum(da, axis=tuple(range(x.ndim - 1)) if self.num_parameters > 1 else None)
            return {"weight": np.reshape(da, (self.num_parameters,))}, np.where(right, dy, a * dy)

        return y, pullback


class GLU(Layer):
    """y = u σ(v), x = (u, v) ;  dy = σ(v) du + u σ'(v) dv ;  (du, dv) = (σ(v) ȳ, u σ'(v) ȳ).

    Notes
    -----
    The halves stand side by side in the last axis, torch's ``dim=-1`` (Dauphin et al. 2017).

    Raises
    ------
    ShapeError
        When the last axis cannot be halved.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.GLU()({}, np.array([[3.0, 0.0]]))
    array([[1.5]])
    """

    lead = particles = True

    def _halves(self, x, d):
        if np.ndim(x) == 0 or x.shape[-1] % 2:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected an even number of features")
        n = x.shape[-1] // 2
        return d[..., :n], d[..., n:]

    def forward(self, p: Parameters, x: Array) -> Array:
        u, v = self._halves(x, x)
        return u * logistic(v)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        u, v = self._halves(x, x)
        s = logistic(v)
        if dx is ZERO:
            return u * s, ZERO
        du, dv = self._halves(x, dx)
        return u * s, s * du + quietly(product, u * logistic_slope(v), dv)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        u, v = self._halves(x, x)
        s = logistic(v)
        along = u * logistic_slope(v)
        return u * s, lambda dy: ({}, np.concatenate([s * dy, quietly(product, along, dy)], axis=-1))
