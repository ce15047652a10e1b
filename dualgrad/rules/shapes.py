"""Functions that change the shape, and the order of the axes: linear, the lead axis kept in front."""

import functools

import numpy as np

from ..dual import primal
from .declare import linear
from .lead import trailing


def _trailing_axes(dx, ndim, axes=None):
    """A permutation of the axes, the lead axis kept first."""
    axes = range(ndim)[::-1] if axes is None else [a % ndim for a in np.atleast_1d(axes).tolist()]
    return (0, *(a + 1 for a in axes))


def _insert_axes(axis, ndim):
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(a if a < 0 else a - (ndim + len(axes)) for a in axes)


def _moveaxis_lead(dx, ndim, source, destination):
    return np.moveaxis(dx, trailing(source, ndim), trailing(destination, ndim))


def _rollaxis_lead(dx, ndim, axis, start=0):
    return np.rollaxis(dx, axis % ndim + 1, (start + ndim if start < 0 else start) + 1)


def _reshape_lead(dx, ndim, shape=None, order="C", newshape=None, copy=None):
    size = int(np.prod(dx.shape[1:]))
    shape = newshape if shape is None else shape  # its name until NumPy 2.1
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if -1 in shape:
        known = -int(np.prod(shape))
        shape = tuple(size // known if known and s == -1 else 0 if s == -1 else s for s in shape)
    if order == "C":
        return np.reshape(dx, dx.shape[:1] + shape)
    return np.moveaxis(np.reshape(np.moveaxis(dx, 0, -1), (*shape, len(dx)), order=order), -1, 0)


def _ravel_lead(dx, ndim, order="C"):
    return _reshape_lead(dx, ndim, -1, order)


def _by_the_value(known, push):
    """Orders "A" and "K" ask for the layout in memory: that of the value, which its tangent need not share."""

    def push_by_the_value(a, *args, **kwargs):
        orders = [v for v in (*args, kwargs.get("order")) if isinstance(v, str) and v in "AK"]
        if not orders or orders[0] not in known:
            return push(a, *args, **kwargs)
        flags, order = primal(a).flags, "C"
        if flags.f_contiguous and not flags.c_contiguous:
            order = "F"
        elif orders == ["K"] and not flags.c_contiguous:
            if 0 in primal(a).strides:
                raise NotImplementedError('order="K" of a Dual made by broadcasting: use order="C"')
            a = np.transpose(a, np.argsort([-abs(s) for s in primal(a).strides], kind="stable"))
        settled = lambda v: order if isinstance(v, str) and v in "AK" else v  # noqa: E731
        return push(a, *map(settled, args), **{k: settled(v) for k, v in kwargs.items()})

    return push_by_the_value


def _squeezed(shape, ndim, axis):
    drop = {a for a in range(-ndim, 0) if shape[a] == 1} if axis is None else set(np.atleast_1d(trailing(axis, ndim)))
    return shape[:1] + tuple(shape[a] for a in range(-ndim, 0) if a not in drop)


linear(np.reshape, lead=_reshape_lead, around=functools.partial(_by_the_value, "A"))
linear(np.ravel, lead=_ravel_lead, around=functools.partial(_by_the_value, "AK"))
linear(np.squeeze, lead=lambda dx, n, axis=None: dx.reshape(_squeezed(dx.shape, n, axis)))
linear(np.expand_dims, lead=lambda dx, n, axis: np.expand_dims(dx, _insert_axes(axis, n)))
linear(np.transpose, lead=lambda dx, n, axes=None: np.transpose(dx, _trailing_axes(dx, n, axes)))
linear(np.swapaxes, lead=lambda dx, n, axis1, axis2: np.swapaxes(dx, trailing(axis1, n), trailing(axis2, n)))
linear(np.moveaxis, lead=_moveaxis_lead)
linear(np.rollaxis, lead=_rollaxis_lead)
linear(np.flip, lead=lambda dx, n, axis=None: np.flip(dx, trailing(axis, n)))
linear(np.fliplr, lead=lambda dx, n: np.flip(dx, 1 - n))
linear(np.flipud, lead=lambda dx, n: np.flip(dx, -n))
linear(np.rot90, lead=lambda dx, n, k=1, axes=(0, 1): np.rot90(dx, k, trailing(axes, n)))
