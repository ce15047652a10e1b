"""What an exercise is: its task, the inputs it is tried on, what is expected there, and the usual mistakes.

A lesson is a file ``lesson_N.py`` with a tuple ``LESSON_N`` of exercises, and a page docs/course/NN-name.md, where each
has a heading "### Exercise N.M: title", a cell with an empty answer and ``check``, and a folded solution. grader.py
lists the lessons. tests/course holds all of this to each other: solutions pass, mistakes get their own hints.
"""

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

Case = tuple[Any, ...]


def applied(answer: Callable[..., Any], *case: Any) -> Any:
    """What most exercises look at: what the answer returns."""
    return answer(*case)


@dataclass(frozen=True, eq=False)
class Exercise:
    """A task whose answer is a function or a class.

    Attributes
    ----------
    number, title, task : "2.1", the name it goes by, and one sentence that says what to write
    call : how the answer is called, as one writes it: "multiply(a, b)"
    shown : what the parts of an input are called in reports, by default as the arguments: "program, x"
    expected : what is right, as a function of an input; never the text of a solution
    inputs : strategies of hypothesis -> strategy of inputs, each a tuple; or several in a list, which get equal shares
    mistakes : {hint: a wrong answer, or several}; the hint of the one that does as the student's does is given
    first : inputs that come before those that are drawn, with numbers for pencil and paper
    run : what is looked at, as a function of the answer and an input; by default what the answer returns
    facets : {what an input may be like: whether it is}, to say where an answer fails
    otherwise : the hint where no other is found
    calls, excess : how often an answer may call the function that is its first argument, as a function of an input, and
        the hint where it calls more often
    draws, tolerance : how many inputs are drawn, and how far from the right numbers is right
    wants : "function" or "class"
    """

    number: str
    title: str
    task: str
    call: str
    expected: Callable[..., Any]
    inputs: Callable[[Any], Any]
    mistakes: Mapping[str, Callable[..., Any] | tuple[Callable[..., Any], ...]]
    shown: str = ""
    first: tuple[Case, ...] = ()
    run: Callable[..., Any] = applied
    facets: Mapping[str, Callable[..., bool]] = field(default_factory=dict)
    otherwise: str = ""
    calls: Callable[..., int] | None = None
    excess: str = ""
    draws: int = 30
    tolerance: float = 1e-9
    wants: str = "function"

    @property
    def name(self) -> str:
        return self.call.partition("(")[0]

    @property
    def arguments(self) -> list[str]:
        return re.findall(r"\w+", self.call.partition("(")[2])

    @property
    def usual(self) -> list[tuple[str, Callable[..., Any]]]:
        """Every wrong answer that is known, after its hint."""
        several = ((hint, made if isinstance(made, tuple) else (made,)) for hint, made in self.mistakes.items())
        return [(hint, answer) for hint, answers in several for answer in answers]

    @property
    def parts(self) -> list[str]:
        return self.shown.split(", ") if self.shown else self.arguments

    @cached_property
    def cases(self) -> list[Case]:
        """The inputs, the same ones every time."""
        hypothesis = _hypothesis()
        found, strategies = [], self.inputs(hypothesis.strategies)
        strategies = strategies if isinstance(strategies, list) else [strategies]

        @hypothesis.settings(
            max_examples=1 + math.ceil(self.draws / len(strategies)),
            derandomize=True,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(hypothesis.strategies.tuples(*strategies))
        def collect(cases):
            found.append(cases)

        collect()
        drawn = found[1:]  # the first is of zero bits alone, and all its arrays are the same
        return [*self.first, *itertools.chain.from_iterable(drawn)]


def _hypothesis() -> Any:
    try:
        import hypothesis
    except ImportError:
        raise ImportError(
            'the exercises draw their inputs with hypothesis, which is missing here: pip install "dualgrad[course]" '
            '(or "dualgrad[verify]", which brings hypothesis alone)'
        ) from None
    return hypothesis


# ---------------------------------------------------------------------- what inputs are made of


def once(*args: Any) -> int:
    """A call counts as one, whatever is given."""
    return 1


class Formula:
    """A function that is printed as its formula; ``counts`` says for how many a call of it counts."""

    def __init__(self, text: str, f: Callable[..., Any], counts: Callable[..., int] = once):
        self.text, self.f, self.counts = text, f, counts

    def __call__(self, *args: Any) -> Any:
        return self.f(*args)

    def __repr__(self) -> str:
        return self.text


class Counted(Formula):
    """A formula that counts its calls."""

    def __init__(self, formula: Formula):
        super().__init__(formula.text, formula.f, formula.counts)
        self.calls = 0

    def __call__(self, *args: Any) -> Any:
        self.calls += self.counts(*args)
        return self.f(*args)


def whole(st: Any, count: int) -> Any:
    """A number below count, made of bits: hypothesis takes some of its integers from whatever programs are loaded, and
    the inputs would be others elsewhere."""
    bits = st.tuples(*[st.booleans()] * (count.bit_length() + 3))
    return bits.map(lambda drawn: sum(bit << k for k, bit in enumerate(drawn)) % count)


def one_from(st: Any, things: Any) -> Any:
    """One of several things."""
    things = list(things)
    return whole(st, len(things)).map(things.__getitem__)


def any_of(st: Any, *strategies: Any) -> Any:
    """What one of several strategies draws."""
    return whole(st, len(strategies)).flatmap(strategies.__getitem__)


def half_steps(st: Any, least: float = -4, most: float = 4) -> Any:
    """Numbers in steps of 1/2, which one can follow with a pencil."""
    return whole(st, int(2 * (most - least)) + 1).map(lambda k: least + k / 2)


def nonzero(st: Any) -> Any:
    """The same without 0."""
    return half_steps(st).filter(bool)


def tables(st: Any, *shape: int, away: float = 0.0) -> Any:
    """Arrays of a shape in steps of 1/2, plus ``away`` times the identity."""

    def table(seed):
        found = np.random.default_rng(seed).integers(-4, 5, shape) / 2
        return found + away * np.eye(shape[-1]) if away else found

    return whole(st, 10_000).map(table)
