"""The engines: processes of an MPI and of executors, slow, killed and unlike ones; skipped where one is missing."""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from dualgrad import workers
from tests.support import ranks
from tests.support.sharing import dies_once

ROOT = Path(__file__).parents[2]
MPIEXEC = Path(sys.executable).parent / "mpiexec"
KERNELS = ("Haswell", "Nehalem")


def program(*arguments, module="mpi4py"):
    return [sys.executable, "-m", module, "-m", "tests.support.ranks", *map(str, arguments)]


def run(command, fails=False):
    """What every process of a command printed, sorted."""
    done = subprocess.run(
        [MPIEXEC, *command], cwd=ROOT, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        check=False, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else sorted(map(eval, done.stdout.splitlines()), key=str)


@pytest.fixture(scope="module")
def mpi():
    pytest.importorskip("mpi4py", reason="mpi4py is not here: make test-workers installs it")
    if not MPIEXEC.exists():
        pytest.skip(f"there is no {MPIEXEC}: make test-workers installs MPICH")


@pytest.fixture(scope="module")
def alone():
    return ranks.digests(workers.Alone())


# ---------------------------------------------------------------------- processes of an MPI


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_bits_are_those_of_one_alone(size, mpi, alone):
    assert run(["-n", str(size), *program("digests")]) == [alone] * size


def test_the_workers_of_a_pool_of_an_mpi_find_them_too(mpi, alone):
    assert run(["-n", "3", *program("by_mpi_pool", module="mpi4py.futures")]) == [[alone["LowRank"], alone["in place"]]]


@pytest.mark.parametrize("size", [2, 3])
def test_a_killed_process_ends_the_job_which_goes_on_with_others_from_its_journal(size, mpi, alone, tmp_path):
    path, when = tmp_path / "run.journal", tmp_path / "killed"
    run(["-n", str(size), *program("killed", path, when)], fails=True)
    assert time.time() - float(when.read_text()) < 5
    assert run(["-n", str(5 - size), *program("killed", path, when)]) == [(2, alone["baseline"])] * (5 - size)
    assert run(["-n", "1", *program("journaled", path)]) == [(ranks.STEPS, alone["baseline"])]


def test_an_error_outside_of_a_step_ends_the_job(mpi):
    began = time.monotonic()
    assert "of the program's own" in run(["-n", "3", *program("erring")], fails=True)
    assert time.monotonic() - began < 20


def unlike(*arguments):
    """What two processes print that use the kernels of different CPUs."""
    parts = [["-n", "1", "env", f"OPENBLAS_CORETYPE={kind}", *program("drifting", *arguments)] for kind in KERNELS]
    return run([*parts[0], ":", *parts[1]])


def test_unlike_cpus_are_named_at_the_next_check(mpi):
    for said in unlike("blas"):
        assert "worker 1 of 2 has drifted: before step 1 the digests of the parameters are" in said


def test_exact_sums_are_the_same_on_unlike_cpus(mpi):
    first, second = unlike("exact")
    assert first == second
    assert len(first) == 16


# ---------------------------------------------------------------------- executors


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("distributed", reason="dask is not here: make test-workers installs it")
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        yield client.get_executor(pure=False)


@pytest.fixture
def executor(request):
    if request.param == "dask":
        return request.getfixturevalue("dask")
    if request.param == "loky":
        loky = pytest.importorskip("loky", reason="loky is not here: make test-workers installs it")
        return partial(loky.get_reusable_executor, 2)
    return partial(ProcessPoolExecutor, 2, mp_context=multiprocessing.get_context("forkserver"))


every_executor = pytest.mark.parametrize("executor", ["processes", "loky", "dask"], indirect=True)


@every_executor
@pytest.mark.parametrize("name", ["LowRank", "baseline", "SPSA"])
def test_executors_find_them_too(name, executor, alone):
    assert ranks.pooled(executor, name) == alone[name]


@every_executor
def test_a_killed_worker_costs_time_and_no_bits(executor, alone, tmp_path):
    when = tmp_path / "killed"
    assert ranks.pooled(executor, "baseline", partial(dies_once, when)) == alone["baseline"]
    assert when.exists()
