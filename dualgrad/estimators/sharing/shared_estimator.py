"""Shared: an estimate that several workers make together, who tell each other slopes and nothing else."""

import os
import pickle
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ...backend import Array
from ...checks import flag, positive_count
from ...directions import Orthogonal
from ...directions.base import as_direction
from ...layout import Layout
from ...nn.objective import BoundObjective
from ...random import RngLike, as_rng
from ...settings import fingerprint
from ...tree import Tree
from ...workers import Alone, Pool, Workers, digest
from ...workers.agreement import dealt, require_workers, together
from ...workers.pool import named_failures
from ..directional import Directional
from ..estimate import Estimate
from ..estimator import Estimator
from ..guessing import ActivationPerturbation
from ..mezo import MeZO, as_rate, movable, stepped_moving
from ..moving import Sharded, whole_of
from ..point import Point, require_finite
from ..state import Names, attempted
from .by_shard import ByShard
from .in_place import InPlace
from .journal import Journal, mark_of
from .plan import Answer, Plan
from .replicas import RECENT, Replica, Task, pushed_by_replica
from .standing import Standing, digest_of_state, header_of, require_alike

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
        Of the last the units are shards alone, and every worker makes the second pass, for the update, of all shards;
        it takes no ``chunk``, no ``journal`` and no ``Pool``.
    workers : object with ``rank``, ``size`` and ``allgather(object)``, optional
        Such as ``MPI.COMM_WORLD``, `dualgrad.workers.world` or a `dualgrad.workers.Pool`; one alone by default. Every
        worker runs the same program.
    shards : int
        How many parts the data of a step have. With several, ``objective(j)`` is the loss of shard j, and the loss is
        their mean; with one, the objective is the loss itself.
    chunk : int, optional
        How many directions a unit has, 8 by default; so many are alive at a time.
    check : int, optional
        After so many steps, and at the first of a program, workers compare digests of their parameters and of what the
        estimator keeps, and name who has drifted; with None at the first alone. Settings, and how many steps were made,
        they compare at every step.
    exact : bool
        Make the sum without BLAS, so that it is the same on unlike CPUs in every bit. For directions that are the same
        everywhere: signs and whole numbers, as of `LowRank`, not normals.
    journal : str or os.PathLike, optional
        A file to which worker 0 adds the slopes of each step, for `replay`.

    Notes
    -----
    Directions come from ``rng.named("directions", step, chunk)``, where step counts the estimates that were made: keep
    one estimator for a run, and save its ``state_dict()`` with the rest. A new one begins at step 0 again, and with the
    same rng draws the same directions again.

    An exception or a NaN on one worker raises the same error on all, and nothing has moved. Of running statistics
    (``model.update_buffers``) take care that all workers see the same data. A stream for masks is named by step and
    shard, ``objective.bind(x, y, train=True, rng=rng.named("dropout", step, shard))``; without ``train=True`` none is
    drawn. An objective that draws from ``rng`` itself is refused, and of `ForwardGradient` one whose loss differs
    between chunks.

    Check an estimator of your own with ``workers=None``: what `dualgrad.testing` enumerates is drawn by one worker.

    With a journal every estimate is to be followed by the optimizer's step: that is what `replay` makes. Settings stay
    as they are, and so do running statistics.

    Cost: one pass a chunk more than the estimator's own, and directions are drawn twice; divided by the workers, but
    for the sum, which everyone makes (n = 32 LowRank directions of 669,706 parameters: 2.1 ms, with ``exact`` 5.5 ms).
    Memory: one chunk of directions and of tangents. Sent a step, by all workers together: n slopes for each shard and a
    loss for each unit, of 8 bytes, and a few more.
    Bias and variance: those of the estimator, at the mean loss of the shards.
    When: slow links, many cheap workers, no reverse mode. n slopes carry n numbers' worth of gradient: where there is a
    vjp and a fast network, `Backprop` and a dense all-reduce are better.

    Raises
    ------
    ValueError, TypeError
        For an estimator that slopes are not enough to make, or that makes an estimate by a method of its own; a
        projection in chunks, ``exact`` where sums are BLAS's.
    DriftError
        At `estimate`, where the number of steps or the parameters of the workers differ.
    LayoutError
        Where their settings, seeds, layouts or running statistics do, or those of the journal.

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
        self.base, self.journal = base, None if journal is None else as_path("journal", journal)
        self.workers = Alone() if workers is None else require_workers("workers", workers)
        self.shards = positive_count("shards", shards, "a positive number of parts of the data")
        chunk = _DIRECTIONS if chunk is None and isinstance(base, Directional) else chunk
        expected = "a positive number of directions, or None"
        self.chunk = None if chunk is None else positive_count("chunk", chunk, expected)
        self.check = None if check is None else positive_count("check", check, "a number of steps, or None")
        self.exact = flag("exact", exact)
        self._require_able()
        self._journal, self._mark, self._met, self._settings = None, 0, False, ""
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
        if not by_shard and (name := _overridden(type(own))):
            raise TypeError(
                f"got base={own!r:.80}, whose own {name}() would not be asked: a step of several workers is made by "
                "slopes(), weights() and finished(); write these"
            )
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

    def estimate(
        self,
        objective: Callable[[Any], Any],
        params: Tree,
        *,
        rng: RngLike = None,
        frozen: str | Iterable[str] = (),
    ) -> Estimate:
        """The loss, and the estimate of its gradient, the same on all workers, each of whom calls it.

        Parameters
        ----------
        objective : callable
            A function of the parameters that returns a number; with several shards a function of a shard, 0, 1, ...,
            that gives such a function.
        params : Params, array or number, or tree of them
        rng : int, numpy.random.Generator or Rng
            Of the same seed on all workers.
        frozen : str, or several
            As `Estimator.estimate`; without a journal, and with no `Pool`, for which a step is one of all parameters.

        Returns
        -------
        Estimate

        Raises
        ------
        DualgradError
            What fails on one worker, as `Estimator.estimate`, fails on all; and where they do not agree in settings
            (LayoutError) or parameters (DriftError). Nothing has changed.
        """
        if frozen:
            return self._of_moving(self._sharded(objective, frozen), params, rng, frozen)
        return attempted(self, self._estimate, objective, params, rng)

    def _sharded(self, objective, frozen):
        """The objective, or the function that makes those of shards, marked as such."""
        if self.journal is not None or isinstance(self.workers, Pool):
            what = "a journal" if self.journal is not None else "a Pool"
            raise NotImplementedError(
                f"{self!r}: got frozen={frozen!r} with {what}, which makes steps of all parameters again: leave one out"
            )
        return objective if self.shards == 1 or isinstance(objective, BoundObjective) else Sharded(objective)

    def _estimate(self, objective, params, rng):
        plan = self._plan()
        at, rng, value, slopes = self._measured(plan, objective, params, rng)
        gradient = self._finite(at, value, plan.gradient(at, slopes, rng, self.made), slopes)
        self._note(slopes)
        return Estimate(value, at.layout.tree(gradient), slopes.astype(value.dtype), plan.passes())

    def step(
        self,
        objective: Callable[[Any], Any],
        params: Tree,
        *,
        lr: float,
        rng: RngLike,
        frozen: str | Iterable[str] = (),
    ) -> Estimate:
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
        if frozen:
            return stepped_moving(self, self._sharded(objective, frozen), params, lr, rng, frozen)
        return attempted(self, self._stepped, objective, params, as_rate(lr), rng)

    def _stepped(self, objective, params, lr, rng):
        plan, step = self._plan(InPlace), self.made
        at, rng, value, slopes = self._measured(plan, objective, params, rng)
        self.base._require_fit(value, slopes, lr, movable(params))
        numbers = np.array([*slopes, lr])
        self._note(numbers)
        plan.make(at, numbers, rng, step, None)
        return Estimate(value, None, slopes, plan.passes())

    def _measured(self, plan, objective, params, rng):
        """Where the step begins, its stream, and the loss and the slopes that all workers have found together."""
        kept = {}

        def own():
            if rng is None:
                raise TypeError(f"{self!r} draws random numbers: estimate(objective, params, rng=0)")
            at, stream = Point(self, objective, params), as_rng(rng)
            kept["at"], kept["rng"] = at, stream
            if self.base.has_memory:
                self.base._require_same(at.layout)
            standing = self._standing(plan, at, stream, kept)
            return standing, self._answers(plan, at, stream, kept["header"])

        said = together(self.workers, own, _UNCHANGED)
        if len(said) > 1:
            standings = [Standing(*word) for word, _ in said]
            require_alike(standings, self.workers, kept["header"], _UNCHANGED)
        self._met = True
        value, slopes = plan.mean([Answer.unpacked(*answer) for _, answers in said for answer in answers])
        require_finite(self, value, slopes)
        return kept["at"], kept["rng"], value, slopes

    def _standing(self, plan, at, rng, kept):
        """From where the step is made, as far as somebody asks: the entries of a `Standing`, None for one alone."""
        asked = self.workers.size > 1 or self.journal is not None or isinstance(self.workers, Pool)
        kept["header"] = header = header_of(plan, at, rng) if asked else None
        if self.journal is not None and self.workers.rank == 0:
            if self._journal is None:
                self._journal = Journal(self.journal, header, self.made)
            self._journal.require(header, self.made)
            self._mark = mark_of(at.params)
        if self.workers.size == 1:
            return None
        looked = not self._met or self.check is not None and self.made % self.check == 0
        kept["header"] = header | {"check": self.check}
        found = digest_of_state(self.base, whole_of(at.objective, at.params)[1]) if looked else None
        return self.made, fingerprint(kept["header"]), found

    def _answers(self, plan, at, rng, header):
        """The packed answers of the own units."""
        units = dealt(plan.units, self.workers)
        if not isinstance(self.workers, Pool):
            return plan.packed(self, at.objective, at.params, rng, self.made, units)
        now, optimizer, self._settings = digest(at.params), self.workers.optimizer, fingerprint(header)
        task = Task(self._run, self._settings, self.made, now, units, at.objective, rng, list(self._recent), None)
        tasks = [task._replace(units=[unit]) for unit in units]
        if optimizer is None and plan.by_optimizer:
            found, cold = [None] * len(tasks), list(range(len(tasks)))
        else:
            found = self.workers.results(pushed_by_replica, tasks)
            cold = [k for k, answers in enumerate(found) if answers is None]
        if cold:
            with named_failures(_UNCHANGED):
                snapshot = pickle.dumps(Replica(plan, at.params, optimizer, self.made))
            again = self.workers.results(pushed_by_replica, [tasks[k]._replace(snapshot=snapshot) for k in cold])
            for k, answers in zip(cold, again, strict=True):
                found[k] = answers
        return [answer for answers in found for answer in answers]

    def _note(self, numbers):
        """One step more was made, which these numbers go into the journal for."""
        if self._journal is not None:
            self._journal.append(numbers, self._mark, later=self.workers.size > 1)
        self._recent.append((self.made, self._settings, numbers))
        self.base._one_more()
        self._one_more()

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


def as_path(name, path):
    """The whole name of a file, which stays that of it wherever the program goes."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise TypeError(f"got {name}={path!r:.80}; expected the name of a file, or None")
    return os.path.abspath(path)


def _overridden(kind):
    """A method by which an estimate is made at once, that is younger than those by which it is made in parts."""
    for name in ("estimate", "estimated", "combined", "step"):
        owner = next((base for base in kind.__mro__ if name in vars(base)), None)
        if owner not in (None, Estimator, MeZO) and "slopes" not in vars(owner):
            return name
    return None


def _is_portable(estimator):
    """Whether the same slopes give the same bits on every CPU, where sums are made without BLAS."""
    settled = getattr(estimator, "combine", "mean") != "project" and not getattr(estimator, "shrink", False)
    plain = getattr(estimator, "baseline", None) is None
    return settled and plain and as_direction(estimator.directions).portable
