"""What is drawn in the plane: two numbers, and functions to two numbers."""

from typing import Any

import numpy as np

from ...tree import Function


def in_plane(x: Any, name: str) -> Any:
    """An array of two numbers, or an error that says what it is."""
    x = np.array(x, dtype=float)
    if x.shape != (2,):
        raise ValueError(f"{name} has shape {x.shape}; expected two numbers, which are drawn in the plane")
    return x


def onto_plane(f: Function) -> Function:
    """The function, where it returns two numbers; a list of two is an array of them."""

    def to_plane(x: Any) -> Any:
        y = f(x)
        y = np.stack(y) if isinstance(y, (list, tuple)) else y
        if np.shape(y) != (2,):
            raise ValueError(f"f(x) has shape {np.shape(y)}; expected two numbers, which are drawn in the plane")
        return y

    return to_plane


def at_least(least: int, **given: int) -> None:
    """An error for a number of things that is too small."""
    for name, count in given.items():
        if count < least:
            raise ValueError(f"got {name}={count!r}; expected {least} or more")
