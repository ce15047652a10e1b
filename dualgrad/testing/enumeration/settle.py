"""How exactly a run can be known: by nodes that are exact, by nodes that converge, or by samples."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...errors import NonFiniteError
from ..report import row
from .chance import Random, conditional, played, weighted_mean
from .lines import look
from .path import Path
from .source import ReplayError
from .traversal import HOPELESS, TooManyOutcomesError, too_many
from .weighted import Sum

MOVES = 1e-9  # moments that move by less, twice, when a node is added have converged
ROUNDING = 100  # times the precision of the result, where that is more
MOST_NODES = 64
AFFORDABLE = 2**16  # outcomes up to which nodes are raised
REPEATS = 24  # runs that are repeated at least, to see whether they can be: chance agrees on signs in 1 of 2^24
ENOUGH, SECONDS = 400, 0.004  # repeated further up to so many runs, while it takes no longer
SAMPLES = 2000
STEADY = 0.7  # the largest ratio of moves that is taken for geometric
BEYOND = 5.0  # times the largest result: how large that of an outcome that was cut is taken to be
DEVIATIONS = 5.0  # standard errors in the stated error of a sampled mean


class Settled(NamedTuple):
    """What is known of a run: its moments, how far off they may be, and why they are no certificate."""

    sum: Sum
    error: float
    why: str  # "" where they are
    drawn: dict
    precision: float  # of the results
    cost: int  # runs, without those that were repeated
    lost: float = 0.0
    samples: Sequence = ()  # the first outcomes: choices, radices and result
    degree: int = 1
    by_samples: bool = False  # as a claim has to be tested
    rough: bool = False  # samples may miss what happens rarely
    foreign: str = ""  # what the run draws elsewhere


def settle(once, degree, max_outcomes, *, powers=2, samples=SAMPLES):
    """The moments of a run up to ``powers``, as exactly as they can be had.

    ``once(source)`` plays it, as a row, and ``once.walk(degree, max_outcomes)`` all its outcomes.
    """
    _require_same_draws(once)
    first = Path([], degree)
    played(once, first)
    if first.outcomes() > HOPELESS and not first.is_cut:
        raise too_many(first, max_outcomes, f"{first.words()} have more outcomes than can be played")
    finding = look(once)
    if finding.rough:
        return _sampled(once, samples, finding.rough, rough=True)
    if finding.degree is None:
        path = Path([], degree + 4)
        played(once, path)
        if path.outcomes() > min(max_outcomes, AFFORDABLE):
            return _sampled(once, samples, f"no polynomial of its draws, and {path.words()} are too many to add nodes")
    try:
        if finding.degree is None:
            walk, error, why = _converge(once, degree, max_outcomes, powers)
        else:
            walk, error, why = once.walk(max(degree, powers * finding.degree), max_outcomes), finding.rest, ""
    except NonFiniteError as infinite:
        if not finding.runs:
            raise
        return _sampled(once, samples, f"at nodes of its continuous draws, such as 0, {infinite}")
    require_repeatable(once, walk)
    if walk.doubts:
        return _sampled(once, samples, "; ".join(walk.doubts), rough=True)
    missed, by_samples = _missed(walk, powers), bool(why)
    if error > max(MOVES, ROUNDING * walk.precision) * _size(walk.sum, powers):
        why, by_samples = why or f"along its draws the result is a polynomial only to {error:.1e}", True
    if missed > MOVES * _size(walk.sum, powers):
        why = why or (
            f"outcomes of a probability of {walk.lost:.1e} in all were cut, and results are as large as "
            f"{walk.sum.largest:.1e}"
        )
    return Settled(
        walk.sum, error + missed, why, walk.drawn, walk.precision, walk.sum.outcomes + finding.runs, walk.lost,
        walk.samples, walk.degree, by_samples,
    )  # fmt: skip


def _missed(walk, powers):
    """What outcomes that were cut may add to the moments, with results a few times as large as those of others."""
    largest = BEYOND * walk.sum.largest
    return walk.lost * max(largest, largest**2 if powers > 1 else 0.0)


def _converge(once, degree, max_outcomes, powers):
    """Raise the nodes, by a quarter each time, until the moments stay, twice, since rules may agree by parity.

    What further nodes would add is bounded as a geometric series, by the ratio of the last moves: so they fall where
    each rule adds a digit, and where the error is a power of the nodes, as it is for a square root at 0.
    """
    walk, moves = once.walk(degree, max_outcomes), []
    while walk.degree // 2 < MOST_NODES:
        try:
            more = max(1, (walk.degree // 2 + 1) // 4)
            finer = once.walk(walk.degree + 2 * more, min(max_outcomes, AFFORDABLE))
        except TooManyOutcomesError:
            break
        moves.append(_distance(walk.sum, finer.sum, powers))
        walk, size = finer, _size(finer.sum, powers)
        tolerance = max(MOVES, ROUNDING * walk.precision) * size
        rounding = max(1e-13, walk.precision) * size
        if max(moves[-2:]) <= tolerance and len(moves) > 2:
            error = _further(moves, rounding)
            if error <= tolerance:
                return walk, error, ""
    what = "mean and covariance" if powers > 1 else "the mean"
    why = (
        f"with {walk.degree // 2 + 1} nodes a draw {what} still move by {moves[-1] if moves else np.inf:.1e}, and more "
        f"outcomes than {max_outcomes:,} or more nodes than {MOST_NODES} would be needed"
    )
    return walk, _further(moves, 0.0), why


def _further(moves, rounding):
    """The sum of the moves to come, if they go on to fall by the ratio of the last ones."""
    if not moves:
        return np.inf
    if max(moves[-2:]) <= rounding:
        return max(moves[-2:])
    ratio = min(0.99, max(moves[-2:]) / max(moves[-3:-1], default=np.inf))
    return max(moves[-2:]) * max(1.0, ratio / (1 - ratio)) if ratio < STEADY or rounding == 0 else np.inf


def _distance(a, b, powers):
    off = np.max(np.abs(a.mean - b.mean), initial=0)
    return float(max(off, np.max(np.abs(a.covariance - b.covariance), initial=0)) if powers > 1 else off)


def _size(a, powers):
    size = max(1.0, np.max(np.abs(a.mean), initial=0))
    return float(max(size, np.max(np.abs(a.covariance), initial=0)) if powers > 1 else size)


def _sampled(once, samples, why, rough=False):
    """Moments by samples of the continuous draws, the discrete ones enumerated under each."""
    rng, total, means = np.random.default_rng(0), Sum(), []
    for _ in range(samples):
        rows, weights = conditional(once, rng)
        if not np.all(np.isfinite(rows)):
            raise NonFiniteError("a sample of the result is not finite")
        total.add(rows, np.asarray(weights) / samples)
        means.append(weighted_mean(rows, weights))
    error = DEVIATIONS * float(np.max(np.std(means, axis=0), initial=0)) / samples**0.5
    sample = Random(0)
    once(sample)
    precision = float(np.finfo(np.asarray(rows).dtype).eps)
    return Settled(total, error, why, sample.drawn, precision, samples, by_samples=True, rough=rough)


# ---------------------------------------------------------------------- the same draws, the same result


def _require_same_draws(once):
    """Play twice at random, with the same draws: also what is drawn is the same."""
    first, second = Random(0), Random(0)
    require_reproducible(once(first), once(second))
    if first.drawn != second.drawn:
        raise ReplayError(
            f"the run is not reproducible: it draws {first.drawn or 'nothing'} and then {second.drawn or 'nothing'}; "
            "it keeps state between runs (make that state anew inside run)"
        )


def require_repeatable(once, walk):
    """Play outcomes again: the same results from the same draws."""
    begin, runs = time.perf_counter(), walk.sum.outcomes
    k = 0
    while k < REPEATS or (runs + k < ENOUGH and time.perf_counter() - begin < SECONDS):
        choices, radices, y = walk.samples[k % len(walk.samples)]
        path = Path(choices, walk.degree)
        require_reproducible(y, once(path))
        if path.radices != radices:
            raise ReplayError("the run is not reproducible: with the same draws it goes on to draw others")
        k += 1


def require_reproducible(y, again):
    """Raise when two runs with the same draws differ by more than rounding, and say how."""
    if y.shape == again.shape:
        with np.errstate(invalid="ignore"):
            size = np.max(np.abs(y), initial=0, where=np.isfinite(y))
            relative = max(1e-9, 1e2 * np.finfo(y.dtype).eps)
            off = ~((y == again) | (np.abs(y - again) <= relative * size) | (np.isnan(y) & np.isnan(again)))
        if not np.any(off):
            return
        k = int(np.argmax(off))
        differ = f"entry {k} is {y[k]:.6g} and then {again[k]:.6g}"
        if f"{y[k]:.6g}" == f"{again[k]:.6g}":
            differ = f"entry {k} is {y[k]!r} and then {again[k] - y[k]:.1e} more"
    else:
        differ = f"they have {y.size} and then {again.size} entries"
    raise ReplayError(
        f"the run is not reproducible: with the same draws, {differ}. It draws randomness that is not replayed (take "
        "all of it from what the run is given, or say draws=), or it keeps state between runs (make that state anew "
        "inside run)"
    )


def as_row(result):
    """The result of a run as one row of floating or complex numbers."""
    if result is None:
        raise TypeError("run returned None; expected the numbers whose moments are wanted")
    y = result.flatten() if result.__class__ is np.ndarray else row(result)  # a copy
    return y if y.dtype.kind in "fc" else y.astype(np.float64)
