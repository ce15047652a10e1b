"""Groups of parameters by name: their settings, what is frozen, and which part of a vector each has."""

import ast
import copy
import fnmatch
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import LayoutError
from ..layout import Fixed, Layout
from ..params import Params
from ..tree import flatten, paths
from ..unwritten import Unwritten
from .hyperparameters import as_hyperparameter, rate
from .per_group import PerGroup, Spread

NEVER = ("clip_norm", "groups")  # what belongs to all parameters together


class Portion(NamedTuple):
    """Arrays that are stepped with the same settings.

    Attributes
    ----------
    optimizer : with these settings
    widest : the same optimizer, of several groups that are stepped as one with the largest weight decay
    names : of the leaves, for errors
    rates : of the groups that are stepped as one
    leaves, gradients : arrays
    states : a list of arrays for every leaf, by the optimizer's ``state_names``
    starts : where the leaves begin in the vector, where that matters
    """

    optimizer: Any
    widest: Any
    names: list[str]
    rates: Sequence[float]
    leaves: Sequence[Any]
    gradients: Sequence[Any]
    states: Sequence[list[Any]]
    starts: Sequence[int] = ()

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
    """An optimizer with the settings of a group, and where its parameters are: slices of Params, or numbers of leaves.

    Where several groups are stepped as one, ``optimizer`` has a `PerGroup` for their weight decays, ``widest`` the
    largest of them, and ``rates`` are those of each.
    """

    optimizer: Any
    places: list[Any]
    names: list[str]
    widest: Any
    rates: list[Any]


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
    if packed and len(members) > 1 and _may_blend(optimizer, members, leaves[0]):
        parts = [_spans([k for k in moving if group[k] == i], where, names) for i in range(len(members))]
        if sum(where[k].stop - where[k].start for k in moving) < FEW_AT_ONCE * sum(len(spans) for spans, _ in parts):
            spread = Spread([(where[k], group[k]) for k in moving], places.size)
            spans = _spans(moving, where, names)
            return [Part(_blended(members, spread), *spans, _widest(members), [one.lr for one in members])]
    parts = []
    for i, member in enumerate(members):
        some = [k for k in moving if group[k] == i]
        apart = not packed or optimizer._by_tensor
        spans = _spans(some, where, names) if not apart else ([where[k] for k in some], _labels(some, names))
        parts.append(Part(member, *spans, member, [member.lr]))
    return parts


FEW_AT_ONCE = 1 << 14  # entries a span: from here on the overhead of another one is small
BLENDED = {"lr", "weight_decay"}


def _spans(some, where, names):
    """The slices of some leaves, neighbours as one, and their labels."""
    first = [k for k in some if k - 1 not in some]
    last = [k for k in some if k + 1 not in some]
    spans = [slice(where[a].start, where[b].stop) for a, b in zip(first, last, strict=True)]
    return spans, _labels(first, names)


def _labels(some, names):
    return [f"[{names[k]!r}]" for k in some]


def _may_blend(optimizer, members, w):
    """Whether groups differ in what stands in formulas as a factor alone, and in real numbers on the host."""
    if optimizer._by_tensor or w.__class__ is not np.ndarray or w.dtype.kind != "f":
        return False
    rest = [name for name in optimizer.__dataclass_fields__ if name not in BLENDED]
    return all(getattr(one, name) == getattr(members[0], name) for one in members for name in rest)


def _blended(members, spread):
    one = with_settings(members[0], {})
    vars(one)["_spread"] = spread
    if any(member.weight_decay != one.weight_decay for member in members if hasattr(one, "weight_decay")):
        vars(one)["weight_decay"] = PerGroup([member.weight_decay for member in members], spread)
    return one


def _widest(members):
    decays = [member.weight_decay for member in members if hasattr(member, "weight_decay")]
    return with_settings(members[0], {"weight_decay": max(decays)} if decays else {})


def portions_of(parts, t, leaves, gradients, state):
    """What the parts have of these arrays, at step t."""
    found = []
    for part in parts:
        own = [state[name] for name in part.optimizer.state_names]
        if isinstance(part.places[0], slice):
            views = [(leaves[0][s], _view(gradients[0], s), [vs[0][s] for vs in own]) for s in part.places]
        else:
            views = [(leaves[k], gradients[k], [vs[k] for vs in own]) for k in part.places]
        arrays, starts = zip(*views, strict=True), [getattr(place, "start", 0) for place in part.places]
        rates = [rate(lr, t) for lr in part.rates]
        found.append(Portion(part.optimizer, part.widest, part.names, rates, *arrays, starts))
    return found


def _view(g, span):
    return g.part(span) if g.__class__ is Unwritten else g[span]
