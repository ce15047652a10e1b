"""StreamPlace: where a generator stands in a stream of draws."""

import math
import weakref

from ..enumeration.source import ReplayError
from .lazy import LazyUniform

SOURCES = weakref.WeakValueDictionary()  # by number, for generators that are pickled and read again


class StreamPlace:
    """The name of a stream, a tuple; the position in it; and how many children it has."""

    def __init__(self, source, stream=(), position=0, spawned=0):
        self.source, self.stream, self.position, self.spawned = source, stream, position, spawned

    def ahead(self, count):
        """The position, from which so many draws are made."""
        self.position += count
        return self.position - count

    def take(self, law, shape=()):
        count = math.prod(shape)
        drawn = self.source.take(self.stream, self.ahead(count), law, count)
        return drawn.reshape(shape + drawn.shape[1:])

    def uniform(self, shape=()):
        count = math.prod(shape)
        return LazyUniform.of(self.source.intervals(self.stream, self.ahead(count), count), shape)

    def spawn(self, n):
        first, self.spawned = self.spawned, self.spawned + n
        return [self.child((k,)) for k in range(first, self.spawned)]

    def child(self, name):
        return StreamPlace(self.source, (*self.stream, name))

    def copy(self):
        return StreamPlace(self.source, self.stream, self.position, self.spawned)

    @property
    def state(self):
        return {"bit_generator": "Replay", "stream": self.stream, "position": self.position, "spawned": self.spawned}

    @state.setter
    def state(self, state):
        self.stream, self.position, self.spawned = state["stream"], state["position"], state["spawned"]

    def __reduce__(self):
        SOURCES[id(self.source)] = self.source
        return _read, (id(self.source), self.stream, self.position, self.spawned)


def _read(number, *where):
    """The place that was pickled in this run."""
    if number not in SOURCES:
        raise ReplayError("a generator was pickled in a run and read outside it, which is not modelled")
    return StreamPlace(SOURCES[number], *where)
