"""Functions that make arrays, called with ``like=`` a Dual: the array then holds Duals. Also what makes one Dual of the
object array that NumPy builds of Duals without it."""

import operator

import numpy as np

from ..backend import is_array, is_host, to_numpy
from ..backend import like as on_device
from ..dual import LIVE, Dual, ended
from ..tables import KINDS, MAKERS, RULES
from .absorb import parts
from .declare import _strip, nested_as, require_room, with_value

# ---------------------------------------------------------------------- nested lists, and object arrays


def joined(tree):
    """Nested lists of numbers, arrays and Duals as one array: a Dual where there is one among them."""
    leaves, shape = _laid_out(tree)
    y = _joined(leaves, shape)
    if y.dtype.kind not in "biufc":
        raise TypeError(f"got entries of dtype {y.dtype} beside a Dual in one array; expected numbers")
    return y


def _laid_out(tree):
    """The leaves of nested lists in order, and the shape of the nest."""
    if tree.__class__ is np.ndarray and tree.dtype.hasobject:
        tree = tree.tolist()
    if not isinstance(tree, (list, tuple)):
        return [tree], ()
    if not any(isinstance(branch, (list, tuple, np.ndarray)) for branch in tree):
        return tree, (len(tree),)
    lists = [isinstance(branch, (list, tuple)) for branch in tree]
    if any(lists) and not all(lists):
        tree = [joined(branch) if is_list else branch for branch, is_list in zip(tree, lists, strict=True)]
        return tree, (len(tree),)
    found = [_laid_out(branch) for branch in tree]
    shapes = {shape for _, shape in found}
    if len(shapes) > 1:
        raise ValueError(f"got lists nested unevenly, {sorted(shapes, key=str)}; expected lists of equal lengths")
    return [leaf for leaves, _ in found for leaf in leaves], (len(found), *next(iter(shapes), ()))


_level = operator.attrgetter("level")


def _joined(leaves, shape):
    """Primals joined, and tangents, level by level; a constant has none."""
    top = max([a for a in leaves if isinstance(a, Dual)], key=_level, default=None)
    if top is None:
        return _numbers(leaves, shape)
    level, lead = top.level, LIVE.get(top.level)
    if lead is None:
        raise ended()
    if type(top) is not Dual:  # a series, or traced
        return top.joined(leaves, shape + np.shape(leaves[0]))
    pairs = [parts(a, level) for a in leaves]
    y = _joined([p for p, _ in pairs], shape)
    if any(d is None for _, d in pairs):
        zero = np.zeros_like(prototype(y), shape=lead + y.shape[len(shape) :])
        pairs = [(p, zero if d is None else d) for p, d in pairs]
    d = _joined([d for _, d in pairs], (len(leaves),) if lead else shape)
    d = d.swapaxes(0, 1).reshape(lead + y.shape) if lead else d
    return Dual(y, nested_as(y, d.astype(y.dtype) if d.dtype != y.dtype else d), level)


def _numbers(leaves, shape):
    """Numbers and arrays as one array, on the device where one of them is."""
    on_host = [is_host(a) or not is_array(a) for a in leaves]
    if all(on_host):
        y = np.array(leaves)
    else:
        device = leaves[on_host.index(False)]
        y = np.stack([on_device(np.asarray(a), device) if h else a for a, h in zip(leaves, on_host, strict=True)])
    return y if len(shape) == 1 else y.reshape(shape + y.shape[1:])


def prototype(x):
    """A plain array of the library, shape and dtype of ``x``, whose values are not to be looked at: x may be one that
    has none (`sparsity` for all values)."""
    while isinstance(x, Dual):
        x = x.value if hasattr(x, "value") else x.primal
    return x


RULES[np.ndarray] = joined  # what makes one Dual of an object array

# ---------------------------------------------------------------------- np.array and its kin


def _holding(y, like):
    """The array ``y`` as a Dual of the level of ``like``, which can be written into; whole numbers stay plain."""
    if isinstance(y, Dual) and (not isinstance(like, Dual) or y.level >= like.level):
        return y
    y = y if isinstance(y, Dual) else on_device(y, prototype(like))
    if not isinstance(like, Dual) or not np.issubdtype(y.dtype, np.inexact):
        return y
    buffer = np.zeros_like(like, dtype=y.dtype, shape=y.shape)
    buffer[...] = y
    return buffer


def _array(like, object, dtype=None, *, copy=True, order="K", subok=False, ndmin=0, device=None):
    np.empty(0, device=device)  # which refuses what is no device
    if isinstance(object, Dual):
        y = object
    elif any(isinstance(a, Dual) for a in _laid_out(object)[0]):
        require_room(np.dtype(float if dtype is None else dtype))
        y = joined(object)
    else:
        y, dtype = np.array(object, dtype), None
    y = y if dtype is None or y.dtype == dtype else y.astype(dtype)
    y = np.copy(y, order) if y is object and copy or order == "F" else y
    y = y if np.ndim(y) >= ndmin else np.reshape(y, (1,) * (ndmin - np.ndim(y)) + np.shape(y))
    return _holding(y, like)


def _asarray(like, a, dtype=None, order=None, *, copy=None, device=None):
    return _array(like, a, dtype, copy=bool(copy), order=order or "K")


# ---------------------------------------------------------------------- fillings


def _full(like, shape, fill_value, dtype=None, order="C", *, device=None):
    fill = _asarray(like, fill_value, dtype, device=device)
    if not isinstance(fill, Dual):
        return on_device(np.full(shape, fill_value, dtype, order), prototype(like))
    return np.full_like(like, fill, dtype=fill.dtype, order=order, shape=shape)


def _arange(like, start, stop=None, step=None, dtype=None, *, device=None):
    """start + k step, as many as NumPy makes of the plain values."""
    given = [a for a in (start, stop, step) if a is not None]
    top = max([a for a in given if isinstance(a, Dual)], key=_level, default=None)
    if top is None:
        plain = [to_numpy(a) if is_array(a) else a for a in given]
        return _holding(np.arange(*plain, dtype=dtype, device=device), like)
    y = _arange(top.primal, *_strip(given, top.level), dtype=dtype, device=device)
    require_room(y.dtype)
    start, step = (0, 1) if stop is None else (start, 1) if step is None else (start, step)
    line = start + step * on_device(np.arange(len(y), dtype=y.dtype), prototype(like))
    return _holding(with_value(line, y, top.level) if isinstance(line, Dual) else line, like)


def _constant(function):
    return lambda like, *args, **kwargs: _holding(function(*args, **kwargs), like)


MAKERS.update({np.array: _array, np.full: _full, np.arange: _arange})
MAKERS.update(dict.fromkeys((np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray), _asarray))
MAKERS.update({f: _constant(f) for f in (np.zeros, np.ones, np.empty, np.eye, np.identity, np.tri)})
KINDS.update(dict.fromkeys(MAKERS, "linear"))
