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
MOST_THINGS = 20  # things of a result among which what is asked is looked for


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
    k, everywhere = tried.simplest[0], set(range(len(tried.outcomes)))
    if tried.agreed[k]:
        return k, tried.exercise.excess
    whole = _of_a_mistake(tried, everywhere)
    if whole:
        return whole
    made = _made_of_the_right(tried) or _among_others(tried)
    return (made and (k, made)) or _of_a_mistake_elsewhere(tried, everywhere) or (k, _of_the_rest(tried, k))


def _of_a_mistake(tried, inputs, alone=False):
    """The hint of the mistake with the same outcomes on some inputs, and the input that tells it from the others best;
    ``alone`` where no other mistake may do the same there, and none raise an error."""
    exercise, wrong = tried.exercise, [k for k in tried.simplest if k in inputs]
    order = [*wrong, *(inputs - set(wrong))]
    if alone and any(tried.outcomes[k].error for k in wrong):
        return None
    usual = range(len(exercise.usual))
    matching = [one for one in usual if all(_does_as(tried, one, k) for k in order)]
    hints = {exercise.usual[one][0] for one in matching}
    if not hints or (alone and len(hints) > 1):
        return None
    said = str(tried.outcomes[wrong[0]].error)
    best = max(matching, key=lambda one: str(_usual(exercise, one, wrong[0]).error) == said)
    if all(outcome.error for outcome in tried.outcomes) and str(_usual(exercise, best, wrong[0]).error) != said:
        return None  # errors of one type everywhere may have nothing else in common
    hint = exercise.usual[best][0]
    others = [one for one in usual if exercise.usual[one][0] != hint]
    shown, fewest = wrong[0], len(others) + 1
    for k in wrong:
        count = sum(_does_as(tried, other, k) for other in others)
        if count < fewest:
            shown, fewest = k, count
        if not count:
            break
    return shown, hint


def _of_a_mistake_elsewhere(tried, everywhere):
    """The same on inputs of which a facet is not true, if many are wrong: where it is, there may be two mistakes."""
    for is_so in tried.exercise.facets.values():
        some = {k for k in everywhere if not is_so(*tried.exercise.cases[k])}
        found = len(some & set(tried.wrong)) > 4 and _of_a_mistake(tried, some, alone=True)
        if found:
            return found
    return None


def _does_as(tried, one, k):
    return alike(tried.outcomes[k], _usual(tried.exercise, one, k), tried.exercise.tolerance)


@cache
def _usual(exercise, one, k):
    """What a wrong answer that is known does on an input."""
    return attempt(exercise, exercise.usual[one][1], exercise.cases[k])


def _of_the_rest(tried, k):
    """What is said of an answer that is none of the usual ones."""
    outcome, where = tried.outcomes[k], _only_where(tried)
    if outcome.error is not None:
        return f"{where} Call your function yourself with this input and read the last line of the error.".strip()
    if outcome.value is None:
        return f"{where} A result is returned, by return; what a function prints is not looked at.".strip()
    if misfit(outcome.value, tried.expected[k]):
        return where or "The numbers come later: first let the result have the right kind and shape."
    again = attempt(tried.exercise, tried.answer, tried.exercise.cases[k])
    excess = tried.exercise.excess if outcome.too_often else ""
    if not alike(again, outcome, 0.0):
        return excess or DRAWN
    pairs = [(tried.outcomes[i].value, tried.expected[i]) for i in tried.wrong if tried.outcomes[i].error is None]
    pairs = [(_of_parts(found, expected), expected) for found, expected in pairs if not misfit(found, expected)]
    tolerance = tried.exercise.tolerance
    said = [excess, _which_part(pairs, tolerance), _factor(pairs, tolerance), where]
    return " ".join(filter(None, said)) or tried.exercise.otherwise or BY_HAND


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
        if outcome.error is not None or found is None:
            return ""
        pairs.append((found, expected))
    if any(len(found) != len(expected) for found, expected in pairs):
        return ""
    count = len(pairs[0][1])
    for order in list(itertools.permutations(range(count)))[1:] if count <= 3 else ():
        if all(agree([found[i] for i in order], expected, tolerance) for found, expected in pairs):
            return "The results are right, and in another order than the task names them."
    bad = [i for i in range(count) if not all(agree(found[i], expected[i], tolerance) for found, expected in pairs)]
    for text, change in CHANGES.items():
        if all(_is_changed(found[i], expected[i], change, tolerance) for found, expected in pairs for i in bad):
            return text
    if all(_is_reshaped(found[i], expected[i], tolerance) for found, expected in pairs for i in bad):
        return "The numbers are right, and in another shape than they should have."
    return ""


