"""What a run draws elsewhere is noticed, named, and never certified."""
# ruff: noqa: NPY002

import contextlib
import copy
import functools
import pickle
import random
import sys
import tempfile

import numpy as np
import pytest
from numpy.random import PCG64, SFC64, Generator, default_rng

import dualgrad as dg
from dualgrad.testing import ForeignDrawsWarning, ReplayError, UncheckedWarning, assert_moments, exact_moments
from dualgrad.testing.fronts.watch import Watch


def seeded(seed, draw):
    """A draw from a global stream after a seed."""
    seed(0)
    return draw()


class Hidden:
    make = staticmethod(default_rng)


class Learner:
    """Its generator, which begins anew in each estimate."""

    def __init__(self, make=default_rng):
        self.rng = make(7)
        self.state = self.rng.bit_generator.state

    def estimate(self, *given):
        self.rng.bit_generator.state = self.state
        return self.rng.normal()


GENERATOR, STATE, PYTHON = default_rng(3), np.random.RandomState(3), random.Random(3)
START = STATE.get_state()
OWN, LEARNER = dg.Rng(3), Learner()
BITS = GENERATOR.bit_generator  # shared, which is no draw


def in_closure(make):
    """A generator in a closure, of a function that another calls."""
    learner = Learner(make)
    inner = lambda: learner.estimate()  # noqa: E731
    return lambda *given: inner()


FOREIGN = {
    "default_rng": ("dualgrad", lambda r: default_rng(0).normal() * r.signs(2), "Generator .* draws='numpy-global'"),
    "generator": ("numpy", lambda r: np.random.Generator(np.random.PCG64(0)).normal(), "Generator"),
    "a seed that is drawn": ("numpy", lambda r: default_rng(r.integers(3)).normal(), "Generator"),
    "state": ("numpy", lambda r: np.random.RandomState(0).rand(), "RandomState"),
    "np.random": ("dualgrad", lambda r: seeded(np.random.seed, np.random.rand), "NumPy's global generator"),
    "rng": ("dualgrad", lambda r: dg.Rng(5).normal() * r.signs(1), r"dualgrad.Rng .* draw from what the run is given"),
    "random": ("numpy", lambda r: seeded(random.seed, random.random), "the random module of Python"),
    "Random": ("numpy", lambda r: random.Random(0).gauss(), "instance of random.Random"),
    "copied Random": ("numpy", lambda r: copy.deepcopy(PYTHON).random(), "instance of random.Random"),
    "copied": ("dualgrad", lambda r: copy.deepcopy(GENERATOR).normal(), "Generator that it makes"),
    "pickled": ("numpy", lambda r: pickle.loads(pickle.dumps(STATE)).normal(), "RandomState that it makes"),
    "copied Rng": ("numpy", lambda r: copy.deepcopy(OWN).signs(2), "Generator that it makes"),
    "reset": ("numpy", lambda r: (STATE.set_state(START), STATE.rand())[1], "from outside"),
    "method": ("dualgrad", Learner().estimate, "from outside"),
    "closure": ("numpy", in_closure(default_rng), "from outside"),
    "default": ("numpy", lambda r, learner=LEARNER: learner.estimate(), "from outside"),
    "partial": ("dualgrad", functools.partial(Learner.estimate, Learner()), "from outside"),
    "bits": ("dualgrad", lambda r: np.random.Philox(1).random_raw() % 97, "bits of an np.random"),
    "bits by name": ("numpy", lambda r: SFC64(1).random_raw() % 97, "bits of an np.random"),
    "jumped bits": ("numpy-global", lambda: PCG64(1).jumped().random_raw() % 97, "bits of an np.random"),
    "generator by name": ("numpy", lambda r: Generator(BITS.jumped()).normal(), "Generator that it makes"),
    "state of bits": ("dualgrad", lambda r: np.random.RandomState(BITS.jumped()).rand(), "RandomState that it makes"),
    "hidden": ("numpy-global", lambda: Hidden.make(0).random(), "name it np.random"),
}  # fmt: skip


