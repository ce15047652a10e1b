"""Evolution strategies on several workers: the same bits for any number of them, and losses alone travel."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import online
from dualgrad.settings import plain_data
from dualgrad.workers import Alone, digest, threads

MAKE = {
    "ES": lambda n: online.EvolutionStrategies(n, 0.3),
    "TES": lambda n: online.TruncatedES(n, 0.3, window=2),
    "PES": lambda n: online.PersistentES(n, 0.3, window=2),
    "NRES": lambda n: online.NoiseReuseES(n, 0.3, window=2),
    "PES, analytic": lambda n: online.PersistentES(n, 0.3, window=2, analytic=True),
}
every = pytest.mark.parametrize("name", MAKE)


WIDE, HIGH = dg.Rng(7).normal((24, 400)) / 20, dg.Rng(8).normal((128, 400)) / 20


def step(s, x, p):
    """The second product's last bits depend, in BLAS, on how many rows there are."""
    return (s @ WIDE @ HIGH.T)[..., :24] + np.tanh((s + x)[..., None, :] @ p["w"])[..., 0, :]


def loss(s, y, p):
    return np.sum((s - y) ** 2, axis=-1) + np.sum(p["b"] ** 2, axis=-1)


def system(batched=True):
    return online.System(step, loss, np.linspace(-1.0, 1.0, 24), batched=batched)


def parameters():
    return {"w": dg.Rng(5).normal((24, 24)) / 5, "b": np.ones(3)}


def data(t):
    return 0.1 * t, np.linspace(0.0, t, 24)


def started(name, workers, batched=True, n=10, **options):
    return MAKE[name](n).start(system(batched), parameters(), rng=3, workers=workers, **options)


def taken(learner, steps, first=0):
    """The estimates of some steps; of an episode that has no windows, one for every second."""
    found = []
    for t in range(first, first + steps):
        estimate = learner.step(*data(t))
        if t % 2 and learner.window is None:
            estimate = learner.close()
        found += [] if estimate is None else [estimate]
    return found


def said(estimates):
    """What an estimate says, to the bit."""
    return digest([(e.value, e.gradient, e.directional) for e in estimates])


# ---------------------------------------------------------------------- the same on every number of workers


@pytest.mark.parametrize("batched", [True, False])
@every
def test_workers_find_the_same_bits_however_many_they_are(name, batched):
    def run(workers):
        return said(taken(started(name, workers, batched, chunk=2), 6))

    found = {run(Alone()), *(each for size in (2, 3, 7) for each in threads(size, run))}
    assert len(found) == 1
    whole, shared = (taken(started(name, workers, batched), 6) for workers in (None, Alone()))
    for one, other in zip(whole, shared, strict=True):
        for leaf in one.gradient:
            assert np.allclose(one.gradient[leaf], other.gradient[leaf], rtol=1e-9, atol=1e-9)
        assert np.isclose(one.value, other.value, rtol=1e-12)


@every
def test_a_worker_builds_what_is_its_own_alone(name):
    """Parameters of its particles, whose number it is given, and no other states."""
    seen = set()

    def counting(s, x, p):
        seen.add(len(p["b"]) if p["b"].ndim == 2 else 0)
        return step(s, x, p)

    def run(workers):
        one = online.System(counting, loss, np.zeros(24), batched=True)
        learner = MAKE[name](10).start(one, parameters(), rng=3, workers=workers, chunk=3)
        taken(learner, 2)
        return [len(unit) for unit in learner.state]

    assert threads(3, run) == [[3], [3], [3, 1]]
    assert seen - {0} == {1, 3}
    assert MAKE[name](80).start(system(), parameters(), rng=3, workers=Alone()).share.chunk == 3


