"""Functions that undo or integrate logarithms: the dilogarithm and Lambert's W."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special as sp

from ..dispatch import dispatched
from ..rules.declare import elementwise
from .tails import fixed, in_double


@in_double
def log_quotient(n, x):
    """The n-th derivative of log(x) / (x - 1): near 1 a power series in u = x - 1, elsewhere by the product rule,
    u g_n + n g_n-1 = (-1)ⁿ⁻¹ (n - 1)! / xⁿ."""
    u = x - 1
    near = np.abs(u) < 0.5
    v, w, far = np.where(near, u, 0), np.where(near, 1, u), np.where(near, 2, x)
    series = 0
    for k in range(90 + n, n - 1, -1):
        series = series * v + (-1) ** k * math.perm(k, n) / (k + 1)
    quotient = np.log(far) / w
    for k in range(1, n + 1):
        quotient = ((-1) ** (k - 1) * math.factorial(k - 1) / far**k - k * quotient) / w
    return np.where(near, series, quotient)


elementwise(log_quotient, fixed("spence"), lambda y, n, x: log_quotient(n + 1, x))
elementwise(sp.spence, lambda y, x: -log_quotient(0, x))


@dispatched
def lambertw(z: ArrayLike, k: ArrayLike = 0, tol: float = 1e-8) -> Any:
    """The branch k of Lambert's W, the complex solution w of w exp(w) = z.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import special
    >>> dg.derivative(lambda z: np.real(special.lambertw(z)))(0.0)
    np.float64(1.0)
    """
    return sp.lambertw(z, k, tol)


elementwise(
    lambertw,
    lambda w, z, k, tol: np.exp(-w) / (1 + w),
    fixed("lambertw", "its branch"),
    fixed("lambertw", "its tolerance"),
)
