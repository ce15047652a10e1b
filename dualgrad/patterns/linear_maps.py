"""Functions that are linear in an operand: which entries of it each entry of the result is made of."""

import numpy as np

from ..dual import LIVE, Dual, new_level
from ..random import Rng
from ..rules.lead import reduced, trailing
from ..tables import RULES
from ..tree import flatten, rebuild
from .bits import NONE, WORD, union, union_by_index

LARGEST_STRUCTURE = 2**27  # entries of a structure that is found out column by column
COLUMNS_AT_ONCE = 2**21


def linear(step):
    """The sets of a linear function: entries that move take theirs along; of others its columns are looked at."""
    y = step.values
    if len(step.moving) == 1 and y.__class__ is np.ndarray and np.may_share_memory(y, step.operands[0].value):
        return _viewed(step)
    found = _entries_moved(step)
    return probed(step, step.moving) if found is None else found


# ---------------------------------------------------------------------- entries that move


def _viewed(step):
    """A view: the same view of the sets, so that what is written into one is in the other."""
    (place,), (x,) = step.moving, step.operands
    like = Dual(np.empty_like(x.value, dtype=WORD), x.tangent, x.level, x.frozen)
    y = step.filled({place: like}, RULES[step.function])
    return step.run.made(step.values, y.tangent, frozen=y.frozen)


def _entries_moved(step):
    """The results where each entry is one entry of an operand, or depends on none; None where some are not."""
    places = _places_moved(step)
    if not places:
        return None
    values, structure = flatten(step.values)
    flat = [np.reshape(a.tangent, (step.run.words, -1)) for a in step.operands]
    known = np.concatenate([step.run.empty((1,)), *flat], axis=1)
    results = [step.result(v, lambda v, i=i: np.take(known, i, axis=1)) for v, i in zip(values, places, strict=True)]
    if len(step.mine) == 1 and step.values.__class__ is np.ndarray and places[0].size <= LARGEST_KNOWN:
        _note(step, places[0])
    return rebuild(structure, results)


_KNOWN_PLACES = {}  # a call, but for the values -> the numbers of the entries
MOST_KNOWN, LARGEST_KNOWN = 256, 2**16


def _note(step, places):
    if step.args and step.args[0] is step.operands[0] and (key := _key(step.function, step.args, step.kwargs)):
        if len(_KNOWN_PLACES) >= MOST_KNOWN:
            _KNOWN_PLACES.clear()
        _KNOWN_PLACES[key] = places


def _key(function, args, kwargs):
    """What the places of a call depend on; None where an array is among it."""
    try:
        hash(key := (function, args[0].shape, *args[1:], *kwargs.items()))
    except TypeError:
        return None
    return key


def recalled(run, function, args, kwargs):
    """The result of a call that moves entries as another did before; None where there was none."""
    if function is np.concatenate:
        return _joined_at_once(run, *args, **kwargs)
    places = _KNOWN_PLACES.get(_key(function, args, kwargs)) if args and run.owns(args[0]) else None
    if places is None:
        return None
    x = args[0]
    y = function(x.value, *args[1:], **kwargs)
    known = np.concatenate([run.empty((1,)), x.tangent.reshape(run.words, -1)], axis=1)
    return run.made(y, np.take(known, places, axis=1), x.inert)


def _joined_at_once(run, arrays, axis=0, **kwargs):
    """Pieces of floating numbers one after another, of which all travel in the pass; None for others."""
    if kwargs or axis is None or not all(a.__class__ is run.kind and a.run is run for a in arrays):
        return None
    y = np.concatenate([a.value for a in arrays], axis)
    bits = np.concatenate([a.tangent for a in arrays], axis if axis < 0 else axis + 1)
    return run.made(y, bits, all(a.inert for a in arrays)) if y.dtype.kind in "fc" else None


def _places_moved(step):
    """For each result the numbers of the entries of the operands that its entries are; empty where some are none.

    Two tangents say so, the numbers of the entries and random ones beside them: where an entry has number j and not
    the random one of j, it is no entry of an operand.
    """
    sizes = [a.size for a in step.operands]
    starts = np.cumsum([0, *sizes])
    drawn = np.concatenate([[0.0], np.floor(Rng(0).uniform(0, 2.0**52, starts[-1]))])
    both, level, replace = np.stack([np.arange(1.0, starts[-1] + 1), drawn[1:]]), new_level((2,)), {}
    try:
        for k, a, start, size in zip(step.moving, step.operands, starts, sizes, strict=False):
            tangent = both[:, start : start + size].reshape(2, *a.shape)
            replace[k] = Dual(np.zeros(a.shape), tangent, level, True)
        made, _ = flatten(step.filled(replace, RULES[step.function]))
    finally:
        LIVE.pop(level)
    places = [_numbers_of_entries(y, level, drawn) for y in made]
    return [] if any(p is None for p in places) else places


def _numbers_of_entries(y, level, drawn):
    """Which entry each entry of a result is, 0 for none; None where it is no entry."""
    if not isinstance(y, Dual) or y.level != level:
        return np.zeros(np.shape(y), int)
    first, second = y.tangent
    if first.dtype.kind != "f":
        return None
    numbers = np.where((first >= 0) & (first < len(drawn)), first, 0).astype(int)
    return numbers if np.array_equal(numbers, first) and np.array_equal(drawn[numbers], second) else None