def _is_reshaped(found, expected, tolerance):
    array = numbers(found)
    if isinstance(expected, (str, tuple)) or array is None or array.size != np.size(expected):
        return False
    return agree(np.reshape(array, np.shape(expected)), expected, tolerance)


def _among_others(tried):
    """Whether what is asked is there, with more beside it; or is there in part."""
    pairs = [(things(o.value), e, o.value) for o, e in zip(tried.outcomes, tried.expected, strict=False)]
    tolerance = tried.exercise.tolerance
    for i in range(min(MOST_THINGS, *(0 if found is None else len(found) for found, _, _ in pairs))):
        if all(agree(found[i], expected, tolerance) for found, expected, _ in pairs):
            return f"What is asked is number {i + 1} of the things that you return: return it alone."
    for i in range(min(len(e) if isinstance(e, tuple) else 0 for e in tried.expected)):
        if all(agree(value, expected[i], tolerance) for _, expected, value in pairs):
            return f"That is number {i + 1} of the {len(tried.expected[0])} things that are asked for."
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
    "Its first axis has come last.": lambda right: np.moveaxis(right, 0, -1) if right.ndim else right,
}


def _wrong_parts(pairs, tolerance):
    """Of results of several parts those that are wrong somewhere, counted from 0; of a result of one part that one."""
    if not all(isinstance(expected, tuple) for _, expected in pairs) or len({len(e) for _, e in pairs}) != 1:
        return []
    return [i for i in range(len(pairs[0][1])) if not all(agree(f[i], e[i], tolerance) for f, e in pairs)]


def _which_part(pairs, tolerance):
    """Which part of results of several parts is right everywhere."""
    bad, count = _wrong_parts(pairs, tolerance), len(pairs[0][1]) if isinstance(pairs[0][1], tuple) else 1
    if not 0 < len(bad) < count:
        return ""
    if count == 2:
        good, other = ("tangent", "value") if bad == [0] else ("value", "tangent")
        return f"The {good} is right everywhere; look at the {other}."
    return f"Of the {count} results, counted from 1, look at {' and '.join(str(i + 1) for i in bad)}."


def _factor(pairs, tolerance):
    """The number that all entries of what is wrong are too large by."""
    bad = _wrong_parts(pairs, tolerance)
    pairs = [(f[i], e[i]) for f, e in pairs for i in bad] if bad else pairs
    if any(isinstance(expected, (tuple, str)) for _, expected in pairs):
        return ""
    ratios = []
    for found, expected in pairs:
        found, expected = np.ravel(found), np.ravel(expected)
        moving = np.isfinite(found) & np.isfinite(expected) & (np.abs(expected) > 1e-12)
        ratios += list(found[moving] / expected[moving])
    if len(ratios) < 3 or not np.allclose(ratios, ratios[0], rtol=1e-6) or f"{abs(ratios[0]):.4g}" == "0":
        return ""
    if np.isclose(ratios[0], -1):
        return "It has the wrong sign."
    return "" if np.isclose(ratios[0], 1) else f"It is {ratios[0]:.4g} times what is expected."


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
    """The numbers of an input, or none where it has arrays: the larger one is, the likelier it has a zero in it."""
    if any(isinstance(x, np.ndarray) for x in case):
        return []
    flat = [one for x in case for one in (x if isinstance(x, tuple) else (x,))]
    return [x for x in flat if isinstance(x, (int, float))]


GENERAL = {
    "a number is negative": lambda *case: any(x < 0 for x in _numbers_in(case)),
    "a number is zero": lambda *case: any(x == 0 for x in _numbers_in(case)),
}
