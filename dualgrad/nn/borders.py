"""The border of an image or a signal: zeros, or entries of the input again; and the transpose, which takes it off.

The spatial axes stand before the last one, which holds the channels; axes in front of them are carried along.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from ..backend import Array
from ..errors import ShapeError

Border: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
Widths: TypeAlias = Sequence[tuple[int, int]]  # before and after, one pair for every spatial axis

BORDERS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # NumPy's names


def require_reach(spatial: Sequence[int], widths: Widths, mode: str, layer: object) -> None:
    """A reflected border is narrower than the input, a circular one no wider, and a replicated one of something."""
    for width in map(max, widths):
        least = {"zeros": 0, "reflect": width + 1, "replicate": 1, "circular": width}[mode] if width else 0
        if any(size < least for size, w in zip(spatial, widths, strict=True) if max(w) == width):
            raise ShapeError(
                f"{layer!r} got an input of size {tuple(spatial)}; a {mode} border of {width} needs at least {least} "
                "entries along its axis"
            )


def bordered(x: Array, widths: Widths, mode: str = "zeros", value: float = 0) -> Array:
    """x ``(..., H, W, C)`` with its border; ``value`` stands in one of "zeros"."""
    every = [(0, 0)] * (x.ndim - len(widths) - 1) + [*widths, (0, 0)]
    return np.pad(x, every, constant_values=value) if mode == "zeros" else np.pad(x, every, BORDERS[mode])


def unbordered(y: Array, widths: Widths, mode: str = "zeros") -> Array:
    """The transpose of `bordered`: what stands in the border is added where it came from."""
    for axis, (before, after) in enumerate(widths, -1 - len(widths)):
        size = y.shape[axis] - before - after
        inner = y[_entries_along(axis, slice(before, before + size))]
        if mode != "zeros" and before + after:
            inner = inner + np.zeros_like(inner)  # one's own
            came = np.pad(np.arange(size), (before, after), BORDERS[mode])
            for k in (*range(before), *range(before + size, len(came))):
                inner[_entries_along(axis, slice(came[k], came[k] + 1))] += y[_entries_along(axis, slice(k, k + 1))]
        y = inner
    return y


def _entries_along(axis, entries):
    """An index of those entries of an axis counted from the end."""
    return (..., entries, *(slice(None),) * (-1 - axis))