# ---------------------------------------------------------------------- columns looked at


def probed(step, moving, held=None):
    """The results of a function that is linear in each of the operands at ``moving``: its columns, one at a time, say
    where an entry goes; ``held`` are plain arrays in the place of leaves."""
    outputs, structure = flatten(step.values)
    sets = [step.run.empty(np.shape(v)) for v in outputs]
    for k in moving:
        a = step.leaves[k]
        if a.size * sum(map(np.size, outputs)) > LARGEST_STRUCTURE:
            return step.dense()
        others = {j: v for j, v in (held or {}).items() if j != k}
        bits = np.reshape(a.tangent, (step.run.words, -1))
        for n, (rows, cols) in enumerate(_structure_along(step, k, others, outputs)):
            met = union_by_index(bits, rows, cols, np.size(outputs[n]))
            sets[n] = sets[n] | met.reshape(sets[n].shape)
    results = [step.result(v, lambda v, b=b: b) for v, b in zip(outputs, sets, strict=True)]
    return rebuild(structure, results)


def _structure_along(step, place, others, outputs):
    """For each result the pairs (entry of it, entry of the operand) of what is linear in an operand."""
    a, found = step.leaves[place], [([], []) for _ in outputs]
    is_complex = a.dtype.kind == "c"
    at_once = max(1, COLUMNS_AT_ONCE // max([a.size, *map(np.size, outputs)], default=1))
    for start in range(0, a.size, at_once):
        cols = np.arange(start, min(start + at_once, a.size))
        for unit in (1, 1j) if is_complex else (1,):
            basis = np.zeros((len(cols), a.size), complex if is_complex else float)
            basis[np.arange(len(cols)), cols] = unit
            for (rows, columns), y in zip(found, _columns_pushed(step, place, others, a, basis), strict=True):
                if y is not None:
                    col, row = np.nonzero(np.reshape(y, (len(cols), -1)))
                    rows.append(row)
                    columns.append(cols[col])
    return [(np.concatenate([[], *r]).astype(int), np.concatenate([[], *c]).astype(int)) for r, c in found]


def _columns_pushed(step, place, others, a, basis):
    level = new_level((len(basis),))
    try:
        x = Dual(np.zeros(a.shape, basis.dtype), basis.reshape(-1, *a.shape), level, True)
        made, _ = flatten(step.filled({**others, place: x}, RULES[step.function]))
        return [y.tangent if isinstance(y, Dual) and y.level == level else None for y in made]
    finally:
        LIVE.pop(level)


# ---------------------------------------------------------------------- sparse matrices, and sums


def along_sparse(step, x, y):
    """np.matmul with a sparse matrix of SciPy: along the entries that it stores."""
    left = hasattr(x, "matrix")
    a, entries = (y, x.matrix.tocoo()) if left else (x, y.matrix.T.tocoo())
    axis = -2 if left and a.ndim > 1 else -1
    met = union_by_index(np.moveaxis(a.tangent, axis, -1), entries.row, entries.col, entries.shape[0])
    return step.results(lambda v: np.moveaxis(met, -1, axis))


MOST_SHIFTS = 64


def convolved(step, a, v, mode="full"):
    """np.convolve with a constant of few nonzeros, each of which shifts the other operand."""
    a, v = (a, v) if step.run.owns(a) else (v, a)
    if step.run.owns(v) or np.ndim(a) != 1 or np.ndim(v) != 1 or mode not in ("full", "same", "valid"):
        return None
    shifts, least = np.flatnonzero(v), min(a.size, len(v))
    if len(shifts) > MOST_SHIFTS:
        return None
    met = step.run.empty((a.size + len(v) - 1,))
    for k in shifts:
        met[:, k : k + a.size] |= a.tangent
    start = {"full": 0, "same": (least - 1) // 2, "valid": least - 1}[mode]
    return step.results(lambda v: met[:, start : start + v.size].copy())


def summed(step, a, axis=None, dtype=None, out=None, keepdims=False, initial=0, where=True):
    """The union along the axes of a sum or a mean."""
    if not step.run.owns(a):
        return step.dense()
    bits = a.tangent if where is True else np.where(primal_mask(where), a.tangent, NONE)
    bits = union(bits, reduced(axis, a.ndim), keepdims)
    return step.results(lambda v: step.spread(bits, v.shape)) if not step.run.owns(initial) else step.dense()


def primal_mask(where):
    """A mask of plain values."""
    return np.asarray(getattr(where, "primal", where), bool)


def running(step, a, axis=None, dtype=None, out=None):
    """The union of all entries so far, of a cumulative sum."""
    bits = a.tangent.reshape(step.run.words, -1) if axis is None else a.tangent
    bits = np.bitwise_or.accumulate(bits, -1 if axis is None else trailing(axis, a.ndim))
    return step.results(lambda v: bits)


def along_axes(default):
    """The union along the axes of a Fourier transform."""

    def push(step, a, n=None, axis=default, norm=None, out=None, s=None, axes=default):
        if default == -1:
            axis = (axis,)
        else:
            n, axis = (n if s is None else s), (axis if axes == default else axes)
            axis = tuple(range(-a.ndim if n is None else -len(n), 0)) if axis is None else tuple(axis)
        bits = union(a.tangent, trailing(axis, a.ndim), keepdims=True)
        return step.results(lambda v: step.spread(bits, v.shape))

    return push
