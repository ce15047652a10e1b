"""Lines: one continuous draw of a run moves while all else rests; whether the result is a polynomial, smooth, or jumps.

A line goes out to 7.5 standard deviations, or to probabilities of 1e-13, so that clipping and truncation far beyond the
nodes of a quadrature are seen; along it the result is expanded in Chebyshev polynomials, around a circle of a sphere in
a Fourier series. Where that does not end, the roughest place is zoomed in on: across a jump the second difference stays
as the step shrinks, at a kink it falls with the step, and where the result is smooth with its square. Where it ends,
the polynomial is looked for at values that the draw mostly has as well, close together, while others are as they mostly
are.
"""

from typing import NamedTuple

import numpy as np

from .chance import GivenPath, Numbers, given, played

DRAWS = 24  # continuous draws that are looked at; more are sampled
TWO_LINES = 4  # continuous draws, along each of which two lines are looked at
ON_LINE = 33  # points on a line, and 12 more that must agree with them
MOSTLY = 48  # values as a draw mostly has, each the middle of a part of the same probability
PART = 15  # samples, of which the middle one is that value
LOWEST = 5  # degree of the nodes at which a run is played at first
LINE_RUNS = ON_LINE + 13 + MOSTLY
PATTERNS = 64  # discrete outcomes under which a line is looked at
PLAYS = 4096  # runs, beyond which there are fewer of them, though no less than 4
NOISE = 1e-9  # of the largest coefficient, or 1e3 times the precision of the result
NEAR = 0.35  # within this part of a line an error of the run is its own
ZOOMS = 12
HIGHEST = 8  # degree that is taken for a polynomial's; beyond, nodes have to converge
COARSE = 8e-3  # for results in half precision
EXACT = 1e-12  # what rounding leaves of the coefficients beyond a polynomial's degree
ENDS = np.array([1e-3, 1e-5, 1e-7, 1e-10])  # points close to the ends of a line: tails of uniform draws
BETWEEN = np.array([-0.7071, -0.2357, 0.1414, 0.5812])  # and points that no rule has


class FarNumbers(Numbers):
    """Continuous draws, far apart, of which one moves: the k-th of a law. With a sign of 0 they are as mostly."""

    def __init__(self, seed, moving=None, move=None, sign=1):
        super().__init__(seed)
        self.moving, self.move, self.sign = moving, move, sign
        self.order = []  # each draw, its law and which of it

    def of(self, law, start, count):
        first = len(self.drawn.get(law.name, ()))
        drawn = super().of(law, start, count)
        if law.spread and self.sign:
            drawn = self.sign * (drawn + np.copysign(law.spread, drawn))
        self.order += [(law, k) for k in range(first, start + count)]
        if self.moving is not None:
            moving, k = self.moving
            if moving is law and start <= k < start + count:
                drawn[k - start] = self.move(drawn[k - start])
        return drawn


class AnyPath(GivenPath):
    """A path whose discrete branches are chosen at random, each alike."""

    def __init__(self, numbers, rng):
        super().__init__([], numbers)
        self.rng = rng

    def branches(self, radix, count):
        self.choices += self.rng.integers(0, radix, count).tolist()
        return super().branches(radix, count)


class Finding(NamedTuple):
    """What lines say of a run: the degree in any one continuous draw (None: no polynomial), and why it is rough.

    ``rest`` is the largest coefficient beyond that degree, where it is more than rounding.
    """

    degree: int | None
    rough: str = ""
    rest: float = 0.0
    runs: int = 0


