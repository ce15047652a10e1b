"""Axes under a lead: how a function of ``x`` is applied to tangents of shape ``(K, *x.shape)`` in one pass."""

import math

import numpy as np

from ..dual import pad_lead
from ..tree import is_container, leaves


def trailing(axis, ndim):
    """``axis`` counted from the end, so that it means the same with a lead axis in front; None means every axis."""
    if axis is None:
        return tuple(range(-ndim, 0))
    if isinstance(axis, (tuple, list, range)):
        return tuple(trailing(a, ndim) for a in axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis if axis < 0 else axis - ndim


def reduced(axis, ndim):
    """The axes of a reduction, counted from the end: NumPy lets a scalar have axis 0, along which there is nothing."""
    return () if ndim == 0 and axis in (0, -1) else trailing(axis, ndim)


def each_direction(f, dx):
    """``f`` on every direction in turn: right for any linear f, used where no single call does the same."""
    results = [f(direction(dx, k)) for k in range(max(len(dx), 1))]
    if is_container(results[0]):
        return [np.stack(pieces)[: len(dx)] for pieces in zip(*map(leaves, results), strict=True)]
    return np.stack(results)[: len(dx)]


def direction(dx, k):
    """Direction k; zeros where there is none (K = 0, along an empty leaf), which give the result its shape."""
    return dx[k] if k < len(dx) else np.zeros_like(dx, shape=dx.shape[1:])


def flat(dx):
    """``(K, *shape)`` as ``(K, size)``."""
    return dx.reshape(dx.shape[0], math.prod(dx.shape[1:]))


def broadcast(dx, lead, shape, dtype):
    """A fresh, writable array of shape ``lead + shape`` with the values of ``dx``."""
    if lead:
        dx = pad_lead(dx, len(shape))
    if dx.shape == lead + shape and dx.dtype == dtype:
        return dx.copy()
    return np.broadcast_to(dx, lead + shape).astype(dtype)
