"""Blend: several groups of a vector stepped at once, by the same formula with one number an entry where they differ."""

import numpy as np

from .blockwise import blocks


class Blend:
    """Where the groups are in what moves of a vector, ``[(start, stop, group), ...]`` in order, and what was made last.

    A row is what stands in the formula of a group beside the arrays; `Optimizer._row` says what is in it.
    """

    def __init__(self, spans):
        self.spans, self.known = spans, {}

    def __reduce__(self):
        return Blend, (self.spans,)

    def sweep(self, optimizer, rows, at, *arrays):
        """The step of the optimizer with a row for every group; the arrays begin at ``at`` in the vector."""
        for block in blocks(*arrays):
            optimizer._apply(self._row(rows, at, block[0]), *block)
            at += block[0].size

    def _row(self, rows, at, w):
        """The row for a block: that of its only group, or one in which arrays stand where groups differ."""
        key = at, w.size, w.itemsize
        mixed = self.known.get(key)
        if mixed is None:
            stop = at + w.size
            places = [(slice(max(a, at) - at, min(b, stop) - at), k) for a, b, k in self.spans if a < stop and b > at]
            groups = {group for _, group in places}
            mixed = self.known[key] = Mixed(places, w) if len(groups) > 1 else min(groups, default=0)
        return rows[mixed] if mixed.__class__ is int else mixed.row(rows)


class Mixed:
    """A block of several groups: the numbers of their rows in the last step, and what stood for them."""

    def __init__(self, places, w):
        sizes = {group: sum(place.stop - place.start for place, own in places if own == group) for _, group in places}
        self.widest = max(sizes, key=sizes.get)
        self.places = [(place, group) for place, group in places if group != self.widest]
        self.size, self.dtype = w.size, w.dtype
        self.values, self.found, self.arrays = (), [], {}

    def row(self, rows):
        """The numbers that all have, and arrays of the others."""
        columns = list(zip(*rows, strict=True))
        if columns == self.values:
            return self.found
        if not self.values:
            self.values, self.found = [None] * len(columns), [None] * len(columns)
        for k, values in enumerate(columns):
            if values != self.values[k]:
                same = values.count(values[0]) == len(values)
                self.found[k] = values[0] if same else self._spread(k, values)
        self.values = columns
        return self.found

    def _spread(self, k, values):
        """A number of every group as one of every entry: that of the widest everywhere, then those of the others."""
        if k not in self.arrays:
            vector = np.empty(self.size, self.dtype)
            self.arrays[k] = vector, [(vector[place], group) for place, group in self.places], [None]
        vector, parts, widest = self.arrays[k]
        if widest[0] != values[self.widest]:
            widest[0] = values[self.widest]
            vector.fill(widest[0])
        for part, group in parts:
            part.fill(values[group])
        return vector
