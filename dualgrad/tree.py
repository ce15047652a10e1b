"""Trees: nested dicts, lists, tuples and Params, taken apart into leaves and put together again.

A structure is a nested description with the leaves left out. `rebuild` is the inverse of `flatten`; `unflatten` makes a
tree of the same structure that is another thing, a gradient or a direction, to which no buffers belong.
None is a tree without leaves, as in JAX; everything that is not a container is a leaf.
"""

from typing import NamedTuple

import numpy as np

from .errors import StructureError
from .params import Params


class Node(NamedTuple):
    """A container: its type, its keys (or field count), the structures of its children, and the buffers of Params."""

    kind: object
    keys: tuple
    children: tuple
    buffers: dict | None = None

    def __eq__(self, other):
        return self[:3] == other[:3]

    def __ne__(self, other):
        return self[:3] != other[:3]

    def __reduce__(self):
        return _node, tuple(self)  # a copy of a marker is the marker


def _node(kind, keys, children, buffers):
    return LEAF if kind == LEAF.kind else EMPTY if kind == EMPTY.kind else Node(kind, keys, children, buffers)


LEAF = Node("leaf", (), ())
EMPTY = Node("none", (), ())


def _children(tree):
    """The kind, keys and children of a container, or None for a leaf."""
    if tree.__class__ is np.ndarray:
        return None
    if isinstance(tree, dict):
        return dict, tuple(tree), tuple(tree.values())
    if isinstance(tree, (list, tuple)):
        return type(tree), tuple(range(len(tree))), tuple(tree)
    if isinstance(tree, Params):
        return tree.layout, tuple(tree), tuple(tree.values())
    return None


def flatten(tree):
    """The leaves of a tree, in order, and its structure."""
    if tree is None:
        return [], EMPTY
    parts = _children(tree)
    if parts is None:
        return [tree], LEAF
    kind, keys, children = parts
    leaves, structures = [], []
    for child in children:
        below, structure = flatten(child)
        leaves += below
        structures.append(structure)
    return leaves, Node(kind, keys, tuple(structures), tree.buffers if isinstance(tree, Params) else None)


def returned(result):
    """What a differentiated function returned: any tree but None alone."""
    if result is None:
        raise TypeError("the function returned None: did you forget return?")
    return result


def unflatten(structure, leaves):
    """The tree of a structure with the given leaves; Params come back as Params where their leaves are arrays."""
    return _build(structure, iter(leaves), False)


def rebuild(structure, leaves):
    """The tree that was flattened, with the given leaves: its Params keep their buffers."""
    return _build(structure, iter(leaves), True)


def _build(structure, leaves, keep):
    if structure is LEAF:
        return next(leaves)
    if structure is EMPTY:
        return None
    children = [_build(child, leaves, keep) for child in structure.children]
    kind = structure.kind
    if kind is dict:
        return dict(zip(structure.keys, children, strict=True))
    if kind is list:
        return children
    if kind is tuple:
        return tuple(children)
    if isinstance(kind, type):
        return kind(*children) if hasattr(kind, "_fields") else kind(children)
    return kind.assemble(dict(zip(structure.keys, children, strict=True)), structure.buffers if keep else None)


def leaves(tree):
    """The leaves of a tree, in order."""
    return flatten(tree)[0]


def leaves_like(tree, structure, what, path=()):
    """The leaves of ``tree``, matched to a structure by key; a difference raises and names the place.

    A dict may stand for Params and Params for a dict, as long as their keys agree.
    """
    if structure is LEAF:
        if tree.__class__ is not np.ndarray and isinstance(tree, (dict, list, tuple, Params)):
            cure = ": np.asarray(...) of it" if isinstance(tree, (list, tuple)) else ""
            raise StructureError(f"{what}{_index(path)} is a {type(tree).__name__}; expected an array there{cure}")
        return [tree]
    if structure is EMPTY:
        if tree is not None:
            given = type(tree).__name__
            raise StructureError(f"{what}{_index(path)} is a {given}; expected None there, as in the primal")
        return []
    parts = None if tree is None else _children(tree)
    sequence = isinstance(structure.kind, type) and issubclass(structure.kind, (list, tuple))
    if parts is None or sequence != isinstance(tree, (list, tuple)):
        given, expected = type(tree).__name__, "sequence" if sequence else "mapping"
        cure = ": begin with one array, np.array(...)" if sequence and hasattr(tree, "shape") else ""
        raise StructureError(f"{what}{_index(path)} is a {given}; expected a {expected} like the primal's{cure}")
    keys = parts[1]
    if keys != structure.keys and set(keys) != set(structure.keys):
        missing, extra = set(structure.keys) - set(keys), set(keys) - set(structure.keys)
        raise StructureError(
            f"{what}{_index(path)} does not match the primal's structure: missing {sorted(map(str, missing))}, "
            f"unexpected {sorted(map(str, extra))}"
        )
    found = []
    for key, child in zip(structure.keys, structure.children, strict=True):
        found += leaves_like(tree[key], child, what, (*path, key))
    return found


def _index(path):
    """Keys as one would write them to reach a leaf: ``["w"][0]``."""
    return "".join(f"[{key!r}]" for key in path)


def map_leaves(f, tree):
    """The same tree with ``f`` applied to every leaf."""
    found, structure = flatten(tree)
    return rebuild(structure, map(f, found))


def paths(structure, path=()):
    """The name of every leaf of a structure, as one would index it."""
    if structure is LEAF:
        return [_index(path)]
    named = zip(structure.keys, structure.children, strict=True)
    return [p for key, child in named for p in paths(child, (*path, key))]
