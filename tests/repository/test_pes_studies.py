"""Studies of persistent evolution strategies: planted runs turn the claims that they must turn."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import pes_variance
import pes_variance_lstm
from lab.studies import key
from lab.verdicts import FAILS, HOLDS, OPEN


def planted(study, ends):
    """The study's runs, each of whose curves ends in what ``ends(settings)`` says after the clock and the seconds."""
    done = {}
    for row in study.rows:
        for run in study.plan(row, {}):
            settings = {k: v for k, v in run.items() if k != "seed"}
            curve = [[run[study.clock], *ends(run)]]
            done[key(run)] = run | {"settings": settings, "clock": study.clock, "curve": curve}
    for row in study.rows:  # at the best rates, where they were searched
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


@pytest.mark.parametrize("study", [*pes_variance.STUDIES, *pes_variance_lstm.STUDIES])
def test_claims_are_made_of_what_there_is(study):
    runs = planted(study, lambda run: [1.0] * 8)
    for some in (runs[:1], runs[-1:], runs[::3]):
        assert list(study.tables(some))
        assert all(claim.row("")[5] for claim in study.claims(some))
    assert OPEN in {claim.verdict.word for claim in study.claims(runs[-1:])}
