"""Studies: what is run, kept, found again and judged; every verdict is turned by runs that must turn it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from lab import (
    Claim,
    Row,
    Study,
    above,
    alike,
    below,
    contrary,
    diverge,
    either,
    known,
    over,
    results,
    steadier,
    table,
    together,
    under,
)
from lab.queues import accomplish, outstanding
from lab.studies import key
from lab.tables import markdown
from lab.verdicts import FAILS, HOLDS, OPEN

BAD = {"empty": [], "nothing": {}, "narrow": [[0, 0.0]], "no JSON": [[0, 0.0, object()]]}


@pytest.fixture
def tmp_path(tmp_path):
    """The folder of the study."""
    (tmp_path / "parabola").mkdir()
    return tmp_path / "parabola"


def parabola(method, updates, seed, rate=0.1):
    """A run that ends best at the rate of 0.2, and diverges above 1; or one that is none."""
    if method == "broken":
        raise ValueError("no such method")
    if method == "dies":
        os._exit(3)
    if method in BAD:
        return BAD[method]
    end = np.inf if rate > 1 else (rate - 0.2) ** 2 + seed / 1000
    return {"curve": [[0, 0.0, 1.0], [updates, 0.5, end]], "sample": "words"}


def study(*rows):
    return Study(
        "parabola", parabola, "updates", ("loss",), rows, rows[:1],
        tables=lambda runs: {"parabola": table("Losses", ["method"], [[run["method"]] for run in runs])}, best=(2, min),
    )  # fmt: skip


PLAIN = Row({"method": "plain", "updates": 10}, seeds=2, paper=100)
TUNED = Row({"method": "tuned", "updates": 10}, seeds=3, rates=(0.1, 0.2, 0.4, 2.0))


def test_runs_are_kept_and_only_the_missing_ones_are_made(tmp_path):
    some = study(PLAIN, TUNED)
    assert outstanding(some, {}) == (2 + 4 + 2, 480.0)
    assert accomplish([some], 1, lambda study: tmp_path) == []
    done = results.read(tmp_path)
    assert len(done) == len(list(tmp_path.iterdir())) == 2 + 4 + 2
    assert outstanding(some, done) == (0, 0.0)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (lost, *_) = stamps
    lost.unlink()
    again = results.read(tmp_path)
    assert outstanding(some, again)[0] >= 1
    accomplish([some], 2, lambda study: tmp_path)
    assert results.read(tmp_path).keys() == done.keys()
    assert all(path.stat().st_mtime_ns == stamps[path] for path in tmp_path.iterdir() if path != lost)


def test_a_result_says_what_it_is_of(tmp_path):
    accomplish([study(PLAIN)], 1, lambda study: tmp_path)
    report = json.loads(results.path_of(tmp_path, {**PLAIN.settings, "seed": 1}).read_text())
    assert report["settings"] == PLAIN.settings
    assert (report["study"], report["seed"], report["updates"]) == ("parabola", 1, 10)
    assert (report["clock"], report["metric"], report["sample"]) == ("updates", ["loss"], "words")
    assert {"dualgrad", "numpy", "python"} == set(report["versions"])
    assert report["seconds"] >= 0
    assert report["curve"][-1] == [10, 0.5, 0.011]


def test_the_best_rate_is_that_of_seed_0_and_one_at_the_edge_is_marked(tmp_path):
    edged = Row({"method": "edged", "updates": 10}, seeds=2, rates=(0.01, 0.1))
    some = study(TUNED, edged)
    accomplish([some], 1, lambda study: tmp_path)
    done = results.read(tmp_path)
    runs = some.found(done)
    assert [(run["rate"], run["seed"], run["edge"]) for run in runs] == [
        (0.2, 0, False), (0.2, 1, False), (0.2, 2, False), (0.1, 0, True), (0.1, 1, True),
    ]  # fmt: skip
    assert sum(key(run) in done for row in some.rows for run in some.search(row)) == 6
    assert done[key({**TUNED.settings, "rate": 2.0, "seed": 0})]["curve"][-1][2] is None


def test_a_row_is_found_only_when_its_search_is_over(tmp_path):
    some = study(TUNED)
    accomplish([some], 1, lambda study: tmp_path)
    results.path_of(tmp_path, {**TUNED.settings, "rate": 0.4, "seed": 0}).unlink()
    assert some.found(results.read(tmp_path)) == []


def test_rows_for_later_are_left_out_until_they_are_asked_for(tmp_path):
    some = study(PLAIN, Row({"method": "large", "updates": 99}, seeds=1, seconds=7.0, later=True))
    assert len(some.outstanding({})) == 2
    assert outstanding(some, {}, later=True) == (1, 7.0)
    accomplish([some], 1, lambda study: tmp_path, later=True)
    assert len(results.read(tmp_path)) == 3


def test_a_run_that_fails_is_told_and_the_others_are_made(tmp_path):
    some = study(Row({"method": "broken", "updates": 1}, seeds=1), PLAIN)
    ((name, settings, error),) = accomplish([some], 1, lambda study: tmp_path)
    assert (name, settings["method"], str(error)) == ("parabola", "broken", "no such method")
    assert len(results.read(tmp_path)) == 2


@pytest.mark.parametrize("method", [*BAD, "dies"])
def test_a_run_that_leaves_no_curve_or_dies_is_told_and_the_others_are_made(method, tmp_path):
    some = study(Row({"method": method, "updates": 1}, seeds=2), PLAIN)
    failed = accomplish([some], 1, lambda study: tmp_path)
    assert [(settings["method"], settings["seed"]) for _, settings, _ in failed] == [(method, 0), (method, 1)]
    assert len(results.read(tmp_path)) == len(list(tmp_path.iterdir())) == 2


STOPPED = """
import os, signal, sys, threading, time
from pathlib import Path

