"""Sorting: the tangent goes where its entry goes."""

import numpy as np

from ..dual import primal
from .declare import composite, explicit
from .lead import flat, trailing


def _ordered(x, dx, order, axis):
    if isinstance(dx, np.ndarray) or np.ndim(dx):
        lifted = order[(None,) * (np.ndim(dx) - np.ndim(order))]
        if np.ndim(dx) != np.ndim(order):
            lifted = np.broadcast_to(lifted, dx.shape[:1] + order.shape)
        return np.take_along_axis(x, order, axis), np.take_along_axis(dx, lifted, axis)
    return x, dx


def _flat_if_none(x, dx, axis):
    return (np.ravel(x), flat(dx) if np.ndim(dx) > np.ndim(x) else np.ravel(dx), -1) if axis is None else (x, dx, axis)


@explicit(np.sort)
def sort(x, dx, lead, axis=-1, kind=None, order=None, *, stable=None):
    """The permutation that sorts x, stable at ties."""
    given = {k: v for k, v in {"kind": kind, "order": order, "stable": stable}.items() if v is not None}
    if given:
        np.sort(primal(x), axis, **given)  # for NumPy's refusals
    x, dx, axis = _flat_if_none(x, dx, axis)
    axis = trailing(axis, x.ndim)
    return _ordered(x, dx, np.argsort(primal(x), axis, kind="stable"), axis)


composite(np.sort_complex, lambda a: np.sort(a + 0j))


@explicit(np.partition)
def partition(x, dx, lead, kth, axis=-1, kind="introselect", order=None):
    """The permutation that NumPy's partition of x makes, read off its result: argpartition may make another."""
    x, dx, axis = _flat_if_none(x, dx, axis)
    axis = trailing(axis, x.ndim)
    choice = {} if kind == "introselect" else {"kind": kind}  # CuPy has none
    choice |= {} if order is None else {"order": order}
    rank = np.argsort(np.argsort(np.partition(primal(x), kth, axis, **choice), axis, kind="stable"), axis)
    return _ordered(x, dx, np.take_along_axis(np.argsort(primal(x), axis, kind="stable"), rank, axis), axis)
