"""Trees: dicts, lists, tuples and registered containers in each other, taken apart into leaves and put together again.

A structure is a nested description with the leaves left out. `rebuild` is the inverse of `flatten`; `unflatten` makes a
tree of the same structure that is another thing, a gradient or a direction, to which no buffers belong.
None is a tree without leaves, as in JAX; everything that is not a container is a leaf.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .errors import StructureError

__all__ = ["register"]

Tree: TypeAlias = Any  # arrays and numbers in containers, also registered ones, which no union can name
Function: TypeAlias = Callable[..., Any]  # of such trees


class Node(NamedTuple):
    """A container: its class, its keys (a range for a sequence), the structures of its children, what else makes it
    (compared), and its buffers (not compared)."""

    kind: object
    keys: object
    children: tuple
    aux: object = None
    buffers: object = None

    def __eq__(self, other):
        return self[:4] == other[:4]

    def __ne__(self, other):
        return self[:4] != other[:4]

    def __hash__(self):
        return hash(self[:3])

    def __reduce__(self):
        return _node, tuple(self)  # a copy of a marker is the marker


def _node(*fields):
    return {"leaf": LEAF, "none": EMPTY}.get(fields[0]) or Node(*fields)


LEAF = Node("leaf", (), ())
EMPTY = Node("none", (), ())


# ---------------------------------------------------------------------- which classes are containers


class _Container(NamedTuple):
    kind: type
    flatten: object  # tree -> keys, children, aux
    unflatten: object
    buffers: object = None


class _Registry(dict):
    """Class -> its `_Container`, that of its nearest base, or None for a leaf."""

    def __missing__(self, kind):
        for base in kind.__mro__[1:]:
            if base in self:
                return self[base]
        return None


def _sequence(kind, children):
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


_REGISTRY = _Registry(dict.fromkeys([np.ndarray, float, int, bool, str, type(None), *np.sctypeDict.values()]))
_REGISTRY[dict] = _Container(dict, lambda tree: (tuple(tree), tree.values(), None), None)  # its children are it
_REGISTRY[list] = _Container(list, lambda tree: (range(len(tree)), tree, tree.__class__), _sequence)
_REGISTRY[tuple] = _Container(tuple, lambda tree: (range(len(tree)), tree, tree.__class__), _sequence)


def register(kind: type, flatten: Function, unflatten: Function, buffers: Function | None = None) -> None:
    """Make the objects of a class containers, as dicts and lists are: their children are differentiated.

    Parameters
    ----------
    kind : type
        The class. Its subclasses are taken apart alike, unless they are registered themselves.
    flatten : callable
        ``flatten(tree)`` is ``(children, aux)``: a dict of the children by name, or a list or tuple of them; and what
        else makes the object (None for nothing), which is compared by ``==`` where two results must be alike. A
        tangent may have another than its primal, whose own is kept: K directions have other shapes, for instance.
    unflatten : callable
        ``unflatten(aux, children)`` is the object again, with the children in a dict or a list. Children need not be
        arrays: a Dual or None may stand in the place of one.
    buffers : callable, optional
        ``buffers(tree)`` is what belongs to this very object and to no gradient of it, such as running statistics. It
        is then the third argument of ``unflatten``, or None where a gradient or a direction is made.

    Raises
    ------
    TypeError
        For what is no class, for Python's own classes and those of arrays.
    ValueError
        For a class that is registered already.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Line:
    ...     slope: object
    ...     offset: object
    >>> dg.tree.register(Line, lambda line: (vars(line), None), lambda aux, children: Line(**children))
    >>> dg.grad(lambda line: np.sum(line.slope**2) + line.offset)(Line(np.array([1.0, 2.0]), 3.0))
    Line(slope=array([2., 4.]), offset=np.float64(1.0))
    """
    if not isinstance(kind, type):
        raise TypeError(f"got {kind!r:.60}; expected a class, whose objects are to be containers")
    if kind.__module__ == "builtins" or hasattr(kind, "__array__") or hasattr(kind, "__array_function__"):
        what = "one of Python's own classes" if kind.__module__ == "builtins" else "an array, which is a leaf"
        raise TypeError(f"{kind.__name__} is {what}: register a class of your own, which may be a subclass")
    if kind in _REGISTRY:
        raise ValueError(f"{kind.__name__} is registered already: a class is registered once, where it is defined")
    for what, function in {"flatten": flatten, "unflatten": unflatten, "buffers": buffers}.items():
        if not callable(function) and (what != "buffers" or function is not None):
            raise TypeError(f"got {what}={function!r:.60} for {kind.__name__}; expected a function")
    _REGISTRY[kind] = _Container(kind, _keyed(kind, flatten), unflatten, buffers)


def _keyed(kind, flatten):
    """What takes a registered container apart: its keys and children, and what else makes it."""

    def keyed(tree):
        pair = flatten(tree)
        if pair.__class__ is not tuple or len(pair) != 2:
            raise TypeError(f"flatten of {kind.__name__} gave a {type(pair).__name__}; expected a pair (children, aux)")
        children, aux = pair
        if isinstance(children, dict):
            return tuple(children), children.values(), aux
        if not isinstance(children, (list, tuple)):
            given = f"a {type(children).__name__}; expected a dict of them by name, or a list or tuple"
            raise TypeError(f"flatten of {kind.__name__} gave children that are {given}")
        return range(len(children)), children, aux

    return keyed


def leaf(kind):
    """Say of a class that it is none, which is then found at once."""
    _REGISTRY[kind] = None
    return kind


def is_container(x):
    """Whether ``x`` is taken apart: a dict, list, tuple or an object of a registered class."""
    return _REGISTRY[x.__class__] is not None


# ---------------------------------------------------------------------- apart and together


def flatten(tree):
    """The leaves of a tree, in order, and its structure."""
    found = []
    return found, _structure(tree, found)


def _structure(tree, found):
    """The structure of a tree, whose leaves are appended to ``found``."""
    if tree is None:
        return EMPTY
    container = _REGISTRY[tree.__class__]
    if container is None:
        found.append(tree)
        return LEAF
    kind, apart, _, buffers = container
    keys, children, aux = apart(tree)
    below = tuple([_structure(child, found) for child in children])
    return Node(kind, keys, below, aux, None if buffers is None else buffers(tree))


def returned(result):
    """What a differentiated function returned: any tree but None alone."""
    if result is None:
        raise TypeError("the function returned None: did you forget return?")
    return result


def unflatten(structure, leaves):
    """The tree of a structure with the given leaves, without buffers."""
    return _build(structure, iter(leaves), False)


def rebuild(structure, leaves):
    """The tree that was flattened, with the given leaves and its own buffers."""
    return _build(structure, iter(leaves), True)


def _build(structure, leaves, keep):
    if structure is LEAF:
        return next(leaves)
    if structure is EMPTY:
        return None
    kind, keys, below, aux, own = structure
    children = [next(leaves) if child is LEAF else _build(child, leaves, keep) for child in below]
    if keys.__class__ is not range:
        children = dict(zip(keys, children, strict=True))
    if kind is dict or aux is list:
        return children
    if aux is tuple:
        return tuple(children)
    _, _, make, buffers = _REGISTRY[kind]
    return make(aux, children) if buffers is None else make(aux, children, own if keep else None)


def leaves(tree):
    """The leaves of a tree, in order."""
    return flatten(tree)[0]


def map_leaves(f, tree):
    """The same tree with ``f`` applied to every leaf."""
    found, structure = flatten(tree)
    return rebuild(structure, map(f, found))


# ---------------------------------------------------------------------- two trees, and the names of leaves


def leaves_like(tree, structure, what, path=()):
    """The leaves of ``tree``, matched to a structure by key; a difference raises and names the place.

    A dict may stand for any container with named children, and it for a dict, as long as their keys agree.
    """
    container = None if tree is None else _REGISTRY[tree.__class__]
    if structure is LEAF and container is None:
        return [tree]
    if structure is EMPTY and tree is None:
        return []
    keys, children, _ = (None, (), None) if container is None else container.flatten(tree)
    if structure is LEAF or structure is EMPTY or keys.__class__ is not structure.keys.__class__:
        expected = _expected(structure, tree)
        raise StructureError(f"{what}{_index(path)} is a {type(tree).__name__}; expected {expected}")
    if keys != structure.keys:
        missing, extra = set(structure.keys) - set(keys), set(keys) - set(structure.keys)
        if missing or extra:
            raise StructureError(
                f"{what}{_index(path)} does not match the primal's structure: missing {sorted(map(str, missing))}, "
                f"unexpected {sorted(map(str, extra))}"
            )
        by_key = dict(zip(keys, children, strict=True))
        children = [by_key[key] for key in structure.keys]
    found = []
    for key, child, below in zip(structure.keys, children, structure.children, strict=True):
        if below is LEAF and _REGISTRY[child.__class__] is None:
            found.append(child)
        else:
            found += leaves_like(child, below, what, (*path, (structure.kind, key)))
    return found


def _expected(structure, tree):
    """What a structure has where a tree has something of another kind, and how to make it of that."""
    if structure is EMPTY:
        return "None there, as in the primal"
    if structure is LEAF:
        return "an array there" + (": np.asarray(...) of it" if isinstance(tree, (list, tuple)) else "")
    if structure.keys.__class__ is not range:
        return "a mapping like the primal's"
    return "a sequence like the primal's" + (": begin with one array, np.array(...)" if hasattr(tree, "shape") else "")


def _index(path):
    """How one would reach a leaf: ``["w"][0]``, or ``.w`` in a class without items."""
    return "".join(f"[{key!r}]" if hasattr(kind, "__getitem__") else f".{key}" for kind, key in path)


def paths(structure, path=()):
    """The name of every leaf of a structure, as one would index it."""
    if structure is LEAF:
        return [_index(path)]
    named = zip(structure.keys, structure.children, strict=True)
    return [p for key, child in named for p in paths(child, (*path, (structure.kind, key)))]
