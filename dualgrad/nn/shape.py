"""Layers that rearrange, or do nothing."""

import math

import numpy as np

from ..backend import Array
from ..errors import ShapeError
from ..zero import ZERO
from .layer import Layer
from .setting_checks import checked
from .tangents import leading
from .types import Parameters, Pulled, Pushed, Shape, Tangent, Tangents


class Reshape(Layer):
    """y = x in another shape, per example ;  dy, dx likewise.

    Parameters
    ----------
    *shape : int
        The shape of one example; one entry may be -1.

    Raises
    ------
    ShapeError
        When the number of entries differs.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Reshape(4, 4, 1)({}, np.zeros((2, 16))).shape
    (2, 4, 4, 1)
    """

    lead = True

    def __init__(self, *shape: int):
        whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and (n > 0 or n == -1) for n in shape)
        if not whole or shape.count(-1) > 1:
            raise ValueError(f"got shape={shape!r}; expected positive integers, as in Reshape(4, 4), or one -1 in them")
        self.shape: Shape = tuple(map(int, shape))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.shape))})"

    def _target(self, x):
        size, known = math.prod(x.shape[1:]), math.prod(n for n in self.shape if n != -1)
        if np.ndim(x) == 0 or self.shape.count(-1) > 1 or (size % max(known, 1) if -1 in self.shape else size != known):
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}, {size} entries an example")
        return (x.shape[0], *(size // max(known, 1) if n == -1 else n for n in self.shape))

    def forward(self, p: Parameters, x: Array) -> Array:
        return np.reshape(x, self._target(x))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        y = Reshape.forward(self, p, x)
        return y, dx if dx is ZERO else np.reshape(dx, leading(dx, x.ndim) + y.shape)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        return Reshape.forward(self, p, x), lambda dy: ({}, np.reshape(dy, x.shape))


class Flatten(Reshape):
    """y = x as one row an example ;  dy, dx likewise.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Flatten()({}, np.zeros((2, 4, 4, 3))).shape
    (2, 48)
    """

    def __init__(self) -> None:
        super().__init__(-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _target(self, x):
        if np.ndim(x) == 0:
            raise ShapeError(f"{self!r} got a number; expected a batch of examples")
        return (x.shape[0], math.prod(x.shape[1:]))


class PixelShuffle(Layer):
    """y = x with channels spread over blocks of pixels ;  dy, dx likewise, and gathered.

    Parameters
    ----------
    upscale_factor : int
        r: images ``(B, H, W, C r²)`` become ``(B, r H, r W, C)``.

    Notes
    -----
    Channel (c r + i) r + j of x becomes pixel (i, j) of the block in channel c, as in torch (Shi et al. 2016).

    Raises
    ------
    ShapeError
        For another rank, and when r² does not divide the channels.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.PixelShuffle(2)({}, np.arange(4.0).reshape(1, 1, 1, 4))[0, :, :, 0]
    array([[0., 1.],
           [2., 3.]])
    """

    lead = True

    @checked
    def __init__(self, upscale_factor: int):
        self.upscale_factor = upscale_factor

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.upscale_factor})"

    def _spread(self, x, d):
        r = self.upscale_factor
        if np.ndim(x) != 4 or x.shape[-1] % r**2:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (B, H, W, {r**2} C)")
        lead, (h, w, c) = d.shape[:-3], x.shape[1:]
        blocks = np.moveaxis(np.reshape(d, (*lead, h, w, c // r**2, r, r)), (-3, -2, -1), (-1, -4, -2))
        return np.reshape(blocks, (*lead, h * r, w * r, c // r**2))

    def forward(self, p: Parameters, x: Array) -> Array:
        return self._spread(x, x)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        return PixelShuffle.forward(self, p, x), dx if dx is ZERO else self._spread(x, dx)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        def pullback(dy):
            r, (h, w) = self.upscale_factor, x.shape[1:3]
            blocks = np.reshape(dy, (*dy.shape[:-3], h, r, w, r, dy.shape[-1]))
            return {}, np.reshape(np.moveaxis(blocks, (-1, -4, -2), (-3, -2, -1)), x.shape)

        return PixelShuffle.forward(self, p, x), pullback


class Identity(Layer):
    """y = x ;  dy = dx ;  dx = ȳ.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Identity()({}, np.ones(2))
    array([1., 1.])
    """

    lead = particles = True

    def forward(self, p: Parameters, x: Array) -> Array:
        return x

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        return x, dx

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        return x, lambda dy: ({}, dy)
