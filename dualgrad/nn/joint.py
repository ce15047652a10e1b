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
    if z.__class__ is not np.ndarray or z is not dx.base or not z.dtype is x.dtype is dx.dtype:
        return None
    if z.shape[1:] != x.shape or z.strides[1:] != x.strides or z.strides[-dx.ndim :] != dx.strides:
        return None
    fits = z.size == x.size + dx.size and z.flags.c_contiguous
    return None if not fits or np.may_share_memory(x, z[1:]) or np.may_share_memory(dx, z[:1]) else z


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
