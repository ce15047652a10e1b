"""Arrays as layers: one that is learned, and a table of positions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..backend import Array, like
from ..dual import primal
from ..errors import ShapeError
from ..outer_product import OuterProduct
from ..random import Rng
from ..zero import ZERO
from .affine import add_row_tangent
from .layer import Layer
from .setting_checks import checked
from .types import Input, Parameters, Pulled, Pushed, Shape, Shapes, Tangent, Tangents


class Parameter(Layer):
    """y = value ;  dy = dvalue ;  dvalue = ȳ, whatever the input: a learned array in a container of one's own.

    Parameters
    ----------
    shape : int or tuple of int
    start : number, array of that shape, or function
        The first value; a function is called as ``start(rng, shape, dtype)``.

    Notes
    -----
    What torch's ``nn.Parameter`` is to a module: a scale, a learned token. It is named ``value``; the child "scale" of
    a container has the parameter ``scale.value``. The rules of the container come from the engine, as here.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> class Scaled(dg.nn.Sequential):
    ...     def __init__(self):
    ...         super().__init__(dg.nn.Linear(3, 2), dg.nn.Parameter(2, start=0.5))
    ...     def forward(self, p, x):
    ...         return self.call("forward", "0", p, x) * self.call("forward", "1", p, x)
    >>> model = Scaled()
    >>> params, x = model.init(rng=0), np.ones((4, 3), np.float32)
    >>> params["1.value"]
    array([0.5, 0.5], dtype=float32)
    >>> dg.jvp(lambda p: model(p, x), (params,), (params,))[1].shape
    (4, 2)
    """

    lead = True

    @checked
    def __init__(self, shape: int | tuple[int, ...], start: ArrayLike | Callable[[Rng, Shape, DTypeLike], Array] = 0.0):
        self.shape: tuple[int, ...] = shape if isinstance(shape, tuple) else (shape,)
        self.start: Any = start
        try:
            kind = np.asarray(start).dtype.kind
        except ValueError:  # lists of several lengths
            kind = "O"
        fits = kind in "iuf" and np.shape(start) in ((), self.shape) and np.all(np.isfinite(start))
        if not fits and (isinstance(start, type) or not callable(start)):
            raise ValueError(
                f"got start={start!r}; expected a finite number, an array of shape {self.shape}, or a function"
            )

    def shapes(self) -> Shapes:
        return {"value": self.shape}

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return np.asarray(self.start(rng, shape, dtype) if callable(self.start) else np.full(shape, self.start, dtype))

    def forward(self, p: Parameters, x: Input) -> Array:
        return p["value"] + 0

    def jvp(self, p: Parameters, x: Input, dp: Tangents, dx: Tangent) -> Pushed:
        d = dp["value"]
        return p["value"] + 0, d.dense() if isinstance(d, OuterProduct) else d

    def vjp(self, p: Parameters, x: Input) -> Pulled:
        return p["value"] + 0, lambda dy: ({"value": dy}, np.zeros_like(x))


class PositionalEmbedding(Layer):
    """y = x + W[:L] over the last two axes ;  dy = dx + dW[:L] ;  (dW[:L], dx) = (Σ ȳ, ȳ).

    Parameters
    ----------
    max_len, embedding_dim : int
        Sequences ``(..., L, embedding_dim)`` with L up to max_len.
    learned : bool
        ``weight`` ``(max_len, embedding_dim)`` starts normal of deviation 0.02. If not, W is fixed: sin(t ω_k) and
        cos(t ω_k) in turn, ω_k = 10000^(-2k / embedding_dim) (Vaswani et al. 2017).

    Raises
    ------
    ShapeError
        For a longer sequence, or another number of features.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.PositionalEmbedding(10, 4, learned=False)
    >>> np.round(layer({}, np.zeros((2, 4))), 3) + 0.0
    array([[0.   , 1.   , 0.   , 1.   ],
           [0.841, 0.54 , 0.01 , 1.   ]])
    """

    lead = True

    @checked
    def __init__(self, max_len: int, embedding_dim: int, learned: bool = True):
        self.max_len, self.embedding_dim, self.learned = max_len, embedding_dim, learned

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.max_len}, {self.embedding_dim}{'' if self.learned else ', learned=False'})"

    def shapes(self) -> Shapes:
        return {"weight": (self.max_len, self.embedding_dim)} if self.learned else {}

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return (0.02 * rng.normal(shape)).astype(dtype)

    def _length(self, x):
        shape = np.shape(x)
        if len(shape) < 2 or shape[-1] != self.embedding_dim or shape[-2] > self.max_len:
            expected = f"(..., L, {self.embedding_dim}) with L up to {self.max_len}"
            raise ShapeError(f"{self!r} got an input of shape {shape}; expected {expected}")
        return shape[-2]

    def _waves(self, x):
        """The fixed table, beside x."""
        v, k = primal(x), np.arange(self.embedding_dim)
        angle = np.arange(x.shape[-2])[:, None] * 10000.0 ** (-(k - k % 2) / self.embedding_dim)
        return like(np.where(k % 2, np.cos(angle), np.sin(angle)).astype(v.dtype), v)

    def forward(self, p: Parameters, x: Array) -> Array:
        length = self._length(x)
        return x + (p["weight"][:length] if self.learned else self._waves(x))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        y, dw = PositionalEmbedding.forward(self, p, x), dp.get("weight", ZERO)
        if dw is ZERO:
            return y, dx
        dw = dw.dense() if isinstance(dw, OuterProduct) else dw
        dy = add_row_tangent(dx, dw[..., : x.shape[-2], :], x.shape[:-2], 2)
        return y, dy + primal(y).dtype.type(0)  # in the wider precision of both

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        def pullback(dy):
            if not self.learned:
                return {}, dy
            seen = np.sum(dy, axis=tuple(range(dy.ndim - 2)))
            rest = np.zeros_like(seen, shape=(self.max_len - len(seen), self.embedding_dim))
            return {"weight": np.concatenate([seen, rest])}, dy

        return PositionalEmbedding.forward(self, p, x), pullback
