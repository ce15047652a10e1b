"""The front of dualgrad's own numbers: an Rng that a program cannot tell from another."""

import math

import numpy as np

from ...backend import like as on_device
from ...random import Rng, as_name, as_table
from ..enumeration import laws
from ..enumeration.source import ReplayError
from .front import Front
from .lazy import LazyUniform


class Replay(Rng):
    """A stream of draws from a `Source`, known by how it was spawned or named, and by its position."""

    def __init__(self, source, identity=()):
        self.source, self.identity, self.position, self.spawned = source, identity, 0, 0

    @property
    def generator(self):
        raise ReplayError("the run draws from rng.generator, which cannot be replayed: use the methods of dualgrad.Rng")

    def spawn(self, n):
        first, self.spawned = self.spawned, self.spawned + n
        return [type(self)(self.source, (*self.identity, (k,))) for k in range(first, self.spawned)]

    def named(self, *keys):
        return type(self)(self.source, (*self.identity, ("named", *as_name(keys))))

    def state_dict(self):
        return {"bit_generator": type(self).__name__, "identity": self.identity, "position": self.position,
                "spawned": self.spawned}  # fmt: skip

    def load_state_dict(self, state):
        self.identity, self.position, self.spawned = state["identity"], state["position"], state["spawned"]

    place, rewind = state_dict, load_state_dict

    def _take(self, law, shape):
        count = math.prod(shape)
        self.position += count
        drawn = self.source.take(self.identity, self.position - count, law, count)
        return drawn.reshape(shape + drawn.shape[1:])

    def _cells(self, shape):
        count = math.prod(shape)
        self.position += count
        return self.source.cells(self.identity, self.position - count, count)

    def signs(self, shape, *, dtype=np.float64, like=None):
        return on_device(self._take(laws.SIGNS, as_shape(shape)).astype(dtype), like)

    def normal(self, shape=(), *, dtype=np.float64, like=None):
        return on_device(self._take(laws.NORMAL, as_shape(shape)).astype(dtype), like)

    def uniform(self, low=0.0, high=1.0, shape=(), *, dtype=np.float64, like=None):
        shape = as_shape(shape)
        u = low + np.subtract(high, low) * LazyUniform.of(self._cells(shape), shape)
        return u.astype(dtype) if like is None else on_device(np.asarray(u).astype(dtype), like)

    def unit(self, shape, *, dtype=np.float64, like=None):
        *rows, dimension = as_shape(shape)
        return on_device(self._take(laws.unit(dimension), tuple(rows)).astype(dtype), like)

    def bernoulli(self, p, shape=(), *, dtype=np.float64, like=None):
        shape = np.broadcast_shapes(np.shape(p), as_shape(shape))
        ps = np.broadcast_to(p, shape).ravel()
        drawn = [cell.below(float(q)) for cell, q in zip(self._cells(shape), ps, strict=True)]
        return on_device(np.array(drawn).reshape(shape).astype(dtype), like)

    def draw(self, values, probabilities, shape=(), *, like=None):
        values, probabilities = as_table(values, probabilities)
        edges, shape = np.cumsum(probabilities)[:-1], as_shape(shape)
        chosen = np.array([cell.part(edges) for cell in self._cells(shape)], np.intp).reshape(shape)
        return on_device(values[chosen], like)

    def integers(self, low, high, shape=(), *, dtype=np.int64, like=None):
        drawn = self._take(laws.integers(int(low), int(high)), as_shape(shape))
        return on_device(drawn.astype(dtype), like)

    def permutation(self, n, *, like=None):
        left, order = list(range(n)), []
        while left:
            order.append(left.pop(int(self._take(laws.place(len(left)), ())[()])))
        return on_device(np.array(order, dtype=np.int64), like)


def as_shape(shape):
    """The tuple of a shape that may be given as one number."""
    return tuple(map(int, shape)) if np.ndim(shape) else (int(shape),)


class Own(Front):
    """``run(rng)`` with a `dualgrad.Rng`."""

    name = "dualgrad"

    def arguments(self, source):
        return (Replay(source),)
