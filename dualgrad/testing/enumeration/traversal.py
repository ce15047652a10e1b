"""The walk over all outcomes of a run, depth first."""

import numpy as np

from ...errors import DualgradError, NonFiniteError
from .chance import played
from .path import Path, RandomPath
from .progress import Progress
from .source import ReplayError
from .weighted import Sum

SUMMED = 1024  # outcomes that are summed together
TOLD = 256  # outcomes between two looks at the clock
HOPELESS = 1e30  # outcomes that no stopping time has on its first path
DESCENTS = 16  # random paths by which the number of outcomes is judged


class TooManyOutcomesError(DualgradError, ValueError):
    """There are more outcomes than may be run; the message says how many, and of what.

    Examples
    --------
    >>> from dualgrad import testing
    >>> try:
    ...     testing.exact_moments(lambda rng: rng.signs(30))
    ... except testing.TooManyOutcomesError as error:
    ...     print(str(error)[:40])
    30 signs have 1,073,741,824 outcomes; ma
    """


class Traversal:
    """All outcomes at one degree: their `Sum`, what was drawn, and why the sum is no certificate."""

    def __init__(self, once, degree, max_outcomes, fixed=()):
        """``fixed`` are branches that the first draws take in all outcomes."""
        self.degree, self.sum, self.drawn, self.doubts, self.has_tail = degree, Sum(), {}, {}, False
        self.precision, self.cut = 0.0, 0.0  # of the results; the probability of what was cut
        self.samples = []  # the first outcomes: choices, radices and result, to be repeated
        self._rows, self._weights, self._paths, self._size, self._longest = [], [], [], None, 0
        choices, done, progress = list(fixed), 0, Progress()
        while choices is not None:
            path = Path(choices, degree)
            y = played(once, path)
            if path.is_cut:
                self._lose(path, y)
            else:
                self._add(path, y)
            if not done and path.outcomes() > max_outcomes:
                require_few(once, path, max_outcomes)
            done += 1
            if done % TOLD == 0:
                progress.at(path, done)
            choices = path.successor(len(fixed))
            if done >= max_outcomes and choices is not None:
                raise too_many(path, max_outcomes, f"after {done:,} outcomes there are more")
        progress.close()
        self._merge()
        if not self.sum.outcomes:
            raise too_many(path, max_outcomes, "every outcome has a probability below 1e-14: there are more")

    def _lose(self, path, y):
        """Note how likely an outcome is that was cut, and how large its result."""
        self.cut += path.weight
        if y is not None and path.weight > 0:
            self.sum.largest = max(self.sum.largest, float(np.max(np.abs(y), initial=0, where=np.isfinite(y))))

    def _add(self, path, y):
        if y.size != self._size:
            if self._size is not None:
                raise ReplayError(f"outcomes differ in size: {self._size} and {y.size} entries")
            self._size, self.precision = y.size, float(np.finfo(y.dtype).eps)
        self._rows.append(y)
        self._weights.append(path.weight)
        self._paths.append(path)
        self.has_tail |= path.has_tail
        if path.doubts:
            self.doubts |= path.doubts
        if len(path.radices) >= self._longest:
            self.drawn, self._longest = path.drawn, len(path.radices)
        if len(self._rows) == SUMMED:
            self._merge()

    def _merge(self):
        if not self._rows:
            return
        finite = np.isfinite(np.array(self._rows))
        if not np.all(finite):
            k = int(np.argmin(np.all(finite, axis=1)))
            entry, drawn = int(np.argmin(finite[k])), self._paths[k].words()
            raise NonFiniteError(
                f"outcome {self.sum.outcomes + k} is not finite: entry {entry} of the result, after {drawn}"
            )
        if not self.samples:
            self.samples = [(p.choices, p.radices, y) for p, y in zip(self._paths, self._rows, strict=True)]
        self.sum.add(self._rows, self._weights)
        self._rows, self._weights, self._paths = [], [], []

    @property
    def lost(self):
        """The probability of the outcomes that were cut."""
        return max(self.cut, self.sum.lost) if self.has_tail else self.cut


def require_few(once, first, max_outcomes):
    """Refuse where random descents say that all branches are as many as those of the first path."""
    rng, fewest = np.random.default_rng(0), first.outcomes()
    for _ in range(DESCENTS if fewest < HOPELESS or first.is_cut else 0):
        path = RandomPath(rng, first.degree)
        played(once, path)
        fewest = min(fewest, path.outcomes())
        if fewest <= max_outcomes:
            return
    raise too_many(first, max_outcomes, f"{first.words()} have {_counted(first.outcomes())} outcomes")


def too_many(path, limit, how):
    return TooManyOutcomesError(
        f"{how}; max_outcomes is {limit:,}. Shrink what is drawn (fewer parameters, directions or steps), lower degree "
        f"(at least {path.degree} here) if draws are continuous, raise max_outcomes, or check by samples: "
        "testing.check_mean"
    )


def _counted(outcomes):
    return f"{outcomes:,}" if outcomes < 1e15 else f"some 1e{len(str(outcomes)) - 1}"
