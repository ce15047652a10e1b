"""Recurrences whose arithmetic leaves the range of floating point on the way.

The cube of 1e-200 is 0, and so is the number that Miller's recurrence makes of it; its third derivative is 6. Where the
arithmetic of a quotient or a power over- or underflows, which the processor notes at no cost, it is done again on
x = 2^α (x̂₀ + x̂₁ 2^β t + x̂₂ 2^2β t² + ...), with α and β such that no x̂ⱼ is more than about 2, entry by entry. Powers of
two lose nothing, and what is representable comes out right.
"""

import functools

import numpy as np

from ..dual import primal
from .series import coefficient_of, new, zero_where_still
from .strict import strictly


def recurrent(value, like, step):
    """The series z with zₖ = step(z, k)."""
    z = new(value, like, lambda k: step(z, k))
    return z


def guarded(value, like, step, rescaled, xs):
    """The series z with zₖ = step(z, k), and rescaled(k) where that over- or underflows."""

    def checked(z, k):
        for x in xs:
            x.coefficient(k)  # the guard is for this operation alone
        try:
            y = strictly(step, z, k)
        except FloatingPointError:
            y = rescaled(k)
        return zero_where_still(y, xs, k)

    return recurrent(value, like, checked)


def scales(x, k):
    """α and β with |xⱼ| <= 2^(α + β j), about, entry by entry; 0 where x₀ is 0."""
    start = exponent_of(x.primal)
    pace = largest([(exponent_of(x.coefficient(j)) - start) / j for j in range(1, k + 1)])
    return finite_or_0(start), np.ceil(finite_or_0(pace))


def rescale(x, like, k, start, pace):
    """x(2^-pace t) 2^-start up to order k."""
    known = [shifted(coefficient_of(x, like.level, j), -(start + pace * j)) for j in range(k + 1)]
    series = new(known[0], like, None)
    series.known = known
    return series


def shifted(x, e):
    """x 2^e."""
    if np.iscomplexobj(primal(x)):
        return shifted(np.real(x), e) + 1j * shifted(np.imag(x), e)
    return np.ldexp(x, np.clip(e, -9999, 9999).astype(np.intc))


def exponent_of(x):
    """log₂ |x|, rounded down; -∞ where there is none."""
    e = np.floor(np.log2(np.abs(primal(x))))
    return np.where(e < np.inf, e, -np.inf)


def largest(exponents):
    """The largest of several, entry by entry."""
    return functools.reduce(np.maximum, exponents)


def finite_or_0(e):
    """``e``, and 0 where it is infinite or none."""
    return np.where(np.isfinite(e), e, 0)


def is_normal(value):
    """Whether no entry is 0, subnormal or infinite."""
    try:
        strictly(lambda: 1 / value * value)
    except FloatingPointError:
        return False
    return True
