"""Slopes that NumPy lacks, as functions with slopes of their own.

The derivative of tanh is 1 - tanh², which is 0 in floating point from 20 on; as 1 / cosh² it is right, until its own
derivative is a quotient of two infinities. Written as functions whose derivatives are products of the same functions,
the slopes of tanh, σ, erf, arctan and hypot lose no digits in the tails, and neither does any derivative of theirs:

========================== ============================================= =====================================
function                   its derivative                                whose slope it is
========================== ============================================= =====================================
``sech2`` 1 / cosh² x      -2 tanh x sech² x                             tanh; with x/2, the logistic function
``logistic`` 1 / (1 + e⁻ˣ) sech²(x/2) / 4                                ``softplus``, logaddexp
``gaussian`` exp(-x²)      -2 x exp(-x²)                                 erf, the normal distribution
``cauchy`` 1 / (1 + x²)    -2 x / (1 + x²)²                              arctan
``cos_angle`` c = x / h       along x: s f, along y: -c f, s = y / h        hypot, the size of a complex number
``sine_over_distance`` f   along x: -2 f g, along y: g² - f²             arctan2, the angle of a complex number
========================== ============================================= =====================================

with h = √(x² + y²), f = y / h² and g = x / h².
"""

import math

import numpy as np

from .dispatch import own
from .dual import Dual, primal
from .rules.absorb import product, quietly
from .rules.declare import elementwise
from .scratch import empty_like

# ---------------------------------------------------------------------- of one number


@own
def sech2(x):
    """1 / cosh² x, which underflows where cosh² overflows."""
    if np.iscomplexobj(x):
        e = np.exp(2 * np.where(np.real(x) < 0, x, -x))
        return 4 * e / np.square(1 + e)
    return quietly(_reciprocal, cosh2(x))


def cosh2(x):
    """cosh² x."""
    return quietly(_cosh2, x)


def _cosh2(x):
    if x.__class__ is not np.ndarray:
        return np.square(np.cosh(x))
    y = np.cosh(x, out=empty_like(x))
    return np.multiply(y, y, out=y)


@own
def logistic(x):
    """σ(x) = 1 / (1 + e⁻ˣ), from e = exp(-|x|): both tails keep their digits."""
    if x.__class__ is not np.ndarray:
        e = np.exp(-np.abs(x))
        return np.where(x < 0, e, 1) / (1 + e)
    y = np.copysign(x, -1, out=empty_like(x))
    np.exp(y, out=y)
    below = np.add(y, 1, out=empty_like(x))
    return np.divide(np.maximum(y, x >= 0, out=y), below, out=y)


def _reciprocal(own):
    """1 / x, into a plain array, which is nobody else's."""
    return np.reciprocal(own, out=own) if own.__class__ is np.ndarray else 1 / own


@own
def softplus(x):
    """log(1 + eˣ) = max(x, 0) + log(1 + e^(-|x|))."""
    if x.__class__ is not np.ndarray:
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    y = np.abs(x, out=empty_like(x))
    np.log1p(np.exp(np.negative(y, out=y), out=y), out=y)
    return np.add(y, np.maximum(x, 0, out=empty_like(x)), out=y)


def logistic_slope(x):
    """σ(x) σ(-x) = sech²(x/2) / 4."""
    if x.__class__ is np.ndarray and x.ndim and x.dtype.kind == "f":
        return quietly(_logistic_slope, x)
    return 0.25 * sech2(0.5 * x)


def _logistic_slope(x):
    y = _reciprocal(_cosh2(0.5 * x))
    return np.multiply(0.25, y, out=y)


def normal_density(x):
    """φ(x) = exp(-x²/2) / √(2π)."""
    return (1 / math.sqrt(2 * math.pi)) * gaussian(math.sqrt(0.5) * x)


@own
def gaussian(x):
    """exp(-x²)."""
    return quietly(_gaussian, x)


def _gaussian(x):
    if x.__class__ is not np.ndarray:
        return np.exp(-x * x)
    y = np.multiply(x, x, out=empty_like(x))
    return np.exp(np.negative(y, out=y), out=y)


@own
def cauchy(x):
    """1 / (1 + x²), which underflows where x² overflows."""
    return 1 / (1 + x * x)


elementwise(sech2, lambda y, x: -2 * np.tanh(x) * y, finite=True)
elementwise(logistic, lambda y, x: logistic_slope(x), finite=True)
elementwise(softplus, lambda y, x: logistic(x), finite=True)
elementwise(gaussian, lambda y, x: -2 * product(x, y))
elementwise(cauchy, lambda y, x: -2 * product(x, y) * y)


def root_of_one_plus_square(x):
    """√(1 + x²), without x² where that is large."""
    if x.__class__ is np.ndarray and x.dtype.kind == "f":
        y = np.sqrt(1 + x * x)
        return y if np.add.reduce(y, axis=None) < np.inf else np.hypot(1, x)
    return np.sqrt(1 + x * x) if np.iscomplexobj(primal(x)) else np.hypot(1, x)


# ---------------------------------------------------------------------- of a point in the plane


@own
def cos_angle(x, y):
    """c = x / √(x² + y²), that of the angle of (x, y), and 0 at the origin; s = ``cosine(y, x)`` is its sine."""
    if (square := _everyday_square(x, y)) is not None:
        return x / np.sqrt(square)
    h = np.hypot(x, y)
    x, y = x + np.zeros_like(h), y + np.zeros_like(h)
    infinite, scale = np.isinf(x) | np.isinf(y), np.where(np.isinf(h), 0.5, 1).astype(h.dtype)
    x, y = (np.where(infinite, np.where(np.isinf(a), np.sign(a), 0), a * scale) for a in (x, y))
    h = np.hypot(x, y)
    return x / np.where(h == 0, 1, h)


def _everyday_square(x, y):
    """x² + y² of plain real numbers of which no square is a problem, else None."""
    if isinstance(x, Dual) or isinstance(y, Dual):
        return None
    square = x * x + y * y
    return square if everyday(square) else None


def everyday(squares):
    """Whether these are plain sums of squares that lost nothing to under- or overflow."""
    if squares.__class__ is not np.ndarray or not squares.size:
        return False
    return 1e-20 < np.minimum.reduce(squares, axis=None) and np.maximum.reduce(squares, axis=None) < 1e20


@own
def sine_over_distance(x, y):
    """s / h = y / (x² + y²), how fast the angle of (x, y) falls with x; 0 at the origin."""
    if (square := _everyday_square(x, y)) is not None:
        return y / square
    h = np.hypot(x, y)
    return cos_angle(y, x) / np.where(h == 0, 1, h)


elementwise(
    cos_angle,
    lambda c, x, y: product(sine_over_distance(x, y), cos_angle(y, x)),
    lambda c, x, y: -product(sine_over_distance(x, y), c),
)
elementwise(
    sine_over_distance,
    lambda f, x, y: -2 * product(sine_over_distance(y, x), f),
    lambda f, x, y: np.square(sine_over_distance(y, x)) - np.square(f),
)
