"""Diagonals and triangles."""

import numpy as np

from .declare import composite, linear
from .lead import trailing


def _diag_lead(dx, ndim, k=0):
    if ndim == 2:
        return np.diagonal(dx, k, -2, -1)
    out = np.zeros_like(dx, shape=(len(dx),) + (dx.shape[-1] + abs(k),) * 2)
    i = range(dx.shape[-1])
    out[:, [j + max(-k, 0) for j in i], [j + max(k, 0) for j in i]] = dx
    return out


def _triangle_lead(function, dx, ndim, k):
    return function(dx, k) if ndim > 1 else function(np.broadcast_to(dx[:, None, :], dx.shape + dx.shape[-1:]), k)


linear(np.diag, lead=_diag_lead)
composite(np.diagflat, lambda v, k=0: np.diag(np.ravel(v), k))
linear(np.tril, lead=lambda dx, n, k=0: _triangle_lead(np.tril, dx, n, k))
linear(np.triu, lead=lambda dx, n, k=0: _triangle_lead(np.triu, dx, n, k))
linear(
    np.diagonal,
    lead=lambda dx, n, offset=0, axis1=0, axis2=1: np.diagonal(dx, offset, trailing(axis1, n), trailing(axis2, n)),
)
