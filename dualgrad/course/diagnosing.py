"""Which hint belongs to a wrong answer: that of the mistake that does the same, else where it goes wrong."""

import itertools
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .attempts import Outcome, attempt
from .comparing import agree, alike, in_digits, misfit, numbers, things
from .exercise import Exercise

BY_HAND = "Do this input by hand, a line at a time, and call your function with it: check itself shows no prints."
DRAWN = "Called again with this input it gives another result: is something drawn in it, or kept from the last call?"


class Tried:
    """An answer on every input, beside what is expected there."""

    def __init__(self, exercise: Exercise, answer: Callable[..., Any]):
        self.exercise, self.answer = exercise, answer
        self.expected = [exercise.expected(*case) for case in exercise.cases]
        self.outcomes: list[Outcome] = []
        for case in exercise.cases:
            self.outcomes.append(attempt(exercise, answer, case))
            if self.stopped:
                break  # the others would take as long, and say nothing new
        self.agreed = [
            outcome.error is None and agree(outcome.value, expected, exercise.tolerance)
            for outcome, expected in zip(self.outcomes, self.expected, strict=False)
        ]
        self.right = [a and not o.too_often for a, o in zip(self.agreed, self.outcomes, strict=True)]
        self.wrong = [k for k, agreed in enumerate(self.agreed) if not agreed] or [
            k for k, right in enumerate(self.right) if not right
        ]

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
    def simplest(self) -> list[int]:
        """The wrong inputs in the order to show them: those for pencil and paper first, then the shortest."""
        given = self.exercise.cases
        long = lambda k: (k >= len(self.exercise.first), len(in_digits(given[k])))  # noqa: E731
        return [len(self.outcomes) - 1] if self.stopped else sorted(self.wrong, key=long)


def diagnosis(tried: Tried) -> tuple[int, str]:
    """The wrong input to show, and what a teacher would say of it."""
    k = tried.simplest[0]
    return _of_a_mistake(tried) or (k, _of_calls(tried, k) or _of_an_error(tried, k) or _of_numbers(tried, k))


def _of_a_mistake(tried):
    """The hint of the mistake with the same outcomes everywhere, and the input that tells it from the others best."""
    usual, tolerance = tried.exercise.usual, tried.exercise.tolerance

    def same(hint, k, outcomes=tried.outcomes):
        return any(
            alike(outcomes[k], _usual(tried.exercise, one, k), tolerance)
            for one, (said, _) in enumerate(usual)
            if said == hint
        )

    order = [*tried.simplest, *(k for k, agreed in enumerate(tried.agreed) if agreed)]
    for one, (hint, _) in enumerate(usual):
        if all(alike(tried.outcomes[k], _usual(tried.exercise, one, k), tolerance) for k in order):
            others = {said for said, _ in usual} - {hint}
            shown, fewest = tried.simplest[0], len(others)
            for k in tried.simplest:
                count = sum(same(other, k) for other in others)
                if count < fewest:
                    shown, fewest = k, count
                if not count:
                    break
            return shown, hint
    return None


@cache
def _usual(exercise, one, k):
    """What a wrong answer that is known does on an input."""
    return attempt(exercise, exercise.usual[one][1], exercise.cases[k])


def _of_calls(tried, k):
    """What is said of a function that is called too often; where the result is wrong as well, what is wrong there."""
    outcome = tried.outcomes[k]
    if not outcome.too_often:
        return ""
    more = "" if tried.agreed[k] or misfit(outcome.value, tried.expected[k]) else _seen_in_numbers(tried)
    return f"{tried.exercise.excess} {more}".strip()


def _of_an_error(tried, k):
    if tried.outcomes[k].error is None:
        return ""
    look = "Call your function yourself with this input and read the last line of the error."
    return f"{_only_where(tried)} {look}".strip()


def _of_numbers(tried, k):
    """What is seen in the numbers, unless they are of the wrong kind, or others every time."""
    seen = _seen_in_numbers(tried)
    if misfit(tried.outcomes[k].value, tried.expected[k]):
        return seen or "The numbers come later: first let the result have the right kind and shape."
    again = attempt(tried.exercise, tried.answer, tried.exercise.cases[k])
    return seen or DRAWN * (not alike(again, tried.outcomes[k], 0.0)) or tried.exercise.otherwise or BY_HAND


def _seen_in_numbers(tried):
    """What the results are made of, which part of them is wrong, a sign, a factor, or the kind of input."""
    made = _made_of_the_right(tried)
    if made or misfit(tried.outcomes[tried.simplest[0]].value, tried.expected[tried.simplest[0]]):
        return made or _only_where(tried)
    pairs = [(tried.outcomes[k].value, tried.expected[k]) for k in tried.wrong if tried.outcomes[k].error is None]
    pairs = [(_of_parts(found, expected), expected) for found, expected in pairs if not misfit(found, expected)]
    said = [_which_part(pairs, tried.exercise.tolerance), _factor(pairs), _only_where(tried)]
    return " ".join(filter(None, said))


def _of_parts(found, expected):
    """A result of the right kind, as the tuple, the text or the array that is expected."""
    if isinstance(expected, tuple):
        return tuple(itertools.starmap(_of_parts, zip(things(found), expected, strict=True)))
    return found if isinstance(expected, str) else numbers(found)


def _made_of_the_right(tried):
    """What was done to the right results, or to some parts of them, if it is one thing on all inputs."""
    tolerance, pairs = tried.exercise.tolerance, []
    for outcome, expected in zip(tried.outcomes, tried.expected, strict=False):
        several = isinstance(expected, tuple)
        found, expected = (things(outcome.value), expected) if several else ([outcome.value], (expected,))
        if outcome.error is not None or found is None or len(found) != len(expected):
            return ""
        pairs.append((found, expected))
    count = len(pairs[0][1])
    for order in list(itertools.permutations(range(count)))[1:] if count <= 3 else ():
        if all(agree([found[i] for i in order], expected, tolerance) for found, expected in pairs):
            return "The results are right, and in another order than the task names them."
    bad = [i for i in range(count) if not all(agree(found[i], expected[i], tolerance) for found, expected in pairs)]
    for text, change in CHANGES.items():
        if all(_is_changed(found[i], expected[i], change, tolerance) for found, expected in pairs for i in bad):
            return text
    return ""


def _is_changed(found, expected, change, tolerance):
    with np.errstate(all="ignore"):
        return not isinstance(expected, (str, tuple)) and agree(found, change(np.asarray(expected) + 0), tolerance)


CHANGES = {  # what is often done to a result that was right
    "It is rounded down to whole numbers: is there a // where a / belongs?": np.floor,
    "It is rounded towards zero: is an int made of it?": np.trunc,
    "Its sign is lost: it is the absolute value of what is expected.": np.abs,
    "It is the square of what is expected: is a root still to be taken?": np.square,
    "It is the root of what is expected.": np.sqrt,
    "It is upside down: 1 over what is expected.": np.reciprocal,
    "It is transposed: rows and columns are exchanged.": np.transpose,
}


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
        chance = math.comb(count + len(tried.wrong), len(tried.wrong)) / math.comb(len(cases), len(tried.wrong))
        if chance < (0.01 if text in general else 0.1) and all(is_so(*cases[k]) for k in tried.wrong):
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
