"""What a run draws elsewhere is noticed, named, and never certified."""
# ruff: noqa: NPY002

import random
import sys

import numpy as np
import pytest
from numpy.random import default_rng

import dualgrad as dg
from dualgrad.testing import ForeignDrawsWarning, ReplayError, UncheckedWarning, assert_moments, exact_moments
from dualgrad.testing.fronts.watch import Watch


def seeded(seed, draw):
    """A draw from a global stream after a seed."""
    seed(0)
    return draw()


class Hidden:
    make = staticmethod(default_rng)


FOREIGN = {
    "default_rng": ("dualgrad", lambda r: default_rng(0).normal() * r.signs(2), "Generator .* draws='numpy-global'"),
    "generator": ("numpy", lambda r: np.random.Generator(np.random.PCG64(0)).normal(), "Generator"),
    "a seed that is drawn": ("numpy", lambda r: default_rng(r.integers(3)).normal(), "Generator"),
    "state": ("numpy", lambda r: np.random.RandomState(0).rand(), "RandomState"),
    "np.random": ("dualgrad", lambda r: seeded(np.random.seed, np.random.rand), "NumPy's global generator"),
    "rng": ("dualgrad", lambda r: dg.Rng(5).normal() * r.signs(1), r"dualgrad.Rng .* draw from what the run is given"),
    "random": ("numpy", lambda r: seeded(random.seed, random.random), "the random module of Python"),
    "hidden": ("numpy-global", lambda: Hidden.make(0).random(), "name it np.random"),
}  # fmt: skip


@pytest.mark.parametrize(("draws", "run", "says"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_draws_are_named_and_not_certified(draws, run, says):
    for _ in range(2):  # the second time the global streams stand where the first run would have left them
        with pytest.warns(ForeignDrawsWarning, match=says):
            found = exact_moments(run, draws=draws)
        assert not found.certified
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


def test_draws_that_are_not_seeded_are_refused_by_name():
    with pytest.raises(ReplayError, match=r"not reproducible.*Noticed: .*NumPy's global generator.*'numpy-global'"):
        exact_moments(lambda r: np.random.normal(), draws="numpy")


def test_the_watch_leaves_everything_as_it_was():
    makers = lambda: (np.random.Generator, dg.Rng.__init__, sys.modules["numpy.random._generator"].PCG64)  # noqa: E731
    states = lambda: (random.getstate(), np.random.get_state()[1].tolist())  # noqa: E731
    before = makers(), states()
    with Watch("numpy") as watch:
        assert not watch.words()
    with pytest.raises(ZeroDivisionError):
        exact_moments(lambda r: 1 / 0)
    assert (makers(), states()) == before
    assert exact_moments(lambda r: dg.Rng(r).signs(1) * dg.Rng(r.spawn(1)[0]).signs(1)).certified
