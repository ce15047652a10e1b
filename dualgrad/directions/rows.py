"""Rows: n directions v₁ ... vₙ of R^p as the rows of a matrix V, dense, or as factors a bᵀ of every matrix in them.

``c @ V`` is Σ_i c_i v_i, ``V @ g`` has the v_i·g, and ``V.tree(layout)`` are the tangents that a jvp is given. One
direction is pushed without a leading axis: its slope is a number, and ``c @ V`` takes a number then.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, to_numpy
from ..errors import ShapeError
from ..layout import Layout
from ..outer_product import OuterProduct
from ..scratch import empty, empty_like
from ..tree import Tree
from ..unwritten import Unwritten

ADDED = 1 << 16  # entries of a sum that are worked on at once, while they are in a cache
MANY = 1 << 16  # entries from which on writing a gradient out takes longer than to say what it is made of


class Rows:
    """n directions v_i of R^p as the rows of a matrix V ``(n, p)``.

    ``c @ V`` is Σ_i c_i v_i, ``V @ g`` has the v_i·g (a number for one direction), ``V.tree(layout)`` the tangents that
    a jvp is given, and ``V[:k]`` the first k directions.

    Parameters
    ----------
    matrix : array ``(n, p)``

    Raises
    ------
    ShapeError
        For coefficients that are not n.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.directions.rows import Rows
    >>> V = Rows(np.array([[1.0, 0.0], [1.0, 1.0]]))
    >>> V @ np.array([3.0, 4.0]), np.array([1.0, 2.0]) @ V
    (array([3., 7.]), array([3., 2.]))
    >>> V[:1].gram()
    array([[1.]])
    """

    __slots__ = ("matrix",)
    __array_ufunc__ = None  # NumPy leaves c @ V to V
    matrix: Array

    def __init__(self, matrix: Array) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, some: slice) -> "Rows":
        """A slice of the directions."""
        return Rows(self.matrix[_slice(some)])

    def __rmatmul__(self, c: Any) -> Array:
        """Σ_i c_i v_i."""
        first = self.matrix[0]
        c, total = _fitting_coefficients(c, len(self.matrix), first.dtype), empty_like(first)
        return np.matmul(c, self.matrix, out=total) if c.ndim else np.multiply(c, first, out=total)

    def add_to(self, total: Array, c: Any, exact: bool = False) -> Array:
        """``total += c @ V`` in place; returns the total.

        Parameters
        ----------
        total : array ``(p,)`` of the dtype of the directions
        c : array ``(n,)``, or a number for one direction
        exact : bool
            Add direction after direction, entry by entry: the bits are the same on every CPU, and however many
            directions are added at once, which a product of matrices does not promise.

        Raises
        ------
        ShapeError
            For another total, or coefficients that are not n.
        TypeError
            For a total of another dtype.

        Examples
        --------
        >>> import numpy as np
        >>> from dualgrad.directions.rows import Rows
        >>> V = Rows(np.array([[1.0, 0.0], [1.0, 1.0]]))
        >>> V.add_to(np.array([10.0, 20.0]), np.array([1.0, 2.0]), exact=True)
        array([13., 22.])
        """
        c = _fitting_coefficients(c, len(self.matrix), self.matrix.dtype)
        _require_total(total, self.matrix.shape[1], self.matrix.dtype)
        if not exact:
            np.add(total, c @ self, out=total)
            return total
        products = empty_like(total[:ADDED])
        for start in range(0, total.size, ADDED):
            some = total[start : start + ADDED]
            product = products[: some.size]
            for c_i, v_i in zip(c.reshape(-1), self.matrix[:, start : start + ADDED], strict=True):
                np.add(some, np.multiply(c_i, v_i, out=product), out=some)
        return total

    def __matmul__(self, g: Array) -> Any:
        """v_i·g; a number for one direction."""
        return (self.matrix if len(self.matrix) > 1 else self.matrix[0]) @ g

    def gram(self) -> Array:
        """v_i·v_j, ``(n, n)``, on the host."""
        return to_numpy(self.matrix @ self.matrix.T)

    def dense(self) -> Array:
        """V as an array."""
        return self.matrix

    def tree(self, layout: Layout, lead: bool | None = None) -> Tree:
        """The directions as a tree; ``lead``: whether along a leading axis, which several have by default."""
        return layout.tree(self._few(lead))

    def _few(self, lead):
        several = len(self.matrix) > 1 if lead is None else lead
        return self.matrix if several else self.matrix[0]


class FactorRows:
    """n directions of signs: in the place of every matrix a product a bᵀ, in that of every vector a vector b.

    Parameters
    ----------
    signs : array ``(n, count)``
        Every a and b side by side, in the order of the leaves.
    layout : Layout of the leaves
    """

    __slots__ = ("_pieces", "layout", "signs")
    __array_ufunc__ = None
    signs: Array
    layout: Layout

    def __init__(self, signs: Array, layout: Layout) -> None:
        self.signs, self.layout, self._pieces = signs, layout, pieces(layout)

    def __len__(self) -> int:
        return len(self.signs)

    def __getitem__(self, some: slice) -> "FactorRows":
        return FactorRows(self.signs[_slice(some)], self.layout)

    def __rmatmul__(self, c: Any) -> Array:
        """Σ_i c_i v_i."""
        total = self._combined(c)
        return total.written() if total.__class__ is Unwritten else total

    def add_to(self, total: Array, c: Any, exact: bool = False) -> Array:
        """As `Rows.add_to`; the directions are not written out, but for blocks of one at a time."""
        signs = self.signs
        c = _fitting_coefficients(c, len(signs), signs.dtype)
        _require_total(total, self.layout.size, signs.dtype)
        if not exact and len(signs) > 1:
            np.add(total, c @ self, out=total)
            return total
        for k, c_k in enumerate(c.reshape(-1)):
            if signs.__class__ is not np.ndarray:
                Rows(self[k : k + 1].dense()).add_to(total, c_k, exact)
                continue
            for place, block in Unwritten(c_k, signs[k], self._pieces, self.layout.size).blocks(ADDED):
                total[place] += block
        return total

    def unwritten(self, c: Any) -> Array | Unwritten:
        """The same, not written out where it is one direction of many entries, for Params."""
        total = self._combined(c)
        stays = self.layout.size > MANY and self.layout.container is not None or total.__class__ is not Unwritten
        return total if stays else total.written()

    def _combined(self, c):
        """Σ_i c_i v_i; of one direction, on the host, not written out."""
        signs, size = self.signs, self.layout.size
        c = _fitting_coefficients(c, len(signs), signs.dtype)
        if signs.__class__ is np.ndarray and not c.ndim:
            return Unwritten(c, signs[0], self._pieces, size)
        host = signs.__class__ is np.ndarray
        total = empty((size,), signs.dtype) if host else np.empty_like(signs, shape=(size,))
        weighted = signs * np.reshape(c, (-1, 1))
        for piece in self._pieces:
            if piece.a is None:
                total[piece.place] = weighted[:, piece.b].sum(0)
            else:
                np.matmul(weighted[:, piece.a].T, signs[:, piece.b], out=total[piece.place].reshape(piece.matrix))
        return total

    def __matmul__(self, g: Array) -> Any:
        """v_i·g; a number for one direction: the sum of all aᵀ G b and b·g."""
        if np.shape(g) != (self.layout.size,):
            raise ShapeError(f"got a vector of shape {np.shape(g)}; expected {(self.layout.size,)}")
        dots = sum(self._dots(piece, g[piece.place]) for piece in self._pieces) if self._pieces else self.dense() @ g
        return dots if len(self) > 1 else dots[0]

    def _dots(self, piece, g):
        b = self.signs[:, piece.b]
        return b @ g if piece.a is None else np.sum((self.signs[:, piece.a] @ g.reshape(piece.matrix)) * b, axis=-1)

    def gram(self) -> Array:
        """v_i·v_j, ``(n, n)``, on the host: the sum of all (A Aᵀ) ∘ (B Bᵀ) and B Bᵀ."""
        total = np.zeros((len(self), len(self)))
        for _, a, b, *_ in self._pieces:
            total += to_numpy(_gram(self.signs[:, b]) * (1 if a is None else _gram(self.signs[:, a])))
        return total.astype(self.signs.dtype, copy=False)

    def dense(self) -> Array:
        """V as an array."""
        rows = np.empty_like(self.signs, shape=(len(self), self.layout.size))
        for place, a, b, matrix, _ in self._pieces:
            b = self.signs[:, b]
            if a is None:
                rows[:, place] = b
            else:
                np.multiply(self.signs[:, a, None], b[:, None], out=rows[:, place].reshape(-1, *matrix))
        return rows

    def tree(self, layout: Layout, lead: bool | None = None) -> Tree:
        """As `Rows.tree`, with `dualgrad.OuterProduct` leaves; a dict for Params."""
        several = len(self) > 1 if lead is None else lead
        signs = self.signs if several else self.signs[0]
        if layout.dtypes is None:
            return layout.with_leaves([piece.leaf(signs) for piece in self._pieces])
        kinds = [signs.astype(kind, copy=False) for kind in layout.dtypes]
        return layout.with_leaves([piece.leaf(signs) for piece, signs in zip(self._pieces, kinds, strict=True)])


class Piece(NamedTuple):
    """Where a leaf is in a vector of R^p, where its a (if it is a matrix) and b are among the signs, and its shape."""

    place: slice
    a: slice | None
    b: slice
    matrix: tuple  # the sides
    shape: tuple

    def leaf(self, signs):
        """What stands in its place, of one direction's signs or of several."""
        b = signs[..., self.b]
        if self.a is None:
            return b.reshape(b.shape[:-1] + self.shape)
        return OuterProduct(signs[..., self.a], b, self.shape)


