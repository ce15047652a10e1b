"""Scratch: large arrays, handed out again once nobody refers to them.

A fresh array of more than a few pages is touched page by page for the first time, which costs several times the
arithmetic done on it. `empty` is ``np.empty`` that remembers what it gave out, and gives it again when its reference
count says that the remembered entry is all that is left: no array, view or buffer of the caller's can see it. What is
handed out is a view, so that its flags and shape are the caller's to set.
"""

import sys
import threading

import numpy as np

SMALL = 1 << 15  # bytes below which NumPy's own cache is as good
_LIMIT = 1 << 28  # bytes remembered per thread


class _Pool(threading.local):
    def __init__(self):
        self.arrays, self.bytes = {}, 0


_pool = _Pool()


def _references(entries):
    return [sys.getrefcount(z) for z in entries]


_FREE = _references([np.empty(1)])[0] if hasattr(sys, "getrefcount") else None


def empty(shape, dtype):
    """An array with arbitrary contents, as ``np.empty(shape, dtype)``."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size < SMALL or _FREE is None:
        return np.empty(shape, dtype)
    known = _pool.arrays.setdefault((shape, dtype), [])
    for z in known:
        if sys.getrefcount(z) == _FREE:
            return z.view()
    z = np.empty(shape, dtype)
    if _pool.bytes + size > _LIMIT:
        _pool.__init__()
    else:
        known.append(z)
        _pool.bytes += size
    return z.view()


def empty_like(x):
    """An array with arbitrary contents, of the shape and dtype of ``x``, where ``x`` lives."""
    if x.__class__ is not np.ndarray:
        return np.empty_like(x)
    return np.empty(x.shape, x.dtype) if x.nbytes < SMALL else empty(x.shape, x.dtype)
