"""``scipy.special``: a table of derivatives for its ufuncs, and its sums of exponentials.

The ufuncs are SciPy's own, so that ``scipy.special.erf(dual)`` works as well.
"""

import math

import numpy as np
from scipy import special as sp

from ..backend import is_array
from ..dual import primal
from ..rules.absorb import product
from ..rules.declare import composite, elementwise, explicit
from ..rules.lead import trailing
from .dispatch import dispatching, others

__all__ = ["log_softmax", "logsumexp", "polygamma", "softmax", "zeta"]
__getattr__ = others(sp)

_SQRT_PI, _SQRT_2, _SQRT_2PI = math.sqrt(math.pi), math.sqrt(2), math.sqrt(2 * math.pi)


def _constant(name):
    """The partial derivative along an argument that must be constant."""

    def partial(*args):
        raise NotImplementedError(f"{name} has no rule along its order: pass dg.primal(...) if it is a constant")

    return partial


# ---------------------------------------------------------------------- error functions and the normal distribution

elementwise(sp.erf, lambda y, x: 2 / _SQRT_PI * np.exp(-x * x))
elementwise(sp.erfc, lambda y, x: -2 / _SQRT_PI * np.exp(-x * x))
elementwise(sp.erfcx, lambda y, x: 2 * x * y - 2 / _SQRT_PI)
elementwise(sp.erfinv, lambda y, x: _SQRT_PI / 2 * np.exp(y * y))
elementwise(sp.erfcinv, lambda y, x: -_SQRT_PI / 2 * np.exp(y * y))
elementwise(sp.ndtr, lambda y, x: np.exp(-x * x / 2) / _SQRT_2PI)
elementwise(sp.log_ndtr, over=lambda y, x: _SQRT_PI / _SQRT_2 * sp.erfcx(-x / _SQRT_2))  # exact in the tail
elementwise(sp.ndtri, lambda y, x: _SQRT_2PI * np.exp(y * y / 2))

# ---------------------------------------------------------------------- gamma functions


@dispatching
def polygamma(n, x):
    """The n-th derivative of digamma at x, for a constant n.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import special
    >>> dg.derivative(special.digamma)(2.0) == special.polygamma(1, 2.0)
    np.True_
    """
    return sp.polygamma(n, x)


@dispatching
def zeta(x, q=None):
    """The zeta function of Hurwitz, Σ 1 / (k + q)ˣ over k >= 0, for a constant x; Riemann's without q.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from dualgrad.scipy import special
    >>> dg.derivative(lambda q: special.zeta(2.0, q))(1.0) == -2 * special.zeta(3.0, 1.0)
    np.True_
    """
    return sp.zeta(x, q)


elementwise(sp.gamma, lambda y, x: y * sp.digamma(x))
elementwise(sp.gammaln, lambda y, x: sp.digamma(x))
elementwise(sp.loggamma, lambda y, x: sp.digamma(x))
elementwise(sp.digamma, lambda y, x: zeta(2.0, x))
elementwise(polygamma, _constant("polygamma"), lambda y, n, x: polygamma(n + 1, x))
elementwise(zeta, _constant("zeta"), lambda y, s, x: -s * zeta(s + 1, x))
elementwise(
    sp.beta,
    lambda y, a, b: y * (sp.digamma(a) - sp.digamma(a + b)),
    lambda y, a, b: y * (sp.digamma(b) - sp.digamma(a + b)),
)
composite(sp.betaln, lambda a, b: sp.gammaln(a) + sp.gammaln(b) - sp.gammaln(a + b))

# ---------------------------------------------------------------------- logistic functions and entropies

elementwise(sp.expit, lambda y, x: y * sp.expit(-x))  # not y (1 - y), which is 0 in the tail
elementwise(sp.log_expit, lambda y, x: sp.expit(-x))
elementwise(sp.logit, over=lambda y, x: x * (1 - x))
composite(sp.xlogy, lambda x, y: product(np.log(y), x))
composite(sp.xlog1py, lambda x, y: product(np.log1p(y), x))
elementwise(sp.entr, lambda y, x: -np.log(x) - 1)
elementwise(sp.rel_entr, lambda out, x, y: np.log(x / y) + 1, lambda out, x, y: -product(1 / y, x))
elementwise(sp.kl_div, lambda out, x, y: np.log(x / y), lambda out, x, y: 1 - product(1 / y, x))

# ---------------------------------------------------------------------- modified Bessel functions; e: times exp(-|x|)

elementwise(sp.i0, lambda y, x: sp.i1(x))
elementwise(sp.i1, lambda y, x: (sp.i0(x) + sp.iv(2, x)) / 2)
elementwise(sp.iv, _constant("iv"), lambda y, v, x: (sp.iv(v - 1, x) + sp.iv(v + 1, x)) / 2)
elementwise(sp.i0e, lambda y, x: sp.i1e(x) - np.sign(x) * y)
elementwise(sp.i1e, lambda y, x: (sp.i0e(x) + sp.ive(2, x)) / 2 - np.sign(x) * y)
elementwise(sp.ive, _constant("ive"), lambda y, v, x: (sp.ive(v - 1, x) + sp.ive(v + 1, x)) / 2 - np.sign(x) * y)

# ---------------------------------------------------------------------- sums of exponentials


@dispatching
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
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
    """top + log Σ b exp(a - top), where infinities cancel, and 0 · ∞ is 0."""
    b = 1.0 if b is None else b if is_array(b) else np.asarray(b)
    top = np.max(np.where(primal(b) == 0, -np.inf, a), axis, keepdims=True)
    total = np.sum(product(np.exp(np.where(a == top, 0, a - top)), b), axis, keepdims=keepdims)
    top = top if keepdims else np.squeeze(top, axis)
    if not return_sign:
        return top + np.log(total)
    if np.iscomplexobj(primal(total)):
        raise NotImplementedError("logsumexp of complex Duals has no rule for return_sign=True: leave it out")
    sign = np.where(primal(total) < 0, -1, 1)
    return top + np.log(sign * total), sign


composite(logsumexp, _logsumexp)


@dispatching
def softmax(x, axis=None):
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


@dispatching
def log_softmax(x, axis=None):
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


def _mean(weights, dx, x, axis):
    return np.sum(weights * dx, axis=trailing(axis, np.ndim(x)), keepdims=True)


@explicit(softmax)
def softmax_rule(x, dx, lead, axis):
    """y (dx - Σ y dx)."""
    y = softmax(x, axis)
    return y, y * (dx - _mean(y, dx, x, axis))


@explicit(log_softmax)
def log_softmax_rule(x, dx, lead, axis):
    """dx - Σ softmax(x) dx."""
    return log_softmax(x, axis), dx - _mean(softmax(x, axis), dx, x, axis)
