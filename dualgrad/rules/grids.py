"""Coordinates: of a grid, and evenly spaced."""

import numpy as np

from ..backend import is_array
from ..backend import like as on_device
from ..dual import primal
from .declare import composite


def _meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    if not copy:
        raise NotImplementedError("np.meshgrid(copy=False) of a Dual would share its memory: leave copy out")
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = 1, 0
    grids = [np.reshape(x, [-1 if k == axis else 1 for k in range(len(xi))]) for x, axis in zip(xi, axes, strict=True)]
    return tuple(g + 0 for g in (grids if sparse else np.broadcast_arrays(*grids)))


def _linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """start + k (stop - start) / (num - 1)."""
    start, stop = (np.asarray(a) if isinstance(a, (list, tuple)) else a for a in (start, stop))
    steps = max(num - 1, 1) if endpoint else max(num, 1)
    k = np.arange(num).reshape((num,) + (1,) * max(np.ndim(start), np.ndim(stop)))
    low, high = primal(start), primal(stop)
    weight = on_device((k / steps).astype(np.result_type(low, high, 0.0)), low if is_array(low) else high)
    y = np.moveaxis(start * (1 - weight) + stop * weight, 0, axis)
    return (y, (stop - start) / steps) if retstep else y


composite(np.meshgrid, _meshgrid)
composite(np.linspace, _linspace)
