"""Workers: threads that meet, pools whose workers die, stand still or cannot be told, digests, and named errors."""

import threading
import time
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import optim, workers
from dualgrad.workers.agreement import odd_ones, together
from tests.support.sharing import of_shard
from tests.support.strict import device

# ---------------------------------------------------------------------- threads


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_threads_hear_what_each_has_said_round_after_round(n):
    def run(comm):
        assert isinstance(comm, workers.Workers)
        heard = []
        for k in range(5):
            time.sleep(0.001 * ((comm.rank + k) % 3))  # none waits for the others before its own word
            heard.append(comm.allgather((k, comm.rank)))
        return comm.rank, comm.size, heard

    expected = [[(k, rank) for rank in range(n)] for k in range(5)]
    assert workers.threads(n, run) == [(rank, n, expected) for rank in range(n)]


@pytest.mark.parametrize("error", [KeyError("own"), KeyboardInterrupt(), SystemExit(3)])
def test_the_first_error_comes_out_and_no_thread_is_left_waiting(error):
    before = threading.active_count()

    def run(comm):
        comm.allgather(None)
        if comm.rank == 2:
            raise error
        comm.allgather(None)

    with pytest.raises(type(error)):
        workers.threads(4, run)
    assert threading.active_count() == before


def test_a_thread_that_ends_early_is_named():
    with pytest.raises(dg.DualgradError, match="worker 0 of 2: worker 1 has ended, and says no more"):
        workers.threads(2, lambda comm: comm.rank or comm.allgather(None))


@pytest.mark.parametrize("n", [0, -1, 1.5, None])
def test_no_number_of_threads_is_refused(n):
    with pytest.raises((TypeError, ValueError), match="a positive number of threads"):
        workers.threads(n, lambda comm: None)


# ---------------------------------------------------------------------- together


def test_an_error_of_one_is_raised_on_all_as_the_nearest_of_ours():
    def run(comm, error):
        def own():
            if comm.rank == 1:
                raise error
            return comm.rank

        with pytest.raises(dg.DualgradError) as raised:
            together(comm, own, "nothing was changed")
        assert raised.value.__cause__ is (error if comm.rank == 1 else None)
        return type(raised.value), str(raised.value)

    class Own(dg.LayoutError):
        pass

    for error, kind, text in (
        (dg.NonFiniteError("a NaN"), dg.NonFiniteError, "worker 1 of 3: a NaN; nothing was changed"),
        (ValueError("a value"), dg.DualgradError, "worker 1 of 3: ValueError: a value; nothing was changed"),
        (Own("an own"), dg.LayoutError, "worker 1 of 3: Own: an own; nothing was changed"),
    ):
        assert set(workers.threads(3, partial(run, error=error))) == {(kind, text)}
    with pytest.raises(ValueError, match="alone"):  # as it is
        together(workers.Alone(), partial(_raise, ValueError("alone")), "")


def _raise(error):
    raise error


def test_those_that_differ_from_the_most_are_named():
    assert odd_ones(["a", "a", "b"]) == [2]
    assert odd_ones(["b", "a", "a", "c"]) == [0, 3]
    assert odd_ones(["a", "b"]) == [1]
    assert odd_ones(["a"]) == []


# ---------------------------------------------------------------------- digests


def test_a_digest_tells_every_bit_dtype_shape_and_buffer():
    w = np.arange(6.0)
    others = [w.astype(np.float32), w.reshape(2, 3), np.nextafter(w, 9), -w, [w], [w[:3], w[3:]], w[::-1]]
    found = [workers.digest(tree) for tree in (w, *others[:4], *others[5:])]
    assert len(set(found)) == len(found)
    assert workers.digest(w.copy()) == workers.digest(np.repeat(w, 2)[::2]) == found[0]
    named = [{"a": w, "b": w + 1}, {"b": w, "a": w + 1}, {"a": w, "c": w + 1}, [w, w + 1], [w], w]
    assert len(set(map(workers.digest, named))) == len(named)
    with pytest.raises(TypeError, match="expected arrays of numbers"):
        workers.digest({"a": "abc"})
    assert workers.digest(device(w)) == workers.digest(w)
    params = [dg.Params({"w": w}, buffers={"mean": np.full(2, value)}) for value in (0.0, 0.0, 1.0)]
    assert workers.digest(params[0]) == workers.digest(params[1]) != workers.digest(params[2])


# ---------------------------------------------------------------------- world


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS"])
def test_a_process_of_several_does_not_work_alone_in_silence(name, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mpi4py.MPI", None)
    monkeypatch.setenv(name, "2")
    with pytest.raises(dg.DualgradError, match=r"2 processes were started .* pip install 'dualgrad\[mpi\]'"):
        workers.world()


# ---------------------------------------------------------------------- pools


def double(task):
    return 2 * task


class Dying(ThreadPoolExecutor):
    """An executor whose workers are all dead from some task on, as those of processes are once one has died."""

    def __init__(self, lives):
        super().__init__(2)
        self.lives = lives

    def submit(self, *args):
        self.lives -= 1
        if self.lives >= 0:
            return super().submit(*args)
        future = Future()
        future.set_exception(BrokenExecutor("it died"))
        return future


def test_a_pool_takes_a_new_executor_for_a_broken_one():
    made = []

    def make():
        made.append(Dying([0, 3, 99][len(made)]))
        return made[-1]

    assert workers.Pool(make).results(double, range(6)) == [0, 2, 4, 6, 8, 10]
    assert len(made) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [(Dying(0), "a worker of the executor died, and it has no other"), (partial(Dying, 0), "of 3 executors died")],
    ids=["one executor", "one after another"],
)
def test_a_pool_gives_up_where_none_lives(given, words):
    with pytest.raises(dg.DualgradError, match=words):
        workers.Pool(given).results(double, range(3))


def test_a_straggler_is_overtaken():
    """A task that stands still is done a second time, by whoever is free."""
    freed, begun = threading.Event(), []

    def work(task):
        begun.append(task)
        if task == 0 and begun.count(0) == 1:
            freed.wait(10)
        return 2 * task

    with ThreadPoolExecutor(2) as executor:
        began = time.perf_counter()
        assert workers.Pool(executor, patience=1.5).results(work, range(4)) == [0, 2, 4, 6]
        assert time.perf_counter() - began < 5
        freed.set()
    assert begun.count(0) == 2


def test_a_pool_says_what_ails_an_executor():
    shared = dg.estimators.Shared(dg.estimators.SPSA(n=2), workers.Pool(ThreadPoolExecutor(1)))
    shared.workers.executor.shutdown()
    with pytest.raises(dg.DualgradError, match="the executor was shut down; no gradient was made"):
        shared.estimate(of_shard(0, 0), np.ones(2), rng=0)
    with ProcessPoolExecutor(1) as executor:
        shared.workers = workers.Pool(executor)
        with pytest.raises(dg.DualgradError, match=r"cannot be sent to the workers .* take functions of a module"):
            shared.estimate(lambda w: np.sum(w), np.ones(2), rng=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((ThreadPoolExecutor,), "a running concurrent.futures executor, or a function that makes one"),
        ((3,), "a running concurrent.futures executor"),
        ((double, 0.1), "expected one with step and state_dict"),
        ((double, optim.SGD(0.1), 0), "patience"),
    ],
)
def test_what_is_no_pool_is_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        workers.Pool(*arguments)
