"""Exercises of lesson 3: a chain of steps, inputs that meet, and a Jacobian in one pass."""

import numpy as np

import dualgrad as dg

from .exercise import Exercise, Formula, half_steps, once, one_from, tables

SQUARE = Formula("square", lambda x: x * x), Formula("2x", lambda x: 2 * x)
TRIPLE = Formula("triple", lambda x: 3 * x), Formula("3", lambda x: 3.0)
SINE = Formula("sin", np.sin), Formula("cos", np.cos)
LESS = Formula("minus 1", lambda x: x - 1), Formula("1", lambda x: 1.0)
KNOWN = SQUARE, TRIPLE, SINE, LESS


def _walk(steps, x, v, slope_at=None):
    """A walk; ``slope_at`` may look for the slope elsewhere than where it belongs."""
    start = x
    for f, df in steps:
        place = x if slope_at is None else slope_at(start, x, f(x))
        x, v = f(x), df(place) * v
    return x, v


PLANE_MAPS = (
    Formula("(x₀ x₁, x₀ + 3 x₁)", lambda x: np.array([x[0] * x[1], x[0] + 3 * x[1]])),
    Formula("(x₀² , x₁, x₀ x₂)", lambda x: np.array([x[0] ** 2, x[1], x[0] * x[2]])),
    Formula("(2 x₀ + x₁ x₂, x₂²)", lambda x: np.array([2 * x[0] + x[1] * x[2], x[2] ** 2])),
)

