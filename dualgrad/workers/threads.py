"""threads: several workers as threads of one process, to test and to teach."""

import threading
from collections.abc import Callable

from ..checks import positive_count
from ..errors import DualgradError
from .alone import T, Workers


class _EndedError(DualgradError):
    """Another worker will say no more."""


class _Meeting:
    """Where n threads say something, round after round, and hear what all have said."""

    def __init__(self, n):
        self.n, self.changed, self.rounds, self.ended = n, threading.Condition(), {}, set()

    def exchanged(self, rank, k, word):
        with self.changed:
            said, heard = self.rounds.setdefault(k, ({}, set()))
            said[rank] = word
            if len(said) == self.n:
                self.changed.notify_all()
            self.changed.wait_for(lambda: len(said) == self.n or self.ended - said.keys())
            if len(said) < self.n:
                gone = sorted(self.ended - said.keys())
                raise _EndedError(f"worker {rank} of {self.n}: worker {gone[0]} has ended, and says no more")
            heard.add(rank)
            if len(heard) == self.n:
                del self.rounds[k]
            return [said[r] for r in range(self.n)]

    def leave(self, rank):
        with self.changed:
            self.ended.add(rank)
            self.changed.notify_all()


class _Thread:
    """One of the threads that meet."""

    def __init__(self, rank, meeting):
        self.rank, self.size, self._meeting, self._rounds = rank, meeting.n, meeting, 0

    def __repr__(self):
        return f"<thread {self.rank} of {self.size}>"

    def allgather(self, sendobj, /):
        self._rounds += 1
        return self._meeting.exchanged(self.rank, self._rounds, sendobj)


def threads(n: int, run: Callable[[Workers], T]) -> list[T]:
    """``[run(comm), ...]`` of n threads, each of them one worker of n, by rank.

    To test and to teach: they share memory and Python's lock, and are hardly faster than one.

    Parameters
    ----------
    n : int
    run : callable
        Is given the worker, an object with ``rank``, ``size`` and ``allgather(object)``. What it changes in place, as
        parameters are, must be its own.

    Raises
    ------
    Exception
        The first that a worker raised, by rank. None of the others is left waiting.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.workers.threads(3, lambda comm: sum(comm.allgather(comm.rank)))
    [3, 3, 3]
    """
    n = positive_count("n", n, "a positive number of threads")
    if not callable(run):
        raise TypeError(f"got run={run!r}; expected a function of a worker: threads(4, lambda comm: ...)")
    meeting, found, errors = _Meeting(n), [None] * n, [None] * n

    def work(rank):
        try:
            found[rank] = run(_Thread(rank, meeting))
        except BaseException as error:
            errors[rank] = error
        finally:
            meeting.leave(rank)

    started = [threading.Thread(target=work, args=(rank,), daemon=True) for rank in range(n)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    raised = sorted((e for e in errors if e is not None), key=lambda error: isinstance(error, _EndedError))
    if raised:
        raise raised[0]
    return found
