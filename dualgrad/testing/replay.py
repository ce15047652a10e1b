"""Replay: an Rng that plays every outcome of its draws in turn, with their probabilities."""

import math

import numpy as np

from ..backend import like as on_device
from ..errors import DualgradError
from ..random import Rng, as_name
from . import quadrature


class ReplayError(DualgradError, RuntimeError):
    """The run cannot be replayed: it draws randomness elsewhere, or keeps state from one call to the next.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> try:
    ...     testing.exact_moments(lambda rng: np.random.default_rng().random())
    ... except testing.ReplayError as error:
    ...     print(str(error)[:46])
    the run is not reproducible: with the same dra
    """


def require_reproducible(y, again):
    """Raise when two runs with the same draws differ by more than rounding, and say how."""
    if y.shape == again.shape:
        with np.errstate(invalid="ignore"):
            size = np.max(np.abs(y), initial=0, where=np.isfinite(y))
            off = ~((y == again) | (np.abs(y - again) <= 1e-9 * size) | (np.isnan(y) & np.isnan(again)))
        if not np.any(off):
            return
        k = int(np.argmax(off))
        differ = f"entry {k} is {y[k]:.6g} and then {again[k]:.6g}"
    else:
        differ = f"they have {y.size} and then {again.size} entries"
    raise ReplayError(
        f"the run is not reproducible: with the same draws from rng, {differ}. It draws randomness outside rng (take "
        "all of it from the Rng given), or it keeps state between runs (make that state anew inside run)"
    )


class Path:
    """Which branch every draw takes, how many it had to choose from, and how likely that was."""

    def __init__(self, choices, degree):
        self.choices, self.degree = list(choices), degree
        self.radices, self.draws, self.weight, self.places = [], [], 1.0, {}

    def take(self, stream, what, radix, count, weights):
        """Branches of ``count`` draws out of ``radix``; ``weights`` are their probabilities: a row for each, one
        row, or one number. What the stream drew before it was rewound, or under the same name, it draws again."""
        places = self.places.setdefault(stream.identity, [])
        known = places[stream.position : stream.position + count]
        if any(self.radices[k] != radix for k in known):
            raise ReplayError(
                f"after a rewound state, or from a name that was used, {what} was drawn where something else had been"
            )
        start, new = len(self.radices), count - len(known)
        self.choices += [0] * (start + new - len(self.choices))
        places += range(start, start + new)
        chosen = np.array([self.choices[k] for k in known] + self.choices[start : start + new], dtype=np.intp)
        if new:
            if np.ndim(weights):
                weights = np.broadcast_to(weights, (count, radix))[np.arange(count), chosen]
            self.weight *= float(np.prod(np.broadcast_to(weights, count)[count - new :]))
            self.radices += [radix] * new
            self.draws.append((what, radix, count))
        stream.position += count
        return chosen

    def successor(self):
        """The branches of the next outcome, or None after the last."""
        choices, radices = self.choices[: len(self.radices)], self.radices
        last = len(radices) - 1
        while last >= 0 and choices[last] == radices[last] - 1:
            last -= 1
        return None if last < 0 else [*choices[:last], choices[last] + 1]

    def outcomes(self):
        """How many there are if every branch draws as this one did."""
        return math.prod(self.radices)


class Stream(Rng):
    """A stream of draws that are not random, known by how it was spawned or named, and by its position."""

    def __init__(self, source, identity=()):
        self.source, self.identity, self.position, self.spawned = source, identity, 0, 0

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


class Replay(Stream):
    """Draws the branches of a `Path`, its source; an estimator cannot tell it from another Rng."""

    @property
    def generator(self):
        raise ReplayError("the run draws from rng.generator, which cannot be replayed: use the methods of dualgrad.Rng")

    def _take(self, what, radix, count, weights):
        return self.source.take(self, what, radix, count, weights)

    def _table(self, what, shape, values, weights):
        """Draws from a table of values, one row of it for every entry of the shape."""
        count = math.prod(shape)
        chosen = self._take(f"{what}{shape}", len(values), count, weights)
        return values[chosen].reshape(shape + values.shape[1:])

    def signs(self, shape, *, dtype=np.float64, like=None):
        drawn = self._table("signs", as_shape(shape), np.array([1, -1]), np.full(2, 0.5))
        return on_device(drawn.astype(dtype), like)

    def normal(self, shape=(), *, dtype=np.float64, like=None):
        return on_device(
            self._table("normal", as_shape(shape), *quadrature.normal(self.source.degree)).astype(dtype), like
        )

    def uniform(self, low=0.0, high=1.0, shape=(), *, dtype=np.float64, like=None):
        u = self._table("uniform", as_shape(shape), *quadrature.uniform(self.source.degree))
        return on_device((low + (high - low) * u).astype(dtype), like)

    def unit(self, shape, *, dtype=np.float64, like=None):
        *rows, dimension = as_shape(shape)
        drawn = self._table("unit", tuple(rows), *quadrature.sphere(dimension, self.source.degree))
        return on_device(drawn.astype(dtype), like)

    def bernoulli(self, p, shape=(), *, dtype=np.float64, like=None):
        shape = np.broadcast_shapes(np.shape(p), as_shape(shape))
        p = np.broadcast_to(p, shape).astype(np.float64).ravel()
        drawn, unsure = (p >= 1).astype(dtype), np.flatnonzero((p > 0) & (p < 1))
        weights = np.stack([1 - p[unsure], p[unsure]], -1)
        drawn[unsure] = self._take(f"bernoulli{shape}", 2, len(unsure), weights)
        return on_device(drawn.reshape(shape), like)

    def integers(self, low, high, shape=(), *, dtype=np.int64, like=None):
        radix = int(high) - int(low)
        chosen = self._take(f"integers({low}, {high}, {as_shape(shape)})", radix, math.prod(as_shape(shape)), 1 / radix)
        return on_device((int(low) + chosen).astype(dtype).reshape(as_shape(shape)), like)

    def permutation(self, n, *, like=None):
        left, order = list(range(n)), []
        while left:
            k = self._take(f"permutation({n})", len(left), 1, 1 / len(left))[0]
            order.append(left.pop(k))
        return on_device(np.array(order, dtype=np.int64), like)


def as_shape(shape):
    """The tuple of a shape that may be given as one number."""
    return tuple(map(int, shape)) if np.ndim(shape) else (int(shape),)
