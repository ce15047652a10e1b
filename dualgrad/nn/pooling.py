"""Pooling: the largest entry or the mean of every window."""

import functools
import math

import numpy as np

from ..backend import Array, like
from ..checks import flag, positive_count
from ..dual import primal
from ..errors import ShapeError
from ..zero import ZERO
from .joint import on_host
from .layer import Layer
from .patches import Patches, PerAxis
from .types import Parameters, Pulled, Pushed, Tangent, Tangents

AXES = {1: "(B, L, C)", 2: "(B, H, W, C)"}  # of signals, and of images


def require_places(layer, x, n):
    """Check that x has n spatial axes; their sizes."""
    if np.ndim(x) != n + 2:
        raise ShapeError(f"{layer!r} got an input of shape {np.shape(x)}; expected {AXES[n]}")
    return x.shape[1:-1]


class _Pooling(Layer):
    n: int  # the number of spatial axes

    def __init__(
        self, kernel_size: PerAxis, stride: PerAxis | None, padding: PerAxis | str, dilation: PerAxis, ceil_mode: bool
    ):
        stride = kernel_size if stride is None else stride
        ceil = flag("ceil_mode", ceil_mode)
        self.patches: Patches = Patches(self.n, kernel_size, stride, padding, dilation, ceil=ceil)
        if any(2 * p > s for p, s in zip(self.patches.padding, self.patches.span, strict=True)):
            raise ValueError(f"got padding={self.patches.padding}; expected at most half of the window")

    def __repr__(self) -> str:
        w, short = self.patches, lambda v: v[0] if len(set(v)) == 1 else v
        settings = {
            "stride": (short(w.stride), short(w.size)),
            "padding": (short(w.padding) if w.after == w.padding else "same", 0),
            "dilation": (short(w.dilation), 1),
            "ceil_mode": (w.ceil, False),
        } | self._settings()
        given = "".join(f", {name}={value!r}" for name, (value, default) in settings.items() if value != default)
        return f"{type(self).__name__}({short(w.size)}{given})"

    def _settings(self):
        """More settings, with their defaults."""
        return {}

    def _check(self, x):
        return self.patches.outputs(require_places(self, x, self.n), self)


class _MaxPool(_Pooling):
    lead = True

    def __init__(
        self, kernel_size: PerAxis, stride: PerAxis | None = None, padding: PerAxis | str = 0, dilation: PerAxis = 1,
        *, ceil_mode: bool = False,
    ):  # fmt: skip
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, p: Parameters, x: Array) -> Array:
        count = self._check(x)
        if on_host(x):
            return functools.reduce(np.maximum, self.patches.slices(self.patches.pad(x, -np.inf), count))
        return np.max(self.patches.unfold(x, -np.inf), axis=tuple(range(-1 - self.n, -1)))

    def _shares(self, x, count):
        """The maximum, and w_k for every place in the window."""
        v = primal(x)
        wide = self.patches.pad(v, -np.inf)
        slices = list(self.patches.slices(wide, count))
        top = functools.reduce(np.maximum, slices)
        hits = [s == top for s in slices]
        many = _how_many(hits)
        if on_host(top):  # on a device, looking would cost a wait
            if np.min(many, initial=1) == 0 or wide is not v and np.min(top, initial=0) == -np.inf:
                hits = self._hits_inside(v, slices, top, count)
                many = _how_many(hits)
            if np.max(many, initial=1) == 1:
                return top, hits
        return top, [h / np.maximum(many, 1).astype(top.dtype) for h in hits]

    def _hits_inside(self, x, slices, top, count):
        """Where the maximum stands, a NaN or -∞ among them, but not in the padding."""
        inside = self.patches.slices(self.patches.pad(np.ones_like(x, bool)), count)
        return [((s == top) | (s != s)) & real for s, real in zip(slices, inside, strict=True)]

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        count = self._check(x)
        if dx is ZERO:
            return _MaxPool.forward(self, p, x), ZERO
        top, shares = self._shares(x, count)
        moved = self.patches.slices(self.patches.pad(dx), count)
        dy = functools.reduce(np.add, [w * d for w, d in zip(shares, moved, strict=True)])
        return top if on_host(x) else _MaxPool.forward(self, p, x), dy

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        _, shares = self._shares(x, self._check(x))

        def pullback(dy):
            parts = np.stack([w * dy for w in shares], -2)
            patches = np.reshape(parts, (*dy.shape[:-1], *self.patches.size, dy.shape[-1]))
            return {}, self.patches.fold(patches, x.shape[1:-1])

        return _MaxPool.forward(self, p, x), pullback


