"""Layers with a matrix that is not multiplied by the input alone: a table, and a product of two inputs."""

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array
from ..dual import primal
from ..errors import ShapeError
from ..outer_product import OuterProduct
from ..random import Rng
from ..zero import ZERO
from .affine import add_row_tangent, as_matrix, outer_sum, row_sum
from .initial import uniform_fan_in
from .layer import Layer
from .setting_checks import checked
from .tangents import leading
from .types import Parameters, Pulled, Pushed, Shape, Shapes, Tangent, Tangents


class Embedding(Layer):
    """y = W[x] ;  dy = dW[x] ;  dW = Σ ȳ at the rows x. The input is whole numbers and has no tangent.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    padding_idx : int, optional
        A row that starts at 0 and stays as it is: it has no tangent and no gradient.

    Notes
    -----
    ``weight`` is ``(num_embeddings, embedding_dim)`` and starts normal, as in torch. (There the row of ``padding_idx``
    has no gradient, but a tangent in forward mode.)

    Raises
    ------
    TypeError
        For an input that is not of integers.
    ValueError
        For an index out of range.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> table = {"weight": np.array([[1.0, 2.0], [3.0, 4.0]])}
    >>> dg.nn.Embedding(2, 2)(table, np.array([1, 1, 0]))
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """

    integers = True
    lead = True

    @checked
    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None):
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx: int | None = (
            None if padding_idx is None else _row_of("padding_idx", padding_idx, num_embeddings)
        )

    def __repr__(self) -> str:
        still = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{type(self).__name__}({self.num_embeddings}, {self.embedding_dim}{still})"

    def shapes(self) -> Shapes:
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        weight = rng.normal(shape, dtype=dtype)
        if self.padding_idx is not None:
            weight[self.padding_idx] = 0
        return weight

    def _check(self, x):
        if getattr(x, "dtype", np.dtype(object)).kind not in "iu":
            raise TypeError(f"{self!r} got an input of {getattr(x, 'dtype', type(x).__name__)}; expected integers")
        if x.__class__ is np.ndarray and x.size and not (x.min() >= 0 and x.max() < self.num_embeddings):
            raise ValueError(f"{self!r} got indices {x.min()} to {x.max()}; expected 0 to {self.num_embeddings - 1}")

    def _kept_still(self, x, still, d):
        """What is looked up, with ``still`` where x is the row that does not move."""
        return d if self.padding_idx is None else np.where(np.expand_dims(x == self.padding_idx, -1), still, d)

    def forward(self, p: Parameters, x: Array) -> Array:
        self._check(x)
        w = p["weight"]
        y = np.take(w, x, axis=0)
        return y if self.padding_idx is None or primal(w) is w else self._kept_still(x, primal(w)[self.padding_idx], y)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        y, dw = Embedding.forward(self, p, x), dp["weight"]
        if dw is ZERO:
            return y, ZERO
        if isinstance(dw, OuterProduct):
            dy = dw.a[..., x, None] * np.reshape(dw.b, (*dw.b.shape[:-1], *(1,) * x.ndim, -1))
        else:
            dy = np.take(dw, x, axis=-2)
        return y, self._kept_still(x, 0, dy)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        def pullback(dy):
            dw = np.zeros_like(dy, shape=(self.num_embeddings, self.embedding_dim))
            np.add.at(dw, np.reshape(x, -1), np.reshape(self._kept_still(x, 0, dy), (-1, self.embedding_dim)))
            return {"weight": dw}, ZERO

        return Embedding.forward(self, p, x), pullback


def _row_of(name, value, count):
    """The number of a row, counted from the end where it is negative."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not -count <= value < count:
        raise ValueError(f"got {name}={value!r}; expected a whole number from {-count} to {count - 1}")
    return int(value) % count


class Bilinear(Layer):
    """y = u W v + b, x = (u, v) ;  dy = du W v + u W dv + u dW v + db ;  (dW, db, du, dv) = (u v ȳ, Σ ȳ, W v ȳ, u W ȳ).

    Parameters
    ----------
    in1_features, in2_features, out_features : int
    bias : bool

    Notes
    -----
    The two inputs stand side by side in the last axis, as `Parallel` puts them. ``weight`` is ``(in1, in2, out)``:
    the outer product of u and v, as a row, times a matrix.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> p = {"weight": np.ones((2, 1, 1)), "bias": np.zeros(1)}
    >>> dg.nn.Bilinear(2, 1, 1)(p, np.array([[1.0, 2.0, 10.0]]))
    array([[30.]])
    """

    lead = True

    @checked
    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True):
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.bias = bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in1_features}, {self.in2_features}, {self.out_features})"

    def shapes(self) -> Shapes:
        weight = {"weight": (self.in1_features, self.in2_features, self.out_features)}
        return weight | ({"bias": (self.out_features,)} if self.bias else {})

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return uniform_fan_in(rng, shape, dtype, self.in1_features)

    def _inputs(self, x):
        if np.ndim(x) == 0 or x.shape[-1] != self.in1_features + self.in2_features:
            expected = f"(..., {self.in1_features} + {self.in2_features})"
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected {expected}")
        return x[..., : self.in1_features], x[..., self.in1_features :]

    def _rows(self, u, v):
        """The outer products, one a row."""
        outer = u[..., :, None] * v[..., None, :]
        return np.reshape(outer, (-1, self.in1_features * self.in2_features))

    def _matrix(self, w):
        if w is ZERO:
            return ZERO
        if isinstance(w, OuterProduct):
            return OuterProduct(w.a, w.b)
        return np.reshape(w, (*w.shape[:-3], self.in1_features * self.in2_features, self.out_features))

    def forward(self, p: Parameters, x: Array) -> Array:
        y = np.matmul(self._rows(*self._inputs(x)), self._matrix(p["weight"]))
        y = np.reshape(y, (*x.shape[:-1], self.out_features))
        return y + p["bias"] if self.bias else y

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        u, v = self._inputs(x)
        y, dy, shape = Bilinear.forward(self, p, x), ZERO, (*x.shape[:-1], self.out_features)
        if dx is not ZERO:
            du, dv = dx[..., : self.in1_features], dx[..., self.in1_features :]
            rows = np.matmul(self._rows(du, v) + self._rows(u, dv), self._matrix(p["weight"]))
            dy = np.reshape(rows, leading(dx, x.ndim) + shape)
        if dp["weight"] is not ZERO:
            rows = np.matmul(self._rows(u, v), self._matrix(dp["weight"]))
            dy = dy + np.reshape(rows, rows.shape[:-2] + shape)
        return y, add_row_tangent(dy, dp.get("bias", ZERO), x.shape[:-1])

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        u, v = self._inputs(x)

        def pullback(dy):
            dp = {"weight": np.reshape(outer_sum(self._rows(u, v), dy), self.shapes()["weight"])}
            if self.bias:
                dp["bias"] = row_sum(dy)
            outer = np.matmul(as_matrix(dy), np.transpose(self._matrix(p["weight"])))
            outer = np.reshape(outer, (*x.shape[:-1], self.in1_features, self.in2_features))
            du = np.sum(outer * v[..., None, :], axis=-1)
            return dp, np.concatenate([du, np.sum(outer * u[..., :, None], axis=-2)], axis=-1)

        return Bilinear.forward(self, p, x), pullback
