"""Replicas: parameters that follow a run by the slopes of its steps, without a pass."""

import pickle
import threading
from collections import OrderedDict
from typing import Any, NamedTuple, NoReturn

from ...backend import Array
from ...errors import DualgradError
from ...random import Rng
from ...tree import Tree
from ...workers import digest
from ..point import Point
from .plan import Plan, Unit

RECENT = 16  # steps that a worker may miss
_KEPT = 4  # replicas of a thread or process, of as many runs


class Replica:
    """A plan, parameters and an optimizer, where they are before a step."""

    def __init__(self, plan: Plan, params: Tree, optimizer: Any, step: int) -> None:
        self.plan, self.params, self.optimizer, self.step = plan, params, optimizer, step
        self.found: str | None = None  # the digest of the parameters where they are

    @property
    def follows(self) -> bool:
        """Whether it knows how steps are made."""
        return self.optimizer is not None or not self.plan.by_optimizer

    def follow(self, numbers: Array, rng: Rng) -> None:
        """Make the step that these numbers belong to."""
        at = Point(self.plan.estimator, no_loss, self.params)
        if self.plan.estimator.has_memory:
            self.plan.estimator._require_same(at.layout)
        self.plan.make(at, numbers, rng, self.step, self.optimizer)
        self.plan.estimator._one_more()
        self.step, self.found = self.step + 1, None

    def is_at(self, digest_there: str) -> bool:
        """Whether its parameters are those of this digest, which is made once a step."""
        self.found = self.found or digest(self.params)
        return self.found == digest_there


def no_loss(params: Any) -> NoReturn:
    raise AssertionError("a step is made again without its loss")


class Task(NamedTuple):
    """What a worker is told: of which run and step, with which parameters, and what it has to push."""

    run: str
    settings: str  # the fingerprint of what the step belongs to
    step: int
    digest: str
    units: list[Unit]
    objective: Any
    rng: Rng
    recent: list[tuple[int, str, Array]]  # the last steps, their settings, and the numbers they are known by
    snapshot: bytes | None  # a pickled replica, for one that has none


_replicas: OrderedDict[Any, Replica] = OrderedDict()


def pushed_by_replica(task: Task) -> list[Any] | None:
    """The packed answers of a task's units; None where the worker must be sent the parameters first."""
    key = task.run, task.settings, threading.get_ident()
    replica = _followed(_replicas.pop(key, None), task)
    if replica is None:
        if task.snapshot is None:
            return None
        replica = pickle.loads(task.snapshot)
        if not replica.is_at(task.digest):
            raise DualgradError(f"parameters that were sent for step {task.step} are others here than where they were")
    _replicas[key] = replica
    while len(_replicas) > _KEPT * threading.active_count():
        _replicas.popitem(last=False)
    plan = replica.plan
    return plan.packed(plan.estimator, task.objective, replica.params, task.rng, task.step, task.units)


def _followed(replica, task):
    """A replica where the task is; None where it cannot get there."""
    if replica is None or not replica.follows or replica.step > task.step:
        return None
    missed = [some for step, *some in task.recent if replica.step <= step < task.step]
    if len(missed) != task.step - replica.step or any(kind != task.settings for kind, _ in missed):
        return None
    for _, numbers in missed:
        replica.follow(numbers, task.rng)
    return replica if replica.is_at(task.digest) else None
