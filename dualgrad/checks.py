"""Checks of arguments that many rooms share."""

import numpy as np


def positive_count(name, value, expected="a positive integer"):
    """``value`` as an int, where it is a whole number from 1 on; anything else raises ValueError."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"got {name}={value!r}; expected {expected}")
    return int(value)
