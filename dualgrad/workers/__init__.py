"""Who works on a step: one process alone, threads, the processes of an MPI, or an executor."""

from .agreement import digest
from .alone import Alone, Workers
from .pool import Pool
from .threads import threads
from .world import world

__all__ = ["Alone", "Pool", "Workers", "digest", "threads", "world"]
