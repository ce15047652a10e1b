"""Checks of arguments that many rooms share."""

import math

import numpy as np


def count(name, value, expected="a whole number from 0 on", least=0):
    """``value`` as an int, where it is a whole number from ``least`` on; anything else raises ValueError."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"got {name}={value!r}; expected {expected}")
    return int(value)


def positive_count(name, value, expected="a positive integer"):
    """The same from 1 on."""
    return count(name, value, expected, 1)


def number(name, value, expected="a finite number", fits=math.isfinite):
    """``value`` as one of Python's numbers, where it is a real one that fits; anything else raises ValueError."""
    value = value[()] if isinstance(value, np.ndarray) and not value.ndim else value
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not real or not fits(value):
        raise ValueError(f"got {name}={value!r}; expected {expected}")
    return value.item() if isinstance(value, np.generic) else value


def real_number(name, value, expected="a finite number", fits=math.isfinite):
    """The same as a float."""
    return float(number(name, value, expected, fits))


def positive_number(name, value, expected="a positive number"):
    """``value`` as a float, where it is positive and finite; anything else raises ValueError."""
    return real_number(name, value, expected, lambda x: 0 < x < math.inf)


def flag(name, value):
    """``value`` as a bool; what is neither True nor False, nor 1 nor 0, raises ValueError."""
    if not isinstance(value, (bool, np.bool_)) and (not isinstance(value, int) or value not in (0, 1)):
        raise ValueError(f"got {name}={value!r}; expected True or False")
    return bool(value)
