"""Schedules: the rate of step t = 1, 2, ..."""

import itertools
import math
from dataclasses import KW_ONLY, dataclass

from .hyperparameters import Rate, as_hyperparameter, rate


class Schedule:
    """A function of the step number that prints, compares and pickles; its classes bear the names of functions."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, as_hyperparameter(name, getattr(self, name), name == "then"))


def observing(schedule):
    """What a schedule is made of that is told how it goes, itself among them."""
    while callable(schedule):
        if hasattr(schedule, "observe"):
            yield schedule
        schedule = getattr(schedule, "then", None)


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
    _: KW_ONLY
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


@dataclass(frozen=True)
class linear(Schedule):  # noqa: N801
    """The rate lr times a factor that goes from ``start_factor`` to ``end_factor`` in ``total_iters`` steps, and stays.

    As `torch.optim.lr_scheduler.LinearLR`.

    Examples
    --------
    >>> import dualgrad as dg
    >>> schedule = dg.optim.linear(0.1, start_factor=1.0, end_factor=0.0, total_iters=4)
    >>> [schedule(t) for t in (1, 2, 5, 6)]
    [0.1, 0.07500000000000001, 0.0, 0.0]
    """

    lr: float
    start_factor: float = 1 / 3
    end_factor: float = 1.0
    total_iters: int = 5

    def __call__(self, t: int) -> float:
        done = min(1, (t - 1) / self.total_iters)
        return self.lr * (self.start_factor + (self.end_factor - self.start_factor) * done)


@dataclass(frozen=True)
class step(Schedule):  # noqa: N801
    """The rate lr gammaᵏ after k times ``step_size`` steps, as `torch.optim.lr_scheduler.StepLR`.

    Examples
    --------
    >>> import dualgrad as dg
    >>> schedule = dg.optim.step(1.0, step_size=2, gamma=0.5)
    >>> [schedule(t) for t in (1, 2, 3, 5)]
    [1.0, 1.0, 0.5, 0.25]
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __call__(self, t: int) -> float:
        return self.lr * self.gamma ** ((t - 1) // self.step_size)


@dataclass(frozen=True)
class multistep(Schedule):  # noqa: N801
    """The rate lr gammaᵏ after the first k of the milestones, as `torch.optim.lr_scheduler.MultiStepLR`.

    Examples
    --------
    >>> import dualgrad as dg
    >>> schedule = dg.optim.multistep(1.0, milestones=(2, 5), gamma=0.5)
    >>> [schedule(t) for t in (1, 2, 3, 6)]
    [1.0, 1.0, 0.5, 0.25]
    """

    lr: float
    milestones: tuple[int, ...]
    gamma: float = 0.1

    def __call__(self, t: int) -> float:
        return self.lr * self.gamma ** sum(m < t for m in self.milestones)


@dataclass(frozen=True)
class cosine_restarts(Schedule):  # noqa: N801
    """Cosines from lr to ``eta_min``, the first of ``T_0`` steps and each ``T_mult`` times as long as the last.

    Loshchilov and Hutter 2017; as `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.

    Examples
    --------
    >>> import dualgrad as dg
    >>> schedule = dg.optim.cosine_restarts(0.1, T_0=2, T_mult=2)
    >>> [round(schedule(t), 4) for t in (1, 2, 3, 4, 5, 7)]
    [0.1, 0.05, 0.1, 0.0854, 0.05, 0.1]
    """

    lr: float
    T_0: int
    T_mult: int = 1
    eta_min: float = 0.0

    def __call__(self, t: int) -> float:
        begun, length = t - 1, self.T_0
        if self.T_mult == 1:
            begun %= length
        while begun >= length:
            begun, length = begun - length, length * self.T_mult
        return self.eta_min + (self.lr - self.eta_min) * (1 + math.cos(math.pi * begun / length)) / 2


@dataclass(frozen=True)
class one_cycle(Schedule):  # noqa: N801
    """A rise from lr / div_factor to lr in the share ``pct_start`` of the steps, and a fall to far below its beginning.

    Smith and Topin 2018; as `torch.optim.lr_scheduler.OneCycleLR`, of which ``max_lr`` is lr and ``total_steps`` steps.
    The end, lr / div_factor / final_div_factor, is the rate of the last step and of all after it. With ``three_phase``
    the fall to the beginning is as long as the rise was.

    Examples
    --------
    >>> import dualgrad as dg
    >>> schedule = dg.optim.one_cycle(0.1, steps=10)
    >>> [round(schedule(t), 4) for t in (1, 2, 3, 7, 10)]
    [0.004, 0.052, 0.1, 0.0389, 0.0]
    """

    lr: float
    steps: int
    _: KW_ONLY
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __call__(self, t: int) -> float:
        first = self.lr / self.div_factor
        risen = self.pct_start * self.steps - 1
        corners = [(0, first), (risen, self.lr), (self.steps - 1, first / self.final_div_factor)]
        if self.three_phase:
            corners.insert(2, (2 * risen, first))
        at = min(t - 1, self.steps - 1)
        (begin, start), (end, stop) = next(pair for pair in itertools.pairwise(corners) if at <= pair[1][0])
        done = (at - begin) / (end - begin) if end > begin else 1
        if self.anneal_strategy == "linear":
            return start + (stop - start) * done
        return stop + (start - stop) * (1 + math.cos(math.pi * done)) / 2
