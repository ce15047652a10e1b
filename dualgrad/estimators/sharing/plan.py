"""Plan: a step as a fixed set of units, chunks of directions times shards of data, whoever does them."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ...backend import Array, to_numpy
from ...directions.base import as_direction
from ...directions.parts import knows_parts
from ...directions.rows import FactorRows, Rows
from ...errors import DualgradError
from ...nn.objective import BoundObjective
from ...random import Rng
from ...scratch import empty_like
from ...settings import plain_data
from ...tree import Tree
from ...vectors import in_kind
from ..directional import Directional
from ..point import Point


class Unit(NamedTuple):
    """A chunk of the directions on a shard of the data."""

    chunk: int
    shard: int


class Answer(NamedTuple):
    """What a unit is known by: the loss of its shard, its dtype, and the slopes along its directions as float64."""

    loss: float
    kind: str
    slopes: Array

    @staticmethod
    def of(value: Any, slopes: Any) -> "Answer":
        """The answer of a loss, and of slopes, wherever they are."""
        kind = getattr(value, "dtype", np.dtype(float))
        kind = str(kind) if kind.kind == "f" else "float64"
        return Answer(float(to_numpy(value)), kind, np.array(to_numpy(slopes), np.float64).reshape(-1))

    def packed(self) -> tuple[str, bytes]:
        """What is sent of it."""
        return self.kind, np.array([self.loss, *self.slopes]).tobytes()

    @staticmethod
    def unpacked(kind: str, data: bytes) -> "Answer":
        """What was sent."""
        loss, *_ = numbers = np.frombuffer(data)
        return Answer(float(loss), kind, numbers[1:])


class Plan:
    """Which units a step has, what is done in each, and what all of them make together.

    Parameters
    ----------
    estimator : Directional
    shards, chunk : int
        Parts of the data, and directions of a unit.
    exact : bool
        Whether sums are made without BLAS.
    """

    by_optimizer: bool = True  # whether it is an optimizer that makes the step

    def __init__(self, estimator: Directional, shards: int, chunk: int, exact: bool) -> None:
        self.estimator, self.shards, self.chunk, self.exact = estimator, shards, chunk, exact

    @property
    def parts(self) -> list[slice]:
        """The directions of every chunk."""
        n = self.estimator.n
        return [slice(start, min(start + self.chunk, n)) for start in range(0, n, self.chunk)]

    @property
    def numbers(self) -> int:
        """How many numbers a step is known by."""
        return self.estimator.n

    @property
    def units(self) -> list[Unit]:
        """All units, in the order in which they are dealt and added up."""
        return [Unit(*pair) for pair in itertools.product(range(len(self.parts)), range(self.shards))]

    def directions(self, at: Point, rng: Rng, step: int, chunk: int) -> Rows | FactorRows:
        """The directions of a chunk, from a stream of its own; or these of all, where they belong together."""
        own, n, part = self.estimator.directions, self.estimator.n, self.parts[chunk]
        if as_direction(own).apart and knows_parts(type(as_direction(own))):
            return at.rows(own, part.stop - part.start, rng.named("directions", step, chunk))
        return at.rows(own, n, rng.named("directions", step), part)

    def passes(self) -> float:
        """What all units cost, in forward passes over all shards."""
        return self.estimator.passes(len(self.parts))

    # ------------------------------------------------------------------ a unit

    def packed(
        self, asks: Any, objective: Callable[[Any], Any], params: Tree, rng: Rng, step: int, units: Iterable[Unit]
    ) -> list[tuple[str, bytes]]:
        """The answers of some units, to be sent."""
        before = plain_data(rng.state_dict())
        answers = [answer.packed() for answer in self.pushed(asks, objective, params, rng, step, units)]
        if plain_data(rng.state_dict()) != before:
            raise DualgradError(
                f"{asks!r}: the objective drew from the stream that all workers share, of which each evaluates a part: "
                "give it one of its own, rng.named('dropout', step, shard)"
            )
        return answers

    def pushed(
        self, asks: Any, objective: Callable[[Any], Any], params: Tree, rng: Rng, step: int, units: Iterable[Unit]
    ) -> Iterator[Answer]:
        """The answers of some units; ``asks`` is named in errors."""
        points: dict[int, Point] = {}
        drawn = None, None
        for chunk, shard in units:
            if shard not in points:
                points[shard] = Point(asks, self._loss_of(asks, objective, shard), params)
            if drawn[0] != chunk:
                drawn = chunk, self.directions(points[shard], rng, step, chunk)
            yield Answer.of(*self.estimator.slopes(points[shard], drawn[1]))

    def _loss_of(self, asks, objective, shard):
        """The loss of a shard."""
        if self.shards == 1:
            return objective
        loss = objective if isinstance(objective, BoundObjective) else objective(shard)
        if not callable(loss) or loss is objective:
            raise TypeError(
                f"{asks!r}: objective({shard}) gave {loss!r:.60}; expected the loss of that shard, a function of the "
                "parameters: lambda shard: objective.bind(*load(step, shard))"
            )
        if isinstance(loss, BoundObjective) and loss.is_weighted():
            raise DualgradError(
                f"{asks!r} takes the mean over shards, which is not that over all examples where these have weights, a "
                f"weight per class or an ignored target, as those of shard {shard}: take loss.using(reduction='sum') "
                "and weights=weights * shards / total, where total is what the examples of all shards weigh"
            )
        return loss

    # ------------------------------------------------------------------ all units together

    def mean(self, answers: list[Answer]) -> tuple[Any, Array]:
        """The loss, and the slopes along all n directions, from the answers of all units: means over the shards."""
        value, slopes, n = 0.0, [], self.estimator.n
        if self.estimator.value_is_loss:
            self._require_one_loss(answers)
        for chunk, part in enumerate(self.parts):
            some = answers[chunk * self.shards : (chunk + 1) * self.shards]
            slopes.append(sum(one.slopes for one in some) / self.shards)
            value += sum(one.loss for one in some) / self.shards * (part.stop - part.start) / n
        return np.dtype(answers[0].kind).type(value), np.concatenate(slopes)

    def _require_one_loss(self, answers):
        """Raise where a shard has another loss with every chunk: then it would depend on who is asked first."""
        for shard in range(self.shards):
            losses = [answer.loss for answer in answers[shard :: self.shards]]
            spread = max(losses) - min(losses)
            if spread > np.finfo(answers[0].kind).eps ** 0.5 * max(map(abs, losses)):
                raise DualgradError(
                    f"the loss of shard {shard} is {min(losses)} with one chunk of directions and {max(losses)} with "
                    "another: an objective that draws gets a stream by name, rng.named('dropout', step, shard), and no "
                    "data that move on"
                )

    def gradient(self, at: Point, slopes: Array, rng: Rng, step: int) -> Array:
        """ĝ from the slopes: the directions drawn again, chunk by chunk, and added up in this order."""
        estimator, total = self.estimator, empty_like(at.vector)
        total[...] = 0
        for chunk, part in enumerate(self.parts):
            V = estimator.taken(at, self.directions(at, rng, step, chunk))
            along = in_kind(slopes[part], at.vector)
            weights = estimator.weights(along if len(V) > 1 else along[0], V, at.layout, at.vector)
            V.add_to(total, weights, self.exact)
        gradient = estimator.finished(total, at.layout, at.vector)
        estimator.remember(gradient, at.layout)
        return gradient

    def make(self, at: Point, numbers: Array, rng: Rng, step: int, optimizer: Any) -> None:
        """The step of an optimizer that these slopes belong to."""
        optimizer.step(at.params, at.layout.tree(at.like(self.gradient(at, numbers, rng, step))))
