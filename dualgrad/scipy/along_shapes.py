"""Derivatives of areas along the shapes of a density: what those of the gamma, beta and Student's distribution share.

Of a density f = exp φ the derivative of an order along its shapes is f B, with B the complete Bell polynomial of the
derivatives of φ; that of an area is the integral of f B on the side where it is small. Where the integral is a
quadrature, it is of f along s = ±log(t / x), on which log f falls without an end nearby, from x as far as f has
fallen by `FALL` in its logarithm: Gauss' rule of 96 nodes then has every digit.
"""

import functools
from math import comb

import numpy as np

from ..dispatch import own
from .densities import precision_of

FALL = 45.0
_AT_ONCE = 1024  # entries at once, for every one has its own nodes


def bell(orders, cumulant):
    """exp(-φ) times the derivative of exp φ, of an order (n,) or (m, n), where ``cumulant(*orders)`` is that of φ.

    By Leibniz' rule along the first argument, of (exp φ)' = φ' exp φ.
    """

    @functools.cache
    def slope(*at):
        return cumulant(*at)

    @functools.cache
    def polynomial(*at):
        if not any(at):
            return 1.0
        k = next(k for k, n in enumerate(at) if n)
        less = tuple(n - (i == k) for i, n in enumerate(at))
        total = 0.0
        for taken in np.ndindex(*(n + 1 for n in less)):
            ways = np.prod([comb(n, t) for n, t in zip(less, taken, strict=True)])
            rest = tuple(n - t for n, t in zip(less, taken, strict=True))
            total = total + float(ways) * polynomial(*rest) * slope(*(t + (i == k) for i, t in enumerate(taken)))
        return total

    return polynomial(*orders)


def along_shapes(orders):
    """Declare a function of so many orders and of arrays, computed in double precision, a block of entries at once."""

    def decorate(function):
        @functools.wraps(function)
        def computed(*args):
            counts, arrays = [int(n) for n in args[:orders]], args[orders:]
            kind = precision_of(arrays)
            arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in arrays))
            flat = [a.ravel() for a in arrays]
            y = np.empty(flat[0].size)
            with np.errstate(all="ignore"):
                for start in range(0, y.size, _AT_ONCE):
                    here = slice(start, start + _AT_ONCE)
                    y[here] = function(*counts, *(a[here] for a in flat))
            return y.reshape(arrays[0].shape).astype(kind)[()]

        return own(computed)

    return decorate


def piecewise(y, pieces):
    """Fill in y, by ``(where, function, *arrays)``, each function called with its own entries alone."""
    for where, function, *arrays in pieces:
        if where.any():
            y[where] = function(*(a[where] for a in arrays))
    return y


@functools.cache
def _gauss_rule():
    nodes, weights = np.polynomial.legendre.leggauss(96)
    return (nodes[:, None] + 1) / 2, weights[:, None] / 2


def end_of_fall(start, fall, slope):
    """The s of fall(s) = `FALL`, by Newton's iteration, which decreases to it where the fall is convex."""
    s = start
    for _ in range(24):
        s = s - (fall(s) - FALL) / slope(s)
    return s


def integral(end, integrand):
    """∫ from 0 to ``end``, of an array of ends."""
    nodes, weights = _gauss_rule()
    return end * np.sum(weights * integrand(end * nodes), 0)
