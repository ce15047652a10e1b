"""Exercises of lesson 6, Taylor series by recurrence: products, a logarithm, derivatives, a differential equation."""

import math

import numpy as np
from numpy.polynomial.polynomial import polyval

import dualgrad as dg

from .exercise import Exercise, Formula, half_steps, once, one_from, tables, whole


def _cauchy(x, y, terms=lambda k: range(k + 1)):
    n = min(len(x), len(y))
    return np.array([sum((x[j] * y[k - j] for j in terms(k)), 0 * x[0] * y[0]) for k in range(n)])


def _series(st, n, *shape):
    return tables(st, n, *shape)


PRODUCT = Exercise(
    number="6.1",
    title="The product of two series",
    task="Write product(x, y): the coefficients of x(t) y(t), as many as x has; the first axis counts the powers.",
    call="product(x, y)",
    first=((np.array([3.0, 1.0, 0.0]), np.array([3.0, 1.0, 0.0])), (np.array([2.0]), np.array([5.0]))),
    inputs=lambda st: [st.tuples(_series(st, n, *one), _series(st, n, *other)) for n in (1, 2, 3, 5)
          for one, other in (((), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), ()))],
    expected=_cauchy,
    mistakes={
        "Coefficient by coefficient: that is what a sum does. Which pairs of powers give tᵏ in a product?": (
            lambda x, y: np.array([a * b for a, b in zip(x, y, strict=True)])
        ),
        "The sum for k stops one short: j goes from 0 to k, and k belongs to it.": (
            lambda x, y: _cauchy(x, y, lambda k: range(k))
        ),
        "The sum for k begins at 1 and leaves out x₀ yₖ.": lambda x, y: _cauchy(x, y, lambda k: range(1, k + 1)),
        "The product is right and too long: what lies beyond the last power of x and y is dropped.": (
            lambda x, y: np.array([
                sum((x[j] * y[k - j] for j in range(len(x)) if 0 <= k - j < len(y)), 0 * x[0] * y[0])
                for k in range(2 * len(x) - 1)
            ])
        ),
        "Divided by k + 1: no mean is asked, the products of a power are summed as they are.": (
            lambda x, y: np.array([row / (k + 1) for k, row in enumerate(_cauchy(x, y))])
        ),
        "The powers of each pair must add up to k; in yours the indices are the same on both sides.": (
            lambda x, y: np.array([sum(x[j] * y[j] for j in range(k + 1)) for k in range(len(x))])
        ),
    },
    facets={
        "there is more than one coefficient": lambda x, y: len(x) > 1,
        "coefficients are arrays": lambda x, y: np.ndim(x) > 1,
        "the coefficients of x and y have different shapes": lambda x, y: np.shape(x) != np.shape(y),
    },
)  # fmt: skip


def _log(x, first=np.log, inner=lambda j, k: j, last=lambda k: k, sign=-1.0):
    y = [first(x[0])]
    for k in range(1, len(x)):
        known = sum(inner(j, k) * y[j] * x[k - j] for j in range(1, k))
        y.append((x[k] + sign * known / last(k)) / x[0])
    return np.array(y)


LOGARITHM = Exercise(
    number="6.2",
    title="The logarithm of a series",
    task="Write log(x): the coefficients of ln x(t), for a one-dimensional array x with x[0] > 0.",
    call="log(x)",
    first=((np.array([1.0, 1.0, 0.0, 0.0]),), (np.array([2.0, 1.0]),)),
    inputs=lambda st: one_from(st, (1, 2, 3, 4, 6)).flatmap(
        lambda n: st.tuples(tables(st, n), one_from(st, range(1, 7))).map(lambda p: (np.r_[p[1] / 2, p[0][1:]],))
    ),
    expected=lambda x: np.array(dg.taylor(lambda t: np.log(polyval(t, x)), 0.0, 1.0, len(x) - 1)),
    mistakes={
        "The terms that are known stand on the other side: mind their sign.": lambda x: _log(x, sign=1.0),
        "The coefficient of tᵏ⁻¹ in y' is k yₖ: was the k divided out of the whole sum?": (
            lambda x: _log(x, last=lambda k: 1)
        ),
        "The coefficients of y' are j yⱼ, and yours lack the j.": lambda x: _log(x, inner=lambda j, k: 1),
        "The factor in the sum belongs to y', whose terms are j yⱼ; yours counts the powers of x.": (
            lambda x: _log(x, inner=lambda j, k: k - j)
        ),
        "The first coefficient is ln x₀, whatever comes after.": lambda x: _log(x, first=lambda a: 0 * a),
        "That is the logarithm of each coefficient. ln x(t) is one function of t: start from x y' = x'.": (
            lambda x: np.log(x)
        ),
        "Right to the first power: y₁ = x₁ / x₀. From y₂ on, y's own coefficients come in.": (
            lambda x: np.r_[np.log(x[0]), x[1:] / x[0]]
        ),
        "All but the first must be divided by x₀, too.": (
            lambda x: np.r_[np.log(x[0]), (_log(x) * x[0])[1:]]
        ),
    },
    facets={"there are more than two coefficients": lambda x: len(x) > 2, "x₀ is not 1": lambda x: x[0] != 1},
)  # fmt: skip

