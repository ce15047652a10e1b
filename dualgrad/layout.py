"""Layout: where the leaves of a tree lie in one vector of R^p, and the way from the one to the other."""

import functools
import itertools
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from .backend import Array
from .errors import LayoutError, ShapeError
from .tree import LEAF, Tree, flatten, leaves_like, paths, unflatten
from .vectors import double, in_kind, side_by_side


class Fixed(dict):
    """A dict that cannot be changed."""

    def _refuse(self, *args, **kwargs):
        raise TypeError("names and places of a Layout cannot be changed")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self):
        return Fixed, (dict(self),)


class Layout:
    """The names, shapes, dtypes and places of a tree's leaves in a vector of p entries.

    Made by `Layout.of`. It holds no numbers, cannot be changed, and can be the key of a dict. Equal layouts have equal
    names, shapes and containers. That of `Params` has no dtypes: it is what their vectors of any dtype share.

    Attributes
    ----------
    shapes : mapping from the name of a leaf to its shape
    slices : mapping from the name of a leaf to its place in the vector
    size : int, p
    dtypes : tuple of dtypes, one a leaf; None for Params
    dtype : the dtype that the leaves have in common; None for Params

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> tree = {"w": np.ones((2, 2)), "b": np.zeros(1)}
    >>> layout = dg.Layout.of(tree)
    >>> layout.vector(tree)
    array([1., 1., 1., 1., 0.])
    >>> layout.tree(np.arange(5.0))
    {'w': array([[0., 1.],
           [2., 3.]]), 'b': array([4.])}
    >>> layout.slices["['b']"]
    slice(4, 5, None)
    """

    __slots__ = ("_hash", "_scalars", "_structure", "container", "dtype", "dtypes", "shapes", "size", "slices")

    shapes: Mapping[str, tuple[int, ...]]
    slices: Mapping[str, slice]
    size: int
    dtypes: tuple[np.dtype[Any], ...] | None
    dtype: np.dtype[Any] | None
    container: Any

    def __init__(
        self,
        shapes: Mapping[str, Sequence[int]],
        container: Any = None,
        structure: Any = None,
        dtypes: tuple[np.dtype[Any], ...] | None = None,
        scalars: tuple[bool, ...] = (),
    ) -> None:
        shapes = {name: tuple(shape) for name, shape in shapes.items()}
        ends = list(itertools.accumulate(map(math.prod, shapes.values()), initial=0))
        places = {name: slice(*pair) for name, pair in zip(shapes, itertools.pairwise(ends), strict=True)}
        structure = flatten(dict.fromkeys(shapes, 0))[1] if structure is None else structure
        if container is None:
            dtypes, scalars = dtypes or (np.dtype(float),) * len(shapes), scalars or (False,) * len(shapes)
        dtype = None if container else np.result_type(*dtypes) if dtypes else np.dtype(float)
        values = {
            "shapes": Fixed(shapes), "slices": Fixed(places), "size": ends[-1], "dtypes": dtypes,
            "dtype": dtype, "container": container, "_structure": structure, "_scalars": scalars, "_hash": None,
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def of(tree: Tree) -> "Layout":
        """The layout of a tree of arrays or numbers; of Params their own."""
        if tree.__class__ is np.ndarray:
            return _known(LEAF, (tree.shape,), (tree.dtype,), (False,))
        if isinstance(own := getattr(tree, "layout", None), Layout):
            return own
        return _of_leaves(*flatten(tree))

    def vector(self, tree: Tree, what: str = "the tree") -> Array:
        """The entries of a tree of this layout, one after another: of Params their vector itself, of others a new one.

        A dict with the names of Params stands for them; one leaf alone is not copied. ``what`` is its name in errors.

        Raises
        ------
        StructureError, ShapeError
            For a tree with other names, or leaves of other shapes.
        """
        if tree.__class__ is np.ndarray and self._structure is LEAF and tree.shape == self.shapes[""]:
            return tree.reshape(-1)
        own = None if tree.__class__ is dict else getattr(tree, "layout", None)
        if own is self or own.__class__ is Layout and own == self:
            return tree.vector
        leaves = self.leaves(tree, what)
        return side_by_side([a.reshape(-1) if a.__class__ is np.ndarray else np.reshape(a, -1) for a in leaves])

    def leaves(self, tree: Tree, what: str = "the tree", lead: tuple[int, ...] | None = ()) -> list[Any]:
        """The leaves of a tree of this layout, matched by their keys; any shapes go with ``lead=None``."""
        if self.container is not None and tree.__class__ is dict and tree.keys() == self.shapes.keys():
            leaves = [tree[name] for name in self.shapes]
        else:
            leaves = leaves_like(tree, self._structure, what)
        if lead is None:
            return leaves
        expected = [lead + shape for shape in self.shapes.values()] if lead else list(self.shapes.values())
        if [a.shape if a.__class__ is np.ndarray else np.shape(a) for a in leaves] == expected:
            return leaves
        named = zip(leaves, self.paths, self.shapes.values(), strict=True)
        leaf, path, shape = next((x, path, shape) for x, path, shape in named if np.shape(x) != lead + shape)
        at = path and f" at {path}"
        raise ShapeError(f"{what} has a leaf of shape {np.shape(leaf)}{at}; expected {lead + shape}")

    def double(self, tree: Tree, what: str = "the tree") -> Array:
        """The entries of a tree of real numbers as float64, on the host.

        Raises
        ------
        TypeError
            For complex numbers, and what is none.
        """
        return double(self.vector(tree, what))

    def rows(self, tree: Tree, n: int, what: str = "the tree") -> Array:
        """The entries of a tree whose leaves have a leading axis of n, as ``(n, p)``."""
        leaves = self.leaves(tree, what, (n,))
        return side_by_side([np.reshape(leaf, (n, math.prod(leaf.shape[1:]))) for leaf in leaves], (n, 0))

    def tree(self, vector: Array, like: Array | None = None) -> Any:
        """A vector, or several along leading axes, as a tree of this layout, in the dtypes of the leaves.

        Arrays of its dtype are views of it, and of Params all; those in containers of one's own are as these make them.

        ``like`` is a vector whose dtype it takes first, and to whose device it goes.

        Raises
        ------
        LayoutError
            For a vector of another length.
        """
        vector = vector if like is None else in_kind(vector, like)
        if self.container is not None:
            return self.container.from_vector(self, vector)
        if self._structure is LEAF and vector.dtype is self.dtype and not self._scalars[0]:
            return self._views(vector)[0]
        leaves = self._views(vector)
        if self.dtype.kind == "c":  # which real leaves among complex ones have no part in
            leaves = [a if kind.kind == "c" else a.real for a, kind in zip(leaves, self.dtypes, strict=True)]
        return self.with_leaves([a.astype(kind, copy=False) for a, kind in zip(leaves, self.dtypes, strict=True)])

    def views(self, vector: Array) -> Any:
        """The same, whatever the dtype of the vector."""
        return self.with_leaves(self._views(vector)) if self.container is None else self.tree(vector)

    def _views(self, vector):
        if vector.shape[-1:] != (self.size,):
            raise LayoutError(f"got a vector of shape {vector.shape}; the layout has {self.size} entries")
        lead = vector.shape[:-1]
        places = zip(self.slices.values(), self.shapes.values(), strict=True)
        leaves = [vector[..., s].reshape(lead + shape) for s, shape in places]
        if lead:
            return leaves
        return [leaf[()] if scalar else leaf for leaf, scalar in zip(leaves, self._scalars, strict=True)]

    def with_leaves(self, leaves: Sequence[Any]) -> Any:
        """A tree of these leaves, whatever they are; for Params a dict."""
        return (
            unflatten(self._structure, leaves)
            if self.container is None
            else dict(zip(self.shapes, leaves, strict=True))
        )

    def rounded(self, vector: Array) -> Array:
        """A vector whose entries are rounded to the dtypes of the leaves."""
        if self.dtypes is None or all(kind == vector.dtype for kind in self.dtypes):
            return vector
        return self.vector(self.tree(vector))

    def dtype_of_entries(self, vector: Array) -> list[np.dtype[Any]]:
        """The dtypes of the p entries; those of Params are the vector's."""
        if self.dtypes is None:
            return [vector.dtype] * self.size
        return [kind for kind, s in zip(self.dtypes, self.slices.values(), strict=True) for _ in range(s.start, s.stop)]

    @property
    def paths(self) -> list[str]:
        """The leaves as one would index them: ``['w']``."""
        return paths(self._structure)

    @property
    def named(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the leaves by their paths."""
        return dict(zip(self.paths, self.shapes.values(), strict=True))

    def entry(self, k: int) -> str:
        """The k-th entry as one would index it: ``['w'][0, 1]``."""
        for name, path in zip(self.shapes, self.paths, strict=True):
            place, shape = self.slices[name], self.shapes[name]
            if place.start <= k < place.stop:
                at = np.unravel_index(k - place.start, shape)
                return path + (str(list(map(int, at))) if shape else "")
        raise IndexError(f"got the entry {k} of {self.size}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Layout cannot be changed; got {name} = {value!r:.60}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Layout cannot be changed; got del {name}")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return other.__class__ is Layout and self._key() == other._key()

    def _key(self):
        return self.container, tuple(self.shapes.items()), self._structure, self.dtypes, self._scalars

    def __hash__(self) -> int:
        if self._hash is None:
            object.__setattr__(self, "_hash", hash((self.container, *self.shapes.items())))
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Layout, (dict(self.shapes), self.container, self._structure, self.dtypes, self._scalars)

    def __repr__(self) -> str:
        return f"Layout({', '.join(f'{name}: {shape}' for name, shape in self.shapes.items())}; {self.size} entries)"


@functools.lru_cache(maxsize=256)
def _known(structure, shapes, dtypes, scalars):
    """The layout of all trees of this structure, whose leaves have these shapes and dtypes, and may be numbers."""
    return Layout(dict(zip(paths(structure), shapes, strict=True)), None, structure, dtypes, scalars)


def _is_of_python(structure):
    """Whether a structure is of lists, tuples and dicts of names alone: of these, equal ones are the same."""
    if structure is LEAF:
        return True
    _, keys, children, aux, buffers = structure
    named = keys.__class__ is range or all(key.__class__ is str for key in keys)
    return named and buffers is None and (aux is None or isinstance(aux, type)) and all(map(_is_of_python, children))


def _without_buffers(structure):
    """A structure without what belongs to the very tree that it was taken from."""
    if not structure.children and structure.buffers is None:
        return structure
    return structure._replace(children=tuple(map(_without_buffers, structure.children)), buffers=None)


def ravel(tree: Tree) -> tuple[Array, Layout]:
    """The entries of a tree as one vector, and its layout: of Params their own, both."""
    if tree.__class__ is np.ndarray or isinstance(getattr(tree, "layout", None), Layout):
        layout = Layout.of(tree)
        return layout.vector(tree), layout
    leaves, structure = flatten(tree)
    return side_by_side([np.reshape(leaf, -1) for leaf in leaves]), _of_leaves(leaves, structure)


def _of_leaves(leaves, structure):
    """The layout of these leaves of a structure."""
    dtypes = [leaf.dtype if hasattr(leaf, "dtype") else np.result_type(type(leaf)) for leaf in leaves]
    scalars = [isinstance(leaf, (np.generic, numbers.Number)) for leaf in leaves]
    kinds = tuple(map(np.shape, leaves)), tuple(dtypes), tuple(scalars)
    if _is_of_python(structure):
        return _known(structure, *kinds)
    return _known.__wrapped__(_without_buffers(structure), *kinds)
