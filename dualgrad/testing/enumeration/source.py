"""Source: where the draws of a run come from while it is played; what a front for a library is written over."""

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ...backend import Array
from ...errors import DualgradError
from .laws import UNIFORM, Law


class ReplayError(DualgradError, RuntimeError):
    """The run cannot be replayed: it draws randomness elsewhere, or keeps state from one call to the next.

    Examples
    --------
    >>> import time
    >>> from dualgrad import testing
    >>> try:
    ...     testing.exact_moments(lambda rng: float(time.perf_counter_ns()))
    ... except testing.ReplayError as error:
    ...     print(str(error)[:46])
    the run is not reproducible: with the same dra
    """

    made: "list[ReplayError] | None" = None  # while a run is played; one that the run catches is raised after it

    def __init__(self, *words: object) -> None:
        super().__init__(*words)
        if self.made is not None:
            self.made.append(self)


class Source:
    """Where a front takes its draws from: a stream, a position in it, a law, and how many.

    A stream is anything hashable that names a sequence of draws: the spawn key of a generator, the bytes of a key, the
    state of a generator. What was drawn at a position of a stream is drawn there again, so rewound generators, streams
    asked for twice and keys used twice are modelled; another law there is a `ReplayError`.

    Attributes
    ----------
    drawn : dict
        How many numbers were drawn, by law.
    doubts : dict
        Why the result is not certified, in words.

    Examples
    --------
    >>> from dualgrad.testing import Source, exact_moments, laws
    >>> class Coins:
    ...     def __init__(self, source):
    ...         self.source, self.tossed = source, 0
    ...     def toss(self):
    ...         self.tossed += 1
    ...         return self.source.take("coins", self.tossed - 1, laws.SIGNS, 1)[0]
    >>> exact_moments(lambda coins: coins.toss() + coins.toss(), draws=Coins).variance
    array([2.])
    """

    def __init__(self) -> None:
        self.streams: dict[Hashable, list[tuple[str, Any]]] = {}
        self.drawn: dict[str, int] = {}
        self.doubts: dict[str, None] = {}

    def take(self, stream: Hashable, position: int, law: Law, count: int) -> Array:
        """``count`` draws from a law, an array (count, ...), at positions ``position``, ... of a stream."""
        known = self._known(stream, position, law.name, count)
        if len(known) == count:
            return np.array(known)
        fresh = self.fresh(law, count - len(known))
        self._remember(stream, law.name, fresh)
        return np.concatenate([known, fresh]) if known else fresh

    def intervals(self, stream: Hashable, position: int, count: int) -> "list[Interval]":
        """``count`` uniform draws on [0, 1), none of which has been asked for its number yet."""
        known = self._known(stream, position, "uniform", count)
        fresh = [self.interval() for _ in range(count - len(known))]
        self._remember(stream, "uniform", fresh)
        return known + fresh

    def doubt(self, why: str) -> None:
        """Say why the result cannot be certified."""
        self.doubts[why] = None

    def _known(self, stream, position, name, count):
        """What was drawn there before it was rewound, or under the same name."""
        record = self.streams.get(stream)
        if record is None or position >= len(record):
            return []
        known = record[position : position + count]
        for then, _ in known:
            if then != name:
                raise ReplayError(
                    f"after a rewound state, or from a name or key that was used, {name} was drawn where something "
                    f"else had been: {then}"
                )
        return [value for _, value in known]

    def _remember(self, stream, name, fresh):
        self.streams.setdefault(stream, []).extend(zip(itertools.repeat(name), fresh))

    def count(self, name: str, count: int) -> None:
        """Note that so many numbers were drawn from a law."""
        self.drawn[name] = self.drawn.get(name, 0) + count

    def fresh(self, law: Law, count: int) -> Array:
        """Values of draws at a place where nothing was drawn: by each kind of source in its way."""
        raise NotImplementedError

    def interval(self) -> "Interval":
        """A uniform draw of which nothing is known."""
        return Interval(self)

    def split(self, cell: "Interval", edges: list[float]) -> int:
        """Which of the intervals between the edges, edges[k] to edges[k + 1], a cell lies in."""
        raise NotImplementedError

    def number(self, cell: "Interval") -> float:
        """A number in the interval of a cell."""
        return cell.low + (cell.high - cell.low) * float(self.fresh(UNIFORM, 1)[0])


class Interval:
    """One uniform draw on [0, 1): known to lie in [low, high), until it is asked for a number."""

    __slots__ = ("high", "known", "low", "source")

    source: "Source"
    low: float
    high: float
    known: float | None

    def __init__(self, source: "Source") -> None:
        self.source, self.low, self.high, self.known = source, 0.0, 1.0, None

    def below(self, t: float) -> bool:
        """Whether the draw is less than t: exact, two branches at most."""
        return self.part([t]) == 0

    def part(self, edges: Sequence[float]) -> int:
        """How many of the ascending edges the draw has reached: 0 below the first. Each interval is a branch."""
        if self.known is not None:
            self.source.doubt("a uniform draw is compared after arithmetic was done with it")
            return int(np.searchsorted(edges, self.known, side="right"))
        bounds = [self.low, *np.unique([t for t in edges if self.low < t < self.high]).tolist(), self.high]
        if len(bounds) > 2:
            k = self.source.split(self, bounds)
            self.low, self.high = bounds[k], bounds[k + 1]
        return int(np.searchsorted(edges, self.low, side="right"))

    def number(self) -> float:
        """The draw as a number: a node of the interval that is left. It is this number from now on."""
        if self.known is None:
            self.known = self.source.number(self)
        return self.known