ANALYTIC = (
    Formula("sin", np.sin),
    Formula("x³", lambda x: x**3),
    Formula("exp(2 x)", lambda x: np.exp(2 * x)),
    Formula("x tanh(x)", lambda x: x * np.tanh(x)),
)


def _by_factorials(f, x, order, scale=math.factorial, v=1.0):
    return [scale(k) * c for k, c in enumerate(dg.taylor(f, x, v, order))]


DERIVATIVES = Exercise(
    number="6.3",
    title="From coefficients to derivatives",
    task="Write derivatives(f, x, order), which calls f once: the list f(x), f'(x), ... up to the order, by dg.taylor.",
    call="derivatives(f, x, order)",
    first=((ANALYTIC[1], 2.0, 4), (ANALYTIC[0], 0.0, 3)),
    inputs=lambda st: st.tuples(one_from(st, ANALYTIC), half_steps(st, -2, 2), one_from(st, range(1, 6))),
    calls=once,
    excess="One series has them all: with one call of dg.taylor f is called once.",
    expected=lambda f, x, order: [float(c) for c in _by_factorials(f, x, order)],
    mistakes={
        "Those are the coefficients; a derivative is larger by a factorial, from the second on.": (
            lambda f, x, order: list(dg.taylor(f, x, 1.0, order))
        ),
        "The k-th is multiplied by k; by what must the coefficient of tᵏ be multiplied, after k derivatives of tᵏ?": (
            lambda f, x, order: _by_factorials(f, x, order, lambda k: max(k, 1)),
            lambda f, x, order: _by_factorials(f, x, order, lambda k: k),
        ),
        "The factorial is divided by, and the coefficient has been divided by it already.": (
            lambda f, x, order: _by_factorials(f, x, order, lambda k: 1 / math.factorial(k))
        ),
        "The list lacks the value itself, the derivative of order 0.": (
            lambda f, x, order: _by_factorials(f, x, order)[1:]
        ),
        "The list ends one short: up to the order means with it.": (
            lambda f, x, order: _by_factorials(f, x, order)[:-1]
        ),
        "The direction must be 1: with x for a direction the k-th derivative comes out times xᵏ.": (
            lambda f, x, order: _by_factorials(f, x, order, v=float(x))
        ),
        "The factorials are off by one place: the value is multiplied by 0! = 1.": (
            lambda f, x, order: _by_factorials(f, x, order, lambda k: math.factorial(k + 1))
        ),
    },
    facets={"the order is above 1": lambda f, x, order: order > 1},
)


def _grown(y0, order, over=lambda k: k + 1, square=_cauchy):
    y = [y0]
    for k in range(order):
        known = np.array(y)
        y.append((known - square(known, known))[k] / over(k))
    return np.array(y)


def _grown_in_integers(y0, order):
    y = np.zeros(order + 1, int)
    y[0] = y0
    for k in range(order):
        y[k + 1] = (y - _cauchy(y, y))[k] / (k + 1)
    return y


GROWTH = Exercise(
    number="6.4",
    title="A differential equation, power by power",
    task="Write logistic(y0, order): the coefficients of the solution of y' = y (1 - y), y(0) = y0, as an array.",
    call="logistic(y0, order)",
    first=((0.5, 3), (2.0, 1)),
    inputs=lambda st: st.tuples(half_steps(st, -2, 3), whole(st, 8)),
    expected=_grown,
    mistakes={
        "The coefficient of tᵏ in y' is (k + 1) yₖ₊₁: something is still to be divided by.": (
            lambda y0, order: _grown(y0, order, over=lambda k: 1)
        ),
        "Divided by k, where the power that comes out is k + 1.": (
            lambda y0, order: _grown(y0, order, over=lambda k: max(k, 1))
        ),
        "y² is a product of series, and its coefficients are no squares.": (
            lambda y0, order: _grown(y0, order, square=lambda a, b: a * b)
        ),
        "y (1 - y) is y - y², of which you left the square out.": (
            lambda y0, order: _grown(y0, order, square=lambda a, b: 0 * a)
        ),
        "One coefficient too many: order n has n + 1 of them, y₀ included.": (lambda y0, order: _grown(y0, order + 1)),
        "One coefficient is missing: order n has n + 1 of them, y₀ included.": (
            lambda y0, order: _grown(y0, order)[:-1]
        ),
        "Those are derivatives; the coefficients are smaller by a factorial.": (
            lambda y0, order: _grown(y0, order) * [math.factorial(k) for k in range(order + 1)]
        ),
        "The last coefficient is still 0: the loop ends one short.": (
            lambda y0, order: np.r_[_grown(y0, order)[:-1], 0.0]
        ),
        "An array of whole numbers drops what comes behind the point: begin with floats.": _grown_in_integers,
        "In y² you multiply by y₀ alone: all pairs whose powers add up to k belong to it.": (
            lambda y0, order: _grown(y0, order, square=lambda a, b: a[0] * b)
        ),
    },
    facets={"the order is above 1": lambda y0, order: order > 1},
)

LESSON_6 = (PRODUCT, LOGARITHM, DERIVATIVES, GROWTH)
