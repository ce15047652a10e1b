"""What is given where an array is meant: lists, data frames, tensors of other libraries; made arrays, or refused."""

import numbers

import numpy as np

from .backend import is_array
from .dual import Dual, as_array, lift


def as_input(x, owner, what="an input"):
    """``x`` as an array: one of NumPy, of a device or a Dual as it is, anything else as the array of its numbers.

    Raises
    ------
    TypeError
        For what has no such array: text, missing entries, masked entries, a tensor that requires grad, a dict.
    """
    kind = x.__class__
    if kind is Dual or kind is np.ndarray and x.dtype.kind in "biufc":
        return x
    if isinstance(x, np.ma.MaskedArray):
        if np.ma.is_masked(x):
            raise TypeError(f"{owner} got {what} with masked entries: fill them, x.filled(0), or leave those rows out")
        return x.data
    if is_array(x) and kind is not np.ndarray and not isinstance(x, (np.matrix, np.memmap)):
        return x
    y = as_array(x)
    if y.__class__ is not Dual and (hasattr(x, "__array__") or isinstance(x, (list, tuple, numbers.Number))):
        try:
            y = lift(np.asarray(y, order="C"))
        except Exception as error:  # whatever another library raises
            raise TypeError(f"{owner} got {what} that is no array of numbers: {error}") from error
    if getattr(y, "dtype", np.dtype(object)).kind not in "biufc":
        of = f" of {y.dtype}" if y is not x and hasattr(y, "dtype") else ""
        raise TypeError(f"{owner} got {what} that is a {kind.__name__}{of}; expected an array of numbers")
    return y
