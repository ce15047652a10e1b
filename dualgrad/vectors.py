"""Vectors of R^p: their precision, where they live, whether they are finite."""

import math
from operator import attrgetter

import numpy as np

from .backend import like as on_device
from .backend import to_numpy
from .scratch import SMALL, empty


def in_kind(vector, like):
    """A vector in the dtype of another, where that lives."""
    return on_device(vector.astype(like.dtype, copy=False), like)


def identity(n, like):
    """The identity matrix of n rows, in kind."""
    return in_kind(np.eye(n, dtype=like.dtype), like)


def double(vector):
    """A vector of real numbers as float64, on the host."""
    if vector.dtype.kind not in "fiub":
        raise TypeError(f"got {vector.dtype} numbers; expected real ones")
    return wide(vector)


def wide(vector):
    """A copy of a vector in double precision, on the host."""
    return to_numpy(vector).astype(np.result_type(vector.dtype, np.float64))


def side_by_side(parts, none=(0,)):
    """Arrays in one along the last axis; one alone is not copied, and without any it has the shape ``none``."""
    if len(parts) < 2:
        return parts[0] if parts else np.zeros(none)
    if sum(map(attrgetter("nbytes"), parts)) < SMALL or any(part.__class__ is not np.ndarray for part in parts):
        return np.concatenate(parts, axis=-1)
    shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
    return np.concatenate(parts, axis=-1, out=empty(shape, np.result_type(*parts)))


def all_finite(a):
    """Whether every entry of an array is finite; at BLAS speed unless the squares overflow."""
    if a.__class__ is np.ndarray and a.dtype.char in "fd" and math.isfinite(np.vdot(a, a)):
        return True
    return math.isfinite(a) if isinstance(a, float) else bool(to_numpy(np.all(np.isfinite(a))))
