"""dualgrad.course.check: wrong answers get the hint that is theirs, and whatever an answer does is told in words."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.course import Result, attempts, check
from dualgrad.course.exercise import applied
from dualgrad.course.grader import exercises

ALL = exercises()
MISTAKES = [(number, hint, answer) for number, exercise in ALL.items() for hint, answer in exercise.usual]


@pytest.mark.parametrize(("number", "hint", "answer"), MISTAKES, ids=[f"{m[0]}-{k}" for k, m in enumerate(MISTAKES)])
def test_a_usual_mistake_fails_with_its_own_hint(number, hint, answer, capsys):
    result = check(number, answer)
    assert not result.passed
    assert result.hint == hint
    assert result.input
    assert result.expected
    assert result.got
    assert result.got != result.expected
    assert result.right < result.total


@pytest.mark.parametrize("number", ALL)
def test_there_are_enough_mistakes_and_the_answers_are_quick_and_the_same_every_time(number, capsys):
    exercise = ALL[number]
    assert len(exercise.mistakes) >= 5
    start = time.perf_counter()
    for _, wrong in exercise.usual[:2]:
        assert check(number, wrong) == check(number, wrong)
    assert time.perf_counter() - start < 8


@pytest.mark.parametrize("number", ALL)
def test_what_is_expected_is_right_by_its_own_measure(number):
    """An answer that gives what is expected passes, where that is an answer at all."""
    exercise = ALL[number]
    if exercise.call.count(",") == len(exercise.parts) - 1 and exercise.run is applied:
        assert check(number, exercise.expected)


def test_inputs_are_the_same_whatever_is_loaded_and_wherever_and_leave_no_files(tmp_path):
    """Hypothesis takes integers from programs that lie about, and keeps what it found there in a folder."""
    (tmp_path / "mine.py").write_text("x = [3, 1, 7, 2, 5, 4, 1234, 4321]")
    say = "from dualgrad.course.grader import exercises; print([e.cases for e in exercises().values()])"
    path = {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2]}{os.pathsep}{tmp_path}"}
    first, second = (
        subprocess.run([sys.executable, "-c", f"import {module}; {say}"], cwd=tmp_path, env=path, capture_output=True)
        for module in ("mine", "sys")
    )
    assert len(first.stdout) > 10_000
    unnamed = re.compile(rb"0x[0-9a-f]+")
    assert unnamed.sub(b"", first.stdout) == unnamed.sub(b"", second.stdout)
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"mine.py"}


# ---------------------------------------------------------------------- a result


def product(a, b):
    return a[0] * b[0], a[0] * b[1] + a[1] * b[0]


def test_an_answer_that_passes(capsys):
    result = check("2.1", product)
    assert result
    assert result.right == result.total > 20
    assert capsys.readouterr().out == f"2.1 The product rule: passed, on {result.total} inputs.\n"
    assert repr(result) == "<2.1 passed>"
    assert check(2.1, product) == result


def test_an_answer_that_fails_is_told_on_the_first_input_for_a_pencil(capsys):
    result = check("2.1", lambda a, b: (a[0] * b[0], a[1] * b[1]))
    assert (result.input, result.expected, result.got) == ("a = (3, 1), b = (3, 1)", "(9, 6)", "(9, 1)")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2.1 The product rule: not yet: right on ")
    assert lines[1:4] == ["  input     a = (3, 1), b = (3, 1)", "  expected  (9, 6)", "  got       (9, 1)"]
    assert repr(result) == "<2.1 not passed>"


def test_a_card_for_notebooks():
    text = Result("1.1", "A < B", False, 1, 3, "x = [1]", "2", "<lambda>", "Look & see.")._repr_html_()
    assert "A &lt; B" in text
    assert "<code>&lt;lambda&gt;</code>" in text
    assert "Look &amp; see." in text
    assert text.count("<tr") == 4
    assert "<table" not in Result("1.1", "A", True, 3, 3)._repr_html_()


def test_a_cell_shows_a_card_once(monkeypatch):
    class Shell:
        execution_count, kernel = 1, None

    shown = []
    display = pytest.importorskip("IPython.display")
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", Shell)
    monkeypatch.setattr(display, "publish_display_data", lambda data: shown.append(data))
    result = check("2.1", product)
    result._ipython_display_()
    assert len(shown) == 1
    assert set(shown[0]) == {"text/html", "text/plain"}
    monkeypatch.setattr(Shell, "execution_count", 2)
    result._ipython_display_()
    assert len(shown) == 2


# ---------------------------------------------------------------------- whatever an answer does


def hint_of(number, answer):
    result = check(number, answer)
    assert not result
    return result.hint


def test_what_is_no_answer():
    assert "Nothing is written yet" in hint_of("2.1", empty)
    assert 'without brackets: check("2.1", multiply); you gave a tuple of 2' in hint_of("2.1", (6.0, 1.0))
    assert "takes (a), and is called as multiply(a, b)" in hint_of("2.1", lambda a: a)
    assert "The answer is a class, Number; you gave a function" in hint_of("4.1", product)
    assert "Write multiply(a, b) for pairs" in hint_of("2.1", None)
    assert check("2.1").hint == check("2.1", None).hint


def empty(a, b):
    raise NotImplementedError


def test_an_exercise_that_is_not_there():
    with pytest.raises(ValueError, match=r"no exercise '9\.9'; there are 9\.1, 9\.2, 9\.3$"):
        check("9.9", product)
    with pytest.raises(ValueError, match=r"no exercise '2\.1\.'; there are 2\.1, 2\.2, 2\.3, 2\.4$"):
        check("2.1.", product)
    with pytest.raises(
        ValueError, match=r"no exercise '12'; there are 1\.1 to 1\.3, 2\.1 to 2\.4, .*, 10\.1 to 10\.3$"
    ):
        check("12", product)


def multiply(a, b):
    return product(a, b)


def test_the_number_of_an_exercise_may_have_blanks_and_comes_first():
    assert check(" 2.1 ", product) == check(2.1, product) == check("2.1", product)
    with pytest.raises(ValueError, match=r'the number comes first, and then your answer: check\("2.1", multiply\)'):
        check(multiply, "2.1")


def of_a_typing_error(a, b):
    value = a[0] * b[0]
    return value, tangnet  # noqa: F821


def test_an_error_is_told_with_its_line():
    got = check("2.1", of_a_typing_error).got
    line = of_a_typing_error.__code__.co_firstlineno + 2
    assert got.startswith(
        f"NameError: name 'tangnet' is not defined, at line {line} of your cell or file: return value"
    )


def test_an_error_inside_numpy_is_told_with_the_line_that_called_it():
    def answer(a, b):
        return np.linalg.inv(np.zeros((2, 2)))

    assert "LinAlgError: Singular matrix, at line" in check("2.1", answer).got
    assert "np.linalg.inv" in check("2.1", answer).got


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (None, "nothing (None): does your function end with a return?"),
        (6.0, "6: a number, where 2 things belong: (a number, a number)"),
        ((1.0, 2.0, 3.0), "3 things, where 2 belong"),
        (("a", 1.0), "a text, where a number belongs"),
        ((1.0, np.ones(2)), "an array of shape (2,), where a number belongs"),
        ((1.0, {}), "a dict, where a number belongs"),
        ((1.0, [[1.0], [1.0, 2.0]]), "a list of 2, where a number belongs"),
        ((1.0, None), "nothing (None), where a number belongs"),
        ((1.0, [2.0, 3.0]), "a list of 2 of shape (2,), where a number belongs"),
    ],
)
def test_results_of_another_kind_are_told_in_words(result, says):
    assert says in check("2.1", lambda a, b: result).got


def endless(a, b):
    k = 0
    while True:
        with contextlib.suppress(Exception):
            k += 1


def endless_at_zero(a, n):
    value, tangent = 1.0, 0.0
    while n != 0:
        value, tangent, n = value * a[0], tangent * a[0] + value * a[1], n - 2
    return value, tangent


def test_endless_loops_end():
    start = time.perf_counter()
    result = check("2.1", endless)
    assert time.perf_counter() - start < 5
    assert "no end" in result.got
    assert "Does your loop ever end? It was stopped at line" in result.hint
    assert sys.gettrace() is None
    result = check("2.4", endless_at_zero)
    assert "n = 1" in result.input
    assert "no end" in result.got


def test_loops_that_never_come_to_another_line_end_too(monkeypatch):
    names = {}
    exec("def still(a, b):\n    while True: pass", names)  # on one line
    monkeypatch.setattr(attempts, "TOO_LONG", 0.2)
    for _ in range(2):
        assert "no end" in check("2.1", names["still"]).got
    assert check("2.1", product)


def test_what_has_no_number_in_it_is_told_by_its_kind():
    kept = []
    dg.derivative(lambda x: kept.append(x) or x)(1.0)
    assert "a Dual, where a number belongs" in check("2.1", lambda a, b: (kept[0], 1.0)).got
    assert "a generator, where 2 things belong" in check("2.1", lambda a, b: (k for k in "ab")).got


def test_recursion_and_exits_are_errors_like_others():
    def deep(a, b):
        return deep(a, b)

    assert check("2.1", deep).got.startswith("RecursionError")
    assert check("2.1", lambda a, b: sys.exit(1)).got.startswith("SystemExit")


def test_an_answer_may_print_and_write_to_what_it_is_given(capsys):
    def answer(partials, tangents):
        print("here")
        tangents *= partials
        return tangents.sum(-1)

    assert check("3.2", answer)
    assert "here" not in capsys.readouterr().out
    assert check("3.2", answer)


# ---------------------------------------------------------------------- mistakes that nobody foresaw


def test_where_a_wrong_answer_is_wrong():
    right = ALL["2.1"].expected
    assert "The value is right everywhere; look at the tangent." in hint_of(
        "2.1", lambda a, b: (a[0] * b[0], 17.5 + 0 * a[1])
    )
    assert "times" not in hint_of("5.3", lambda a: 1.5 + 0 * a)
    assert "wrong sign" in hint_of("2.1", lambda a, b: (a[0] * b[0], -right(a, b)[1]))
    assert "It is 3 times what is expected." in hint_of("2.1", lambda a, b: (a[0] * b[0], 3 * right(a, b)[1]))
    assert "where a number is negative" in hint_of(
        "1.3", lambda value, slope, a, x: value + slope * (x - a) if min(value, slope, a, x) >= 0 else 0.0
    )
    assert "exactly where n is 0" in hint_of("2.4", lambda a, n: ALL["2.4"].expected(a, n) if n else (5.0, 5.0 * a[1]))


def test_a_mistake_in_part_is_that_mistake():
    """A student's own way of being wrong where one of the usual mistakes is, and right elsewhere."""

    def answer(x, dx):
        return np.abs(x), np.where(x == 0, 1.0, np.sign(x)) * dx

    assert "slope on the right" in hint_of("5.1", answer)


