"""Moving: those parameters that are not frozen, and an objective as a function of them alone."""

import fnmatch
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import LayoutError
from ..nn.containers import Sequential
from ..nn.layer import with_buffers
from ..nn.objective import BoundObjective
from ..optim.groups import names_of
from ..params import Params
from ..tree import Tree, flatten, is_container, rebuild
from ..vectors import side_by_side
from ..zero import ZERO


class Moving:
    """The parameters that move: Params of Params, of another tree a dict of its leaves by name.

    Parameters
    ----------
    estimator : named in errors
    params : Params, or tree of arrays
    frozen : str, or several
        Names of the others, or patterns of them, as `fnmatch.fnmatchcase` has them; of a tree the keys with dots
        between.

    Attributes
    ----------
    whole : all parameters
    names : of those that move
    params : these alone: a view of the vector of Params where they are neighbours, otherwise a copy
    """

    whole: Tree
    names: tuple[str, ...]
    params: Any

    def __init__(self, estimator: Any, params: Tree, frozen: str | Iterable[str]) -> None:
        if not isinstance(params, Params) and not is_container(params):
            raise LayoutError(
                f"{estimator!r}: got frozen={frozen!r} for a {type(params).__name__}, whose entries have no names; "
                "expected Params, or a tree of arrays"
            )
        patterns, self.whole = _frozen_patterns(estimator, frozen), params
        every = tuple(params) if isinstance(params, Params) else tuple(names_of(params))
        self.names, repeated = _moving_names(every, patterns), len(set(every)) < len(every)
        if not self.names or repeated:
            what = "two parameters have the same name" if repeated else "no parameter is left to move"
            raise LayoutError(f"{estimator!r}: got frozen={frozen!r} for {', '.join(every)}: {what}")
        if isinstance(params, Params):
            layout, self._spans = _part_of(params.layout, self.names)
            vector = side_by_side([params.vector[span] for span in self._spans])
            self.params = Params.from_vector(layout, vector)
        else:
            leaves, self._structure = flatten(params)
            self._leaves = dict(zip(every, leaves, strict=True))
            self.params = {name: self._leaves[name] for name in self.names}

    def joined(self, moving: Mapping[str, Any]) -> Any:
        """All parameters, those that move where they are given, in the structure of all."""
        if isinstance(self.whole, Params):
            leaves = {name: moving.get(name, leaf) for name, leaf in self.whole.items()}
            return Params._of_leaves(self.whole.layout, leaves, self.whole.buffers)
        leaves = [moving.get(name, leaf) for name, leaf in self._leaves.items()]
        return rebuild(self._structure, leaves)

    def widened(self, gradient: Any) -> Any:
        """A gradient of those that move as one of all, zero elsewhere."""
        if gradient is None:
            return None
        if isinstance(self.whole, Params):
            vector, start = _zeros(self.whole.vector), 0
            for span in self._spans:
                vector[span] = gradient.vector[start : start + span.stop - span.start]
                start += span.stop - span.start
            return Params.from_vector(self.whole.layout, vector)
        zeros = {
            name: np.zeros_like(leaf)[()] if np.ndim(leaf) == 0 else np.zeros_like(leaf)
            for name, leaf in self._leaves.items()
        }
        return rebuild(self._structure, list((zeros | dict(gradient)).values()))

    def taken(self, gradient: Any) -> Any:
        """What a gradient of all is for those that move."""
        if isinstance(self.whole, Params):
            vector = side_by_side([gradient[name].reshape(-1) for name in self.names])
            return Params.from_vector(self.params.layout, vector)
        leaves = dict(zip(self._leaves, flatten(gradient)[0], strict=True))
        return {name: leaves[name] for name in self.names}

    def write(self) -> None:
        """Put those that move, which a step has moved, back into their places."""
        if isinstance(self.whole, Params):
            for name in self.names:
                self.whole[name] = self.params[name]

    def objective(self, objective: Any) -> Any:
        """An objective, or each of several, as a function of those that move."""
        if isinstance(objective, (list, tuple)):
            return [self.objective(one) for one in objective]
        if objective.__class__ is BoundObjective:
            return PartialBound(objective, self)
        if not callable(objective):
            return objective  # of which the estimator says what is wrong
        if objective.__class__ is Sharded:
            return PartialShards(objective, self)
        return (PartialWithRule if hasattr(objective, "vjp") else Partial)(objective, self)


