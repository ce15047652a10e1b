"""Functions that write into an array they are given: it must be a Dual, which alone can hold one."""

import numpy as np

from ..backend import is_host
from ..dual import METHODS, Dual, before_lead, lead_of, match_level, refuse_dual_index, require_writable
from ..errors import TangentLossError
from .declare import _strip, refuse_others, register

WRITES = set()

# ---------------------------------------------------------------------- ufunc.at


def at(ufunc, a, indices, *b):
    """``ufunc.at``: repeated indices count as often as they stand there."""
    _require_dual(f"np.{ufunc.__name__}.at", a)
    refuse_dual_index(indices)
    if ufunc in (np.add, np.subtract) and a.__class__ is Dual:
        _add_at(ufunc, a, indices, *b)
        return
    places = np.arange(a.size).reshape(a.shape)[indices]
    flat = places.ravel()
    order = np.argsort(flat, kind="stable")
    ranked = flat[order]
    turn = np.empty_like(flat)
    turn[order] = np.arange(flat.size) - np.searchsorted(ranked, ranked)
    operands = [np.ravel(np.broadcast_to(x, places.shape)) for x in b]
    value = np.copy(a.primal)
    ufunc.at(value, indices, *_strip(b, a.level))
    whole, a = a, a if a.ndim else a[None]
    for k in range(turn.max(initial=-1) + 1):
        now = np.flatnonzero(turn == k).tolist()
        place = _at(flat[now], a.shape)
        a[place] = ufunc(a[place], *(x[now] for x in operands))
    whole.primal[...] = value  # NumPy's own to the last bit


def _at(flat, shape):
    """The index of places counted in C order; of the host's as lists, which every device takes."""
    return tuple(i.tolist() if is_host(i) else i for i in np.unravel_index(flat, shape))


def _add_at(ufunc, a, indices, b):
    require_writable(a)
    lead, (value, tangent) = lead_of(a), match_level(a, b)
    ufunc.at(a.primal, indices, value)
    if tangent is None:
        return
    if lead:
        shape = np.shape(a.primal[indices])
        tangent = np.moveaxis(np.broadcast_to(tangent, (*lead, *np.shape(value))), 0, -1)
        tangent = np.broadcast_to(tangent.reshape((1,) * (len(shape) - np.ndim(value)) + tangent.shape), shape + lead)
        ufunc.at(np.moveaxis(a.tangent, 0, -1), before_lead(indices), tangent)
    else:
        ufunc.at(a.tangent, indices, tangent)


def _require_dual(name, a):
    if not isinstance(a, Dual):
        raise TangentLossError(
            f"{name} cannot write a Dual into a plain array, which would drop its tangent: make the array from the "
            "Dual, np.zeros_like(dual, shape=...)"
        )


METHODS["at"] = at

# ---------------------------------------------------------------------- array functions


def _writing(function):
    """Declare a function that writes into its first argument by its definition for a Dual there."""

    def declare(definition):
        def push(a, *args, **kw):
            _require_dual(f"np.{function.__name__}", a)
            definition(a, *args, **kw)

        register([function], "linear", push)
        WRITES.add(function)
        return definition

    return declare


@_writing(np.copyto)
def copyto(dst, src, casting="same_kind", where=True):
    """dst where the condition is false, else src."""
    refuse_others(np.copyto, (), {"where": where})
    dst[...] = src if where is True else np.where(where, src, dst)


@_writing(np.put)
def put(a, ind, v, mode="raise"):
    """The entries at flat indices, v over and over."""
    ind = np.ravel(ind)
    ind = np.clip(ind, 0, a.size - 1) if mode == "clip" else ind % a.size if mode == "wrap" else ind
    if ind.size:
        flat = np.where(ind < 0, ind + a.size, ind)
        a[_at(flat, a.shape)] = np.resize(v, ind.shape)


@_writing(np.putmask)
def putmask(a, mask, values):
    """The entries under the mask, those of ``values`` in the same places, over and over."""
    a[...] = np.where(mask, np.resize(values, a.shape), a)


@_writing(np.place)
def place(arr, mask, vals):
    """The entries under the mask, ``vals`` in their order, over and over."""
    rank = np.cumsum(np.reshape(mask, arr.shape)) - 1
    arr[...] = np.where(np.reshape(mask, arr.shape), np.reshape(np.take(vals, rank % len(vals)), arr.shape), arr)


@_writing(np.put_along_axis)
def put_along_axis(arr, indices, values, axis=-1):
    """One entry a slice along the axis."""
    if axis is None:
        arr[_at(np.ravel(indices), arr.shape)] = values
        return
    grid = [g.tolist() for g in np.ogrid[tuple(slice(n) for n in arr.shape)]]
    grid[axis] = indices
    arr[tuple(grid)] = values


@_writing(np.fill_diagonal)
def fill_diagonal(a, val, wrap=False):
    """The entries on the diagonal, ``val`` over and over."""
    mask = np.zeros(a.shape, bool)
    np.fill_diagonal(mask, True, wrap)
    places = np.flatnonzero(mask)
    a[_at(places, a.shape)] = np.resize(val, places.shape) if np.ndim(val) else val