def test_one_mistake_is_seen_beside_another():
    """Of two mistakes one is made in K directions alone."""
    assert "which term" not in hint_of("7.1", lambda x, W, b, dx, dW, db: (x @ W + b, dx @ W + db))
    assert "movement of x" in hint_of("7.1", lambda x, W, b, dx, dW, db: (x @ W + b, dx @ W + (db.ndim > 1)))


def test_what_is_right_in_part_is_said():
    right = ALL["2.1"].expected
    assert "number 2 of the 2 things" in hint_of("2.1", lambda a, b: right(a, b)[1])
    assert "number 1 of the things" in hint_of("1.3", lambda value, slope, a, x: (value + slope * (x - a), 1.0))
    assert "another order" in hint_of("2.1", lambda a, b: right(a, b)[::-1])
    assert "another shape" in hint_of("7.2", lambda x, W, b, dy: (dy @ W.T, x.T @ dy, dy.sum(0, keepdims=True)))


def test_what_is_drawn_is_said():
    draws = np.random.default_rng(0)
    assert "by return" in hint_of("8.2", lambda g, kappa: None)
    assert "gives another result" in hint_of("8.2", lambda g, kappa: draws.normal(size=g.shape))


@pytest.mark.parametrize("number", [number for number, exercise in ALL.items() if exercise.calls])
def test_calls_are_counted(number, capsys):
    exercise = ALL[number]

    def answer(f, *more):
        given = {"6.3": 1.0, "10.1": np.ones(4), "10.2": 1.0}
        for _ in range(exercise.calls(f, *more)):
            f(given.get(number, more[0]))
        return exercise.expected(f, *more)

    result = check(number, answer)
    assert result.hint == exercise.excess
    assert re.search(r", by \d+ calls? of \w+$", result.expected)
    assert re.search(r", by \d+ calls of \w+$", result.got)


