"""The scripts of DODGE's page: Adam's scale inside a direction is Adam's, and what planted runs say of figure 1b."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")
pytest.importorskip("sklearn")


@pytest.fixture
def script(monkeypatch):
    """A script of the examples, as a module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    return importlib.import_module


@pytest.mark.parametrize("seed", range(5))
def test_along_the_gradient_the_estimate_is_the_gradient_in_adams_scale(script, seed):
    """c g with c = 1/(√v̂ + eps), v̂ the bias-corrected average of the squares: Adam's second moment."""
    rng = np.random.default_rng(seed)
    inside, params = script("copy_task").AdamInside(dg.estimators.Oracle(), beta=0.9), dg.Params({"w": np.zeros(7)})
    v = 0
    for step in range(1, 5):
        g = rng.standard_normal(7) * 10.0 ** rng.integers(-2, 3, 7)
        found = inside.estimate(lambda p, g=g: np.sum(p["w"] * g), params, rng=0).gradient.vector
        v = 0.9 * v + 0.1 * g**2
        np.testing.assert_allclose(found, g / (np.sqrt(v / (1 - 0.9**step)) + 1e-8), rtol=1e-9)


def planted(ends, samples=400_000):
    """Runs of one direction that rise evenly to an accuracy for every batch, of three seeds."""
    runs = []
    for (batch, end), seed in [(pair, seed) for pair in ends.items() for seed in range(3)]:
        curve = [[k * samples // 10, k / 10, *[(end + seed / 1e4) * k / 10] * 2] for k in range(11)]
        run = {"batch": batch, "width": 128, "n": 1, "rate": 1e-3, "data": "digits", "samples": samples, "seed": seed}
        run |= {"settings": {"batch": batch}, "clock": "samples", "paper": None, "edge": False, "curve": curve}
        runs.append(run)
    return runs


@pytest.mark.parametrize("ends", [{100: 0.5, 300: 0.7, 1000: 0.6}, {100: 0.5, 300: 0.6, 1000: 0.7}], ids=str)
def test_batch_sizes_are_compared_at_equal_samples_and_at_equal_updates(script, ends):
    directions = script("directions")
    words = {claim.said: claim.verdict.word for claim in directions.claims(planted(ends))}
    assert words["one direction, equal samples: a batch of 300 is better than 100"] == "holds"
    worse = "holds" if ends[1000] < ends[300] else "does not hold"
    assert words["one direction, equal samples: 1000 is worse than 300"] == worse
    assert words["after equal updates, 400, the largest batch is best, with one direction"] == "holds"
    assert words["one direction learns at every width: 32, 128, 512"] == "not settled"


def test_runs_are_cut_after_so_many_updates(script):
    (run, *_) = script("directions").until(planted({100: 0.5}), 2000)
    assert (run["samples"], run["curve"][-1][0], len(run["curve"])) == (200_000, 200_000, 6)
