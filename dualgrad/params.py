"""Params: named views into one contiguous vector, so that u, g and w of the papers are vectors of R^p."""

import threading
from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .backend import Array, ArrayLike, is_array, to_numpy
from .dual import Dual
from .errors import LayoutError
from .layout import Layout
from .tree import Function, Tree, flatten, is_container, leaves, rebuild, register
from .unwritten import Unwritten
from .vector_space import VectorSpace

ByName: TypeAlias = dict[str, Array]


_WRITING = threading.Lock()


class Params(VectorSpace, Mapping[str, Array]):
    """A mapping from dotted names to arrays that are views into one contiguous ``vector``.

    They add up, are multiplied by numbers and have inner products like that vector: ``p + q``, ``p - q``, ``2 * p``,
    ``p / 2``, ``p @ q``, ``p.norm()``; in place with ``p += q`` and ``p *= 2``.

    Parameters
    ----------
    arrays : dict of str to array
        Floating or complex arrays of one dtype, copied into the new vector in order.

    Attributes
    ----------
    vector : array, shape ``(p,)``, or ``(K, p)`` for K directions
        All entries; writing to it writes to every view.
    layout : Layout
        Names and shapes, shared by all Params of one model.
    buffers : dict of str to array
        What a model keeps beside its parameters (running statistics): no entries of the vector, not differentiated.
        They belong to these parameters alone: a gradient, a direction or ``zeros_like()`` has none.

    Raises
    ------
    LayoutError
        For arrays of different dtypes, and on assignment of a wrong name or shape.
    TypeError
        For integer or object arrays.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> params = dg.Params({"weight": np.ones((2, 2)), "bias": np.zeros(2)})
    >>> params.vector[:] *= 3
    >>> params["weight"]
    array([[3., 3.],
           [3., 3.]])
    >>> params.size, list(params)
    (6, ['weight', 'bias'])
    """

    __slots__ = ("_leaves", "_unwritten", "_vector", "buffers", "layout")

    layout: Layout
    buffers: ByName

    def __init__(self, arrays: Mapping[str, ArrayLike], buffers: ByName | None = None) -> None:
        arrays = {name: a if is_array(a) else np.asarray(a) for name, a in arrays.items()}
        dtypes = {np.dtype(a.dtype) for a in arrays.values()}
        for name, a in arrays.items():
            if not np.issubdtype(a.dtype, np.inexact):
                raise TypeError(f"params[{name!r}] has dtype {a.dtype}; expected a floating or complex array")
        if len(dtypes) > 1:
            raise LayoutError(f"got arrays of dtypes {sorted(map(str, dtypes))}; expected one dtype for all of them")
        layout = Params.layout_of({name: a.shape for name, a in arrays.items()})
        self._set(layout, Params._vector_of(layout, arrays, ()), buffers)

    def _set(self, layout, vector, buffers):
        self.layout, self.buffers = layout, {} if buffers is None else buffers
        self._unwritten = vector if vector.__class__ is Unwritten else None
        if self._unwritten is not None:
            return
        self._vector = vector
        lead = vector.shape[:-1]
        self._leaves = {
            name: vector[..., place].reshape(lead + layout.shapes[name]) for name, place in layout.slices.items()
        }

    @staticmethod
    def _vector_of(layout, arrays, lead):
        if not arrays:
            return np.zeros(0)
        first = next(iter(arrays.values()))
        vector = np.empty_like(first, shape=(*lead, layout.size), order="C")
        for name, place in layout.slices.items():
            vector[..., place] = arrays[name].reshape((*lead, place.stop - place.start))
        return vector

    @classmethod
    def _of_leaves(cls, layout, arrays, buffers):
        params = object.__new__(cls)
        params.layout, params._vector, params._leaves = layout, None, dict(arrays)
        params.buffers, params._unwritten = {} if buffers is None else buffers, None
        return params

    @classmethod
    def from_vector(cls, layout: Layout, vector: Array, buffers: ByName | None = None) -> "Params":
        """Params whose views look into ``vector`` itself, of shape ``(p,)`` or with lead axes in front."""
        if vector.shape[-1] != layout.size:
            raise LayoutError(f"got a vector of {vector.shape[-1]} entries; the layout has {layout.size}")
        params = object.__new__(cls)
        params._set(layout, vector, buffers)
        return params

    def at(self, vector: Array) -> "Params":
        """These parameters where their entries are those of ``vector``, with the same buffers."""
        return Params.from_vector(self.layout, vector, self.buffers)

    @staticmethod
    def layout_of(shapes: Mapping[str, Sequence[int]]) -> Layout:
        """The layout of Params whose arrays have these names and shapes."""
        return Layout(shapes, Params)

    @staticmethod
    def assembled(layout: Layout, arrays: dict[str, Any], buffers: ByName | None = None) -> Any:
        """Params of these arrays; Duals and shifted matrices are kept as they are, other shapes give a plain dict."""
        if not arrays:
            return Params.from_vector(layout, np.zeros(0), buffers)
        if not all(map(is_array, arrays.values())):
            return arrays
        if any(isinstance(a, Dual) or hasattr(a, "written") for a in arrays.values()):
            return Params._of_leaves(layout, arrays, buffers)
        if any(hasattr(a, "dense") for a in arrays.values()):
            return arrays
        leads = {a.shape[: a.ndim - len(layout.shapes[name])] for name, a in arrays.items()}
        fits = all(a.shape[a.ndim - len(layout.shapes[name]) :] == layout.shapes[name] for name, a in arrays.items())
        if len(leads) != 1 or not fits:
            return arrays
        return Params.from_vector(layout, Params._vector_of(layout, arrays, leads.pop()), buffers)

    if not TYPE_CHECKING:  # which would take any name for an attribute

        def __getattr__(self, name):
            """The vector and its views, where they are written out when somebody looks at them."""
            if name in ("_vector", "_leaves"):
                with _WRITING:
                    if self._unwritten is not None:
                        self._set(self.layout, self._unwritten.written(), self.buffers)
            return object.__getattribute__(self, name)

    @property
    def entries(self) -> Any:
        """All entries as one vector, or what makes it where nobody has looked at them yet."""
        return self.vector if self._unwritten is None else self._unwritten

    @property
    def vector(self) -> Array:
        """All entries as one vector; inside a jvp, a Dual put together from the leaves (read it, do not write)."""
        if self._vector is None:
            first = next(iter(self._leaves.values()))
            lead = first.shape[: first.ndim - len(self.layout.shapes[next(iter(self._leaves))])]
            places = self.layout.slices.items()
            return np.concatenate([self[name].reshape((*lead, s.stop - s.start)) for name, s in places], -1)
        return self._vector

    @property
    def size(self) -> int:
        """The number p of parameters."""
        return self.layout.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The common dtype of all arrays."""
        return next(iter(self._leaves.values()), self._vector).dtype

    def __getitem__(self, name: str) -> Array:
        try:
            return self._leaves[name]
        except KeyError:
            raise KeyError(f"no parameter {name!r}; the names are {list(self._leaves)}") from None

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        view = self[name]
        if np.shape(value) != view.shape:
            raise LayoutError(f"params[{name!r}] has shape {view.shape}; got a value of shape {np.shape(value)}")
        view[...] = value

    def __contains__(self, name: object) -> bool:
        return name in self._leaves

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._leaves.keys()

    def values(self) -> ValuesView[Array]:
        """The arrays."""
        return self._leaves.values()

    def items(self) -> ItemsView[str, Array]:
        """Pairs of name and array."""
        return self._leaves.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._leaves)

    def __len__(self) -> int:
        return len(self._leaves)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {tuple(leaf.shape)}" for name, leaf in self._leaves.items())
        return f"Params({shapes}; {self.size} entries)"

    def map_leaves(self, f: Function) -> Any:
        """Params of ``f(array)`` for every array (a plain dict where the shapes change), with copies of the buffers."""
        return Params.assembled(
            self.layout, {name: f(leaf) for name, leaf in self._leaves.items()}, self._copied_buffers()
        )

    def copy(self) -> "Params":
        """Params with a vector, and buffers, of their own."""
        return Params.from_vector(self.layout, self.vector.copy(), self._copied_buffers())

    def _copied_buffers(self):
        return {name: b.copy() for name, b in self.buffers.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled as one vector, so that the views of the copy look into it."""
        return Params.from_vector, (self.layout, self.vector, self.buffers)

    def zeros_like(self) -> "Params":
        """Params of zeros in the same layout, without buffers."""
        return Params.from_vector(self.layout, np.zeros_like(self.vector))

    def to(self, module: Any) -> "Params":
        """The same parameters on another backend: ``params.to(cupy)``, ``params.to(numpy)``."""
        buffers = {name: module.asarray(to_numpy(b)) for name, b in self.buffers.items()}
        return Params.from_vector(self.layout, module.asarray(to_numpy(self.vector)), buffers)

    def items_by_layer(self, prefix: str) -> ByName:
        """The arrays whose names begin with ``prefix.``, under the rest of their names."""
        start = prefix + "."
        return {name[len(start) :]: leaf for name, leaf in self._leaves.items() if name.startswith(start)}


def is_plain(params, ndims=(1,)):
    """Whether the entries are one floating array of NumPy, of so many axes."""
    w = params._vector
    return w.__class__ is np.ndarray and w.ndim in ndims and w.dtype.kind in "fc"


def with_entries(params: Tree, vector: Array, layout: Layout) -> Any:
    """Parameters of any tree where their entries are those of a vector, or several, and their buffers as they are."""
    if isinstance(params, Params):
        return params.at(vector)
    tree = layout.tree(vector)
    return rebuild(flatten(params)[1], leaves(tree)) if is_container(params) else tree


register(Params, lambda params: (params._leaves, params.layout), Params.assembled, attrgetter("buffers"))
