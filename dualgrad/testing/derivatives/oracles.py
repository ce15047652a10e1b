"""Derivatives by other means: extrapolated differences anywhere, the complex step where a function is analytic.

Throughout, ``g`` is a function of one real number t, such as t -> f(x + t v), whose value is an array.
"""

import warnings
from typing import NamedTuple

import numpy as np

STEP, ROWS, COLUMNS = 0.05, 6, 6
IMAGINARY = 1e-30  # the complex step
LEAST = np.finfo(float).tiny / IMAGINARY  # times this step, what is smaller has lost digits


class Slope(NamedTuple):
    """g'(0) by differences, an estimate of the error, and the slopes on the two sides; entry by entry."""

    value: np.ndarray
    error: np.ndarray
    left: np.ndarray
    right: np.ndarray
    kink: np.ndarray


def richardson(g, step=STEP, rows=ROWS):
    """g'(0) by central differences at h, h/2, h/4, ..., extrapolated in h², and an estimate of the error.

    Ridders 1982: each entry keeps the estimate whose neighbours in the tableau agree best; rounding sets a floor on
    its error.
    """
    return _extrapolate(*_differences(g, step, rows), 4.0)


def slope_at_0(g, step=STEP, rows=ROWS, noise=0.0):
    """The `Slope` of g at 0: its derivative, or its two one-sided derivatives where they differ.

    Entries that do not settle are tried again with finer steps, down to 1e-12 of the first. ``noise`` is what rounding
    may do to values of g beyond the last bit of each: where larger numbers cancelled in it, and by `last_bits`.
    """
    found = _slope(g, step, rows, noise)
    for finer in (1e-4, 1e-8, 1e-12):
        rough = ~has_settled(found, 1e-7 * np.abs(found.value))
        if not np.any(rough):
            break
        other = _slope(g, finer * step, rows, noise)
        better = rough & has_settled(other, 1e-5 * np.abs(other.value))
        found = Slope(*(np.where(better, new, old) for new, old in zip(other, found, strict=True)))
    return found


def has_settled(slope, allowed):
    """Where the differences have one limit, known to a tenth of what is allowed."""
    with np.errstate(all="ignore"):
        return (10 * slope.error <= allowed) & ~(slope.kink & (np.abs(slope.right - slope.left) > allowed))


def _slope(g, step, rows, noise):
    with np.errstate(all="ignore"):
        middle = np.asarray(g(0.0))
    hs, above, below = _values(g, step, rows)
    value, error = _extrapolate(*_quotients(above, below, 2 * hs, noise), 4.0)
    right, e1 = _extrapolate(*_quotients(above, [middle] * rows, hs, noise), 2.0)
    left, e2 = _extrapolate(*_quotients([middle] * rows, below, hs, noise), 2.0)
    with np.errstate(all="ignore"):
        kink = np.abs(right - left) > 10 * (e1 + e2) + 1e-6 * np.maximum(np.abs(right), np.abs(left))
    return Slope(value, error, left, right, kink)


def _values(g, step, rows):
    hs = step / 2.0 ** np.arange(rows)
    with np.errstate(all="ignore"):
        return hs, [np.asarray(g(h)) for h in hs], [np.asarray(g(-h)) for h in hs]


def _differences(g, step, rows):
    hs, above, below = _values(g, step, rows)
    return _quotients(above, below, 2 * hs)


def _quotients(above, below, widths, noise=0.0):
    """The difference quotients, and what rounding may have done to each."""
    with np.errstate(all="ignore"):
        rows = [(a - b) / w for a, b, w in zip(above, below, widths, strict=True)]
        floors = [(_rounding(a, b) + noise) / w for a, b, w in zip(above, below, widths, strict=True)]
    return rows, floors


def _rounding(a, b):
    kind = a.dtype if a.dtype.kind in "fc" else np.float64
    return np.finfo(kind).eps * np.maximum(np.abs(a), np.abs(b))


