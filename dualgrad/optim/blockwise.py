"""Vectors as optimizers work on them: block by block, in cache, with memory that is used again."""

import math

import numpy as np

from ..backend import is_host, to_numpy
from ..scratch import empty, empty_like
from ..unwritten import Unwritten

BLOCK = 1 << 16  # entries of a vector worked on at a time


def norm(g):
    """‖g‖ as a number, finite where all entries are; one pass at BLAS speed unless the squares overflow."""
    if g.__class__ is Unwritten:
        return g.norm()
    if is_host(g) and not g.flags.c_contiguous:
        copy = empty_like(g)
        copy[...] = g
        g = copy
    square = np.vdot(g, g).real
    square = float(square if g.__class__ is np.ndarray else to_numpy(square))
    if math.isfinite(square):
        return math.sqrt(square)
    with np.errstate(all="ignore"):
        peak = float(np.max([to_numpy(np.max(np.abs(part))) for part in (g.real, g.imag)]))
        if not math.isfinite(peak):
            return peak
        square = float(to_numpy(np.sum(np.square(np.abs(g / peak)), dtype=np.float64)))
    return min(peak * math.sqrt(square), float(np.finfo(np.float64).max))


def steady_norm(g):
    """The same, added up entry by entry in an order of its own: the same bits on every CPU."""
    if g.__class__ is Unwritten or not is_host(g):
        return norm(g)
    squares, square = empty((BLOCK,), np.float64)[: g.size], empty((BLOCK,), np.float64)
    squares[...] = 0
    with np.errstate(over="ignore"):
        for (part,) in blocks(g):
            for start in range(0, part.size, BLOCK):
                row = part.reshape(-1)[start : start + BLOCK]
                wide = square[: row.size]
                wide[...] = row
                squares[: row.size] += np.multiply(wide, wide, out=wide)
        while len(squares) > 1:
            half, odd = divmod(len(squares), 2)
            squares[:half] += squares[half : 2 * half]
            if odd:
                squares[0] += squares[-1]
            squares = squares[:half]
    total = float(squares[0]) if len(squares) else 0.0
    return math.sqrt(total) if 0 < total < math.inf else norm(g)


def blocks(*arrays):
    """Views of the arrays, block by block: complex numbers as two real ones (as in torch), a device's arrays whole."""
    if unwritten := [a for a in arrays if a.__class__ is Unwritten]:
        for place, part in unwritten[0].blocks(BLOCK):
            yield [part if a is unwritten[0] else a[place] for a in arrays]
        return
    if arrays[0].ndim != 1 and all(a.flags.c_contiguous for a in arrays):
        arrays = [a.reshape(-1) for a in arrays]
    if arrays[0].dtype.kind == "c":
        for part in (np.real, np.imag):
            yield from blocks(*map(part, arrays))
    elif arrays[0].ndim == 1 and arrays[0].size > BLOCK and is_host(arrays[0]):
        for start in range(0, arrays[0].size, BLOCK):
            yield [a[start : start + BLOCK] for a in arrays]
    else:
        yield arrays


def scratch(x):
    """An array to write intermediate results of a block to; the last, shorter block takes a part of a whole one's."""
    if x.size <= 1 << 10 or not is_host(x):
        return np.empty_like(x)
    return empty((BLOCK,), x.dtype)[: x.size] if x.ndim == 1 else empty(x.shape, x.dtype)


def visible(eps, kind, by=1):
    """eps, or the smallest normal number where eps would vanish beside an array of this dtype, of single precision or
    better; times a number up to 1, and never 0."""
    if by * eps >= 2**-126:
        return by * eps
    info = np.finfo(kind)
    return max(by * max(eps, float(info.smallest_normal)), float(info.smallest_subnormal))


def is_just(x, value):
    """Whether what stands in a formula is this number, for every entry."""
    return x.__class__ is not np.ndarray and x == value


def mix(m, b, rest, g, at):
    """m ← b m + (1 - b) g; ``rest`` is 1 - b."""
    m *= b
    m += np.multiply(rest, g, out=at)


def prepared(w, g, factor, low, high, decay):
    """What of a gradient goes into the update, into scratch: times the factor, clipped, and with decay w (L2)."""
    if not is_just(factor, 1):
        g = np.multiply(factor, g, out=scratch(g))
    if not is_just(high, math.inf):
        g = np.minimum(g, high, out=(a := scratch(g)))
        np.maximum(g, low, out=a)
    if not is_just(decay, 0):
        g = np.add(np.multiply(decay, w, out=(a := scratch(g))), g, out=a)
    return g
