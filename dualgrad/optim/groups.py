"""Groups of parameters by name: their settings, what is frozen, and which part of a vector each has."""

import ast
import copy
import fnmatch
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import LayoutError
from ..layout import Fixed, Layout
from ..params import Params
from ..tree import flatten, paths
from ..unwritten import Unwritten
from .blockwise import norm
from .hyperparameters import as_hyperparameter, rate
from .per_group import Blend

NEVER = ("clip_norm", "groups")  # what belongs to all parameters together


class Portion(NamedTuple):
    """Arrays that are stepped with the same settings, or with those of several groups at once.

    Attributes
    ----------
    members : an optimizer for every group
    rates : one for every group
    blend : where the groups are, if there are several
    names : of the leaves, for errors
    leaves, gradients : arrays
    states : a list of arrays for every leaf, by the optimizers' ``state_names``
    starts : where the leaves begin in what moves, where that matters
    """

    members: Sequence[Any]
    rates: Sequence[float]
    blend: Blend | None
    names: list[str]
    leaves: Sequence[Any]
    gradients: Sequence[Any]
    states: Sequence[list[Any]]
    starts: Sequence[int] = ()

    def bounds(self, sizes):
        """What cannot be exceeded by state and step of every group, for gradients of these norms."""
        found, size, w = [], math.hypot(*sizes), None
        for one, lr in zip(self.members, self.rates, strict=True):
            largest = one._largest(size)
            if one._adds_decay and one.weight_decay:
                w = max(map(norm, self.leaves), default=0.0) if w is None else w
                largest += one.weight_decay * w
            found.append(one._bounds(lr, largest))
        return found

    def copied(self, precision):
        """Copies: of the leaves in the precision of their moments at least, and of the states."""
        leaves = [w.astype(np.result_type(w.dtype, precision)) for w in self.leaves]
        return self._replace(leaves=leaves, states=[[v.copy() for v in state] for state in self.states])

    def beside(self, other):
        """Pairs of the arrays that a step changes, and those of another portion."""
        yield from zip(self.leaves, other.leaves, strict=True)
        for own, others in zip(self.states, other.states, strict=True):
            yield from zip(own, others, strict=True)


def as_groups(optimizer, groups):
    """Groups as they are kept, with every setting checked.

    Raises
    ------
    ValueError
        For what is no mapping of patterns to settings, and for a setting that the optimizer does not have or allow.
    """
    if groups is None:
        return None
    if not isinstance(groups, Mapping) or not all(isinstance(own, Mapping) for own in groups.values()):
        raise ValueError(f'got groups={groups!r}; expected settings by pattern, as {{"*.bias": {{"lr": 0.1}}}}')
    if wrong := [pattern for pattern in groups if not isinstance(pattern, str)]:
        raise ValueError(f"got groups with the pattern {wrong[0]!r}; expected patterns of names, as '*.bias'")
    known = [name for name in optimizer.__dataclass_fields__ if name not in NEVER]
    return Fixed({pattern: Fixed(_checked_settings(pattern, own, known)) for pattern, own in groups.items()}) or None


def _checked_settings(pattern, own, known):
    for name in own:
        if name == "clip_norm":
            raise ValueError(
                f"got groups[{pattern!r}] with clip_norm, which is of the whole gradient: give it to the optimizer, or "
                "take clip_value"
            )
        if name not in known:
            raise ValueError(f"got groups[{pattern!r}] with {name!r}; expected some of {', '.join(known)}")
    try:
        return {name: as_hyperparameter(name, value) for name, value in own.items()}
    except ValueError as error:
        raise ValueError(f"got groups[{pattern!r}] with a wrong setting: {error}") from None


def with_settings(optimizer, own):
    """The optimizer with other settings and without groups; it shares all else."""
    found = copy.copy(optimizer)
    vars(found).update(own, groups=None, _cut=None)
    found._agree()
    return found


# ---------------------------------------------------------------------- names


@functools.lru_cache(maxsize=1024)
def dotted_name(path):
    """The name of a leaf of a tree by the keys that lead to it: ``0.weight`` for ``[0]['weight']``.

    Where a key is none that Python could read, it is the path itself.
    """
    try:
        keys, node = [], ast.parse(f"_{path}", mode="eval").body
        while not isinstance(node, ast.Name):
            key = node.attr if isinstance(node, ast.Attribute) else ast.literal_eval(node.slice)
            keys, node = [str(key), *keys], node.value
    except (SyntaxError, ValueError, AttributeError):
        return path
    return ".".join(keys)


def names_of(params):
    """The names of the leaves, in order."""
    return list(params) if isinstance(params, Params) else [dotted_name(path) for path in paths(flatten(params)[1])]


