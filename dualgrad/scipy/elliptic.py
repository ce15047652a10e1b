"""Complete elliptic integrals: hypergeometric functions, whose derivatives are some of the same family.

K⁽ⁿ⁾ = π/2 (½)ₙ² / n! (1 - m)⁻ⁿ F(½, ½; n + 1; m) and E⁽ⁿ⁾ = π/2 (-½)ₙ (½)ₙ / n! (1 - m)¹⁻ⁿ F(3/2, ½; n + 1; m).
"""

import math

import numpy as np
from scipy import special as sp

from ..rules.declare import elementwise
from .tails import fixed, in_double


@in_double
def k_of(n, m):
    """The n-th derivative of K."""
    return math.pi / 2 * sp.poch(0.5, n) ** 2 / math.factorial(n) * (1 - m) ** -n * sp.hyp2f1(0.5, 0.5, n + 1, m)


@in_double
def e_of(n, m):
    """The n-th derivative of E, n > 0; the first is (E - K) / (2m), which from ½ on is no difference of equals."""
    scale = math.pi / 2 * sp.poch(-0.5, n) * sp.poch(0.5, n) / math.factorial(n)
    near = np.where((m > 0.5) & (n == 1), 0, m)
    high = np.where(m > 0.5, m, 0.5)
    y = scale * (1 - m) ** (1.0 - n) * sp.hyp2f1(1.5, 0.5, n + 1, near)
    return np.where((m > 0.5) & (n == 1), (sp.ellipe(high) - sp.ellipk(high)) / (2 * high), y)


elementwise(k_of, fixed("ellipk"), lambda y, n, m: k_of(n + 1, m))
elementwise(e_of, fixed("ellipe"), lambda y, n, m: e_of(n + 1, m))
elementwise(sp.ellipk, lambda y, m: k_of(1, m))
elementwise(sp.ellipe, lambda y, m: e_of(1, m))
