"""What is measured: derivatives of a subject over the grid, beside the truth.

The error at a point is |got - truth| / |truth|, after two allowances have been taken off the difference: what a
rounding of x by one ulp would do as well, ε |x f⁽ᵏ⁺¹⁾(x)| (ε max(|x|, 1) for functions of logits), and the smallest
normal number. It is infinite where the result is NaN, infinite or of another dtype and the truth is a finite number of the dtype. A
truth that is too large for the dtype is not compared, nor are derivatives at points where the value itself is off by
more than the first bar: NumPy's or SciPy's function has lost the digits there.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from .truth import LAST, coefficients

DTYPES = {"float64": np.float64, "float32": np.float32}
COLUMNS = ("0", "1", "2", "3", "Taylor")
BARS = {"float64": (1e-13, 1e-13, 1e-11, 1e-11, 1e-11), "float32": (1e-5, 1e-5, 1e-4, 1e-4, 1e-4)}
FAR = (10**400, 10**800)  # where a limit at infinity is read off

SIZES = (
    5e-324, 1e-310, 1e-300, 1e-170, 1e-160, 1e-45, 1e-40, 1e-30, 1e-24, 1e-19, 1e-8, 5e-8, 1e-4, 0.5, math.nextafter(1, 0), 1.0,
    math.nextafter(1, 2), 1 - 2**-24, 1 + 2**-23, 2.0, 3.0, 8.5, 10.0, 13.0, 17.0, 20.0, 37.5, 40.0, 44.7, 88.0, 89.0, 100.0, 355.5,
    709.0, 745.0, 1e3, 1e4, 1e8, 1e19, 1e30, 1e38, 1e154, 1e200, 1e300, math.inf,
)  # fmt: skip


def grid(random):
    """Points of both signs: the stated ones, and random ones between, ``random`` in the whole range and in the middle."""
    from dualgrad import Rng

    rng = Rng(18)
    wide = 10.0 ** rng.uniform(-308, 308, (random,))
    middle = 10.0 ** rng.uniform(-3, 3, (random,))
    sizes = np.concatenate([[0.0], SIZES, wide, middle])
    return np.concatenate([sizes, -sizes])


class Errors(NamedTuple):
    """The errors of one case in one dtype: ``(columns, points)``, NaN where there is nothing to compare."""

    x: np.ndarray
    error: np.ndarray  # of orders 0 to 3 by nested jvp, then of Taylor coefficients 2 to 6
    got: np.ndarray
    truth: np.ndarray
    lost: int  # points where the value has lost the digits
    seen: np.ndarray  # how many points were compared, by row


@functools.cache
def points(dtype, random):
    """The grid in a dtype, without what is the same there."""
    with np.errstate(over="ignore", under="ignore"):
        x = grid(random).astype(dtype)
    bits = x.view(f"i{x.itemsize}")
    return x[np.sort(np.unique(bits, return_index=True)[1])]


TRUTHS = {}


def truth_at(case, x):
    """f⁽ᵏ⁾(x) / k! for k = 0 ... 7; at an infinite x its limit, where there is one."""
    key = id(case), float(x).hex()
    if key not in TRUTHS:
        TRUTHS[key] = case, _limit(case, x) if math.isinf(x) else coefficients(case.truth, float(x))
    return TRUTHS[key][1]


def _limit(case, x):
    if case.moving > 1:  # ∞ - ∞, ∞ / ∞
        return [math.nan] * (LAST + 1)
    near, far = (coefficients(case.truth, int(math.copysign(1, x)) * size) for size in FAR)
    return [
        b if abs(a - b) <= 1e-20 * abs(b) or max(abs(a), abs(b)) < 1e-390 else a * math.nan
        for a, b in zip(near, far, strict=True)
    ]


def truths(case, x):
    """As pairs of doubles whose sum is the truth, ``(8, points)`` each, and x f⁽ᵏ⁺¹⁾ / k!, by which a rounding of x shows."""
    high, low, moved = np.empty((3, LAST + 1, len(x)))
    for i, at in enumerate(x):
        c = truth_at(case, at)
        size = max(abs(float(at)), case.scale)
        for k in range(LAST + 1):
            high[k, i] = h = float(c[k])
            low[k, i] = float(c[k] - h) if math.isfinite(h) else 0.0
            moved[k, i] = abs(float(size * c[k + 1] * (k + 1))) if k < LAST and math.isfinite(size) else 0.0
    return high, low, moved


def derivatives(f, x):
    """f, f', f'', f''' at every entry by nested jvp, and the Taylor coefficients 0 to 6."""
    import dualgrad as dg

    ones = np.ones_like(x)
    rows = [f]
    for _ in range(3):
        rows.append(lambda x, g=rows[-1]: dg.jvp(g, (x,), (ones,))[1])
    with np.errstate(all="ignore"):
        return [*(g(x) for g in rows), *dg.taylor(f, x, ones, 6)[2:]]


ORDERS = (0, 1, 2, 3, 2, 3, 4, 5, 6)  # of the rows of `Errors`
COLUMN = (0, 1, 2, 3, 4, 4, 4, 4, 4)
FACTORIAL = np.array([1, 1, 2, 6, 1, 1, 1, 1, 1.0])[:, None]  # from Taylor coefficients to the rows
WHOLE = np.array([1, 1, 1, 1, 2, 6, 24, 120, 720.0])[:, None]  # from the rows to derivatives


def errors(case, dtype, random, derive=derivatives):
    """The `Errors` of a case; ``derive(f, x)`` is what is measured."""
    kind = DTYPES[dtype]
    x = points(dtype, random)
    x = x[np.array([case.within(float(v)) for v in x], bool)]
    high, low, moved = (t[list(ORDERS[:9])] * FACTORIAL for t in truths(case, x))
    results = derive(case.program, x)
    return compare(results, x, high, low, moved, kind, BARS[dtype])


def compare(results, x, high, low, moved, kind, bars):
    """Results, a list of arrays, against the truth."""
    rows = len(results)
    high, low, moved = high[:rows], low[:rows], moved[:rows]
    info = np.finfo(kind)
    got = np.full((rows, len(x)), np.nan)
    for i, r in enumerate(results):
        if np.shape(r) == x.shape and np.asarray(r).dtype == np.asarray(results[0]).dtype:
            got[i] = r
    eps, tiny, largest = float(info.eps), float(info.tiny), float(info.max)
    with np.errstate(all="ignore"):
        compared = np.abs(high) * WHOLE[:rows] <= largest * (1 - eps)
        off = np.abs((got - high) - low)
        error = np.maximum(off - eps * moved - tiny, 0) / np.maximum(np.abs(high), tiny)
        error[~np.isfinite(got)] = np.inf
        subnormal = (np.abs(x) < tiny) & (off[0] > bars[0] * np.abs(high[0]))
    error[~compared] = np.nan
    lost = compared[0] & (~(error[0] <= bars[0]) | subnormal)
    error[1:, lost] = np.nan
    return Errors(x, error, got, high, int(lost.sum()), np.sum(~np.isnan(error), axis=1))
