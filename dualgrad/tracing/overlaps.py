"""Arrays that share memory: what a write into one of them is to another."""

import numpy as np

_ENTRIES_COMPARED = 10_000  # by which two strided views are told apart; beyond, they count as overlapping


def owner(array):
    """The id of the array whose memory it is; on a device, one for all."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return id(array) if isinstance(array, np.ndarray) else None


def overlap(a, b):
    """Whether a write into one is seen in the other."""
    if not np.may_share_memory(a, b):
        return False
    if not isinstance(a, np.ndarray):
        return True
    try:
        return np.shares_memory(a, b, max_work=_ENTRIES_COMPARED)
    except np.exceptions.TooHardError:
        return True


def same_entries(a, b):
    """Whether they are one array, maybe under two names."""
    if a is b or not isinstance(a, np.ndarray):
        return a is b
    return _begins(a) == _begins(b) and (a.shape, a.strides, a.dtype) == (b.shape, b.strides, b.dtype)


def places_in(view, array):
    """For each entry of the array, where it stands in the raveled view; -1 for what is not there."""
    known = {address: k for k, address in enumerate(_addresses(view).flat)}
    return np.reshape([known.get(address, -1) for address in _addresses(array).flat], array.shape)


def laid_over(x, *parts):
    """The array x after writes: pairs of values and their `places_in`, the last on top."""
    for values, places in zip(parts[::2], parts[1::2], strict=True):
        x = np.where(places < 0, x, np.ravel(values)[places])
    return x


def _begins(a):
    return a.__array_interface__["data"][0]


def _addresses(a):
    steps = np.indices(a.shape)
    return _begins(a) + sum((n * stride for n, stride in zip(steps, a.strides, strict=True)), np.zeros(a.shape, int))
