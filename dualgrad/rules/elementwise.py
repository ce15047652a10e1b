"""Functions of one operand, entry by entry: each line is a row of a table of derivatives.

``lambda y, x: ...`` is the derivative given the value ``y`` of the function at ``x``; ``over=`` its reciprocal. At
kinks and poles the conventions of ``docs/conventions.md`` hold.
"""

import math

import numpy as np

from ..dual import primal
from ..slopes import cauchy, cos_angle, root_of_one_plus_square, sech2, sine_over_distance
from .absorb import product
from .declare import composite, constant, elementwise, explicit, explicit_binary, linear, register_rule

# ---------------------------------------------------------------------- linear

linear(np.negative, np.positive, np.conjugate, exact=True)
linear(np.degrees, np.rad2deg, np.radians, np.deg2rad)

# ---------------------------------------------------------------------- powers, exponentials, logarithms

elementwise(np.square, lambda y, x: 2 * x)
elementwise(np.sqrt, over=lambda y, x: 2 * y)
elementwise(np.cbrt, lambda y, x: np.square(1 / y) / 3)
elementwise(np.reciprocal, lambda y, x: -y * y)
elementwise(np.exp, lambda y, x: y)
elementwise(np.exp2, lambda y, x: math.log(2) * y)
elementwise(np.expm1, lambda y, x: np.exp(x))
elementwise(np.log, over=lambda y, x: x)
elementwise(np.log2, over=lambda y, x: math.log(2) * x)
elementwise(np.log10, over=lambda y, x: math.log(10) * x)
elementwise(np.log1p, over=lambda y, x: 1 + x)

# ---------------------------------------------------------------------- trigonometric and hyperbolic


def _one_minus_square(x):
    """1 - x², whose own derivative would cancel in the product near 0, and whose difference would near 1."""
    return np.where(np.abs(primal(x)) < 0.5, 1 - x * x, (1 - x) * (1 + x))


elementwise(np.sin, lambda y, x: np.cos(x))
elementwise(np.cos, lambda y, x: -np.sin(x))
elementwise(np.tan, lambda y, x: 1 + y * y)
elementwise(np.arcsin, over=lambda y, x: np.sqrt(_one_minus_square(x)))
elementwise(np.arccos, over=lambda y, x: -np.sqrt(_one_minus_square(x)))
elementwise(np.arctan, lambda y, x: cauchy(x), quotient=lambda y, x, dx: dx / (1 + x * x), finite=True)
elementwise(np.sinh, lambda y, x: np.cosh(x))
elementwise(np.cosh, lambda y, x: np.sinh(x))
elementwise(np.tanh, lambda y, x: sech2(x), quotient=lambda y, x, dx: dx / (c := np.cosh(x)) / c, finite=True)
elementwise(np.arcsinh, over=lambda y, x: root_of_one_plus_square(x), finite=True)
elementwise(np.arccosh, lambda y, x: 1 / np.sqrt(x - 1) / np.sqrt(x + 1))
elementwise(np.arctanh, over=lambda y, x: _one_minus_square(x))

# ---------------------------------------------------------------------- sinc

_SINC_SERIES = [(-1) ** k * 2 * k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(1, 15)]


@explicit(np.sinc)
def sinc(x, dx, lead):
    """sinc'(x) = (cos πx - sinc x) / x, by its power series where that cancels; far out from πx less whole turns."""
    near = np.abs(primal(x)) < 0.6
    safe, small = np.where(near, 1, x), np.where(near, x, 0)
    angle = math.pi * (safe - 2 * np.rint(0.5 * np.real(primal(safe))))
    series = 0
    for c in reversed(_SINC_SERIES):
        series = series * small * small + c
    return np.sinc(x), np.where(near, series * small, (np.cos(angle) - np.sin(angle) / (math.pi * safe)) / safe) * dx


# ---------------------------------------------------------------------- magnitude and angle (R-linear on complex z)


@explicit(np.fabs)
def fabs(x, dx, lead):
    """sign(x) dx."""
    return np.fabs(x), np.sign(primal(x)) * dx


@explicit(np.absolute)
def absolute_rule(x, dx, lead):
    """sign(x) dx; for complex x, Re(conj(u) dx) with u = x / |x|; 0 at 0."""
    if not np.iscomplexobj(primal(x)):
        return np.absolute(x), np.sign(primal(x)) * dx
    c, s = _cos_sin(x)
    return np.absolute(x), c * np.real(dx) + s * np.imag(dx)


