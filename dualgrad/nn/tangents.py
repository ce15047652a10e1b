"""The axes in front of tangents, ``()`` for one direction and ``(K,)`` for K, and tangents of which some are `ZERO`."""

import numpy as np

from ..dual import primal
from ..zero import ZERO


def leading(dx, ndim):
    """The axes in front of the last ``ndim``: the lead of a tangent of an array that has so many."""
    return dx.shape[: dx.ndim - ndim]


def shared_lead(*tangents):
    """The axes before pairs (tangent, ndim of its primal): (), or (K,) for K directions; None where all are ZERO."""
    for d, ndim in tangents:
        if d is not ZERO:
            return leading(d, ndim)
    return None


def with_zeros(ds, primals):
    """The tangents of some arrays, an array of zeros where one is `ZERO`; ZERO where all are."""
    moving = [d is not ZERO for d in ds]
    if all(moving):
        return ds
    if not any(moving):
        return ZERO
    lead = shared_lead(*zip(ds, map(np.ndim, primals), strict=True))
    zeros = lambda x: np.zeros_like(primal(x), shape=lead + x.shape)  # noqa: E731
    return [zeros(x) if d is ZERO else d for d, x in zip(ds, primals, strict=True)]