def matching(patterns, names, what):
    """For every pattern the names that it matches, of which there must be some."""
    found = {pattern: [name for name in names if fnmatch.fnmatchcase(name, pattern)] for pattern in patterns}
    if missing := [pattern for pattern, some in found.items() if not some]:
        raise LayoutError(f"{what}: no parameter is called {missing[0]!r}; the names are {', '.join(names)}")
    return found


def _settings_by_name(optimizer, names):
    """What the groups say of each name: of several the later one, setting by setting."""
    found = {name: {} for name in names}
    for pattern, some in matching(optimizer.groups, names, f"groups of {type(optimizer).__name__}").items():
        for name in some:
            found[name] = found[name] | optimizer.groups[pattern]
    return found


def _is_frozen(own):
    return not callable(own.get("lr", 1)) and own.get("lr", 1) == 0


def frozen_names(optimizer, names):
    """The names that a group with the rate 0 keeps where they are."""
    return tuple(name for name, own in _settings_by_name(optimizer, names).items() if _is_frozen(own))


# ---------------------------------------------------------------------- parts of the parameters


class Part(NamedTuple):
    """Optimizers with the settings of groups, and where their parameters are: slices of Params, or numbers of leaves.

    Several are stepped at once, with a `Blend`.
    """

    members: list[Any]
    blend: Blend | None
    places: list[Any]
    names: list[str]


# What stands in formulas as a number; of what else groups differ in (nesterov, amsgrad, ...) the formulas are others.
NUMBERS = frozenset(
    "lr weight_decay betas eps momentum dampening alpha momentum_decay lr_decay initial_accumulator_value clip_value "
    "maximize".split()
)


def parts_of(optimizer, places, leaves):
    """The parts of the parameters that move."""
    packed = isinstance(places, Layout)
    names = list(places.shapes) if packed else [dotted_name(path) for path, _ in places]
    by_name = _settings_by_name(optimizer, names)
    settings = [by_name[name] for name in names]
    where = list(places.slices.values()) if packed else list(range(len(names)))
    moving = [k for k, own in enumerate(settings) if not _is_frozen(own)]
    distinct = [own for k, own in enumerate(settings) if k in moving and own not in settings[:k]]
    members = [with_settings(optimizer, own) for own in distinct]
    group = {k: distinct.index(settings[k]) for k in moving}
    at_once = packed and not optimizer._by_tensor and leaves[0].__class__ is np.ndarray and leaves[0].dtype.kind == "f"
    parts = []
    for same in _of_one_formula(members) if at_once else [[i] for i in range(len(members))]:
        some = [k for k in moving if group[k] in same]
        apart = not packed or optimizer._by_tensor
        spans = _spans(some, where, names) if not apart else ([where[k] for k in some], _labels(some, names))
        blend = Blend([(where[k].start, where[k].stop, same.index(group[k])) for k in some]) if len(same) > 1 else None
        parts.append(Part([members[i] for i in same], blend, *spans))
    return parts


def _of_one_formula(members):
    """The numbers of the members whose settings differ in numbers alone, side by side."""
    found = {}
    for i, one in enumerate(members):
        formula = *(getattr(one, name) for name in one.__dataclass_fields__ if name not in NUMBERS), one.state_names
        found.setdefault(formula, []).append(i)
    return list(found.values())


def _spans(some, where, names):
    """The slices of some leaves, neighbours as one, and their labels."""
    first = [k for k in some if k - 1 not in some]
    last = [k for k in some if k + 1 not in some]
    spans = [slice(where[a].start, where[b].stop) for a, b in zip(first, last, strict=True)]
    return spans, _labels(first, names)


def _labels(some, names):
    return [f"[{names[k]!r}]" for k in some]


def portions_of(parts, t, state_bound, leaves, gradients, state):
    """What the parts have of these arrays, at step t."""
    found = []
    for part in parts:
        for member in part.members:
            own = member.__dict__
            own["steps"], own["_state_bound"] = t, state_bound
        rates = [rate(member.lr, t) for member in part.members]
        own = [state[name] for name in part.members[0].state_names]
        first = part.places[0]
        if len(part.places) == 1 and first.__class__ is slice and first.stop - first.start == leaves[0].size:
            arrays, starts = (leaves, gradients, [[vs[0] for vs in own]]), (0,)
        elif first.__class__ is slice:
            views = [(leaves[0][s], _view(gradients[0], s), [vs[0][s] for vs in own]) for s in part.places]
            arrays, starts = zip(*views, strict=True), [place.start for place in part.places]
        else:
            views = [(leaves[k], gradients[k], [vs[k] for vs in own]) for k in part.places]
            arrays, starts = zip(*views, strict=True), ()
        found.append(Portion(part.members, rates, part.blend, part.names, *arrays, starts))
    return found


def _view(g, span):
    return g.part(span) if g.__class__ is Unwritten else g[span]
