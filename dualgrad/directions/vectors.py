"""Trees as vectors of float64 on the host, and back."""

import numpy as np

from ..backend import like as on_device
from ..backend import to_numpy
from ..errors import ShapeError
from ..params import Params
from ..tree import flatten, leaves_like, unflatten


def as_vector(tree):
    """All entries of a tree in one vector of float64, on the host."""
    leaves = [np.ravel(to_numpy(leaf)) for leaf in flatten(tree)[0]]
    for leaf in leaves:
        if leaf.dtype.kind not in "fiub":
            raise TypeError(f"got {leaf.dtype} numbers; expected real ones, which directions are made of")
    leaves = [leaf.astype(np.float64) for leaf in leaves]
    return np.concatenate(leaves) if leaves else np.zeros(0)


def vector_like(tree, like, what):
    """`as_vector` of a tree that must match another in structure and shapes, and be finite."""
    leaves, structure = flatten(dict(like) if isinstance(like, Params) else like)
    given = leaves_like(tree, structure, what)
    for found, leaf in zip(given, leaves, strict=True):
        if np.shape(found) != np.shape(leaf):
            raise ShapeError(f"{what} has a leaf of shape {np.shape(found)}; expected {np.shape(leaf)}")
    vector = as_vector([to_numpy(v) for v in given])
    if not np.all(np.isfinite(vector)):
        raise ValueError(f"{what} has a NaN or an infinity; expected finite numbers")
    return vector


def as_tree(vector, like):
    """A vector ``(..., p)`` as a tree of the kind, shapes and dtypes of ``like``; a lead axis stays in front."""
    lead = vector.shape[:-1]
    if isinstance(like, Params):
        return Params.from_vector(like.layout, on_device(vector.astype(like.dtype, copy=False), like.vector))
    leaves, structure = flatten(like)
    ends = np.cumsum([leaf.size for leaf in leaves])
    parts = np.split(vector, ends[:-1], axis=-1) if leaves else []
    made = [
        on_device(part.reshape(lead + leaf.shape).astype(leaf.dtype, copy=False), leaf)
        for part, leaf in zip(parts, leaves, strict=True)
    ]
    if lead == ():
        made = [part[()] if isinstance(leaf, np.generic) else part for part, leaf in zip(made, leaves, strict=True)]
    return unflatten(structure, made)


def at(vector, params):
    """The parameters where their entries are those of a vector: `as_tree`, with the buffers."""
    tree = as_tree(vector, params)
    return params.at(tree.vector) if isinstance(params, Params) else tree


def require_numbers(name, tree):
    """Raise unless a tree has leaves, and all of them are real numbers."""
    dtypes = [leaf.dtype if hasattr(leaf, "dtype") else np.result_type(type(leaf)) for leaf in flatten(tree)[0]]
    if not dtypes or any(getattr(dtype, "kind", "?") not in "fiu" for dtype in dtypes):
        raise TypeError(f"got {name}={tree!r:.80}; expected an array of real numbers, or a tree of them")
