"""Pooling into an output of a given size: the windows share the input out, as evenly as whole numbers allow.

Window i of o along an axis of h entries goes from ⌊i h / o⌋ to ⌈(i + 1) h / o⌉, as in torch; where o does not divide h
they overlap.
"""

import itertools
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from ..backend import Array
from ..dual import primal
from ..errors import ShapeError
from ..zero import ZERO
from .layer import Layer
from .pooling import AXES, require_places
from .types import Parameters, Pulled, Pushed, Tangent, Tangents

OutputSize: TypeAlias = int | Sequence[int | None] | None  # None: as many as the input has


class _Adaptive(Layer):
    n: int  # the number of spatial axes

    def __init__(self, output_size: OutputSize):
        sizes = tuple(output_size) if isinstance(output_size, (list, tuple)) else (output_size,) * self.n
        for size in sizes:
            whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size > 0
            if not (size is None or whole):
                sizes = ()
        if len(sizes) != self.n:
            raise ValueError(
                f"got output_size={output_size!r}; expected a positive integer or None, or {self.n} of them"
            )
        self.output_size: tuple[int | None, ...] = tuple(None if size is None else int(size) for size in sizes)

    def __repr__(self) -> str:
        size = self.output_size[0] if len(set(self.output_size)) == 1 else self.output_size
        return f"{type(self).__name__}({size})"

    def _count(self, x):
        """The size of the output."""
        spatial = require_places(self, x, self.n)
        if 0 in spatial:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}, which is empty; expected {AXES[self.n]}")
        return tuple(h if o is None else o for h, o in zip(spatial, self.output_size, strict=True))

    def _windows(self, x, count):
        """An index of every window in x, in the order of the outputs."""
        ends = [
            [slice(i * h // o, -(-(i + 1) * h // o)) for i in range(o)]
            for h, o in zip(x.shape[1:-1], count, strict=True)
        ]
        return [(..., *window, slice(None)) for window in itertools.product(*ends)]

    @property
    def _axes(self):
        return tuple(range(-1 - self.n, -1))

    def _image(self, entries, count):
        """One array ``(..., C)`` for each output, as an image."""
        y = np.stack(entries, -2)
        return np.reshape(y, (*y.shape[:-2], *count, y.shape[-1]))

    def _pull(self, dy, x, count, shares):
        """The transpose: what every output gives back to its window."""
        dx = np.zeros_like(dy, shape=x.shape)
        rows = np.reshape(dy, (*dy.shape[: -1 - self.n], math.prod(count), dy.shape[-1]))
        for k, (window, share) in enumerate(zip(self._windows(x, count), shares, strict=True)):
            dx[window] += share * np.expand_dims(rows[..., k, :], self._axes)
        return dx


class _AdaptiveAvg(_Adaptive):
    lead = True

    def _mean(self, x, d, count):
        return self._image([np.mean(d[window], axis=self._axes) for window in self._windows(x, count)], count)

    def forward(self, p: Parameters, x: Array) -> Array:
        return self._mean(x, x, self._count(x))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        return _AdaptiveAvg.forward(self, p, x), ZERO if dx is ZERO else self._mean(x, dx, self._count(x))

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        count = self._count(x)

        def pullback(dy):
            sizes = [math.prod(s.stop - s.start for s in window[1:-1]) for window in self._windows(x, count)]
            return {}, self._pull(dy, x, count, [1 / size for size in sizes])

        return _AdaptiveAvg.forward(self, p, x), pullback


class _AdaptiveMax(_Adaptive):
    lead = True

    def forward(self, p: Parameters, x: Array) -> Array:
        count = self._count(x)
        return self._image([np.max(x[window], axis=self._axes) for window in self._windows(x, count)], count)

    def _shares(self, x, count):
        """w_k in every window: an equal part for all that are the maximum."""
        for window in self._windows(x, count):
            part = primal(x)[window]
            hits = (part == np.max(part, axis=self._axes, keepdims=True)) | (part != part)
            yield hits / np.sum(hits, axis=self._axes, keepdims=True).astype(part.dtype)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        y, count = _AdaptiveMax.forward(self, p, x), self._count(x)
        if dx is ZERO:
            return y, ZERO
        moved = zip(self._windows(x, count), self._shares(x, count), strict=True)
        return y, self._image([np.sum(share * dx[window], axis=self._axes) for window, share in moved], count)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        count = self._count(x)
        return _AdaptiveMax.forward(self, p, x), lambda dy: ({}, self._pull(dy, x, count, self._shares(x, count)))


class AdaptiveAvgPool2d(_AdaptiveAvg):
    """y = mean over the window ;  dy = mean of dx ;  dx_k = ȳ / size, for an output of a given size.

    Parameters
    ----------
    output_size : int or None, or pair of them
        None for as many as the input has.

    Notes
    -----
    Window i of o along an axis of h entries goes from ⌊i h / o⌋ to ⌈(i + 1) h / o⌉. Cost: one reduction an output.

    Raises
    ------
    ShapeError
        For another rank, and an input without entries.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.AdaptiveAvgPool2d((1, 3))({}, np.arange(8.0).reshape(1, 2, 4, 1))[0, :, :, 0]
    array([[2.5, 3.5, 4.5]])
    """

    n = 2


class AdaptiveAvgPool1d(_AdaptiveAvg):
    """y = mean over the window ;  dy = mean of dx ;  dx_k = ȳ / size, for an output of a given size.

    Parameters
    ----------
    output_size : int or None
        As in `AdaptiveAvgPool2d`, along one axis.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.AdaptiveAvgPool1d(2)({}, np.arange(4.0).reshape(1, 4, 1))[0, :, 0]
    array([0.5, 2.5])
    """

    n = 1


class AdaptiveMaxPool2d(_AdaptiveMax):
    """y = max over the window ;  dy = Σ_k w_k dx_k ;  dx_k = w_k ȳ, for an output of a given size.

    Parameters
    ----------
    output_size : int or None, or pair of them
        As in `AdaptiveAvgPool2d`.

    Notes
    -----
    w_k = 1 where the maximum stands; ties share, as in `MaxPool2d`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.AdaptiveMaxPool2d((1, 3))({}, np.arange(8.0).reshape(1, 2, 4, 1))[0, :, :, 0]
    array([[5., 6., 7.]])
    """

    n = 2


class AdaptiveMaxPool1d(_AdaptiveMax):
    """y = max over the window ;  dy = Σ_k w_k dx_k ;  dx_k = w_k ȳ, for an output of a given size.

    Parameters
    ----------
    output_size : int or None
        As in `AdaptiveAvgPool2d`, along one axis.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.AdaptiveMaxPool1d(2)({}, np.arange(4.0).reshape(1, 4, 1))[0, :, 0]
    array([1., 3.])
    """

    n = 1
