"""What each of several processes measures of a shared step: scaling.py starts them under mpiexec, worker 0 prints JSON.

Times are of the CPU where two processes may share one, and of the clock where they wait for each other. One worker
alone and all of them take turns, so that a machine that changes its pace changes it for both.
"""

import json
import pickle
import sys
import time
import tracemalloc

from bench import network

import dualgrad as dg
from dualgrad import directions, estimators
from dualgrad.estimators.point import Point
from dualgrad.estimators.sharing.plan import Plan
from dualgrad.workers.agreement import dealt

ALONE = dg.workers.Alone()
SEED = 0


class Step:
    """A shared step of n LowRank directions, in chunks, on shards of a batch each; whole, or phase by phase."""

    def __init__(self, workers, sizes, batch, n, shards=1, chunk=8, exact=False):
        forward = estimators.ForwardGradient(directions.LowRank(), n=n)
        losses = [network(batch, sizes, seed)[0] for seed in range(shards)]
        self.workers, self.n, self.params = workers, n, network(batch, sizes)[1]
        self.objective = losses[0] if shards == 1 else losses.__getitem__
        self.shared = estimators.Shared(forward, workers, shards=shards, chunk=chunk, check=None, exact=exact)
        self.plan, self.rng = Plan(forward, shards, chunk, exact), dg.Rng(SEED)
        self.at = Point(self.shared, self.objective, self.params)

    def whole(self):
        return self.shared.estimate(self.objective, self.params, rng=self.rng)

    def drawn(self, step, units):
        return [self.plan.directions(self.at, self.rng, step, chunk) for chunk in sorted({chunk for chunk, _ in units})]

    def pushed(self, step, units):
        return list(self.plan.pushed(self.shared, self.objective, self.params, self.rng, step, units))

    def combined(self, step, slopes):
        return self.plan.gradient(self.at, slopes, self.rng, step)

    def phases(self, step):
        """What this worker's CPU does, in milliseconds: draw, push and, once all have told each other, combine."""
        units = dealt(self.plan.units, self.workers)
        draw, _ = milliseconds(lambda: self.drawn(step, units))
        both, rows = milliseconds(lambda: self.pushed(step, units))
        said = [row for rows in self.workers.allgather(rows) for row in rows]
        combine, _ = milliseconds(lambda: self.combined(step, self.plan.mean(said)[1]))
        return {"draw": draw, "push": both - draw, "combine": combine, "total": both + combine}


def milliseconds(call, clock=time.process_time):
    """How long a call takes, and what comes of it."""
    start = clock()
    found = call()
    return 1e3 * (clock() - start), found


# ---------------------------------------------------------------------- efficiency


