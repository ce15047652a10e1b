"""InPlace: MeZO's step as units: the parameters are moved where they lie, and put back from a copy."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ...backend import Array
from ...random import Rng
from ...tree import Tree
from ..differences import quotient
from ..mezo import MeZO, movable
from ..point import Point
from ..step_size import coarse
from .plan import Answer, Plan, Unit


class InPlace(Plan):
    """The units of a step that moves the parameters themselves; its numbers are the slopes, and the rate.

    They are put back from a copy: adding and taking away rounds, and each worker does it along other directions.
    """

    estimator: MeZO

    @property
    def numbers(self) -> int:
        return self.estimator.n + 1

    def pushed(
        self, asks: Any, objective: Callable[[Any], Any], params: Tree, rng: Rng, step: int, units: Iterable[Unit]
    ) -> Iterator[Answer]:
        mezo, vectors, few = self.estimator, movable(params), coarse(self.estimator, params)
        kept = [w.copy() for w in vectors]

        def put_back():
            for w, old in zip(vectors, kept, strict=True):
                w[...] = old

        try:
            for chunk, some in itertools.groupby(units, lambda unit: unit.chunk):
                points = [Point(asks, self._loss_of(asks, objective, unit.shard), params) for unit in some]
                losses = []
                for stream, start in self._starts(rng, step, chunk):
                    if few:
                        mezo._require_moved(vectors, stream, start)
                    for away in (mezo.eps, -2 * mezo.eps):
                        mezo._move(vectors, away, stream, start)
                        losses.append([at.value() for at in points])
                    put_back()
                for some_losses in zip(*losses, strict=True):
                    yield self._row(some_losses)
        finally:
            put_back()

    def _starts(self, rng, step, chunk):
        """The stream of a chunk, and where in it each direction begins: after the one before."""
        stream, part = rng.named("directions", step, chunk), self.parts[chunk]
        for _ in range(part.start, part.stop):
            yield stream, stream.place()

    def _row(self, losses):
        """The row of a unit, of the losses above and below along each direction."""
        pairs = zip(losses[::2], losses[1::2], strict=True)
        slopes = [quotient(above, below, 2 * self.estimator.eps) for above, below in pairs]
        return Answer.of(sum(losses) / len(losses), np.array(slopes))

    def make(self, at: Point, numbers: Array, rng: Rng, step: int, optimizer: None) -> None:
        """Move the parameters against the slopes, at a rate, which is the last of the numbers."""
        *slopes, lr = map(float, numbers)
        mezo, vectors, few = self.estimator, movable(at.params), coarse(self.estimator, at.params)
        for chunk, part in enumerate(self.parts):
            for slope, (stream, start) in zip(slopes[part], self._starts(rng, step, chunk), strict=True):
                mezo._move(vectors, -lr * slope / mezo.n, stream, start, few)
