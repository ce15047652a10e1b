"""Joint buffers: a value and its tangents side by side in one array, so that one product serves them all.

A layer whose rule is fast on plain arrays returns ``y = z[0]`` and ``dy = z[1]`` (or ``z[1:]`` for K directions); the
next layer recognises the pair and multiplies ``z`` by its matrix at once.
"""

import math

import numpy as np

from ..scratch import SMALL, empty
from ..zero import ZERO

_OF_THE_HOST = {np.ndarray, type(ZERO)}


def on_host(*arrays):
    """Whether all are NumPy arrays (or ZERO), on which in-place work is sound."""
    return _OF_THE_HOST.issuperset(map(type, arrays))


def joint(x, dx):
    """The array whose first entry is ``x`` and whose others are ``dx``, where they share one; else None."""
    z = x.base
    if z is None or z is not getattr(dx, "base", None) or z.ndim != x.ndim + 1 or z.shape[1:] != x.shape:
        return None
    lead = dx.ndim - x.ndim
    if len(z) != 1 + (len(dx) if lead else 1) or not z.flags.c_contiguous or not x.flags.c_contiguous:
        return None
    start = _address(z)
    return z if _address(x) == start and _address(dx) == start + x.nbytes else None


def _address(a):
    return a.__array_interface__["data"][0]


def empty_joint(lead, shape, dtype):
    """A fresh joint buffer with its value and its tangent."""
    z = buffer((1 + (lead[0] if lead else 1), *shape), dtype)
    return z, z[0, ...], z[1:] if lead else z[1, ...]


def empty_joint_like(y, dx):
    """The same for a value like ``y``, and the tangent that an elementwise function makes of ``dx``."""
    return empty_joint(dx.shape[: dx.ndim - y.ndim], y.shape, y.dtype)


def buffer(shape, dtype):
    """`empty`, and one call less where the array is small."""
    return np.empty(shape, dtype) if math.prod(shape) * dtype.itemsize < SMALL else empty(shape, dtype)
