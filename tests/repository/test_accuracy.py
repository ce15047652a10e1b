"""docs/make_accuracy.py finds what is wrong, and its truths are true."""

import math
import re
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest

import dualgrad as dg
from dualgrad.rules.declare import elementwise
from dualgrad.scipy import special
from dualgrad.tables import KINDS

sys.path.append(str(Path(__file__).parents[2] / "docs"))
import make_accuracy
from accuracy import measure, subjects
from accuracy.truth import Jet, coefficients, jet

sys.path.pop()

CASES = subjects.cases()


def named(case):
    return f"{case.subject.name} [{case.label}]"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_truths_are_what_numerical_differentiation_finds(case):
    """mpmath's differences of its own values know nothing of our formulas."""
    s, compared = case.subject, 0
    for x in (1.7, -0.3, 0.4):
        exact = coefficients(case.truth, x)[:5] if compared < 2 and s.within(x) else [mpmath.nan]
        if any(mpmath.isnan(c) for c in exact):
            continue
        compared += 1

        def value(z, x=x):
            arguments = s.arguments(
                case.label, Jet.constant(z), lambda _: Jet.constant(x), lambda _, number: jet(number)
            )
            return s.truth(*arguments).c[0]

        with mpmath.workdps(30):
            for found, c in zip(mpmath.taylor(value, x, 4), exact, strict=True):
                assert abs(found - c) <= 1e-15 * max(abs(c), 1e-5)
    assert compared


def judged(*names, full=False):
    """What make_accuracy says of some functions."""
    chosen = [c for c in CASES if c.subject.name in names]
    assert {c.subject.name for c in chosen} == set(names)
    return list(make_accuracy.problems(make_accuracy.figures(chosen, full), full))


def test_right_rules_pass():
    assert not judged("np.tanh", "np.exp", "np.log1p", "np.arctan", "special.expit", "np.sqrt")


FAULTS = {
    "slope that is 0 in the tail": (np.tanh, {}, lambda y, x: 1 - y * y),
    "quotient that overflows": (np.tanh, {"over": lambda y, x: np.square(np.cosh(x))}, None),
    "square that overflows": (np.arcsinh, {"over": lambda y, x: np.sqrt(1 + x * x)}, None),
    "difference": (special.expit, {}, lambda y, x: y * (1 - y)),
    "relative 1e-12": (np.exp, {}, lambda y, x: y * (1 + 1e-12)),
    "second order": (np.exp, {}, lambda y, x: dg.primal(y)),
    "double precision from single": (np.sqrt, {}, lambda y, x: np.float64(0.5) / (y.astype(np.float64))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_rules_are_named(tables, fault):
    function, settings, partial = FAULTS[fault]
    elementwise(function, *([partial] if partial else []), **settings)
    name = f"special.{function.__name__}" if function is special.expit else f"np.{function.__name__}"
    assert any(problem.startswith(f"{name}(x) in ") for problem in judged(name))


def test_a_rule_without_a_line_is_named(monkeypatch):
    monkeypatch.setitem(KINDS, np.spacing, "elementwise")
    assert subjects.missing() == ["spacing"]


def test_excuses_are_few_and_needed(monkeypatch):
    assert len(make_accuracy.EXCUSED) <= 10
    monkeypatch.setattr(make_accuracy, "EXCUSED", {"np.tanh": "of old"})
    assert judged("np.tanh", full=True) == ["np.tanh is excused, and needs it no more"]


def test_the_page_lists_every_function():
    assert make_accuracy.names_on(make_accuracy.PAGE.read_text("utf-8")) == list(
        dict.fromkeys(s.name for s in subjects.SUBJECTS)
    )


def only(monkeypatch, tmp_path, name):
    """How ``--only`` ends, and the page that it wrote: of a copy in which the function has no row."""
    page = tmp_path / "docs" / "accuracy.md"
    page.parent.mkdir()
    before = make_accuracy.PAGE.read_text("utf-8").splitlines(keepends=True)
    page.write_text("".join(line for line in before if f"<code>np.{name}</code>" not in line), "utf-8")
    monkeypatch.setattr(make_accuracy, "HERE", page.parent)
    monkeypatch.setattr(make_accuracy, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["make_accuracy.py", "--only", name])
    return make_accuracy.main(), page.read_text("utf-8")


def test_one_function_is_measured_alone_and_its_row_written(monkeypatch, tmp_path, capsys):
    before = make_accuracy.PAGE.read_text("utf-8")
    failed, page = only(monkeypatch, tmp_path, "tanh")
    row = re.compile(r"<tr><td><code>np\.tanh</code></td>.*")  # whose last digits are the machine's
    assert not failed
    assert row.sub("", page) == row.sub("", before)
    assert len(row.findall(page)) == 1
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert said[0] == ["np.tanh", *measure.COLUMNS]
    assert said[2] == ["may", "have", "–", "1e-13", "1e-11", "1e-11", "1e-11"]


def test_one_function_over_a_bar_fails(monkeypatch, tmp_path, tables, capsys):
    elementwise(np.tanh, lambda y, x: 1 - y * y)
    failed, page = only(monkeypatch, tmp_path, "tanh")
    assert failed
    assert page.count('<td><code>np.tanh</code></td><td class="good">') == 1
    assert "np.tanh(x) in float64, order 1" in capsys.readouterr().err


def test_one_function_that_is_none_is_refused(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        only(monkeypatch, tmp_path, "tanhh")
    assert "no subject of docs/accuracy/subjects.py is called tanhh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("got", "order", "error"),
    [(np.float64(2.0), 0, 0), (np.float64(2.0 + 2e-12), 0, 1e-12), (np.float64(np.nan), 1, math.inf),
     (np.float32(1.0), 1, math.inf), (np.float64(np.inf), 1, math.inf)],
)  # fmt: skip
def test_errors(got, order, error):
    """Of the sum of 1 and 1, and of its slope."""
    case = next(c for c in CASES if named(c) == "np.add [x, 1]")
    results = [np.array([2.0]), np.array([1.0])]
    results[order] = np.array([got])
    found = measure.errors(case, np.array([1.0]), results).error[order, 0]
    assert found == pytest.approx(error, abs=1e-15, rel=0.01)
