"""The interactive pages: their numbers are the library's, and each answers to clicks and keys without a complaint."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dualgrad as dg
from dualgrad import directions
from dualgrad.estimators import ForwardGradient
from tests.support.pages import STATIC, drive, evaluated, interactive

SCRIPTS = STATIC / "interactive"

# ---------------------------------------------------------------------- the calculator's numbers

ONE = {
    "neg": np.negative, "sin": np.sin, "cos": np.cos, "tan": np.tan, "exp": np.exp, "ln": np.log, "log": np.log,
    "sqrt": np.sqrt, "tanh": np.tanh, "abs": np.abs,
}  # fmt: skip
TWO = {
    "+": lambda u, w: u + w, "-": lambda u, w: u - w, "*": lambda u, w: u * w, "/": lambda u, w: u / w,
    "^": lambda u, w: u**w,
}  # fmt: skip
STEPS = """given.map(({ text, at }) => {
  const { value, tangent, steps } = DualFormula.evaluate(DualFormula.parse(text), at);
  return { value, tangent, steps: steps.map((s) => (
    { op: s.op, values: s.values, tangents: s.tangents, value: s.value, tangent: s.tangent })) };
})"""
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, 3.0, 30.0, 710.0, 1e-5]) | st.floats(-3, 3)
SEEDS = st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-3, 3)
LEAVES = st.sampled_from(["x", "y", "x", "2", "0", "1", "0.5", "3", "pi", "e", "1e-4"])
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds("{}({})".format, st.sampled_from([name for name in ONE if name != "neg"]), inner)
        | st.builds("-{}".format, inner)
        | st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner)
        | st.builds("({})^{}".format, inner, st.sampled_from(["2", "3", "0", "0.5", "-1", "x", "(y)", "1e-4"]))
        | st.builds("{} {} {}".format, inner, st.sampled_from("+-*/"), inner)
    ),
    max_leaves=7,
)
CASES = st.lists(st.tuples(FORMULAS, NUMBERS, SEEDS, NUMBERS, SEEDS), min_size=30, max_size=60)


def plain(x):
    """A number of the page."""
    return None if x is None else float(x)


def of_library(op, values, tangents):
    """Value and tangent of one operation by dualgrad, and of what size its terms are."""
    function = ONE[op] if len(values) == 1 else TWO[op]
    moving = [k for k, d in enumerate(tangents) if d is not None]

    def along(some):
        def f(*moved):
            at = list(values)
            for k, x in zip(some, moved, strict=True):
                at[k] = x
            return function(*at)

        return dg.jvp(f, tuple(values[k] for k in some), tuple(tangents[k] for k in some))

    with np.errstate(all="ignore"):
        value, tangent = along(moving)
        terms = [abs(float(along([k])[1])) for k in moving] if len(moving) == 2 else []
    return float(value), float(tangent), sum(t for t in terms if math.isfinite(t))


def close(got, expected, size=0.0):
    """Whether two numbers are the same but for rounding."""
    return got == expected or np.isclose(got, expected, rtol=1e-11, atol=1e-12 * (1 + size), equal_nan=True)


def cases_of(drawn):
    """What the page is given."""
    names = ("value", "seed")
    return [
        {"text": text, "at": {"x": dict(zip(names, (x, dx), strict=True)), "y": dict(zip(names, (y, dy), strict=True))}}
        for text, x, dx, y, dy in drawn
    ]


def in_python(text):
    """A formula as a function of x and y; Python has the same order of operations."""
    names = {name: f for name, f in ONE.items() if name != "neg"} | {"pi": math.pi, "e": math.e}
    return eval(f"lambda x, y: {text.replace('^', '**')}", names)


WITHOUT_SHRINKING = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a page is asked many at once


@WITHOUT_SHRINKING
@given(CASES)
def test_every_step_is_what_dualgrad_makes_of_the_same_numbers(tmp_path_factory, drawn):
    """Step by step, so that nothing depends on how well a formula is conditioned; infinite and NaN numbers too."""
    cases = cases_of(drawn)
    for case, found in zip(cases, evaluated(["dual.js"], STEPS, cases, tmp_path_factory.mktemp("page")), strict=True):
        for step in found["steps"]:
            values, tangents = [[plain(x) for x in step[name]] for name in ("values", "tangents")]
            got = plain(step["value"]), plain(step["tangent"])
            if got[1] is None:
                continue
            value, tangent, size = of_library(step["op"], values, tangents)
            assert close(got[0], value), (case, step, value)
            assert close(got[1], tangent, size), (case, step, tangent)


@WITHOUT_SHRINKING
@given(CASES)
def test_formulas_are_read_as_python_reads_them(tmp_path_factory, drawn):
    cases, compared = cases_of([*drawn, ("-x^2 + 2^-y^2 - x/2*y", 1.2, 1.0, -0.7, 0.5)]), 0
    for case, found in zip(cases, evaluated(["dual.js"], STEPS, cases, tmp_path_factory.mktemp("page")), strict=True):
        numbers = [plain(x) for step in found["steps"] for x in (step["value"], *step["tangents"]) if x is not None]
        if not all(abs(x) < 100 for x in numbers):
            continue
        x, y = case["at"]["x"], case["at"]["y"]
        value, tangent = dg.jvp(in_python(case["text"]), (x["value"], y["value"]), (x["seed"], y["seed"]))
        compared += 1
        np.testing.assert_allclose([plain(found["value"]), plain(found["tangent"])], [value, tangent], 1e-7, 1e-7)
    assert compared


CONVENTIONS = [
    ("abs(x)", 0.0, 1.0, 0.0), ("sqrt(x)", 0.0, 1.0, math.inf), ("sqrt(x)", 0.0, 0.0, 0.0), ("x^0", 0.0, 1.0, 0.0),
    ("0^x", 2.0, 1.0, 0.0), ("1/x", 0.0, 0.0, 0.0), ("1/x", 0.0, 1.0, -math.inf), ("ln(x)", 0.0, 0.0, 0.0),
    ("ln(x)", -1.0, 1.0, -1.0), ("tanh(x)", 20.0, 1.0, 1.699341702116516e-17), ("tanh(x)", 1000.0, 1.0, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "x", "seed", "tangent"), CONVENTIONS)
def test_kinks_and_poles_are_those_of_the_page_of_conventions(text, x, seed, tangent, tmp_path):
    found = evaluated(["dual.js"], STEPS, cases_of([(text, x, seed, 0.0, 0.0)]), tmp_path)[0]
    assert close(plain(found["tangent"]), tangent)


ERRORS = [
    ("", "the formula is empty", 0, 1), ("x +", "ends too early", 3, 4), ("2x", "a sign is missing", 1, 2),
    ("x y", "between “x” and “y”", 2, 3), ("(x", "not closed", 0, 1), ("x)", "never opened", 1, 2),
    ("sin x", "sin needs parentheses: sin(x)", 0, 3), ("f(x)", "“f” is no function", 0, 1), ("3,5", "write 0.5", 1, 2),
    ("x * * y", "“*” cannot stand here", 4, 5), ("y = x", "the right-hand side alone", 2, 3), ("x & y", "“&”", 2, 3),
    ("sin()", "“)” cannot stand here", 4, 5), ("1 + ((x)", "not closed", 4, 5), ("pi(2)", "“pi” is no function", 0, 2),
]  # fmt: skip


def test_errors_name_the_place(tmp_path):
    expression = "given.map((text) => { try { DualFormula.parse(text); return null; }"
    expression += " catch (e) { return [e.message, e.start, e.end, e instanceof DualFormula.FormulaError]; } })"
    found = evaluated(["dual.js"], expression, [text for text, *_ in ERRORS], tmp_path)
    for (text, words, start, end), answer in zip(ERRORS, found, strict=True):
        assert answer, text
        assert words in answer[0], text
        assert answer[1:] == [start, end, True], text


def test_numbers_are_written_for_readers(tmp_path):
    numbers = {
        0: "0", -1.5: "−1.5", 1 / 3: "0.333333", 1e10: "1 · 10¹⁰", -2.5e-7: "−2.5 · 10⁻⁷", 100000: "100000",
        1234567: "1.2346 · 10⁶",
    }  # fmt: skip
    assert evaluated(["dual.js"], "given.map(DualFormula.format)", list(numbers), tmp_path) == list(numbers.values())


# ---------------------------------------------------------------------- the cloud's numbers

KINDS = {
    "signs": directions.Rademacher(), "normals": directions.Gaussian(), "LowRank": directions.LowRank(),
    "sphere": directions.Sphere(),
}  # fmt: skip
GRID = [(kind, p, n) for kind in KINDS for p in (4, 64) for n in (1, 4, 16)]


def test_the_theory_of_the_cloud_is_that_of_the_library(tmp_path):
    found = evaluated(["cloud.js"], "given.map(([kind, p, n]) => Cloud.variance(kind, p, n))", GRID, tmp_path)
    for (kind, p, n), variance in zip(GRID, found, strict=True):
        g = dg.Rng(p).normal((2, p // 2))
        total = np.sum(ForwardGradient(KINDS[kind], n=n).variance(g)) / np.sum(g * g)
        np.testing.assert_allclose(variance, total, rtol=1e-12, err_msg=f"{kind} {p} {n}")


def test_the_cloud_is_drawn_as_the_theory_says(tmp_path):
    """Of 4,000 estimates, each within five standard errors or so; the law of the cosine of normals exactly."""
    expression = "given.map(([k, p, n]) => [Cloud.measured(Cloud.estimates(k, p, n, 4000, 7)), Cloud.meanCosine(p, n),"
    expression += " Cloud.cosineSquareRoot(p, n), Math.min(...Cloud.estimates(k, p, n, 4000, 7).map((e) => e.x))])"
    for (kind, p, n), (got, cosine, root, least) in zip(
        GRID, evaluated(["cloud.js"], expression, GRID, tmp_path), strict=True
    ):
        variance = (p + 1 if kind == "normals" else p - 1) / n
        assert least >= -1e-12
        assert abs(got["along"] - 1) < 5 * math.sqrt(8 / n / 4000), (kind, p, n)
        np.testing.assert_allclose(got["variance"], variance, rtol=0.25, err_msg=f"{kind} {p} {n}")
        beta = math.lgamma((n + 1) / 2) - math.lgamma(n / 2) + math.lgamma((n + p - 1) / 2) - math.lgamma((n + p) / 2)
        np.testing.assert_allclose(cosine, math.exp(beta), rtol=1e-9)
        if kind == "normals" or (n == 1 and kind == "sphere"):
            np.testing.assert_allclose(got["cosine"], cosine, atol=5 / math.sqrt(4000 * p))
        if kind == "normals" or n == 1:
            np.testing.assert_allclose(got["rootSquare"], root, rtol=0.1)


# ---------------------------------------------------------------------- the pages


def test_nothing_is_fetched_from_elsewhere():
    for path in [*SCRIPTS.glob("*.js"), STATIC / "interactive.css"]:
        text = path.read_text("utf-8")
        assert set(re.findall(r"https?://[^\"'\s]+", text)) <= {"http://www.w3.org/2000/svg"}, path.name
        assert not re.search(r"\b(fetch|XMLHttpRequest|import)\s*\(|@import|localStorage", text), path.name


def test_the_calculator_answers(tmp_path):
    script = """
    const seen = { first: $(".result").textContent, rows: all("tbody tr").length };
    $(".examples button").click();
    seen.example = [$("input[type=text]").value, all("fieldset").length];
    type($("input[type=text]"), "sqrt(x) + y");
    type(labelled("x"), "0");
    type(all("input[type=number]")[1], "0");
    type(labelled("y"), "3");
    type(all("input[type=number]")[3], "1");
    seen.absorbed = [$(".result").textContent, $("td em").textContent];
    const row = all("tbody tr")[2];
    row.focus();
    seen.marked = [document.activeElement === row, $(".where mark").textContent];
    type($("input[type=text]"), "sqrt(x) + * y");
    seen.wrong = [$(".formula-error mark").textContent, $(".formula-error span").textContent, all("tbody tr").length,
      $("input[type=text]").getAttribute("aria-invalid")];
    type($("input[type=text]"), "x");
    type(labelled("x"), "");
    seen.lacking = $(".result").textContent;
    type($("input[type=text]"), "constructor + __proto__ * exp(800)");
    seen.odd = [all("fieldset").length, $(".result").textContent, $("td em").textContent];
    seen.labels = all("input, select").every((i) => i.labels.length === 1);
    return seen;
    """
    seen = drive(interactive("calculator"), script, tmp_path)
    assert seen == {
        "first": "f(2 + 1 ε, 5 + 0 ε) = 11.6521 + 5.5 ε", "rows": 7, "example": ["sin(x^2)", 1],
        "absorbed": ["f(0 + 0 ε, 3 + 1 ε) = 3 + 1 ε", "0 · ∞ = 0: a tangent of zero contributes nothing"],
        "marked": [True, "sqrt(x)"], "lacking": "Give x a number.", "labels": True,
        "odd": [2, "f(1 + 0 ε, 1 + 0 ε) = ∞ + 0 ε", "larger than numbers go"],
        "wrong": ["*", "At 11: “*” cannot stand here: a number, a name or “(” is expected.", 0, "true"],
    }  # fmt: skip


def test_the_tangent_answers(tmp_path):
    script = """
    const seen = { first: $(".result").textContent, curve: $(".curve").getAttribute("d").length > 500 };
    type(labelled("f(x)"), "abs(x)");
    type(labelled("x"), "0");
    seen.kink = [$(".result").textContent, $("td em").textContent];
    type(labelled("f(x)"), "1/x");
    seen.pole = [$(".result").textContent, all(".arrow").length];
    type(labelled("x"), "2");
    type(labelled("v,"), "0");
    seen.still = [$(".result").textContent, all(".arrow").length];
    type(labelled("f(x)"), "typed");
    type(labelled("Your formula"), "x * y");
    seen.strange = $(".result").textContent;
    type(labelled("Your formula"), "x^2 +");
    seen.wrong = [all(".plot").length, $(".formula-error span").textContent];
    type(labelled("Your formula"), "x^2");
    type(labelled("v,"), "-0.5");
    seen.own = [$(".result").textContent, all(".arrow").length];
    window.dispatchEvent(new Event("resize"));
    seen.labels = all("input, select").every((i) => i.labels.length === 1);
    return seen;
    """
    seen = drive(interactive("tangent"), script, tmp_path)
    assert seen == {
        "first": "f(−0.9 + 1 ε) = −1.08333 + 0.954943 ε", "curve": True, "labels": True,
        "kink": ["f(0 + 1 ε) = 0 + 0 ε", "the kink of |u|: slope 0 by convention"],
        "pole": ["f(0 + 1 ε) = ∞ − ∞ ε", 0], "still": ["f(2 + 0 ε) = 0.5 + 0 ε", 0],
        "strange": "The formula is one in x alone; it also has y.",
        "wrong": [0, "At 6: here the formula ends too early."],
        "own": ["f(2 − 0.5 ε) = 4 − 2 ε", 1],
    }  # fmt: skip


def test_the_cloud_answers(tmp_path):
    script = """
    const table = () => all("tbody tr").map((r) => [...r.querySelectorAll("td")].map((c) => c.textContent));
    const seen = { first: table(), dots: all(".dot").length };
    $("button").click();
    seen.again = table()[1][0] !== seen.first[1][0];
    type(labelled("p,"), "4");
    type(labelled("n,"), "2");
    seen.smaller = table();
    type(labelled("directions"), "normals");
    seen.normals = table();
    seen.outputs = all("output").map((o) => o.textContent);
    seen.labels = all("input, select").every((i) => i.labels.length === 1);
    return seen;
    """
    seen = drive(interactive("cloud"), script, tmp_path)
    assert seen["dots"] == 500
    assert seen["again"]
    assert seen["labels"]
    assert seen["outputs"] == ["16", "4"]
    theory = [row[1] for row in seen["first"]]
    assert theory == ["1", "63", "≈ 0.1", "0.125"]
    assert [row[1] for row in seen["smaller"]] == ["1", "3.75", "≈ 0.437", "≈ 0.459"]
    assert [row[1] for row in seen["normals"]] == ["1", "4.25", "0.437", "0.459"]
    assert abs(float(seen["normals"][1][0]) - 4.25) < 1


def test_a_complaint_of_the_console_is_found(tmp_path):
    with pytest.raises(AssertionError, match="planted"):
        drive("<script>console.error('planted')</script>", "return 1;", tmp_path)
    assert json.dumps(drive("<p>", "return [1, Infinity];", tmp_path)) == '[1, "Infinity"]'
