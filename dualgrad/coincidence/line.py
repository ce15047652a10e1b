"""Line: a Dual or a series along one direction as the same thing, a series of matrices."""

import itertools
import math

import numpy as np

from ..dual import LIVE, Dual, primal
from ..rules.absorb import parts
from .directions import levels_in


class Line:
    """A matrix as A(t), from the Dual or the series it is; ``of`` says so of a Dual whose nested tangents are those of
    one direction, up to factors, and None of others."""

    def __init__(self, coefficients, like, nested):
        self.coefficients, self.like, self.nested = coefficients, like, nested
        self.order, self.eps = len(coefficients) - 1, np.finfo(coefficients[0].dtype).eps

    @staticmethod
    def of(a):
        if a.__class__ is not Dual:
            found = [a.coefficient(k) for k in range(a.order + 1)]
            return None if any(isinstance(c, Dual) for c in found) else Line(found, a, None)
        levels = sorted(levels_in(a))
        if 0 in levels or any(math.prod(LIVE[level]) != 1 for level in levels):
            return None
        subsets = [frozenset(c) for k in range(len(levels) + 1) for c in itertools.combinations(levels, k)]
        tangents = {c: _tangent(a, c) for c in subsets}
        first = {level: tangents[frozenset([level])] for level in levels}
        largest = max(first.values(), key=lambda d: np.max(np.abs(d)))
        square = np.vdot(largest, largest).real
        factors = {level: np.vdot(largest, d).real / square if square else 1.0 for level, d in first.items()}
        factors = {c: math.factorial(len(c)) * math.prod(factors[level] for level in c) for c in subsets}
        coefficients = []
        for k in range(len(levels) + 1):
            best = max((c for c in subsets if len(c) == k), key=lambda c: abs(factors[c]))
            coefficients.append(tangents[best] / (factors[best] or 1.0))
        eps = 1e4 * np.finfo(a.dtype).eps
        for c in subsets:
            off, size = np.abs(tangents[c] - factors[c] * coefficients[len(c)]), np.max(np.abs(tangents[c]))
            if np.any(off > eps * size):
                return None
        return Line(coefficients, a, (levels, factors))

    @property
    def bends(self):
        """Whether coefficients that are not known may matter: unless it is straight as far as it is known."""
        return any(np.any(c) for c in self.coefficients[2:]) if self.order > 1 else not self.like.frozen

    def as_dual(self, coefficients, undetermined=()):
        """The Dual or series with these coefficients, in the precision of the matrix; NaN in some columns."""
        dtype = self.coefficients[0].dtype if np.iscomplexobj(coefficients[0]) else self.coefficients[0].real.dtype
        found = [c.astype(dtype) for c in coefficients[: self.order + 1]]
        for c in found[1:]:
            c[..., list(undetermined)] = np.nan
        if self.nested is None:
            return self.like.__class__(found[0], self.like.order, self.like.level, found.__getitem__)
        levels, factors = self.nested

        def dual(remaining, chosen):
            if not remaining:
                lead = sum((LIVE[level] for level in levels if level in chosen), ())
                c = (factors[chosen] * found[len(chosen)]).astype(dtype)
                return np.reshape(c, lead + c.shape)
            *below, level = remaining
            return Dual(dual(below, chosen), dual(below, chosen | {level}), level)

        return dual(levels, frozenset())


def _tangent(a, levels):
    """The tangent that belongs to all these levels at once, without lead axes."""
    shape = a.shape
    for level in sorted(levels, reverse=True):
        while isinstance(a, Dual) and a.level > level:
            a = a.primal
        a = parts(a, level)[1]
        if a is None:
            return np.zeros(shape)
    return np.reshape(primal(a), shape)
