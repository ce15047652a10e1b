"""y = x W + b for rows x ``(..., m)``: the tangent of b, alike in all of them, and the sums of the transpose."""

import numpy as np

from ..zero import ZERO


def plus_row(y, b):
    """y + b, into y, a product that nobody else has, where both are plain and of one precision."""
    plain = y.__class__ is b.__class__ is np.ndarray and y.dtype is b.dtype and b.shape == y.shape[-1:]
    if plain:
        return np.add(y, b, out=y)
    return y.raised(b) if hasattr(y, "raised") else y + b


def row_tangent(db, ndim, n=1):
    """The tangent of b, with axes for the rows of an input of ``ndim`` axes between the lead axis and its own n."""
    if db is ZERO:
        return ZERO
    return db.reshape(db.shape[: db.ndim - n] + (1,) * (ndim - n) + db.shape[db.ndim - n :])


def add_row_tangent(dy, db, rows, n=1):
    """dy + db, for rows of this shape; the last n axes of db are its own."""
    if db is ZERO:
        return dy
    db = row_tangent(db, len(rows) + n, n)
    if dy is not ZERO:
        return dy + db
    start = db.ndim - n
    return db + np.zeros_like(db, shape=db.shape[: start - len(rows)] + rows + db.shape[start:])


def as_matrix(x):
    """Rows ``(..., m)`` as a matrix."""
    return x if x.ndim == 2 else np.reshape(x, (-1, x.shape[-1]))


def outer_sum(x, dy):
    """xᵀ ȳ, summed over the rows."""
    return np.matmul(as_matrix(x).T, as_matrix(dy))


def row_sum(dy):
    """Σ ȳ over the rows."""
    dy = as_matrix(dy)
    return dy.sum(axis=0) if dy.__class__ is np.ndarray else np.sum(dy, axis=0)
