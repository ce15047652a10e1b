"""ByShard: guesses for every example as units, a shard each: workers tell each other slopes of examples."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import numpy as np

from ...backend import Array
from ...errors import DualgradError
from ...random import Rng
from ...tree import Tree
from ...vectors import in_kind
from ..guessing import ActivationPerturbation
from ..point import Point
from .plan import Answer, Plan, Unit


class ByShard(Plan):
    """The first passes of a guess are shared, n numbers an example; every worker makes the second pass of all shards.

    For the update is made of the guesses, which can be drawn again, and of activations, which cannot.
    """

    estimator: ActivationPerturbation

    @property
    def parts(self) -> list[slice]:
        return [slice(0, self.estimator.n)]

    def passes(self) -> float:
        return self.estimator.n + 3.0

    def pushed(
        self, asks: Any, objective: Callable[[Any], Any], params: Tree, rng: Rng, step: int, units: Iterable[Unit]
    ) -> Iterator[Answer]:
        for _, shard in units:
            at = self._at(asks, objective, params, shard)
            value, slopes = self.estimator.slopes(at, rng.named("guesses", step, shard))
            yield Answer.of(value, slopes)

    def _at(self, asks, objective, params, shard):
        return Point(asks, self._loss_of(asks, objective, shard), params)

    def mean(self, answers: list[Answer]) -> tuple[Any, Array]:
        value = sum(one.loss for one in answers) / self.shards
        return np.dtype(answers[0].kind).type(value), np.concatenate([one.slopes for one in answers])

    def gradient(self, at: Point, slopes: Array, rng: Rng, step: int) -> Array:
        total, slopes = np.zeros_like(at.vector), in_kind(slopes, at.vector)
        for shard in range(self.shards):
            own = self._at(at.estimator, at.objective, at.params, shard)
            gradient, slopes = self.estimator.from_slopes(own, rng.named("guesses", step, shard), slopes)
            total += gradient
        return total / self.shards

    def make(self, *_: Any) -> NoReturn:
        raise DualgradError(f"a step of {self.estimator!r} cannot be made again without its data")