@pytest.mark.parametrize(("draws", "run", "says"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_draws_are_named_and_not_certified(draws, run, says):
    states = lambda: (GENERATOR.bit_generator.state, pickle.dumps((STATE, PYTHON)))  # noqa: E731
    before = states()
    for _ in range(2):  # the second time the global streams stand where the first run would have left them
        with pytest.warns(ForeignDrawsWarning, match=says):
            found = exact_moments(run, draws=draws)
        assert not found.certified
    assert states() == before
    with pytest.warns(UncheckedWarning, match="unchecked"):
        assert_moments(run, mean=found.mean, draws=draws)
    with pytest.raises(AssertionError, match="FAILED"):
        assert_moments(run, mean=found.mean + 1, draws=draws)


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_foreign_libraries_are_watched_where_they_are_loaded(library):
    if library not in sys.modules:
        pytest.skip(f"{library} is not loaded")
    module = sys.modules[library]
    runs = {
        "torch": [lambda r: seeded(module.manual_seed, lambda: module.randn(2).numpy()),
                  lambda r: float(module.rand(1, generator=module.Generator().manual_seed(0)))],
        "jax": [lambda r: float(module.random.normal(module.random.key(0)))],
    }[library]  # fmt: skip
    for run in runs:
        with pytest.warns(ForeignDrawsWarning, match=f"draws='{library}'"):
            assert not exact_moments(run, draws="numpy").certified


def test_draws_of_two_libraries_are_not_sent_from_one_to_the_other():
    torch = pytest.importorskip("torch")

    def mezo():
        torch.manual_seed(int(np.random.randint(0, 1000)))
        return torch.randn(2)

    with pytest.warns(ForeignDrawsWarning, match="draw all of it from one library"):
        assert not exact_moments(mezo, draws="torch").certified


def test_generators_that_are_reached_and_not_drawn_from_are_no_foreign_draws():
    def reached(r):
        assert GENERATOR is not BITS
        assert STATE is not PYTHON
        return r.signs(2) * len(next(tempfile._RandomNameSequence()))  # as torch calls it when it is first used

    assert exact_moments(reached).certified
    assert exact_moments(lambda r: r.signs(1) * exact_moments(lambda q: q.signs(2)).variance[0]).certified


def test_a_refusal_that_the_run_catches_is_raised_after_it():
    """Of every front and of the core: however it is caught, as long as the run ends."""

    def run(gen):
        for refused in (
            lambda: gen.beta(2, 3),
            lambda: gen.random(2).__setitem__(0, 1),
            lambda: gen.bit_generator.lock,
        ):
            with contextlib.suppress(Exception):
                return refused() + gen.normal()
        return 0.5

    def relaw(rng):
        place = rng.place()
        rng.signs(1)
        rng.rewind(place)
        with contextlib.suppress(RuntimeError):
            rng.normal()
        return 0.5

    for draws, some, words in (("numpy", run, "NumPy's beta"), ("dualgrad", relaw, "rewound state")):
        with pytest.raises(ReplayError, match=words):
            exact_moments(some, draws=draws)
    assert exact_moments(lambda rng: rng.signs(2)).certified

    def nested(rng):
        with pytest.raises(ReplayError, match="not reproducible"):
            exact_moments(lambda r: np.random.normal())
        return rng.signs(1)

    assert exact_moments(nested).certified


def test_draws_that_are_not_seeded_are_refused_by_name():
    with pytest.raises(ReplayError, match=r"not reproducible.*Noticed: .*NumPy's global generator.*'numpy-global'"):
        exact_moments(lambda r: np.random.normal(), draws="numpy")


def test_the_watch_leaves_everything_as_it_was():
    names = lambda: (np.random.Generator, np.random.PCG64, Generator, PCG64, np.random.RandomState)  # noqa: E731
    makers = lambda: (*names(), vars(random.Random).get("random"), dg.Rng.__init__,  # noqa: E731
                      sys.modules["numpy.random._generator"].PCG64)  # fmt: skip
    states = lambda: (random.getstate(), np.random.get_state()[1].tolist())  # noqa: E731
    before = makers(), states()
    with Watch("numpy") as watch:
        assert not watch.words()
    with pytest.raises(ZeroDivisionError):
        exact_moments(lambda r: 1 / 0)
    assert (makers(), states()) == before
    assert exact_moments(lambda r: dg.Rng(r).signs(1) * dg.Rng(r.spawn(1)[0]).signs(1)).certified
