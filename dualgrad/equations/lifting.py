"""Lifting: the tangents of a root, degree by degree, by Newton's method with one plain Jacobian.

The tangents of all levels, and the powers of t of a series, are nilpotent: products of more than m of them vanish, for
m levels, where a series of order n counts n times, and one with second derivatives twice. Let x be right up to terms of
degree d, and J plain. Then x - J⁻¹ F(x) is right up to degree d + 1: what is wrong in it is (I - J⁻¹ J(x)) times what
was wrong in x, and J(x) - J has degree 1. The terms of degree d + 1 are the only ones that change, so J y = b is solved
once for each tangent.
"""

import numpy as np

from ..dual import Dual


def lifted(residual, x, r, inverse):
    """The root at the plain vector x, where the residual is r, with all the tangents that r has."""
    for degree in range(1, total_degree(r) + 1):
        r = residual(x) if degree > 1 else r
        x = x - of_degree(r, degree, inverse).astype(x.dtype)
    return x


def total_degree(r):
    """The degree of the highest product of tangents that does not vanish."""
    found, todo = {}, [r]
    while todo:
        a = todo.pop()
        if isinstance(a, Dual):
            parts = multiples(a)
            found[a.level] = max(found.get(a.level, 0), len(parts) - 1)
            todo += parts
    return sum(found.values())


def of_degree(r, degree, inverse):
    """J⁻¹ r of the terms of one degree, and zeros for the others."""
    if not isinstance(r, Dual):
        return np.zeros_like(r) if degree else inverse(r)
    terms = [of_degree(a, degree - k, inverse) for k, a in enumerate(multiples(r))]
    return r.of_degrees(terms) if hasattr(r, "of_degrees") else r.renewed(*terms)


def multiples(a):
    """What multiplies 1, ε or 1, t, t², ..."""
    return a.by_degree() if hasattr(a, "by_degree") else [a.primal, a.tangent]
