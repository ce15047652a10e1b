"""Borders as layers of their own: zeros, or the input mirrored, repeated, or from its other end."""

from collections.abc import Sequence
from typing import TypeAlias

from ..backend import Array
from ..zero import ZERO
from .borders import bordered, require_reach, unbordered
from .layer import Layer
from .patches import pair
from .pooling import require_places
from .types import Parameters, Pulled, Pushed, Tangent, Tangents

Around: TypeAlias = int | Sequence[int]  # one width for all sides; or (left, right), or (left, right, top, bottom)


class _Pad(Layer):
    """y = x with a border ;  dy = dx with one ;  dx = ȳ, with what stands in the border added where it came from."""

    n: int  # the number of spatial axes
    border: str
    lead = True

    def __init__(self, padding: Around):
        widths = pair(padding, 2 * self.n, "padding", 0)
        self.widths: tuple[tuple[int, int], ...] = tuple(
            (widths[k], widths[k + 1]) for k in range(2 * self.n - 2, -1, -2)
        )

    def __repr__(self) -> str:
        flat = tuple(width for widths in reversed(self.widths) for width in widths)
        return f"{type(self).__name__}({flat[0] if len(set(flat)) == 1 else flat})"

    def _check(self, x):
        require_reach(require_places(self, x, self.n), self.widths, self.border, self)

    def forward(self, p: Parameters, x: Array) -> Array:
        self._check(x)
        return bordered(x, self.widths, self.border)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        return _Pad.forward(self, p, x), dx if dx is ZERO else bordered(dx, self.widths, self.border)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        return _Pad.forward(self, p, x), lambda dy: ({}, unbordered(dy, self.widths, self.border))


class ZeroPad1d(_Pad):
    """y = x with a border of zeros ;  dy = dx with one ;  dx = ȳ without its border.

    Parameters
    ----------
    padding : int, or two of them
        At both ends; or left and right.

    Notes
    -----
    Signals are ``(B, L, C)``.

    Raises
    ------
    ShapeError
        For another rank.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ZeroPad1d((2, 1))({}, np.arange(1.0, 5.0).reshape(1, 4, 1))[0, :, 0]
    array([0., 0., 1., 2., 3., 4., 0.])
    """

    n = 1
    border = "zeros"


class ZeroPad2d(_Pad):
    """y = x with a border of zeros ;  dy = dx with one ;  dx = ȳ without its border.

    Parameters
    ----------
    padding : int, or four of them
        On all sides; or left, right, top and bottom.

    Notes
    -----
    Images are ``(B, H, W, C)``.

    Raises
    ------
    ShapeError
        For another rank.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ZeroPad2d((1, 0, 0, 1))({}, np.arange(1.0, 5.0).reshape(1, 2, 2, 1))[0, :, :, 0]
    array([[0., 1., 2.],
           [0., 3., 4.],
           [0., 0., 0.]])
    """

    n = 2
    border = "zeros"


class ReflectionPad1d(_Pad):
    """y = x, mirrored at its outermost entries ;  dy = dx mirrored ;  dx = ȳ, its border added where it came from.

    Parameters
    ----------
    padding : int, or two of them
        At both ends; or left and right.

    Notes
    -----
    Signals are ``(B, L, C)``.

    Raises
    ------
    ShapeError
        For another rank, and a border as wide as the input or wider.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ReflectionPad1d((2, 1))({}, np.arange(1.0, 5.0).reshape(1, 4, 1))[0, :, 0]
    array([3., 2., 1., 2., 3., 4., 3.])
    """

    n = 1
    border = "reflect"


class ReflectionPad2d(_Pad):
    """y = x, mirrored at its outermost entries ;  dy = dx mirrored ;  dx = ȳ, its border added where it came from.

    Parameters
    ----------
    padding : int, or four of them
        On all sides; or left, right, top and bottom.

    Notes
    -----
    Images are ``(B, H, W, C)``.

    Raises
    ------
    ShapeError
        For another rank, and a border as wide as the input or wider.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ReflectionPad2d((1, 0, 0, 1))({}, np.arange(1.0, 5.0).reshape(1, 2, 2, 1))[0, :, :, 0]
    array([[2., 1., 2.],
           [4., 3., 4.],
           [2., 1., 2.]])
    """

    n = 2
    border = "reflect"


class ReplicationPad1d(_Pad):
    """y = x, its outermost entries repeated ;  dy likewise ;  dx = ȳ, its border added where it came from.

    Parameters
    ----------
    padding : int, or two of them
        At both ends; or left and right.

    Notes
    -----
    Signals are ``(B, L, C)``.

    Raises
    ------
    ShapeError
        For another rank.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ReplicationPad1d((2, 1))({}, np.arange(1.0, 5.0).reshape(1, 4, 1))[0, :, 0]
    array([1., 1., 1., 2., 3., 4., 4.])
    """

    n = 1
    border = "replicate"


class ReplicationPad2d(_Pad):
    """y = x, its outermost entries repeated ;  dy likewise ;  dx = ȳ, its border added where it came from.

    Parameters
    ----------
    padding : int, or four of them
        On all sides; or left, right, top and bottom.

    Notes
    -----
    Images are ``(B, H, W, C)``.

    Raises
    ------
    ShapeError
        For another rank.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ReplicationPad2d((1, 0, 0, 1))({}, np.arange(1.0, 5.0).reshape(1, 2, 2, 1))[0, :, :, 0]
    array([[1., 1., 2.],
           [3., 3., 4.],
           [3., 3., 4.]])
    """

    n = 2
    border = "replicate"


class CircularPad1d(_Pad):
    """y = x between its own ends ;  dy likewise ;  dx = ȳ, its border added where it came from.

    Parameters
    ----------
    padding : int, or two of them
        At both ends; or left and right.

    Notes
    -----
    Signals are ``(B, L, C)``.

    Raises
    ------
    ShapeError
        For another rank, and a border wider than the input.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.CircularPad1d((2, 1))({}, np.arange(1.0, 5.0).reshape(1, 4, 1))[0, :, 0]
    array([3., 4., 1., 2., 3., 4., 1.])
    """

    n = 1
    border = "circular"


class CircularPad2d(_Pad):
    """y = x between its own ends ;  dy likewise ;  dx = ȳ, its border added where it came from.

    Parameters
    ----------
    padding : int, or four of them
        On all sides; or left, right, top and bottom.

    Notes
    -----
    Images are ``(B, H, W, C)``.

    Raises
    ------
    ShapeError
        For another rank, and a border wider than the input.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.CircularPad2d((1, 0, 0, 1))({}, np.arange(1.0, 5.0).reshape(1, 2, 2, 1))[0, :, :, 0]
    array([[2., 1., 2.],
           [4., 3., 4.],
           [2., 1., 2.]])
    """

    n = 2
    border = "circular"
