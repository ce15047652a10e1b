"""The walk over all outcomes of a program that plays many at once: batch after batch, each where the last one led."""

import math

import numpy as np

from ...errors import NonFiniteError
from ..enumeration.chance import played
from ..enumeration.path import Path
from ..enumeration.source import ReplayError
from ..enumeration.traversal import require_few, too_many
from ..enumeration.weighted import Sum
from .outcomes import Batch, Columns

FEWEST, MOST = 256, 2**18  # outcomes in one call
PLAYED_ALONE = 24  # outcomes that are played alone as well
KEPT = 4096  # rows that are kept to be compared with those
ASTRAY = 1e-9  # how far the probabilities may be from one in all


class Frontier:
    """All outcomes at one degree, as a `Traversal` has them.

    The first outcome says what is drawn; all products of its choices are played next. An outcome that came to choices
    not made yet has taken branch 0 of each, and leads to those that take the others; one that did not come to a choice
    made for it stands for the same outcome as with branch 0 there, and is dropped unless it is that.
    """

    def __init__(self, once, play, degree, max_outcomes, room=MOST):
        """``play(batch)`` gives the rows of a `Batch`, of ``room`` outcomes at most; ``once(source)`` that of one."""
        self.degree, self.sum, self.drawn, self.doubts, self.is_whole = degree, Sum(), {}, {}, True
        self.precision, self.samples = 0.0, []
        self._columns, self._limit, self._played, self._kept = Columns(), max_outcomes, 0, []
        self._room, self._dropped = max(FEWEST, lanes(min(room, MOST) // 4 + 1)), 0
        self._first(once)
        todo = np.zeros((1, 0), np.int32)
        while len(todo):
            todo = self._round(play, todo)
        self._require_all()
        self._require_alike(once)

    def _first(self, once):
        path = Path([], self.degree)
        played(once, path)
        if path.outcomes() > self._limit:
            require_few(once, path, self._limit)
        self._is_product = path.outcomes() <= self._limit
        self._path = path

    def _round(self, play, todo):
        found = []
        for begin in range(0, len(todo), self._room):
            choices = todo[begin : begin + self._room]
            batch = Batch(self._columns, choices, self.degree, lanes(len(choices)))
            rows = play(batch)
            batch.settle()
            found.append(self._add(batch, rows))
            self._played += len(choices)
            if self._played + sum(map(len, found)) > self._limit and any(map(len, found)):
                raise too_many(self._path, self._limit, f"after {self._played:,} outcomes there are more")
        width = len(self._columns.radices)
        return np.concatenate([np.pad(f, ((0, 0), (0, width - f.shape[1])), constant_values=-1) for f in found])

    def _add(self, batch, rows):
        """Sum the outcomes that are complete; the choices of those that follow from them."""
        astray = np.any(~batch.drawn & (batch.choices > 0), axis=1)
        lost = batch.lost > 0
        self._lose(rows[~astray & (batch.lost > np.finfo(float).tiny)])
        here = ~astray & ~lost
        self._sum(batch, rows, here & (batch.weight > 0))
        self._dropped += int(np.sum(astray))
        new = batch.drawn & (batch.choices < 0) & ~astray[:, None]
        made = np.where(batch.drawn, np.maximum(batch.choices, 0), -1)
        leads = np.any(new, axis=1)
        patterns, which = np.unique(new[leads], axis=0, return_inverse=True)
        return np.concatenate([made[:0]] + [
            self._next(made[leads][which.ravel() == k], np.flatnonzero(pattern)) for k, pattern in enumerate(patterns)
        ])  # fmt: skip

    def _lose(self, rows):
        """Note how large the results of outcomes are that were given up, of those that may come to pass."""
        self.is_whole &= not len(rows)
        self.sum.largest = max(self.sum.largest, float(np.max(np.abs(rows), initial=0, where=np.isfinite(rows))))

    def _sum(self, batch, rows, kept):
        self.doubts |= batch.doubts
        if not np.any(kept):
            return
        ys, weights = rows[kept], batch.weight[kept]
        counts = np.sum(batch.drawn, axis=1) * kept
        labels = [self._columns.labels[k] for k in np.flatnonzero(batch.drawn[np.argmax(counts)])]
        if len(labels) > sum(self.drawn.values()):
            self.drawn = {label: labels.count(label) for label in dict.fromkeys(labels)}
        if not np.all(finite := np.isfinite(ys)):
            k, entry = np.argwhere(~finite)[0]
            words = ", ".join(f"{count} {name}" for name, count in self.drawn.items())
            raise NonFiniteError(f"outcome {k} is not finite: entry {entry} of the result, after the draws {words}")
        self.precision = float(np.finfo(ys.dtype).eps)
        self.sum.add(ys, weights)
        if self.sum.outcomes <= KEPT:
            self._kept += zip(ys, weights, strict=True)

    def _next(self, made, new):
        """The choices that follow: for outcomes that all came to the same new ones, which had branch 0 there."""
        radices = [self._columns.radices[k] for k in new]
        if self._is_product and self._dropped <= self.sum.outcomes:
            count = math.prod(radices) - 1
            if self._played + len(made) * count > self._limit:
                raise too_many(self._path, self._limit, f"there are {self._played + len(made) * count:,} outcomes")
            branches = np.stack(np.unravel_index(np.arange(1, count + 1), radices), -1) if count else made[:0, :0]
            following = np.repeat(made, count, axis=0)
            following[:, new] = np.tile(branches.reshape(count, len(new)), (len(made), 1))
            return following
        parts = [made[:0]]
        for i, (column, radix) in enumerate(zip(new, radices, strict=True)):
            following = np.repeat(made, radix - 1, axis=0)
            following[:, new[i:]] = -1
            following[:, column] = np.tile(np.arange(1, radix), len(made))
            parts.append(following)
        return np.concatenate(parts)

    # ------------------------------------------------------------------ checks

    @property
    def lost(self):
        """The probability of the outcomes that were given up."""
        return 0.0 if self.is_whole else self.sum.lost

    def _require_all(self):
        if not self.sum.outcomes:
            raise too_many(self._path, self._limit, "every outcome has a probability below 1e-14: there are more")
        off = abs(1 - math.fsum(self.sum.weights))
        if off > ASTRAY and self.is_whole:
            raise ReplayError(
                f"the probabilities of all outcomes are off one by {off:.1e}: the run draws otherwise from call to call"
            )

    def _require_alike(self, once):
        """Play some outcomes alone: what they give is among what all gave together."""
        choices, precision = [], 1e3 * max(self.precision, 1e-12)
        while choices is not None and len(self.samples) < PLAYED_ALONE:
            path = Path(choices, self.degree)
            y = played(once, path)
            if not path.is_cut:
                self.samples.append((path.choices, path.radices, y))
                if self.sum.outcomes <= KEPT and path.weight > 0:
                    self._require_among(y, path.weight, precision)
            choices = path.successor()

    def _require_among(self, y, weight, precision):
        if not self._kept:
            return
        rows, weights = (np.array(each) for each in zip(*self._kept, strict=True))
        off = np.max(np.abs(rows - y), axis=1, initial=0) / max(1.0, float(np.max(np.abs(y), initial=0)))
        if not np.any((off <= precision) & (np.abs(weights - weight) <= precision)):
            raise ReplayError("the run gives other results alone than under vmap, with the same draws")


def lanes(size):
    """How many outcomes are played, so that few sizes are compiled: 256, or the next power of four."""
    return max(FEWEST, 4 ** math.ceil(math.log(size, 4)))
