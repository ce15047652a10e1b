"""PerGroup: a number for every group of parameters, which meets arrays as one number an entry."""

import operator

import numpy as np

SPREADS = 3  # vectors beside the newest


class Spread:
    """Where the groups are in a vector, and where in it an update is; it keeps the vectors that were made last."""

    def __init__(self, places, size):
        self.places, self.size, self.at, self.made = places, size, 0, {}

    def entries(self, values, like):
        """The numbers of the groups at the entries of ``like``, which begin where the update is."""
        vector = self.made.get(values)
        if vector is None or vector.dtype != like.dtype:
            oldest = self.made.pop(next(iter(self.made))) if len(self.made) > SPREADS else None
            vector = np.empty(self.size, like.dtype) if oldest is None or oldest.dtype != like.dtype else oldest
            for place, group in self.places:
                vector[place] = values[group]
            self.made[values] = vector
        return vector[self.at : self.at + like.size] if like.size < self.size else vector


class PerGroup:
    """Numbers, one a group: with numbers they make numbers, group by group, in Python's own arithmetic."""

    __slots__ = ("spread", "values")

    def __init__(self, values, spread):
        self.values, self.spread = tuple(values), spread

    def __bool__(self):
        return any(self.values)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """The ufunc of arrays, for which a number of every entry stands in the place of these."""
        like = next(x for x in inputs if x.__class__ is not PerGroup)
        found = [self.spread.entries(x.values, like) if x.__class__ is PerGroup else x for x in inputs]
        return getattr(ufunc, method)(*found, **kwargs)

    def _with(self, other, function):
        others = other.values if other.__class__ is PerGroup else (other,) * len(self.values)
        return PerGroup(map(function, self.values, others), self.spread)

    def __mul__(self, other):
        return self._with(other, operator.mul)

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self._with(other, operator.truediv)

    def __rsub__(self, other):
        return self._with(other, lambda a, b: b - a)
