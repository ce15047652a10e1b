"""``scipy.special``: a table of derivatives for its ufuncs, and its sums of exponentials.

The ufuncs are SciPy's own, so that ``scipy.special.erf(dual)`` works as well.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import special as sp

from ..backend import Array, is_array
from ..dispatch import dispatched
from ..dual import primal
from ..exponentials import gap, log_softmax_tangent, softmax_tangent
from ..rules.absorb import has_nan, product
from ..rules.declare import composite, elementwise, explicit
from ..rules.lead import trailing
from ..slopes import gaussian, logistic_slope, normal_density
from .gammas import multigammaln
from .logarithms import lambertw
from .shared import as_number, others
from .tails import (
    SQRT_2PI,
    SQRT_PI,
    bessel_derivative,
    bessel_moment,
    dawson,
    digamma_gap,
    fixed,
    inverse_mills,
    log_ratio,
    mills_ratio,
    scaled_bessel_derivative,
)

__all__ = ["lambertw", "log_softmax", "logsumexp", "multigammaln", "polygamma", "softmax", "zeta"]
__getattr__ = others(sp)

Axis: TypeAlias = int | tuple[int, ...] | None

# ---------------------------------------------------------------------- error functions and the normal distribution

elementwise(sp.erf, lambda y, x: 2 / SQRT_PI * gaussian(x))
elementwise(sp.erfc, lambda y, x: -2 / SQRT_PI * gaussian(x))
elementwise(sp.erfi, lambda y, x: 2 / SQRT_PI * np.exp(x * x))
elementwise(sp.erfcx, lambda y, x: -2 * y * mills_ratio(1, x))
elementwise(sp.dawsn, lambda y, x: dawson(1, x))
elementwise(sp.ndtr, lambda y, x: normal_density(x), finite=True)
elementwise(sp.log_ndtr, lambda y, x: inverse_mills(x))


def _erfcinv_slope(y, x):
    """-√π/2 exp(y²), in the tail by erfcx y = x exp(y²)."""
    if np.all(primal(y) < 1):
        return -SQRT_PI / 2 * np.exp(y * y)
    return -SQRT_PI / 2 * np.where((primal(y) < 1) | (primal(x) == 0), np.exp(y * y), sp.erfcx(y) / x)


def _ndtri_slope(y, p):
    """1 / φ(y), in the tail by φ(y) = p h(y)."""
    if np.all(primal(y) > -1):
        return SQRT_2PI * np.exp(y * y / 2)
    near = (primal(y) > -1) | (primal(p) == 0)
    return np.where(near, SQRT_2PI * np.exp(y * y / 2), 1 / (p * inverse_mills(y)))


elementwise(sp.erfinv, lambda y, x: SQRT_PI / 2 * np.exp(y * y))
elementwise(sp.erfcinv, _erfcinv_slope)
elementwise(sp.ndtri, _ndtri_slope)

# ---------------------------------------------------------------------- gamma functions


@dispatched
def polygamma(n: ArrayLike, x: ArrayLike) -> Any:
    """The n-th derivative of digamma at x, for a constant n.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import special
    >>> dg.derivative(special.digamma)(2.0) == special.polygamma(1, 2.0)
    np.True_
    """
    return sp.polygamma(n, x)


@dispatched
def zeta(x: ArrayLike, q: ArrayLike | None = None) -> Any:
    """The zeta function of Hurwitz, Σ 1 / (k + q)ˣ over k >= 0, for a constant x; Riemann's without q.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from dualgrad.scipy import special
    >>> dg.derivative(lambda q: special.zeta(2.0, q))(1.0) == -2 * special.zeta(3.0, 1.0)
    np.True_
    """
    return sp.zeta(x, q)


def _trigamma(x):
    """ζ(2, x), on the left by reflection: (π / sin πx)² - ζ(2, 1 - x)."""
    if np.iscomplexobj(primal(x)):
        raise NotImplementedError("digamma has no rule at complex points, nor loggamma its second derivative there")
    left = primal(x) < 0
    if not np.any(left):
        return zeta(2.0, x)
    fraction = np.where(left, x - np.rint(primal(x)), 0.5)
    reflected = np.square(math.pi / np.sin(math.pi * fraction)) - zeta(2.0, np.where(left, 1 - x, 1))
    return np.where(left, reflected, zeta(2.0, np.where(left, 1, x)))


elementwise(sp.gamma, lambda y, x: y * sp.digamma(x))
elementwise(sp.gammaln, lambda y, x: sp.digamma(x))
elementwise(sp.loggamma, lambda y, x: sp.digamma(x))
elementwise(sp.digamma, lambda y, x: _trigamma(x))
elementwise(polygamma, fixed("polygamma"), lambda y, n, x: polygamma(n + 1, x))
elementwise(zeta, fixed("zeta"), lambda y, s, x: -s * zeta(s + 1, x))
elementwise(sp.beta, lambda y, a, b: -y * digamma_gap(a, b), lambda y, a, b: -y * digamma_gap(b, a))
elementwise(sp.betaln, lambda y, a, b: -digamma_gap(a, b), lambda y, a, b: -digamma_gap(b, a))
elementwise(
    sp.hyperu,
    fixed("hyperu"),
    fixed("hyperu"),
    lambda y, a, b, x: -a * np.where(np.equal(a, -1), 1, sp.hyperu(a + 1, b + 1, x)),
)

# ---------------------------------------------------------------------- logistic functions and entropies


def _share(x, y):
    """x / y, and 0 for x = 0 whatever y."""
    q = x / y
    return np.where(primal(x) == 0, product(1 / y, x), q) if has_nan(q) else q


elementwise(sp.expit, lambda y, x: logistic_slope(x), finite=True)
elementwise(sp.log_expit, lambda y, x: sp.expit(-x))
elementwise(sp.logit, over=lambda y, x: x * (1 - x))
elementwise(sp.xlogy, lambda out, x, y: np.log(as_number(out, y)), lambda out, x, y: _share(x, y))
elementwise(sp.xlog1py, lambda out, x, y: np.log1p(as_number(out, y)), lambda out, x, y: _share(x, 1 + y))
elementwise(sp.entr, lambda y, x: -np.log(x) - 1)
elementwise(sp.rel_entr, lambda out, x, y: log_ratio(x, y) + 1, lambda out, x, y: -_share(x, y))
elementwise(sp.kl_div, lambda out, x, y: log_ratio(x, y), lambda out, x, y: 1 - _share(x, y))

# ---------------------------------------------------------------------- modified Bessel functions; e: times exp(-|x|)


def _ive_slope(y, v, x):
    if np.iscomplexobj(primal(x)):
        raise NotImplementedError("ive has no rule at complex points z: write np.exp(-np.abs(np.real(z))) * iv(v, z)")
    return scaled_bessel_derivative(1, v, x)


elementwise(sp.i0, lambda y, x: bessel_derivative(1, 0, x))
elementwise(sp.i1, lambda y, x: bessel_derivative(1, 1, x))
elementwise(sp.iv, fixed("iv"), lambda y, v, x: bessel_derivative(1, v, x))
elementwise(sp.i0e, lambda y, x: -np.sign(primal(x)) * bessel_moment(1, x))
elementwise(sp.i1e, lambda y, x: bessel_moment(2, x) - bessel_moment(1, x))
elementwise(sp.ive, fixed("ive"), _ive_slope)

# ---------------------------------------------------------------------- sums of exponentials


@dispatched
def logsumexp(
    a: ArrayLike, axis: Axis = None, b: ArrayLike | None = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log Σ b exp(a) along axes; where all of ``a`` is -∞, its tangents are averaged.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import special
    >>> dg.grad(special.logsumexp)(np.array([1000.0, 1000.0, 0.0]))
    array([0.5, 0.5, 0. ])
    """
    return sp.logsumexp(a, axis=axis, b=b, keepdims=keepdims, return_sign=return_sign)


