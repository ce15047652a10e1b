"""replay: a run made again from its journal, without a single pass."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from ...checkpoint.saving import refuse_special
from ...errors import CheckpointError, DriftError
from ...random import RngLike, as_rng
from ...tree import Tree, leaves, map_leaves
from ...workers.agreement import together
from ..mezo import MeZO, movable
from ..point import Point
from .in_place import InPlace
from .journal import mark_of, parsed, require_same_run
from .replicas import Replica, no_loss
from .shared_estimator import Shared
from .standing import header_of

_UNMADE = "no step was made"


def replay(journal: str | os.PathLike[str], params: Tree, optimizer: Any, estimator: Shared, rng: RngLike) -> int:
    """Make the steps of a journal again, in place on ``params`` and the optimizer: bit for bit, and without a pass.

    Everything is to be as it was when the run began, or at a checkpoint of it: from there the steps that the journal
    has more are made. Then the run goes on, with any number of workers. What fails on one of them fails on all.

    Parameters
    ----------
    journal : str or os.PathLike
        What `Shared` wrote; worker 0 reads it and tells the others.
    params : Params, or writable arrays in a tree
        As they were when the run began.
    optimizer : optimizer
        None for the steps that `MeZO` made in place.
    estimator : Shared
        As it was; its workers may be others.
    rng : the seed, or a stream of it
        It is not advanced: what else a step draws, batches and masks, is to be named by step.

    Returns
    -------
    int
        How many steps were made.

    Raises
    ------
    LayoutError
        For the journal of another run: another estimator, chunk, shards, seed, dtype or layout, which it names.
    CheckpointError
        When the journal is damaged, or has fewer steps than the estimator has made.
    DriftError
        When the parameters before a step are not those that they were in the run: by another optimizer, a rate that was
        set by hand, a step that was left out. In each case nothing has changed. (What the last step has made is in no
        record, and is not compared.)

    Examples
    --------
    >>> import dualgrad as dg, numpy as np, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.journal")
    >>> def start():
    ...     shared = dg.estimators.Shared(dg.estimators.SPSA(n=4), chunk=2, journal=path)
    ...     return np.ones(3), dg.optim.Adam(0.1), shared
    >>> w, optimizer, shared = start()
    >>> for _ in range(5):
    ...     optimizer.step(w, shared.estimate(lambda w: np.sum(w**2), w, rng=0).gradient)
    >>> again, optimizer, shared = start()
    >>> dg.estimators.replay(path, again, optimizer, shared, 0), np.array_equal(again, w)
    (5, True)
    """
    if not isinstance(estimator, Shared):
        raise TypeError(f"got estimator={estimator!r:.80}; expected the estimators.Shared that wrote the journal")
    workers = estimator.workers

    def read():
        if workers.rank:
            return b""
        refuse_special(journal)
        return Path(journal).read_bytes()

    data = together(workers, read, _UNMADE)[0]
    before: list[Any] = []

    def make():
        replica, records, stream = _begun(data, journal, params, optimizer, estimator, rng)
        before.extend([map_leaves(np.copy, params), optimizer and optimizer.state_dict(), estimator.state_dict()])
        for record in records:
            if record.mark != mark_of(replica.params):
                raise DriftError(
                    f"before step {replica.step} the parameters are not those of the run: was it made with another "
                    "optimizer, by a rate or settings that were set by hand (take a schedule), from other parameters "
                    "(of a checkpoint load the estimator's state_dict() too), or without a step after each estimate?"
                )
            replica.follow(record.numbers, stream)
            estimator.made += 1
        return len(records)

    try:
        return together(workers, make, _UNMADE)[workers.rank]
    except BaseException:
        if before:
            _put_back(params, optimizer, estimator, *before)
        raise


def _begun(data, path, params, optimizer, estimator, rng):
    """A replica where the estimator is, the records after that, and the stream; what does not fit raises."""
    contents, stream = parsed(data, path), as_rng(rng)
    if optimizer is None and not isinstance(estimator.base, MeZO):
        raise TypeError("got optimizer=None; expected the optimizer of the run: only MeZO makes steps without one")
    methods = ("step", "state_dict", "load_state_dict")
    if optimizer is not None and not all(callable(getattr(optimizer, name, None)) for name in methods):
        raise TypeError(f"got optimizer={optimizer!r:.80}; expected one with step, state_dict and load_state_dict")
    movable(params)
    plan = estimator._plan(InPlace if optimizer is None else None)
    require_same_run(contents.header, header_of(plan, Point(estimator, no_loss, params), stream), path)
    if not contents.first <= estimator.made <= contents.steps:
        raise CheckpointError(
            f"the journal {path} has the steps from {contents.first} to {contents.steps}, and {estimator!r} has made "
            f"{estimator.made}: load the state of the estimator that belongs to the parameters"
        )
    missing = contents.records[estimator.made - contents.first :]
    return Replica(plan, params, optimizer, estimator.made), missing, stream


def _put_back(params, optimizer, estimator, before, optimizer_before, estimator_before):
    for now, old in zip(leaves(params), leaves(before), strict=True):
        now[...] = old
    if optimizer is not None:
        optimizer.load_state_dict(optimizer_before)
    estimator.load_state_dict(estimator_before)
