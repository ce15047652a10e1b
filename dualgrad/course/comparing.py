"""Outcomes compared with what is expected, and told in words.

One rule says for all exercises what an answer may be. Where a number or an array belongs: whatever `np.asarray` makes
numbers of the right shape of. Where several things belong: a tuple, a list, an array with them along its first axis;
for a value and its tangent also an object that has ``primal`` and ``tangent``. Where a text belongs: a text.
"""

import re
from numbers import Number
from typing import Any

import numpy as np

from .attempts import Outcome

LONGEST, DEEPEST = 500, 6  # of what is shown: letters, and brackets in brackets


def agree(found: Any, expected: Any, tolerance: float) -> bool:
    """The same numbers, in the same shapes and the same order."""
    if misfit(found, expected):
        return False
    if isinstance(expected, (tuple, list)):
        return all(agree(f, e, tolerance) for f, e in zip(things(found), expected, strict=True))
    if isinstance(expected, str):
        return str(found) == expected
    with np.errstate(all="ignore"):
        size = np.max(np.abs(expected), initial=0, where=np.isfinite(expected)) or 1.0
        return bool(np.allclose(numbers(found), expected, rtol=tolerance, atol=tolerance * size, equal_nan=True))


def alike(one: Outcome, other: Outcome, tolerance: float) -> bool:
    """Two answers that do the same, be it wrong."""
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    if one.value is None or other.value is None:
        return one.value is other.value
    try:
        return agree(one.value, _as_expected(other.value), tolerance)
    except Exception:  # of a kind for which there is no measure
        return False


def _as_expected(value):
    """A result as the kind that is expected somewhere: a text, a tuple, or an array."""
    if isinstance(value, str):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(map(_as_expected, value))
    found = numbers(value)
    return things(value) if found is None else found


def things(x: Any) -> Any:
    """Several things, whatever holds them together, one after the other; None where it is one thing."""
    if isinstance(x, (tuple, list)) or (isinstance(x, np.ndarray) and x.ndim):
        return x
    return [x.primal, x.tangent] if hasattr(x, "primal") and hasattr(x, "tangent") else None


def numbers(x: Any) -> Any:
    """An array of the numbers in it, or None where something else is in it."""
    try:
        array = np.asarray(x)
        if array.dtype.kind == "O" and all(isinstance(one, Number) for one in array.flat):
            array = array.astype(float)  # of fractions, decimals, integers of many digits
    except Exception:
        return None
    return array if array.dtype.kind in "biufc" else None


def misfit(found: Any, expected: Any) -> str:
    """What is wrong with the kind or the shape of a result, in words; "" where only numbers can differ."""
    if found is None:
        return "nothing (None): does your function end with a return?"
    return _misfit_of(found, expected)


def _misfit_of(found, expected):
    if isinstance(expected, str):
        return "" if isinstance(found, str) else f"{sort_of(found)}, where a text belongs"
    if isinstance(expected, (tuple, list)):
        several = things(found)
        if several is None:
            return f"{sort_of(found)}, where {len(expected)} things belong: {of(expected)}"
        if len(several) != len(expected):
            return f"{len(several)} thing{'s' * (len(several) != 1)}, where {len(expected)} belong: {of(expected)}"
        return next((text for pair in zip(several, expected, strict=True) if (text := _misfit_of(*pair))), "")
    array = numbers(found)
    if array is None or array.shape != np.shape(expected):
        shape = f" of shape {array.shape}" if array is not None and isinstance(found, (tuple, list)) else ""
        return f"{sort_of(found)}{shape}, where {sort_of(expected)} belongs"
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
    if isinstance(x, (str, type(None))):
        return "nothing (None)" if x is None else "a text"
    return "a number" if isinstance(x, (Number, np.ndarray)) else _a(x)


def _a(x):
    """The name of its type, with an article."""
    name = type(x).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def in_digits(x: Any, digits: int = 6) -> str:
    """A thing with its numbers, short enough for a few lines."""
    return shortened(_in_all_digits(x, digits, DEEPEST))


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text that is cut where it is too long."""
    return text if len(text) <= longest else f"{text[:longest]} ..."


def _in_all_digits(x, digits, depth):
    if isinstance(x, (tuple, list)):
        return f"({_those_shown(x, digits, depth - 1)}{',' * (len(x) == 1)})" if depth else "..."
    if isinstance(x, str):
        return x[: LONGEST + 1] or '""'
    if hasattr(x, "text"):
        return str(x)
    try:
        array = np.asarray(x)
        if callable(x) or array.dtype.kind not in "biufc":
            return getattr(x, "__name__", None) or repr(x)
    except Exception:
        return f"{_a(x)}, which cannot be shown"
    if array.dtype.kind != "b":
        array = array + 0  # which turns -0 into 0
    if array.ndim:
        short = {"float_kind": lambda number: f"{number:.{digits}g}"}
        text = np.array2string(array, separator=", ", max_line_width=10_000, formatter=short)
        return re.sub(r"\s*\n\s*", " ", text)
    return f"{array[()]:.{max(digits, 10)}g}" if array.dtype.kind != "b" else str(array[()])


def _those_shown(x, digits, depth):
    """As many of them as are shown."""
    found, length = [], 0
    for one in x:
        found.append(_in_all_digits(one, digits, depth))
        length += len(found[-1])
        if length > LONGEST:
            break
    return ", ".join(found)
