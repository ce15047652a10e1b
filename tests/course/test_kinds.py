"""What every exercise takes for an answer, whatever holds its numbers; and hints that are not meant for an answer."""

from types import SimpleNamespace

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.course import check
from dualgrad.course.diagnosing import CHANGES
from dualgrad.course.exercise import applied
from dualgrad.course.grader import exercises
from tests.support.lessons import PAGES, cells, solutions

ALL = exercises()


def answers():
    """The solution of every exercise, with the imports of its page."""
    found = {}
    for page in PAGES:
        for number, program in solutions(page).items():
            names = {}
            exec(cells(page)[0] + program, names)
            found[number] = names[ALL[number].name]
    return found


ANSWERS = answers()
OF_RESULTS = [number for number in ANSWERS if ALL[number].run is applied]


def each(change):
    """A change of what holds several things, or of each array and number in them."""
    return lambda x: type(x)(map(each(change), x)) if isinstance(x, (tuple, list)) else change(x)


def is_text(x):
    return isinstance(x, str)


def parts_as(change):
    return lambda x: change(x) if isinstance(x, tuple) else x


KINDS = {
    "lists": each(lambda x: x if is_text(x) else np.asarray(x).tolist()),
    "arrays": each(lambda x: x if is_text(x) else np.asarray(x)),
    "objects": each(lambda x: x if is_text(x) else np.asarray(x, object)),
    "single precision of whole numbers": each(
        lambda x: x if is_text(x) or np.any(np.float32(x) != x) else np.float32(x)
    ),
    "numbers of NumPy": each(lambda x: np.float64(x) if np.ndim(x) == 0 and not is_text(x) else x),
    "a list of parts": parts_as(list),
    "an array of parts": parts_as(lambda x: np.array(x) if len({np.shape(part) for part in x}) == 1 else x),
    "a Dual": parts_as(lambda x: dg.Dual(*map(np.asarray, x), 1) if len(x) == 2 else x),
    "an object with primal and tangent": parts_as(
        lambda x: SimpleNamespace(primal=x[0], tangent=x[1]) if len(x) == 2 else x
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", OF_RESULTS)
def test_a_solution_passes_whatever_holds_its_numbers(number, kind, capsys):
    assert check(number, lambda *given: KINDS[kind](ANSWERS[number](*given))), capsys.readouterr().out


@pytest.mark.parametrize("number", ALL)
def test_no_solution_of_another_exercise_gets_a_hint_that_is_meant_for_a_mistake(number, capsys):
    for other, answer in ANSWERS.items():
        if other != number and (other, number) != ("8.1", "8.3"):  # which gives all the estimates, and is told so
            assert check(number, answer).hint not in ALL[number].mistakes, other


@pytest.mark.parametrize("number", OF_RESULTS)
def test_what_is_done_to_a_right_result_is_said(number, capsys):
    for change in CHANGES.values():

        def answer(*given, change=change):
            return each(lambda x: x if is_text(x) else change(np.asarray(x) + 0))(ANSWERS[number](*given))

        result = check(number, answer)
        assert result or result.hint in {*CHANGES, *ALL[number].mistakes}
