"""Draws at random: all of them, or the continuous ones alone, under which the discrete ones are enumerated."""

import numpy as np

from .laws import Discrete
from .path import Path
from .source import Interval, Source

BRANCHES = 16  # discrete outcomes of one sample; where there are more, they are sampled too


class Numbers:
    """The continuous draws of one sample, by law and in order."""

    def __init__(self, seed):
        self.rng, self.drawn = np.random.default_rng(seed), {}

    def of(self, law, start, count):
        """Draws ``start``, ... of a law."""
        known = self.drawn.get(law.name)
        missing = start + count - (0 if known is None else len(known))
        if missing > 0:
            fresh = law.sample(self.rng, missing)
            self.drawn[law.name] = known = fresh if known is None else np.concatenate([known, fresh])
        return known[start : start + count]


class Random(Source):
    """Draws at random, from a seed or a generator; continuous ones may be given as `Numbers`."""

    def __init__(self, seed, numbers=None):
        super().__init__()
        self.rng, self.numbers = np.random.default_rng(seed), numbers

    def fresh(self, law, count):
        start = self.drawn.get(law.name, 0)
        self.count(law.name, count)
        if self.numbers is None or isinstance(law, Discrete):
            return law.sample(self.rng, count)
        return self.numbers.of(law, start, count)

    def interval(self):
        return Hidden(self, self.rng.random())

    def split(self, cell, edges):
        self.count("u < p", 1)
        return int(np.searchsorted(edges, cell.hidden, side="right")) - 1


class Hidden(Interval):
    """A cell that knows where it lies."""

    __slots__ = ("hidden",)

    def __init__(self, source, hidden):
        super().__init__(source)
        self.hidden = hidden


class GivenPath(Path):
    """A path whose continuous draws are `Numbers`, the same in all its branches."""

    def __init__(self, choices, numbers):
        super().__init__(choices, 1)
        self.numbers = numbers

    def fresh(self, law, count):
        if isinstance(law, Discrete):
            return super().fresh(law, count)
        start = self.drawn.get(law.name, 0)
        self.count(law.name, count)
        return self.numbers.of(law, start, count)


def given(once, numbers, limit=BRANCHES):
    """Each discrete outcome under given continuous draws, as a path and its row; None where there are too many."""
    found, choices = [], []
    while choices is not None:
        if len(found) == limit:
            return None
        path = GivenPath(choices, numbers)
        y = played(once, path)
        if not path.is_cut:
            found.append((path, y))
        choices = path.successor()
    return found


def played(once, path):
    """The row of a path; None where one that is cut fails."""
    try:
        return once(path)
    except Exception:
        if not path.is_cut:
            raise
        return None


def conditional(once, rng):
    """One sample of the continuous draws: the rows and weights of the discrete outcomes under it."""
    found = given(once, Numbers(rng))
    if found is None:
        return [once(Random(rng))], [1.0]
    return [y for _, y in found], [path.weight for path, _ in found]


def weighted_mean(rows, weights):
    """Σ w y / Σ w."""
    return np.asarray(weights) @ np.asarray(rows) / np.sum(weights)
