"""Broadcasting, and axes of size 1 for it."""

import numpy as np

from ..dual import Dual, lead_of, pad_lead
from .declare import register_rule


def _broadcast_to(array, shape, subok=False):
    lead = lead_of(array)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    y = np.broadcast_to(array.primal, shape)
    dx = pad_lead(array.tangent, len(shape)) if lead else array.tangent
    return Dual(y, np.broadcast_to(dx, lead + shape), array.level, frozen=True)


def _broadcast_arrays(*arrays, subok=False):
    shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
    return [np.broadcast_to(a, shape) for a in arrays]


register_rule([np.broadcast_to], "linear", _broadcast_to)
register_rule([np.broadcast_arrays], "linear", _broadcast_arrays)

for at_least, count in ((np.atleast_1d, 1), (np.atleast_2d, 2), (np.atleast_3d, 3)):

    def _at_least(*arrays, count=count, function=at_least):
        """(n,) becomes (1, n) and then (1, n, 1); (n, m) becomes (n, m, 1)."""
        if len(arrays) > 1:
            return tuple(_at_least(a, count=count, function=function) for a in arrays)
        x = arrays[0]
        return np.reshape(x, function(np.empty(np.shape(x))).shape) if isinstance(x, Dual) else function(x)

    register_rule([at_least], "linear", _at_least)
