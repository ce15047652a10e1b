"""Train a small network on real digits by any number of workers, who send each other 32 numbers a step.

A 64-128-10 network learns scikit-learn's digits by forward gradients along 32 directions. A step has 16 units, 4 chunks
of directions times 4 shards of the batch; whoever pushes them, the parameters at the end are the same in every bit.

    python examples/distributed_digits.py                                        # alone
    mpiexec -n 2 python -m mpi4py examples/distributed_digits.py                 # the processes of an MPI
    python examples/distributed_digits.py --executor processes                   # or threads, loky, dask
    python examples/distributed_digits.py --journal run.journal                  # interrupt it, and start it again
"""

import argparse
import contextlib
import functools
import os
import pathlib
import pickle
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by NumPy's import; the workers are what runs in parallel

from datasets import digits

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim, workers

SHARDS, BATCH = 4, 32  # examples of a shard
MODEL = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
OBJECTIVE = nn.Objective(MODEL, nn.cross_entropy)

images = functools.cache(digits)


def main():
    args = arguments()
    with executor(args.executor) as started:
        try:
            train(args, started)
        except (dg.DualgradError, OSError) as error:
            sys.exit(f"distributed_digits.py: {error}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="updates (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the start, the batches and the directions")
    parser.add_argument("--executor", choices=["processes", "threads", "loky", "dask"], help="two workers of one")
    parser.add_argument("--journal", metavar="PATH", help="add each step to this file; first make again what is there")
    parser.add_argument("--digest", metavar="PATH", help="fail unless this file has the same digest; made if missing")
    return parser.parse_args()


@contextlib.contextmanager
def executor(name):
    """Two workers of an executor, or what makes them; None for none."""
    if name == "dask":
        from distributed import Client

        with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
            yield client.get_executor(pure=False)
    elif name == "loky":
        from loky import get_reusable_executor

        yield functools.partial(get_reusable_executor, 2)
    elif name:
        yield functools.partial(ThreadPoolExecutor if name == "threads" else ProcessPoolExecutor, 2)
    else:
        yield None


def train(args, started):
    rng, optimizer, params = dg.Rng(args.seed), optim.Adam(lr=5e-3), MODEL.init(rng=args.seed)
    comm = workers.Pool(started, optimizer) if started else Counted(workers.world())
    forward = estimators.ForwardGradient(directions.LowRank(), n=32)
    shared = estimators.Shared(forward, comm, shards=SHARDS, chunk=8, journal=args.journal)
    if args.journal and comm.allgather(os.path.exists(args.journal))[0]:
        made = estimators.replay(args.journal, params, optimizer, shared, rng)
        say(comm, f"{made} steps made again from {args.journal}")
    _, (x, y) = images()
    begun, began, before = shared.made, time.perf_counter(), getattr(comm, "sent", 0)
    while shared.made < args.steps:
        estimate = shared.estimate(functools.partial(loss_of, rng, shared.made), params, rng=rng)
        optimizer.step(params, estimate.gradient)
        if shared.made % 100 == 0 or shared.made == args.steps:
            steps, right = shared.made - begun, nn.accuracy(MODEL(params, x), y)
            costs = f"{1e3 * (time.perf_counter() - began) / steps:.1f} ms a step"
            if comm.size > 1:
                costs += f", {(comm.sent - before) / steps:.0f} bytes sent for {params.size} parameters"
            say(comm, f"step {shared.made:5}  loss {estimate.value:.4f}  test accuracy {right:.3f}  {costs}")
    agree(comm, args, workers.digest(params))


def loss_of(rng, step, shard):
    """The loss of a shard of a step's batch: a function of a module, which loads what it needs wherever it is run."""
    x, y = images()[0]
    rows = rng.named("batch", step, shard).integers(0, len(x), BATCH)
    return OBJECTIVE.bind(x[rows], y[rows])


def agree(comm, args, digest):
    """Say what the parameters of all workers are, and fail where it is not what others have found."""
    path, found = args.digest, sorted(set(comm.allgather(digest)))
    say(comm, f"digest of the parameters, by {args.executor or comm}: {' '.join(found)}")
    if path and comm.rank == 0 and not os.path.exists(path):
        pathlib.Path(path).write_text(digest)
    if len(found) > 1 or path and comm.rank == 0 and pathlib.Path(path).read_text() != digest:
        sys.exit("distributed_digits.py: the digests differ")


def say(comm, text):
    if comm.rank == 0:
        print(text, flush=True)


class Counted:
    """Workers, and how many bytes one of them has sent."""

    def __init__(self, comm):
        self.comm, self.rank, self.size, self.sent = comm, comm.rank, comm.size, 0

    def __repr__(self):
        return f"{self.size} worker{'s' * (self.size > 1)}"

    def allgather(self, sendobj):
        self.sent += len(pickle.dumps(sendobj)) if self.size > 1 else 0
        return self.comm.allgather(sendobj)


if __name__ == "__main__":
    from distributed_digits import main  # under this name the workers of an executor find its functions

    main()
