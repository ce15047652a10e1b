"""Activations: functions of one number, applied to every entry.

An activation is one method, ``curve(x) -> y, slope``, where ``slope()`` is its derivative from the same
intermediates; the three rules are the same for all of them.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ..backend import Array
from ..dual import primal
from ..rules.absorb import product, quietly
from ..slopes import logistic, logistic_slope, normal_density, sech2, softplus
from ..zero import ZERO
from .joint import empty_joint_like, on_host
from .layer import Layer
from .normal import ndtr
from .setting_checks import checked
from .types import Curve, Parameters, Pulled, Pushed, Tangent, Tangents
from .user_rules import drop_inherited_rules

_BITS = {size: np.dtype(f"i{size}") for size in (2, 4, 8)}


class Activation(Layer):
    """y = f(x) ;  dy = f'(x) dx ;  dx = f'(x) ȳ.

    An activation of one's own defines ``curve(x) -> y, slope``, written with ``np.*``: slope() is f'(x).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> class Cube(dg.nn.Activation):
    ...     def curve(self, x):
    ...         return x**3, lambda: 3 * x**2
    >>> Cube().jvp({}, np.array([2.0]), {}, np.array([1.0]))
    (array([8.]), array([12.]))
    """

    curve: Callable[[Array], Curve]
    lead = particles = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        drop_inherited_rules(cls, Activation if cls.forward is Activation.forward else Layer, "curve")

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"

    def forward(self, p: Parameters, x: Array) -> Array:
        return self.curve(x)[0]

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        y, slope = self.curve(x)
        if dx is ZERO:
            return y, ZERO
        if not on_host(x, dx) or not y.flags.owndata:
            return y, slope() * dx
        _, value, dy = empty_joint_like(y, dx)
        value[...] = y
        return value, np.multiply(slope(), dx, out=dy)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        y, slope = self.curve(x)
        s = slope()
        return y, lambda dy: ({}, s * dy)


class ReLU(Activation):
    """y = max(x, 0) ;  dy = [x > 0] dx ;  dx = [x > 0] ȳ. The derivative at 0 is 0; a NaN stays one.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ReLU().jvp({}, np.array([-1.0, 0.0, 2.0]), {}, np.array([1.0, 1.0, 1.0]))
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """

    lead = particles = True

    def forward(self, p: Parameters, x: Array) -> Array:
        return np.maximum(x, 0) if on_host(x) else np.where(primal(x) <= 0, 0, x)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        if dx is not ZERO and on_host(x, dx) and x.dtype.char in "efd":
            return self._fast_jvp(x, dx)
        off = primal(x) <= 0
        return np.where(off, 0, x), dx if dx is ZERO else np.where(off, 0, dx)

    def _fast_jvp(self, x, dx):
        """The same into one joint buffer: bit masks that are all ones, or all zeros where x <= 0."""
        _, y, dy = empty_joint_like(x, dx)
        bits = _BITS[x.itemsize]
        mask = y.view(bits)
        np.subtract((x <= 0).view(np.int8), 1, out=mask)
        np.bitwise_and(dx.view(bits), mask, out=dy.view(bits))
        np.bitwise_and(x.view(bits), mask, out=mask)
        return y, dy

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        off = primal(x) <= 0
        return _where_on(off, x), lambda dy: ({}, _where_on(off, dy))


def _where_on(off, x):
    """x, and 0 where that is off; of plain arrays by bit masks."""
    if x.__class__ is not np.ndarray or x.dtype.char not in "efd" or off.__class__ is not np.ndarray:
        return np.where(off, 0, x)
    bits = _BITS[x.itemsize]
    return np.bitwise_and(x.view(bits), np.subtract(off.view(np.int8), 1, dtype=bits)).view(x.dtype)


class LeakyReLU(Activation):
    """y = x where x > 0, else a x ;  dy = dx or a dx ;  dx = ȳ or a ȳ. At 0 the slope is a.

    Parameters
    ----------
    negative_slope : float

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.LeakyReLU(0.1)({}, np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    @checked
    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def curve(self, x: Array) -> Curve:
        s = _scale(x, primal(x) > 0, 1, self.negative_slope)
        return s * x, lambda: s


class ELU(Activation):
    """y = x where x > 0, else α (eˣ - 1) ;  dy = dx or α eˣ dx ;  dx = ȳ or α eˣ ȳ.

    Parameters
    ----------
    alpha : float

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.ELU()({}, np.array([-1.0, 2.0])).round(4)
    array([-0.6321,  2.    ])
    """

    @checked
    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def curve(self, x: Array) -> Curve:
        return _elu(x, self.alpha, 1.0)


class SELU(Activation):
    """y = λ x where x > 0, else λ α (eˣ - 1) ;  dy = λ dx or λ α eˣ dx ;  dx likewise (Klambauer et al. 2017).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.SELU()({}, np.array([-1.0, 2.0])).round(4)
    array([-1.1113,  2.1014])
    """

    def curve(self, x: Array) -> Curve:
        return _elu(x, 1.6732632423543772, 1.0507009873554805)


class GELU(Activation):
    """y = x Φ(x) ;  dy = (Φ(x) + x φ(x)) dx ;  dx = (Φ(x) + x φ(x)) ȳ, Φ the normal distribution, φ its density.

    Parameters
    ----------
    approximate : "none" or "tanh"
        With "tanh", Φ(x) ≈ (1 + tanh u) / 2, u = √(2/π) (x + 0.044715 x³) (Hendrycks and Gimpel 2016).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.GELU()({}, np.array([-1.0, 2.0])).round(4)
    array([-0.1587,  1.9545])
    """

    @checked
    def __init__(self, approximate: Literal["none", "tanh"] = "none"):
        self.approximate = approximate

    def curve(self, x: Array) -> Curve:
        if self.approximate == "none":
            phi = ndtr(x)
            return quietly(product, x, phi), lambda: phi + quietly(product, x, normal_density(x))
        c, near = math.sqrt(2 / math.pi), np.clip(x, -64, 64)  # beyond, the tails underflow with all derivatives
        u = near * (c + 0.044715 * c * near * near)
        phi = logistic(2 * u)
        return quietly(product, x, phi), lambda: phi + near * sech2(u) * (0.5 * c + 1.5 * 0.044715 * c * near * near)


class SiLU(Activation):
    """y = x σ(x) ;  dy = σ (1 + x (1 - σ)) dx ;  dx = σ (1 + x (1 - σ)) ȳ.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.SiLU()({}, np.array([-1.0, 2.0])).round(4)
    array([-0.2689,  1.7616])
    """

    def curve(self, x: Array) -> Curve:
        y = logistic(x)
        return quietly(product, x, y), lambda: y + quietly(product, x, logistic_slope(x))


class Softplus(Activation):
    """y = log(1 + eˣ) ;  dy = σ(x) dx ;  dx = σ(x) ȳ.

    Parameters
    ----------
    beta, threshold : float
        y = softplus(βx) / β, and x itself where βx exceeds the threshold, as in torch.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Softplus()({}, np.array([0.0, 30.0])).round(4)
    array([ 0.6931, 30.    ])
    """

    @checked
    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        self.beta = beta
        self.threshold = threshold

    def curve(self, x: Array) -> Curve:
        z = x if self.beta == 1 else self.beta * x
        above = primal(z) > self.threshold
        if on_host(z) and not np.any(above):
            y = softplus(z)
            return y if self.beta == 1 else y / self.beta, lambda: logistic(z)
        y = softplus(z) if self.beta == 1 else softplus(z) / self.beta
        return np.where(above, x, y), lambda: np.where(above, 1, logistic(z))


class Tanh(Activation):
    """y = tanh x ;  dy = sech²(x) dx ;  dx = sech²(x) ȳ. sech² = 1 - tanh², which would be 0 from 20 on.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Tanh().jvp({}, np.zeros(2), {}, np.array([1.0, 2.0]))
    (array([0., 0.]), array([1., 2.]))
    """

    lead = True

    def curve(self, x: Array) -> Curve:
        y = np.tanh(x)
        return y, lambda: sech2(x)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        if dx is ZERO or not on_host(x, dx):
            return super().jvp(p, x, dp, dx)
        _, y, dy = empty_joint_like(x, dx)
        with np.errstate(over="ignore"):
            np.square(np.cosh(x, out=y), out=y)  # 1 / sech² x
        np.divide(dx, y, out=dy)
        return np.tanh(x, out=y), dy


class Sigmoid(Activation):
    """y = σ(x) = 1 / (1 + e⁻ˣ) ;  dy = y (1 - y) dx ;  dx = y (1 - y) ȳ. Both tails keep their relative precision.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Sigmoid()({}, np.array([0.0, -40.0]))
    array([5.00000000e-01, 4.24835426e-18])
    """

    def curve(self, x: Array) -> Curve:
        return logistic(x), lambda: logistic_slope(x)


class HardTanh(Activation):
    """y = x within [min_val, max_val], else the end ;  dy = dx or 0 ;  dx = ȳ or 0. At the ends the slope is 0.

    A NaN stays one, and has the slope 0, as in torch.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.HardTanh()({}, np.array([-3.0, 0.5]))
    array([-1. ,  0.5])
    """

    @checked
    def __init__(self, min_val: float = -1.0, max_val: float = 1.0):
        if not min_val < max_val:
            raise ValueError(f"got min_val={min_val!r} and max_val={max_val!r}; expected min_val < max_val")
        self.min_val = min_val
        self.max_val = max_val

    def curve(self, x: Array) -> Curve:
        v = primal(x)
        low, high = v <= self.min_val, v >= self.max_val
        ends = np.where(low, self.min_val, self.max_val).astype(v.dtype)
        inside = _scale(x, (v > self.min_val) & (v < self.max_val), 1, 0)
        return np.where(low | high, ends, x), lambda: inside


class Sine(Activation):
    """y = sin(ω x) ;  dy = ω cos(ω x) dx ;  dx = ω cos(ω x) ȳ (SIREN, Sitzmann et al. 2020).

    Parameters
    ----------
    omega : float

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Sine(30.0)({}, np.array([0.0]))
    array([0.])
    """

    @checked
    def __init__(self, omega: float = 30.0):
        self.omega = omega

    def curve(self, x: Array) -> Curve:
        z = self.omega * x
        return np.sin(z), lambda: self.omega * np.cos(z)


# ---------------------------------------------------------------------- shared formulas


def _scale(x, where, yes, no):
    """One of two numbers by entry, in the dtype of x."""
    return np.where(where, yes, no).astype(primal(x).dtype)


def _elu(x, alpha, scale):
    right = primal(x) > 0
    left = np.where(right, 0, x)
    y = np.where(right, scale * x, scale * alpha * np.expm1(left))
    return y, lambda: np.where(right, scale, scale * alpha * np.exp(left))