def _cos_sin(z):
    """The cosine and the sine of the angle of z."""
    re, im = np.real(z), np.imag(z)
    return cos_angle(re, im), cos_angle(im, re)


@explicit(np.angle)
def angle(z, dz, lead, deg=False):
    """Im(conj(u) dz) / |z| with u = z / |z|, and 0 at 0; 0 for real z."""
    re, im = np.real(z), np.imag(z)
    dphase = product(sine_over_distance(im, re), np.imag(dz)) - product(sine_over_distance(re, im), np.real(dz))
    return np.angle(z, deg), dphase * (180 / math.pi if deg else 1)


def _sign(z):
    """z / |z|, which turns with a complex z, and is constant for a real one."""
    if not np.iscomplexobj(primal(z)):
        return np.sign(primal(z))
    c, s = _cos_sin(z)
    return c + 1j * s


composite(np.sign, _sign)
linear(np.real, np.imag, alone=True)


def _real_if_close(a, tol=100):
    """A view of the real part where NumPy takes it, else the array itself."""
    same = np.iscomplexobj(np.real_if_close(primal(a), tol)) == np.iscomplexobj(primal(a))
    return a if same else np.real(a)


register_rule([np.real_if_close], "explicit", _real_if_close)


@explicit(np.nan_to_num)
def nan_to_num(x, dx, lead, copy=True, nan=0.0, posinf=None, neginf=None):
    """The identity at finite entries; a replaced entry is a constant."""
    if not copy:
        raise NotImplementedError("np.nan_to_num(x, copy=False) writes into a Dual: use x[...] = np.nan_to_num(x)")
    finite = np.isfinite(primal(x))
    return _replaced(x, nan, posinf, neginf), np.where(finite, dx, 0)


def _replaced(x, nan, posinf, neginf):
    plain = np.nan_to_num(primal(x), nan=nan, posinf=posinf, neginf=neginf)
    return plain if x is primal(x) else np.where(np.isfinite(primal(x)), x, plain)


# ---------------------------------------------------------------------- whole and fractional parts, powers of two

composite(np.modf, lambda x: (x - np.trunc(x), np.trunc(x)))
composite(np.frexp, lambda x: (np.ldexp(x, -np.frexp(primal(x))[1]), np.frexp(primal(x))[1]))
explicit_binary(np.ldexp)(lambda out, x, e, dx, de, lead: np.ldexp(dx, e))

# ---------------------------------------------------------------------- real functions that turn complex


def _complex_power(x, p):
    y = np.power(np.add(x, 0j), p)
    return y if np.iscomplexobj(np.lib.scimath.power(primal(x), primal(p))) else np.real(y)


def _in_its_dtype(push):
    """NumPy goes on in complex128 where a long double has no real result."""

    def cast(x):
        y = push(x)
        return y if y.tangent.dtype == y.dtype else y.astype(y.dtype)

    return cast


elementwise(np.lib.scimath.sqrt, over=lambda y, x: 2 * y, around=_in_its_dtype)
elementwise(np.lib.scimath.log, over=lambda y, x: x.astype(y.dtype), around=_in_its_dtype)
elementwise(np.lib.scimath.log2, over=lambda y, x: math.log(2) * x.astype(y.dtype), around=_in_its_dtype)
elementwise(np.lib.scimath.log10, over=lambda y, x: math.log(10) * x.astype(y.dtype), around=_in_its_dtype)
elementwise(np.lib.scimath.arcsin, over=lambda y, x: np.cos(y), around=_in_its_dtype)
# - sin y, of all digits of x:
elementwise(np.lib.scimath.arccos, over=lambda y, x: -np.cos(np.lib.scimath.arcsin(x)), around=_in_its_dtype)
elementwise(np.lib.scimath.arctanh, over=lambda y, x: _one_minus_square(x).astype(y.dtype), around=_in_its_dtype)
composite(np.lib.scimath.logn, lambda n, x: np.lib.scimath.log(x) / np.lib.scimath.log(n), as_given=True)
composite(np.lib.scimath.power, _complex_power)

# ---------------------------------------------------------------------- zero derivative

constant(
    np.floor, np.ceil, np.trunc, np.rint, np.fix, np.round, np.around, np.signbit, np.spacing,
    np.isfinite, np.isinf, np.isnan, np.isneginf, np.isposinf, np.isreal, np.isrealobj, np.iscomplex, np.iscomplexobj,
    np._core.umath._ones_like,
)  # fmt: skip
