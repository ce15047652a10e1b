"""Lines: one continuous draw of a run moves while all else rests; whether the result is a polynomial, smooth, or jumps.

A line goes out to 7.5 standard deviations, or to probabilities of 1e-13, so that clipping and truncation far beyond the
nodes of a quadrature are seen; along it the result is expanded in Chebyshev polynomials, around a circle of a sphere in
a Fourier series. Where that does not end, the roughest place is zoomed in on: across a jump the second difference stays
as the step shrinks, at a kink it falls with the step, and where the result is smooth with its square.
"""

import contextlib
from typing import NamedTuple

import numpy as np

from .chance import BRANCHES, Numbers, Random, given
from .path import Cut

DRAWS = 12  # continuous draws that are looked at; more are sampled
ON_LINE = 33  # on a line, and 8 close to its ends
NOISE = 1e-9  # of the largest coefficient, or 1e3 times the precision of the result
NEAR = 0.35  # within this part of a line an error of the run is its own
ZOOMS = 12
LINE_RUNS = ON_LINE + 9  # for one draw
HIGHEST = 8  # degree that is taken for a polynomial's; beyond, nodes have to converge
EXACT = 1e-12  # what rounding leaves of the coefficients beyond a polynomial's degree
EDGES = np.array([1e-3, 1e-5, 1e-7, 1e-10])  # points close to the ends of a line: tails of uniform draws


class FarNumbers(Numbers):
    """Continuous draws, far apart, of which one moves along its line: the k-th of a law, at t."""

    def __init__(self, seed, moving=None, t=None):
        super().__init__(seed)
        self.moving, self.t, self.order = moving, t, []  # the draws in order, each a law and which of it

    def of(self, law, start, count):
        first = len(self.drawn.get(law.name, ()))
        drawn = law.spread * super().of(law, start, count)
        self.order += [(law, k) for k in range(first, start + count)]
        if self.moving is not None:
            moving, k = self.moving
            if moving is law and start <= k < start + count:
                drawn[k - start] = law.along(drawn[k - start], self.t)
        return drawn


class Finding(NamedTuple):
    """What lines say of a run: the degree in any one continuous draw (None: no polynomial), and why it is rough.

    ``rest`` is the largest coefficient beyond that degree, where it is more than rounding.
    """

    degree: int | None
    rough: str = ""
    rest: float = 0.0
    runs: int = 0


def look(once):
    """The `Finding` of a run along its continuous draws; ``once(source)`` plays it, as a row of entries.

    Where it is rough for single outcomes, its mean and mean square over the discrete draws may be smooth, as where the
    probabilities of these depend on the continuous ones.
    """
    finding = _look(lambda numbers: once(Random(0, numbers)))
    if finding.rough and given(once, FarNumbers(0)) is not None:
        averaged = _look(lambda numbers: _averages(once, numbers))
        return finding if averaged.rough else averaged._replace(runs=BRANCHES * averaged.runs)
    return finding


def _averages(once, numbers):
    """Mean and mean square over the discrete outcomes under given continuous draws; None where they are too many."""
    found = given(once, numbers)
    if found is None:
        return None
    ys, ws = np.array(found[0]), np.array(found[1])
    return np.concatenate([ws @ ys, ws @ np.abs(ys) ** 2]).astype(ys.dtype)


def _look(play):
    numbers = FarNumbers(0)
    with contextlib.suppress(Cut):
        play(numbers)
    count = len(numbers.order)
    chosen = range(count) if count <= DRAWS else np.linspace(0, count - 1, DRAWS).astype(int)
    found = [_look_along(play, seed, *numbers.order[k]) for seed, k in enumerate(chosen)]
    rough = next((f.rough for f in found if f.rough), "")
    degrees = [f.degree for f in found]
    rest = max((f.rest for f in found), default=0.0)
    return Finding(None if None in degrees else max(degrees, default=0), rough, rest, LINE_RUNS * len(found))


