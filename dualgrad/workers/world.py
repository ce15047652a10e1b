"""world: the processes that an MPI has started, or one alone."""

import importlib
import os
import sys

from ..errors import DualgradError
from .alone import Alone, Workers

# what MPICH, Open MPI, Intel's and MVAPICH tell a process, and Slurm where it starts processes for an MPI
_TOLD = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_SIZE")
_RANKS = ("PMIX_RANK", "PMI_RANK")


def world() -> Workers:
    """``MPI.COMM_WORLD`` where MPI runs this program, else `Alone`.

    So that one script serves both: ``python train.py`` and ``mpiexec -n 8 python -m mpi4py train.py``. With ``-m
    mpi4py`` an error on one process ends all of them; without, the others wait for ever.

    Raises
    ------
    DualgradError
        When a launcher of MPI has started this process among others, and mpi4py is not installed or belongs to another
        MPI than the launcher, so that each process would work alone.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.workers.world()
    Alone()
    """
    names = [*_TOLD, *(("SLURM_NTASKS",) if any(name in os.environ for name in _RANKS) else ())]
    told = [os.environ.get(name, "") for name in names]
    started = max((int(size) for size in told if size.isascii() and size.isdigit()), default=1)
    if "mpi4py.MPI" not in sys.modules and started == 1:
        return Alone()
    try:
        comm = importlib.import_module("mpi4py.MPI").COMM_WORLD
    except ImportError as error:
        raise DualgradError(
            f"{started} processes were started by a launcher of MPI, and this one cannot use it ({error}): pip install "
            "'dualgrad[mpi]'"
        ) from error
    if comm.size < started:
        raise DualgradError(
            f"{started} processes were started, and mpi4py sees {comm.size}: the launcher belongs to another MPI than "
            "mpi4py does; take the mpiexec of the one that it was installed with"
        )
    return comm if comm.size > 1 else Alone()
