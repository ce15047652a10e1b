"""Which hint belongs to a wrong answer: that of the mistake that does the same, else where it goes wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .attempts import Outcome, attempt, not_for_ever
from .comparing import agree, alike, in_digits, misfit
from .exercise import Exercise

BY_HAND = "Do this input by hand, a line at a time, and call your function with it: check itself shows no prints."


class Tried:
    """An answer on every input, beside what is expected there."""

    def __init__(self, exercise: Exercise, answer: Callable[..., Any]):
        self.exercise = exercise
        self.expected = [exercise.expected(*case) for case in exercise.cases]
        self.outcomes: list[Outcome] = []
        with not_for_ever():
            for case in exercise.cases:
                self.outcomes.append(attempt(exercise, answer, case))
                if self.stopped:
                    break  # the others would take as long, and say nothing new
        self.right = [
            outcome.error is None and agree(outcome.value, expected, exercise.tolerance)
            for outcome, expected in zip(self.outcomes, self.expected, strict=False)
        ]
        self.wrong = [k for k, right in enumerate(self.right) if not right]

    @property
    def stopped(self) -> bool:
        """Whether the last input that was tried is the last that will be."""
        last = self.outcomes[-1]
        return last.endless or isinstance(last.error, NotImplementedError)

    @property
    def unwritten(self) -> bool:
        """Whether it stopped at once, at the student's own raise NotImplementedError."""
        first = self.outcomes[0]
        return len(self.outcomes) == 1 and isinstance(first.error, NotImplementedError) and first.own

    @property
    def worst(self) -> int:
        """The wrong input to show: those for pencil and paper first, then the shortest."""
        given = self.exercise.cases
        long = lambda k: (k >= len(self.exercise.first), len(in_digits(given[k])))  # noqa: E731
        return len(self.outcomes) - 1 if self.stopped else min(self.wrong, key=long)


def hint(tried: Tried) -> str:
    """What a teacher would say."""
    return _of_a_mistake(tried) or _of_an_error(tried) or _of_numbers(tried)


def _of_a_mistake(tried):
    """The hint of the mistake with the same outcomes everywhere, else wherever the answer is wrong."""
    exercise, partly = tried.exercise, ""
    for text, mistake in exercise.mistakes.items():

        def same(k, mistake=mistake):
            return alike(tried.outcomes[k], attempt(exercise, mistake, exercise.cases[k]), exercise.tolerance)

        if all(map(same, tried.wrong)):
            if all(same(k) for k in range(len(tried.outcomes)) if tried.right[k]):
                return text
            if not any(tried.outcomes[k].error for k in tried.wrong):
                partly = partly or text
    return partly


def _of_an_error(tried):
    if tried.outcomes[tried.worst].error is None:
        return ""
    return _only_where(tried) or "Call your function yourself with this input and read the last line of the error."


def _of_numbers(tried):
    """The sign, a factor, a part of the result, or a kind of input."""
    if misfit(tried.outcomes[tried.worst].value, tried.expected[tried.worst]):
        return _only_where(tried) or "The numbers come later: first let the result have the right kind and shape."
    pairs = [(tried.outcomes[k].value, tried.expected[k]) for k in tried.wrong if tried.outcomes[k].error is None]
    pairs = [pair for pair in pairs if not misfit(*pair)]
    parts = _which_part(pairs, tried.exercise.tolerance)
    factor = _factor(pairs)
    said = [parts, factor, _only_where(tried)]
    return " ".join(filter(None, said)) or tried.exercise.otherwise or BY_HAND


def _which_part(pairs, tolerance):
    """Which part of results of several parts is right everywhere."""
    if not all(isinstance(expected, tuple) for _, expected in pairs) or len({len(e) for _, e in pairs}) != 1:
        return ""
    count = len(pairs[0][1])
    right = [all(agree(found[i], expected[i], tolerance) for found, expected in pairs) for i in range(count)]
    if count == 2 and any(right) and not all(right):
        good, bad = ("value", "tangent") if right[0] else ("tangent", "value")
        return f"The {good} is right everywhere; look at the {bad}."
    bad = [str(i + 1) for i in range(count) if not right[i]]
    return f"Of the {count} results, counted from 1, look at {' and '.join(bad)}." if 0 < len(bad) < count else ""


def _factor(pairs):
    """The number that all entries are too large by."""
    ratios = []
    for found, expected in pairs:
        if isinstance(expected, (tuple, str)):
            found, expected = (found[-1], expected[-1]) if isinstance(expected, tuple) else (0, 0)
        if isinstance(expected, (tuple, str)):
            return ""
        found, expected = np.ravel(found), np.ravel(expected)
        moving = np.isfinite(found) & np.isfinite(expected) & (np.abs(expected) > 1e-12)
        ratios += list(found[moving] / expected[moving])
    if len(ratios) < 3 or not np.allclose(ratios, ratios[0], rtol=1e-6) or f"{ratios[0]:.4g}" in ("0", "1"):
        return ""
    return (
        "It has the wrong sign, always."
        if np.isclose(ratios[0], -1)
        else f"It is always {ratios[0]:.4g} times what is expected."
    )


def _only_where(tried):
    """The kind of input on which alone the answer is wrong; of several the one with the fewest that are right."""
    cases = tried.exercise.cases[: len(tried.outcomes)]
    passed = [k for k in range(len(cases)) if k not in tried.wrong]
    found = []
    general = {} if tried.exercise.otherwise else GENERAL
    for text, is_so in {**tried.exercise.facets, **general}.items():
        count = sum(is_so(*cases[k]) for k in passed)
        if count < len(passed) and all(is_so(*cases[k]) for k in tried.wrong):
            found.append((count, f"It is wrong {'only' if count else 'exactly'} where {text}."))
    return min(found, key=lambda pair: pair[0])[1] if found else ""


def _numbers_in(case):
    for x in case:
        if isinstance(x, (tuple, list)):
            yield from _numbers_in(x)
        elif isinstance(x, (int, float, complex, np.ndarray, np.generic)):
            yield np.asarray(x)


GENERAL = {
    "an input is an array": lambda *case: any(x.ndim for x in _numbers_in(case)),
    "a number is negative": lambda *case: any(np.any(x < 0) for x in _numbers_in(case)),
    "a number is zero": lambda *case: any(np.any(x == 0) for x in _numbers_in(case)),
}
