"""Convolutions: every patch of the input times one matrix, and the transpose of that."""

import math

import numpy as np

from ..errors import ShapeError
from ..lowrank import LowRank
from ..scratch import empty
from ..zero import ZERO
from .initial import uniform_fan_in
from .joint import empty_joint, on_host
from .layer import Layer
from .patches import Patches, pair
from .rows import add_row_tangent, row_sum, row_tangent
from .settings import checked
from .tangents import leading, shared_lead

ROWS = 1024  # patches laid out at a time


def _is_dual(d):
    """Whether a tangent is no plain array, in factors or not."""
    return not on_host(d.a, d.b) if isinstance(d, LowRank) else not on_host(d)


class _Convolution(Layer):
    """What the convolutions share: settings, checks, and products by groups of channels."""

    @checked
    def __init__(self, n, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias):
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"got in_channels={in_channels}, out_channels={out_channels} and groups={groups}; expected groups that "
                "divide both"
            )
        self.in_channels, self.out_channels, self.groups, self.bias = in_channels, out_channels, groups, bias
        self.patches = Patches(n, kernel_size, stride, padding, dilation)

    def __repr__(self):
        w, short = self.patches, lambda v: v[0] if len(set(v)) == 1 else v
        settings = {
            "stride": (short(w.stride), 1),
            "padding": (short(w.padding), 0),
            "dilation": (short(w.dilation), 1),
        }
        settings |= {"groups": (self.groups, 1), "bias": (self.bias, True)}
        given = "".join(f", {name}={value!r}" for name, (value, default) in settings.items() if value != default)
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, {short(w.size)}{given})"

    def initial(self, name, shape, rng, dtype):
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


class _Conv(_Convolution):
    lead = True

    def shapes(self):
        kernel = (*self.patches.size, self.in_channels // self.groups, self.out_channels)
        return {"weight": kernel} | ({"bias": (self.out_channels,)} if self.bias else {})

    @property
    def fan_in(self):
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
        if isinstance(weight, LowRank) and self.groups == 1:
            return LowRank(weight.a, weight.b)
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

    def forward(self, p, x):
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
        count = max(1, ROWS // max(math.prod(views.shape[1 : -1 - self.patches.n]), 1))
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

    def jvp(self, p, x, dp, dx):
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

    def vjp(self, p, x):
        self._check(x)
        w, columns, matrix = self.patches, self._columns(x), self._matrix(p["weight"])
        shape = (len(x), *w.outputs(x.shape[1:-1], self), self.out_channels)

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

    Notes
    -----
    Images are ``(B, H, W, C)``, the ``weight`` is ``(kh, kw, in / groups, out)``; both parameters start uniform on
    ±1/√(kh kw in / groups), as in torch. Cost: the patches are laid out once, for value and tangent alike; then one
    product forward, three for a dense tangent, and 1 + 1/out with a `LowRank` tangent of the weight and no ``dx``.

    Raises
    ------
    ShapeError
        For another rank or number of channels, and when the window is larger than the padded input.
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
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True
    ):  # fmt: skip
        super().__init__(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)


class Conv1d(_Conv):
    """y = patches(x) W + b ;  dy = patches(dx) W + patches(x) dW + db ;  (dW, dx) = (patches(x)ᵀ ȳ, patchesᵀ(ȳ Wᵀ)).

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
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
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True
    ):  # fmt: skip
        super().__init__(1, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)


class ConvTranspose2d(_Convolution):
    """y = patchesᵀ(x W) + b ;  dy = patchesᵀ(dx W + x dW) + db ;  (dW, dx) = (xᵀ patches(ȳ), patches(ȳ) Wᵀ).

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, groups, bias, dilation
        Those of the convolution whose transpose this is.
    output_padding : int or pair of int
        Rows and columns to add at the end of the output, where the stride leaves its size open.

    Notes
    -----
    The ``weight`` is ``(kh, kw, in, out / groups)``. A `LowRank` tangent of it is made dense.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1)
    >>> layer(layer.init(rng=0), np.zeros((5, 14, 14, 8), np.float32)).shape
    (5, 28, 28, 3)
    """

    lead = True

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
        dilation=1,
    ):  # fmt: skip
        super().__init__(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.output_padding, w = pair(output_padding, 2, "output_padding", 0), self.patches
        if any(o >= max(t, d) for o, t, d in zip(self.output_padding, w.stride, w.dilation, strict=True)):
            raise ValueError(f"got output_padding={output_padding!r}; expected less than the stride or the dilation")

    def shapes(self):
        kernel = (*self.patches.size, self.in_channels, self.out_channels // self.groups)
        return {"weight": kernel} | ({"bias": (self.out_channels,)} if self.bias else {})

    @property
    def fan_in(self):
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
        w = np.moveaxis(weight + 0 if isinstance(weight, LowRank) else weight, -2, len(lead))
        return np.reshape(w, (*lead, self.groups, self.in_channels // self.groups, self.fan_in))

    def _sum(self, product, lead, x):
        """The products ``(..., g, rows, kh kw out / g)`` as patches, summed into the output."""
        w = self.patches
        shape = (*lead, self.groups, *x.shape[:-1], *w.size, self.out_channels // self.groups)
        patches = np.moveaxis(np.reshape(product, shape), len(lead), -2)
        return w.fold(np.reshape(patches, (*lead, *x.shape[:-1], *w.size, self.out_channels)), self._spatial(x))

    def forward(self, p, x):
        self._check(x)
        return self._plus_bias(self._sum(np.matmul(self._rows(x), self._matrix(p["weight"])), (), x), p)

    def jvp(self, p, x, dp, dx):
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

    def vjp(self, p, x):
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