def _extrapolate(quotients, floors, ratio):
    """Neville's tableau of quotients at steps h, h/2, ..., whose errors shrink by powers of ``ratio``."""
    best = error = None
    previous = []
    with np.errstate(all="ignore"):
        for quotient, floor in zip(quotients, floors, strict=True):
            row = [quotient]
            for j, above in enumerate(previous[: COLUMNS - 1]):
                row.append(row[j] + (row[j] - above) / (ratio ** (j + 1) - 1))
            if best is None:
                best, error = quotient + 0, np.full(quotient.shape, np.inf)
            for j in range(1, len(row)):
                spread = np.maximum(np.abs(row[j] - row[j - 1]), np.abs(row[j] - previous[j - 1])) + floor
                better = spread < error  # never where a value is NaN
                best, error = np.where(better, row[j], best), np.where(better, spread, error)
            previous = row
    return best, error


def along(f, xs, vs):
    """The function t -> f(x + t v) of one number; a tangent None leaves its argument alone."""
    return lambda t: f(*(x if v is None else x + t * v for x, v in zip(xs, vs, strict=True)))


def last_bits(f, xs):
    """What rounding x + t v may do to each entry of f, from f at points off by 2 ε |x|: about 2 ε |x| |f'|.

    The signs are mixed and tried four times, so that no entry owes a small value to cancellation.
    """
    with np.errstate(all="ignore"):
        middle = f(*xs)
        moved = [f(*(_nudged(x, k + leaf) for leaf, x in enumerate(xs))) for k in (1, 2, 3, 4)]
        return np.max([np.abs(y - middle) for y in moved], axis=0, initial=0)


def _nudged(x, k):
    """x with every entry off by 2 ε, up or down."""
    signs = np.where(np.cos(k * np.arange(1, x.size + 1)) > 0, 1, -1).reshape(x.shape)
    return x * (1 + 2 * np.finfo(x.dtype).eps * signs)


def analytic(f, xs, vs):
    """Where f extends to complex numbers and the Cauchy-Riemann equations hold along v: f'(x; iv) = i f'(x; v).

    Returns a mask over the entries of the result, or a string that says why f takes no complex numbers.
    """
    turned = [None if v is None else 1j * v for v in vs]
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        try:
            on_line, beside = np.asarray(along(f, xs, vs)(0.0)), np.asarray(along(f, xs, turned)(IMAGINARY))
            if not np.iscomplexobj(beside) or beside.shape != on_line.shape:
                return "f returns real numbers for complex ones"
            across = slope_at_0(along(f, xs, turned))
            ahead = slope_at_0(along(f, xs, [None if v is None else v + 0j for v in vs]), noise=last_bits(f, xs))
            steps = [complex_step(f, xs, vs, h) for h in (IMAGINARY, 1e-25)]
        except Exception as reason:  # whatever f does with numbers it was not made for
            return f"f takes no complex numbers ({type(reason).__name__})"
    with np.errstate(all="ignore"):
        same = np.isclose(on_line, np.real(beside), 1e-9, 1e-9) & np.isclose(*steps, 1e-9, 1e-200)
        equations = np.abs(across.value - 1j * ahead.value) <= 1e-7 * np.maximum(1, np.abs(ahead.value)) + 10 * (
            across.error + ahead.error
        )
        size = 1 + np.abs(on_line) + np.abs(ahead.value)
    return same & equations & has_settled(across, 1e-4 * size) & has_settled(ahead, 1e-4 * size)


def is_analytic(f, xs, vs):
    """Whether the Cauchy-Riemann equations hold in every entry."""
    mask = analytic(f, xs, vs)
    return not isinstance(mask, str) and bool(np.all(mask))


def complex_step(f, xs, vs, h=IMAGINARY):
    """Im f(x + ihv) / h: exact to rounding, for f analytic and real on the real line."""
    return np.imag(along(f, xs, [None if v is None else 1j * v for v in vs])(h)) / h
