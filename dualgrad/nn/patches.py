"""Patches of an image or a signal, and their sum back into it: the two maps that convolution and pooling are made of.

The spatial axes stand before the last one, which holds the channels; axes in front of them are carried along. `unfold`
and `fold` are linear, and each is the transpose of the other.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from ..backend import Array
from ..errors import ShapeError
from .borders import bordered, require_reach, unbordered
from .layer import Layer
from .types import Shape

PerAxis: TypeAlias = int | Sequence[int]  # one number for all spatial axes, or one for each


def pair(value, n, what, least):
    """A setting for n spatial axes, given as one whole number, from ``least`` on, or n of them."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,) * n
    whole = all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in values)
    if len(values) != n or not whole:
        raise ValueError(f"got {what}={value!r}; expected a whole number from {least} on, or {n} of them")
    return tuple(int(v) for v in values)


class Patches:
    """The geometry of a sliding window: size, stride, padding and dilation, one number per spatial axis.

    ``border`` says what stands in the padding; with ``ceil`` the last window may reach beyond it at the end.
    """

    def __init__(
        self, n: int, size: PerAxis, stride: PerAxis, padding: PerAxis | str, dilation: PerAxis,
        border: str = "zeros", ceil: bool = False,
    ):  # fmt: skip
        self.n = n
        self.size: Shape = pair(size, n, "kernel_size", 1)
        self.stride: Shape = pair(stride, n, "stride", 1)
        self.dilation: Shape = pair(dilation, n, "dilation", 1)
        self.span: Shape = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.size, strict=True))
        self.border = border
        self.ceil = ceil
        padding = 0 if isinstance(padding, str) and padding == "valid" else padding
        same = isinstance(padding, str) and padding == "same"
        if same and set(self.stride) != {1}:
            raise ValueError(f"padding='same' needs stride 1; got stride={stride!r}")
        half = tuple((s - 1) // 2 for s in self.span)
        self.padding: Shape = half if same else pair(padding, n, "padding", 0)
        self.after: Shape = tuple(s - 1 - p for s, p in zip(self.span, half, strict=True)) if same else self.padding

    def outputs(self, spatial: Shape, layer: Layer | None = None) -> Shape:
        """How many patches fit along each axis of an input of the layer."""
        sides = zip(spatial, self.padding, self.after, strict=True)
        padded = tuple(h + before + after for h, before, after in sides)
        fit = zip(spatial, padded, self.padding, self.span, self.stride, strict=True)
        counts = tuple(self._count(*sizes) for sizes in fit)
        if 0 in spatial or min(counts) < 1:
            raise ShapeError(
                f"{layer!r} got an input of size {spatial}: it is empty, or a window of {self.span} is larger than the "
                f"padded input of {padded}"
            )
        if self.border != "zeros":
            require_reach(spatial, self._widths(spatial), self.border, layer)
        return counts

    def _count(self, size, padded, before, span, stride):
        if not self.ceil:
            return (padded - span) // stride + 1
        count = -(-(padded - span) // stride) + 1
        return count - 1 if (count - 1) * stride >= size + before else count  # no window in the padding alone

    def _widths(self, spatial):
        """The padding before and after every axis; with ``ceil``, up to where the last window ends."""
        if not self.ceil:
            return tuple(zip(self.padding, self.after, strict=True))
        fit = zip(self.outputs(spatial), self.stride, self.span, spatial, self.padding, self.after, strict=True)
        return tuple((before, max(after, (m - 1) * t + s - h - before)) for m, t, s, h, before, after in fit)

    def pad(self, x: Array, value: float = 0) -> Array:
        widths = self._widths(x.shape[-1 - self.n : -1])
        return bordered(x, widths, self.border, value) if any(map(any, widths)) else x

    def unfold(self, x: Array, value: float = 0) -> Array:
        """x ``(..., H, W, C)`` -> its patches ``(..., H', W', kh, kw, C)``; a view where there is no padding."""
        self.outputs(x.shape[-1 - self.n : -1])
        axes = tuple(range(-1 - self.n, -1))
        patches = np.lib.stride_tricks.sliding_window_view(self.pad(x, value), self.span, axes)
        every = [slice(None, None, t) for t in self.stride], [slice(None, None, d) for d in self.dilation]
        patches = patches[(..., *every[0], slice(None), *every[1])]
        return np.moveaxis(patches, -1 - self.n, -1)

    def slices(self, x: Array, count: Shape) -> Iterator[Array]:
        """For every place in the window, the entries of the padded x that stand there, ``(..., H', W', C)``."""
        for offsets in itertools.product(*map(range, self.size)):
            yield x[(..., *self._place(offsets, count), slice(None))]

    def fold(self, patches: Array, spatial: Shape) -> Array:
        """The transpose of `unfold`: patches ``(..., H', W', kh, kw, C)`` summed into ``(..., H, W, C)``."""
        n, count, widths = self.n, patches.shape[-1 - 2 * self.n : -1 - self.n], self._widths(spatial)
        padded = tuple(h + before + after for h, (before, after) in zip(spatial, widths, strict=True))
        total = np.zeros_like(patches, shape=patches.shape[: -1 - 2 * n] + padded + patches.shape[-1:])
        for offsets in itertools.product(*map(range, self.size)):
            total[(..., *self._place(offsets, count), slice(None))] += patches[(..., *offsets, slice(None))]
        return unbordered(total, widths, self.border) if any(map(any, widths)) else total

    def _place(self, offsets, count):
        return [
            slice(k * d, k * d + t * (m - 1) + 1, t)
            for k, d, t, m in zip(offsets, self.dilation, self.stride, count, strict=True)
        ]
