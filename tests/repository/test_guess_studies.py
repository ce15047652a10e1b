"""Studies of How to guess a gradient: tables, claims and figures are made from whatever runs are there, also diverged
ones, and are what the page shows; planted runs turn the claims; numbers made from curves are what they say."""

import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import guess_found
import guess_gradient
import guess_trained
import guess_training
import localmixer
import prompt_tuning
from lab.curves import final
from lab.derived import derived, gained
from lab.figures import pyplot
from lab.verdicts import together

from tests.support.pictures import faults

STUDIES = {s.name: s for script in (guess_gradient, guess_training, localmixer, prompt_tuning) for s in script.STUDIES}


def planted(study, rng, way=lambda settings, column: (0.1, 0.5), rows=None, quick=False):
    """A run for every row and seed, whose columns go a way from its start to its end, give or take a little."""
    runs = []
    for row in rows or (study.quick if quick else study.rows):
        settings = {**row.settings, **({"rate": row.rates[len(row.rates) // 2]} if row.rates else {})}
        for seed in range(row.seeds):
            length = settings.get(study.clock, 1)
            ends = [np.array(way(settings, k)) * (1 + 1e-3 * rng.normal()) for k in range(2, 2 + len(study.metric))]
            parts = (0.0, 0.5, 0.9, 1.0)
            curve = [[round(t * length), t * 10, *(float(a + t * (b - a)) for a, b in ends)] for t in parts]
            runs.append(settings | {
                "settings": settings, "seed": seed, "curve": curve, study.clock: length, "clock": study.clock,
                "paper": row.paper, "edge": False, "there": 0.9, "weights": 99, "spectra": rng.uniform(size=(4, 16)),
                "layers": {"3.weight": rng.uniform(size=(2, 9))}, "parts": {"3.weight": [row[2:] for row in curve]},
            })  # fmt: skip
    return runs


def words(study, runs):
    return {claim.said: claim.verdict.word for claim in study.claims(runs)}


@pytest.mark.parametrize("name", STUDIES)
def test_any_runs_make_tables_claims_and_figures(name):
    study, rng = STUDIES[name], np.random.default_rng(0)
    runs, titles = planted(study, rng), None
    for _ in range(6):
        shown, claims = study.tables(runs), list(study.claims(runs))
        assert all(made["rows"] for made in shown.values())
        assert titles in (None, shown.keys())
        titles = shown.keys()
        assert all(len(row) == len(made["columns"]) for made in shown.values() for row in made["rows"])
        assert len({claim.said for claim in claims}) == len(claims)
        assert all(claim.verdict.word in ("holds", "does not hold", "not settled") for claim in claims)
        runs = [runs[k] for k in sorted(rng.permutation(len(runs))[: max(1, len(runs) // 2)])]
    assert not faults(study.draw(planted(study, rng)))
    pyplot().close("all")


def test_the_page_shows_every_table_and_figure():
    page = (Path(__file__).parents[2] / "docs" / "papers" / "guess-gradient.md").read_text("utf-8")
    rng = np.random.default_rng(0)
    made = {name for study in STUDIES.values() for name in study.tables(planted(study, rng))}
    assert set(re.findall(r"<!-- made: ([\w-]+) -->", page)) == made | {"claims"}
    assert set(re.findall(r"\(\.\./img/([\w-]+)\.png\)", page)) == set(STUDIES)


@pytest.mark.filterwarnings("ignore:All-NaN", "ignore:Mean of empty")
@pytest.mark.parametrize("name", STUDIES)
def test_runs_that_diverged_hold_nothing(name):
    study, rng = STUDIES[name], np.random.default_rng(0)
    runs = planted(study, rng)
    for run in runs:
        run["curve"] = [run["curve"][0], *([row[0], *[None] * (len(row) - 1)] for row in run["curve"][1:])]
    assert study.tables(runs)
    assert "holds" not in words(study, runs).values()


ORDER = {"W^T, local losses": 0.995, "backprop": 0.98, "self-sharpening": 0.96, "downstream": 0.9, "power 4": 0.9,
         "W^T": 0.88, "downstream 2": 0.87, "mixing": 0.8, "activation, local losses": 0.78,
         "mixing, local losses": 0.75, "activation": 0.7, "exact, local losses": 0.6, "power 0.1": 0.4,
         "directional": 0.3}  # fmt: skip


def of_cosine(settings, column, true):
    measure, method = divmod(column - 2, 5)
    level = list(guess_found.FIGURE1.values())[method][int(measure > 0)]
    if not true and (measure, method) == (0, 0):
        return (1.0, 0.1)
    return [level if true else 1 - level] * 2


def of_bias(settings, column, true):
    return (0.1, 0.9) if (settings["method"] == "activation") == true else (0.9, 0.9)


def of_layers(settings, column, true):
    return (0, 9 - column if true else column)


def of_subspaces(settings, column, true):
    return [{2: 0.6, 3: 0.9, 4: 0.1, 5: 0.3}[column if true else 7 - column]] * 2


def of_training(settings, column, true):
    method, plain = settings["method"], settings.get("optimizer") == "SGD"
    level = ORDER[method]
    if settings.get("tokens") == 0:
        level = 0.6
    if settings.get("cosine"):
        level = 0.93 if settings["momentum"] or not plain else ORDER["W^T"] if true else 0.7
    level = (level if true else 1.05 - level) - plain * (0.1 if true else -0.1)
    if column == guess_trained.TEST and method == "self-sharpening":
        level -= 0.2 if true else -0.1
    if column == guess_trained.RANK:
        level = 1.05 - level
    return (0.05 if true else 0.5, level)


WAYS = {"guess-cosine": of_cosine, "guess-bias": of_bias, "guess-layers": of_layers, "guess-subspaces": of_subspaces}


@pytest.mark.parametrize("true", [True, False])
@pytest.mark.parametrize("name", STUDIES)
def test_planted_runs_turn_every_claim(name, true):
    study, way = STUDIES[name], WAYS.get(name, of_training)
    runs = planted(study, np.random.default_rng(0), lambda settings, column: way(settings, column, true))
    found = words(study, [run | {"paper": None} for run in runs])
    assert found == dict.fromkeys(found, "holds" if true else "does not hold")


def test_too_short_runs_settle_nothing():
    for name in ("guess-matched", "guess-sweep", "localmixer"):
        study = STUDIES[name]
        now = [row for row in study.rows if not row.later]
        assert set(words(study, planted(study, np.random.default_rng(0), rows=now)).values()) == {"not settled"}


def test_numbers_made_from_curves():
    rng = np.random.default_rng(1)
    runs = [{"seed": s, "rate": 1, "curve": rng.uniform(size=(3, 4)).tolist(), "edge": False} for s in range(4)]
    others = [{"seed": s, "rate": 1, "curve": rng.uniform(size=(3, 4)).tolist(), "edge": s == 2} for s in (2, 0, 7)]
    highest = final(derived(runs, lambda curve: curve[:, 3].max()), 2)
    assert np.array_equal(highest, [max(row[3] for row in run["curve"]) for run in runs])
    pairs = [(runs[0], others[1]), (runs[2], others[0])]
    found = gained(runs, others, 3)
    assert np.array_equal(final(found, 2), [a["curve"][-1][3] - b["curve"][-1][3] for a, b in pairs])
    assert [bool(run["edge"]) for run in found] == [False, True]
    runs[0]["curve"][-1][3] = None
    assert math.isnan(final(derived(runs, lambda c: c[-1, 3]), 2)[0])
    assert math.isnan(final(gained(runs, others, 3), 2)[0])
    assert together().word == "not settled"
