"""Workers and journals of a run that goes on: who stands elsewhere than the others is named, whatever it is."""

import os
import pickle
import resource
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim, testing, workers
from dualgrad.estimators import SPSA, ActivationPerturbation, ForwardGradient, MeZO
from tests.support.sharing import LAYOUTS, SIGNS, InPlaceRun, Run, loss, of_shard

FORWARD = partial(ForwardGradient, directions.LowRank(), n=5)


# ---------------------------------------------------------------------- workers


def other_order(run):
    run.params = {name: run.params[name] for name in reversed(list(run.params))}


def set_made(run):
    run.shared.made += 1


def set_check(run):
    run.shared.check = None


def set_rng(run):
    run.rng = dg.Rng(9)


def set_eps(run):
    run.shared.base.eps = 0.5


def set_n(run):
    run.shared.base.n = 3


def moved(run):
    run.params["w"] += 1


CHANGES = {"order": other_order, "made": set_made, "check": set_check, "rng": set_rng, "eps": set_eps, "n": set_n}


def as_tree():
    return {"w": np.linspace(-1, 1, 8).reshape(2, 4), "b": np.arange(8.0).reshape(2, 4)}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("after", [0, 3])
def test_a_worker_that_differs_at_any_step_is_named(what, after):
    def train(comm):
        run = Run(partial(SPSA, n=5), comm, params=as_tree())
        run.steps(after)
        if comm.rank == 1:
            CHANGES[what](run)
        before = workers.digest(run.params)
        with pytest.raises((dg.LayoutError, dg.DriftError), match="worker 1 of 3 has") as raised:
            run.step()
        assert workers.digest(run.params) == before
        return str(raised.value)

    assert len(set(workers.threads(3, train))) == 1


@pytest.mark.parametrize("kept", ["params", "average"])
def test_the_first_step_after_a_checkpoint_is_looked_at(kept):
    ahead = Run(partial(FORWARD, baseline=0.5))
    ahead.steps(3)
    state = pickle.dumps(ahead.state())

    def train(comm):
        run = Run(partial(FORWARD, baseline=0.5), comm).load(pickle.loads(state))
        if comm.rank == 1 and kept == "params":
            moved(run)
        if comm.rank == 1 and kept == "average":
            run.shared.base._average = run.shared.base._average + 1
        with pytest.raises(dg.DriftError, match="worker 1 of 3 has drifted: before step 3"):
            run.step()

    workers.threads(3, train)


def test_what_fails_before_a_step_on_one_worker_fails_on_all():
    right = {"objective": loss, "params": np.ones(4), "rng": 0}
    for wrong in ({"objective": None}, {"params": np.arange(4)}, {"rng": None}, {"rng": 0.5}):

        def train(comm, wrong=wrong):
            shared = estimators.Shared(FORWARD(), comm)
            given = right | (wrong if comm.rank == 1 else {})
            with pytest.raises(dg.DualgradError, match="worker 1 of 2: TypeError"):
                shared.estimate(given["objective"], given["params"], rng=given["rng"])

        workers.threads(2, train)


def test_an_exit_on_one_worker_is_told_to_the_others():
    def leaves(params):
        raise SystemExit(3)

    def train(comm):
        shared = estimators.Shared(FORWARD(), comm, shards=2)
        with pytest.raises(SystemExit if comm.rank == 1 else dg.DualgradError):
            shared.estimate(lambda j: leaves if j == 1 else loss, np.ones(4), rng=0)

    workers.threads(2, train)


@pytest.mark.parametrize(
    "said", [[], [(None, None)] * 3, None, [1, 2], iter([])], ids=["none", "more", "None", "numbers", "iterator"]
)
def test_an_allgather_that_gives_something_else_is_named(said):
    class Odd(workers.Alone):
        size = 2

        def allgather(self, sendobj):
            return said

    with pytest.raises(dg.DualgradError, match="expected a list of what each of 2 workers has given"):
        estimators.Shared(FORWARD(), Odd()).estimate(loss, np.ones(4), rng=0)


def test_enumerated_draws_are_those_of_one_worker():
    def check(comm):
        with pytest.raises(dg.DualgradError, match="check an estimator with workers=None"):
            testing.assert_unbiased(estimators.Shared(FORWARD(), comm), lambda w: np.sum(w**2), np.ones(2))

    workers.threads(2, check)


def test_an_objective_that_draws_from_a_stream_of_its_own_is_found():
    run, own = Run(FORWARD), dg.Rng(5)
    run.objective = lambda step, shard: lambda w: of_shard(step, shard)(w) * own.uniform()
    with pytest.raises(dg.DualgradError, match=r"the loss of shard 0 is .* with another: an objective that draws"):
        run.step()


