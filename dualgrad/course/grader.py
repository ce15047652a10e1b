"""check: an answer on the inputs of its exercise, and what came of it."""

import inspect
import re
from typing import Any

from .comparing import in_digits, misfit, shortened, sort_of
from .diagnosing import Tried, diagnosis
from .exercise import Exercise
from .lesson_1 import LESSON_1
from .lesson_2 import LESSON_2
from .lesson_3 import LESSON_3
from .lesson_4 import LESSON_4
from .lesson_5 import LESSON_5
from .lesson_6 import LESSON_6
from .lesson_7 import LESSON_7
from .lesson_8 import LESSON_8
from .lesson_9 import LESSON_9
from .lesson_10 import LESSON_10
from .notebook import show
from .result import Result

LESSONS = (
    LESSON_1, LESSON_2, LESSON_3, LESSON_4, LESSON_5, LESSON_6, LESSON_7, LESSON_8, LESSON_9, LESSON_10,
)  # fmt: skip
UNWRITTEN = "Nothing is written yet: put your answer in the place of raise NotImplementedError, and run the cell again."


def exercises() -> dict[str, Exercise]:
    """Every exercise by its number, in the order of the course."""
    return {exercise.number: exercise for lesson in LESSONS for exercise in lesson}


def check(number: str, answer: Any = None) -> Result:
    """Grade the answer to an exercise of the course, on inputs that are not shown in advance.

    The inputs are the same every time. What is wrong is said on the simplest input that shows it, with a hint;
    errors, endless loops and results of another kind or shape are said in words, and never raised.

    Parameters
    ----------
    number : str
        The number of the exercise, as "2.1".
    answer : function or class
        Yours, as its task names it; left out, the task is shown.

    Returns
    -------
    Result
        It is printed as well, or shown as a card in a notebook; true where the answer passed.

    Raises
    ------
    ValueError
        Where there is no exercise of this number.
    ImportError
        Without hypothesis, which draws the inputs: ``pip install "dualgrad[course]"``.

    Examples
    --------
    >>> from dualgrad.course import check
    >>> def multiply(a, b):
    ...     return a[0] * b[0], a[1] * b[1]
    >>> result = check("2.1", multiply)         # doctest: +ELLIPSIS
    2.1 The product rule: not yet: right on ... inputs.
      input     a = (3, 1), b = (3, 1)
      expected  (9, 6)
      got       (9, 1)
      hint      ...
    >>> result.passed
    False
    """
    result = _graded(_exercise(number), answer)
    show(result)
    return result


def _exercise(number):
    """The exercise of this number, whether a text or not, and with blanks or without."""
    known, name = exercises(), str(number).strip()
    if name in known:
        return known[name]
    if callable(number):
        meant = next((e for e in known.values() if e.name == getattr(number, "__name__", "")), known["2.1"])
        raise ValueError(f'the number comes first, and then your answer: check("{meant.number}", {meant.name})')
    lesson = re.match(r"\d*", name)[0].lstrip("0")
    near = [k for k in known if k.partition(".")[0] == lesson] or [f"{k[0].number} to {k[-1].number}" for k in LESSONS]
    raise ValueError(f"there is no exercise {number!r}; there are {', '.join(near)}")


def _graded(exercise, answer):
    problem = _unfit(exercise, answer)
    if problem:
        return Result(exercise.number, exercise.title, False, hint=problem)
    tried = Tried(exercise, answer)
    if not tried.wrong:
        return Result(exercise.number, exercise.title, True, len(tried.right), len(tried.right))
    return _wrong(exercise, tried)


def _unfit(exercise, answer):
    """What is wrong with an answer before it is tried."""
    if answer is None:
        return f'{exercise.task} Then check("{exercise.number}", {exercise.name}).'
    if exercise.wants == "class":
        return (
            "" if isinstance(answer, type) else f"The answer is a class, {exercise.name}; you gave {sort_of(answer)}."
        )
    if not callable(answer):
        return (
            f'check wants the function itself, without brackets: check("{exercise.number}", {exercise.name}); you '
            f"gave {sort_of(answer)}."
        )
    if isinstance(answer, type) or inspect.iscoroutinefunction(answer):
        given = "a class" if isinstance(answer, type) else "an async function"
        return f"The answer is a function, def {exercise.call}; you gave {given}."
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*[None] * len(exercise.arguments))
    except TypeError:
        return f"Your function takes {signature}, and is called as {exercise.call}: begin with def {exercise.call}."
    names = list(signature.parameters)
    if names != exercise.arguments and sorted(names) == sorted(exercise.arguments):
        return (
            f"Your function takes {signature}, in another order than {exercise.call}: begin with def {exercise.call}."
        )
    return ""


def _wrong(exercise, tried):
    """The result of an answer that is wrong somewhere: at the simplest input, unless it stopped."""
    if tried.unwritten:
        return Result(exercise.number, exercise.title, False, hint=f"{UNWRITTEN} {exercise.task}")
    k, said = diagnosis(tried)
    outcome, expected = tried.outcomes[k], in_digits(tried.expected[k])
    if outcome.endless:
        got = "no end: it was stopped after a million lines, or some seconds"
        said = f"Does your loop ever end? It was stopped at {_stands(outcome)}."
    elif outcome.error is not None:
        got = f"{type(outcome.error).__name__}: {_said_by(outcome.error)}"
        got += f", at {_stands(outcome)}" if outcome.place else ""
    else:
        got = misfit(outcome.value, tried.expected[k])
        got = f"{in_digits(outcome.value)}: {got}" if got and outcome.value is not None else got
        got = got or in_digits(outcome.value)
        if got == expected and not tried.agreed[k]:
            got, expected = in_digits(outcome.value, 17), in_digits(tried.expected[k], 17)
    if outcome.too_often:
        called = exercise.parts[0]
        expected += f", by {_calls(exercise.calls(*exercise.cases[k]), called)}"
        got += f", by {_calls(outcome.calls, called)}"
    right, total = sum(tried.right), len(exercise.cases)
    return Result(exercise.number, exercise.title, False, right, total, _input(exercise, k), expected, got, said)


def _calls(count, called):
    return f"{count} call{'s' * (count != 1)} of {called}"


def _stands(outcome):
    return shortened(outcome.place, 150)


def _said_by(error):
    """What an error says; there are some that cannot."""
    try:
        return shortened(str(error))
    except Exception:
        return "an error that cannot say what it is"


def _input(exercise, k):
    return ", ".join(f"{name} = {in_digits(x)}" for name, x in zip(exercise.parts, exercise.cases[k], strict=True))