sys.path.insert(0, "examples")
from lab import Row, Study, results
from lab.queues import accomplish

def slow(updates, seed):
    time.sleep(0 if seed == 0 else 60)
    return [[0, 0.0, 1.0], [updates, 0.1, 1.0]]

def stop():
    while not os.path.exists(sys.argv[1]) or not os.listdir(sys.argv[1]):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)

some = Study("slow", slow, "updates", ("loss",), (Row({"updates": 3}, seeds=9),), (), lambda runs: {})
threading.Thread(target=stop, daemon=True).start()
try:
    accomplish([some], 2, lambda study: Path(sys.argv[1]))
except KeyboardInterrupt:
    print("stopped", len(results.read(sys.argv[1])))
"""


def test_a_queue_that_is_stopped_ends_at_once_and_keeps_what_is_done(tmp_path):
    folder, script = tmp_path / "slow", tmp_path / "script.py"
    script.write_text(STOPPED)
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, script, folder], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        check=False, timeout=50,
    )  # fmt: skip
    assert done.stdout == "stopped 1\n", done.stderr
    assert time.perf_counter() - begun < 40


def test_other_settings_are_other_runs(tmp_path):
    some = study(PLAIN)
    accomplish([some], 1, lambda study: tmp_path)
    assert len(some.altered(seeds=3).outstanding(results.read(tmp_path))) == 1
    assert len(some.altered(method="other").outstanding(results.read(tmp_path))) == 2
    assert some.altered(unheard_of=1).rows == some.rows


# ---------------------------------------------------------------------- verdicts


def runs(ends, *, updates=100, paper=100, **more):
    """Runs that end at these values; None diverged."""
    return [
        {"study": "s", "settings": more, "seed": seed, "clock": "updates", "updates": updates, "paper": paper,
         "curve": [[0, 0.0, 0.0], [updates, None if end is None else 2.0, end]], **more}
        for seed, end in enumerate(ends)
    ]  # fmt: skip


HIGH, LOW, WIDE = [2.0, 2.1, 1.9], [1.0, 1.1, 0.9], [0.0, 3.0, 1.5]
CLOSE, FAR = ([k / by for k in range(12)] for by in (100, 1))
VERDICTS = {  # a claim -> the runs by which it holds, does not hold, and is not settled
    "above": (lambda a, b: above(a, b, 2), (HIGH, LOW), (LOW, HIGH), (WIDE, LOW)),
    "above by 0.5": (lambda a, b: above(a, b, 2, 0.5), (HIGH, LOW), (LOW, LOW), (HIGH, [1.45, 1.5, 1.55])),
    "above on a grid": (lambda a, b: above(a, b, 2, within=0.5), (HIGH, LOW), (LOW, HIGH), ([1.3, 1.3], [1.0, 1.0])),
    "below on a grid": (lambda a, b: below(a, b, 2, within=0.5), (LOW, HIGH), (HIGH, LOW), ([1.0, 1.0], [1.3, 1.3])),
    "below": (lambda a, b: below(a, b, 2), (LOW, HIGH), (HIGH, LOW), (LOW, WIDE)),
    "alike": (lambda a, b: alike(a, b, 2, 0.5), (LOW, LOW), (LOW, HIGH), (LOW, WIDE)),
    "over": (lambda a, b: over(a, 2, 1.5), (HIGH, LOW), (LOW, LOW), (WIDE, LOW)),
    "under": (lambda a, b: under(a, 2, 1.5), (LOW, LOW), (HIGH, LOW), (WIDE, LOW)),
    "steadier": (lambda a, b: steadier(a, b, 2), (CLOSE, FAR), (FAR, CLOSE), (CLOSE, WIDE)),
    "diverge": (lambda a, b: diverge(a), ([None, None], LOW), (LOW, LOW), ([None, 1.0], LOW)),
    "diverge or end high": (lambda a, b: diverge(a, 2, 1.5), ([None, 2.0], LOW), (LOW, LOW), ([None, 1.0], LOW)),
    "both": (lambda a, b: together(over(a, 2, 1.5), under(b, 2, 1.5)), (HIGH, LOW), (HIGH, HIGH), (HIGH, WIDE)),
    "one of both": (lambda a, b: either(over(a, 2, 1.5), under(b, 2, 1.5)), (HIGH, WIDE), (LOW, HIGH), (LOW, WIDE)),
    "not above": (lambda a, b: contrary(above(a, b, 2)), (LOW, HIGH), (HIGH, LOW), (WIDE, LOW)),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_is_turned_by_its_runs(name):
    claim, *planted = VERDICTS[name]
    found = [claim(runs(a), runs(b, other=True)).word for a, b in planted]
    assert found == [HOLDS, FAILS, OPEN]


@pytest.mark.parametrize("name", VERDICTS)
@pytest.mark.parametrize("more", [{"updates": 9}, {"edge": True, "rate": 0.1}, "missing"])
def test_what_is_short_at_an_edge_or_not_run_is_not_settled(name, more):
    """But that runs diverge is seen in short ones too."""
    claim, *planted = VERDICTS[name]
    for a, b in planted:
        made = [] if more == "missing" else runs(a, **more)
        second = [] if more == "missing" else runs(b, other=True, **more)
        found = claim(made, second)
        seen = name.startswith("diverge") and a is planted[0][0] and made
        assert found.word == (HOLDS if seen else OPEN), found
        if more != "missing" and not seen and None not in a:
            assert ("0.09 of the paper's length" if "updates" in more else "0.1, is at the edge") in found.why


@pytest.mark.parametrize("name", ["above", "below", "alike", "over", "under", "steadier", "not above"])
@pytest.mark.parametrize("kept", [0, 1])
def test_diverged_runs_are_no_evidence(name, kept):
    """Where too few are left; the others speak for themselves."""
    claim, *planted = VERDICTS[name]
    for a, b in planted[:2]:
        lost = runs(a[:kept] + [None] * (3 - kept))
        assert claim(lost, runs(b, other=True)).word == OPEN
        assert "diverged" in claim(lost, runs(b, other=True)).why
    a, b = planted[0]
    assert claim(runs([*a, None]), runs(b, other=True)).word == HOLDS


@pytest.mark.parametrize("name", ["above", "below", "alike", "over", "under", "not above"])
def test_one_run_is_enough_where_nothing_is_drawn(name):
    claim, *planted = VERDICTS[name]
    for (a, b), word in zip(planted[:2], (HOLDS, FAILS), strict=True):
        one, others = runs(a[:1]), runs(b, other=True)
        assert claim(one, others).word == OPEN
        assert claim([run | {"certain": True} for run in one], others).word == word
    assert claim([run | {"certain": True} for run in runs([None])], others).word == OPEN


def test_at_equal_time_the_earlier_rows_are_compared():
    """One is at 1 after a second, the other has 2 at once: ahead at the time at which the first is half way."""
    slow, fast = runs([4.0, 4.1]), runs([3.0, 3.1])
    for run in fast:
        run["curve"][-1][1] = 1.0
    assert above(slow, fast, 2).word == HOLDS
    assert above(slow, fast, 2, at=1.0).word == FAILS
    nowhere = above(slow, fast, 2, at=float("nan"))
    assert (nowhere.word, nowhere.why) == (OPEN, "no equal time, for one diverged")
    assert above([], fast, 2, at=float("nan")).why == "not run"


def test_exact_claims_have_no_size():
    assert known(True).word == HOLDS
    assert known(False, "by 2").word == FAILS
    row = Claim("one", "1", "2", known(True)).row("make")
    assert row == ["one", "1", "2", "", "", "holds", "make"]


def test_a_claim_says_the_size_and_the_seeds_of_the_least_of_its_runs():
    verdict = above(runs(HIGH, updates=50, by="A"), runs(LOW[:2], updates=20, by="B"), 2)
    row = Claim("one", "1", "2", verdict).row("make")
    assert row[3:6] == ["20 %", 2, "holds"]


def test_what_stands_in_a_cell_stays_there():
    made = table("", ["name"], [["a|b\nc <!-- end -->"]])
    assert markdown(made).strip().splitlines()[-1] == "| a\\|b c &lt;!-- end --> |"


def test_tables_as_markdown():
    made = table("Title", ["name", "value"], [["a", 1], ["b", "-2"]])
    assert markdown(made) == "Title\n\n| name | value |\n| --- | --: |\n| a | 1 |\n| b | -2 |"
