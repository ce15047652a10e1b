"""The studies of Forward gradients are not all you need: claims turn with planted runs, and bear missing ones."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

import forward_gradient_limits as limits
from lab.verdicts import FAILS, HOLDS

STUDIES = {study.name: study for study in limits.STUDIES}
ALIKE = "alike", "equal time", "does not improve", "speeds up", "does not raise"  # that those planted do not turn


def planted(study, end, uneven="SGD"):
    """A run for every seed of every row that is not for later; ``end`` gives loss, accuracies and rate, or None.

    With batch norm and the optimizer ``uneven`` the loss takes a longer step.
    """
    runs = []
    for row in study.rows:
        for seed in range(0 if row.later else row.seeds):
            settings, length = dict(row.settings), row.settings["updates"]
            values = end(settings)
            step = 0.2 if "norm" in settings["network"] and settings["optimizer"] == uneven else 0.1
            last = [length, None, None, None, None, None] if values is None else [length, 2.0, *values]
            middle = [length / 2, *([None] * 5 if values is None else [1.0, *np.add(values, step)])]
            curve = [row[: 2 + len(study.metric)] for row in ([0, 0.0, 2.3, 0.1, 0.1, -3.0], middle, last)]
            runs.append({"settings": settings, "seed": seed, "clock": "updates", "curve": curve} | settings)
    return runs


def as_in_the_paper(s):
    """The paper's figures as they are described: whether it collapses, else a score, and the highest rate."""
    exact, deep = s["method"] == "backprop", s["network"] in limits.DEEP
    width = int(s["network"].split(",")[0].split()[1]) if s["network"].startswith("MLP") else 0
    normed = "norm" in s["network"]
    bears = {"conv net": 2e-5}.get(s["network"], 2e-3 if "ResNet" in s["network"] else 4e-1 / max(width, 1))
    if "rate" not in s:
        return [2.0, 0.2, 0.2, math.log10(bears * (10 if exact else 1))]
    lost = not exact and s["optimizer"] == "SGD" and (s.get("size") or s["rate"] == 2e-3 and not deep)
    if lost or not exact and s["network"] == "conv net" and s["rate"] == 2e-4:
        return None
    score = 0.5 + (normed if exact else -normed) / 8 + exact * (width > 512) / 32
    score += (s["optimizer"] == "Adam") * (1 + exact) / 64 + exact * deep / 8 + (s["rate"] == 2e-3) / 4
    return [2.25 - score, score, score, 0.0]


def upside_down(s):
    """Who was ahead is behind, what collapsed is stable, and what was stable ends above guessing."""
    found = as_in_the_paper(s)
    return [2.0, 0.75, 0.75, 0.0] if found is None else [2.25 + found[1], *(-x for x in found[1:-1]), -6 - found[-1]]


@pytest.mark.parametrize("name", STUDIES)
def test_claims_turn_with_runs(name):
    study = STUDIES[name]
    pairs = zip(
        study.claims(planted(study, as_in_the_paper)), study.claims(planted(study, upside_down, "Adam")), strict=True
    )
    for here, there in pairs:
        if not any(words in here.said for words in ALIKE):
            assert (here.verdict.word, there.verdict.word) == (HOLDS, FAILS), here.said


@pytest.mark.parametrize("name", STUDIES)
def test_tables_and_claims_bear_missing_runs(name):
    study = STUDIES[name]
    runs = planted(study, as_in_the_paper)
    for some in (runs[:1], runs[::5], runs[-3:]):
        assert any(made["rows"] for made in study.tables(some).values())
        assert study.claims(some)


def test_longer_runs_take_the_place_of_shorter_ones_when_all_are_there():
    study = STUDIES["limits-large"]
    runs = planted(study, as_in_the_paper)
    longer = [run | {"updates": 5000} for run in runs]
    for some, length in ((longer[:3], "1,000"), (longer, "5,000")):
        (made,) = study.tables(runs + some).values()
        assert {line[4] for line in made["rows"]} == {length}


def test_the_highest_stable_rate_is_the_first_at_which_the_loss_falls(monkeypatch):
    def training(network, method, optimizer, rate, updates, seed, data, points):
        end = math.nan if rate > 1 else 4.0 if rate > 0.1 else 2.4 if rate > 0.01 else 2.0
        return [[0, 0.0, 2.3, 0.1, 0.1], [updates, 1.0, end, 0.2, 0.2]]

    monkeypatch.setattr(limits, "training", training)
    found = limits.highest("MLP 512", "forward", "SGD", 10, 0)
    rate = 10 ** found["curve"][-1][-1]
    assert rate == pytest.approx(max(r for r in limits.GRID if r <= 0.01))
    assert [r for r, _ in found["tried"]] == [r for r in limits.GRID if r >= rate * 0.999]
