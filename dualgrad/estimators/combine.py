"""Sums over directions: Σ_i c_i v_i, v_i·g and v_i·v_j, dense or as factors."""

import numpy as np

from ..backend import to_numpy
from ..lowrank import LowRank
from ..params import Params
from ..scratch import empty_like
from ..tree import flatten, leaves_like, unflatten


def combination(weights, directions, params):
    """Σ_i weights_i v_i, dense, in the kind of the parameters; one direction without a lead axis has one weight."""
    if isinstance(directions, Params):
        return Params.from_vector(
            params.layout, _weighted(weights, directions.vector, (params.size,), out=empty_like(params.vector))
        )
    if isinstance(params, Params):
        gradient = Params.from_vector(params.layout, empty_like(params.vector))
        for name, v in directions.items():
            _weighted(weights, v, params[name].shape, out=gradient[name])
        return gradient
    leaves, structure = flatten(params)
    vs = leaves_like(directions, structure, "directions")
    return unflatten(structure, [_weighted(weights, v, np.shape(w)) for v, w in zip(vs, leaves, strict=True)])


def _weighted(weights, v, shape, out=None):
    if hasattr(weights, "astype"):  # the loss may have another precision than the parameters
        weights = weights.astype(v.dtype)
    if isinstance(v, LowRank):
        return _factored(weights, v, out)
    if v.ndim == len(shape):
        return np.multiply(weights, v, out=out)
    if v.ndim == 2:
        return np.matmul(weights, v, out=out)
    total = np.tensordot(weights, v, 1)
    if out is None:
        return total[()]
    out[...] = total
    return out


def _factored(weights, v, out):
    """weight · a bᵀ for one direction; for n of them Aᵀ diag(weights) B, one product."""
    if v.a.ndim == 1:
        return v.times(weights, out)
    out = None if out is None else out.reshape(v.a.shape[-1], v.b.shape[-1])
    return np.matmul((v.a * weights[:, None]).T, v.b, out=out).reshape(v.leaf_shape)


def dots(directions, tree, params):
    """v_i·g for a tree g like the parameters: a number, or one for each direction."""
    _, structure = flatten(dict(params) if isinstance(params, Params) else params)
    vs, gs = leaves_like(directions, structure, "directions"), leaves_like(tree, structure, "baseline")
    return sum(_dot(v, g) for v, g in zip(vs, gs, strict=True))


def _dot(v, g):
    if isinstance(v, LowRank):  # aᵀ G b
        return np.sum((v.a @ g.reshape(v.a.shape[-1], v.b.shape[-1])) * v.b, axis=-1)
    return np.tensordot(v, g, np.ndim(g))


def gram(directions, params, n):
    """v_i·v_j, ``(n, n)``, on the host."""
    _, structure = flatten(dict(params) if isinstance(params, Params) else params)
    return sum(to_numpy(_gram(v, n)) for v in leaves_like(directions, structure, "directions"))


def _gram(v, n):
    if isinstance(v, LowRank):  # (A Aᵀ) ∘ (B Bᵀ)
        a, b = v.a.reshape(n, -1), v.b.reshape(n, -1)
        return (a @ a.T) * (b @ b.T)
    flat = v.reshape(n, -1)
    return flat @ flat.T


def sum_of(gradient, baseline, params):
    """The gradient, changed in place, plus the baseline."""
    _, structure = flatten(dict(params) if isinstance(params, Params) else params)
    if isinstance(gradient, Params):
        for name, b in zip(gradient, leaves_like(baseline, structure, "baseline"), strict=True):
            gradient[name] += b
        return gradient
    gs, bs = leaves_like(gradient, structure, "gradient"), leaves_like(baseline, structure, "baseline")
    return unflatten(structure, [g + b for g, b in zip(gs, bs, strict=True)])
