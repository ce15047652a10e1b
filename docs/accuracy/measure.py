"""What is measured: derivatives of a case over the grid, beside the truth.

The error at a point is |got - truth| / |truth|. Three things are taken off the difference first: what 4 (k + 1)
roundings of x do to any formula of order k, 4 ε (k + 1) |x f⁽ᵏ⁺¹⁾(x)| (for functions of logits, max(|x|, 2) in place
of |x|); where several arguments move, 4 ε times the largest of the partial derivatives that add up; and the smallest
normal number. The error is infinite where the result is NaN, infinite or of another dtype than the value.

A truth is not compared where it, or the derivative it belongs to, overflows; nor are derivatives where the value itself
is off by more than its bar: there the function has lost the digits. At ±∞ the truth is the limit, where there is one;
series about ∞ there are none. Where several arguments move with x, partial derivatives that overflow add up to nothing.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

import dualgrad as dg

from .truth import LAST, coefficients

DTYPES = {"float64": np.float64, "float32": np.float32}
BARS = {"float64": (1e-13, 1e-13, 1e-11, 1e-11, 1e-11), "float32": (1e-5, 1e-5, 1e-4, 1e-4, 1e-4)}
COLUMNS = ("0", "1", "2", "3", "Taylor")

# What `derivatives` returns, row by row: the column, the order, and what makes its truth of a Taylor coefficient.
ROWS = ((0, 0, 1), (1, 1, 1), (2, 2, 2), (3, 3, 6), (4, 2, 1), (4, 3, 1), (4, 4, 1), (4, 5, 1), (4, 6, 1))

SIZES = (
    0.0, 5e-324, 1e-310, 1e-300, 1e-170, 1e-160, 1e-45, 1e-40, 1e-30, 1e-24, 1e-19, 1e-8, 5e-8, 1e-4, 0.5, 0.6,
    math.nextafter(1, 0), 1 - 2**-24, 1.0, math.nextafter(1, 2), 1 + 2**-23, 2.0, 3.0, 8.5, 10.0, 13.0, 17.0, 20.0,
    37.5, 40.0, 44.7, 88.0, 89.0, 100.0, 355.5, 709.0, 745.0, 1e3, 1e4, 1e8, 1e19, 1e30, 1e38, 1e154, 1e200, 1e300,
    math.inf,
)  # fmt: skip
THIN = {
    0.0, 5e-324, 1e-300, 1e-160, 1e-40, 1e-24, 1e-8, 0.5, 1.0, 1 + 2**-23, 3.0, 17.0, 40.0, 89.0, 355.5, 745.0, 1e4,
    1e8, 1e30, 1e154, 1e300, math.inf,
}  # fmt: skip
RANDOM = 40
FAR = (10**400, 10**800)  # where a limit at infinity is read off


@functools.cache
def points(dtype, full):
    """The grid: points of both signs, the stated ones and random ones, in the dtype; or a part of the stated ones."""
    sizes = np.array([s for s in SIZES if full or s in THIN])
    if full:
        rng = dg.Rng(18)
        sizes = np.concatenate([sizes, *(10.0 ** rng.uniform(-r, r, (RANDOM,)) for r in (308, 3))])
    with np.errstate(over="ignore", under="ignore"):
        x = np.concatenate([sizes, -sizes]).astype(DTYPES[dtype])
    first = np.unique(x.view(f"i{x.itemsize}"), return_index=True)[1]
    return x[np.sort(first)]


class Errors(NamedTuple):
    """The errors of a case in a dtype, by row of `ROWS` and point: NaN where nothing is compared."""

    x: np.ndarray
    error: np.ndarray
    got: np.ndarray
    truth: np.ndarray
    lost: np.ndarray  # where the function has lost the digits

    def worst(self, column):
        """The largest error of a column, NaN where nothing is compared; its x, what was got, and the truth."""
        rows = [i for i, row in enumerate(ROWS[: len(self.error)]) if row[0] == column]
        e = np.where(np.isnan(self.error[rows]), -1, self.error[rows])
        i, j = np.unravel_index(np.argmax(e), e.shape) if e.size else (0, None)
        if j is None or e[i, j] < 0:
            return math.nan, math.nan, math.nan, math.nan
        return tuple(float(v) for v in (e[i, j], self.x[j], self.got[rows[i], j], self.truth[rows[i], j]))


def derivatives(f, x):
    """f, f', f'', f''' at every entry by nested jvp, and the Taylor coefficients 2 to 6."""
    ones, rows = np.ones_like(x), [f]
    for _ in range(3):
        rows.append(lambda x, g=rows[-1]: dg.jvp(g, (x,), (ones,))[1])
    return [*(g(x) for g in rows), *dg.taylor(f, x, ones, 6)[2:]]


def domain(case, dtype, full):
    """The points of the grid at which a case is looked at."""
    x = points(dtype, full)
    return x[[case.subject.within(float(v)) and (case.single or math.isfinite(v)) for v in x]]


@np.errstate(all="ignore")
def errors(case, x, results=None):
    """The `Errors` of a case at x: of dualgrad, or of the ``results`` of another for as many of the `ROWS`."""
    results = derivatives(case.program, x) if results is None else results
    bar = BARS[x.dtype.name][0]
    info = np.finfo(x.dtype)
    eps, tiny, limit = float(info.eps), float(info.tiny), float(info.max) * (1 - float(info.eps))
    columns, orders, factors = (np.array(column) for column in zip(*ROWS[: len(results)], strict=True))
    exact = _truths(case, x)
    high, low, moved, size = (t[orders] * factors[:, None] for t in (exact.high, exact.low, exact.moved, exact.size))
    got = np.full(high.shape, np.nan)
    for i, result in enumerate(results):
        if result.dtype == results[0].dtype and result.shape == x.shape:
            got[i] = result
    off = np.maximum(np.abs(got - high - low) - 4 * eps * (moved + size * bool(case.parts)) - tiny, 0)
    error = np.where(np.isfinite(got), off / np.maximum(np.abs(high), tiny), np.inf)
    whole = np.array([math.factorial(k) for k in orders]) / factors  # from the rows to derivatives
    error[~(np.maximum(size * whole[:, None], eps * moved) <= limit) | np.isnan(high)] = np.nan
    lost = (error[0] > bar) | (np.abs(x) < tiny) & (exact.blur > bar)
    error[1:, lost] = np.nan
    error[np.ix_(columns == COLUMNS.index("Taylor"), np.isinf(x))] = np.nan
    return Errors(x, error, got, high, lost)


# ---------------------------------------------------------------------- the truth


class Truth(NamedTuple):
    """Taylor coefficients at many points, ``(7, points)`` each."""

    high: np.ndarray  # as doubles
    low: np.ndarray  # the rest
    moved: np.ndarray  # by how much k + 1 roundings of x move them, over ε
    size: np.ndarray  # the larger one of itself and its parts; NaN where there is none
    blur: np.ndarray  # how far the value is from any number of the dtype, relatively; ``(points,)``


@np.errstate(over="ignore")
def _truths(case, x):
    high, low, moved, size = np.zeros((4, LAST, len(x)))
    blur = np.zeros(len(x))
    for i, at in enumerate(x):
        c = _truth(case, at)
        high[:, i] = [float(v) for v in c[:LAST]]
        series = [c, *(_truth(case, at, part) for part in range(len(case.parts)))]
        size[:, i] = np.fmax.reduce([[abs(float(v)) for v in a[:LAST]] for a in series])
        if not math.isfinite(at):
            continue
        about = max(abs(float(at)), case.subject.scale)
        for k in np.flatnonzero(np.isfinite(high[:, i])):
            low[k, i] = c[k] - high[k, i]
            moves = [abs(float(about * (k + 1) ** 2 * a[k + 1])) for a in series if a[k + 1] == a[k + 1]]
            moved[k, i] = max(moves, default=0)
        if c[0] and math.isfinite(high[0, i]):
            blur[i] = abs(float(x.dtype.type(high[0, i])) - c[0]) / abs(c[0])
    return Truth(high, low, moved, size, blur)


_CACHE = {}


def _truth(case, x, part=None):
    """f⁽ᵏ⁾(x) / k! for k = 0 ... 7, or of a part; at an infinite x its limit, where there is one."""
    key = case.subject.truth, case.label, part, float(x).hex()
    if key not in _CACHE:
        f = case.truth if part is None else case.parts[part]
        _CACHE[key] = _limit(f, x) if math.isinf(x) else coefficients(f, float(x))
    return _CACHE[key]


def _limit(f, x):
    near, far = (coefficients(f, size if x > 0 else -size) for size in FAR)
    arrived = lambda a, b: abs(a - b) <= 1e-20 * abs(b) or max(abs(a), abs(b)) < 1e-300  # noqa: E731
    return [b if arrived(a, b) else math.nan for a, b in zip(near, far, strict=True)]
