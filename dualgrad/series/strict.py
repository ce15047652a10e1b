"""Arithmetic that says where it leaves the range of floating point, which the processor notes at no cost."""

import numpy as np

from ..rules.absorb import Errors

_strict = Errors("raise")


def strictly(function, *args):
    """``function(*args)``, or FloatingPointError where a number over- or underflows, or is not one."""
    try:
        return _strict.run(function, *args)
    except RuntimeError as error:
        if "already entered" not in str(error):
            raise
    with np.errstate(all="raise"):
        return function(*args)
