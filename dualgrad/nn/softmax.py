"""Softmax and its logarithm, over one axis."""

import numpy as np

from ..backend import Array
from ..errors import ShapeError
from ..exponentials import exponentials, less, log_softmax_tangent, one_minus_softmax, softmax_tangent, stable_softmax
from ..zero import ZERO
from .layer import Layer
from .types import Parameters, Pulled, Pushed, Tangent, Tangents


class _OverClasses(Layer):
    """A function of one axis, computed along the last."""

    def __init__(self, dim: int = -1):
        if not isinstance(dim, (int, np.integer)) or isinstance(dim, bool):
            raise ValueError(f"got dim={dim!r}; expected the number of an axis")
        self.dim: int = int(dim)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.dim == -1 else f'dim={self.dim}'})"

    @property
    def particles(self) -> bool:
        """Whether the axis is the same one with others in front."""
        return self.dim < 0

    def _axis(self, x):
        """The axis counted from the end."""
        n = np.ndim(x)
        axis = self.dim - n if self.dim >= 0 else self.dim
        if not -n <= axis < 0 or not x.shape[axis]:
            expected = "(..., classes)" if self.dim == -1 else f"classes along axis {self.dim}"
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected {expected}")
        return axis


class Softmax(_OverClasses):
    """y = eˣ / Σ eˣ over an axis ;  dy = y (dx - ⟨y, dx⟩) ;  dx = y (ȳ - ⟨y, ȳ⟩).

    Parameters
    ----------
    dim : int
        The axis; the last one by default.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Softmax()({}, np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    lead = True
    particles = _OverClasses.particles

    def forward(self, p: Parameters, x: Array) -> Array:
        axis = self._axis(x)
        return _turned_back(stable_softmax(_turned(x, axis)), axis)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        axis = self._axis(x)
        y = stable_softmax(_turned(x, axis))
        dy = ZERO if dx is ZERO else _turned_back(softmax_tangent(y, _turned(dx, axis)), axis)
        return _turned_back(y, axis), dy

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        axis = self._axis(x)
        y = stable_softmax(_turned(x, axis))

        def pullback(dy):
            return {}, _turned_back(softmax_tangent(y, _turned(dy, axis)), axis)

        return _turned_back(y, axis), pullback


class LogSoftmax(_OverClasses):
    """y = x - log Σ eˣ over an axis ;  dy = dx - ⟨softmax x, dx⟩ ;  dx = ȳ - softmax(x) Σ ȳ.

    Parameters
    ----------
    dim : int
        The axis; the last one by default.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.LogSoftmax()({}, np.zeros((1, 2)))
    array([[-0.69314718, -0.69314718]])
    """

    lead = True
    particles = _OverClasses.particles

    def forward(self, p: Parameters, x: Array) -> Array:
        axis = self._axis(x)
        _, shifted, _, rest = exponentials(_turned(x, axis))
        return _turned_back(less(shifted, np.log1p(rest)), axis)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        axis = self._axis(x)
        _, shifted, e, rest = exponentials(_turned(x, axis))
        y = _turned_back(less(shifted, np.log1p(rest)), axis)
        if dx is ZERO:
            return y, ZERO
        return y, _turned_back(log_softmax_tangent(e / (1 + rest), _turned(dx, axis)), axis)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        axis = self._axis(x)
        at, shifted, e, rest = exponentials(_turned(x, axis))

        def pullback(dy):
            dy = _turned(dy, axis)
            others = np.sum(dy, axis=-1, keepdims=True) - dy
            return {}, _turned_back(one_minus_softmax(at, e, rest) * dy - e / (1 + rest) * others, axis)

        return _turned_back(less(shifted, np.log1p(rest)), axis), pullback


def _turned(x, axis):
    """x with the axis last."""
    return x if axis == -1 else np.moveaxis(x, axis, -1)


def _turned_back(y, axis):
    return y if axis == -1 else np.moveaxis(y, -1, axis)
