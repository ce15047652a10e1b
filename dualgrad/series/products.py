"""Cauchy products of more than two operands, and turned round: quotients and solutions of linear systems."""

import numpy as np

from ..rules.einsum import from_sublists, spelled_out
from .scaling import exponent_of, guarded, largest, recurrent, rescale, scales, shifted
from .series import coefficient_of, ground, linear_series, new, total


def _series_einsum(f, xs, *operands, **kw):
    """Products of more than two, two at a time."""
    subscripts, *operands = operands if isinstance(operands[0], str) else from_sublists(operands)
    terms, output, _ = spelled_out(subscripts, operands)
    while len(terms) > 2:
        (a, b, *terms), (x, y, *operands) = terms, operands
        kept = "".join(dict.fromkeys(c for c in a + b if c in output + "".join(terms)))
        terms, operands = [kept, *terms], [np.einsum(f"{a},{b}->{kept}", x, y), *operands]
    product = np.einsum(",".join(terms) + "->" + output, *operands)
    return new(f(*(x.primal for x in xs)), xs[0], product.coefficient)


def _series_solve(f, xs, a, b):
    """a x = b: xₖ = a₀⁻¹ (bₖ - Σ aⱼ xₖ₋ⱼ) over 0 < j <= k."""
    if not any(a is s for s in xs):
        return linear_series(f, xs)
    value = f(*(s.primal for s in xs))
    if np.ndim(b) == 1:
        return new(value, a, np.linalg.solve(a, b[:, None])[..., 0].coefficient)

    def following(k):
        known = total(np.matmul(a.coefficient(j), x.coefficient(k - j)) for j in range(1, k + 1))
        return np.linalg.solve(a.primal, coefficient_of(b, a.level, k) - known)

    x = new(value, a, following)
    return x


def _series_divide(f, xs, x, y):
    """z = x / y."""
    if not any(y is a for a in xs):
        return linear_series(f, xs)
    value, level = f(*(a.primal for a in xs)), y.level
    x = value.dtype.type(x) if isinstance(x, (int, float, complex)) else x

    def rescaled(k):
        start, pace = scales(y, k)
        size = largest([exponent_of(coefficient_of(x, level, j)) - pace * j for j in range(k + 1)])
        above, below = rescale(x, y, k, size, pace), rescale(y, y, k, start, pace)
        z = recurrent(above.primal / below.primal, y, lambda z, k: _quotient_coefficient(z, k, above, below))
        return shifted(z.coefficient(k), size - start + pace * k)

    return guarded(value, y, lambda z, k: _quotient_coefficient(z, k, x, y), rescaled, xs)


def _quotient_coefficient(z, k, x, y):
    """zₖ = (xₖ - Σ zⱼ yₖ₋ⱼ) / y₀ over j < k."""
    y.coefficient(k)
    ys, zs = y.known, z.known
    return (coefficient_of(x, y.level, k) - total(zs[j] * ys[k - j] for j in range(k))) / ys[0]


ground({np.divide: _series_divide, np.linalg.solve: _series_solve, np.einsum: _series_einsum})
