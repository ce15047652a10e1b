"""Replay: an Rng that plays every outcome of its draws in turn, with their probabilities."""

import math

import numpy as np

from ..backend import like as on_device
from ..errors import DualgradError
from ..random import Rng
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


def require_same(y, again):
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
        self.radices, self.draws, self.position, self.weight = [], [], 0, 1.0

    def take(self, what, radix, count, weights):
        """Branches of ``count`` draws out of ``radix``; ``weights`` are their probabilities: a row for each, one
        row, or one number."""
        start, end = self.position, self.position + count
        self.choices += [0] * (end - len(self.choices))
        chosen = np.array(self.choices[start:end], dtype=np.intp)
        known = len(self.radices) - start
        if known > 0 and self.radices[start:end] != [radix] * min(known, count):
            raise ReplayError(f"after a rewound state, {what} was drawn where something else had been")
        if known < count:
            new = slice(max(known, 0), None)
            if np.ndim(weights):
                weights = np.broadcast_to(weights, (count, radix))[np.arange(count), chosen]
            self.weight *= float(np.prod(np.broadcast_to(weights, count)[new]))
            self.radices += [radix] * (count - max(known, 0))
            self.draws.append((what, radix, count))
        self.position = end
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


class Replay(Rng):
    """Draws the branches of a `Path`; an estimator cannot tell it from another Rng."""

    def __init__(self, path):
        self.path = path

    @property
    def generator(self):
        raise ReplayError("the run draws from rng.generator, which cannot be replayed: use the methods of dualgrad.Rng")

    def _table(self, what, shape, values, weights):
        """Draws from a table of values, one row of it for every entry of the shape."""
        count = math.prod(shape)
        chosen = self.path.take(f"{what}{shape}", len(values), count, weights)
        return values[chosen].reshape(shape + values.shape[1:])

    def signs(self, shape, *, dtype=np.float64, like=None):
        drawn = self._table("signs", as_shape(shape), np.array([1, -1]), np.full(2, 0.5))
        return on_device(drawn.astype(dtype), like)

    def normal(self, shape=(), *, dtype=np.float64, like=None):
        return on_device(
            self._table("normal", as_shape(shape), *quadrature.normal(self.path.degree)).astype(dtype), like
        )

    def uniform(self, low=0.0, high=1.0, shape=(), *, dtype=np.float64, like=None):
        u = self._table("uniform", as_shape(shape), *quadrature.uniform(self.path.degree))
        return on_device((low + (high - low) * u).astype(dtype), like)

    def unit(self, shape, *, dtype=np.float64, like=None):
        *rows, dimension = as_shape(shape)
        drawn = self._table("unit", tuple(rows), *quadrature.sphere(dimension, self.path.degree))
        return on_device(drawn.astype(dtype), like)

    def bernoulli(self, p, shape=(), *, dtype=np.float64, like=None):
        shape = np.broadcast_shapes(np.shape(p), as_shape(shape))
        p = np.broadcast_to(p, shape).astype(np.float64).ravel()
        drawn, unsure = (p >= 1).astype(dtype), np.flatnonzero((p > 0) & (p < 1))
        weights = np.stack([1 - p[unsure], p[unsure]], -1)
        drawn[unsure] = self.path.take(f"bernoulli{shape}", 2, len(unsure), weights)
        return on_device(drawn.reshape(shape), like)

    def integers(self, low, high, shape=(), *, dtype=np.int64, like=None):
        radix = int(high) - int(low)
        chosen = self.path.take(
            f"integers({low}, {high}, {as_shape(shape)})", radix, math.prod(as_shape(shape)), 1 / radix
        )
        return on_device((int(low) + chosen).astype(dtype).reshape(as_shape(shape)), like)

    def permutation(self, n, *, like=None):
        left, order = list(range(n)), []
        while left:
            k = self.path.take(f"permutation({n})", len(left), 1, 1 / len(left))[0]
            order.append(left.pop(k))
        return on_device(np.array(order, dtype=np.int64), like)

    def spawn(self, n):
        return [Replay(self.path) for _ in range(n)]

    def state_dict(self):
        return {"bit_generator": "Replay", "position": self.path.position}

    def load_state_dict(self, state):
        self.path.position = state["position"]


def as_shape(shape):
    """The tuple of a shape that may be given as one number."""
    return tuple(map(int, shape)) if np.ndim(shape) else (int(shape),)
