"""Sums: gradients summed by name, in one vector."""

from ...scratch import empty_like


class Sums:
    """The gradients of parameters w, of a layout, by name; the first of a name may be written in its place.

    Other names have no sum.
    """

    def __init__(self, layout, w):
        self.vector, self.seen = empty_like(w), set()
        self.places = layout.views(self.vector)

    def place(self, name):
        """Where the first gradient of a name may be written; None where there is one already."""
        return None if name in self.seen else self.places.get(name)

    def add(self, name, g):
        """Add to the sum of a name; a g that was written in its place is there."""
        if name not in self.places:
            return
        if name in self.seen:
            self.places[name][...] += g
        elif g is not self.places[name]:
            self.places[name][...] = g
        self.seen.add(name)

    def total(self):
        """The vector, zero for names that were never added to."""
        for name, place in self.places.items():
            if name not in self.seen:
                place[...] = 0
        return self.vector