def test_losses_alone_travel():
    """Of 16 particles of 100,000 parameters each step sends less than 1 kB."""
    sizes = []

    class Counting:
        def __init__(self, comm):
            self.rank, self.size, self._comm = comm.rank, comm.size, comm

        def allgather(self, word):
            sizes.append(len(pickle.dumps(word)))
            return self._comm.allgather(word)

    def run(comm):
        large = online.System(lambda s, x, p: s + p, lambda s, y, p: np.sum(s, -1), np.zeros(100_000), batched=True)
        learner = online.PersistentES(16, 0.1, 1).start(large, np.ones(100_000), rng=0, workers=Counting(comm))
        for _ in range(2):
            learner.step(None, None)

    threads(2, run)
    assert len(sizes) == 4
    assert max(sizes) < 1000


# ---------------------------------------------------------------------- what goes wrong with one


def attempted(learner, wrong):
    """What ``wrong(rank)`` as input and target raises in the fourth step, whether anything changed, how it goes on."""
    taken(learner, 3)
    before = plain_data(learner.state_dict())
    with pytest.raises(dg.DualgradError) as raised:
        learner.step(*wrong(learner.share.workers.rank))
    unchanged = plain_data(learner.state_dict()) == before
    return str(raised.value), unchanged, said(taken(learner, 3, first=3))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda rank: (np.zeros(24 + (rank == 1)), np.zeros(24)), "worker 1 of 3: ValueError: .*broadcast"),
        (lambda rank: (1j if rank == 2 else 0.1, np.zeros(24)), "worker 2 of 3: TypeError: .*complex"),
        (lambda rank: (0.1, np.full(24, rank == 2)), r"workers \[2\] of 3 have other inputs or targets than the rest"),
    ],
)
@every
def test_an_error_of_one_worker_is_an_error_of_all_and_no_particle_has_moved(name, wrong, words):
    found = threads(3, lambda comm: attempted(started(name, comm), wrong))
    assert len(set(found)) == 1
    text, unchanged, later = found[0]
    assert re.search(words, text, re.DOTALL)
    assert "no particle of any worker has moved" in text or "no particle has moved" in text
    assert unchanged
    assert later == said(taken(started(name, Alone()), 6)[1:])


@every
def test_a_loss_that_is_not_finite_names_its_particle_among_all(name):
    """The first of them is another worker's."""
    noise = MAKE[name](10).start(system(), parameters(), rng=3).memory["noise"]
    bound = np.sort(np.concatenate([noise, -noise])[:, 24 * 24])[-2] + 1  # the second largest b[0]

    def limited(s, y, p):
        return loss(s, 0.0, p) + np.where(p["b"][..., 0] >= bound, y, 0.0)

    def run(workers):
        one = online.System(step, limited, np.zeros(24), batched=True)
        learner = MAKE[name](10).start(one, parameters(), rng=3, workers=workers)
        before = plain_data(learner.state_dict())
        with pytest.raises(dg.NonFiniteError) as raised:
            learner.step(0.0, np.nan)
        return str(raised.value), plain_data(learner.state_dict()) == before

    assert run(None) == run(Alone())
    text, unchanged = run(None)
    assert re.search("step 1: the losses of 2 of 10 particles are not finite", text)
    assert unchanged
    assert set(threads(3, run)) == {(text, True)}


def test_workers_that_do_not_run_the_same_program_are_named():
    for what, rng, shift in (("random streams", lambda rank: rank, 0.0), ("parameters", lambda rank: 3, 1e-9)):

        def run(comm, rng=rng, shift=shift):
            params = parameters()
            params["b"] += shift * (comm.rank == 1)
            learner = online.PersistentES(4, 0.1, 1).start(system(), params, rng=rng(comm.rank), workers=comm)
            learner.step(*data(0))

        with pytest.raises(dg.DualgradError, match=rf"workers \[1\] of 2 have other {what} than the rest"):
            threads(2, run)


OTHER = {"particles": 4, "sigma": 0.5, "window": 3}