@functools.lru_cache(maxsize=256)
def pieces(layout):
    """The `Piece` of every leaf."""
    start, found = 0, []
    for shape, place in zip(layout.shapes.values(), layout.slices.values(), strict=True):
        height, width = matrix_of(shape)
        middle, end = start + height, start + height + width
        a = slice(start, middle) if height else None
        found.append(Piece(place, a, slice(middle, end), (height, width), shape))
        start = end
    return found


def matrix_of(shape):
    """The height and width of a leaf as a matrix, of a kernel its last axis by all others; of others 0, its size."""
    size = math.prod(shape)
    return (size // shape[-1], shape[-1]) if len(shape) > 1 and size else (0, size)


def _gram(rows):
    return rows @ rows.T


def _fitting_coefficients(c, n, dtype):
    """n coefficients, or a number for one direction, in the precision of the directions: a loss may have another."""
    c = c if hasattr(c, "shape") else np.asarray(c)
    if c.shape != (n,) and (n > 1 or c.shape != ()):
        raise ShapeError(f"got coefficients of shape {c.shape} for {n} directions; expected {(n,)}")
    return c.astype(dtype) if c.dtype != dtype else c


def _require_total(total, size, dtype):
    """Raise unless directions of this size and dtype can be added to a total."""
    if np.shape(total) != (size,):
        raise ShapeError(f"got a total of shape {np.shape(total)}; expected {(size,)}")
    kind = getattr(total, "dtype", type(total).__name__)
    if kind != dtype:
        raise TypeError(f"got a total of {kind}; expected one of {dtype}, as the directions are")


def _slice(some):
    if not isinstance(some, slice):
        raise TypeError(f"got [{some!r:.60}]; expected a slice of directions, V[:n]")
    return some
