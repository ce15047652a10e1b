"""The page beside other libraries: it is what was measured, dualgrad still says so, and a verdict can turn."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

sys.path.append(str(Path(__file__).parents[2] / "docs"))

import make_compare
from compare import features, probes, rivals, speeds

sys.path.pop()


@pytest.fixture(scope="module")
def stored():
    return make_compare.json.loads(make_compare.STORE.read_text("utf-8"))


def test_the_page_is_what_was_measured_and_dualgrad_answers_all(stored):
    assert list(make_compare.problems(stored, make_compare.PAGE.read_text("utf-8"))) == []


def test_what_is_not_so_any_more_is_noticed(stored):
    page = make_compare.render(stored)
    for kind in ("features", "answers"):
        other = copy.deepcopy(stored)
        about = next(iter(other[kind]))
        other[kind][about]["dualgrad"] = ["wrong", "7"] if kind == "answers" else "no"
        assert len(list(make_compare.problems(other, page))) >= 2
        del other[kind][about]
        assert any(f"other {kind}" in line for line in make_compare.problems(other, page))


@pytest.mark.parametrize(
    ("found", "truth", "says"),
    [
        (1.0, 1.0, probes.RIGHT),
        (1.0 + 1e-9, 1.0, probes.RIGHT),
        (1.0 + 1e-7, 1.0, probes.WRONG),
        (np.nan, 1.0, probes.WRONG),
        (0.0, 1e-300, probes.WRONG),
        (1e-30, 0.0, probes.WRONG),
        (0.0, 0.0, probes.RIGHT),
        (np.inf, np.inf, probes.WRONG),
        ([1.0, 1.0], 1.0, probes.WRONG),
        ([1.0, 2.0], [1.0, 2.1], probes.WRONG),
        (1.0 + 1.0j, 1.0, probes.WRONG),
    ],
)
def test_verdicts(found, truth, says):
    assert probes.verdict(found, truth) == says


def test_answers_are_told_apart():
    library = rivals.Library()
    ask = lambda program: probes.answer(library, probes.Probe("", program, None, 2.0, 1.0, 4.0))[0]  # noqa: E731
    assert ask("lambda x: x**2") == probes.RIGHT
    assert ask("lambda x: x**3") == probes.WRONG
    assert ask("lambda x: float(x)") == probes.ERROR
    assert ask("lambda x: np.no_such_function(x)") == probes.NONE


def test_the_truths_are_those_of_differences():
    """An answer that all libraries agree on may still be another question's: where a step makes sense, it is tried."""
    library, tried = rivals.Library(), 0
    for probe in probes.PROBES:
        x, v = np.asarray(probe.x, float), np.asarray(probe.v, float)
        if probe.order > 1 or probe.refusable or not np.all((np.abs(x) < 10) & ((np.abs(x) > 0.1) | (v == 0))):
            continue
        f = probe.program if "derivative" not in probe.program else None
        if f is None:
            continue
        f, h = library.program(f), 1e-6
        with np.errstate(all="ignore"):
            found = (f(x + h * v) - f(x - h * v)) / (2 * h)
        moved = np.isfinite(found)
        np.testing.assert_allclose(found[moved], np.asarray(probe.truth, float)[moved], rtol=1e-5, atol=1e-7)
        tried += 1
    assert tried > 10


def test_every_line_of_times_runs():
    library = rivals.Library()
    for row in speeds.rows():
        small = row._replace(x=row.x[:3])
        assert set(speeds.measure([library], small, 0.0)) == {"dualgrad"}


def test_a_feature_that_does_not_run_is_an_error():
    with pytest.raises(AttributeError):
        features.shown(rivals.Library(), features.Feature("", {"dualgrad": "dg.no_such_thing"}))
