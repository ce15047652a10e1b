"""What every hyper-parameter of an optimizer or a schedule may be."""

import itertools
import math
from collections.abc import Callable, Mapping, ValuesView
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..checks import count, flag, number, real_number

Number: TypeAlias = float | np.floating[Any]
Rate: TypeAlias = Number | Callable[[int], Number]  # a number, or a schedule: what it is at step t = 1, 2, ...


class Constraint(NamedTuple):
    """What is expected, in words and as a test of one number; and whether a schedule may give it."""

    expected: str
    fits: Callable[[Any], bool]
    schedule: bool = False


POSITIVE = Constraint("a positive number", lambda x: 0 < x < math.inf)
NOT_NEGATIVE = Constraint("a number that is not negative", lambda x: 0 <= x < math.inf)
FRACTION = Constraint("a number in [0, 1)", lambda x: 0 <= x < 1)
DECAY = Constraint("a number in [0, 1]", lambda x: 0 <= x <= 1)
PORTION = Constraint("a number in (0, 1]", lambda x: 0 < x <= 1)
COUNT = Constraint("a positive whole number", lambda x: x > 0 and isinstance(x, (int, np.integer)))
WHOLE = Constraint("a whole number that is not negative", lambda x: x >= 0 and isinstance(x, (int, np.integer)))
CONSTRAINTS = {
    "lr": NOT_NEGATIVE._replace(schedule=True), "then": NOT_NEGATIVE._replace(schedule=True),
    "gamma": DECAY._replace(schedule=True), "eps": POSITIVE, "clip_norm": POSITIVE, "clip_value": POSITIVE,
    "prior": POSITIVE, "weight_decay": NOT_NEGATIVE, "decay": NOT_NEGATIVE, "final": NOT_NEGATIVE, "momentum": FRACTION,
    "alpha": FRACTION, "steps": COUNT, "total_iters": COUNT, "step_size": COUNT, "T_0": COUNT, "T_mult": COUNT,
    "start_factor": DECAY, "end_factor": DECAY, "eta_min": NOT_NEGATIVE, "pct_start": PORTION, "div_factor": POSITIVE,
    "final_div_factor": POSITIVE, "dampening": DECAY, "momentum_decay": NOT_NEGATIVE, "lr_decay": NOT_NEGATIVE,
    "initial_accumulator_value": NOT_NEGATIVE, "factor": FRACTION, "patience": WHOLE, "threshold": NOT_NEGATIVE,
    "cooldown": WHOLE, "min_lr": NOT_NEGATIVE,
}  # fmt: skip
OPTIONAL = {"clip_norm", "clip_value"}
SWITCHES = {"nesterov", "centered", "three_phase", "maximize", "amsgrad"}
CHOICES = {"anneal_strategy": ("cos", "linear"), "threshold_mode": ("rel", "abs"), "mode": ("min", "max")}
PAIRS = {"betas"}
INCREASING = {"milestones"}


def as_hyperparameter(name, value, scheduled=True):
    """The value of a hyper-parameter as it is kept: Python's own numbers, beside which float32 stays float32.

    Raises
    ------
    ValueError
        For a value that the name does not allow; KeyError for a name that no table knows.
    """
    if name in SWITCHES:
        return flag(name, value)
    if name in CHOICES:
        if not isinstance(value, str) or value not in CHOICES[name]:
            raise ValueError(f"got {name}={value!r}; expected one of {', '.join(map(repr, CHOICES[name]))}")
        return value
    if name in INCREASING:
        return _increasing(name, value)
    if name in PAIRS:
        try:
            first, second = value
            return tuple(real_number(name, b, FRACTION.expected, FRACTION.fits) for b in (first, second))
        except (TypeError, ValueError):
            raise ValueError(f"got {name}={value!r}; expected two numbers in [0, 1)") from None
    kind = CONSTRAINTS[name]
    if name == "lr" and isinstance(value, (Mapping, ValuesView)):
        raise ValueError(f"got lr={value!r:.60}; expected a rate: parameters come with step(params, gradient)")
    if value is None and name in OPTIONAL or scheduled and kind.schedule and callable(value):
        return value
    return number(name, value, kind.expected, kind.fits)


def _increasing(name, value):
    """Whole numbers, each larger than the last."""
    try:
        found = tuple(count(name, m, "after how many steps") for m in value)
    except TypeError:
        raise ValueError(f"got {name}={value!r}; expected whole numbers, as (30, 60)") from None
    if any(a >= b for a, b in itertools.pairwise(found)):
        raise ValueError(f"got {name}={value!r}; expected each to be larger than the last")
    return found


def rate(lr, t, kind=NOT_NEGATIVE):
    """What a number or a schedule is at step t."""
    if not callable(lr):
        return lr
    value = lr(t)
    fits = value.__class__ is float and kind.fits(value)
    return value if fits else number(f"{lr!r}({t})", value, kind.expected, kind.fits)
