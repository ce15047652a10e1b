"""Shared: an estimate that several workers make together, who tell each other slopes and nothing else."""

import json
import os
import pickle
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...backend import Array
from ...checks import flag, positive_count
from ...directions import Orthogonal
from ...directions.base import as_direction
from ...errors import CheckpointError, DriftError, LayoutError
from ...layout import Layout
from ...random import Rng, RngLike, as_rng
from ...settings import difference, settings
from ...tree import Tree
from ...workers import Alone, Pool, Workers, digest
from ...workers.agreement import dealt, odd_ones, require_workers, together
from ..directional import Directional
from ..estimate import Estimate
from ..estimator import Estimated, Estimator
from ..guessing import ActivationPerturbation
from ..mezo import MeZO, as_rate, movable
from ..point import Point, require_finite
from ..state import Names, attempted
from .by_shard import ByShard
from .in_place import InPlace
from .journal import Journal
from .plan import Answer, Plan
from .replicas import RECENT, Replica, Task, pushed_by_replica

_DIRECTIONS = 8  # of a chunk

_UNCHANGED = "no gradient was made on any, and nothing was changed"


class Shared(Estimator):
    """An estimate that many workers make together, who share a seed and exchange slopes: n numbers, not p.

    A step is a fixed set of *units*, chunks of directions times shards of data. Each worker takes the slopes of its
    units; one ``allgather`` tells all slopes to all; then everyone draws all directions again and makes the same sum in
    the same order. The bits of the result depend on the seed, ``shards`` and ``chunk``, and not on how many workers
    there are.

    Parameters
    ----------
    base : ForwardGradient, SPSA, MeZO, or ActivationPerturbation
        Of the last the units are shards alone, and every worker makes the second pass, for the update, of all shards.
    workers : object with ``rank``, ``size`` and ``allgather(object)``, optional
        Such as ``MPI.COMM_WORLD``, `dualgrad.workers.world` or a `dualgrad.workers.Pool`; one alone by default. Every
        worker runs the same program.
    shards : int
        How many parts the data of a step have. With several, ``objective(j)`` is the loss of shard j, and the loss is
        their mean; with one, the objective is the loss itself.
    chunk : int, optional
        How many directions a unit has, 8 by default; so many are alive at a time.
    check : int, optional
        After so many steps workers compare the digests of their parameters, and name who has drifted; None never does.
    exact : bool
        Make the sum without BLAS, so that replicas on unlike CPUs stay equal in every bit. For directions that are the
        same everywhere: signs and whole numbers, as of `LowRank`, not normals.
    journal : str or os.PathLike, optional
        A file to which worker 0 adds the slopes of each step, for `replay`.

    Notes
    -----
    Directions come from ``rng.named("directions", step, chunk)``, where step counts the estimates that were made: keep
    one estimator for a run, and save its ``state_dict()`` with the rest. A new one begins at step 0 again, and with the
    same rng draws the same directions again.

    An exception or a NaN on one worker raises the same error on all, and nothing has moved. Of running statistics
    (``model.update_buffers``) take care that all workers see the same data. A stream for masks is named by step and
    shard, ``objective.bind(x, y, rng=rng.named("dropout", step, shard))``; an objective that draws from ``rng`` itself
    is refused.

    With a journal every estimate is to be followed by the optimizer's step: that is what `replay` makes.

    Cost: one pass a chunk more than the estimator's own, and directions are drawn twice; divided by the workers, but
    for the sum, which everyone makes (n = 32 LowRank directions of 669,706 parameters: 2.4 ms, with ``exact`` 5.8 ms).
    Memory: one chunk of directions and of tangents. Sent a step, by all workers together: n slopes for each shard and a
    loss for each unit, of 8 bytes, and a few more.
    Bias and variance: those of the estimator, at the mean loss of the shards.
    When: slow links, many cheap workers, no reverse mode. n slopes carry n numbers' worth of gradient: where there is a
    vjp and a fast network, `Backprop` and a dense all-reduce are better.

    Raises
    ------
    ValueError, TypeError
        For an estimator that slopes are not enough to make, a projection in chunks, ``exact`` where sums are BLAS's.
    DriftError
        At `estimate`, where the parameters of the workers differ.
    LayoutError
        Where their settings, seeds or layouts do.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> def train(comm):
    ...     forward = dg.estimators.ForwardGradient(dg.directions.LowRank(), n=16)
    ...     shared = dg.estimators.Shared(forward, comm, chunk=4)
    ...     w, optimizer, rng = np.ones(3), dg.optim.SGD(0.1), dg.Rng(0)
    ...     for _ in range(40):
    ...         optimizer.step(w, shared.estimate(lambda w: np.sum(w**2), w, rng=rng).gradient)
    ...     return w
    >>> alone, others = train(dg.workers.Alone()), dg.workers.threads(3, train)
    >>> bool(np.all(abs(alone) < 0.01)), [np.array_equal(w, alone) for w in others]
    (True, [True, True, True])
    """

    draws: bool = True
    named: Names = ("shards", "chunk")
    parts: Mapping[str, str] = {"base": "base"}
    circumstances: Names = ("workers", "check", "journal")
    base: Directional | ActivationPerturbation
    workers: Workers
    shards: int
    chunk: int | None
    check: int | None
    exact: bool
    journal: str | os.PathLike[str] | None

    def __init__(
        self,
        base: Directional | ActivationPerturbation,
        workers: Workers | None = None,
        shards: int = 1,
        chunk: int | None = None,
        check: int | None = 100,
        exact: bool = False,
        journal: str | os.PathLike[str] | None = None,
    ) -> None:
        self.base, self.journal = base, as_path("journal", journal)
        self.workers = Alone() if workers is None else require_workers("workers", workers)
        self.shards = positive_count("shards", shards, "how many parts the data of a step have")
        self.chunk = None if chunk is None else positive_count("chunk", chunk, "how many directions a unit has")
        if chunk is None and isinstance(base, Directional):
            self.chunk = _DIRECTIONS
        self.check = None if check is None else positive_count("check", check, "a number of steps, or None")
        self.exact = flag("exact", exact)
        self._require_able()
        self._journal = self._late = self._digest = None
        self._run, self._recent = uuid.uuid4().hex, deque(maxlen=RECENT)

    @property
    def value_is_loss(self) -> bool:
        """Whether the value of an estimate is the loss itself."""
        return self.base.value_is_loss

    def _require_able(self):
        """Raise where what is asked for cannot be had of this estimator."""
        own, by_shard = self.base, type(self.base) is ActivationPerturbation
        if not isinstance(own, Directional) and not by_shard:
            raise TypeError(
                f"got base={own!r:.80}; expected an estimator that slopes are enough to make: ForwardGradient, SPSA, "
                "MeZO, or by shards ActivationPerturbation"
            )
        asked = {"chunk": self.chunk, "exact": self.exact, "journal": self.journal}
        if by_shard and (found := [name for name, value in asked.items() if value]):
            raise ValueError(f"got {found[0]}={asked[found[0]]!r} for {own!r}, whose units are shards: leave it out")
        if by_shard and isinstance(self.workers, Pool):
            raise ValueError(f"{own!r} needs the data for every step that is made again: take workers of an MPI")
        whole = not by_shard and (getattr(own, "combine", "") == "project" or isinstance(own.directions, Orthogonal))
        if whole and len(self._plan().parts) > 1:
            raise ValueError(f"{own!r} needs all {own.n} directions at once: take chunk={own.n}")
        if self.exact and not _is_portable(own):
            raise ValueError(
                f"got exact=True for {own!r}; expected directions that are the same on every CPU, such as LowRank or "
                "Rademacher, and neither baseline, shrink nor projection, whose sums are made by BLAS"
            )

    def _plan(self, kind=None):
        """What a step is made of."""
        kind = kind or (Plan if isinstance(self.base, Directional) else ByShard)
        return kind(self.base, self.shards, self.chunk or 1, self.exact)

    # ------------------------------------------------------------------ an estimate

    def estimated(self, at: Point, rng: Rng) -> Estimated:
        plan = self._plan()
        if self.base.has_memory:
            self.base._require_same(at.layout)
        value, slopes = plan.mean(self._rows(plan, at, rng))
        require_finite(self, value, slopes)
        gradient, self._numbers = plan.gradient(at, slopes, rng, self.made), slopes
        return value, gradient, slopes, plan.passes()

    def step(self, objective: Callable[[Any], Any], params: Tree, *, lr: float, rng: RngLike) -> Estimate:
        """One step of `MeZO` in place; see `MeZO.step`.

        Beside the memory of a forward pass it takes that of a copy of the parameters.

        Raises
        ------
        TypeError
            For another estimator, and for parameters that cannot be moved.
        NonFiniteError, DualgradError
            As `estimate`; the parameters are as they were.
        """
        if not isinstance(self.base, MeZO):
            raise TypeError(f"{self!r} makes no steps: only MeZO does; give estimate(...).gradient to an optimizer")
        return attempted(self, self._stepped, objective, params, as_rate(lr), as_rng(rng))

    def _stepped(self, objective, params, lr, rng):
        plan, at, vectors = self._plan(InPlace), Point(self, objective, params), movable(params)
        value, slopes = plan.mean(self._rows(plan, at, rng))
        self.base._require_fit(value, slopes, lr, vectors)
        self._numbers, step = np.array([*slopes, lr]), self.made
        self._one_more()
        plan.make(at, self._numbers, rng, step, None)
        return Estimate(value, None, slopes, plan.passes())

    def _rows(self, plan, at, rng):
        """The rows of all units, each pushed by one of the workers."""

        def own():
            word, units = self._word(plan, at, rng), dealt(plan.units, self.workers)
            if isinstance(self.workers, Pool):
                return word, self._by_replicas(plan, at, rng, units)
            return word, plan.packed_rows(self, at.objective, at.params, rng, self.made, units)

        said = together(self.workers, own, _UNCHANGED)
        if len(said) > 1 and self._is_checked():
            self._require_alike([word for word, _ in said])
        return [Answer.unpacked(*row) for _, rows in said for row in rows]

    def _by_replicas(self, plan, at, rng, units):
        """The packed rows of units, one a task, pushed by the workers of an executor."""
        now, optimizer = digest(at.params), self.workers.optimizer
        tasks = [Task(self._run, self.made, now, [u], at.objective, rng, list(self._recent), None) for u in units]
        if optimizer is None and plan.by_optimizer:
            found, cold = [None] * len(tasks), list(range(len(tasks)))
        else:
            found = self.workers.results(pushed_by_replica, tasks)
            cold = [k for k, rows in enumerate(found) if rows is None]
        if cold:
            snapshot = pickle.dumps(Replica(plan, at.params, optimizer, self.made))
            again = self.workers.results(pushed_by_replica, [tasks[k]._replace(snapshot=snapshot) for k in cold])
            for k, rows in zip(cold, again, strict=True):
                found[k] = rows
        return [row for rows in found for row in rows]

    def _one_more(self):
        """One estimate more was made, whose numbers go into the journal."""
        try:
            if self._journal is not None:
                self._journal.append(self._numbers, self._digest)
        except (OSError, CheckpointError) as error:
            if self.workers.size == 1:
                raise
            self._late = error  # the others have gone on
        self._recent.append((self.made, self._numbers))
        self.base._one_more()
        super()._one_more()

    # ------------------------------------------------------------------ theory

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """That of the estimator, at the mean loss of the shards."""
        return self.base.mean(g, layout, self._whole(at))

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """The same: all shards see the same directions."""
        return self.base.spread(g, layout, self._whole(at))

    def _whole(self, at):
        """A point whose objective is the mean loss of all shards."""
        if at is None or self.shards == 1:
            return at
        losses = [at.objective(shard) for shard in range(self.shards)]
        return Point(self, lambda params: sum(loss(params) for loss in losses) / self.shards, at.params)

    # ------------------------------------------------------------------ whether all are alike

    def _header(self, plan, at, rng):
        """What all workers, and a journal, must agree on, as plain data."""
        state = rng.state_dict()
        seed = state.get("seed") if isinstance(state, dict) else None
        kinds = at.layout.dtypes or (at.vector.dtype,)
        found = {
            "estimator": settings(self.base), "shards": plan.shards, "chunk": plan.chunk, "exact": plan.exact,
            "check": self.check, "numbers": plan.numbers, "parameters": at.layout.named,
            "dtypes": sorted({str(kind) for kind in kinds}),
            "seed": seed and {name: seed[name] for name in ("entropy", "spawn_key")},
        }  # fmt: skip
        return json.loads(json.dumps(found))

    def _is_checked(self):
        return self.check is not None and self.made % self.check == 0

    def _word(self, plan, at, rng):
        """What a worker says beside its rows: at every check-th step from where it goes on."""
        if self._late is not None:
            raise self._late
        if self.journal is not None and self.workers.rank == 0:
            if self._journal is None:
                self._journal = Journal(self.journal, self._header(plan, at, rng), self.made)
            self._journal.require(self.made)
        if not self._is_checked() or self.workers.size == 1 and self._journal is None:
            self._digest = None
            return None
        self._digest = digest(at.params)
        return self._header(plan, at, rng), self._digest

    def _require_alike(self, words):
        """Raise where a worker goes on from elsewhere than the others."""
        (header, _), size = words[0], len(words)
        for rank, (own, _) in enumerate(words):
            if own != header and (found := difference(own, header)):
                raise LayoutError(f"worker {rank} of {size} has, where worker 0 has another: {found}; {_UNCHANGED}")
        digests = [own for _, own in words]
        if odd := odd_ones(digests):
            who = f"worker {odd[0]}" if len(odd) == 1 else f"workers {', '.join(map(str, odd))}"
            raise DriftError(
                f"{who} of {size} has drifted: before step {self.made} the digests of the parameters are "
                f"{', '.join(digests)}; {_UNCHANGED}. Begin with the same parameters on all; on unlike CPUs take "
                "exact=True"
            )


def as_path(name, path):
    """The name of a file, or None."""
    if path is None or isinstance(path, (str, os.PathLike)) and os.fspath(path):
        return path
    raise TypeError(f"got {name}={path!r:.80}; expected the name of a file, or None")


def _is_portable(estimator):
    """Whether the same slopes give the same bits on every CPU, where sums are made without BLAS."""
    settled = getattr(estimator, "combine", "mean") != "project" and not getattr(estimator, "shrink", False)
    plain = getattr(estimator, "baseline", None) is None
    return settled and plain and as_direction(estimator.directions).portable
