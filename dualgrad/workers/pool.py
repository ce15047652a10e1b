"""Pool: the workers of an executor, who come late, die and stand still, and change no result."""

import contextlib
import pickle
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Any, Self

from ..checks import positive_number
from ..errors import DualgradError

_NOTHING_MADE = "no gradient was made, and nothing was changed"
_SOON = 0.1  # seconds that the pool waits at least
_LIVES = 3  # executors that may break, one after another, in one step


class Pool:
    """The workers of a ``concurrent.futures`` executor, for `dualgrad.estimators.Shared`.

    One program makes the steps, and each worker keeps a replica of the parameters, which it brings up to date from the
    slopes of the last steps; one that has missed more, or is new, is sent the parameters.

    Parameters
    ----------
    executor : concurrent.futures.Executor, or a function that makes one
        Of processes or threads, loky's, ``client.get_executor(pure=False)`` of dask, mpi4py's ``MPIPoolExecutor``. Of
        Python's own processes, none of which can be replaced once one has died, give the function: a new executor then
        takes the place of the broken one.
    optimizer : optional
        The optimizer that makes the steps, so that replicas can follow. Without it the parameters are sent at every
        step.
    patience : float
        So many times as long as the longest unit so far the pool waits for the next result, and then has the missing
        units done a second time, by whoever is free; if nobody is, it waits as long as they do.

    Notes
    -----
    An executor that the pool has made is shut down at the end of ``with Pool(...) as pool:``.

    Objective, data and parameters must pickle. A task carries the objective: keep it small, a function of a module that
    loads what it needs, as ``functools.partial(load, step)``. Arrays that are sent arrive contiguous: a view with
    strides may have products of other last bits than alone.

    An objective's own exception is raised as it is. `dualgrad.estimators.ActivationPerturbation` takes no pool.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> optimizer, w = dg.optim.SGD(0.1), np.ones(3)
    >>> with ThreadPoolExecutor(2) as executor:
    ...     pool = dg.workers.Pool(executor, optimizer)
    ...     shared = dg.estimators.Shared(dg.estimators.SPSA(n=4), pool, chunk=2)
    ...     for _ in range(50):
    ...         optimizer.step(w, shared.estimate(lambda w: np.sum(w**2), w, rng=0).gradient)
    >>> bool(np.all(np.abs(w) < 0.1))
    True
    """

    rank: int = 0
    size: int = 1
    executor: Executor | Callable[[], Executor]
    optimizer: Any
    patience: float

    def __init__(
        self, executor: Executor | Callable[[], Executor], optimizer: Any = None, patience: float = 3.0
    ) -> None:
        usable = callable(getattr(executor, "submit", None)) or callable(executor)
        if not usable or isinstance(executor, type):
            raise TypeError(
                f"got executor={executor!r:.80}; expected a running concurrent.futures executor, or a function that "
                "makes one: Pool(lambda: ProcessPoolExecutor(4))"
            )
        made = not isinstance(optimizer, type) and hasattr(optimizer, "step") and hasattr(optimizer, "state_dict")
        if optimizer is not None and not made:
            raise TypeError(f"got optimizer={optimizer!r:.80}; expected one with step and state_dict")
        self.executor, self.optimizer = executor, optimizer
        self.patience = positive_number("patience", patience)
        self._running, self._longest = None, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Shut down the executor, if the pool has made it."""
        if self._running is not None and self._running is not self.executor:
            self._running.shutdown()
            self._running = None

    def __repr__(self) -> str:
        return f"Pool({type(self.executor).__name__})"

    def allgather(self, sendobj: Any, /) -> list[Any]:
        """``[sendobj]``: the program that makes the steps is one."""
        return [sendobj]

    def results(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        """``function(task)`` of every task, in order, each done until one worker has done it."""
        found: dict[int, Any] = {}
        for life in range(_LIVES):
            try:
                with named_failures(_NOTHING_MADE):
                    self._collect(function, tasks, found)
                return [found[k] for k in range(len(tasks))]
            except BrokenExecutor as error:
                self._running = None
                if hasattr(self.executor, "submit"):
                    raise DualgradError(
                        f"a worker of the executor died, and it has no other; {_NOTHING_MADE}: give a function that "
                        "makes a new one, Pool(lambda: ProcessPoolExecutor(4))"
                    ) from error
                if life == _LIVES - 1:
                    raise DualgradError(
                        f"workers of {_LIVES} executors died, one after another; {_NOTHING_MADE}: does a unit end its "
                        "worker, or is the objective one of __main__ that workers cannot find (in a notebook, or from "
                        "standard input)? Put it into a module"
                    ) from error
        raise AssertionError

    def _collect(self, function, tasks, found):
        """What tasks have not been done yet, into ``found``."""
        if self._running is None:
            self._running = self.executor if hasattr(self.executor, "submit") else self.executor()
        longest, twice = self._longest, set()
        waited = {self._submit(function, task): k for k, task in enumerate(tasks) if k not in found}
        try:
            while len(found) < len(tasks):
                pending = [future for future, k in waited.items() if k not in found]
                done, _ = wait(pending, max(self.patience * longest, _SOON) if longest else None, FIRST_COMPLETED)
                for future in done:
                    seconds, found[waited[future]] = future.result()
                    longest = max(longest, seconds)
                if not done:
                    for k in {waited[future] for future in pending} - twice:
                        waited[self._submit(function, tasks[k])] = k
                        twice.add(k)
        finally:
            self._longest = longest
            for future in waited:
                future.cancel()

    def _submit(self, function, task):
        submit = getattr(self._running, "submit", None)
        future = None if submit is None else submit(timed, function, task)
        if not isinstance(future, Future):
            running, self._running = self._running, None
            raise TypeError(
                f"got the executor {running!r:.60}; expected one whose submit gives futures of concurrent.futures: of "
                "a dask client take client.get_executor(pure=False)"
            )
        return future


def timed(function: Callable[[Any], Any], task: Any) -> tuple[float, Any]:
    """How long a task took, and what came of it; an error that could not be sent back is told by its text."""
    start = time.perf_counter()
    try:
        found = function(task)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # whatever pickle, or the error's own constructor, objects to
            raise DualgradError(f"{type(error).__name__}: {error}") from None
        raise
    return time.perf_counter() - start, found


@contextlib.contextmanager
def named_failures(unchanged: str) -> Iterator[None]:
    """What ails an executor in words, but for a worker that died."""
    try:
        yield
    except BrokenExecutor:
        raise
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        # "Can't pickle local object" of a function within another, or in Python 3.13 "Can't get local object"
        if not isinstance(error, pickle.PicklingError) and not re.search("pickle|local object", str(error)):
            raise
        raise DualgradError(
            f"what they work on cannot be sent to the workers ({error}): take functions of a module; {unchanged}"
        ) from error
    except RuntimeError as error:
        if "after shutdown" not in str(error):
            raise
        raise DualgradError(f"the executor was shut down; {unchanged}") from error