def look(once):
    """The `Finding` of a run along its continuous draws, under several outcomes of its discrete ones.

    ``once(source)`` plays it, as a row of entries.
    """
    numbers = FarNumbers(0)
    played(once, GivenPath([], numbers))
    order = numbers.order
    if not order:
        return Finding(0)
    chosen = range(len(order)) if len(order) <= DRAWS else np.linspace(0, len(order) - 1, DRAWS).astype(int)
    signs = (1, -1) if len(order) <= TWO_LINES else (1,)
    lines = [(seed, sign, *order[k]) for seed, k in enumerate(chosen) for sign in signs]
    limit = min(PATTERNS, max(4, PLAYS // (LINE_RUNS * len(lines))))
    found = [_look_along(DrawLine(once, *line, _patterns(once, limit, line[0]))) for line in lines]
    rough = next((f.rough for f in found if f.rough), "")
    degrees, rest = [f.degree for f in found], max(f.rest for f in found)
    return Finding(None if None in degrees else max(degrees), rough, rest, sum(f.runs for f in found))


def _patterns(once, limit, seed):
    """The choices of the discrete outcomes, all of them or so many at random."""
    found = given(once, FarNumbers(seed), limit)
    if found is not None:
        return [path.choices for path, _ in found]
    rng, patterns = np.random.default_rng(seed), []
    for _ in range(limit):
        path = AnyPath(FarNumbers(seed), rng)
        played(once, path)
        patterns.append(path.choices)
    return patterns


class DrawLine:
    """The results along one continuous draw, under given choices of the discrete ones: probabilities times results.

    Since the choices are forced, a probability that depends on the draw moves, and the result does not jump.
    """

    def __init__(self, once, seed, sign, law, k, patterns):
        self.once, self.seed, self.sign, self.law, self.k, self.patterns = once, seed, sign, law, k, patterns
        self.likely, self.eps = np.ones(len(patterns)), 0.0
        self.likely = self._weights(self._paths(FarNumbers(seed, sign=sign)))

    def at(self, t):
        """A row for every choice, one after the other; None where a run fails, far out."""
        try:
            return self.moved(lambda x: self.law.along(x, t))
        except Exception:
            if abs(t) <= NEAR:
                raise
            return None

    def moved(self, move):
        """A row for every choice, where the draw is moved by a function."""
        paths = self._paths(FarNumbers(self.seed, (self.law, self.k), move, self.sign))
        weights = self._weights(paths)
        rows = [y for _, y in paths if y is not None]
        if not rows:
            return weights
        self.eps = max(self.eps, *(float(np.finfo(y.dtype).eps) for y in rows))
        kind = np.result_type(*rows, np.float64)
        found = [w * (np.zeros_like(rows[0]) if y is None else y) for (_, y), w in zip(paths, weights, strict=True)]
        return np.concatenate([*found, weights]).astype(kind)

    def _paths(self, numbers):
        found = []
        for choices in self.patterns:
            path = GivenPath(choices, numbers)
            y = played(self.once, path)
            is_here = not path.is_cut and not any(choices[len(path.radices) :])
            found.append((path, y if is_here else None))
        return found

    def _weights(self, paths):
        found = np.array([0.0 if y is None else path.weight for path, y in paths])
        return found / np.where(self.likely > 0, self.likely, 1.0)


def _look_along(line):
    law, what = line.law, f"a {line.law.name} draw"
    ts = np.arange(ON_LINE) / ON_LINE
    ts = 2 * ts - 1 if law.on_circle else np.cos(np.pi * (ts + 0.5 / ON_LINE))
    ys, runs = [line.at(t) for t in ts], LINE_RUNS * len(line.patterns)
    if any(y is None or y.shape != ys[0].shape or not np.all(np.isfinite(y)) for y in ys):
        return Finding(None, f"along {what} the run fails, gives other entries or is not finite", runs=runs)
    ys = np.array(ys)
    largest = np.max(np.abs(ys), axis=0, initial=0)
    noise = np.maximum(max(NOISE, min(1e3 * line.eps, COARSE)) * largest, 1e2 * line.eps * np.max(largest, initial=0))
    size = _fourier(ys) if law.on_circle else np.abs(_chebyshev(ts, ys))
    there = np.flatnonzero(np.any(size > noise, axis=1))
    degree = int(there[-1]) if len(there) else 0
    if degree > HIGHEST:
        return Finding(None, _roughness(line.at, ts, ys, noise, what), runs=runs)
    holds = _holds_elsewhere(line, ts, ys, degree, 100 * noise)
    if not holds or (line.sign > 0 and not _holds_mostly(line, degree, 100 * noise)):
        return Finding(None, f"the result changes abruptly along {what}", runs=runs)
    rest = np.max(size[degree + 1 :], axis=0, initial=0)
    return Finding(degree, "", float(np.max(np.where(rest > EXACT * largest, rest, 0), initial=0)), runs)


def _fourier(ys):
    """The sizes of the Fourier coefficients of values all around a circle."""
    return np.abs(np.fft.fft(ys, axis=0))[: ON_LINE // 2 + 1] / ON_LINE


def _chebyshev(ts, ys):
    return np.linalg.solve(np.polynomial.chebyshev.chebvander(ts, len(ts) - 1), ys)


def _holds_elsewhere(line, ts, ys, degree, allowed):
    """Whether the polynomial goes on between the points and close to the ends, where nodes are rare."""
    others = BETWEEN if line.law.on_circle else np.concatenate([ENDS - 1, BETWEEN, 1 - ENDS])
    fit = np.linalg.lstsq(_waves(ts, degree, line.law.on_circle), ys, rcond=None)[0]
    expected = _waves(others, degree, line.law.on_circle) @ fit
    for t, y in zip(others, expected, strict=True):
        found = line.at(t)
        if found is None or found.shape != y.shape or not np.all(np.abs(found - y) <= allowed):
            return False
    return True


def _holds_mostly(line, degree, allowed):
    """Whether it is a polynomial, of the same degree, at values as the draw mostly has, and at nodes."""
    law = line.law
    if law.on_circle:
        ts = 2 * (np.arange(MOSTLY) + 0.5) / MOSTLY - 1
        moves = [lambda x, t=t: law.along(x, t) for t in ts]
    else:
        values = np.sort(law.sample(np.random.default_rng(line.seed), PART * MOSTLY))[PART // 2 :: PART]
        values = np.concatenate([values, law.nodes(max(LOWEST, 2 * degree))[0]])
        ts = values / np.max(np.abs(values))
        moves = [lambda x, value=value: value for value in values]
    line = DrawLine(line.once, line.seed, 0, law, line.k, line.patterns)
    ys = [line.moved(move) for move in moves]
    if any(y.shape != allowed.shape for y in ys):
        return False
    waves = _waves(ts, degree, law.on_circle)
    return bool(np.all(np.abs(ys - waves @ np.linalg.lstsq(waves, np.array(ys), rcond=None)[0]) <= allowed))


def _waves(ts, degree, on_circle):
    """The waves or the Chebyshev polynomials up to a degree, a column each."""
    if on_circle:
        return np.exp(1j * np.pi * np.outer(ts, np.arange(-degree, degree + 1)))
    return np.polynomial.chebyshev.chebvander(ts, degree)


def _roughness(f, ts, ys, noise, what):
    """In words, a jump or a kink at the roughest place of a line; "" where the result is smooth there.

    What a polynomial can follow is taken away first, so that a small kink is not lost beside it.
    """
    order = np.argsort(ts)
    ts, ys = ts[order], ys[order]
    fit = np.polynomial.chebyshev.chebfit(ts, ys, HIGHEST)
    rest = ys - np.polynomial.chebyshev.chebval(ts, fit).T
    bend = np.abs(_second_differences(ts, rest)) / (ts[2:] - ts[:-2])[:, None] / np.maximum(noise, 1e-300)
    k, entry = np.unravel_index(np.argmax(bend), bend.shape)

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
    if last > max(0.02 * first, noise[entry]):
        return f"the result jumps along {what}"
    if last > max(2.0**-ZOOMS * 0.05 * first, noise[entry] * 2.0**-ZOOMS):
        return f"the result has a kink along {what}"
    return ""


def _second_differences(ts, ys):
    """How far each value lies from the line through its two neighbours."""
    share = ((ts[1:-1] - ts[:-2]) / (ts[2:] - ts[:-2]))[:, None]
    return ys[1:-1] - (1 - share) * ys[:-2] - share * ys[2:]


def _bend(window):
    ts, ys = (np.array([point[k] for point in window]) for k in (0, 1))
    return abs(_second_differences(ts, ys[:, None])[0, 0])
