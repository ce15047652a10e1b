"""Exercises of lesson 1: difference quotients, the best step, and the line that touches a curve."""

import math

import numpy as np

from .exercise import Exercise, Formula, half_steps, nonzero, one_from

CURVES = (
    Formula("the square x²", lambda x: x * x),
    Formula("the cube x³", lambda x: x * x * x),
    Formula("the line 3x + 1", lambda x: 3 * x + 1),
    Formula("the curve x² - 4x", lambda x: x * x - 4 * x),
)
WIDTHS = 0.5, 0.25, 1.0, -0.5, 2.0

LESSON_1 = (
    Exercise(
        number="1.1",
        title="The difference quotient",
        task="Write quotient(f, x, h): the slope of the line through (x, f(x)) and (x + h, f(x + h)).",
        call="quotient(f, x, h)",
        first=((CURVES[0], 3.0, 0.5), (CURVES[2], 1.0, 0.5)),
        inputs=lambda st: st.tuples(one_from(st, CURVES), half_steps(st), one_from(st, WIDTHS)),
        expected=lambda f, x, h: (f(x + h) - f(x)) / h,
        mistakes={
            "You look to the left of x, at x - h; the second point here lies at x + h.": (
                lambda f, x, h: (f(x) - f(x - h)) / h
            ),
            "You look on both sides of x, as the central quotient does; the line here begins at x itself.": (
                lambda f, x, h: (f(x + h) - f(x - h)) / (2 * h),
                lambda f, x, h: (f(x + h) - f(x - h)) / h,
            ),
            "You have the rise; a slope is the rise divided by something.": lambda f, x, h: f(x + h) - f(x),
            "Rise over run: how far apart are x and x + h?": lambda f, x, h: (f(x + h) - f(x)) / (x + h),
            "Which of the two heights is the later one? Your rise has the wrong sign.": (
                lambda f, x, h: (f(x) - f(x + h)) / h
            ),
            "Brackets: a quotient divides the whole difference, and yours divides its last term alone.": (
                lambda f, x, h: f(x + h) - f(x) / h
            ),
            "You evaluate f at h; the second point is h away from x, and not at h.": (
                lambda f, x, h: (f(h) - f(x)) / h
            ),
        },
        facets={
            "h is negative": lambda f, x, h: h < 0,
            "x is not 0": lambda f, x, h: x != 0,
        },
    ),
    Exercise(
        number="1.2",
        title="The best step",
        task="Write best_step(value, bend, eps): the h > 0 at which h |bend| / 2 + 2 eps |value| / h is least.",
        call="best_step(value, bend, eps)",
        first=((1.0, 1.0, 1e-16), (4.0, 1.0, 1e-16)),
        inputs=lambda st: st.tuples(nonzero(st), nonzero(st), one_from(st, [1e-16, 1e-8, 2.5e-7])),
        expected=lambda value, bend, eps: 2 * np.sqrt(eps * abs(value / bend)),
        mistakes={
            "value and bend may be negative, and the bounds are of their sizes.": (
                lambda value, bend, eps: 2 * np.sqrt(eps * value / bend),
                lambda value, bend, eps: 2 * np.sqrt(eps * abs(value) / bend),
                lambda value, bend, eps: 2 * np.sqrt(eps * value / abs(bend)),
                lambda value, bend, eps: 2 * math.sqrt(eps * value / bend),
                lambda value, bend, eps: 2 * math.sqrt(eps * abs(value) / bend),
                lambda value, bend, eps: 2 * math.sqrt(eps * value / abs(bend)),
            ),
            "Only proportional to the best step. Set the derivative with respect to h to zero and keep the factors.": (
                lambda value, bend, eps: np.sqrt(eps * abs(value / bend))
            ),
            "Upside down: the more a curve bends, the shorter the step must be.": (
                lambda value, bend, eps: 2 * np.sqrt(eps * abs(bend / value))
            ),
            "This is h², from the equation before the last: one operation is left to do.": (
                lambda value, bend, eps: 4 * eps * abs(value / bend)
            ),
            "** binds more tightly than /: x ** 1/2 is half of x, and x ** 0.5 its root.": (
                lambda value, bend, eps: (4 * eps * abs(value / bend)) ** 1 / 2,
                lambda value, bend, eps: 2 * (eps * abs(value / bend)) ** 1 / 2,
            ),
            "√eps is the rule of thumb; here the sizes of value and bend count too.": (
                lambda value, bend, eps: np.sqrt(eps)
            ),
            "The cube root belongs to the central quotient, whose truncation error is h².": (
                lambda value, bend, eps: 2 * np.cbrt(eps * abs(value / bend))
            ),
            "You return the least error; the question is at which h it is reached.": (
                lambda value, bend, eps: 2 * np.sqrt(eps * abs(value * bend))
            ),
        },
        facets={
            "value and bend have different signs": lambda value, bend, eps: value * bend < 0,
            "|value| and |bend| differ": lambda value, bend, eps: abs(value) != abs(bend),
        },
    ),
    Exercise(
        number="1.3",
        title="The line that touches the curve",
        task="Write tangent_line(value, slope, a, x): the height at x of the line of this slope through (a, value).",
        call="tangent_line(value, slope, a, x)",
        first=((9.0, 6.0, 3.0, 3.5), (9.0, 6.0, 3.0, 3.0)),
        inputs=lambda st: st.tuples(half_steps(st), half_steps(st), half_steps(st), half_steps(st)),
        expected=lambda value, slope, a, x: value + slope * (x - a),
        mistakes={
            "At x = a the line must have the height value. How far is x from a?": (
                lambda value, slope, a, x: value + slope * x
            ),
            "That is how much the line has risen since a; where did it begin?": (
                lambda value, slope, a, x: slope * (x - a)
            ),
            "From a to x: the later place minus the earlier one.": (
                lambda value, slope, a, x: value + slope * (a - x),
                lambda value, slope, a, x: value + slope * (a + x),
            ),
            "The height at a alone: where does the slope come in?": lambda value, slope, a, x: value,
            "Multiplication binds first: which two numbers are to be subtracted before?": (
                lambda value, slope, a, x: value + slope * x - a
            ),
            "Rise is slope times run, not slope plus run.": lambda value, slope, a, x: value + slope + (x - a),
            "You go by slope from the height a: the roles of a and value are exchanged.": (
                lambda value, slope, a, x: a + slope * (x - value)
            ),
        },
        facets={"x is not a": lambda value, slope, a, x: x != a, "a is not 0": lambda value, slope, a, x: a != 0},
    ),
)
