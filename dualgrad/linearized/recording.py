"""What a function does to its tangents, written down: linear operations, done again for other tangents."""

import operator

import numpy as np

from ..dispatch import precedence
from ..dual import Dual, as_array, as_arrays, primal
from ..operators import operators
from ..rules.writes import WRITES
from ..tables import KINDS, RULES, SEQUENCES
from ..tree import flatten, is_container, leaf, map_leaves, rebuild
from ..zero import ZERO

_FACTS = frozenset(
    [np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj, np.can_cast, np.common_type,
     np.min_scalar_type, np.shares_memory, np.may_share_memory]
)  # fmt: skip
_LINEAR_IN = {np.divide: 0, np.linalg.solve: 1}  # one of their operands, though not in the other
_TERMS = {np.add: slice(0, 2), np.subtract: slice(0, 2), np.where: slice(1, 3)}  # in several operands together
_WITHOUT_PART = {np.ones_like, np.full_like, np.ones, np.full, np.eye, np.identity, np.tri, np.arange}


class UnrecordedError(Exception):
    """What becomes of a tangent is not a linear operation that can be done again."""


class _RecordedRules(dict):
    """What stands in for the rule tables when the operators of a Recorded look a function up."""

    def __missing__(self, function):
        self[function] = lambda *args, **kwargs: _written_down(function, args, kwargs)
        return self[function]


def _unrecorded(self, *args, **kwargs):
    raise UnrecordedError


@leaf
class Recorded(operators(_RecordedRules()), Dual):
    """A tangent, of which is written down what is made of it; its value is an example.

    It stands in the tangents of Duals of a higher level: the rules take it for one of their own level, as they take
    the tangents of nested jvps.
    """

    __slots__ = ("record", "slot")

    def __init__(self, example, record):
        self.primal, self.record, self.level, self.frozen = example, record, record.level, False
        self.slot = record.new_slot()

    tangent = property(_unrecorded)
    renewed = revalued = through = through_layer = _unrecorded
    __array__ = __float__ = __int__ = __complex__ = __bool__ = __index__ = __format__ = item = tolist = _unrecorded

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method != "__call__":
            raise UnrecordedError
        return _written_down(ufunc, tuple(map(as_array, inputs)), kwargs)

    def __array_function__(self, func, types, args, kwargs):
        return _written_down(func, as_arrays(func, args), {name: as_array(a) for name, a in kwargs.items()})

    def __getitem__(self, index):
        return _written_down(operator.getitem, (self, index), {})

    def __setitem__(self, index, value):
        _require_nothing([value])
        self.record.add(operator.setitem, *_taken_apart((self, index, value), {}))

    def astype(self, *args, **kwargs):
        """`Dual.astype`."""
        return self.record.add(_in_dtype, *_taken_apart((self, *args), kwargs))

    def joined(self, leaves, shape):
        """Numbers and tangents as one array."""
        return np.reshape(np.stack(leaves), shape)


def _in_dtype(x, *args, **kwargs):
    return x.astype(*args, **kwargs)


def _is_recorded(a):
    return a.__class__ is Recorded


def _written_down(function, args, kwargs):
    """A function of arguments with a Recorded among them."""
    leaves, structure = _taken_apart(args, kwargs)
    duals = [a for a in leaves if isinstance(a, Dual)]
    top = max(duals, key=precedence)
    if type(top) is Dual:
        return RULES[function](*args, **kwargs)
    if type(top) is not Recorded:
        return top.__array_function__(function, (), args, kwargs)
    if function in _FACTS:
        return _performed(function, structure, list(map(primal, leaves)))
    kind = KINDS.get(function)
    if kind == "composite":
        return RULES[function](*args, **kwargs)
    if (
        not all(map(_is_recorded, duals))
        or kwargs.get("out") is not None
        or not _is_linear_in(function, kind, args, duals)
    ):
        raise UnrecordedError
    return top.record.add(function, leaves, structure)


