"""Whatever keeps state goes on from a file bit for bit as if it had not stopped, and from no state but its own."""

import inspect

import numpy as np
import pytest
from rooms import CATALOGUE, EVERY, RUNS

import dualgrad as dg
from dualgrad import estimators

CALLS = 10


def same(a, b):
    """Whether two trees of plain data are equal bit for bit."""
    (xs, s), (ys, t) = dg.tree.flatten(a), dg.tree.flatten(b)
    return s == t and all(
        np.asarray(x).dtype == np.asarray(y).dtype and np.array_equal(np.asarray(x), np.asarray(y))
        for x, y in zip(xs, ys, strict=True)
    )


def test_the_catalogue_has_every_class_and_every_argument():
    assert set(CATALOGUE) == EVERY - {estimators.QuadraticCritic}  # which every candidate with a critic is tested with
    for cls, (_, _, arguments) in CATALOGUE.items():
        assert set(arguments) == set(inspect.signature(cls).parameters), cls


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_from_a_file_as_if_it_had_not_stopped(name, dtype, tmp_path):
    kind, make, place = RUNS[name]
    whole = kind(make, place, dtype=dtype)
    expected = [whole.call() for _ in range(CALLS)]
    first = kind(make, place, dtype=dtype)
    for t in range(CALLS - 1):
        assert same(first.call(), expected[t])
        if dtype == np.float64 or t in (1, 6):
            dg.save(tmp_path / "run.npz", first.state())
            second = kind(make, place, seed=999, dtype=dtype)
            second.call()  # whatever it did before, the state takes its place
            second.load(dg.load(tmp_path / "run.npz"))
            for later in range(t + 1, CALLS):
                assert same(second.call(), expected[later]), (t, later)
            assert same(second.state(), whole.state())
