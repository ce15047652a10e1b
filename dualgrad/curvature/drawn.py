"""Random directions in the place of coordinates: any v with E vvᵀ = I gives tr H = E vᵀ H v."""

import math
from typing import Any, NamedTuple

import numpy as np

from ..backend import like as on_device
from ..checks import positive_count
from ..directions.base import Direction, as_direction, require_direction
from ..dual import primal
from ..random import Rng, as_rng
from .passes import shape_of_result


class Drawing(NamedTuple):
    """What n directions are drawn from, at every call the next ones."""

    directions: Any
    n: int
    rng: Rng

    def along(self, x, axis):
        """n directions of x of which the sum of vvᵀ is the identity in the mean."""
        return self.as_drawn(x, axis) * self._scale(x, x.size if axis is None else x.shape[axis])

    def as_drawn(self, x, axis):
        """n directions of x, for every example its own."""
        if axis is None:
            return self._rows(x, x.size, 1).reshape(self.n, *x.shape)
        rest = shape_of_result(x, axis)
        rows = self._rows(x, x.shape[axis], math.prod(rest))
        return np.moveaxis(rows.reshape(self.n, *rest, x.shape[axis]), -1, axis % x.ndim + 1)

    def mixed(self, columns, x, axis):
        """n directions σ v, for the columns of σ as directions of x."""
        columns = columns * self._scale(x, len(columns))
        if axis is None:
            return np.tensordot(self._rows(x, len(columns), 1)[:, 0], columns, 1)
        rest = shape_of_result(x, axis)
        v = self._rows(x, len(columns), math.prod(rest)).reshape(self.n, *rest, len(columns))
        return np.einsum("k...r,r...->k...", np.expand_dims(v, axis % x.ndim + 1), columns)

    def _rows(self, x, size, examples):
        """Rows as they are drawn, ``(n, examples, size)``."""
        if not size * examples:
            return np.zeros((self.n, examples, size), x.dtype)
        at_once = examples if self.directions.apart else 1
        draw = lambda: self.directions.sample(np.zeros(size, x.dtype), rng=self.rng, n=self.n * at_once)  # noqa: E731
        found = [draw().reshape(at_once, self.n, size) for _ in range(examples // at_once)]
        return on_device(np.moveaxis(np.concatenate(found), 0, 1), primal(x))

    def _scale(self, x, size):
        return x.dtype.type(1 / math.sqrt(_identities(self.directions, self.n, size)) if size else 1)


def drawing(name, directions, n, rng):
    """The keywords of a randomised operator, checked; None where there are none."""
    if directions is None:
        if n is not None or rng is not None:
            given = "n=" if n is not None else "rng="
            raise ValueError(f"{name} got {given} and no directions=, such as dg.directions.Rademacher()")
        return None
    if rng is None:
        raise ValueError(f"{name} got directions= without rng=: give a seed or a dg.Rng")
    directions = as_direction(require_direction("directions", directions))
    return Drawing(directions, positive_count("n", 1 if n is None else n), as_rng(rng))


def _identities(directions, n, size):
    """c, where E Σ vᵢvᵢᵀ = c I for n directions; n of one that does not say."""
    g = np.arange(1.0, size + 1)
    try:
        share = directions.sum_moments(g, n)[0] / g
    except NotImplementedError:
        return n
    if type(directions).finish is not Direction.finish or not np.allclose(share, share[0], rtol=1e-9):
        raise ValueError(f"got directions={directions!r}, of which E vvᵀ is no multiple of the identity")
    return float(share[0])
