"""replay: a run made again from its journal, without a single pass."""

import os
from typing import Any

import numpy as np

from ...errors import CheckpointError, DriftError
from ...random import RngLike, as_rng
from ...tree import Tree, leaves, map_leaves
from ...workers import digest
from ...workers.agreement import together
from ..point import Point
from .in_place import InPlace
from .journal import parsed, require_same_run
from .replicas import Replica, no_loss
from .shared_estimator import Shared


def replay(journal: str | os.PathLike[str], params: Tree, optimizer: Any, estimator: Shared, rng: RngLike) -> int:
    """Make the steps of a journal again, in place on ``params`` and the optimizer: bit for bit, and without a pass.

    Everything is to be as it was when the run began, or at a checkpoint of it: from there the steps that the journal
    has more are made. Then the run goes on, with any number of workers.

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
        When the parameters are not those of the run where it wrote down their digest: another optimizer, a rate that
        was set by hand, a step that was left out. In each case nothing has changed.

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
    rng, workers = as_rng(rng), estimator.workers

    def read():
        if workers.rank:
            return None
        with open(journal, "rb") as file:
            return file.read()

    contents = parsed(together(workers, read, "no step was made")[0], journal)
    plan = estimator._plan(InPlace if optimizer is None else None)
    require_same_run(contents.header, estimator._header(plan, Point(estimator, no_loss, params), rng), journal)
    if len(contents.records) < estimator.made:
        raise CheckpointError(
            f"the journal {journal} has {len(contents.records)} steps, and {estimator!r} has made {estimator.made}"
        )
    before = map_leaves(np.copy, params), optimizer and optimizer.state_dict(), estimator.state_dict()
    try:
        return _made(
            contents.records[estimator.made :], Replica(plan, params, optimizer, estimator.made), estimator, rng
        )
    except BaseException:
        for now, old in zip(leaves(params), leaves(before[0]), strict=True):
            now[...] = old
        if optimizer is not None:
            optimizer.load_state_dict(before[1])
        estimator.load_state_dict(before[2])
        raise


def _made(records, replica, estimator, rng):
    """Make steps again, and how many they were."""
    for record in records:
        if record.digest not in (None, digest(replica.params)):
            raise DriftError(
                f"before step {replica.step} the parameters are not those of the run: was it made with another "
                "optimizer, with a rate that was set by hand (take a schedule), or from other parameters? No step was "
                "made"
            )
        replica.follow(record.numbers, rng)
        estimator.made += 1
    return len(records)
