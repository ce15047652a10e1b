"""Replay: a run made again from its journal bit for bit, by any number of workers; of a damaged one nothing is made."""

import os
import pickle
from functools import partial

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, optim, workers
from dualgrad.estimators import SPSA, ForwardGradient, MeZO
from tests.support.sharing import LAYOUTS, SIGNS, InPlaceRun, Run

STEPS = 6
FORWARD = partial(ForwardGradient, directions.LowRank(), n=5)
MOVES = partial(MeZO, n=3, directions=SIGNS)
JOURNALED = {
    "LowRank": partial(Run, FORWARD),
    "baseline": partial(Run, partial(FORWARD, baseline=0.5)),
    "SPSA": partial(Run, partial(SPSA, n=5)),
    "in place": partial(InPlaceRun, MOVES),
    "float32": partial(Run, FORWARD, params=LAYOUTS["Params"](np.float32)),
    "exact": partial(Run, FORWARD, exact=True, check=None),
    "schedule": partial(Run, FORWARD, optimizer=optim.SGD(optim.schedules.exponential(0.1, decay=0.9))),
}


def made(name, comm=None, **settings):
    """A run of the catalogue at its beginning."""
    make = JOURNALED[name]
    given = {key: pickle.loads(pickle.dumps(value)) for key, value in make.keywords.items()}
    return make.func(*make.args, comm, **{"check": 2} | given | settings)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.journal"


@pytest.fixture
def written(path):
    """The journal of a run of six steps, and the digest of its parameters."""
    return path.read_bytes() if made("LowRank", journal=path).steps(STEPS) and path.exists() else None


@pytest.mark.parametrize(("name", "size"), [("LowRank", 1), *((name, 3) for name in JOURNALED)])
def test_a_run_is_made_again_by_another_number_of_workers_and_goes_on(name, size, path):
    whole = made(name, journal=path.with_suffix(".whole"))
    at_four, at_end = whole.steps(4), whole.steps(STEPS - 4)
    workers.threads(2, lambda comm: made(name, comm, journal=path).steps(4))

    def go_on(comm):
        run = made(name, comm, journal=path)
        assert run.replay() == 4
        assert workers.digest(run.params) == at_four
        return run.steps(STEPS - 4), pickle.dumps(run.state())

    assert set(workers.threads(size, go_on)) == {(at_end, pickle.dumps(whole.state()))}
    assert path.read_bytes() == path.with_suffix(".whole").read_bytes()


@pytest.mark.parametrize("name", JOURNALED)
def test_it_is_made_again_from_a_checkpoint(name, path):
    run = made(name, journal=path)
    run.steps(3)
    dg.save(path.with_suffix(".npz"), run.state())
    expected = run.steps(STEPS - 3)

    def go_on(comm):
        again = made(name, comm, journal=path).load(dg.load(path.with_suffix(".npz")))
        assert again.replay() == STEPS - 3
        assert again.replay() == 0
        return workers.digest(again.params)

    assert set(workers.threads(2, go_on)) == {expected}


def test_a_step_takes_its_slopes_and_a_checksum(written):
    header = written.index(b"}\n") + 2
    assert len(written) - header == STEPS * (8 * 5 + 4 + 4)


def test_a_torn_step_at_the_end_is_made_again(path, written):
    record = 8 * 5 + 4 + 4
    for torn in range(1, record):
        path.write_bytes(written[:-torn])
        run = made("LowRank", journal=path)
        assert run.replay() == STEPS - 1
        assert path.stat().st_size == len(written) - torn  # replay writes nothing
    with pytest.warns(RuntimeWarning, match="ended in 1 bytes of a torn step"):
        run.step()
    assert path.read_bytes() == written


def test_a_file_cut_anywhere_has_the_whole_steps_in_front(path, written):
    start, found = written.index(b"}\n") + 2, []
    for end in [*range(start, len(written), 13), len(written)]:
        path.write_bytes(written[:end])
        found.append(made("LowRank", journal=path).replay())
    assert found == sorted(found)
    assert set(found) == set(range(STEPS + 1))
    for end in range(0, start - 1, 5):
        path.write_bytes(written[:end])
        with pytest.raises(dg.CheckpointError, match="no journal of dualgrad, or was cut off before"):
            made("LowRank", journal=path).replay()


def test_damage_in_the_middle_is_refused_and_nothing_has_moved(path, written):
    run, last = made("LowRank", journal=path), len(written) - (8 * 5 + 4 + 4)
    before, start = pickle.dumps(run.state()), written.index(b"}\n") + 1
    for place in {*range(0, last, 7), last - 1} - {start}:
        path.write_bytes(written[:place] + bytes([written[place] ^ 4]) + written[place + 1 :])
        with pytest.raises(dg.CheckpointError, match=r"damaged|no journal of dualgrad"):
            run.replay()
    first, third = (slice(written.index(b"}\n") + 2 + at, written.index(b"}\n") + 2 + at + 48) for at in (48, 144))
    between = slice(first.stop, third.start)
    path.write_bytes(b"".join(written[s] for s in (slice(first.start), third, between, first, slice(third.stop, None))))
    with pytest.raises(dg.CheckpointError, match=r"step 1 of the journal .* is damaged"):  # for it is step 3
        run.replay()
    assert run.shared.made == 0
    assert pickle.dumps(run.state()) == before


