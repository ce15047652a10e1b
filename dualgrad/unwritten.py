"""Unwritten: a gradient that is known by the few numbers it is made of, and written out where it is looked at."""

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .backend import Array, DTypeLike
from .scratch import empty


class Unwritten:
    """c v, for a direction v of signs that is a product a bᵀ in the place of every matrix: its rows are c b and -c b.

    It is written out as a whole, or block by block: of p entries, which are most of what a step moves through memory,
    an optimizer then writes and reads none.

    Parameters
    ----------
    c : number
    signs : array ``(count,)``
        Every a and b side by side.
    pieces : list
        For every leaf its place among the p entries, the places of its a (None for a vector, which is b alone) and of
        its b among the signs, and the sides of the matrix; see `dualgrad.directions.rows.Piece`.
    size : int, p
    """

    __slots__ = ("_both", "_down", "_pieces", "dtype", "largest", "shape")
    ndim: int = 1
    dtype: np.dtype[Any]
    largest: float
    shape: tuple[int]

    def __init__(self, c: Any, signs: Array, pieces: Sequence[Any], size: int) -> None:
        self._both, self._down, self._pieces = np.empty((2, signs.size), signs.dtype), np.signbit(signs), pieces
        np.negative(np.multiply(c, signs, out=self._both[0]), out=self._both[1])
        self.dtype, self.shape, self.largest = signs.dtype, (size,), abs(float(c))

    def written(self) -> Array:
        """The vector."""
        return self.write(empty(self.shape, self.dtype))

    def write(self, out: Array) -> Array:
        """The same, into an array: copying rows is less work than multiplying."""
        for place, a, b, matrix, _ in self._pieces:
            if a is None:
                out[place] = self._both[0, b]
            else:
                self._both[:, b].take(self._down[a], axis=0, out=out[place].reshape(matrix), mode="clip")
        return out

    def astype(self, dtype: DTypeLike, **_: Any) -> Array:
        """The vector in a dtype."""
        return self.written().astype(dtype, copy=False)

    def scaled(self, by: float) -> "Unwritten":
        """The same times a number."""
        found = copy.copy(self)
        found._both, found.largest = float(by) * self._both, abs(by) * self.largest
        return found

    def part(self, place: slice) -> "Unwritten":
        """The entries of a slice, which holds leaves as wholes."""
        found, start = copy.copy(self), place.start
        found._pieces = [
            piece._replace(place=slice(piece.place.start - start, piece.place.stop - start))
            for piece in self._pieces
            if start <= piece.place.start and piece.place.stop <= place.stop
        ]
        found.shape = (place.stop - start,)
        return found

    def norm(self) -> float:
        """‖c v‖."""
        return self.largest * math.sqrt(self.shape[0])

    def blocks(self, most: int) -> Iterator[tuple[slice, Array]]:
        """Block by block, of so many entries at most: its place, and its entries, which the next overwrites."""
        for place, a, b, (height, width), _ in self._pieces:
            if a is None:
                yield from _cut(place.start, self._both[0, b], most)
                continue
            rows, down, count = self._both[:, b], self._down[a], min(height, max(1, most // width))
            buffer = empty((count, width), self.dtype)
            for first in range(0, height, count):
                chosen = down[first : first + count]
                part = rows.take(chosen, axis=0, out=buffer[: len(chosen)], mode="clip")
                yield from _cut(place.start + first * width, part.reshape(-1), most)


def _cut(start, part, most):
    for first in range(0, part.size, most):
        some = part[first : first + most]
        yield slice(start + first, start + first + some.size), some
