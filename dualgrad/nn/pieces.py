"""Activations made of pieces of lines and parabolas. At a joint the slope is that of the flat side, as in `ReLU`."""

import numpy as np

from ..backend import Array
from ..dual import primal
from .activations import Activation, HardTanh
from .setting_checks import checked
from .types import Curve


class ReLU6(HardTanh):
    """y = x within [0, 6], else the end ;  dy = dx or 0 ;  dx = ȳ or 0. At the ends the slope is 0.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ReLU6()({}, np.array([-3.0, 0.5, 7.0]))
    array([0. , 0.5, 6. ])
    """

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Hardsigmoid(Activation):
    """y = x/6 + 1/2 where that is within [0, 1], else the end ;  dy = dx/6 or 0 ;  dx = ȳ/6 or 0. At the ends 0.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Hardsigmoid()({}, np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """

    def curve(self, x: Array) -> Curve:
        inside = np.abs(primal(x)) < 3
        return _three_pieces(x, lambda x: x / 6 + 0.5, 1), lambda: np.where(inside, 1 / 6, 0).astype(primal(x).dtype)


class Hardswish(Activation):
    """y = 0, x (x + 3) / 6, or x ;  dy = 0, (x/3 + 1/2) dx, or dx ;  dx likewise: up to -3, between, and from 3 on.

    Notes
    -----
    Howard et al. (2019).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Hardswish()({}, np.array([-4.0, 1.0, 5.0])).round(4)
    array([0.    , 0.6667, 5.    ])
    """

    def curve(self, x: Array) -> Curve:
        return _three_pieces(x, lambda x: x * (x + 3) / 6, x), lambda: _three_pieces(x, lambda x: x / 3 + 0.5, 1)


class Hardshrink(Activation):
    """y = x where abs x > λ, else 0 ;  dy = dx or 0 ;  dx = ȳ or 0.

    Parameters
    ----------
    lambd : float

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Hardshrink()({}, np.array([-1.0, 0.25, 0.75]))
    array([-1.  ,  0.  ,  0.75])
    """

    @checked
    def __init__(self, lambd: float = 0.5):
        self.lambd = lambd

    def curve(self, x: Array) -> Curve:
        inside = np.abs(primal(x)) <= self.lambd
        return np.where(inside, 0, x), lambda: np.where(inside, 0, np.ones_like(primal(x)))


class Softshrink(Activation):
    """y = x - λ above λ, x + λ below -λ, else 0 ;  dy = dx or 0 ;  dx = ȳ or 0.

    Parameters
    ----------
    lambd : float
        From 0 on.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Softshrink()({}, np.array([-1.0, 0.25, 0.75]))
    array([-0.5 ,  0.  ,  0.25])
    """

    @checked
    def __init__(self, lambd: float = 0.5):
        if lambd < 0:
            raise ValueError(f"got lambd={lambd!r}; expected a number from 0 on")
        self.lambd = lambd

    def curve(self, x: Array) -> Curve:
        inside = np.abs(primal(x)) <= self.lambd
        y = np.where(inside, 0, x - self.lambd * np.sign(primal(x)))
        return y, lambda: np.where(inside, 0, np.ones_like(primal(x)))


class Threshold(Activation):
    """y = x where x > threshold, else the value ;  dy = dx or 0 ;  dx = ȳ or 0.

    Parameters
    ----------
    threshold, value : float

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Threshold(1.0, -5.0)({}, np.array([0.5, 2.0]))
    array([-5.,  2.])
    """

    @checked
    def __init__(self, threshold: float, value: float):
        self.threshold = threshold
        self.value = value

    def curve(self, x: Array) -> Curve:
        below = primal(x) <= self.threshold
        return np.where(below, np.full_like(primal(x), self.value), x), lambda: np.where(
            below, 0, np.ones_like(primal(x))
        )


def _three_pieces(x, between, above):
    """0 up to -3, ``between`` of what lies there, and ``above`` from 3 on; a NaN stays one."""
    v = primal(x)
    inside = np.where(np.abs(v) >= 3, 0, x)  # so that nothing overflows
    return np.where(v <= -3, 0, np.where(v >= 3, above, between(inside)))
