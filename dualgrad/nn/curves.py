"""More smooth activations; how one is written: `dualgrad.nn.activations`."""

import functools

import numpy as np

from ..backend import Array
from ..dual import primal
from ..rules.absorb import product, quietly
from ..slopes import logistic, sech2, softplus
from .activations import Activation
from .setting_checks import checked
from .types import Curve


class Mish(Activation):
    """y = x tanh s, s = log(1 + eˣ) ;  dy = (tanh s + x sech²(s) σ(x)) dx ;  dx = (tanh s + x sech²(s) σ(x)) ȳ.

    Notes
    -----
    Misra (2019).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Mish()({}, np.array([-1.0, 2.0])).round(4)
    array([-0.3034,  1.944 ])
    """

    def curve(self, x: Array) -> Curve:
        s = softplus(x)
        t = np.tanh(s)
        return quietly(product, x, t), lambda: t + quietly(product, x, sech2(s) * logistic(x))


class CELU(Activation):
    """y = x where x > 0, else α (e^(x/α) - 1) ;  dy = dx or e^(x/α) dx ;  dx = ȳ or e^(x/α) ȳ (Barron 2017).

    Parameters
    ----------
    alpha : float
        Other than 0.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.CELU(2.0)({}, np.array([-1.0, 2.0])).round(4)
    array([-0.7869,  2.    ])
    """

    @checked
    def __init__(self, alpha: float = 1.0):
        if alpha == 0:
            raise ValueError(f"got alpha={alpha!r}; expected a finite number other than 0")
        self.alpha = alpha

    def curve(self, x: Array) -> Curve:
        right = primal(x) > 0
        left = np.where(right, 0, x) / self.alpha
        return np.where(right, x, self.alpha * np.expm1(left)), lambda: np.where(right, 1, np.exp(left))


class Softsign(Activation):
    """y = x / (1 + abs x) ;  dy = dx / (1 + abs x)² ;  dx = ȳ / (1 + abs x)².

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Softsign()({}, np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """

    def curve(self, x: Array) -> Curve:
        r, v = 1 / (1 + np.abs(x)), primal(x)
        far = np.abs(v) > 1
        return np.where(far, np.sign(v) * (1 - r), np.where(far, 0, x) * r), lambda: r * r


class LogSigmoid(Activation):
    """y = log σ(x) = -log(1 + e⁻ˣ) ;  dy = σ(-x) dx ;  dx = σ(-x) ȳ.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.LogSigmoid()({}, np.array([0.0, -1e3])).round(4)
    array([-6.931e-01, -1.000e+03])
    """

    def curve(self, x: Array) -> Curve:
        return -softplus(-x), lambda: logistic(-x)


class Tanhshrink(Activation):
    """y = x - tanh x ;  dy = tanh²(x) dx ;  dx = tanh²(x) ȳ.

    Notes
    -----
    Next to 0, where digits of x and t = tanh x cancel, y = artanh t - t = t³/3 + t⁵/5 + ...

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Tanhshrink()({}, np.array([-1.0, 2.0])).round(4)
    array([-0.2384,  1.036 ])
    """

    def curve(self, x: Array) -> Curve:
        t = np.tanh(x)
        near = np.abs(primal(x)) < 0.125
        s = np.where(near, t, 0)
        square = s * s
        series = square * s * functools.reduce(lambda found, n: found * square + 1 / n, range(27, 1, -2), 0.0)
        return np.where(near, series, x - t), lambda: t * t
