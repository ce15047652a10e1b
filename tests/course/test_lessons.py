"""The lessons of dualgrad.course: their cells run, every exercise is set once, and every solution passes."""

import re
import time

import pytest

from dualgrad.course import check
from dualgrad.course.grader import exercises
from tests.support.lessons import COURSE, PAGES, cells, run, set_on, solutions
from tests.support.pictures import faults

plt = pytest.importorskip("matplotlib.pyplot")
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.fixture(autouse=True)
def without_a_screen():
    """Figures are drawn, and thrown away; what is set for them does not last."""
    plt.switch_backend("agg")
    with plt.rc_context():
        yield
        plt.close("all")


@by_page
def test_the_cells_run_the_stubs_are_empty_and_the_solutions_pass(page, capsys):
    start = time.perf_counter()
    names, said = run(page)
    assert said.count("Nothing is written yet") == len(set_on(page))
    drawn = [plt.figure(number) for number in plt.get_fignums()]
    assert len(drawn) >= 2
    assert not [fault for figure in drawn for fault in faults(figure, "light", "dark")]
    found = solutions(page)
    assert list(found) == list(set_on(page)), "an exercise has a heading, a cell that checks it, and one solution"
    for number, name in set_on(page).items():
        own = dict(names)
        exec(compile(found[number], f"the solution of {number}", "exec"), own)
        assert check(number, own[name]), capsys.readouterr().out
    assert time.perf_counter() - start < 30


@by_page
def test_a_lesson_has_what_a_lesson_has(page):
    text = page.read_text("utf-8")
    assert "**The question.**" in text
    assert f"{{nb-download}}`{page.stem}.ipynb`" in text
    assert len(set_on(page)) >= 3
    assert text.count("plt.subplots(") >= 2
    labels = re.findall(r"^\$\$ \(([\w-]+)\)$", text, re.M)
    assert len(labels) >= 2
    assert set(re.findall(r"\{eq\}`([\w-]+)`", text)) <= set(labels)


def test_the_pages_set_every_exercise_and_call_the_answers_as_the_grader_does():
    found = {number: name for page in PAGES for number, name in set_on(page).items()}
    assert found == {number: exercise.name for number, exercise in exercises().items()}
    for page in PAGES:
        assert page.name in (COURSE / "index.md").read_text("utf-8")
        for number in set_on(page):
            title = exercises()[number].title
            assert f"### Exercise {number}: {title}\n" in page.read_text("utf-8")
            assert number.split(".")[0] == str(int(page.stem[:2]))


def test_hints_hold_nothing_of_a_solution():
    for page in PAGES:
        for number, program in solutions(page).items():
            lines = {line.strip() for line in program.splitlines() if len(line.strip()) > 12}
            parts = lines | {line.partition("return ")[2] for line in lines if "return " in line}
            exercise = exercises()[number]
            for said in [*exercise.mistakes, exercise.task]:
                assert not [part for part in parts if len(part) > 8 and part in said], (number, said)


def test_equations_have_names_of_their_own():
    """Sphinx numbers those of all pages together."""
    labels = [label for page in PAGES for label in re.findall(r"^\$\$ \(([\w-]+)\)$", page.read_text("utf-8"), re.M)]
    assert len(labels) == len(set(labels))


def test_a_student_gets_to_the_first_exercise_soon():
    """At most a few hundred words before it, of which one reads two hundred a minute."""
    text = PAGES[0].read_text("utf-8").partition("### Exercise 1.1")[0]
    words = len(re.findall(r"\w+", re.sub(r"```.*?```", "", text, flags=re.S)))
    assert words < 600
    assert len(cells(PAGES[0])) > 5
