"""Exercises of lesson 10, proofs: the mean over every outcome, quadrature, and a fault to be found."""

import itertools

import numpy as np

import dualgrad as dg

from .exercise import Exercise, Formula, one_from, tables

ESTIMATES = (
    Formula("v ↦ (g·v) v with g = (3, 4, 5, 6), cut to p entries", lambda v: (np.arange(3.0, 3.0 + len(v)) @ v) * v),
    Formula("v ↦ v₀ v + 2", lambda v: v[0] * v + 2),
    Formula("v ↦ (sum of v)² v + 1", lambda v: np.sum(v) ** 2 * v + 1),
    Formula("v ↦ where(v > 0, 1, 3)", lambda v: np.where(v > 0, 1.0, 3.0)),
)


def _signs(p):
    return [np.array(v) for v in itertools.product((1.0, -1.0), repeat=p)]


def _mean_over(estimate, draws):
    return np.mean([estimate(v) for v in draws], axis=0)


OUTCOMES = Exercise(
    number="10.1",
    title="Every outcome",
    task="Write exact_mean(estimate, p): the mean of estimate(v) over all 2ᵖ vectors v of p signs, each tried once.",
    call="exact_mean(estimate, p)",
    first=((ESTIMATES[0], 2), (ESTIMATES[1], 1)),
    inputs=lambda st: st.tuples(one_from(st, ESTIMATES), one_from(st, range(1, 5))),
    draws=16,
    calls=lambda estimate, p: 2**p,
    excess="A sample is near the mean and is not it: take every vector of signs, and each once.",
    expected=lambda estimate, p: _mean_over(estimate, _signs(p)),
    mistakes={
        "The outcomes are summed; each has the probability 2⁻ᵖ.": (
            lambda estimate, p: 2**p * _mean_over(estimate, _signs(p))
        ),
        "Divided by p, where there are 2ᵖ outcomes.": lambda estimate, p: 2**p * _mean_over(estimate, _signs(p)) / p,
        "(1, -1) and (-1, 1) are two outcomes, and in yours they are one.": (
            lambda estimate, p: _mean_over(
                estimate, [np.array(v) for v in itertools.combinations_with_replacement((1.0, -1.0), p)]
            )
        ),
        "An estimate wants an array of signs: make one of each tuple.": (
            lambda estimate, p: _mean_over(estimate, itertools.product((1.0, -1.0), repeat=p))
        ),
        "Zeros and ones are no signs.": (
            lambda estimate, p: _mean_over(estimate, [np.array(v, float) for v in itertools.product((0, 1), repeat=p)])
        ),
        "The estimate at the mean of v, which is 0, is not the mean of the estimates.": (
            lambda estimate, p: estimate(np.zeros(p))
        ),
        "Only all +1 and all -1 are in it; signs are drawn one by one.": (
            lambda estimate, p: _mean_over(estimate, [np.ones(p), -np.ones(p)])
        ),
        "The outcomes are all there; return their mean over the first axis alone, an array like the estimate.": (
            lambda estimate, p: np.mean([estimate(v) for v in _signs(p)])
        ),
    },
    facets={"p is above 1": lambda estimate, p: p > 1},
    otherwise=(
        "Print the vectors that your function tries for p = 2: are they (1, 1), (1, -1), (-1, 1), (-1, -1), each once?"
    ),
)

DEGREES = tuple(
    (Formula(f"z ↦ {text}", h, counts=np.size), degree)
    for text, degree, h in (
        ("5", 0, lambda z: 5.0 + 0 * z), ("z + 1", 1, lambda z: z + 1), ("z²", 2, lambda z: z**2),
        ("z⁴ - z", 4, lambda z: z**4 - z), ("(z + 1)³", 3, lambda z: (z + 1) ** 3), ("z⁶", 6, lambda z: z**6),
        ("z⁵ + 2 z⁴", 5, lambda z: z**5 + 2 * z**4),
    )
)  # fmt: skip


def _normal_mean(h, nodes, weight=2.5066282746310002, stretch=1.0):
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    return float(np.sum(w * np.array([h(x) for x in stretch * z])) / weight)


def _physicists(h, degree, weight):
    z, w = np.polynomial.hermite.hermgauss(_enough(degree))
    return float(np.sum(w * np.array([h(x) for x in z])) / weight)


def _enough(degree):
    return degree // 2 + 1


