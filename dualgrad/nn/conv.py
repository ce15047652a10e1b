"""Convolutions: every patch of the input times one matrix, and the transpose of that."""

import math

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array
from ..errors import ShapeError
from ..outer_product import OuterProduct
from ..random import Rng
from ..scratch import empty
from ..zero import ZERO
from .affine import add_row_tangent, row_sum, row_tangent
from .borders import Border
from .initial import uniform_fan_in
from .joint import empty_joint, on_host
from .layer import Layer
from .patches import Patches, PerAxis
from .setting_checks import checked
from .tangents import leading, shared_lead
from .types import Parameters, Pulled, Pushed, Shape, Shapes, Tangent, Tangents

PATCHES_AT_ONCE = 1024  # patches laid out at a time


def _is_dual(d):
    """Whether a tangent is no plain array, in factors or not."""
    return not on_host(d.a, d.b) if isinstance(d, OuterProduct) else not on_host(d)


class Convolution(Layer):
    """What the convolutions share: settings, checks, and products by groups of channels."""

    @checked
    def __init__(
        self, n: int, in_channels: int, out_channels: int, kernel_size: PerAxis, stride: PerAxis,
        padding: PerAxis | str, dilation: PerAxis, groups: int, bias: bool, padding_mode: Border = "zeros",
    ):  # fmt: skip
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"got in_channels={in_channels}, out_channels={out_channels} and groups={groups}; expected groups that "
                "divide both"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.groups = groups
        self.bias = bias
        self.patches: Patches = Patches(n, kernel_size, stride, padding, dilation, padding_mode)

    def __repr__(self) -> str:
        w, short = self.patches, lambda v: v[0] if len(set(v)) == 1 else v
        settings = {
            "stride": (short(w.stride), 1),
            "padding": (short(w.padding) if w.after == w.padding else "same", 0),
            "dilation": (short(w.dilation), 1),
        }
        settings |= {"groups": (self.groups, 1), "bias": (self.bias, True), "padding_mode": (w.border, "zeros")}
        given = "".join(f", {name}={value!r}" for name, (value, default) in settings.items() if value != default)
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, {short(w.size)}{given})"

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return uniform_fan_in(rng, shape, dtype, self.fan_in)

    def _check(self, x):
        n = self.patches.n
        if np.ndim(x) != n + 2 or x.shape[-1] != self.in_channels:
            axes = ", ".join(("B", "H", "W")[: n + 1] if n == 2 else ("B", "L"))
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected ({axes}, {self.in_channels})")

    def _plus_bias(self, y, p):
        return y + p["bias"] if self.bias else y

    def _bias_tangent(self, dp, y, dy):
        return add_row_tangent(dy, dp.get("bias", ZERO), y.shape[:-1])


