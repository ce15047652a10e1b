"""What is given where an array is meant: lists, data frames, tensors of other libraries; made arrays, or refused."""

import numbers

import numpy as np

from .backend import is_array
from .dual import Dual, as_array, lift

_FLOAT = np.dtype(float)
_EXPECTED = {"f": "floating numbers", "fc": "floating numbers", "biuf": "real numbers", "biufc": "an array of numbers"}


def as_input(x, owner, what="an input", kinds="biufc"):
    """``x`` as an array: one of NumPy, of a device or a Dual as it is, anything else as the array of its numbers.

    ``kinds`` are those of the dtypes that the owner takes.

    Raises
    ------
    TypeError
        For numbers of another kind, and for what has no such array: text, missing entries, masked entries, a tensor
        that requires grad, a dict.
    """
    kind = x.__class__
    if kind is np.ndarray and x.dtype.kind in kinds:
        return x
    y = x if kind is Dual else _converted(x, owner, what)
    found = getattr(y, "dtype", _FLOAT)
    if found.kind not in kinds:
        cure = ": x.astype(np.float32)" if hasattr(x, "astype") else ": np.asarray(x, np.float32)"
        cure = cure if found.kind in "biu" else ""
        raise TypeError(f"{owner} got {what} of {found}; expected {_EXPECTED[kinds]}{cure}")
    return y


def _converted(x, owner, what):
    if isinstance(x, np.ma.MaskedArray):
        if np.ma.is_masked(x):
            raise TypeError(f"{owner} got {what} with masked entries: fill them, x.filled(0), or leave those rows out")
        return x.data
    if is_array(x) and x.__class__ is not np.ndarray and not isinstance(x, (np.matrix, np.memmap)):
        return x
    y = as_array(x)
    if y.__class__ is Dual:
        return y
    if hasattr(x, "__array__") or isinstance(x, (list, tuple, numbers.Number)):
        try:
            y = lift(np.asarray(y, order="C"))
        except Exception as error:  # whatever another library raises
            raise TypeError(f"{owner} got {what} that is no array of numbers: {error}") from error
        if y.dtype.kind in "biufc":
            return y
    of = f" of {y.dtype}" if is_array(y) else ""
    raise TypeError(f"{owner} got {what} that is a {x.__class__.__name__}{of}; expected an array of numbers")
