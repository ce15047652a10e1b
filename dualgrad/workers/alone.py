"""Alone: one worker."""

from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Workers(Protocol):
    """What programs that run as several workers share: who one is, how many there are, and what all of them say.

    ``mpi4py.MPI.COMM_WORLD`` is one as it is.

    Examples
    --------
    >>> import dualgrad as dg
    >>> isinstance(dg.workers.Alone(), dg.workers.Workers)
    True
    """

    @property
    def rank(self) -> int:
        """Which worker this is: 0, ..., size - 1."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def allgather(self, sendobj: Any, /) -> list[Any]:
        """What every worker gave, by rank; each must call it."""
        ...


class Alone:
    """One worker, for whom nothing is sent.

    Examples
    --------
    >>> import dualgrad as dg
    >>> alone = dg.workers.Alone()
    >>> alone.rank, alone.size, alone.allgather("slopes")
    (0, 1, ['slopes'])
    """

    rank: int = 0
    size: int = 1

    def __repr__(self) -> str:
        return "Alone()"

    def allgather(self, sendobj: Any, /) -> list[Any]:
        """``[sendobj]``."""
        return [sendobj]