OTHERS = {
    r"chunk=2 \(here 3": {"chunk": 3},
    r"shards=2 \(here 3": {"shards": 3},
    r"exact=False \(here True": {"exact": True},
    r"estimator.n=5 \(here 4": {"make": partial(FORWARD, n=4)},
    r"estimator.directions.*LowRank.* \(here .*Rademacher": {"make": partial(ForwardGradient, SIGNS, n=5)},
    r"estimator.baseline=None \(here 0.5": {"make": partial(FORWARD, baseline=0.5)},
    "dtypes.*float64.*float32": {"params": LAYOUTS["Params"](np.float32)},
    "parameters": {"params": LAYOUTS["array"](np.float64)},
    r"seed.entropy=0 \(here 1": {"seed": 1},
}


@pytest.mark.parametrize("other", OTHERS)
def test_the_journal_of_another_run_is_refused_by_name(other, path, written):
    run = Run(**{"make": FORWARD, "check": 2, "journal": path} | OTHERS[other])
    before = pickle.dumps(run.state())
    for call in (run.replay, run.step):
        with pytest.raises(dg.LayoutError, match=f"is of another run: .*{other}"):
            call()
    assert pickle.dumps(run.state()) == before
    assert path.read_bytes() == written


@pytest.mark.parametrize("optimizer", [optim.Adam(0.01), optim.SGD(0.05)], ids=repr)
@pytest.mark.parametrize("size", [1, 2])
def test_another_optimizer_is_found_at_the_next_step_and_all_is_put_back(optimizer, size, path, written):
    def replayed(comm):
        run = made("LowRank", comm, journal=path, optimizer=pickle.loads(pickle.dumps(optimizer)))
        before = pickle.dumps(run.state())
        with pytest.raises(dg.DriftError, match="before step 1 the parameters are not those of the run"):
            run.replay()
        return pickle.dumps(run.state()) == before

    assert all(workers.threads(size, replayed))


def test_other_parameters_are_found_before_the_first_step(path, written):
    run = made("LowRank", journal=path, params=dg.Params({"w": np.ones((2, 4)), "b": np.ones(4)}))
    with pytest.raises(dg.DriftError, match="before step 0"):
        run.replay()


@pytest.mark.parametrize("size", [1, 3])
def test_an_estimator_that_was_reset_or_has_not_replayed_writes_nothing(size, path, written):
    def goes_on(comm, replays):
        run = made("LowRank", comm, journal=path)
        if replays:
            run.replay()
            run.shared.reset()
        before = pickle.dumps(run.state())
        with pytest.raises(dg.CheckpointError, match=r"has 6 steps, and this estimator has made 0: estimators.replay"):
            run.step()
        assert pickle.dumps(run.state()) == before

    for replays in (False, True):
        workers.threads(size, partial(goes_on, replays=replays))
    assert path.read_bytes() == written


def test_a_journal_that_has_fewer_steps_than_were_made_is_refused(path, written):
    ahead = made("LowRank")
    ahead.steps(STEPS + 1)
    run = made("LowRank", journal=path).load(ahead.state())
    for call in (run.replay, run.step):
        with pytest.raises(dg.CheckpointError, match=r"(has 6 steps|from 0 to 6), and .* 7"):
            call()


@pytest.mark.parametrize("size", [1, 2])
def test_two_programs_do_not_write_into_one_journal(size, path):
    def trains(comm):
        run = made("LowRank", comm, journal=path)
        run.steps(2)
        comm.allgather(None)
        if comm.rank == 0:
            other = made("LowRank", journal=path)
            other.replay()
            other.step()
            kept = path.read_bytes()
        comm.allgather(None)
        with pytest.raises(dg.CheckpointError, match="does another program write into it"):
            run.steps(2)  # all but the first have made a step more before they hear of it
        if comm.rank == 0:
            assert path.read_bytes() == kept

    workers.threads(size, trains)


def test_a_journal_that_cannot_be_written_stops_all(tmp_path):
    def trains(comm):
        with pytest.raises(dg.DualgradError, match=r"NotADirectoryError|FileNotFoundError"):
            made("LowRank", comm, journal=tmp_path / "nowhere" / "run.journal").step()

    workers.threads(2, trains)
    with pytest.raises(OSError, match="nowhere"):
        made("LowRank", journal=os.path.join(tmp_path, "nowhere", "run.journal")).step()


def test_only_a_shared_estimator_replays(path):
    with pytest.raises(TypeError, match=r"expected the estimators.Shared that wrote the journal"):
        estimators.replay(path, np.ones(3), None, FORWARD(), 0)
