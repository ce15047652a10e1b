"""Schedules: the rate of step t = 1, 2, ..."""

import math
from dataclasses import dataclass

from .hyperparameters import Rate, as_hyperparameter, rate


class Schedule:
    """A function of the step number that prints, compares and pickles; its classes bear the names of functions."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, as_hyperparameter(name, getattr(self, name), name == "then"))


@dataclass(frozen=True)
class constant(Schedule):  # noqa: N801
    """The rate lr, as the number itself.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.optim.constant(0.1)(7)
    0.1
    """

    lr: float

    def __call__(self, t: int) -> float:
        return self.lr


@dataclass(frozen=True)
class inverse_sqrt(Schedule):  # noqa: N801
    """The rate lr / √t.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.optim.inverse_sqrt(0.1)(4)
    0.05
    """

    lr: float

    def __call__(self, t: int) -> float:
        return self.lr / math.sqrt(t)


@dataclass(frozen=True)
class exponential(Schedule):  # noqa: N801
    """The rate lr exp(-decay (t - 1)), which begins at lr.

    Examples
    --------
    >>> import dualgrad as dg
    >>> [round(dg.optim.exponential(0.1, decay=0.5)(t), 4) for t in (1, 2, 3)]
    [0.1, 0.0607, 0.0368]
    """

    lr: float
    decay: float

    def __call__(self, t: int) -> float:
        return self.lr * math.exp(-self.decay * (t - 1))


@dataclass(frozen=True)
class cosine(Schedule):  # noqa: N801
    """The rate final + (lr - final) (1 + cos(π (t - 1) / steps)) / 2 (Loshchilov and Hutter 2017).

    It begins at lr and stays at ``final`` once ``steps`` steps are taken.

    Examples
    --------
    >>> import dualgrad as dg
    >>> [round(dg.optim.cosine(0.1, steps=4, final=0.02)(t), 4) for t in (1, 3, 5, 6)]
    [0.1, 0.06, 0.02, 0.02]
    """

    lr: float
    steps: int
    final: float = 0.0

    def __call__(self, t: int) -> float:
        done = min(1, (t - 1) / self.steps)
        return self.final + (self.lr - self.final) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class warmup(Schedule):  # noqa: N801
    """The rate lr t / steps for t ≤ steps, where lr is the first rate of ``then``; after that, ``then`` from its start.

    ``then`` is a number, or a schedule that is given t - steps.

    Examples
    --------
    >>> import dualgrad as dg
    >>> schedule = dg.optim.warmup(2, dg.optim.inverse_sqrt(0.1))
    >>> [schedule(t) for t in (1, 2, 3, 6)]
    [0.05, 0.1, 0.1, 0.05]
    """

    steps: int
    then: Rate

    def __call__(self, t: int) -> float:
        return rate(self.then, 1) * t / self.steps if t <= self.steps else rate(self.then, t - self.steps)
