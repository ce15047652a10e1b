"""What is given where an array is meant: lists, data frames, tensors of other libraries; made arrays, or refused."""

import numbers

import numpy as np

from .backend import is_array
from .dual import Dual, as_array, lift

_PLAIN = {np.ndarray, float, int, bool, str}
_FLOAT = np.dtype(float)
_KINDS_IN_WORDS = {
    "f": "floating numbers",
    "fc": "floating numbers",
    "biuf": "real numbers",
    "biufc": "an array of numbers",
}


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
        raise TypeError(f"{owner} got {what} of {found}; expected {_KINDS_IN_WORDS[kinds]}{cure}")
    return y


def as_data(tree, owner, what):
    """What a function of one's own is given: dicts, lists and tuples whose arrays of other libraries are NumPy's.

    Arrays of NumPy and of a device, numbers and all other things in them stay as they are.

    Raises
    ------
    TypeError
        For masked entries, and for an array of another library that NumPy cannot read or that is none of numbers.
    """
    kind = tree.__class__
    if tree is None or kind in _PLAIN:
        return tree
    if kind is dict:
        made = {key: as_data(value, owner, what) for key, value in tree.items()}
        return made if any(made[key] is not tree[key] for key in made) else tree
    if kind is list or kind is tuple:
        made = [as_data(value, owner, what) for value in tree]
        return kind(made) if any(a is not b for a, b in zip(made, tree, strict=True)) else tree
    return as_input(tree, owner, what) if _of_others(tree) else tree


def _of_others(a):
    kind = a.__class__
    if kind is Dual or isinstance(a, type):
        return False
    return hasattr(kind, "__array__") and not is_array(a) or isinstance(a, np.ma.MaskedArray)


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
