"""Results show themselves: short in a session, aligned when printed, as tables in a notebook."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import testing
from dualgrad.displays import aligned, html_table, in_brief
from dualgrad.estimators import Estimate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.ones(2), "array([1., 1.])"),
        (np.ones((5, 4)), "float64[5, 4]"),
        ({"w": np.ones((5, 4)), "b": 0.5}, "{'w': float64[5, 4], 'b': 0.5}"),
        ([np.zeros(17, np.float32)], "[float32[17]]"),
        ((1.0,), "(1.0,)"),
        ((np.zeros(17), None), "(float64[17], None)"),
        (dg.Params({"w": np.ones(20)}), "Params(w: (20,); 20 entries)"),
    ],
)
def test_values_in_brief(value, text):
    assert in_brief(value) == text


class Balanced(HTMLParser):
    """Every tag is closed, and what stands between them."""

    def __init__(self, text):
        super().__init__()
        self.open, self.said = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


def said(result):
    return " ".join(Balanced(result._repr_html_()).said)


def test_a_report_is_its_lines_in_a_session_and_a_table_in_a_notebook():
    report = testing.check_jvp(np.sin, (np.ones(2),))
    assert repr(report) == str(report)
    assert repr(report).splitlines()[0] == "check_jvp of sin: PASSED"
    assert "check_jvp of sin: PASSED" in said(report)
    wrong = testing.check_jvp(lambda x: dg.primal(x) * x, (3.0,), raises=False)
    assert "failed" in said(wrong)
    assert re.search(r"at \S.*: got \S+, expected \S+", said(wrong))
    assert "<lambda>" in said(wrong)
    assert "&lt;lambda&gt;" in wrong._repr_html_()


def test_moments():
    few = testing.exact_moments(lambda rng: rng.signs(2))
    assert repr(few).startswith("Moments(mean=array([0., 0.]), covariance=array([[1., 0.],")
    many = few._replace(mean=np.zeros(50), covariance=np.eye(50), certified=False, lost=1e-13, draws={})
    assert repr(many).startswith("Moments(mean=float64[50], covariance=float64[50, 50], outcomes=4, ")
    assert str(many).splitlines() == [
        "Moments of 4 outcomes, not certified",
        "  mean      float64[50]",
        "  variance  float64[50]",
        "  error     0.0e+00",
        "  lost      1.0e-13",
        "  draws     none",
    ]
    assert "2 signs" in said(few)


def test_estimates():
    estimate = Estimate(np.float64(0.5), {"w": np.full((5, 5), 2.0), "b": np.zeros(3)}, np.ones(2), 5)
    assert repr(estimate) == (
        "Estimate(value=np.float64(0.5), gradient={'w': float64[5, 5], 'b': array([0., 0., 0.])}, "
        "directional=array([1., 1.]), cost=5)"
    )
    assert str(estimate).splitlines() == [
        "Estimate of a loss of 0.5",
        "  gradient  {'w': float64[5, 5], 'b': array([0., 0., 0.])}",
        "  length    10",
        "  slopes    array([1., 1.])",
        "  cost      5 forward passes",
    ]
    assert "float64[5, 5]" in said(estimate)
    assert "slopes" not in str(Estimate(1.0, 2.0))
    assert str(Estimate(1.0, 3 + 4j)).splitlines()[2] == "  length    5"


def test_a_history_is_a_table_in_both():
    objective = dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse)
    history = dg.fit(
        objective, objective.model.init(rng=0), (np.ones((4, 1)), np.ones((4, 1))), epochs=2, batch_size=2, rng=0,
        estimator=dg.estimators.Backprop(), optimizer=dg.optim.SGD(0.1), progress=False,
    )  # fmt: skip
    assert repr(history).splitlines()[0].split()[:3] == ["epoch", "updates", "loss"]
    assert "stopped: epochs" in said(history)


def test_tables_of_nothing_and_of_what_html_would_read():
    assert aligned([]) == ""
    assert Balanced(html_table("a < b", [("x", "<y>")])).said == ["a < b", "x", "<y>"]


def test_the_map_that_help_shows_names_what_there_is():
    rows = [line.strip() for line in dg.__doc__.splitlines() if line.startswith("    ") and "  " in line.strip()]
    names = {name for row in rows for name in re.findall(r"[A-Za-z_.]+", re.sub(r"\(.*\)", "", row.rsplit("  ", 1)[1]))}
    errors = {name for name in dg.__all__ if name.endswith(("Error", "Warning"))}
    told = {name.partition(".")[0] for name in names} - {"dualgrad"}
    assert told <= set(dg.__all__)
    values = {"Dual", "ZERO", "LowRank", "OuterProduct", "SparsityPattern", "Trace", "dual", "tree"}
    assert set(dg.__all__) - errors - values <= told
    assert len(rows) >= 25
    assert max(map(len, dg.__doc__.splitlines())) <= 120