@pytest.mark.parametrize("what", [*OTHER, "chunk", "system"])
def test_workers_of_other_settings_are_named_in_the_first_step(what):
    def run(comm):
        odd = comm.rank == 1
        settings = {"particles": 8, "sigma": 0.1, "window": 2}
        settings |= {name: value for name, value in OTHER.items() if odd and name == what}
        start = np.ones(2) if odd and what == "system" else np.zeros(2)
        one = online.System(lambda s, x, p: s + np.sum(p["b"]), lambda s, y, p: np.sum(s), start)
        learner = online.NoiseReuseES(**settings)
        learner.start(one, parameters(), rng=3, workers=comm, chunk=3 if odd and what == "chunk" else 2)
        learner.step(None, None)

    with pytest.raises(dg.DriftError, match=r"workers \[1\] of 3 have other settings, systems or numbers of steps"):
        threads(3, run)


def test_a_batch_that_mixes_particles_is_caught_on_the_worker_that_has_them():
    def mixes_the_last(s, x, p):
        shift = np.where(np.max(p, keepdims=True) > 2, np.mean(p, axis=0), 0.0)
        return s + p + shift

    def run(comm):
        one = online.System(mixes_the_last, lambda s, y, p: np.sum(s, -1), np.zeros(1), batched=True)
        learner = online.NoiseReuseES(8, 1.0, 1).start(one, np.zeros(1), rng=0, workers=comm, chunk=4)
        learner.memory["noise"][:] = np.array([[-1.0], [-1.5], [-2.0], [-3.0]])  # those above 2 are the second half
        learner.step(None, None)

    with pytest.raises(dg.DualgradError, match=r"worker 1 of 2: .* but particle 4 of 8 goes elsewhere"):
        threads(2, run)


# ---------------------------------------------------------------------- saving, and what is refused


@pytest.mark.parametrize("batched", [True, False])
@every
def test_each_worker_goes_on_from_its_own_file(name, batched, tmp_path):
    def run(comm):
        path = tmp_path / f"{comm.rank}.npz"
        learner = started(name, comm, batched, chunk=3)
        taken(learner, 3)
        dg.save(path, learner.state_dict())
        again = started(name, comm, batched, chunk=3)
        again.rng.signs(5)
        again.load_state_dict(dg.load(path))
        return said(taken(learner, 3, first=3)), said(taken(again, 3, first=3)), learner.state_dict()

    found = threads(3, run)
    assert len({each for one in found for each in one[:2]}) == 1
    saved = [state for *_, state in found]
    lengths = [len(leaf) for leaf in saved[2]["state"]] if batched else len(saved[2]["state"])
    assert lengths == ([3, 1] if batched else 4)
    alone, plain = started(name, Alone(), batched), started(name, None, batched)
    for learner, state, words in (
        (alone, saved[0], r"those of worker 0 of 3 \(chunk=3\); these are those of worker 0 of 1 \(chunk=1\)"),
        (plain, saved[1], r"worker 1 of 3 \(chunk=3\); these are those of all particles, without workers"),
        (alone, plain.state_dict(), "all particles, without workers; these are those of worker 0 of 1"),
    ):
        before = plain_data(learner.state_dict())
        with pytest.raises(dg.LayoutError, match=words):
            learner.load_state_dict(state)
        assert plain_data(learner.state_dict()) == before
    older = {key: value for key, value in plain.state_dict().items() if key != "share"}
    plain.load_state_dict(older | {"version": 1})


def test_bad_workers_are_named():
    es, one = online.PersistentES(4, 0.1, 1), system(batched=False)
    for wrong, words in (
        ({"workers": 3}, "expected workers: an object with rank, size and allgather"),
        ({"chunk": 2}, "chunk=2 without workers"),
        ({"workers": Alone(), "executor": ThreadPoolExecutor(1)}, "got workers and an executor; expected one of them"),
    ):
        with pytest.raises(TypeError, match=words):
            es.start(one, parameters(), rng=0, **wrong)
    for wrong in (0, 1.5, True):
        with pytest.raises(ValueError, match="how many particles are advanced at once"):
            es.start(one, parameters(), rng=0, workers=Alone(), chunk=wrong)
