"""Outcomes compared with what is expected, and told in words."""

from numbers import Number
from typing import Any

import numpy as np

from .attempts import Outcome


def agree(found: Any, expected: Any, tolerance: float) -> bool:
    """The same numbers, in the same shapes and the same order."""
    if misfit(found, expected):
        return False
    if isinstance(expected, (tuple, list)):
        return all(agree(f, e, tolerance) for f, e in zip(found, expected, strict=True))
    if isinstance(expected, str):
        return bool(found == expected)
    with np.errstate(all="ignore"):
        size = np.max(np.abs(expected), initial=0, where=np.isfinite(expected)) or 1.0
        return bool(np.allclose(found, expected, rtol=tolerance, atol=tolerance * size, equal_nan=True))


def alike(one: Outcome, other: Outcome, tolerance: float) -> bool:
    """Two answers that do the same, be it wrong."""
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    if one.value is None or other.value is None:
        return one.value is other.value
    return agree(one.value, other.value, tolerance)


def misfit(found: Any, expected: Any) -> str:
    """What is wrong with the kind or the shape of a result, in words; "" where only numbers can differ."""
    if found is None:
        return "nothing (None): does your function end with a return?"
    if isinstance(expected, str):
        return "" if isinstance(found, str) else f"{sort_of(found)}, where a text belongs"
    if isinstance(expected, (tuple, list)):
        if not isinstance(found, (tuple, list)):
            return f"{sort_of(found)}, where {len(expected)} things belong: {of(expected)}"
        if len(found) != len(expected):
            return f"{len(found)} things, where {len(expected)} belong: {of(expected)}"
        return next((text for pair in zip(found, expected, strict=True) if (text := misfit(*pair))), "")
    try:
        array = np.asarray(found)
    except Exception:
        return f"{sort_of(found)}, where numbers belong"
    if array.dtype.kind not in "biufc":
        return f"{sort_of(found)}, where {sort_of(expected)} belongs"
    if array.shape != np.shape(expected):
        return f"{sort_of(found)}, where {sort_of(expected)} belongs"
    return ""


def of(expected: Any) -> str:
    """What a tuple is made of."""
    return f"({', '.join(map(sort_of, expected))})"


def sort_of(x: Any) -> str:
    """What sort of thing it is."""
    if isinstance(x, np.ndarray) and x.ndim:
        return f"an array of shape {x.shape}"
    if isinstance(x, (tuple, list)):
        return f"a {type(x).__name__} of {len(x)}"
    return "a number" if isinstance(x, (Number, np.ndarray)) else f"a {type(x).__name__}"


def in_digits(x: Any) -> str:
    """A thing with its numbers, short enough for a few lines."""
    text = _in_all_digits(x[:100] if isinstance(x, (tuple, list, str)) else x)
    return text if len(text) <= 500 else f"{text[:500]} ..."


def _in_all_digits(x):
    if isinstance(x, (tuple, list)):
        return f"({', '.join(map(in_digits, x))}{',' * (len(x) == 1)})"
    if isinstance(x, (str, type(None))) or callable(x):
        return str(x) if isinstance(x, str) or hasattr(x, "text") else getattr(x, "__name__", repr(x))
    try:
        array = np.asarray(x)
    except Exception:
        return repr(x)
    if array.dtype.kind not in "biufc":
        return repr(x)
    if array.ndim:
        return np.array2string(array, precision=6, separator=", ", max_line_width=10_000).replace("\n", "")
    return f"{array[()]:.10g}" if array.dtype.kind != "b" else str(array[()])
