"""Studies of persistent evolution strategies: planted runs turn the claims that they must turn."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import control
import learning_rate_schedule
import pes_variance
import pes_variance_lstm
import toy_schedule
from lab.studies import key
from lab.verdicts import FAILS, HOLDS, OPEN


def planted(study, ends):
    """The study's runs, each of whose curves ends in what ``ends(settings)`` says after the clock and the seconds."""
    done = {}
    for row in [*study.rows] * 2:  # once to search rates, once at the best of them
        for run in study.plan(row, done):
            settings = {k: v for k, v in run.items() if k != "seed"}
            curve = [[run[study.clock], *ends(run)]]
            done[key(run)] = run | {"settings": settings, "clock": study.clock, "curve": curve}
    return study.found(done)


def words(study, ends):
    return [claim.verdict.word for claim in study.claims(planted(study, ends))]


def test_claims_of_the_variance():
    (study,) = pes_variance.STUDIES

    def of_theory(run):
        g = pes_variance.gradients(run["correlation"], run["unrolls"], run["parameters"], run["seed"])
        exact = pes_variance.theory(run["estimator"], g)
        return [1.0, exact * (1 + 0.01 * np.cos(9 * run["seed"])), 0.02 * exact, exact]

    assert words(study, of_theory) == [HOLDS] * 7

    def contrary(run):
        """Alike it grows, independent it falls, and so on; and no formula says so."""
        seconds, _, error, exact = of_theory(run)
        up = 1 + run["unrolls"] if run["correlation"] else 1 / run["unrolls"]
        return [seconds, 100.0 * (up if run["estimator"] == "PES" else 1.0), error, exact]

    assert words(study, contrary) == [FAILS] * 4 + [HOLDS] + [FAILS] * 2


def test_claims_of_the_variance_of_an_lstm():
    """Seeds are networks and texts, a power of ten apart: only what grows from few unrolls to many is compared."""
    (study,) = pes_variance_lstm.STUDIES

    def ends(run, power, early):
        n, scale = run["unrolls"], 10.0 ** (run["seed"] % 3)
        law = max(n / 10, 1) ** power if run["text"] != "random" else n**power
        return [1.0, scale * law * (1 if n > 1 or run["text"] == "random" else early), 0.1]

    assert words(study, lambda run: ends(run, 1.0, 2.0)) == [HOLDS] * 4
    assert words(study, lambda run: ends(run, 0.5, 2.0)) == [HOLDS, HOLDS, FAILS, HOLDS]
    assert words(study, lambda run: ends(run, -1.0, 0.5)) == [FAILS] * 4


def noisy(run, value):
    """An end with a little of its seed, worse the further the rate is from the middle of the grid."""
    off = abs(np.log(run["rate"] / 0.05)) if "rate" in run else 0.0
    return value * (1 + 0.002 * np.cos(9 * run["seed"]) + 1e-3 * off)


def test_claims_of_the_toy_schedule():
    (study,) = toy_schedule.STUDIES
    best = float(np.nanmin(toy_schedule.surface()[1]))

    def ends(run, good):
        kind = "truncated" if "truncated" in run["learner"] else "whole" if "whole" in run["learner"] else "PES"
        value = noisy(run, best * {good: 1.001}.get(kind, 3.0))
        return [1.0, value, value, 0.0, 0.0]

    assert words(study, lambda run: ends(run, "PES")) == [HOLDS] * 4
    assert words(study, lambda run: ends(run, "truncated"))[:2] == [FAILS] * 2


def test_claims_of_the_pendulum():
    (study,) = control.STUDIES

    def ends(run, good):
        value = noisy(run, 0.5 if good in run["learner"] else 1.0)
        return [1.0, value, 0.0, 0.0, 0.0, 0.0]

    assert words(study, lambda run: ends(run, "ES, whole"))[1::3] == [FAILS] * 2
    assert words(study, lambda run: ends(run, "PES"))[1::3] == [HOLDS] * 2
    assert words(study, lambda run: ends(run, "truncated"))[::3] == [FAILS] * 2
    assert not any(claim.paper for claim in study.claims(planted(study, lambda run: ends(run, "PES"))))


def test_claims_of_a_learning_rate_schedule():
    """A run of a hundredth of the particles is small, however many its steps; at the paper's size claims turn."""
    (study,) = learning_rate_schedule.STUDIES
    names = [learning_rate_schedule.GRID, *learning_rate_schedule.LEARNERS]
    ours = [row for row in study.rows if not row.later]
    study = replace(study, rows=tuple(ours))

    def ends(run, order):
        value = noisy(run, 1.0 + 0.2 * order.index(run["learner"]))
        return [1.0 + order.index(run["learner"]), value, value, 0.0, 0.0]

    assert set(words(study, lambda run: ends(run, names))) == {OPEN}
    assert {row.paper for row in ours} == {None, 2.5e6}
    large = replace(study, rows=tuple(replace(row, paper=None) for row in ours))
    grid, pes, truncated, whole, exact = names
    alike = [pes, grid, truncated, whole, exact]
    assert set(words(large, lambda run: ends(run, alike))) == {HOLDS}
    assert set(words(large, lambda run: ends(run, [truncated, whole, exact, grid, pes]))) == {FAILS}


def test_what_diverges_has_no_objective():
    theta = np.array([[200.0, 0.0], [-6.0, 1.0]])
    with np.errstate(all="ignore"):
        found = learning_rate_schedule.true_objective(theta, learning_rate_schedule.LOSS, "digits", 3, episodes=1)
    assert np.isnan(found[0])
    assert np.isfinite(found[1])


@pytest.mark.parametrize("study", [
    *pes_variance.STUDIES, *pes_variance_lstm.STUDIES, *toy_schedule.STUDIES, *learning_rate_schedule.STUDIES,
    *control.STUDIES,
])  # fmt: skip
def test_claims_are_made_of_what_there_is(study):
    runs = planted(study, lambda run: [1.0] * 8)
    for some in (runs[:1], runs[-1:], runs[::3]):
        assert list(study.tables(some))
        assert all(claim.row("")[5] for claim in study.claims(some))
    assert OPEN in {claim.verdict.word for claim in study.claims(runs[-1:])}