LESSON_3 = (
    Exercise(
        number="3.1",
        title="The walk",
        task="Write walk(steps, x, v): push x and its tangent v through a list of pairs (f, df).",
        call="walk(steps, x, v)",
        first=(([SQUARE, TRIPLE], 2.0, 1.0), ([TRIPLE, SQUARE], 2.0, 1.0), ([], 2.0, 1.0)),
        inputs=lambda st: st.tuples(st.lists(one_from(st, KNOWN), max_size=3), half_steps(st), half_steps(st)),
        expected=_walk,
        mistakes={
            "You take the slope after the value is replaced: it belongs to the place where the step starts.": (
                lambda steps, x, v: _walk(steps, x, v, lambda start, x, y: y)
            ),
            "Every slope is taken at the very first x; each step has an x of its own.": (
                lambda steps, x, v: _walk(steps, x, v, lambda start, x, y: start)
            ),
            "Slopes along a chain are multiplied, and yours are added.": (
                lambda steps, x, v: (
                    _walk(steps, x, v)[0],
                    sum((df(_walk(steps[:k], x, v)[0]) for k, (_, df) in enumerate(steps)), v),
                )
            ),
            "The tangent so far is multiplied by the slope; in yours the slope takes its place.": (
                lambda steps, x, v: (_walk(steps, x, v)[0], steps[-1][1](_walk(steps[:-1], x, v)[0]) if steps else v)
            ),
            "A step f is for the value. The tangent is multiplied by the slope of the step, df(x).": (
                lambda steps, x, v: (_walk(steps, x, v)[0], _walk(steps, v, v)[0])
            ),
            "Your loop returns in its first step; the return belongs behind the loop.": (
                lambda steps, x, v: _walk(steps[:1], x, v) if steps else None
            ),
            "The walk starts with the tangent v, and yours starts with 1.": (
                lambda steps, x, v: (_walk(steps, x, 1.0)[0], _walk(steps, x, 1.0 + 0 * v)[1])
            ),
            "The steps are taken in the wrong order: the first of the list is the first that x meets.": (
                lambda steps, x, v: _walk(steps[::-1], x, v)
            ),
            "Only the last step's slope is in the tangent: carry it from step to step.": (
                lambda steps, x, v: (_walk(steps, x, v)[0], _walk(steps[-1:], _walk(steps[:-1], x, v)[0], v)[1])
            ),
            "The value is right, and the tangent never changes on its way.": (
                lambda steps, x, v: (_walk(steps, x, v)[0], v)
            ),
        },
        facets={
            "there are several steps": lambda steps, x, v: len(steps) > 1,
            "the list is empty": lambda steps, x, v: not steps,
        },
    ),
    Exercise(
        number="3.2",
        title="Inputs that meet",
        task="Write meet(partials, tangents): the tangent of y, given the ∂y/∂xᵢ and the ẋᵢ, (n,) or (K, n).",
        call="meet(partials, tangents)",
        first=((np.array([2.0, 3.0]), np.array([1.0, 0.0])), (np.array([2.0, 3.0]), np.array([1.0, 10.0]))),
        inputs=lambda st: [
            st.tuples(tables(st, n), tables(st, *lead, n)) for n in (1, 2, 3) for lead in ((), (3,), (2,))
        ],
        expected=lambda partials, tangents: np.einsum("i,...i", partials, tangents),
        mistakes={
            "Right for one direction. For K the tangents are (K, n): which axis is to be summed, and which one kept?": (
                lambda partials, tangents: partials @ tangents
            ),
            "All is summed into one number; K directions give K of them.": (
                lambda partials, tangents: np.sum(partials * tangents)
            ),
            "The products are right, and still apart: contributions that meet add up.": (
                lambda partials, tangents: partials * tangents
            ),
            "Sum of products, not product of sums: each partial meets its own tangent.": (
                lambda partials, tangents: np.sum(partials) * np.sum(tangents, axis=-1)
            ),
            "Contributions add up; their mean is too small by the number of inputs.": (
                lambda partials, tangents: np.mean(partials * tangents, axis=-1)
            ),
            "Only the first input is in it.": lambda partials, tangents: partials[0] * tangents[..., 0],
            "Only the last input is in it: does a loop of yours overwrite instead of adding?": (
                lambda partials, tangents: partials[-1] * tangents[..., -1]
            ),
        },
        facets={
            "there are K directions": lambda partials, tangents: np.ndim(tangents) > 1,
            "there is more than one input": lambda partials, tangents: len(partials) > 1,
        },
    ),
    Exercise(
        number="3.3",
        title="A Jacobian in one pass",
        task="Write jacobian(f, x), which calls f once: J[i, j] = ∂yᵢ/∂xⱼ for y = f(x), x and y vectors.",
        call="jacobian(f, x)",
        first=((PLANE_MAPS[0], np.array([2.0, 5.0])),),
        inputs=lambda st: [st.tuples(st.just(f), tables(st, n)) for f, n in zip(PLANE_MAPS, (2, 3, 3), strict=True)],
        draws=12,
        calls=once,
        excess="One pass is enough, and f is called once in it: push all directions at once, the rows of an array.",
        expected=lambda f, x: dg.jacfwd(f)(x),
        mistakes={
            "Transposed: row k of what jvp gives belongs to direction k, so which axis is that of the inputs?": (
                lambda f, x: dg.jvp(f, (x,), (np.eye(len(x)),))[1]
            ),
            "You push one direction, that of all inputs at once; the columns need one each.": (
                lambda f, x: dg.jvp(f, (x,), (np.ones(len(x)),))[1]
            ),
            "jvp gives the value and the tangents; return the tangents alone.": (
                lambda f, x: (dg.jvp(f, (x,), (np.eye(len(x)),))[0], dg.jvp(f, (x,), (np.eye(len(x)),))[1].T),
                lambda f, x: dg.jvp(f, (x,), (np.eye(len(x)),)),
            ),
            "There is a direction for each input, and yours are as many as the outputs.": (
                lambda f, x: dg.jvp(f, (x,), (np.eye(len(f(x))),))[1].T,
                lambda f, x: dg.jvp(f, (x,), (np.eye(2),))[1].T,
            ),
            "The rows of your directions come in reverse order, and so do the columns.": (
                lambda f, x: dg.jvp(f, (x,), (np.eye(len(x))[::-1],))[1].T
            ),
            "That is the value of f: jvp gives (value, tangents).": lambda f, x: dg.jvp(f, (x,), (np.eye(len(x)),))[0],
            "Your directions depend on x. The Jacobian needs those along the axes, each of length 1.": (
                lambda f, x: dg.jvp(f, (x,), (np.diag(x),))[1].T
            ),
            "Only the derivative along the first input is there: push the other directions in the same pass.": (
                lambda f, x: dg.jvp(f, (x,), (np.eye(len(x))[0],))[1]
            ),
        },
        facets={"f has as many outputs as inputs": lambda f, x: len(x) == 2},
    ),
)
