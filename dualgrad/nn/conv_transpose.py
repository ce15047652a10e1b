"""The transposes of convolutions: patches made of every pixel, and summed."""

import math

import numpy as np

from ..backend import Array
from ..errors import ShapeError
from ..outer_product import OuterProduct
from ..zero import ZERO
from .affine import row_sum
from .conv import Convolution
from .patches import PerAxis, pair
from .tangents import leading
from .types import Parameters, Pulled, Pushed, Shape, Shapes, Tangent, Tangents


class ConvTranspose2d(Convolution):
    """y = patchesᵀ(x W) + b ;  dy = patchesᵀ(dx W + x dW) + db ;  (dW, dx) = (xᵀ patches(ȳ), patches(ȳ) Wᵀ).

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, groups, bias, dilation
        Those of the convolution whose transpose this is.
    output_padding : int or pair of int
        Rows and columns to add at the end of the output, where the stride leaves its size open.

    Notes
    -----
    The ``weight`` is ``(kh, kw, in, out / groups)``. A `OuterProduct` tangent of it is made dense.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1)
    >>> layer(layer.init(rng=0), np.zeros((5, 14, 14, 8), np.float32)).shape
    (5, 28, 28, 3)
    """

    lead = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: PerAxis, stride: PerAxis = 1,
        padding: PerAxis | str = 0, output_padding: PerAxis = 0, groups: int = 1, bias: bool = True,
        dilation: PerAxis = 1,
    ):  # fmt: skip
        super().__init__(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.output_padding: Shape = pair(output_padding, 2, "output_padding", 0)
        w = self.patches
        if w.after != w.padding:
            raise ValueError(f"got padding={padding!r} and an even kernel_size={kernel_size!r}; expected numbers")
        if any(o >= max(t, d) for o, t, d in zip(self.output_padding, w.stride, w.dilation, strict=True)):
            raise ValueError(f"got output_padding={output_padding!r}; expected less than the stride or the dilation")

    def shapes(self) -> Shapes:
        kernel = (*self.patches.size, self.in_channels, self.out_channels // self.groups)
        return {"weight": kernel} | ({"bias": (self.out_channels,)} if self.bias else {})

    @property
    def fan_in(self) -> int:
        return math.prod(self.patches.size) * self.out_channels // self.groups

    def _spatial(self, x):
        """The size of the output."""
        w = self.patches
        sizes = zip(x.shape[1:-1], w.stride, w.padding, w.span, self.output_padding, strict=True)
        sizes = tuple((h - 1) * t - 2 * q + s + o for h, t, q, s, o in sizes)
        if min(*sizes, *x.shape[1:-1]) < 1:
            raise ShapeError(f"{self!r} got an input of shape {x.shape}: its output would be of size {sizes}")
        return sizes

    def _rows(self, x):
        """Pixels by groups, ``(g, rows, in / g)``."""
        return np.moveaxis(np.reshape(x, (-1, self.groups, self.in_channels // self.groups)), 1, 0)

    def _matrix(self, weight):
        """The kernel by groups, ``(..., g, in / g, kh kw out / g)``."""
        lead = weight.shape[:-4]
        w = np.moveaxis(weight + 0 if isinstance(weight, OuterProduct) else weight, -2, len(lead))
        return np.reshape(w, (*lead, self.groups, self.in_channels // self.groups, self.fan_in))

    def _sum(self, product, lead, x):
        """The products ``(..., g, rows, kh kw out / g)`` as patches, summed into the output."""
        w = self.patches
        shape = (*lead, self.groups, *x.shape[:-1], *w.size, self.out_channels // self.groups)
        patches = np.moveaxis(np.reshape(product, shape), len(lead), -2)
        return w.fold(np.reshape(patches, (*lead, *x.shape[:-1], *w.size, self.out_channels)), self._spatial(x))

    def forward(self, p: Parameters, x: Array) -> Array:
        self._check(x)
        return self._plus_bias(self._sum(np.matmul(self._rows(x), self._matrix(p["weight"])), (), x), p)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        self._check(x)
        rows, matrix, dw = self._rows(x), self._matrix(p["weight"]), dp["weight"]
        y, dy = self._plus_bias(self._sum(np.matmul(rows, matrix), (), x), p), ZERO
        if dx is not ZERO:
            lead = leading(dx, x.ndim)
            product = np.matmul(self._rows(dx), matrix)
            shape = self.groups, *lead, rows.shape[1], self.fan_in
            product = np.moveaxis(np.reshape(product, shape), 0, len(lead))
            dy = self._sum(product, lead, x)
        if dw is not ZERO:
            product = np.matmul(rows, self._matrix(dw))
            dy = dy + self._sum(product, product.shape[:-3], x)
        return y, self._bias_tangent(dp, y, dy)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        self._check(x)
        w, rows, matrix, channels = self.patches, self._rows(x), self._matrix(p["weight"]), self.out_channels

        def pullback(dy):
            count = w.outputs(dy.shape[1:-1])  # one more than x has, where output_padding leaves room
            patches = w.unfold(dy)[:, : x.shape[1], : x.shape[2]] if count != x.shape[1:-1] else w.unfold(dy)
            shape = (-1, math.prod(w.size), self.groups, channels // self.groups)
            columns = np.reshape(np.moveaxis(np.reshape(patches, shape), 2, 0), (self.groups, -1, self.fan_in))
            dw = np.matmul(np.swapaxes(rows, -1, -2), columns)
            dw = np.reshape(dw, (self.in_channels, *w.size, channels // self.groups))
            dp = {"weight": np.moveaxis(dw, 0, -2)} | ({"bias": row_sum(dy)} if self.bias else {})
            dx = np.moveaxis(np.matmul(columns, np.swapaxes(matrix, -1, -2)), 0, 1)
            return dp, np.reshape(dx, x.shape)

        return self._plus_bias(self._sum(np.matmul(rows, matrix), (), x), p), pullback
