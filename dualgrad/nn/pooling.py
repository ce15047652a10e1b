"""Pooling: the largest entry or the mean of every window."""

import functools

import numpy as np

from ..backend import Array
from ..dual import primal
from ..errors import ShapeError
from ..zero import ZERO
from .joint import on_host
from .layer import Layer
from .patches import Patches, PerAxis
from .types import Parameters, Pulled, Pushed, Tangent, Tangents


class _Pooling(Layer):
    def __init__(self, kernel_size: PerAxis, stride: PerAxis | None, padding: PerAxis | str, dilation: PerAxis):
        self.patches: Patches = Patches(2, kernel_size, kernel_size if stride is None else stride, padding, dilation)
        if any(2 * p > s for p, s in zip(self.patches.padding, self.patches.span, strict=True)):
            raise ValueError(f"got padding={self.patches.padding}; expected at most half of the window")

    def __repr__(self) -> str:
        w, short = self.patches, lambda v: v[0] if len(set(v)) == 1 else v
        settings = {"stride": (w.stride, w.size), "padding": (w.padding, (0, 0)), "dilation": (w.dilation, (1, 1))}
        given = "".join(f", {name}={short(value)!r}" for name, (value, default) in settings.items() if value != default)
        return f"{type(self).__name__}({short(w.size)}{given})"

    def _check(self, x):
        if np.ndim(x) != 4:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (B, H, W, C)")
        return self.patches.outputs(x.shape[1:-1], self)


class MaxPool2d(_Pooling):
    """y = max over the window ;  dy = Σ_k w_k dx_k ;  dx_k = w_k ȳ, with w_k = 1 where the maximum stands.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int or pair of int
        The stride is the kernel size where it is not given.

    Notes
    -----
    Ties share: m equal entries have w_k = 1/m each. torch gives all to one of them.

    Raises
    ------
    ShapeError
        For another rank, and when the window is larger than the padded input.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.MaxPool2d(2)({}, np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    lead = True

    def __init__(
        self, kernel_size: PerAxis, stride: PerAxis | None = None, padding: PerAxis | str = 0, dilation: PerAxis = 1
    ):
        super().__init__(kernel_size, stride, padding, dilation)

    def forward(self, p: Parameters, x: Array) -> Array:
        count = self._check(x)
        if on_host(x):
            return functools.reduce(np.maximum, self.patches.slices(self.patches.pad(x, -np.inf), count))
        return np.max(self.patches.unfold(x, -np.inf), axis=(-3, -2))

    def _shares(self, x, count):
        """The maximum, and w_k for every place in the window."""
        slices = list(self.patches.slices(self.patches.pad(primal(x), -np.inf), count))
        top = functools.reduce(np.maximum, slices)
        hits = [s == top for s in slices]
        many = functools.reduce(np.add, [h.astype(np.uint8 if len(hits) < 256 else np.int64) for h in hits])
        if on_host(top) and np.max(many, initial=1) == 1:  # on a device, looking would cost a wait
            return top, hits
        return top, [h / many.astype(top.dtype) for h in hits]

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        count = self._check(x)
        if dx is ZERO:
            return MaxPool2d.forward(self, p, x), ZERO
        top, shares = self._shares(x, count)
        moved = self.patches.slices(self.patches.pad(dx), count)
        dy = functools.reduce(np.add, [w * d for w, d in zip(shares, moved, strict=True)])
        return top if on_host(x) else MaxPool2d.forward(self, p, x), dy

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        _, shares = self._shares(x, self._check(x))

        def pullback(dy):
            parts = np.stack([w * dy for w in shares], -2)
            patches = np.reshape(parts, (*dy.shape[:-1], *self.patches.size, dy.shape[-1]))
            return {}, self.patches.fold(patches, x.shape[1:-1])

        return MaxPool2d.forward(self, p, x), pullback


class AvgPool2d(_Pooling):
    """y = mean over the window ;  dy = mean of dx ;  dx_k = ȳ / size. Zeros of the padding are counted, as in torch.

    Parameters
    ----------
    kernel_size, stride, padding : int or pair of int
        The stride is the kernel size where it is not given.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.AvgPool2d(2)({}, np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    lead = True

    def __init__(self, kernel_size: PerAxis, stride: PerAxis | None = None, padding: PerAxis | str = 0):
        super().__init__(kernel_size, stride, padding, 1)

    def _mean(self, x, count):
        size = self.patches.size[0] * self.patches.size[1]
        return functools.reduce(np.add, self.patches.slices(self.patches.pad(x), count)) / size

    def forward(self, p: Parameters, x: Array) -> Array:
        return self._mean(x, self._check(x))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        return AvgPool2d.forward(self, p, x), ZERO if dx is ZERO else self._mean(dx, self._check(x))

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        def pullback(dy):
            size = self.patches.size
            patches = np.reshape(dy / (size[0] * size[1]), (*dy.shape[:-1], 1, 1, dy.shape[-1]))
            patches = patches + np.zeros_like(patches, shape=(*dy.shape[:-1], *size, dy.shape[-1]))
            return {}, self.patches.fold(patches, x.shape[1:-1])

        return AvgPool2d.forward(self, p, x), pullback


class GlobalAvgPool2d(Layer):
    """y = mean over height and width ;  dy = mean of dx ;  dx = ȳ / (H W).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.GlobalAvgPool2d()({}, np.ones((2, 4, 4, 3))).shape
    (2, 3)
    """

    lead = True

    def forward(self, p: Parameters, x: Array) -> Array:
        if np.ndim(x) != 4 or 0 in x.shape[1:3]:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (B, H, W, C)")
        return np.mean(x, axis=(-3, -2))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        return GlobalAvgPool2d.forward(self, p, x), ZERO if dx is ZERO else np.mean(dx, axis=(-3, -2))

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        def pullback(dy):
            share = np.expand_dims(dy, (-3, -2)) / (x.shape[1] * x.shape[2])
            return {}, share + np.zeros_like(share, shape=x.shape)

        return GlobalAvgPool2d.forward(self, p, x), pullback