class _Conv(Convolution):
    lead = True

    def shapes(self) -> Shapes:
        kernel = (*self.patches.size, self.in_channels // self.groups, self.out_channels)
        return {"weight": kernel} | ({"bias": (self.out_channels,)} if self.bias else {})

    @property
    def fan_in(self) -> int:
        return math.prod(self.patches.size) * self.in_channels // self.groups

    def _columns(self, x):
        """The patches as rows, ``(rows, k c)``, or ``(g, rows, k c / g)`` by groups."""
        w, size = self.patches.unfold(x), math.prod(self.patches.size)
        if self.groups == 1:
            return np.reshape(w, (-1, size * self.in_channels))
        w = np.reshape(w, (-1, size, self.groups, self.in_channels // self.groups))
        return np.reshape(np.moveaxis(w, 2, 0), (self.groups, -1, self.fan_in))

    def _matrix(self, weight):
        """The kernel as the matrix, or the matrices by groups, that columns are multiplied by."""
        if weight is ZERO:
            return ZERO
        if isinstance(weight, OuterProduct) and self.groups == 1:
            return OuterProduct(weight.a, weight.b)
        lead = weight.shape[: -self.patches.n - 2]
        if self.groups == 1:
            return np.reshape(weight, (*lead, self.fan_in, self.out_channels))
        w = np.reshape(weight, (*lead, self.fan_in, self.groups, self.out_channels // self.groups))
        return np.moveaxis(w, -2, -3)

    def _image(self, rows, shape):
        """Products of columns as an image: groups side by side in the channels again."""
        if self.groups > 1:
            rows = np.moveaxis(rows, -3, -2)
        return np.reshape(rows, shape)

    def forward(self, p: Parameters, x: Array) -> Array:
        self._check(x)
        shape = (len(x), *self.patches.outputs(x.shape[1:-1], self), self.out_channels)
        if self.groups == 1 and on_host(x, *p.values()):
            y = np.empty(shape, np.result_type(x, p["weight"]))
            for place, columns in self._blocks(x):
                np.matmul(columns, self._matrix(p["weight"]), out=y[place].reshape(-1, self.out_channels))
            return self._plus_bias(y, p)
        return self._plus_bias(self._image(np.matmul(self._columns(x), self._matrix(p["weight"])), shape), p)

    def _blocks(self, x):
        """The patches of a few examples at a time, as rows in a buffer that stays in cache, and their places."""
        views = self.patches.unfold(x)
        count = max(1, PATCHES_AT_ONCE // max(math.prod(views.shape[1 : -1 - self.patches.n]), 1))
        buffer = empty((count, *views.shape[1:]), x.dtype)
        for start in range(0, len(x), count):
            block = views[start : start + count]
            rows = buffer[: len(block)]
            rows[...] = block
            yield slice(start, start + len(block)), rows.reshape(-1, self.fan_in)

    def _fast_jvp(self, p, x, dp, dx, shape):
        """The same block by block, value and tangents into one joint buffer."""
        dmatrix, db = self._matrix(dp["weight"]), dp.get("bias", ZERO)
        lead = shared_lead((dx, x.ndim), (dmatrix, 2), (db, 1))
        if lead is None:
            return _Conv.forward(self, p, x), ZERO
        matrix, wide = self._matrix(p["weight"]), (-1, self.out_channels)
        _, y, dy = empty_joint(lead, shape, np.result_type(x, matrix))
        if dx is ZERO:
            dy[...] = 0
        else:
            images = dy.reshape(-1, *shape[1:])
            for place, columns in self._blocks(dx.reshape(-1, *x.shape[1:])):
                np.matmul(columns, matrix, out=images[place].reshape(wide))
        for place, columns in self._blocks(x):
            np.matmul(columns, matrix, out=y[place].reshape(wide))
            if dmatrix is not ZERO:
                dy[..., place, *(slice(None),) * (x.ndim - 1)] += np.reshape(
                    np.matmul(columns, dmatrix), lead + y[place].shape
                )
        if self.bias:
            y += p["bias"]
        if db is not ZERO:
            dy += row_tangent(db, x.ndim)
        return y, dy

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        self._check(x)
        shape = (len(x), *self.patches.outputs(x.shape[1:-1], self), self.out_channels)
        if self.groups == 1 and on_host(x, dx, *p.values()) and not any(map(_is_dual, dp.values())):
            return self._fast_jvp(p, x, dp, dx, shape)
        columns, matrix, dmatrix = self._columns(x), self._matrix(p["weight"]), self._matrix(dp["weight"])
        y, dy = self._plus_bias(self._image(np.matmul(columns, matrix), shape), p), ZERO
        if dx is not ZERO:
            dy = self._image(np.matmul(self._columns(dx), matrix), leading(dx, x.ndim) + shape)
        if dmatrix is not ZERO:
            product = np.matmul(columns, dmatrix)
            dy = dy + self._image(product, leading(product, columns.ndim) + shape)
        return y, self._bias_tangent(dp, y, dy)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        self._check(x)
        w, matrix = self.patches, self._matrix(p["weight"])
        shape = (len(x), *w.outputs(x.shape[1:-1], self), self.out_channels)
        columns = self._columns(x)

        def pullback(dy):
            rows = np.reshape(dy, (-1, self.out_channels))
            if self.groups > 1:
                rows = np.moveaxis(np.reshape(rows, (-1, self.groups, self.out_channels // self.groups)), 1, 0)
            dw = np.matmul(np.swapaxes(columns, -1, -2), rows)
            dcolumns = np.matmul(rows, np.swapaxes(matrix, -1, -2))
            if self.groups > 1:
                dw = np.moveaxis(dw, 0, 1)
                dcolumns = np.reshape(dcolumns, (self.groups, -1, math.prod(w.size), self.in_channels // self.groups))
                dcolumns = np.moveaxis(dcolumns, 0, 2)
            dp = {"weight": np.reshape(dw, self.shapes()["weight"])}
            if self.bias:
                dp["bias"] = row_sum(dy)
            patches = np.reshape(dcolumns, (*shape[:-1], *w.size, self.in_channels))
            return dp, w.fold(patches, x.shape[1:-1])

        return self._plus_bias(self._image(np.matmul(columns, matrix), shape), p), pullback


class Conv2d(_Conv):
    """y = patches(x) W + b ;  dy = patches(dx) W + patches(x) dW + db ;  (dW, dx) = (patches(x)ᵀ ȳ, patchesᵀ(ȳ Wᵀ)).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or pair of int
        ``padding`` may be "same" or "valid".
    groups : int
        The channels fall into so many groups that do not see each other.
    bias : bool
    padding_mode : "zeros", "reflect", "replicate" or "circular"
        What stands in the padding: zeros, or the input mirrored at its outermost entries, those repeated, or the input
        from its other end.

    Notes
    -----
    Images are ``(B, H, W, C)``, the ``weight`` is ``(kh, kw, in / groups, out)``; both parameters start uniform on
    ±1/√(kh kw in / groups), as in torch. Cost: the patches are laid out once, for value and tangent alike; then one
    product forward, three for a dense tangent, and 1 + 1/out with an `OuterProduct` tangent of the weight and no
    ``dx``.

    Raises
    ------
    ShapeError
        For another rank or number of channels, when the window is larger than the padded input, and when the padding
        is wider than what it mirrors or repeats.
    ValueError
        When groups do not divide the channels.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.Conv2d(3, 8, 3, stride=2, padding=1)
    >>> layer(layer.init(rng=0), np.zeros((5, 28, 28, 3), np.float32)).shape
    (5, 14, 14, 8)
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: PerAxis, stride: PerAxis = 1,
        padding: PerAxis | str = 0, dilation: PerAxis = 1, groups: int = 1, bias: bool = True,
        padding_mode: Border = "zeros",
    ):  # fmt: skip
        super().__init__(
            2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode
        )


class Conv1d(_Conv):
    """y = patches(x) W + b ;  dy = patches(dx) W + patches(x) dW + db ;  (dW, dx) = (patches(x)ᵀ ȳ, patchesᵀ(ȳ Wᵀ)).

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode
        As in `Conv2d`, along one axis.

    Notes
    -----
    Signals are ``(B, L, C)``, the ``weight`` is ``(k, in / groups, out)``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.Conv1d(2, 4, 5, dilation=2)
    >>> layer(layer.init(rng=0), np.zeros((3, 20, 2), np.float32)).shape
    (3, 12, 4)
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: PerAxis, stride: PerAxis = 1,
        padding: PerAxis | str = 0, dilation: PerAxis = 1, groups: int = 1, bias: bool = True,
        padding_mode: Border = "zeros",
    ):  # fmt: skip
        super().__init__(
            1, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode
        )
