"""Points that nobody asked for: a function need not be defined there, and then nothing is said of it.

A point at which f raises, warns or is not finite is passed over, and so is one at which differences do not settle in
every entry, or are no linear map of the direction.
"""

import warnings

import numpy as np

from ...errors import DualgradError
from ...tree import flatten
from ..report import Check, compare, row
from .oracles import has_settled, slope_at_0
from .pointwise import SETTLED, STEP_SIZES, AtPoint, largest_finite

REFUSALS = DualgradError, ArithmeticError, np.linalg.LinAlgError  # an engine's own words for "not here"


def random_direction(rng, x):
    """±U(0.2, 1) in every entry, turned by any angle for complex x."""
    shape = np.shape(x)
    v = rng.uniform(0.2, 1, shape) * rng.signs(shape)
    return v * np.exp(1j * rng.uniform(0, 2 * np.pi, shape)) if np.iscomplexobj(x) else v


def defined(f, xs):
    """The checks at xs; None where f raises, warns or is not finite."""
    with warnings.catch_warnings(), np.errstate(divide="raise", over="raise", invalid="raise"):
        warnings.simplefilter("error")
        try:
            at = AtPoint(f, xs)
        except Exception:  # whatever f says of a point it is not made for
            return None
    return at if np.all(np.isfinite(at.value)) and at.value.dtype.kind in "fc" else None


def pushed(at, v, refusals=REFUSALS):
    """The leaves of the value and of the tangent, an error, or None where the engine refuses; one's own may refuse."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            y, dy = at.f.push(at.xs, v)
            return flatten(y)[0], flatten(dy)[0]
        except Exception as error:
            return None if at.f.own or isinstance(error, refusals) else error


def raised(name, oracle, note, error):
    return Check(name, oracle, "failed", note=f"{note}: {type(error).__name__}: {error}")


def tangent_at(at, rng, name, note, refusals=REFUSALS):
    """The tangent along a random direction against central differences."""
    if at is None:
        return None
    v = [random_direction(rng, x) for x in at.xs]
    pair = pushed(at, v, refusals)
    if pair is None or isinstance(pair, Exception):
        return pair and raised(name, "central differences", note, pair)
    return against_differences(at, v, row(pair[1]), name, note, rng)


def against_differences(at, v, found, name, note, rng):
    """By five points if they agree; else by `_settled_slope`, where it says anything."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            expected = _five_points(at.line(v))
            budget = at.budget(expected, 1e-6)
            if found.shape == at.value.shape and not np.all(np.abs(found - expected) <= budget):
                expected, budget = _settled_slope(at, v, rng)
        except Exception:  # f ends here, or its result has another shape nearby, or it has no derivative
            return None
    if not np.all(np.isfinite(found)) and not all(map(np.any, at.xs)):
        return None  # as of a norm, squared, where all is zero or nothing is there
    return compare(name, "central differences", at.elements, found, expected, budget, note=note)


def _five_points(g, h=1e-3):
    return (8 * (g(h) - g(-h)) - (g(2 * h) - g(-2 * h))) / (12 * h)


def _settled_slope(at, v, rng):
    """The derivative along v by differences, and its uncertainty; an error unless they settle in every entry, from both
    sides, and are additive, as at a tie they are not."""
    at.size = max(at.size, largest_finite(at.line(v)(0.05)))  # where f and its derivative are both zero
    w = [random_direction(rng, x) for x in at.xs]
    both = [a + b for a, b in zip(v, w, strict=True)]
    noise = at.eps * at.size + at.rounding(v, 0.05)
    slopes = [slope_at_0(at.line(d), rows=STEP_SIZES, noise=noise) for d in (v, w, both)]
    budgets = [at.budget(slope.value, 1e-6) + 10 * slope.error for slope in slopes]
    for slope in slopes:
        even = np.abs(slope.right - slope.left) <= 1e-3 * (1 + np.abs(slope.value))
        if not np.all(even & has_settled(slope, at.budget(slope.value, SETTLED))):
            raise ArithmeticError("a kink, a jump or a singularity")
    first, second, third = (slope.value for slope in slopes)
    if not np.all(np.abs(first + second - third) <= sum(budgets)):
        raise ArithmeticError("no linear map")
    return first, budgets[0]
