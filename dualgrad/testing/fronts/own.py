"""The front of dualgrad's own numbers: an Rng that a program cannot tell from another."""

import numpy as np

from ...backend import like as on_device
from ...random import Rng, as_name, as_table
from ..enumeration import laws
from ..enumeration.source import ReplayError
from .front import Front
from .place import StreamPlace


class Replay(Rng):
    """A stream of draws from a `Source`, known by how it was spawned or named, and by its position."""

    def __init__(self, at, generator=None):
        self.at, self._generator = at, generator

    @property
    def generator(self):
        if self._generator is None:
            raise ReplayError(
                "the run draws from rng.generator, which cannot be replayed: use the methods of dualgrad.Rng"
            )
        return self._generator

    def spawn(self, n):
        return [type(self)(place) for place in self.at.spawn(n)]

    def named(self, *keys):
        return type(self)(self.at.child(("named", *as_name(keys))))

    def state_dict(self):
        return self.at.state

    def load_state_dict(self, state):
        self.at.state = state

    place, rewind = state_dict, load_state_dict

    def signs(self, shape, *, dtype=np.float64, like=None):
        return on_device(self.at.take(laws.SIGNS, as_shape(shape)).astype(dtype), like)

    def normal(self, shape=(), *, dtype=np.float64, like=None):
        return on_device(self.at.take(laws.NORMAL, as_shape(shape)).astype(dtype), like)

    def uniform(self, low=0.0, high=1.0, shape=(), *, dtype=np.float64, like=None):
        u = low + np.subtract(high, low) * self.at.uniform(as_shape(shape))
        return u.astype(dtype) if like is None else on_device(np.asarray(u).astype(dtype), like)

    def unit(self, shape, *, dtype=np.float64, like=None):
        *rows, dimension = as_shape(shape)
        return on_device(self.at.take(laws.unit(dimension), tuple(rows)).astype(dtype), like)

    def bernoulli(self, p, shape=(), *, dtype=np.float64, like=None):
        drawn = self.at.uniform(np.broadcast_shapes(np.shape(p), as_shape(shape))) < p
        return on_device(np.asarray(drawn).astype(dtype), like)

    def draw(self, values, probabilities, shape=(), *, like=None):
        values, probabilities = as_table(values, probabilities)
        edges = np.cumsum(probabilities)[:-1]
        return on_device(values[self.at.uniform(as_shape(shape)).reached(lambda _: edges)], like)

    def integers(self, low, high, shape=(), *, dtype=np.int64, like=None):
        drawn = self.at.take(laws.integers(int(low), int(high)), as_shape(shape))
        return on_device(drawn.astype(dtype), like)

    def permutation(self, n, *, like=None):
        left, order = list(range(n)), []
        while left:
            order.append(left.pop(int(self.at.take(laws.one_of(len(left)), ())[()])))
        return on_device(np.array(order, dtype=np.int64), like)


def as_shape(shape):
    """The tuple of a shape that may be given as one number."""
    return tuple(map(int, shape)) if np.ndim(shape) else (int(shape),)


class Own(Front):
    """``run(rng)`` with a `dualgrad.Rng`."""

    name, takes = "dualgrad", "rng"

    def arguments(self, source):
        return (Replay(StreamPlace(source)),)