def _taken_apart(args, kwargs):
    """The leaves of a call and its structure, None where they are its arguments."""
    if kwargs or any(map(is_container, args)) or any(a is None for a in args):
        return flatten((args, kwargs))
    return list(args), None


def _performed(function, structure, leaves):
    """The call with these leaves."""
    if structure is None:
        return function(*leaves)
    args, kwargs = rebuild(structure, leaves)
    return function(*args, **kwargs)


def _is_linear_in(function, kind, args, recorded):
    """Whether a function is linear in those of its operands that are recorded."""
    if function is operator.getitem:
        return True
    if function in _LINEAR_IN:
        return len(recorded) == 1 and recorded[0] is args[_LINEAR_IN[function]]
    if kind == "bilinear":
        return len(recorded) == 1
    if kind != "linear" or function in _WITHOUT_PART:
        return False
    if function in WRITES:
        _require_nothing(args[-1:])
    elif function in SEQUENCES:
        _require_nothing(flatten(args[0])[0])
    elif function in _TERMS:
        _require_nothing(args[_TERMS[function]])
    return True


def _require_nothing(terms):
    """Raise for a constant term that is not zero, beside which nothing is linear."""
    if any(np.any(a) for a in terms if a is not ZERO and not isinstance(a, Dual)):
        raise UnrecordedError


# ---------------------------------------------------------------------- the record


class LinearRecord:
    """Linear operations in the order in which they were done, from tangents in the first slots on."""

    def __init__(self, level):
        self.level, self.steps, self.slots, self.outputs, self.structure = level, [], 0, [], None

    def new_slot(self):
        self.slots += 1
        return self.slots - 1

    def add(self, function, leaves, structure):
        """What a function makes of a call, as Recorded ones. Constants are copied: they may be buffers."""
        places = [(k, a.slot) for k, a in enumerate(leaves) if _is_recorded(a)]
        y = _performed(function, structure, [a.primal if _is_recorded(a) else a for a in leaves])
        if y is ZERO:
            return y
        constants = [None if _is_recorded(a) else a.copy() if isinstance(a, np.ndarray) else a for a in leaves]
        made = map_leaves(lambda a: Recorded(a, self), y) if y is not None else None
        slots = [a.slot for a in flatten(made)[0]] if y is not None else []
        self.steps.append(LinearStep(function, constants, places, structure, slots, is_container(y)))
        return made

    def finish(self, tangents):
        """Keep what leads to the results: a tree of Recorded ones and of zeros."""
        self.outputs, self.structure = flatten(tangents)
        self.outputs = [(a.slot, None) if _is_recorded(a) else (None, a.copy()) for a in self.outputs]
        needed, kept = {slot for slot, _ in self.outputs}, []
        for step in reversed(self.steps):
            if not step.made or needed.intersection(step.made):
                step.done_with = [slot for _, slot in step.places if slot not in needed]
                needed.update(slot for _, slot in step.places)
                kept.append(step)
        self.steps = kept[::-1]

    def replay(self, tangents):
        """The results for other tangents, given as a list."""
        values = [*tangents, *[None] * (self.slots - len(tangents))]
        for step in self.steps:
            step.run(values)
        found = [zero.copy() if slot is None else values[slot][()] for slot, zero in self.outputs]
        return rebuild(self.structure, found)


class LinearStep:
    """One operation: a function, its constants, and the slots of what it takes, of what it makes, and of what is not
    taken again."""

    __slots__ = ("constants", "done_with", "function", "made", "many", "places", "structure")

    def __init__(self, function, constants, places, structure, made, many):
        self.function, self.constants, self.places, self.structure = function, constants, places, structure
        self.made, self.many, self.done_with = made, many, ()

    def run(self, values):
        """Do it with the values in the slots."""
        leaves = self.constants.copy()
        for k, slot in self.places:
            leaves[k] = values[slot]
        y = _performed(self.function, self.structure, leaves)
        for slot in self.done_with:
            values[slot] = None
        if self.many:
            for slot, part in zip(self.made, flatten(y)[0], strict=True):
                values[slot] = part
        elif self.made:
            values[self.made[0]] = y