class Partial:
    """An objective as a function of the parameters that move.

    Attributes
    ----------
    whole : the objective
    part : `Moving`
    """

    def __init__(self, whole: Any, part: Moving) -> None:
        self.whole, self.part = whole, part

    def __repr__(self) -> str:
        return f"{self.whole!r} of {', '.join(self.part.names)}"

    def __call__(self, moving: Mapping[str, Any]) -> Any:
        return self.whole(self.part.joined(moving))


class Sharded:
    """A function that makes the loss of a shard, a whole number, marked as such."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def __call__(self, shard: Any) -> Any:
        return self.make(shard)


class PartialShards(Partial):
    """Losses of shards as functions of the parameters that move."""

    def __call__(self, shard: Any) -> Any:
        return self.part.objective(self.whole(shard))


class PartialWithRule(Partial):
    """The same of an objective that has a transposed rule."""

    def __getattr__(self, name: str) -> Any:
        """What else an objective has: its model, its batch."""
        if name in ("whole", "part"):
            raise AttributeError(name)
        return getattr(self.whole, name)

    def per_example(self, moving: Mapping[str, Any]) -> Array:
        """The loss of every example."""
        return self.whole.per_example(self.part.joined(moving))

    def vjp(self, moving: Mapping[str, Any], **keywords: Any) -> tuple[Any, dict[str, Array]]:
        """The loss, and its gradient by those that move."""
        value, gradient = self.whole.vjp(self.part.joined(moving), **keywords)
        return value, {name: gradient[name] for name in self.part.names}


class PartialBound(PartialWithRule):
    """The same of a bound objective, whose rules take `ZERO` for the tangents of the others."""

    def jvp(self, moving: Mapping[str, Any], tangents: Mapping[str, Any]) -> tuple[Any, Any]:
        """The loss and its slopes along tangents of those that move."""
        whole = self.part.joined(moving)
        return self.whole.jvp(whole, {name: tangents.get(name, ZERO) for name in whole})

    def vjp(self, moving: Mapping[str, Any], **keywords: Any) -> tuple[Any, dict[str, Array]]:
        """The loss, and its gradient by those that move, not taken back through the layers of a `Sequential` before."""
        model, still = self.whole.model, _unmoved(self.whole.model, self.part.names)
        if not still or keywords or not hasattr(self.whole.loss, "vjp"):
            return super().vjp(moving, **keywords)
        p, x, pulls, found = with_buffers(self.part.joined(moving)), self.whole.x, {}, {}
        keywords = model.accepted(self.whole.keywords())
        for name in still:
            x = model.call("forward", name, p, x, **keywords)
        for name in list(model.children)[len(still) :]:
            x, pulls[name] = model.call("vjp", name, p, x, **keywords)
        value, pull = self.whole.loss.vjp(x, self.whole.y)
        dy = pull(1.0)
        for name in reversed(pulls):
            own, dy = pulls[name](dy)
            found |= model.named(name, own)
        return value, {name: found[name] for name in self.part.names}


def _zeros(w):
    """Zeros like a vector, on the host of memory that is not written to."""
    return np.zeros(w.shape, w.dtype) if w.__class__ is np.ndarray else np.zeros_like(w)


def whole_of(objective: Any, params: Any) -> tuple[Any, Any]:
    """An objective and its parameters, those that do not move among them."""
    return (objective.whole, objective.part.joined(params)) if isinstance(objective, Partial) else (objective, params)


def _unmoved(model, moving):
    """The layers of a `Sequential` before the first of which something moves."""
    if type(model) is not Sequential:
        return []
    moves = [any(full in moving for full in names.values()) for names in model._params.values()]
    return list(model.children)[: moves.index(True)]


def _frozen_patterns(estimator, frozen):
    patterns = (frozen,) if isinstance(frozen, str) else tuple(frozen)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"{estimator!r}: got frozen={frozen!r:.80}; expected names of parameters, or patterns")
    return patterns


@functools.lru_cache(maxsize=256)
def _moving_names(names, patterns):
    """The names that no pattern matches; each pattern matches some."""
    fixed = set()
    for pattern in patterns:
        some = [pattern] if pattern in names else [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not some:
            raise LayoutError(f"got frozen={pattern!r}; no parameter is called so: the names are {', '.join(names)}")
        fixed.update(some)
    return tuple(name for name in names if name not in fixed)


@functools.lru_cache(maxsize=256)
def _part_of(layout, names):
    """The layout of some of the names, and where they are among all: neighbours as one slice."""
    spans = []
    for name in names:
        place = layout.slices[name]
        start = spans.pop().start if spans and spans[-1].stop == place.start else place.start
        spans.append(slice(start, place.stop))
    return Params.layout_of({name: layout.shapes[name] for name in names}), spans