@pytest.mark.parametrize("rng", [np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_every_generator_of_numpy_has_named_streams(rng):
    found = [estimators.Shared(FORWARD()).estimate(loss, np.ones(4), rng=np.random.Generator(rng(3))) for _ in range(2)]
    assert np.array_equal(found[0].gradient, found[1].gradient)


def test_losses_that_are_whole_numbers_have_a_mean():
    shared = estimators.Shared(ForwardGradient(SIGNS), shards=2)
    estimate = shared.estimate(lambda j: lambda w: np.sum(0 * w) * 0 + np.int64(1 + j), np.ones(3), rng=0)
    assert estimate.value == 1.5


class Normalised(ForwardGradient):
    def estimated(self, at, rng):
        value, gradient, slopes, cost = super().estimated(at, rng)
        return value, gradient / np.linalg.norm(gradient), slopes, cost


class Doubled(ForwardGradient):
    def weights(self, slopes, V, layout, w):
        return 2 * super().weights(slopes, V, layout, w)


class StepsTwice(MeZO):
    def step(self, *args, **kwargs):
        return super().step(*args, **kwargs)


def test_what_an_own_estimator_does_at_once_is_not_left_out():
    for base in (Normalised(SIGNS), StepsTwice()):
        with pytest.raises(TypeError, match="would not be asked"):
            estimators.Shared(base)
    once = estimators.Shared(ForwardGradient(SIGNS, n=3)).estimate(loss, np.ones(4), rng=0).gradient
    assert np.array_equal(estimators.Shared(Doubled(SIGNS, n=3)).estimate(loss, np.ones(4), rng=0).gradient, 2 * once)


# ---------------------------------------------------------------------- journals


def skips(run):
    run.shared.estimate(partial(of_shard, run.shared.made), run.params, rng=run.rng)


def by_hand(run):
    run.optimizer.lr = 0.5
    run.step()


def other_state(run):
    run.optimizer.reset()
    run.step()


@pytest.mark.parametrize("how", [skips, by_hand, other_state])
def test_what_replay_does_not_know_of_is_found_at_the_next_step(how, tmp_path):
    path = tmp_path / "run.journal"
    run = Run(FORWARD, journal=path)
    run.steps(2)
    how(run)
    run.step()
    again = Run(FORWARD, journal=path)
    before = pickle.dumps(again.state())
    with pytest.raises(dg.DriftError, match="before step 3 the parameters are not those of the run"):
        again.replay()
    assert pickle.dumps(again.state()) == before


@pytest.mark.parametrize("how", [set_rng, set_n, set_eps], ids=lambda f: f.__name__)
def test_a_journal_takes_no_steps_of_another_kind(how, tmp_path):
    path = tmp_path / "run.journal"
    run = Run(partial(SPSA, n=5), journal=path)
    run.steps(2)
    written = path.read_bytes()
    how(run)
    with pytest.raises(dg.LayoutError, match="is of another run"):
        run.step()
    assert path.read_bytes() == written
    in_place = InPlaceRun(partial(MeZO, n=5), journal=tmp_path / "mezo.journal")
    in_place.step()
    with pytest.raises(dg.LayoutError, match="step='InPlace'"):
        Run.step(in_place)


def test_running_statistics_that_move_have_no_journal(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Linear(4, 2))
    params, x = model.init(rng=0), dg.Rng(1).normal((8, 3), dtype=np.float32)
    batch = nn.Objective(model, nn.mse).bind(x, x[:, :2], train=True)
    shared, sgd = estimators.Shared(FORWARD(), journal=tmp_path / "run.journal"), optim.SGD(0.1)
    sgd.step(params, shared.estimate(batch, params, rng=0).gradient)
    sgd.step(params, shared.estimate(batch, params, rng=0).gradient)  # as long as they stay
    model.update_buffers(params, x)
    with pytest.raises(dg.LayoutError, match="buffers="):
        shared.estimate(batch, params, rng=0)


def test_after_a_replay_the_state_is_that_of_the_run(tmp_path):
    path, make = tmp_path / "run.journal", partial(FORWARD, baseline=0.5)
    run = Run(make, journal=path)
    run.steps(3)
    again = Run(make, journal=path)
    again.replay()
    assert str(again.shared.state_dict()) == str(run.shared.state_dict())
    Run(make).load(pickle.loads(pickle.dumps(again.state())))


def test_a_journal_begins_at_any_step(tmp_path):
    run = Run(FORWARD)
    run.steps(3)
    state = pickle.dumps(run.state())
    later = Run(FORWARD, journal=tmp_path / "later.journal").load(pickle.loads(state))
    expected = later.steps(4)
    again = Run(FORWARD, journal=tmp_path / "later.journal")
    with pytest.raises(dg.CheckpointError, match=r"has the steps from 3 to 7, and .* has made 0"):
        again.replay()
    again.load(pickle.loads(state))
    assert again.replay() == 4
    assert workers.digest(again.params) == expected


def test_replay_on_one_worker_is_that_of_all(tmp_path):
    path = tmp_path / "run.journal"
    Run(FORWARD, journal=path).steps(3)

    def again(comm):
        run = Run(FORWARD, comm, journal=path)
        if comm.rank == 1:
            moved(run)
        before = pickle.dumps(run.state())
        with pytest.raises(dg.DriftError, match="worker 1 of 2: before step 0"):
            run.replay()
        assert pickle.dumps(run.state()) == before

    workers.threads(2, again)


def test_replay_says_what_it_needs(tmp_path):
    path = tmp_path / "run.journal"
    run = Run(FORWARD, journal=path)
    run.steps(2)
    fixed = LAYOUTS["array"](np.float64)
    fixed.flags.writeable = False
    for changed, error in (({"optimizer": None}, TypeError), ({"optimizer": print}, TypeError)):
        with pytest.raises(error, match="expected"):
            estimators.replay(**{"journal": path, "params": run.params, "optimizer": optim.SGD(0.1), "rng": 0,
                                 "estimator": run.shared} | changed)  # fmt: skip
    with pytest.raises(TypeError, match="writable"):
        estimators.replay(path, fixed, optim.SGD(0.1), run.shared, 0)


@pytest.mark.parametrize("path", ["/dev/full", "/"])
def test_a_journal_is_a_regular_file(path):
    with pytest.raises(OSError, match=r"device|directory"):
        Run(FORWARD, journal=path).step()


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path):
    """The limit on a file's size is met in the middle of a record; without it the run goes on."""
    path = tmp_path / "run.journal"
    run = Run(FORWARD, journal=path)
    run.steps(2)
    program = f"""
import resource, signal
from functools import partial
from dualgrad import directions, estimators
from tests.support.sharing import Run
FORWARD = partial(estimators.ForwardGradient, directions.LowRank(), n=5)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run = Run(FORWARD, journal={str(path)!r})
run.replay()
size = {path.stat().st_size}
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
try:
    run.step()
except OSError:
    print(open({str(path)!r}, "rb").seek(0, 2) == size)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(run.steps(2))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.split() == ["True", Run(FORWARD).steps(4)]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10


# ---------------------------------------------------------------------- executors


@pytest.mark.parametrize("how", [set_eps, set_n, by_hand, moved], ids=lambda f: f.__name__)
def test_what_is_changed_by_hand_reaches_the_replicas(how):
    def train(pool):
        run = Run(partial(SPSA, n=5), params=as_tree())
        run.shared.workers = pool(run.optimizer)
        run.steps(2)
        how(run)
        return run.steps(2)

    with ThreadPoolExecutor(2) as executor:
        assert train(partial(workers.Pool, executor)) == train(lambda optimizer: workers.Alone())


def test_estimates_and_steps_in_place_take_turns_by_a_pool():
    def train(pool):
        w, sgd = np.linspace(-1, 1, 6), optim.SGD(0.1)
        shared = estimators.Shared(MeZO(n=4), pool and workers.Pool(pool, sgd), chunk=2)
        for _ in range(3):
            sgd.step(w, shared.estimate(loss, w, rng=0).gradient)
            shared.step(loss, w, lr=0.01, rng=0)
        return workers.digest(w)

    with ThreadPoolExecutor(2) as executor:
        assert train(executor) == train(None)


class TwoWordsError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raises_two_words(params):
    raise TwoWordsError("this", "that")


def test_an_error_that_does_not_unpickle_is_told():
    with ProcessPoolExecutor(1) as executor:
        shared = estimators.Shared(FORWARD(), workers.Pool(executor))
        with pytest.raises(dg.DualgradError, match="TwoWordsError: this and that"):
            shared.estimate(raises_two_words, np.ones(3), rng=0)


def test_what_is_no_executor_is_named():
    for given in (lambda: 3, lambda: print):
        with pytest.raises(TypeError, match=r"client.get_executor\(pure=False\)"):
            workers.Pool(given).results(abs, [1])
    with pytest.raises(TypeError, match="got optimizer"):
        workers.Pool(ThreadPoolExecutor(1), optim.Adam)
    with pytest.raises(TypeError, match="got workers"):
        estimators.Shared(ActivationPerturbation(), workers.Alone)