def quietly(comm):
    """Wait for the others without a turn of the CPU, which MPI's own waiting takes."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(2e-4)


def efficiency(comm, sizes, cases, rounds):
    """Each case, by worker 0 alone and by all of them in turns; of phases those of the worker that took longest."""
    found = []
    for case in cases:
        one, many, turns = Step(ALONE, sizes, **case), Step(comm, sizes, **case), []
        for step in range(rounds + 1):
            turn = {"wall": [None, None]}
            if comm.rank == 0:
                turn["alone"], turn["wall"][0] = one.phases(step), milliseconds(one.whole, time.perf_counter)[0]
            quietly(comm)
            comm.Barrier()
            turn["all"] = max(comm.allgather(many.phases(step)), key=lambda phases: phases["total"])
            comm.Barrier()
            turn["wall"][1] = max(comm.allgather(milliseconds(many.whole, time.perf_counter)[0]))
            turns.append(turn)
        found.append({**case, "turns": turns[1:]})  # the first warms up
    return found


# ---------------------------------------------------------------------- bytes


def sent():
    """Bytes that have left by the loopback so far; None where the system does not say."""
    try:
        with open("/proc/net/dev") as file:
            return next(int(line.split()[9]) for line in file if line.split()[:1] == ["lo:"])
    except (OSError, StopIteration):
        return None


class Counted:
    """Workers who count the bytes that they hand over."""

    def __init__(self, comm):
        self.comm, self.rank, self.size, self.given = comm, comm.rank, comm.size, 0

    def allgather(self, word, /):
        self.given += len(pickle.dumps(word, protocol=pickle.HIGHEST_PROTOCOL))
        return self.comm.allgather(word)


def on_loopback(comm, call, times):
    """Bytes of a call that all make, by the counters of the loopback; what barriers take is taken off."""

    def counted(k):
        comm.Barrier()
        start = sent()
        for _ in range(k):
            call()
        comm.Barrier()
        time.sleep(0.05)
        return sent() - start

    counted(1)
    return (counted(times) - counted(0)) / times


def wire(comm, sizes, cases, times):
    """Bytes a step: a dense all-reduce of the gradient, and shared steps; counted, and seen if ``times`` is not 0."""
    objective, params = network(8, sizes)
    backprop = estimators.Backprop()

    def dense():
        gradient = backprop.estimate(objective, params).gradient.vector
        comm.Allreduce(sys.modules["mpi4py.MPI"].IN_PLACE, gradient)

    seen = on_loopback(comm, dense, max(1, times // 10)) if times and sent() is not None else None
    found = [{"step": "Backprop", "counted": 2 * (comm.size - 1) * 4 * params.size, "seen": seen}]
    for case in cases:
        counting = Counted(comm)
        step = Step(counting, sizes, 8, **case)
        step.whole()
        given = sum(comm.allgather(counting.given))
        seen = on_loopback(comm, step.whole, times) if times and sent() is not None else None
        found.append({"step": "Shared", **case, "counted": (comm.size - 1) * given, "seen": seen})
    return found


# ---------------------------------------------------------------------- parts


def costs(comm, sizes, batches, n, rounds):
    """Milliseconds of the parts of a step, round by round: of the CPU; units by the clock too, an allgather only so."""
    found = {"allgather": [exchange(comm, n) for _ in range(rounds + 1)]} if comm.size > 1 else {}
    if comm.rank == 0:
        plain, exact = (Step(ALONE, sizes, 8, n, exact=exact) for exact in (False, True))
        units, slopes = {batch: Step(ALONE, sizes, batch, 8) for batch in batches}, dg.Rng(SEED).normal(n)
        for step in range(rounds + 1):
            spent = {
                "sum": milliseconds(lambda step=step: plain.combined(step, slopes))[0],
                "sum, exact": milliseconds(lambda step=step: exact.combined(step, slopes))[0],
                "digest": milliseconds(lambda: dg.workers.digest(plain.params))[0],
            }
            for batch, unit in units.items():
                start = time.perf_counter()
                spent[f"unit, batch {batch}"], _ = milliseconds(
                    lambda step=step, unit=unit: unit.pushed(step, [(0, 0)])
                )
                spent[f"wall, batch {batch}"] = 1e3 * (time.perf_counter() - start)
            for name, ms in spent.items():
                found.setdefault(name, []).append(ms)
    if comm.size > 1:
        quietly(comm)
    return {name: times[1:] for name, times in found.items()}


def exchange(comm, n, times=50):
    """The time of an allgather of n slopes among workers who arrive together."""
    word = None, (None, [("float32", bytes(8 * (n // comm.size + 1)))])
    comm.Barrier()
    spent, _ = milliseconds(lambda: [comm.allgather(word) for _ in range(times)], time.perf_counter)
    return spent / times


def memory(comm, sizes, n, chunk):
    """Bytes that n dense directions take at most, beside the parameters, at batch 64: in chunks, or at once."""
    objective, params = network(64, sizes)
    estimator = estimators.ForwardGradient(directions.Rademacher(), n=n)
    if chunk:
        estimator = estimators.Shared(estimator, chunk=chunk)
    tracemalloc.start()
    estimator.estimate(objective, params, rng=SEED)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


MEASURES = {"efficiency": efficiency, "wire": wire, "costs": costs, "memory": memory}


def measured(comm, settings):
    """All that is asked for, by name."""
    return {name: MEASURES[name](comm, **some) for name, some in settings.items()}


if __name__ == "__main__":
    workers = dg.workers.world()
    answer = measured(workers, json.loads(sys.argv[1]))
    if workers.rank == 0:
        print(json.dumps(answer))
