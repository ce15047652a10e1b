"""Runs of `Shared` as programs of their own, for the processes of an MPI: ``python -m mpi4py -m tests.support.ranks``.

The first argument names a function below, the others are what it is called with. Every process prints what it found.
"""

import os
import sys
from concurrent.futures import Executor
from functools import partial

import numpy as np

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim, workers
from tests.support.sharing import InPlaceRun, Run, batch_of, dies_once, network, of_shard

FORWARD = partial(estimators.ForwardGradient, directions.LowRank(), n=5)
KINDS = {
    "LowRank": partial(Run, FORWARD),
    "baseline": partial(Run, partial(FORWARD, baseline=0.5)),
    "normals": partial(Run, partial(estimators.ForwardGradient, directions.Gaussian(), n=5)),
    "SPSA": partial(Run, partial(estimators.SPSA, n=5)),
    "in place": partial(InPlaceRun, partial(estimators.MeZO, n=3)),
}
STEPS = 5


def digests(comm):
    """Of every kind of run, with units that take unequal times."""
    found = {name: make(comm, objective=partial(of_shard, nap=0.001)).steps(STEPS) for name, make in KINDS.items()}
    guesses = Run(
        partial(estimators.ActivationPerturbation, n=2), comm, network(np.float32), batch_of, shards=5, chunk=None
    )
    return found | {"guesses": guesses.steps(STEPS)}


def pooled(executor, name="LowRank", objective=of_shard):
    """The digest of a run by an executor."""
    run = KINDS[name](objective=objective)
    run.shared.workers = workers.Pool(executor, run.optimizer)
    return run.steps(STEPS)


def journaled(comm, path, objective=of_shard):
    """The digest of a run that goes on where its journal ends, and how many steps it did not have to make."""
    run = KINDS["baseline"](comm, objective=objective, journal=path, check=2)
    made = run.replay() if comm.allgather(os.path.exists(path))[0] else 0
    return made, run.steps(STEPS - made)


def killed(comm, path, when):
    """A run of which one process is killed."""
    return journaled(comm, path, partial(dies_once, when))


def erring(comm):
    """A run of which one process raises an error that is not of a step."""
    run = KINDS["LowRank"](comm)
    run.steps(2)
    if comm.rank == 1:
        raise KeyError("of the program's own")
    return run.steps(2)


def drifting(comm, exact):
    """Three steps of a large network, checked at each; the error where there is one."""
    layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
    objective, optimizer = nn.Objective(nn.Sequential(*layers), nn.cross_entropy), optim.SGD(1e-4)
    params, x = objective.model.init(rng=0), dg.Rng(0).normal((16, 784), dtype=np.float32)
    forward = estimators.ForwardGradient(directions.LowRank(), n=32)
    shared = estimators.Shared(forward, comm, check=1, exact=exact == "exact")
    try:
        for _ in range(3):
            estimate = shared.estimate(objective.bind(x, np.arange(16) % 10), params, rng=0)
            optimizer.step(params, estimate.gradient)
    except dg.DriftError as error:
        return str(error)
    return workers.digest(params)


def by_mpi_pool():
    """A run by the processes of an MPI that wait for tasks."""
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as executor:
        assert isinstance(executor, Executor)
        return [pooled(executor, name) for name in ("LowRank", "in place")]


if __name__ == "__main__":
    _, name, *arguments = sys.argv
    found = by_mpi_pool() if name == "by_mpi_pool" else globals()[name](workers.world(), *arguments)
    print(f"{found!r}\n", end="", flush=True)
