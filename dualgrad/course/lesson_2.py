"""Exercises of lesson 2: dual numbers as pairs (primal, tangent): product, quotient, sine and powers."""

import numpy as np

from .exercise import Exercise, half_steps, nonzero, whole


def pairs(st):
    """Dual numbers."""
    return st.tuples(half_steps(st), half_steps(st))


def _power_rule(a, n):
    return (a[0] ** n, (n * a[0] ** (n - 1) if n else 0.0) * a[1])


LESSON_2 = (
    Exercise(
        number="2.1",
        title="The product rule",
        task="Write multiply(a, b) for pairs a = (primal, tangent) and b: the pair of the product.",
        call="multiply(a, b)",
        first=(((3.0, 1.0), (2.0, 0.0)), ((3.0, 1.0), (3.0, 1.0))),
        inputs=lambda st: st.tuples(pairs(st), pairs(st)),
        expected=lambda a, b: (a[0] * b[0], a[0] * b[1] + a[1] * b[0]),
        mistakes={
            "The tangents are multiplied with each other. Expand (a + a' ε)(b + b' ε): which terms carry one ε?": (
                lambda a, b: (a[0] * b[0], a[1] * b[1])
            ),
            "There is a term too many, that with ε²: which rule makes it vanish?": (
                lambda a, b: (a[0] * b[0], a[0] * b[1] + a[1] * b[0] + a[1] * b[1])
            ),
            "One of the two terms with ε is missing: b is held still, and b may move too.": (
                lambda a, b: (a[0] * b[0], a[1] * b[0])
            ),
            "One of the two terms with ε is missing: a is held still, and a may move too.": (
                lambda a, b: (a[0] * b[0], a[0] * b[1])
            ),
            "The minus belongs to the quotient; both factors of a product push it the same way.": (
                lambda a, b: (a[0] * b[0], a[1] * b[0] - a[0] * b[1])
            ),
            "Each tangent meets its own primal; in the expansion it meets that of the other.": (
                lambda a, b: (a[0] * b[0], a[0] * a[1] + b[0] * b[1])
            ),
            "The tangents are added, as those of a sum are; here a primal weights each.": (
                lambda a, b: (a[0] * b[0], a[1] + b[1])
            ),
        },
        facets={"both tangents are other than 0": lambda a, b: a[1] != 0 and b[1] != 0},
    ),
    Exercise(
        number="2.2",
        title="The quotient rule",
        task="Write divide(a, b) for pairs a and b, with b's primal not 0: the pair of the quotient.",
        call="divide(a, b)",
        first=(((6.0, 1.0), (2.0, 0.0)), ((6.0, 0.0), (2.0, 1.0))),
        inputs=lambda st: st.tuples(pairs(st), st.tuples(nonzero(st), half_steps(st))),
        expected=lambda a, b: (a[0] / b[0], (a[1] - a[0] / b[0] * b[1]) / b[0]),
        mistakes={
            "If the divisor grows, the quotient falls: mind a sign.": (
                lambda a, b: (a[0] / b[0], (a[1] * b[0] + a[0] * b[1]) / b[0] ** 2)
            ),
            "Numerator in the wrong order: with b at rest the slope must be that of a, divided by b.": (
                lambda a, b: (a[0] / b[0], (a[0] * b[1] - a[1] * b[0]) / b[0] ** 2)
            ),
            "The second equation has the quotient c in it, where yours has a: c b' + c' b = a'.": (
                lambda a, b: (a[0] / b[0], (a[1] - a[0] * b[1]) / b[0])
            ),
            "By what is the numerator divided? Solve c b = a for the tangent of c and look again.": (
                lambda a, b: (a[0] / b[0], (a[1] * b[0] - a[0] * b[1]) / b[0])
            ),
            "Tangent over tangent: a rate is not divided by a rate. What if b stands still?": (
                lambda a, b: (a[0] / b[0], a[1] / b[1]),
                lambda a, b: (a[0] / b[0], np.divide(a[1], b[1])),
            ),
            "You take b for a constant; b may move too.": lambda a, b: (a[0] / b[0], a[1] / b[0]),
            "The numerator is right; now divide it by the square of b's primal.": (
                lambda a, b: (a[0] / b[0], a[1] * b[0] - a[0] * b[1])
            ),
            "It is b's primal that is squared below, not a's.": (
                lambda a, b: (a[0] / b[0], np.divide(a[1] * b[0] - a[0] * b[1], a[0] ** 2))
            ),
        },
        facets={"b moves": lambda a, b: b[1] != 0, "a moves": lambda a, b: a[1] != 0},
    ),
    Exercise(
        number="2.3",
        title="The sine of a dual number",
        task="Write sine(a) for a pair a: the pair of its sine.",
        call="sine(a)",
        first=(((0.0, 1.0),), ((0.0, 3.0),), ((np.pi / 2, 1.0),)),
        inputs=lambda st: st.tuples(pairs(st)),
        expected=lambda a: (np.sin(a[0]), np.cos(a[0]) * a[1]),
        mistakes={
            "The sine is taken of the tangent as well; a tangent is only ever multiplied by a slope.": (
                lambda a: (np.sin(a[0]), np.sin(a[1]))
            ),
            "That is the slope of the sine at a; how fast does a itself move?": (
                lambda a: (np.sin(a[0]), np.cos(a[0]) + 0 * a[1])
            ),
            "Slope and tangent are multiplied, and yours are added.": lambda a: (np.sin(a[0]), np.cos(a[0]) + a[1]),
            "The sine rises at 0. Which of sine and cosine has the minus in its derivative?": (
                lambda a: (np.sin(a[0]), -np.cos(a[0]) * a[1])
            ),
            "The slope is that at the tangent; it belongs to the place where a is, its primal.": (
                lambda a: (np.sin(a[0]), np.cos(a[1]) * a[0])
            ),
            "The tangent went into the cosine, where only the primal belongs.": (
                lambda a: (np.sin(a[0]), np.cos(a[0] * a[1]))
            ),
            "The value is multiplied by the tangent; it is the slope that should be.": (
                lambda a: (np.sin(a[0]), np.sin(a[0]) * a[1])
            ),
            "The tangent came through unchanged, as if the slope of the sine were 1; at 0 alone it is.": (
                lambda a: (np.sin(a[0]), a[1])
            ),
        },
        facets={"the tangent is not 1": lambda a: a[1] != 1},
    ),
    Exercise(
        number="2.4",
        title="Whole powers",
        task="Write power(a, n) for a pair a and a whole n ≥ 0: the pair of aⁿ, also for a primal of 0 or below.",
        call="power(a, n)",
        first=(((3.0, 1.0), 2), ((0.0, 1.0), 1), ((0.0, 1.0), 0)),
        inputs=lambda st: st.tuples(pairs(st), whole(st, 5)),
        expected=_power_rule,
        mistakes={
            "Right but for the constant function x⁰ at 0: 0 ** -1 is no number. What is its slope? Treat it apart.": (
                lambda a, n: (a[0] ** n, n * a[0] ** (n - 1) * a[1]),
                lambda a, n: (a[0] ** n, n * np.float64(a[0]) ** (n - 1) * a[1]),
            ),
            "At a primal of 0 your tangent is always 0; that of x¹ is not. It is n = 0 that stands apart.": (
                lambda a, n: (a[0] ** n, n * a[0] ** (n - 1) * a[1] if a[0] else 0.0)
            ),
            "The exponent of the slope is one less than that of the value.": (
                lambda a, n: (a[0] ** n, n * a[0] ** n * a[1])
            ),
            "One of three factors is missing: the exponent, which comes down.": (
                lambda a, n: (a[0] ** n, (a[0] ** (n - 1) if n else 0.0) * a[1])
            ),
            "The tangent of a is missing: the slope alone is right for a tangent of 1.": (
                lambda a, n: (a[0] ** n, _power_rule((a[0], 1.0), n)[1] + 0 * a[1])
            ),
            "Through exp(n log a), which has no number for a ≤ 0; the product rule works there too.": (
                lambda a, n: (np.exp(n * np.log(a[0])), n * np.exp((n - 1) * np.log(a[0])) * a[1])
            ),
            "The tangent is raised to a power; (a + a' ε)ⁿ has its ε from one factor at a time.": (
                lambda a, n: (a[0] ** n, a[1] ** n)
            ),
        },
        facets={
            "n is 0": lambda a, n: n == 0,
            "n is more than 1": lambda a, n: n > 1,
            "the primal is 0": lambda a, n: a[0] == 0,
        },
    ),
)
