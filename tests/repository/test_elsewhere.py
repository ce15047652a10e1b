"""The catalogue of estimators elsewhere: it starts without the packages, its verdicts follow from the claim, the
enumeration and the samples, and its page is of the versions that are pinned."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
IMPORTED = "torch dice_mc storch evotorch evox evosax optax traceax matfree".split()
CLAIMED = np.array([1.0, 2.0])


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module("estimators_elsewhere")


def test_packages_that_are_not_installed_are_named_and_left_out(script, monkeypatch):
    for name in IMPORTED:
        monkeypatch.setitem(sys.modules, name, None)
    there, missing = script.packages(script.MODULES)
    assert not there
    assert missing == "torch dice-mc storchastic evotorch evox evosax optax traceax matfree".split()


def noisy(shift=0.0):
    """Runs whose mean is near the claim, of variance 1."""
    return CLAIMED + shift + np.random.default_rng(0).normal(size=(10_000, 2))


def row(script, values, exact=None, **more):
    """The row of runs that gave these values, with (1, 2) claimed, enumerated as said or not at all."""
    case = script.catalogue.Case("e", "p", "c", CLAIMED, None, "jax", **more)
    exact = script.enumerated.Enumerated(why="no") if exact is None else script.enumerated.Enumerated(*exact, 4)
    return script.judged(case, exact, values if isinstance(values, str) else script.catalogue.summary(values))


def test_a_claim_that_enumeration_or_sampling_contradicts_differs(script):
    right = CLAIMED, np.ones(2)
    assert row(script, noisy(), right, variance=[1, 1]).agrees
    assert row(script, noisy(), variance=[1, 1]).agrees
    assert not row(script, noisy(), (CLAIMED + 1e-6, np.ones(2))).agrees
    assert not row(script, noisy(), (CLAIMED, np.ones(2)), variance=[1, 1 + 1e-6]).agrees
    assert not row(script, noisy(0.05)).agrees
    assert not row(script, noisy(), variance=[1, 1.1]).agrees
    assert not row(script, np.where(np.arange(10_000)[:, None] == 7, np.nan, noisy())).agrees
    assert not row(script, "RuntimeError: no", raises=RuntimeError).agrees


def test_what_the_catalogue_does_not_expect_is_told(script):
    right, twice = (CLAIMED, np.ones(2)), (2 * CLAIMED, np.ones(2))
    assert not row(script, noisy(), right).unexpected
    assert row(script, noisy(0.05)).unexpected
    assert not row(script, noisy(0.05), cause="why").unexpected
    assert not row(script, noisy(CLAIMED), twice, cause="why", found=2 * CLAIMED).unexpected
    assert row(script, noisy(CLAIMED), twice, cause="why", found=3 * CLAIMED).unexpected
    assert row(script, noisy(), right, cause="why", found=2 * CLAIMED).unexpected
    assert row(script, noisy(), raises=RuntimeError).unexpected


def test_an_enumerated_mean_or_variance_that_the_samples_contradict_is_told(script):
    for exact in ((CLAIMED + 0.05, np.ones(2)), (CLAIMED, 1.1 * np.ones(2))):
        found = row(script, noisy(), exact, cause="why")
        assert found.unexpected
        assert "the two columns differ" in found.verdict


def test_what_differs_stands_first_and_among_the_findings(script):
    bad = row(script, noisy(1), (CLAIMED + 1, np.ones(2)), cause="why", where="a.py, f")
    found = {"package 1.0": [row(script, noisy(), (CLAIMED, np.ones(2))), bad]}
    assert "differs" in "\n".join(script.tables(found)).splitlines()[3]
    assert "- package 1.0, **e** (`a.py`, `f`): why." in "\n".join(script.findings(found))
    page = "a\n<!-- begin b -->\nold\n<!-- end b -->\nc"
    assert script.written(page, b="new") == "a\n<!-- begin b -->\n\nnew\n\n<!-- end b -->\nc"


def test_the_page_is_of_the_pinned_versions():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    pins = dict(pin.split("==") for pin in groups["elsewhere"])
    page = (ROOT / "docs" / "estimators-elsewhere.md").read_text("utf-8")
    found = dict(re.findall(r"^## ([\w-]+) (\d\S+)$", page, re.M))
    assert found == {name: pins[name] for name in found}
    assert set(pins) == {*found, "jax"}