def _logsumexp(a, axis, b, keepdims, return_sign):
    """top + log Σ b exp(a - top), where 0 · ∞ is 0."""
    b = 1.0 if b is None else b if is_array(b) else np.asarray(b)
    top = np.max(np.where(primal(b) == 0, -np.inf, a), axis, keepdims=True)
    total = np.sum(product(np.exp(gap(a, top)), b), axis, keepdims=keepdims)
    top = top if keepdims else np.squeeze(top, axis)
    if not return_sign:
        return top + np.log(total)
    if np.iscomplexobj(primal(total)):
        raise NotImplementedError("logsumexp of complex Duals has no rule for return_sign=True: leave it out")
    sign = np.where(primal(total) < 0, -1, 1)
    return top + np.log(sign * total), sign


composite(logsumexp, _logsumexp)


@dispatched
def softmax(x: ArrayLike, axis: Axis = None) -> Array:
    """exp(x) / Σ exp(x) along axes.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import special
    >>> dg.jacfwd(special.softmax)(np.zeros(2))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    return sp.softmax(x, axis=axis)


@dispatched
def log_softmax(x: ArrayLike, axis: Axis = None) -> Array:
    """x - log Σ exp(x) along axes.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import special
    >>> dg.jacfwd(special.log_softmax)(np.zeros(2))
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    return sp.log_softmax(x, axis=axis)


@explicit(softmax)
def softmax_rule(x, dx, lead, axis):
    """y (dx - Σ y dx)."""
    y = softmax(x, axis)
    return y, softmax_tangent(y, dx, trailing(axis, np.ndim(x)))


@explicit(log_softmax)
def log_softmax_rule(x, dx, lead, axis):
    """dx - Σ softmax(x) dx."""
    return log_softmax(x, axis), log_softmax_tangent(softmax(x, axis), dx, trailing(axis, np.ndim(x)))
