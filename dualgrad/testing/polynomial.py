"""Of what degree a run is in its continuous draws: whether nodes integrate it exactly."""

import math

import numpy as np

from ..backend import like as on_device
from ..random import Rng
from .replay import Stream, as_shape, require_reproducible
from .report import row

DRAWS = 12  # continuous draws that are looked at; more are sampled
NOISE = 1e-9


def highest_degree(run, degree):
    """The highest degree of ``run`` found in a normal, uniform or unit draw; degree + 1 stands for more than degree."""
    line = _Line(0)
    y, again = line.at(run, None), line.at(run, None)
    require_reproducible(y, again)
    count = len(line.draws)
    if not count:
        return 0
    chosen = range(count) if count <= DRAWS else np.linspace(0, count - 1, DRAWS).astype(int)
    return max(_degree(run, seed, int(draw), degree) for seed, draw in enumerate(chosen))


def _degree(run, seed, draw, degree):
    """Along one draw: of the interpolating polynomial, or on a circle of a sphere, of the Fourier series."""
    line = _Line(seed, draw)
    line.at(run, None)
    if line.on_circle:
        ts = 2 * np.pi * np.arange(2 * degree + 5) / (2 * degree + 5)
    else:
        ts = np.cos(np.pi * (np.arange(degree + 3) + 0.5) / (degree + 3))
    ys = [line.at(run, t) for t in ts]
    if len({y.shape for y in ys}) > 1 or not np.all(np.isfinite(ys)):
        return degree + 1
    if line.on_circle:
        size = np.abs(np.fft.fft(ys, axis=0))[: degree + 3]
    else:
        size = np.abs(np.linalg.solve(np.polynomial.chebyshev.chebvander(ts, degree + 2), np.array(ys)))
    size = np.max(size, axis=1, initial=0)
    there = np.flatnonzero(size > NOISE * np.max(size))
    return min(int(there[-1]) if len(there) else 0, degree + 1)


class _Line:
    """A seed, and one continuous draw that moves: a number over an interval, a unit vector around a circle.

    A draw is known by its stream and the position in it, so that one that a run draws twice moves both times.
    """

    def __init__(self, seed, draw=None):
        self.seed, self.draw, self.t, self.on_circle, self.draws = seed, draw, None, False, {}

    def at(self, run, t):
        """The result with the draw moved to t; None leaves it where it is."""
        self.t, self.draws = t, {}
        return row(run(_Along(self)))

    def moved(self, place, drawn, move):
        """One draw, or where it is the one that moves, what takes its place."""
        if self.draws.setdefault(place, len(self.draws)) != self.draw:
            return drawn
        self.on_circle = move is _around
        return drawn if self.t is None else move(drawn, self.t)


class _Along(Stream):
    """A stream of a `_Line`, its source."""

    def __init__(self, source, identity=()):
        super().__init__(source, identity)
        root = Rng(source.seed)
        self.generator = (root.named(repr(identity)) if identity else root).generator

    def _moved(self, drawn, move):
        """The draws, a row of entries, with the one that moves in its place."""
        for k, one in enumerate(drawn):
            drawn[k] = self.source.moved((self.identity, self.position + k), one, move)
        self.position += len(drawn)
        return drawn

    def normal(self, shape=(), *, dtype=np.float64, like=None):
        drawn = self._moved(self.generator.standard_normal(math.prod(as_shape(shape))), lambda x, t: 2.5 * t)
        return on_device(drawn.reshape(as_shape(shape)).astype(dtype), like)

    def uniform(self, low=0.0, high=1.0, shape=(), *, dtype=np.float64, like=None):
        u = self._moved(self.generator.random(math.prod(as_shape(shape))), lambda x, t: (1 + t) / 2)
        return on_device((low + (high - low) * u.reshape(as_shape(shape))).astype(dtype), like)

    def unit(self, shape, *, dtype=np.float64, like=None):
        *rows, dimension = as_shape(shape)
        drawn = self.generator.standard_normal((math.prod(rows), dimension))
        drawn = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
        if dimension > 1:  # in one dimension there are two points, and no circle
            drawn = self._moved(drawn, _around)
        return on_device(drawn.reshape(*rows, dimension).astype(dtype), like)

    def state_dict(self):
        return super().state_dict() | {"place": self.generator.bit_generator.state}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.generator.bit_generator.state = state["place"]


def _around(x, t):
    """The point x of a sphere turned by the angle t, in a plane through x."""
    other = np.roll(x, 1) * np.linspace(1, 2, len(x)) + 0.1
    other -= (other @ x) * x
    return np.cos(t) * x + np.sin(t) * other / np.linalg.norm(other)