def _look_along(play, seed, law, k):
    def f(t):
        try:
            return play(FarNumbers(seed, (law, k), t))
        except Exception:
            if abs(t) <= NEAR:
                raise
            return None

    if law.on_circle:
        ts = 2 * np.arange(ON_LINE) / ON_LINE - 1
        ys = [f(t) for t in ts]
    else:
        ts = np.cos(np.pi * (np.arange(ON_LINE) + 0.5) / ON_LINE)
        ys = [f(t) for t in ts]
    what = f"a {law.name} draw"
    if any(y is None or y.shape != ys[0].shape or not np.all(np.isfinite(y)) for y in ys):
        return Finding(None, f"along {what} the run fails, gives other entries or is not finite")
    ys = np.array(ys)
    noise = max(NOISE, 1e3 * float(np.finfo(ys.dtype).eps))
    size = np.abs(np.fft.fft(ys, axis=0))[: ON_LINE // 2 + 1] / ON_LINE if law.on_circle else _chebyshev(ts, ys)
    size = np.max(size, axis=1, initial=0)
    there = np.flatnonzero(size > noise * np.max(size))
    degree = int(there[-1]) if len(there) else 0
    if degree > HIGHEST:
        return Finding(None, _roughness(f, ts, ys, noise, what))
    if not law.on_circle and not _holds_at_ends(f, ts, ys, degree, noise):
        return Finding(None, f"the result changes abruptly far out along {what}")
    rest = float(np.max(size[degree + 1 :]))
    return Finding(degree, rest=rest if rest > EXACT * np.max(size) else 0.0)


def _chebyshev(ts, ys):
    return np.abs(np.linalg.solve(np.polynomial.chebyshev.chebvander(ts, len(ts) - 1), ys))


def _holds_at_ends(f, ts, ys, degree, noise):
    """Whether the polynomial goes on close to the ends of the line, where nodes are rare and tails begin."""
    ends = np.concatenate([EDGES - 1, 1 - EDGES])
    fit = np.polynomial.chebyshev.chebfit(ts, ys, degree)
    expected = np.polynomial.chebyshev.chebval(ends, fit).T
    scale = np.max(np.abs(ys), axis=0)
    scale = scale + 1e-6 * np.max(scale, initial=0)  # an entry that is rounding alone
    for t, y in zip(ends, expected, strict=True):
        found = f(t)
        if found is None or found.shape != y.shape or not np.all(np.abs(found - y) <= 100 * noise * scale):
            return False
    return True


def _roughness(f, ts, ys, noise, what):
    """In words, a jump or a kink at the roughest place of a line; "" where the result is smooth there.

    What a polynomial can follow is taken away first, so that a small kink is not lost beside it.
    """
    order = np.argsort(ts)
    ts, ys = ts[order], ys[order]
    fit = np.polynomial.chebyshev.chebfit(ts, ys, HIGHEST)
    rest = ys - np.polynomial.chebyshev.chebval(ts, fit).T
    bend = np.abs(_second_differences(ts, rest)) / (ts[2:] - ts[:-2])[:, None]
    k, entry = np.unravel_index(np.argmax(bend), bend.shape)
    scale = np.max(np.abs(ys[:, entry]))

    def g(t):
        return t, f(t)[entry] - np.polynomial.chebyshev.chebval(t, fit[:, entry])

    window = [(ts[j], rest[j, entry]) for j in (k, k + 1, k + 2)]
    first = _bend(window)
    for _ in range(ZOOMS):
        a, m, b = window
        try:
            left, right = g((a[0] + m[0]) / 2), g((m[0] + b[0]) / 2)
        except (TypeError, IndexError):  # the run fails there, or gives other entries
            return f"the run fails along {what}"
        window = max(([a, left, m], [left, m, right], [m, right, b]), key=_bend)
    last = _bend(window)
    if last > max(0.02 * first, noise * scale):
        return f"the result jumps along {what}"
    if last > max(2.0**-ZOOMS * 0.05 * first, noise * scale * 2.0**-ZOOMS):
        return f"the result has a kink along {what}"
    return ""


def _second_differences(ts, ys):
    """How far each value lies from the line through its two neighbours."""
    share = ((ts[1:-1] - ts[:-2]) / (ts[2:] - ts[:-2]))[:, None]
    return ys[1:-1] - (1 - share) * ys[:-2] - share * ys[2:]


def _bend(window):
    ts, ys = (np.array([point[k] for point in window]) for k in (0, 1))
    return abs(_second_differences(ts, ys[:, None])[0, 0])
