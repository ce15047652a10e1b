"""Exercises of lesson 8, the forward gradient: the estimate, its variance, more directions, directions of rank one."""

import numpy as np

import dualgrad as dg

from .exercise import Exercise, Formula, once, one_from, tables

VALLEYS = (
    Formula("the sum of wₖ²", lambda w: np.sum(w**2)),
    Formula("w₀ w₁ + 3 w₁, of the first two entries", lambda w: np.ravel(w)[0] * np.ravel(w)[1] + 3 * np.ravel(w)[1]),
    Formula("the sum of sin wₖ", lambda w: np.sum(np.sin(w))),
)


def _slope_along(f, w, v):
    return dg.jvp(f, (w,), (v,))[1]


ESTIMATE = Exercise(
    number="8.1",
    title="The forward gradient",
    task="Write forward_gradient(f, w, v), which calls f once: the estimate of the gradient of f at w along v.",
    call="forward_gradient(f, w, v)",
    first=((VALLEYS[1], np.array([4.0, 0.0]), np.array([1.0, -1.0])),),
    inputs=lambda st: [
        st.tuples(one_from(st, VALLEYS), tables(st, *shape), tables(st, *shape)) for shape in ((2,), (4,), (2, 3))
    ],
    calls=once,
    excess="One call of dg.jvp gives value and slope, and calls f once; yours calls it more often.",
    expected=lambda f, w, v: _slope_along(f, w, v) * v,
    mistakes={
        "That is the slope along v, one number. What is it multiplied by?": lambda f, w, v: _slope_along(f, w, v),
        "Each entry of v has an entry of the gradient beside it; the slope is one number, their sum.": (
            lambda f, w, v: dg.grad(f)(w) * v
        ),
        "That is the gradient itself; it takes one pass for each weight, and you have one pass.": (
            lambda f, w, v: dg.grad(f)(w)
        ),
        "Divided by the length of v, squared: the estimate is unbiased for directions as they are drawn.": (
            lambda f, w, v: _slope_along(f, w, v) * v / (np.sum(v * v) or 1.0)
        ),
        "The slope is multiplied by the weights; it was measured along v.": lambda f, w, v: _slope_along(f, w, v) * w,
        "The first result of dg.jvp is the value of f; the slope is the second.": lambda f, w, v: f(w) * v,
        "That is all that dg.jvp gives, value and slope: which is it, and by what is it multiplied?": (
            lambda f, w, v: dg.jvp(f, (w,), (v,))
        ),
        "The sign of the slope is lost: where the loss falls along v, the estimate points the other way.": (
            lambda f, w, v: abs(_slope_along(f, w, v)) * v
        ),
        "An estimate of the gradient points uphill; the minus comes with the step.": (
            lambda f, w, v: -_slope_along(f, w, v) * v
        ),
    },
    facets={"w has more than one axis": lambda f, w, v: np.ndim(w) > 1},
)  # fmt: skip


def _variance(g, kappa):
    return np.sum(g**2) + (kappa - 2) * g**2


VARIANCE = Exercise(
    number="8.2",
    title="Its variance",
    task="Write variance(g, kappa): the variance of every entry of the estimate, for directions with E v⁴ = kappa.",
    call="variance(g, kappa)",
    first=((np.array([3.0, 4.0]), 1.0), (np.array([3.0, 4.0]), 3.0)),
    inputs=lambda st: [
        st.tuples(tables(st, *shape), one_from(st, (1.0, 1.8, 3.0, 9.0))) for shape in ((1,), (3,), (2, 3))
    ],
    expected=_variance,
    mistakes={
        "That is E ĝₖ². A variance is smaller by the square of the mean, gₖ².": (
            lambda g, kappa: np.sum(g**2) + (kappa - 1) * g**2
        ),
        "That is right for signs alone, kappa = 1: where is kappa?": lambda g, kappa: np.sum(g**2) - g**2,
        "That is right for normals alone, kappa = 3: where is kappa?": lambda g, kappa: np.sum(g**2) + g**2,
        "The total over all entries; asked is one variance for each entry.": (
            lambda g, kappa: np.sum(_variance(g, kappa))
        ),
        "The entry's own part is there; the other entries' parts are noise in it, too.": (
            lambda g, kappa: (kappa - 1) * g**2
        ),
        "That is the standard deviation.": lambda g, kappa: np.sqrt(_variance(g, kappa)),
        "The sum is over rows; every entry of g makes noise in every other.": (
            lambda g, kappa: np.sum(g**2, axis=-1, keepdims=True) + (kappa - 2) * g**2
        ),
        "A square is missing: the norm is squared, and so is the entry.": (
            lambda g, kappa: np.sum(g) + (kappa - 2) * g,
            lambda g, kappa: np.sum(g**2) + (kappa - 2) * g,
            lambda g, kappa: np.linalg.norm(g) + (kappa - 2) * g**2,
        ),
    },
    facets={"there is more than one entry": lambda g, kappa: g.size > 1, "g has two axes": lambda g, kappa: g.ndim > 1},
)  # fmt: skip


