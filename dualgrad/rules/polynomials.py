"""Polynomials given by their coefficients, the highest power first."""

import numpy as np

from ..backend import like as on_device
from ..dual import primal
from ..errors import TangentLossError
from .absorb import product
from .declare import bilinear, composite, explicit, linear
from .lead import each_direction

# ---------------------------------------------------------------------- sums and products

bilinear(np.convolve, np.correlate)


def _aligned(a1, a2):
    """Both with as many coefficients as the longer one."""
    arrays = np.atleast_1d(a1, a2)
    return [np.pad(a, (max(map(len, arrays)) - len(a), 0)) for a in arrays]


def _all_of(coefficients, value, what):
    """The coefficients, once it is certain that NumPy's own result leaves none of them out."""
    if np.size(value) < len(coefficients):
        raise TangentLossError(f"{what} begins with a coefficient 0, which NumPy leaves out, and its tangent with it")
    return np.pad(coefficients, (np.size(value) - len(coefficients), 0))


def _polymul(a1, a2):
    value = np.polymul(primal(a1), primal(a2))
    a1, a2 = (a if a.size else np.zeros_like(a, shape=1) for a in np.atleast_1d(a1, a2))
    return _all_of(np.convolve(a1, a2), value, "a factor of np.polymul (use np.convolve)")


def _polydiv(u, v):
    """Long division."""
    (r, v), quotient = (np.atleast_1d(a) + 0.0 for a in (u, v)), []
    if r.ndim > 1 or v.ndim > 1:
        raise NotImplementedError(
            "np.polydiv of a Dual takes one polynomial by one: give it coefficients of shape (n,)"
        )
    while len(r) >= max(len(v), 1):
        quotient.append(r[:1] / v[:1])
        r = r[1:] - np.pad(quotient[-1] * v[1:], (0, len(r) - len(v)))
    zero = np.zeros_like(primal(r + v[:1]), shape=1)
    r = _all_of(r if len(r) else zero, np.polydiv(primal(u), primal(v))[1], "the remainder of np.polydiv")
    return np.concatenate(quotient or [zero]), r


composite(np.polyadd, lambda a1, a2: np.add(*_aligned(a1, a2)))
composite(np.polysub, lambda a1, a2: np.subtract(*_aligned(a1, a2)))
composite(np.polymul, _polymul)
composite(np.polydiv, _polydiv, as_given=True)

# ---------------------------------------------------------------------- values, derivatives, integrals, fits


def _polyval(p, x):
    """Horner's rule."""
    y = np.zeros_like(x)
    for c in p:
        y = y * x + c
    return y


def _vander(x, N=None, increasing=False):
    powers, n = [np.ones_like(x)], len(x) if N is None else N
    while len(powers) < n:
        powers.append(powers[-1] * x)
    v = np.stack(powers, -1)[:, :n]
    return v if increasing else v[:, ::-1]


def _polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """Least squares in the powers of x, each divided by its length."""
    if full or cov:
        raise NotImplementedError("np.polyfit of a Dual gives the coefficients alone: leave full= and cov= out")
    x, y, w = (np.add(v, 0.0) for v in (x, y, np.ones_like(primal(x)) if w is None else w))
    a = np.vander(x, deg + 1)
    a, b = a * w[:, None].astype(a.dtype), np.transpose(np.transpose(y) * w.astype(y.dtype))
    scale = np.sqrt(np.sum(a * a, 0))  # moves too: with few points the fit depends on it
    return np.transpose(np.transpose(np.linalg.lstsq(a / scale, b, rcond)[0]) / scale)


composite(np.polyval, _polyval)
composite(np.vander, _vander)
composite(np.polyfit, _polyfit, as_given=True)
linear(np.polyder)


@explicit(np.polyint)
def polyint(p, dp, lead, m=1, k=None):
    """Linear but for the constants of integration."""
    return np.polyint(p, m, k), each_direction(lambda d: np.polyint(d, m), dp) if lead else np.polyint(dp, m)


# ---------------------------------------------------------------------- roots


@explicit(np.roots)
def roots(p, dp, lead):
    """dz = -dp(z) / p'(z): the differential of p(z) = 0."""
    z = np.roots(p)
    if z.size == 0:
        return z, np.zeros_like(z, shape=lead + z.shape)
    slope = _polyval(p[:-1] * on_device(np.arange(len(p) - 1, 0, -1), primal(p)), z)
    return z, product(1 / slope, -_polyval(np.moveaxis(dp, -1, 0)[..., None], z))


def _poly(seq_of_zeros):
    """Π (x - zₖ), or det(x - A) by the method of Faddeev and LeVerrier; the real part where NumPy takes it."""
    z = np.stack(seq_of_zeros) if isinstance(seq_of_zeros, (list, tuple)) else np.atleast_1d(seq_of_zeros)
    p, a = np.ones_like(z, shape=1), 0
    for k in range(len(z)):
        if z.ndim == 1:
            p = np.pad(p, (0, 1)) - z[k] * np.pad(p, (1, 0))
        else:
            a = np.matmul(z, a + p[-1] * on_device(np.eye(len(z)), primal(z)))
            p = np.concatenate([p, -np.trace(a)[None] / (k + 1)])
    return np.real(p) if np.isrealobj(np.poly(primal(z))) else p


composite(np.poly, _poly)
