"""Whether runs bear a claim out: "holds", "does not hold", or "not settled", and why.

Every verdict is a function of runs alone. A run that diverged is no evidence. What runs of less than a tenth of the
paper's length say, or runs at a best rate on the edge of its grid, is not settled, and neither is a difference whose
95 % interval over seeds has room for the contrary. One seed is none; of runs in which nothing is drawn, "certain", it
is all.
"""

from dataclasses import dataclass

import numpy as np

from .curves import final

HOLDS, FAILS, OPEN = "holds", "does not hold", "not settled"
LEAST = 0.1  # of the paper's length


@dataclass(frozen=True)
class Verdict:
    """One of three words, and what it rests on; ``runs`` are those that it was made from, and ``so_far`` is the word
    that runs point to which are no evidence yet."""

    word: str
    why: str = ""
    runs: tuple = ()
    so_far: str = ""

    def __str__(self):
        pointing = {HOLDS: ["so far it holds"], FAILS: ["so far it does not"]}.get(self.so_far, [])
        return ": ".join([self.word, *(["; ".join([self.why, *pointing])] if self.why else [])])


def above(high, low, column, margin=0.0, at=None, within=0.0):
    """The claim that runs end higher in a column than others do, by more than a margin.

    ``within``: how far the true difference may be from that of the numbers, where these are points of a grid.
    ``at``: at so many seconds of training, where the equal time is asked, and not at the end; NaN if there is none.
    """
    return judged((high, low), column, lambda a, b: _sign(difference(a, b), margin, within), at)


def below(low, high, column, margin=0.0, at=None, within=0.0):
    """The claim that runs end lower in a column than others do."""
    return above(high, low, column, margin, at, within)


def alike(one, other, column, within, at=None):
    """The claim that runs end as far as others do, within so much."""
    return judged((one, other), column, lambda a, b: _inside(difference(a, b), within), at)


def steadier(steady, other, column):
    """The claim that the ends of runs are less spread over seeds than those of others (Brown and Forsythe's test).

    Two or three seeds say nothing of a spread."""

    def off(values):
        return np.abs(values - np.median(values))

    def judge(a, b):
        return _sign(difference(off(b), off(a)), 0.0) if min(len(a), len(b)) > 3 else OPEN

    return judged((steady, other), column, judge)


def over(runs, column, level):
    """The claim that runs end above a level."""
    return judged((runs,), column, lambda a: _sign(difference(a, np.full(len(a), level)), 0.0))


def under(runs, column, level):
    """The claim that runs end below a level."""
    return judged((runs,), column, lambda a: _sign(difference(np.full(len(a), level), a), 0.0))


def diverge(runs, column=2, level=np.inf):
    """The claim that runs diverge: all of them, or none. One that ends above a level counts as one that diverged."""
    lost = [not value < level for value in final(runs, column)] if runs else []
    if not lost:
        return Verdict(OPEN, "not run")
    if any(lost) and not all(lost):
        return Verdict(OPEN, f"{sum(lost)} of {len(lost)} diverged", tuple(runs))
    if len(lost) < 2 and not runs[0].get("certain"):
        return Verdict(OPEN, "one seed alone", tuple(runs))
    if all(lost):
        return Verdict(HOLDS, "", tuple(runs))  # shorter than the paper's, and diverged already
    return _gated((runs,)) or Verdict(FAILS, "", tuple(runs))


def known(true, why=""):
    """A claim of exact arithmetic, which no run can be too short for."""
    return Verdict(HOLDS if true else FAILS, why)


def together(*verdicts):
    """The claim that all of several claims make together."""
    runs = tuple(run for verdict in verdicts for run in verdict.runs)
    if not verdicts:
        return Verdict(OPEN, "not run")
    for word in (FAILS, OPEN):
        found = [verdict for verdict in verdicts if verdict.word == word]
        if found:
            return Verdict(word, found[0].why, runs, found[0].so_far)
    return Verdict(HOLDS, "", runs)


def either(*verdicts):
    """The claim that at least one of several claims is true."""
    return contrary(together(*map(contrary, verdicts)))


def contrary(verdict):
    """The verdict on the contrary of a claim."""
    opposite = {HOLDS: FAILS, FAILS: HOLDS}
    word, so_far = (opposite.get(found, found) for found in (verdict.word, verdict.so_far))
    return Verdict(word, verdict.why, verdict.runs, so_far)


# ---------------------------------------------------------------------- the rules


def judged(groups, column, judge, at=None):
    """What ``judge`` says of the ends of groups of runs, where they are evidence."""
    runs = tuple(run for group in groups for run in group)
    gate = _gated(groups)
    if at is not None and np.isnan(at):
        return Verdict(OPEN, gate.why if gate else "no equal time, for one diverged", runs)
    ends = [final(group, column, at) if group else np.array([]) for group in groups]
    good = [_evidence(group, values) for group, values in zip(groups, ends, strict=True)]
    lost = [np.count_nonzero(~np.isfinite(values)) for values in ends]
    if any(2 * gone > len(values) for gone, values in zip(lost, ends, strict=True)):
        return Verdict(OPEN, f"{sum(lost)} of {len(runs)} diverged", runs)
    if any(len(values) < 2 for values in good):
        return gate if gate and not any(lost) else Verdict(OPEN, "one seed alone", runs)
    word = judge(*good)
    if gate:
        return Verdict(OPEN, gate.why, runs, word)
    why = "within the spread" if word == OPEN else f"{sum(lost)} of {len(runs)} diverged" if any(lost) else ""
    return Verdict(word, why, runs)


def _evidence(group, values):
    """What has not diverged; a single run twice where nothing is drawn, so that its spread is none."""
    good = values[np.isfinite(values)]
    return np.repeat(good, 2) if all(run.get("certain") for run in group) else good


def _gated(groups):
    """Why runs are no evidence, whatever they say; None where they are."""
    runs = tuple(run for group in groups for run in group)
    if not all(groups):
        return Verdict(OPEN, "not run", runs)
    if (share := size(runs)) is not None and share < LEAST:
        return Verdict(OPEN, f"{share:.2g} of the paper's length", runs)
    edges = sorted({run["rate"] for run in runs if run.get("edge")})
    if edges:
        return Verdict(OPEN, f"the best rate, {edges[0]:g}, is at the edge of its grid", runs)
    return None


def size(runs):
    """The length of the shortest run relative to the paper's; None where the paper has none."""
    shares = [run["curve"][-1][0] / run["paper"] for run in runs if run.get("paper")]
    return min(shares) if shares else None


def difference(a, b):
    """The 95 % interval of the difference of two means (Welch)."""
    from scipy.stats import t

    gain = np.mean(a) - np.mean(b)
    parts = np.array([np.var(v, ddof=1) / len(v) for v in (a, b)])
    if not np.any(parts):
        return gain, gain
    freedom = parts.sum() ** 2 / np.sum(parts**2 / (np.array([len(a), len(b)]) - 1))
    half = t.ppf(0.975, freedom) * np.sqrt(parts.sum())
    return gain - half, gain + half


def _sign(interval, margin, within=0.0):
    low, high = interval[0] - within, interval[1] + within
    return HOLDS if low > margin else FAILS if high <= margin else OPEN


def _inside(interval, within):
    low, high = interval
    return HOLDS if -within <= low and high <= within else FAILS if low > within or high < -within else OPEN
