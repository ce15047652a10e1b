"""The affine layer."""

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array
from ..errors import ShapeError
from ..outer_product import OuterProduct
from ..random import Rng
from ..zero import ZERO
from .affine import add_row_tangent, as_matrix, outer_sum, plus_row, row_sum, row_tangent
from .joint import buffer, empty_joint, joint, on_host
from .layer import Layer
from .setting_checks import checked
from .types import Parameters, Pulled, Pushed, Shape, Shapes, Tangent, Tangents


class Linear(Layer):
    """y = x W + b ;  dy = dx W + x dW + db ;  (dW, db, dx) = (xᵀ ȳ, Σ ȳ, ȳ Wᵀ).

    Parameters
    ----------
    in_features, out_features : int
    bias : bool

    Notes
    -----
    ``weight`` has shape ``(in, out)``, ``bias`` ``(out,)``; the input is ``(..., in)``. Both start uniform on ±1/√in,
    as in torch. Cost: one matrix product forward, three for a dense tangent (two where ``dx`` is zero), and 1 + 1/m
    with an `OuterProduct` weight tangent and no ``dx``.

    Raises
    ------
    ShapeError
        When the input has another number of features.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.Linear(2, 1)
    >>> p = {"weight": np.array([[2.0], [3.0]]), "bias": np.array([1.0])}
    >>> dp = {"weight": np.ones((2, 1)), "bias": dg.ZERO}
    >>> layer.jvp(p, np.array([[1.0, 1.0]]), dp, dg.ZERO)
    (array([[6.]]), array([[2.]]))
    """

    lead = particles = True

    @checked
    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        self.in_features = in_features
        self.out_features = out_features
        self.bias = bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_features}, {self.out_features}{'' if self.bias else ', bias=False'})"

    def shapes(self) -> Shapes:
        weight = {"weight": (self.in_features, self.out_features)}
        return weight | {"bias": (self.out_features,)} if self.bias else weight

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        bound = self.in_features**-0.5
        return rng.uniform(-bound, bound, shape, dtype=dtype)

    def forward(self, p: Parameters, x: Array) -> Array:
        self._check(x)
        y = np.matmul(x, p["weight"])
        return plus_row(y, p["bias"]) if self.bias else y

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        self._check(x)
        w, dw, db = p["weight"], dp["weight"], dp.get("bias", ZERO)
        if on_host(x, dx, w, db) and x.ndim == 2:
            return self._fast_jvp(p, x, dw, db, dx)
        return Linear.forward(self, p, x), add_row_tangent(dx @ w + _matmul_rows(x, dw), db, x.shape[:-1])

    def _fast_jvp(self, p, x, dw, db, dx):
        """The same into one joint buffer: dx W and x W in one product, the rest added in place."""
        if dw is db is dx is ZERO:
            return Linear.forward(self, p, x), ZERO
        lead = db.shape[:-1] if db is not ZERO else (dw if dw is not ZERO else dx).shape[:-2]
        w = p["weight"]
        z, y, dy = empty_joint(lead, (len(x), self.out_features), np.result_type(x, w))
        both = None if dx is ZERO else joint(x, dx)
        if both is not None:
            np.matmul(both.reshape(-1, self.in_features), w, out=z.reshape(-1, self.out_features))
        else:
            np.matmul(x, w, out=y)
            if dx is not ZERO:
                np.matmul(dx.reshape(-1, self.in_features), w, out=dy.reshape(-1, self.out_features))
        if dx is ZERO:
            _weight_terms(x, dw, db, dy)
        elif dw is not ZERO:
            dy += _weight_terms(x, dw, db, buffer(dy.shape, dy.dtype))
        elif db is not ZERO:
            dy += row_tangent(db, 2)
        if self.bias:
            y += p["bias"]
        return y, dy

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        self._check(x)

        def pullback(dy):
            dp = {"weight": outer_sum(x, dy)}
            if self.bias:
                dp["bias"] = row_sum(dy)
            return dp, np.matmul(dy, np.transpose(p["weight"]))

        return Linear.forward(self, p, x), pullback

    def _check(self, x):
        if getattr(x, "ndim", 0) == 0 or x.shape[-1] != self.in_features:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (..., {self.in_features})")


def _matmul_rows(x, dw):
    """x dW for x of any rank and dW with or without a lead axis."""
    if dw is ZERO or x.ndim == 2:
        return x @ dw
    y = as_matrix(x) @ dw
    return np.reshape(y, dw.shape[:-2] + x.shape[:-1] + dw.shape[-1:])


def _weight_terms(x, dw, db, out):
    """x dW + db into ``out``; for dW = a bᵀ it is the one product [x·a, 1] [bᵀ; db]."""
    if isinstance(dw, OuterProduct) and db is not ZERO:
        left, right = np.empty((*out.shape[:-1], 2), out.dtype), np.empty((*db.shape[:-1], 2, db.shape[-1]), out.dtype)
        left[..., 0], left[..., 1] = np.matmul(x, dw.a.T).T, 1
        right[..., 0, :], right[..., 1, :] = dw.b, db
        return np.matmul(left, right, out=out)
    if dw is ZERO:
        out[...] = 0
    else:
        np.matmul(x, dw, out=out)
    if db is not ZERO:
        out += row_tangent(db, 2)
    return out