def test_long_results_are_cut_and_soon(capsys):
    start = time.perf_counter()
    circle = [1.0]
    circle.append(circle)
    for result in ([0.0] * 10**5, [[[0.0] * 50] * 50] * 50, "a" * 10**5, np.zeros(10**5), circle, 10**5000):
        assert len(str(check("2.1", lambda a, b, result=result: result))) < 1500
    assert time.perf_counter() - start < 30


def test_an_error_that_is_long_or_cannot_speak(capsys):
    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError

    def answer(a, b):
        raise ValueError("a" * 10**5) if a[0] == 3 else SilentError

    assert len(str(check("2.1", answer))) < 1500


def test_without_hypothesis_the_cure_is_named():
    program = "import sys; sys.modules['hypothesis'] = None; from dualgrad.course import check; check('2.1', max)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 'pip install "dualgrad[course]"' in done.stderr
    assert "dualgrad[verify]" in done.stderr


def test_a_debugger_that_watches_is_left_alone(capsys):
    seen = []
    sys.settrace(lambda frame, event, argument: seen.append(event))
    try:
        assert check("2.1", product)
    finally:
        sys.settrace(None)
    assert seen


class OwnError(BaseException):
    """Not an Exception."""


def raising(a, b):
    raise OwnError("mine")


async def waiting(a, b):
    return a, b


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda b, a: (0.0, 0.0), r"takes \(b, a\), in another order than multiply\(a, b\)"),
        (dict, r"The answer is a function, def multiply\(a, b\); you gave a class"),
        (waiting, "you gave an async function"),
        (raising, "OwnError: mine"),
        (lambda a, b: np.zeros(3_000_000), "3000000 things, where 2 belong"),
    ],
)
def test_odd_answers_are_told_what_they_are_and_soon(answer, said, capsys):
    started = time.perf_counter()
    check("2.1", answer)
    assert re.search(said, capsys.readouterr().out)
    assert time.perf_counter() - started < 20  # a bound for slow machines; grading that answer without a limit takes 40


def test_ctrl_c_is_heard():
    def answer(a, b):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("2.1", answer)