def _how_many(hits):
    return functools.reduce(np.add, [h.astype(np.uint8 if len(hits) < 256 else np.int64) for h in hits])


class MaxPool2d(_MaxPool):
    """y = max over the window ;  dy = Σ_k w_k dx_k ;  dx_k = w_k ȳ, with w_k = 1 where the maximum stands.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int or pair of int
        The stride is the kernel size where it is not given.
    ceil_mode : bool
        Whether a last window may reach beyond the padding, where it would otherwise be left out.

    Notes
    -----
    Ties share: m equal entries have w_k = 1/m each, where torch gives all to the first. The padding is -∞, and takes
    no share. Where an entry is NaN, the maximum is NaN and moves with it.

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

    n = 2


class MaxPool1d(_MaxPool):
    """y = max over the window ;  dy = Σ_k w_k dx_k ;  dx_k = w_k ȳ, with w_k = 1 where the maximum stands.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, ceil_mode
        As in `MaxPool2d`, along one axis.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.MaxPool1d(2, ceil_mode=True)({}, np.arange(5.0).reshape(1, 5, 1))[0, :, 0]
    array([1., 3., 4.])
    """

    n = 1


class _AvgPool(_Pooling):
    lead = True
    count_include_pad: bool
    divisor_override: int | None = None

    def _settings(self):
        return {
            "count_include_pad": (self.count_include_pad, True),
            "divisor_override": (self.divisor_override, None),
        }

    def _divisor(self, x, count):
        """The number that every sum is divided by, or one for each window."""
        w = self.patches
        if self.divisor_override is not None:
            return self.divisor_override
        if not w.ceil and (self.count_include_pad or not any((*w.padding, *w.after))):
            return math.prod(w.size)
        sizes = np.ones(())
        for h, m, k, t, p, q in zip(x.shape[1:-1], count, w.size, w.stride, w.padding, w.after, strict=True):
            start = np.arange(m) * t - p
            low, high = (-p, h + q) if self.count_include_pad else (0, h)
            sizes = sizes[..., None] * (np.minimum(start + k, high) - np.maximum(start, low))
        return like(sizes[..., None].astype(primal(x).dtype), primal(x))

    def _mean(self, x, d, count):
        return functools.reduce(np.add, self.patches.slices(self.patches.pad(d), count)) / self._divisor(x, count)

    def forward(self, p: Parameters, x: Array) -> Array:
        return self._mean(x, x, self._check(x))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        return _AvgPool.forward(self, p, x), ZERO if dx is ZERO else self._mean(x, dx, self._check(x))

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        divisor = self._divisor(x, self._check(x))

        def pullback(dy):
            ones = (1,) * self.n
            patches = np.reshape(dy / divisor, (*dy.shape[:-1], *ones, dy.shape[-1]))
            patches = patches + np.zeros_like(patches, shape=(*dy.shape[:-1], *self.patches.size, dy.shape[-1]))
            return {}, self.patches.fold(patches, x.shape[1:-1])

        return _AvgPool.forward(self, p, x), pullback


class AvgPool2d(_AvgPool):
    """y = mean over the window ;  dy = mean of dx ;  dx_k = ȳ / size.

    Parameters
    ----------
    kernel_size, stride, padding : int or pair of int
        The stride is the kernel size where it is not given.
    ceil_mode : bool
        Whether a last window may reach beyond the padding, where it would otherwise be left out. What lies beyond is
        not counted.
    count_include_pad : bool
        Whether the zeros of the padding are counted in the size.
    divisor_override : int, optional
        The size that sums are divided by, instead.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.AvgPool2d(2)({}, np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    n = 2

    def __init__(
        self, kernel_size: PerAxis, stride: PerAxis | None = None, padding: PerAxis | str = 0,
        ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
    ):  # fmt: skip
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad: bool = flag("count_include_pad", count_include_pad)
        self.divisor_override = divisor_override
        if divisor_override is not None:
            self.divisor_override = positive_count("divisor_override", divisor_override)


class AvgPool1d(_AvgPool):
    """y = mean over the window ;  dy = mean of dx ;  dx_k = ȳ / size.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As in `AvgPool2d`, along one axis.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.AvgPool1d(2, padding=1, count_include_pad=False)({}, np.arange(4.0).reshape(1, 4, 1))[0, :, 0]
    array([0. , 1.5, 3. ])
    """

    n = 1

    def __init__(
        self, kernel_size: PerAxis, stride: PerAxis | None = None, padding: PerAxis | str = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
    ):  # fmt: skip
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad: bool = flag("count_include_pad", count_include_pad)


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
