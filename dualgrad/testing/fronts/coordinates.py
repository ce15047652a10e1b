"""Other cells: what is left of a uniform draw, stretched to [0, 1); -log of that; a shuffled deck; and plain numbers.

Each is cut and asked for its number as a `Interval` is. A draw asked for its number first as -log u takes a node of the
exponential law, as -log(-log u) one of Gumbel's.
"""

import numpy as np

from ..enumeration import laws


class Rest:
    """v of a draw u = start + (end - start) v that lies between the two; v falls as u grows where end < start."""

    __slots__ = ("cell", "end", "start")

    def __init__(self, cell, is_falling=False):
        self.cell = cell
        self.start, self.end = (cell.high, cell.low) if is_falling else (cell.low, cell.high)

    source = property(lambda self: self.cell.source)

    @property
    def is_whole(self):
        """Whether nothing more is known of it."""
        return self.cell.known is None and {self.cell.low, self.cell.high} == {self.start, self.end}

    def below(self, t):
        return self.part([t]) == 0

    def part(self, edges):
        ends = self._place(np.asarray(edges, np.float64))
        return self.cell.part(ends) if self.start < self.end else len(edges) - self.cell.part(ends[::-1])

    def number(self):
        return (self.cell.number() - self.start) / (self.end - self.start)

    def know(self, v):
        """From now on it is this number."""
        self.cell.known = float(self._place(v))

    def _place(self, v):
        return self.start + (self.end - self.start) * v


class MinusLog:
    """-log z of a draw z > 0: exponential if z is uniform on [0, 1), Gumbel if z is exponential."""

    __slots__ = ("law", "of", "value")

    def __init__(self, of):
        self.of, self.value = of, None
        self.law = laws.GUMBEL if isinstance(of, MinusLog) else laws.EXPONENTIAL

    source = property(lambda self: self.of.source)
    is_whole = property(lambda self: self.value is None and self.of.is_whole)

    def below(self, t):
        return self.part([t]) == 0

    def part(self, edges):
        with np.errstate(over="ignore"):
            ends = np.exp(-np.asarray(edges, np.float64))
        return len(edges) - self.of.part(ends[::-1])

    def number(self):
        if self.value is None:
            if self.is_whole:
                self.know(float(self.source.fresh(self.law, 1)[0]))
            else:
                self.value = -np.log(self.of.number())
        return self.value

    def know(self, value):
        self.value = value
        self.of.know(np.exp(-value))


class Bounded:
    """z / FAR of an exponential draw z, whose tail beyond is as rare as what is cut off a path."""

    FAR = 35.0
    __slots__ = ("of",)

    def __init__(self, of):
        self.of = of

    def part(self, edges):
        return self.of.part(self.FAR * np.asarray(edges, np.float64))


class Card:
    """A card of a shuffled deck: which one is drawn, out of those that are left, when it is turned."""

    __slots__ = ("draws", "left", "value")

    def __init__(self, left, draws):
        self.left, self.draws, self.value = left, draws, None

    def number(self):
        if self.value is None:
            self.value = self.left.pop(int(self.draws.take(laws.one_of(len(self.left)), 1)[0]))
        return self.value


class Constant:
    """A number among draws."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def below(self, t):
        return self.value < t

    def part(self, edges):
        return int(np.searchsorted(edges, self.value, side="right"))

    def number(self):
        return self.value
