"""The last exercise of lesson 4: a whole engine, which goes through check_jvp with nine programs."""

import numpy as np

import dualgrad as dg

from ..testing import check_jvp
from .exercise import Exercise, one_from

# Of each program what it is for an engine, and a point; the last two call the engine themselves.
PROGRAMS = {
    "x * x * x + 2 * x - 1": (
        lambda jvp: lambda x: x * x * x + 2 * x - 1,
        0.5,
    ),
    "np.sin(x) * np.exp(x) / (1 + x * x)": (
        lambda jvp: lambda x: np.sin(x) * np.exp(x) / (1 + x * x),
        np.array([0.5, -1.0]),
    ),
    "np.log(x) + np.sqrt(x) - np.tanh(x)": (
        lambda jvp: lambda x: np.log(x) + np.sqrt(x) - np.tanh(x),
        np.array([0.5, 2.0]),
    ),
    "np.sum(x * x + np.ones((3, 2)), axis=0)": (
        lambda jvp: lambda x: np.sum(x * x + np.ones((3, 2)), axis=0),
        np.array([0.5, -1.0]),
    ),
    "x[0] * x[1:]": (
        lambda jvp: lambda x: x[0] * x[1:],
        np.array([0.5, -1.0, 2.0]),
    ),
    "np.array([[1, 2], [3, -1]]) @ (x * x)": (
        lambda jvp: lambda x: np.array([[1, 2], [3, -1]]) @ (x * x),
        np.array([0.5, -1.0]),
    ),
    "np.linalg.solve(x * x * np.ones((2, 2)) + 4 * np.eye(2), x)": (
        lambda jvp: lambda x: np.linalg.solve(x * x * np.ones((2, 2)) + 4 * np.eye(2), x),
        np.array([0.5, -1.0]),
    ),
    "jvp(lambda y: np.sin(y) * y, (x,), (1.0,))[1]": (
        lambda jvp: lambda x: jvp(lambda y: np.sin(y) * y, (x,), (1.0,))[1],
        0.5,
    ),
    "x * jvp(lambda y: x + y, (1.0,), (1.0,))[1]": (
        lambda jvp: lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1],
        0.5,
    ),
}
FINE = "nothing wrong, by testing.check_jvp(program, (x,), jvp=jvp)"


def _examined(jvp, program, x):
    """What check_jvp finds wrong: the names of the checks that fail."""
    made = PROGRAMS[program][0]
    if "jvp" in program:  # whose value is a derivative, which differences would judge by the engine itself
        found, expected = (engine(made(engine), (x,), (1.0,))[1] for engine in (jvp, dg.jvp))
        return FINE if np.allclose(found, expected) else "the tangent is wrong"
    f = made(jvp)
    for directions in (np.ones(np.shape(x)), np.ones((2, *np.shape(x)))):
        jvp(f, (x,), (directions,))  # what it raises is told with its line
    report = check_jvp(f, (x,), orders=(1,), directions=(2,), jvp=jvp, raises=False)
    seen = []
    jvp(lambda x: seen.append(x) or f(x), (x,), (np.ones(np.shape(x)),))
    wrong = sorted({check.name for check in report.failures} - {"precision"})  # of which the lesson says nothing
    if wrong:
        return f"wrong: {', '.join(wrong)}"
    borrowed = jvp not in OF_STUDENTS and any(isinstance(x, dg.Dual) for x in seen)
    return "nothing wrong, and the Dual is dualgrad's own" if borrowed else FINE


def _by_differences(f, primals, tangents):
    (x,), (v,) = primals, tangents
    h = 1e-4
    return f(x), (f(x + h * v) - f(x - h * v)) / (2 * h)


def _of_ones(f, primals, tangents):
    return dg.jvp(f, primals, tuple(np.ones(np.shape(dg.primal(x))) for x in primals))


def _of_one_direction(f, primals, tangents):
    if np.ndim(tangents[0]) > np.ndim(dg.primal(primals[0])):
        raise TypeError("one direction")
    return dg.jvp(f, primals, tangents)


def _not_nesting(f, primals, tangents):
    if any(isinstance(x, dg.Dual) for x in primals):
        raise TypeError("a number of numbers")
    return dg.jvp(f, primals, tangents)


def _of_one_epsilon(f, primals, tangents):
    y, dy = dg.jvp(f, primals, tangents)
    if isinstance(y, dg.Dual) and not any(isinstance(x, dg.Dual) for x in primals):
        dy = dy + y.tangent
    return y, dy


def _swapped(f, primals, tangents):
    return dg.jvp(f, primals, tangents)[::-1]


OF_STUDENTS = _swapped, _of_ones, _of_one_direction, _not_nesting, _of_one_epsilon  # what they would write

ENGINE = Exercise(
    number="4.5",
    title="The whole engine",
    task="Write jvp(f, primals, tangents) on your own Dual: value and tangent of f, which is written with NumPy.",
    call="jvp(f, primals, tangents)",
    shown="program, x",
    run=_examined,
    expected=lambda program, x: FINE,
    first=tuple((program, x) for program, (_, x) in PROGRAMS.items()),
    inputs=lambda st: one_from(st, [(program, x * 1.25) for program, (_, x) in PROGRAMS.items()]),
    draws=6,
    mistakes={
        "The value comes first: jvp returns (value, tangent).": _swapped,
        "Your tangents do not depend on the direction: seed with the tangent that was given.": _of_ones,
        "Several directions at once: do tangents with a row for each of K get through every rule?": _of_one_direction,
        "Differences: close, but lesson 1 says how close. Push a tangent through f.": _by_differences,
        "One jvp works; inside another the primals are Duals already: do your rules work on those?": _not_nesting,
        "Perturbation confusion: at its own level an operation treats Duals of lower levels as constants.": (
            _of_one_epsilon
        ),
        "That is dualgrad's engine, which passes. Write a class of your own, and push it through f.": (
            lambda f, primals, tangents: dg.jvp(f, primals, tangents)
        ),
    },
    otherwise=(
        "Print testing.check_jvp(f, (x,), orders=(1,), jvp=jvp, raises=False) for this program: its lines say which "
        "entry is wrong. A failed order 1 is a rule, or a contribution that is missing; K directions alone, an axis "
        "that is not behind the K."
    ),
    facets={
        "a derivative is taken of a derivative": lambda program, x: "np.sin(y)" in program,
        "np.linalg.solve is called": lambda program, x: "solve" in program,
        "arrays of different shapes meet": lambda program, x: "sum" in program,
        "a matrix meets a vector": lambda program, x: "@" in program,
        "a Dual is indexed": lambda program, x: "[0]" in program,
    },
)
