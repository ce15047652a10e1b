"""Arithmetic of two operands: sums, products, powers, extrema and remainders."""

import math

import numpy as np

from ..backend import is_host
from ..dual import primal
from ..exponentials import gap
from ..slopes import cos_angle, logistic, sine_over_distance
from .absorb import product
from .declare import composite, constant, elementwise, explicit_binary, linear_sum, product_rule

# ---------------------------------------------------------------------- sums, products, quotients

linear_sum(np.add)
linear_sum(np.subtract, negative=True)
product_rule(np.multiply, square=np.square)


def _quotient_tangent(z, x, y, dx, dy):
    return np.divide(dx, y) if dy is None else (dx - z * dy) / y  # Python's own / raises where y is its 0


elementwise(np.divide, lambda z, x, y: z.dtype.type(1) / y, lambda z, x, y: -z / y, quotient=_quotient_tangent)

# ---------------------------------------------------------------------- powers and logarithms of sums


_LOG_2 = math.log(2)


def _power_by_base(y, x, n):
    """n xⁿ⁻¹, and 0 for n = 0 whatever x."""
    if isinstance(n, (int, float, complex)):
        return n * x ** (n - 1) if n != 0 else 0 * y
    none = (primal(n) == 0) & (primal(x) == 0)
    slope = product(x ** np.where(none, 1, n - 1), n)
    tiny = is_host(primal(y)) and (np.abs(primal(n)) < 1e-3) & (np.abs(primal(n)) < 4 * np.abs(primal(x)))
    return np.where(tiny, y * (n / x), slope) if np.any(tiny) else slope


def _power_by_exponent(y, x, n):
    """xⁿ log x, and 0 at x = 0 (where 0ⁿ does not change with n > 0)."""
    x = x + 0j if np.iscomplexobj(primal(y)) else x
    if isinstance(x, (int, float, complex)):
        return y * np.log(1.0 * x).item() if x != 0 else np.zeros_like(y)
    zero = primal(x) == 0
    return np.where(zero, 0, y * np.log(np.where(zero, 1, x)))


elementwise(np.power, _power_by_base, _power_by_exponent)
composite(np.float_power, np.power)
elementwise(np.logaddexp, lambda z, x, y: logistic(gap(x, y)), lambda z, x, y: logistic(gap(y, x)))
elementwise(np.logaddexp2, lambda z, x, y: logistic(_LOG_2 * gap(x, y)), lambda z, x, y: logistic(_LOG_2 * gap(y, x)))

# ---------------------------------------------------------------------- angles, remainders


elementwise(np.hypot, lambda z, x, y: cos_angle(x, y), lambda z, x, y: cos_angle(y, x))
elementwise(np.arctan2, lambda z, y, x: sine_over_distance(y, x), lambda z, y, x: -sine_over_distance(x, y))


def _whole_quotient(z, x, y):
    """(x - z) / y, a whole number but for rounding."""
    return np.rint((primal(x) - primal(z)) / primal(y))


for remainder in (np.remainder, np.fmod):
    elementwise(remainder, lambda z, x, y: np.ones_like(z), lambda z, x, y: -_whole_quotient(z, x, y))
composite(np.divmod, lambda x, y: (np.floor_divide(x, y), np.remainder(x, y)))
constant(np.floor_divide)

# ---------------------------------------------------------------------- signs and steps

elementwise(np.copysign, lambda z, x, s: np.sign(primal(x)) * np.sign(primal(z)), lambda z, x, s: np.zeros_like(z))


@explicit_binary(np.heaviside)
def heaviside(z, x, h, dx, dh, lead):
    """dh at x = 0, else 0: a step has no slope."""
    dh = np.zeros_like(z, shape=lead + z.shape) if dh is None else dh
    return np.where(np.equal(primal(x), 0), dh, 0).astype(z.dtype)


# ---------------------------------------------------------------------- extrema: the chosen tangent, ties shared evenly


def _chosen(out, x, y, dx, dy, lead):
    out, x, y = primal(out), primal(x), primal(y)
    from_x, from_y = x == out, y == out
    half = 1 - 0.5 * (from_x & from_y)
    terms = [] if dx is None else [np.where(from_x, dx, 0)]
    terms += [] if dy is None else [np.where(from_y, dy, 0)]
    return (sum(terms[1:], terms[0]) * half).astype(out.dtype)


for extremum in (np.maximum, np.minimum, np.fmax, np.fmin):
    explicit_binary(extremum)(_chosen)


def _clip(a, a_min=None, a_max=None, *, min=None, max=None, dtype=None, casting="same_kind"):
    """min(max(x, low), high): at a bound, x and the bound share. The value is NumPy's, and so is what it may cast."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


composite(np.clip, _clip)
composite(np._core.umath.clip, _clip)

# ---------------------------------------------------------------------- comparisons and logic

constant(
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    np.isclose, np.allclose, np.array_equal, np.array_equiv,
)  # fmt: skip
