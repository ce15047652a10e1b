"""Products of vectors, matrices and tensors, and norms."""

import math

import numpy as np

from ..dual import pad_lead, primal
from ..lengths import length
from .declare import bilinear, composite, constant, linear
from .lead import flat, trailing
from .reductions import _axes_last, _restore_dims

# ---------------------------------------------------------------------- products of two: f(dx, y) + f(x, dy)


def _matmul_lead(f, a, b, which):
    """One matrix product for all directions: (K, B, n) @ (n, m) collapses to (K B, n) @ (n, m)."""
    va, vb = np.ndim(a) - (which == 0) == 1, np.ndim(b) - (which == 1) == 1
    if which == 0 and not va and np.ndim(b) == 2:
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
        return np.matmul(rows, b).reshape(a.shape[:-1] + b.shape[-1:])
    a = a[..., None, :] if va else a
    b = b[..., :, None] if vb else b
    ndim = max(np.ndim(a) - (which == 0), np.ndim(b) - (which == 1))
    product = np.matmul(pad_lead(a, ndim), b) if which == 0 else np.matmul(a, pad_lead(b, ndim))
    if va:
        product = product[..., 0, :]
    return product[..., 0] if vb else product


def _dot_lead(f, a, b, which):
    """dot is matmul unless both have many axes; then it sums over the last axis of a and the last but one of b."""
    na, nb = np.ndim(a) - (which == 0), np.ndim(b) - (which == 1)
    if na == 0 or nb == 0:
        return (pad_lead(a, nb) * b) if which == 0 else (a * pad_lead(b, na))
    if nb <= 2 or na == 1:
        return _matmul_lead(f, a, b, which)
    if which == 0:
        return f(a, b)
    return np.moveaxis(np.dot(a, b), na - 1, 0)


def _outer_lead(f, a, b, which):
    """Every entry of the raveled a with every one of b."""
    if which == 0:
        return flat(a)[:, :, None] * (b if np.ndim(b) == 0 else np.ravel(b))
    return (a if np.ndim(a) == 0 else np.ravel(a)[:, None]) * flat(b)[:, None, :]


def _loops_lead(*core):
    """A generalized ufunc of operands with so many core axes: the lead axis stays in front of the loops."""

    def lead(f, a, b, which):
        loops = max(np.ndim(a) - core[0] - (which == 0), np.ndim(b) - core[1] - (which == 1))
        return f(pad_lead(a, loops + core[0]), b) if which == 0 else f(a, pad_lead(b, loops + core[1]))

    return lead


bilinear(np.vecdot, lead=_loops_lead(1, 1))
if hasattr(np, "matvec"):
    bilinear(np.matvec, lead=_loops_lead(2, 1))
    bilinear(np.vecmat, lead=_loops_lead(1, 2))
bilinear(np.matmul, lead=_matmul_lead)
bilinear(np.dot, lead=_dot_lead)
bilinear(np.outer, lead=_outer_lead)
bilinear(np.inner, np.tensordot, np.kron, np.cross, np.vdot)
bilinear(np.linalg.outer, lead=_outer_lead)
bilinear(np.linalg.tensordot, np.linalg.cross)
composite(np.linalg.matmul, np.matmul)
composite(np.linalg.vecdot, lambda x1, x2, axis=-1: np.vecdot(np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1)))
constant(np.linalg.matrix_rank)

# ---------------------------------------------------------------------- traces and norms


def _trace_lead(dx, ndim, offset=0, axis1=0, axis2=1, **kw):
    return np.trace(dx, offset, trailing(axis1, ndim), trailing(axis2, ndim), **kw)


linear(np.trace, lead=_trace_lead)
linear(np.linalg.trace, np.linalg.diagonal, np.matrix_transpose, np.linalg.matrix_transpose, alone=True)


def _norm(x, ord=None, axis=None, keepdims=False):
    """Norms of vectors and matrices by their definitions; the derivative at 0 is 0."""
    if ord is None:
        return _p_norm(x, 2, axis, keepdims)
    axis = tuple(range(np.ndim(x))) if axis is None else axis
    axes = trailing(axis if isinstance(axis, tuple) else (axis,), np.ndim(x))
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    return _matrix_norm(x, ord, axes, keepdims)


def _maximum(size, **kw):
    """The maximum of numbers that are not negative; of none it is 0."""
    return np.max(size, **kw) if np.size(size) else np.max(size, initial=0, **kw)


def _vector_norm(x, order, axis, keepdims):
    if order in (np.inf, -np.inf):
        return (_maximum if order > 0 else np.min)(np.abs(x), axis=axis, keepdims=keepdims)
    if order == 0:
        return np.sum(0 * np.abs(x), axis=axis, keepdims=keepdims)
    if order == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    return _p_norm(x, order, axis, keepdims)


def _p_norm(x, order, axis, keepdims):
    """(Σ |x|ᵖ)^(1/p) of one axis or several as of one."""
    v = x if np.ndim(x) == 1 else _axes_last(x, axis)
    if np.iscomplexobj(primal(x)):
        v = np.concatenate([np.real(v), np.imag(v)], -1) if order == 2 else np.abs(v)
    return _restore_dims(length(v, order) if v.shape[-1] else np.sum(v, axis=-1), x, axis, keepdims)


def _matrix_norm(x, order, axes, keepdims):
    row, column = axes
    if order == "fro":
        return _p_norm(x, 2, axes, keepdims)
    if order in (1, -1, np.inf, -np.inf):
        summed, kept = (row, column) if abs(order) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=summed, keepdims=True)
        y = (_maximum if order > 0 else np.min)(sums, axis=kept, keepdims=True)
        return y if keepdims else np.squeeze(y, axes)
    if order in (2, -2, "nuc"):
        return _spectral_norm(x, order, axes, keepdims)
    raise ValueError(f"invalid norm order {order!r} for matrices")


def _spectral_norm(x, order, axes, keepdims):
    s = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
    y = np.sum(s, -1) if order == "nuc" else (_maximum if order == 2 else np.min)(s, axis=-1)
    return np.expand_dims(y, axes) if keepdims else y


def _vector_norm_of(x, *, axis=None, keepdims=False, ord=2):
    """Of several axes as of one."""
    return _restore_dims(_vector_norm(_axes_last(x, axis), 2 if ord is None else ord, -1, False), x, axis, keepdims)


def _matrix_norm_of(x, *, keepdims=False, ord="fro"):
    return _matrix_norm(x, "fro" if ord is None else ord, (-2, -1), keepdims)


composite(np.linalg.norm, _norm)
composite(np.linalg.vector_norm, _vector_norm_of)
composite(np.linalg.matrix_norm, _matrix_norm_of)