def _mean_estimate(f, w, V):
    return np.tensordot(_slope_along(f, w, V), V, 1) / len(V)


MEAN = Exercise(
    number="8.3",
    title="The mean over several directions",
    task="Write mean_of_directions(f, w, V), which calls f once: the mean of the estimates along V[0], V[1], ...",
    call="mean_of_directions(f, w, V)",
    first=((VALLEYS[1], np.array([4.0, 0.0]), np.array([[1.0, 1.0], [1.0, -1.0]])),),
    inputs=lambda st: [
        st.tuples(one_from(st, VALLEYS), tables(st, *shape), tables(st, n, *shape))
        for shape in ((2,), (3,), (2, 3)) for n in (1, 2, 4)
    ],
    calls=once,
    excess="One call of dg.jvp pushes all directions: V is an array of tangents as it is, and f is called once.",
    expected=_mean_estimate,
    mistakes={
        "The estimates are summed; the mean divides by how many there are.": (
            lambda f, w, V: len(V) * _mean_estimate(f, w, V)
        ),
        "That is the mean direction with its slope. Slope and direction are to be multiplied first, then averaged.": (
            lambda f, w, V: _slope_along(f, w, V.mean(0)) * V.mean(0)
        ),
        "The first result of dg.jvp is the value of f; the slopes are the second.": lambda f, w, V: f(w) * V.mean(0),
        "All the estimates, one for each direction; average them.": (
            lambda f, w, V: np.stack([_slope_along(f, w, v) * v for v in V])
        ),
        "Only the first direction is in it.": lambda f, w, V: _slope_along(f, w, V[0]) * V[0],
        "Divided by the number of weights, where the mean is over directions.": (
            lambda f, w, V: _mean_estimate(f, w, V) * len(V) / w.size
        ),
        "One less than the number of directions is divided by; no degree of freedom is lost here.": (
            lambda f, w, V: _mean_estimate(f, w, V) * len(V) / max(len(V) - 1, 1)
        ),
    },
    facets={
        "there is more than one direction": lambda f, w, V: len(V) > 1,
        "w has more than one axis": lambda f, w, V: np.ndim(w) > 1,
    },
)  # fmt: skip

RANK_ONE = Exercise(
    number="8.4",
    title="A direction of rank one",
    task="Write pushed(x, W, a, b): y = x W and its tangent where W moves along the matrix a bᵀ.",
    call="pushed(x, W, a, b)",
    first=((np.array([[2.0, 3.0]]), np.array([[5.0], [7.0]]), np.array([1.0, -1.0]), np.array([1.0])),),
    inputs=lambda st: [
        st.tuples(tables(st, rows, n), tables(st, n, m), tables(st, n), tables(st, m))
        for rows, n, m in ((1, 2, 2), (3, 2, 4), (4, 3, 3))
    ],
    expected=lambda x, W, a, b: (x @ W, x @ np.outer(a, b)),
    mistakes={
        "The tangent is one number for each example: the row b is still to be multiplied.": (
            lambda x, W, a, b: (x @ W, x @ a)
        ),
        "The tangent has W in it; y = x W is linear in W, and its tangent is x times the direction alone.": (
            lambda x, W, a, b: (x @ W, x @ W + np.outer(x @ a, b))
        ),
        "Every example has a dot product of its own, x·a; yours are summed.": (
            lambda x, W, a, b: (x @ W, np.outer(np.full(len(x), np.sum(x @ a)), b))
        ),
        "x @ a has a number for each example, b one for each output: every pair has a product, as in np.outer.": (
            lambda x, W, a, b: (x @ W, (x @ a) * b)
        ),
        "The tangent comes transposed: examples are rows.": lambda x, W, a, b: (x @ W, np.outer(b, x @ a)),
        "The value is right, and the tangent is that of the direction of ones.": (
            lambda x, W, a, b: (x @ W, np.outer(x.sum(1), np.ones(len(b))))
        ),
        "a is missing: the inputs are summed as they are.": lambda x, W, a, b: (x @ W, np.outer(x.sum(1), b)),
        "b is missing: all outputs move alike.": lambda x, W, a, b: (x @ W, np.outer(x @ a, np.ones(len(b)))),
    },
    facets={"there is more than one example": lambda x, W, a, b: len(x) > 1},
)  # fmt: skip

LESSON_8 = (ESTIMATE, VARIANCE, MEAN, RANK_ONE)