QUADRATURE = Exercise(
    number="10.2",
    title="Quadrature",
    task="Write normal_mean(h, degree): E h(z) of a normal z, exact up to this degree, with as few nodes as do.",
    call="normal_mean(h, degree)",
    calls=lambda h, degree: _enough(degree),
    excess="More nodes than needed: m of them are exact up to degree 2 m - 1.",
    first=tuple((h, degree) for h, degree in DEGREES),
    inputs=lambda st: one_from(st, DEGREES),
    draws=4,
    expected=lambda h, degree: _normal_mean(h, _enough(degree)),
    mistakes={
        "The weights of hermegauss sum to √(2π), those of a probability to 1.": (
            lambda h, degree: _normal_mean(h, _enough(degree), weight=1.0)
        ),
        "One node too few: with m nodes degree 2 m - 1 is right, and 2 m is not.": (
            lambda h, degree: _normal_mean(h, max(degree // 2, 1))
        ),
        "The nodes of hermegauss belong to a normal as they are; yours are stretched by √2.": (
            lambda h, degree: _normal_mean(h, _enough(degree), stretch=np.sqrt(2))
        ),
        "hermgauss belongs to exp(-z²); that of a normal, exp(-z²/2), has its nodes in hermegauss.": (
            lambda h, degree: _physicists(h, degree, np.sqrt(np.pi)),
            lambda h, degree: _physicists(h, degree, np.sqrt(2 * np.pi)),
        ),
        "The nodes are there, and all weigh the same: outcomes near 0 are likelier.": (
            lambda h, degree: float(np.mean([h(x) for x in np.polynomial.hermite_e.hermegauss(_enough(degree))[0]]))
        ),
        "A polynomial at the mean of z is not its mean.": lambda h, degree: float(h(0.0)),
    },
    facets={"the degree is even": lambda h, degree: degree % 2 == 0},
)  # fmt: skip

LOSSES = (
    Formula("3 w₀ - w₁", lambda w: 3 * w[0] - w[1]),
    Formula("w₀² + w₀ w₁", lambda w: w[0] ** 2 + w[0] * w[1]),
    Formula("w₀³ + w₁", lambda w: w[0] ** 3 + w[1]),
    Formula("w₀ w₁", lambda w: w[0] * w[1]),
)


def _means(f, w, c):
    two = {"A": lambda v, u: (f(w + c * v) - f(w - c * v)) / (2 * c) * v,
           "B": lambda v, u: (f(w + c * v) - f(w)) / c * v,
           "C": lambda v, u: (f(w + c * v) - f(w - c * v)) / (2 * c) * u}  # fmt: skip
    draws = _signs(len(w))
    return {name: np.mean([e(v, u) for v in draws for u in draws], axis=0) for name, e in two.items()}


def _letters(found):
    return "".join(sorted(found)) or "none"


def _biased(f, w, c, gradient=lambda f, w: dg.grad(f)(w), close=1e-9, names="ABC"):
    exact = gradient(f, w)
    return {name for name, mean in _means(f, w, c).items() if name in names and np.max(np.abs(mean - exact)) > close}


def _above(f, w, c):
    return {name for name, mean in _means(f, w, c).items() if np.max(mean - dg.grad(f)(w)) > 1e-9}


FAULT = Exercise(
    number="10.3",
    title="Find the fault",
    task='Write biased(f, w, c): those of "ABC" whose exact mean is not the gradient of f at w, as a text, or "none".',
    call="biased(f, w, c)",
    first=((LOSSES[1], np.array([1.0, 2.0]), 0.5), (LOSSES[3], np.zeros(2), 1.0)),
    inputs=lambda st: st.tuples(one_from(st, LOSSES), tables(st, 2), one_from(st, (0.5, 1.0))),
    draws=16,
    expected=lambda f, w, c: _letters(_biased(f, w, c)),
    mistakes={
        "B looks one-sided, and its even part has the mean 0: compare exact means, not looks.": (
            lambda f, w, c: _letters(_biased(f, w, c) | {"B"}),
            lambda f, w, c: "B",
        ),
        "C is always wrong, you say: where the gradient is 0, its mean is right.": (
            lambda f, w, c: _letters(_biased(f, w, c) | {"C"}),
            lambda f, w, c: "C",
        ),
        "A is right for quadratics; on a cubic it has a bias of c², which is above 10⁻⁹.": (
            lambda f, w, c: _letters(_biased(f, w, c) - {"A"})
        ),
        'Where no letter is found the text is "none", and not empty.': (
            lambda f, w, c: "".join(sorted(_biased(f, w, c)))
        ),
        'The letters are right. They are written as "AC": capitals, in order, with nothing between.': (
            lambda f, w, c: _letters(_biased(f, w, c)).lower(),
            lambda f, w, c: ", ".join(sorted(_biased(f, w, c))) or "none",
            lambda f, w, c: ",".join(sorted(_biased(f, w, c))) or "none",
            lambda f, w, c: " ".join(sorted(_biased(f, w, c))) or "none",
            lambda f, w, c: "".join(sorted(_biased(f, w, c), reverse=True)) or "none",
            lambda f, w, c: sorted(_biased(f, w, c)),
        ),
        "A mean below the gradient is biased, too: compare the size of the difference.": (
            lambda f, w, c: _letters(_above(f, w, c))
        ),
        "Those are the letters whose mean is right.": (lambda f, w, c: _letters(set("ABC") - _biased(f, w, c))),
        "Single outcomes are compared with the gradient; the mean over all of them is.": lambda f, w, c: "ABC",
        "Nothing is found: is the mean compared with the gradient, or with itself?": lambda f, w, c: "none",
        "A tolerance as wide as that hides the bias: 10⁻⁹ was asked.": (
            lambda f, w, c: _letters(_biased(f, w, c, close=2.0))
        ),
    },
)

LESSON_10 = (OUTCOMES, QUADRATURE, FAULT)
