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
    """The geometry of a sliding window: size, stride, padding and dilation, one number per spatial axis."""

    def __init__(self, n: int, size: PerAxis, stride: PerAxis, padding: PerAxis | str, dilation: PerAxis):
        self.n = n
        self.size: Shape = pair(size, n, "kernel_size", 1)
        self.stride: Shape = pair(stride, n, "stride", 1)
        self.dilation: Shape = pair(dilation, n, "dilation", 1)
        if isinstance(padding, str) and padding == "valid":
            padding = 0
        elif isinstance(padding, str) and padding == "same":
            if set(self.stride) != {1} or any(d * (k - 1) % 2 for d, k in zip(self.dilation, self.size, strict=True)):
                raise ValueError("padding='same' needs stride 1 and an odd kernel_size")
            padding = tuple(d * (k - 1) // 2 for d, k in zip(self.dilation, self.size, strict=True))
        self.padding: Shape = pair(padding, n, "padding", 0)
        self.span: Shape = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.size, strict=True))

    def outputs(self, spatial: Shape, layer: Layer | None = None) -> Shape:
        """How many patches fit along each axis of an input of the layer."""
        padded = tuple(h + 2 * p for h, p in zip(spatial, self.padding, strict=True))
        if 0 in spatial or any(h < s for h, s in zip(padded, self.span, strict=True)):
            raise ShapeError(
                f"{layer!r} got an input of size {spatial}: it is empty, or a window of {self.span} is larger than the "
                f"padded input of {padded}"
            )
        return tuple((h - s) // t + 1 for h, s, t in zip(padded, self.span, self.stride, strict=True))

    def pad(self, x: Array, value: float = 0) -> Array:
        if not any(self.padding):
            return x
        widths = [(0, 0)] * (x.ndim - self.n - 1) + [(p, p) for p in self.padding] + [(0, 0)]
        return np.pad(x, widths, constant_values=value)

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
        n, count = self.n, patches.shape[-1 - 2 * self.n : -1 - self.n]
        padded = tuple(h + 2 * p for h, p in zip(spatial, self.padding, strict=True))
        total = np.zeros_like(patches, shape=patches.shape[: -1 - 2 * n] + padded + patches.shape[-1:])
        for offsets in itertools.product(*map(range, self.size)):
            total[(..., *self._place(offsets, count), slice(None))] += patches[(..., *offsets, slice(None))]
        inner = [slice(p, p + h) for h, p in zip(spatial, self.padding, strict=True)]
        return total[(..., *inner, slice(None))] if any(self.padding) else total

    def _place(self, offsets, count):
        return [
            slice(k * d, k * d + t * (m - 1) + 1, t)
            for k, d, t, m in zip(offsets, self.dilation, self.stride, count, strict=True)
        ]
