"""The studies of Forward gradients are not all you need: planted runs turn every claim; missing ones are borne."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

import forward_gradient_limits as limits
import limits_claims
from lab.verdicts import FAILS, HOLDS, OPEN

STUDIES = {study.name: study for study in limits.STUDIES}
NORMED, RESIDUAL = "MLP 512, batch norm", "ResNet, batch norm"


def run(settings, seed, metric, loss=2.0, quarter=0.2, accuracy=0.5, rough=0.05, seconds=2.0, rate=-3.0):
    """A loss that falls from 2.3 with teeth, an accuracy that has its value at a quarter of the way and at the end."""
    length, t, points = settings["updates"], np.linspace(0, 1, 9), []
    teeth = rough * np.array([0, 1, -1, 1, -1, 1, -1, 1, 0])
    gained = np.interp(t, [0, 0.25, 1], [0.1, quarter, accuracy])
    for part, tooth, gain in zip(t, teeth, gained, strict=True):
        values = [2.3 + part * (loss - 2.3) + tooth, gain, gain, rate]
        lost = part and not math.isfinite(loss)
        points.append([length * part, *([None] * (1 + len(metric)) if lost else [seconds * part, *values])])
    curve = [row[: 2 + len(metric)] for row in points]
    return {"settings": settings, "seed": seed, "clock": "updates", "curve": curve} | settings


def planted(study, world):
    """A run for every seed of every row that is not for later."""
    return [
        run(dict(row.settings), seed, study.metric, **world(row.settings))
        for row in study.rows for seed in range(0 if row.later else row.seeds)
    ]  # fmt: skip


BEARS = {"MLP 512": 6e-4, "MLP 1024": 2e-4, "MLP 2048": 6e-5, NORMED: 2e-4, "conv net": 2e-5, "ResNet": 2e-3,
         RESIDUAL: 2e-3}  # fmt: skip
BEARS_NOT = {"MLP 512": 6e-3, "MLP 1024": 2e-2, "MLP 2048": 2e-1, NORMED: 2e-2, "conv net": 2e-2, "ResNet": 6e-6,
             RESIDUAL: 2e-4}  # fmt: skip


def as_in_the_paper(s):
    exact, network, sgd, rate = s["method"] == "backprop", s["network"], s["optimizer"] == "SGD", s.get("rate")
    if rate is None:
        wider = 1.5 if network == "MLP 2048" else 0.0
        return {"rate": math.log10(BEARS[network]) + exact * (1 + wider)}
    if network in limits.DEEP:
        lost = not exact and network == "conv net" and rate == 2e-4
        return {"loss": math.nan if lost else 2.0, "accuracy": 0.5 if exact else 0.3}
    if "size" in s:
        return {"loss": 1.2 if exact else math.nan if sgd else 1.9}
    world = {"loss": 1.9 if rate == 2e-5 else 1.5, "seconds": 2.0 if exact else 1.0}
    if rate == 2e-3:
        return world | {"loss": 0.6 if exact else math.nan}
    if network == "MLP 2048":
        world["loss"] = 1.1 if exact else math.nan if sgd else 1.5
    if network == NORMED:
        world |= {"quarter": 0.3, "accuracy": 0.6 if exact else 0.4, "rough": 0.2 if sgd else 0.05}
    return world


def upside_down(s):
    exact, network, sgd, rate = s["method"] == "backprop", s["network"], s["optimizer"] == "SGD", s.get("rate")
    if rate is None:
        wider = 1.0 if network == "MLP 2048" else 0.0
        return {"rate": math.log10(BEARS_NOT[network]) - exact * (1 + wider)}
    if network in limits.DEEP:
        lost = not exact and (network != "conv net" or rate == 2e-5)
        return {"loss": 2.6 if lost else 2.0, "accuracy": 0.5 if exact else 0.7}
    if "size" in s:
        return {"loss": 1.9}
    world = {"loss": (1.4 if exact else 1.9) - (rate == 2e-4) * 0.4, "seconds": 2.0 if exact else 4.0}
    if s["method"] == "normals":
        world["loss"] -= 0.1
    if rate == 2e-3:
        return world | {"loss": 2.0 if exact else -1.0}
    if network == "MLP 2048":
        world |= {"loss": 1.9 if exact else 0.9, "rough": 0.05 if sgd else 0.2}
    if network == "MLP 512":
        world["rough"] = 0.2
    if network == NORMED:
        world |= {"quarter": 0.15, "accuracy": 0.4 if exact else 0.6, "rough": 0.1 if sgd else 0.3}
    return world


@pytest.mark.parametrize(("world", "word"), [(as_in_the_paper, HOLDS), (upside_down, FAILS)])
@pytest.mark.parametrize("name", STUDIES)
def test_planted_runs_turn_every_claim(name, world, word):
    study = STUDIES[name]
    found = {claim.said: claim.verdict.word for claim in study.claims(planted(study, world))}
    assert found == dict.fromkeys(found, word)


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


def test_rates_of_200_updates_are_no_evidence_of_the_paper_s():
    study = STUDIES["limits-stable"]
    runs = [run | {"paper": limits.PAPER} for run in planted(study, as_in_the_paper)]
    found = {claim.said: claim.verdict.word for claim in study.claims(runs)}
    of_flat = [said for said in found if said.startswith(("wider", "the wider")) or "multilayer" in said]
    assert {found.pop(said) for said in of_flat} == {HOLDS}
    assert set(found.values()) == {OPEN}


def test_networks_start_as_haiku_s():
    """The deviation of a normal that is cut off at two deviations is 0.8796 of its own."""
    model = limits.network_of(NORMED, (28, 28))
    params = limits.started(model, 0)
    weight = params["1.weight"] * math.sqrt(784)
    assert abs(np.std(weight) - 0.8796) < 0.01
    assert np.max(np.abs(weight)) <= 2
    assert not np.any(params["1.bias"])
    assert np.all(params["2.weight"] == 1)
    assert np.array_equal(params.vector, limits.started(model, 0).vector)


def test_losses_that_have_hardly_fallen_are_not_alike_yet():
    settings, metric = {"updates": 1000}, limits.METRIC
    for end, word in ((2.25, OPEN), (1.9, HOLDS)):
        groups = [[run(settings, seed, metric, loss=end + 1e-4 * seed) for seed in range(3)] for _ in range(2)]
        assert limits_claims.learned_alike(*groups).word == word


def test_there_is_no_equal_time_where_one_diverged():
    def world(s):
        lost = s["network"] == NORMED and s["optimizer"] == "Adam" and s["method"] == "forward"
        return as_in_the_paper(s) | ({"loss": math.nan} if lost else {})

    study = STUDIES["limits-mlp"]
    found = {claim.said: claim.verdict for claim in study.claims(planted(study, world))}
    verdict = found["... and of the time (Adam)"]
    assert (verdict.word, verdict.why) == (OPEN, "no equal time, for one diverged")


def test_the_highest_stable_rate_is_the_first_at_which_the_loss_falls(monkeypatch):
    def training(network, method, optimizer, rate, batch, updates, seed, data, points):
        end = math.nan if rate > 1 else 4.0 if rate > 0.1 else 2.4 if rate > 0.01 else 2.0
        return [[0, 0.0, 2.3, 0.1, 0.1], [updates, 1.0, end, 0.2, 0.2]]

    monkeypatch.setattr(limits, "training", training)
    found = limits.highest("MLP 512", "forward", "SGD", 64, 10, first=20.0, per_decade=2, bears=1.5, seed=0)
    assert found["curve"][-1][0] == 10
    rate = 10 ** found["curve"][-1][-1]
    rates = limits.rates_from(20.0, 2)
    assert rates[:4] == [20.0, 6.3, 2.0, 0.63]
    assert rate == pytest.approx(max(r for r in rates if r <= 0.01))
    assert [r for r, _ in found["tried"]] == [r for r in rates if r >= rate * 0.999]
    nothing = limits.highest("MLP 512", "forward", "SGD", 64, 10, first=20.0, per_decade=2, bears=0.1, seed=0)
    assert nothing["curve"][-1] == [10, *[None] * 5]
