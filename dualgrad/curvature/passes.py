"""One pass: f along directions, of one array or of many examples, and what it may return."""

import functools
import math

import numpy as np

from ..arguments import as_primal, match_tangents
from ..backend import like as on_device
from ..backend import to_numpy
from ..bent import ESCAPED
from ..dual import LIVE, Dual, lift, new_level, primal
from ..errors import ShapeError
from ..pushforward import evaluated
from ..transforms.basis import argument, is_complex, of_argument
from ..tree import is_container, returned
from .curved import Curved


def along_all(name, f, x, directions, axis, summed=True):
    """The second derivatives of f along directions: their sum, or each."""
    count, expected = len(directions), shape_of_result(x, axis)
    rest = np.zeros_like(directions, shape=(1 if summed else count, *x.shape))
    parts, mixed = uneven_parts(x, directions, axis)
    (x,), (d,), _, lead = match_tangents((x,), (np.concatenate([directions, *mixed, rest]),))
    level = new_level(lead)
    try:
        y = lift(returned(evaluated(f, [Curved(x, d, level, count, summed, frozen=True)])))
        require_numbers_of(name, y, expected, axis)
        if not isinstance(y, Dual) or y.level != level:
            return np.zeros_like(rest, shape=expected if summed else (count,))
        if type(y) is not Curved:
            raise NotImplementedError(ESCAPED)
        if axis is not None:
            require_apart(name, primal(y.tangent), count, parts)
        return y.tangent[-1] if summed else y.tangent[count:]
    finally:
        LIVE.pop(level, None)


def shape_of_result(x, axis):
    """The shape of what f returns: a number, or one for each example."""
    if axis is None:
        return ()
    place = axis % x.ndim
    return x.shape[:place] + x.shape[place + 1 :]


def require_numbers_of(name, y, expected, axis):
    """Raise where f returned anything but real numbers of the expected shape."""
    if is_container(y) or np.shape(y) != expected:
        wanted = "a number" if axis is None else f"{expected}, a number for each example"
        cure = "sum it, or take one entry" if axis is None else "of (B, 1) take [:, 0]"
        raise ShapeError(f"{name} takes a function that returns {wanted}; f returned {what_came(y)}: {cure}")
    kind = (y.dtype if hasattr(y, "dtype") else np.result_type(type(y))).kind
    if kind not in "biufc":
        raise TypeError(f"{name} takes a function that returns numbers; f returned a {type(y).__name__}")
    if kind == "c":
        raise TypeError(f"{name} takes a real function; f returned complex numbers: take real and imaginary parts")


def uneven_parts(x, directions, axis):
    """A part for each example without a pattern, and the sum of the directions as far as that."""
    if axis is None:
        return None, []
    shape = shape_of_result(x, axis)
    parts = on_device(_between_1_and_2(math.prod(shape)).astype(x.dtype).reshape(shape), primal(x))
    place = axis % x.ndim
    along = parts.reshape(*shape[:place], 1, *shape[place:])
    return parts, [(np.add.reduce(directions, axis=0) * along)[None]]


@functools.lru_cache(8)
def _between_1_and_2(count):
    """Numbers without a pattern, always the same: those of SplitMix64 (Steele, Lea and Flood 2014)."""
    z = np.arange(1, count + 1, dtype=np.uint64) * 0x9E3779B97F4A7C15
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> shift)) * factor
    return 1 + z / 2.0**64


def require_apart(name, d, count, parts):
    """Raise where a number depends on another example than its own: along a direction with another part for each of
    them it then does not move by its own part."""
    d, parts = to_numpy(d), to_numpy(parts)
    own, together = parts * np.sum(d[:count], axis=0), d[count]
    bound = np.finfo(d.dtype).eps ** 0.5 * np.max(parts * np.sum(np.abs(d[:count]), axis=0), initial=0)
    if np.any(np.abs(own - together) > bound):
        raise ValueError(
            f"{name}(axis=...): f mixes the examples, whose directions are shared: each number may depend on its own "
            "example alone (a normalisation over the batch does not); leave axis out for one array"
        )


def what_came(y):
    """What f returned, in words."""
    return f"a {type(y).__name__}" if is_container(y) else f"shape {np.shape(y)}"


def array_and_function(name, f, args, argnum, kwargs):
    """The argument to differentiate, as an array, and f as a function of it alone."""
    return array_of(name, argument(args, argnum, kwargs)), of_argument(f, args, argnum, kwargs)


def array_of(name, x):
    """The argument as one real array."""
    if is_container(x):
        raise TypeError(f"{name} takes one array; got a {type(x).__name__}: join its leaves, np.concatenate")
    x = as_primal(x, None, 0) if hasattr(x, "dtype") and np.issubdtype(x.dtype, np.inexact) else _as_floating(name, x)
    if is_complex(x):
        raise TypeError(f"{name} takes real numbers; got complex ones: give real and imaginary parts")
    return x


def _as_floating(name, x):
    if isinstance(x, float):
        return np.float64(x)
    kind = f"dtype {x.dtype}" if hasattr(x, "dtype") else f"a {type(x).__name__}"
    raise TypeError(f"{name} takes an array of floating numbers; got {kind}: np.asarray(x, float)")


def how_many(x, axis):
    """How many directions there are."""
    if axis is None:
        return x.size
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
        raise TypeError(f"got axis={axis!r}; expected a whole number, or None for one example")
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(axis, x.ndim)
    return x.shape[axis]


def coordinates(x, axis, start, stop):
    """Directions start, ..., stop - 1 of the coordinates, of all examples at once."""
    basis = np.zeros((stop - start, *x.shape), x.dtype)
    rows = np.arange(stop - start)
    if axis is None:
        basis.reshape(stop - start, x.size)[rows, start + rows] = 1
    else:
        np.moveaxis(basis, axis % x.ndim + 1, 1)[rows, start + rows] = 1
    return on_device(basis, primal(x))


def along_columns(x, sigma, axis):
    """The columns of sigma as directions of x."""
    count = how_many(x, axis)
    if sigma.ndim == x.ndim + 1 and sigma.shape[:-1] == x.shape:
        return np.moveaxis(sigma, -1, 0)
    if axis is not None and sigma.ndim == 2 and len(sigma) == count:
        columns = np.reshape(sigma.T, (-1, *(count if k == axis % x.ndim else 1 for k in range(x.ndim))))
        return np.broadcast_to(columns, (columns.shape[0], *x.shape))
    shared = "" if axis is None else f", or {(count, 'r')} for all examples"
    raise ShapeError(f"got a sigma of shape {sigma.shape}; expected x.shape + (r,), {(*x.shape, 'r')}{shared}")
