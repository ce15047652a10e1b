"""The normal distribution function, which NumPy lacks: rational approximations on three ranges (Cody 1969)."""

import numpy as np

from ..dispatch import own
from ..extend import lasting
from ..rules.declare import elementwise
from ..slopes import normal_density

_A = (3.16112374387056560e00, 1.13864154151050156e02, 3.77485237685302021e02, 3.20937758913846947e03,
      1.85777706184603153e-1)  # fmt: skip
_B = (2.36012909523441209e01, 2.44024637934444173e02, 1.28261652607737228e03, 2.84423683343917062e03)
_C = (5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e01, 2.98635138197400131e02,
      8.81952221241769090e02, 1.71204761263407058e03, 2.05107837782607147e03, 1.23033935479799725e03,
      2.15311535474403846e-8)  # fmt: skip
_D = (1.57449261107098347e01, 1.17693950891312499e02, 5.37181101862009858e02, 1.62138957456669019e03,
      3.29079923573345963e03, 4.36261909014324716e03, 3.43936767414372164e03, 1.23033935480374942e03)  # fmt: skip
_P = (3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1, 1.60837851487422766e-2,
      6.58749161529837803e-4, 1.63153871373020978e-2)  # fmt: skip
_Q = (2.56852019228982242e00, 1.87295284992346725e00, 5.27905102951428412e-1, 6.05183413124413191e-2,
      2.33520497626869185e-3)  # fmt: skip

CHUNK = 4096


def _ratio(x, above, below):
    """(a_n xⁿ + a_0 xⁿ⁻¹ + ... + a_n-1) / (xⁿ + b_0 xⁿ⁻¹ + ...), by Horner's rule."""
    top, bottom = above[-1] * x, x
    for a, b in zip(above[: len(below) - 1], below[:-1], strict=True):
        top, bottom = (top + a) * x, (bottom + b) * x
    return (top + above[len(below) - 1]) / (bottom + below[-1])


def _small(x):
    return x * _ratio(x * x, _A, _B)


def _complement(x):
    """erfc for x > 0.46875."""
    near, far = np.minimum(x, 4.0), np.maximum(x, 4.0)
    s = 1 / (far * far)
    tail = (1 / np.sqrt(np.pi) - s * _ratio(s, _P, _Q)) / far
    return np.exp(-x * x) * np.where(x <= 4, _ratio(near, _C, _D), tail)


def _ndtr(x):
    u = x * np.sqrt(0.5)
    size = np.abs(u)
    tail = 0.5 * _complement(np.maximum(size, 0.46875))
    near = 0.5 + 0.5 * _small(np.clip(u, -0.46875, 0.46875))
    return np.where(size <= 0.46875, near, np.where(u < 0, tail, 1 - tail)).astype(x.dtype)


@own
def ndtr(x):
    """Φ(x) = (1 + erf(x/√2)) / 2, entry by entry, to 1e-14 in float64 in both tails."""
    if x.__class__ is not np.ndarray or x.size <= CHUNK:
        return _ndtr(x)
    flat, y = x.reshape(-1), np.empty(x.size, x.dtype)  # block by block, so that the many temporaries stay in cache
    for start in range(0, x.size, CHUNK):
        y[start : start + CHUNK] = _ndtr(flat[start : start + CHUNK])
    return y.reshape(x.shape)


with lasting():  # this module may be imported first in a block that takes declarations back
    elementwise(ndtr, lambda y, x: normal_density(x), finite=True)
