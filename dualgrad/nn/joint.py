"""Joint buffers: a value and its tangents side by side in one array, so that one product serves them all.

A layer whose rule is fast on plain arrays returns ``y = z[0]`` and ``dy = z[1]`` (or ``z[1:]`` for K directions); the
next layer recognises the pair and multiplies ``z`` by its matrix at once.
"""

import numpy as np

from ..scratch import empty
from ..zero import ZERO


def plain(*arrays):
    """Whether all are NumPy arrays (or ZERO), on which in-place work is sound."""
    return all(a.__class__ is np.ndarray or a is ZERO for a in arrays)


def joint(x, dx):
    """The array whose first entry is ``x`` and whose others are ``dx``, where they share one; else None."""
    z = x.base
    if z is None or z is not getattr(dx, "base", None) or z.ndim != x.ndim + 1 or z.shape[1:] != x.shape:
        return None
    lead = dx.ndim - x.ndim
    if len(z) != 1 + (len(dx) if lead else 1) or not z.flags.c_contiguous or not x.flags.c_contiguous:
        return None
    return z if _address(x) == _address(z) and _address(dx) == _address(z) + x.nbytes else None


def _address(a):
    return a.__array_interface__["data"][0]


def empty_joint(lead, shape, dtype):
    """A fresh joint buffer with its value and its tangent."""
    z = empty((1 + (lead[0] if lead else 1), *shape), dtype)
    return z, z[0, ...], z[1:] if lead else z[1, ...]
