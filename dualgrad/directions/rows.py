"""Rows: n directions v₁ ... vₙ of R^p as the rows of a matrix V, dense, or as factors a bᵀ of every matrix in them.

``c @ V`` is Σ_i c_i v_i, ``V @ g`` has the v_i·g, and ``V.tree(layout)`` are the tangents that a jvp is given. One
direction is pushed without a leading axis: its slope is a number, and ``c @ V`` takes a number then.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array, to_numpy
from ..errors import ShapeError
from ..layout import Layout
from ..outer_product import OuterProduct
from ..scratch import empty_like
from ..tree import Tree
from ..vectors import side_by_side


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
        return self.sum(_fitting_coefficients(c, len(self.matrix), first.dtype), empty_like(first))

    def sum(self, c: Any, out: Array) -> Array:
        """Σ_i c_i v_i, into an array."""
        return np.multiply(c, self.matrix[0], out=out) if np.ndim(c) == 0 else np.matmul(c, self.matrix, out=out)

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

    def leaf(self, shape: tuple[int, ...], dtype: DTypeLike, lead: bool | None = None) -> Array:
        """The directions as one leaf of a tree."""
        few = self._few(lead)
        return few.reshape(few.shape[:-1] + shape).astype(dtype, copy=False)

    def _few(self, lead):
        several = len(self.matrix) > 1 if lead is None else lead
        return self.matrix if several else self.matrix[0]


class OuterRows:
    """n directions that are matrices a bᵀ, of vectors of signs a ``(n, h)`` and of vectors b ``(n, w)``."""

    __slots__ = ("a", "b")

    def __init__(self, a: Array, b: Array) -> None:
        self.a, self.b = a, b

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, some: slice) -> "OuterRows":
        return OuterRows(self.a[some], self.b[some])

    def sum(self, c, out):
        """Σ_i c_i a_i b_iᵀ = Aᵀ diag(c) B, one product, into a vector."""
        matrix = out.reshape(self.a.shape[1], self.b.shape[1])
        if np.ndim(c) == 0:
            OuterProduct(self.a[0], self.b[0], signs=True).times(c, matrix)
        else:
            np.matmul((self.a * c[:, None]).T, self.b, out=matrix)

    def __matmul__(self, g):
        """aᵀ G b."""
        dots = np.sum((self.a @ g.reshape(self.a.shape[1], self.b.shape[1])) * self.b, axis=-1)
        return dots if len(dots) > 1 else dots[0]

    def gram(self):
        """(A Aᵀ) ∘ (B Bᵀ), on the host."""
        return to_numpy((self.a @ self.a.T) * (self.b @ self.b.T))

    def dense(self):
        """The matrices as rows."""
        return OuterProduct(self.a, self.b).dense().reshape(len(self.a), -1)

    def leaf(self, shape, dtype, lead=None):
        """The directions as one leaf of a tree, still as factors."""
        several = len(self.a) > 1 if lead is None else lead
        a, b = (self.a, self.b) if several else (self.a[0], self.b[0])
        return OuterProduct(a.astype(dtype, copy=False), b.astype(dtype, copy=False), shape, signs=True)


class BlockRows:
    """n directions leaf by leaf: for every leaf of a tree `Rows` of its entries, or `OuterRows` products."""

    __slots__ = ("blocks", "layout", "like", "n")
    __array_ufunc__ = None

    def __init__(self, blocks: list[Rows | OuterRows], n: int, layout: Layout, like: Array) -> None:
        self.blocks, self.n, self.layout, self.like = blocks, n, layout, like

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, some: slice) -> "BlockRows":
        some = _slice(some)
        return BlockRows([block[some] for block in self.blocks], len(range(self.n)[some]), self.layout, self.like)

    def __rmatmul__(self, c: Any) -> Array:
        """Σ_i c_i v_i."""
        c, total = _fitting_coefficients(c, self.n, self.like.dtype), empty_like(self.like)
        for block, place in self._placed():
            block.sum(c, total[place])
        return total

    def __matmul__(self, g: Array) -> Any:
        """v_i·g; a number for one direction."""
        if np.shape(g) != (self.layout.size,):
            raise ShapeError(f"got a vector of shape {np.shape(g)}; expected {(self.layout.size,)}")
        return sum(block @ g[place] for block, place in self._placed()) if self.blocks else Rows(self.dense()) @ g

    def gram(self) -> Array:
        """v_i·v_j, ``(n, n)``, on the host."""
        return sum(block.gram() for block in self.blocks) if self.blocks else Rows(self.dense()).gram()

    def dense(self) -> Array:
        """V as an array."""
        return side_by_side([block.dense() for block in self.blocks], (self.n, 0))

    def tree(self, layout: Layout, lead: bool | None = None) -> Tree:
        """As `Rows.tree`, with `dualgrad.OuterProduct` leaves; a dict for Params."""
        kinds = layout.dtypes or [self.like.dtype] * len(self.blocks)
        leaves = zip(self.blocks, layout.shapes.values(), kinds, strict=True)
        return layout.with_leaves([block.leaf(shape, kind, lead) for block, shape, kind in leaves])

    def _placed(self):
        return zip(self.blocks, self.layout.slices.values(), strict=True)


def _fitting_coefficients(c, n, dtype):
    """n coefficients, or a number for one direction, in the precision of the directions: a loss may have another."""
    if np.shape(c) != (n,) and (n > 1 or np.shape(c) != ()):
        raise ShapeError(f"got coefficients of shape {np.shape(c)} for {n} directions; expected {(n,)}")
    return c.astype(dtype) if hasattr(c, "astype") and c.dtype != dtype else c


def _slice(some):
    if not isinstance(some, slice):
        raise TypeError(f"got [{some!r:.60}]; expected a slice of directions, V[:n]")
    return some
