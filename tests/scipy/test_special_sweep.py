"""Every special function that has been asked for has a sweep against mpmath: its subject in docs/accuracy, measured."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy")
pytest.importorskip("mpmath")

from dualgrad.scipy import special
from dualgrad.tables import KINDS

sys.path.append(str(Path(__file__).parents[2] / "docs"))
import make_accuracy
from accuracy import subjects

sys.path.pop()

ASKED = """betainc gammainc gammaincc j0 j1 jv y0 y1 yv k0 k1 kv iv rgamma multigammaln expi exp1 expn exprel erfi dawsn
hyperu ellipk ellipe hyp1f1 hyp2f1 spence lambertw boxcox huber stdtr chdtr poch binom""".split()
CASES = [c for c in subjects.cases() if c.subject.name.startswith("special.")]
QUICK = {"huber", "exp1", "stdtr", "betaincinv"}


def rules_of(name):
    return [c for c in CASES if getattr(special, name) in c.subject.rules]


def test_what_has_been_asked_for_is_there():
    assert [name for name in ASKED if not rules_of(name)] == []
    assert KINDS[special.gammasgn] == "constant"


SWEPT = sorted({c.subject.name.removeprefix("special.").partition("(")[0] for c in CASES})


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in SWEPT])
def test_derivatives_over_the_grid(name):
    """To order 3 and in Taylor mode, in both precisions, within the bars of docs/accuracy.md."""
    assert list(make_accuracy.problems(make_accuracy.figures(rules_of(name), full=False), full=False)) == []
