"""What every hyper-parameter of an optimizer or a schedule may be."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Kind(NamedTuple):
    """What is expected, in words and as a test of one number; and whether a schedule may give it."""

    expected: str
    fits: Callable
    schedule: bool = False


POSITIVE = Kind("a positive number", lambda x: 0 < x < math.inf)
NOT_NEGATIVE = Kind("a number that is not negative", lambda x: 0 <= x < math.inf)
FRACTION = Kind("a number in [0, 1)", lambda x: 0 <= x < 1)
DECAY = Kind("a number in [0, 1]", lambda x: 0 <= x <= 1)
COUNT = Kind("a positive whole number", lambda x: x > 0 and isinstance(x, (int, np.integer)))
KINDS = {
    "lr": NOT_NEGATIVE._replace(schedule=True), "then": NOT_NEGATIVE._replace(schedule=True),
    "gamma": DECAY._replace(schedule=True), "eps": POSITIVE, "clip_norm": POSITIVE, "clip_value": POSITIVE,
    "prior": POSITIVE, "weight_decay": NOT_NEGATIVE, "decay": NOT_NEGATIVE, "final": NOT_NEGATIVE, "momentum": FRACTION,
    "alpha": FRACTION, "steps": COUNT,
}  # fmt: skip
OPTIONAL = {"clip_norm", "clip_value"}
SWITCHES = {"nesterov", "centered"}
PAIRS = {"betas"}


def checked(name, value, scheduled=True):
    """The value of a hyper-parameter as it is kept: Python's own numbers, beside which float32 stays float32.

    Raises
    ------
    ValueError
        For a value that the name does not allow; KeyError for a name that no table knows.
    """
    if name in SWITCHES:
        if not isinstance(value, (bool, np.bool)):
            raise ValueError(f"got {name}={value!r}; expected True or False")
        return bool(value)
    if name in PAIRS:
        if np.shape(value) != (2,) or not all(_is_number(b) and FRACTION.fits(b) for b in value):
            raise ValueError(f"got {name}={value!r}; expected two numbers in [0, 1)")
        return tuple(map(float, value))
    if value is None and name in OPTIONAL or scheduled and KINDS[name].schedule and callable(value):
        return value
    return number(name, value, KINDS[name])


def number(name, value, kind):
    """``value`` as a Python number; a ValueError unless it is of the kind."""
    if not _is_number(value) or not kind.fits(value):
        raise ValueError(f"got {name}={value!r}; expected {kind.expected}")
    return value.item() if isinstance(value, np.generic) else value


def _is_number(value):
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def rate(lr, t, kind=NOT_NEGATIVE):
    """What a number or a schedule is at step t."""
    return number(f"{lr!r}({t})", lr(t), kind) if callable(lr) else lr
