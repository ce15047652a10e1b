"""Bessel functions along x: each derivative is a sum over neighbouring orders.

f⁽ⁿ⁾ = (c / 2)ⁿ Σ sʲ C(n, j) f_v-n+2j, with c = 1 and s = -1 for J and Y, c = -1 and s = 1 for K.
The orders of ``yn`` and ``kn`` lose their fractions, as in SciPy.
"""

import math

import numpy as np
from scipy import special as sp

from ..rules.declare import elementwise
from .tails import fixed, in_double


def _derivatives(function, scale, sign):
    """The n-th derivative of a function of order v, as a function of n, v and x."""
    name = function.__name__

    @in_double
    def derivative(n, v, x):
        return scale**n * sum(sign**j * math.comb(n, j) * function(v - n + 2 * j, x) for j in range(n + 1))

    elementwise(derivative, fixed(name), fixed(name), lambda y, n, v, x: derivative(n + 1, v, x))
    return derivative


j_derivative = _derivatives(sp.jv, 0.5, -1)
y_derivative = _derivatives(sp.yv, 0.5, -1)
k_derivative = _derivatives(sp.kv, -0.5, 1)

elementwise(sp.j0, lambda y, x: j_derivative(1, 0, x))
elementwise(sp.j1, lambda y, x: j_derivative(1, 1, x))
elementwise(sp.jv, fixed("jv"), lambda y, v, x: j_derivative(1, v, x))
elementwise(sp.y0, lambda y, x: y_derivative(1, 0, x))
elementwise(sp.y1, lambda y, x: y_derivative(1, 1, x))
elementwise(sp.yn, fixed("yn"), lambda y, n, x: y_derivative(1, np.trunc(n), x))
elementwise(sp.yv, fixed("yv"), lambda y, v, x: y_derivative(1, v, x))
elementwise(sp.k0, lambda y, x: k_derivative(1, 0, x))
elementwise(sp.k1, lambda y, x: k_derivative(1, 1, x))
elementwise(sp.kn, fixed("kn"), lambda y, n, x: k_derivative(1, np.trunc(n), x))
elementwise(sp.kv, fixed("kv"), lambda y, v, x: k_derivative(1, v, x))
