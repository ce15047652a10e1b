"""All coefficients of an operation at once, where those of its operands are plain and lie in one array.

To a linear function they are what n tangents are, and a function of which no more is known has its second derivative
as a tangent of a tangent; both are what the rules of Duals give. Of some functions more is known
(`dualgrad.series.stacked`).
"""

import numpy as np

from ..dual import LIVE, OBJECT, Dual, new_level
from ..rules.absorb import has_nan, parts, quietly
from ..rules.writes import WRITES
from ..tables import KINDS, RULES
from ..ties import STAND_INS, TIED
from ..tree import flatten, map_leaves, unflatten
from .series import GROUND, OF_TABLES, SHORT_CUTS, Series, coefficient_in, one_by_one, pushed_together, stacked
from .strict import strictly

AT_ONCE = {}  # function -> its rule for stacked series: (function, *arguments)

_CONSTANTS = {float, int, bool, complex, str, type(None), type, *np.sctypeDict.values()} - {np.object_}


def rule_for(function, args, kwargs):
    """The rule that gives all coefficients at once, where there is one and every operand is plain or stacked."""
    xs = [a for a in args if a.__class__ is Series]
    if not xs or any(x.rest is None or x.level != xs[0].level for x in xs) or xs[0].level not in LIVE:
        return None
    if not all(a.__class__ is Series or is_constant(a) for a in args) or not all(map(is_constant, kwargs.values())):
        return None
    kind = KINDS.get(function)
    if (kind == "linear" or kind == "bilinear" and len(xs) == 1) and function not in WRITES:
        return push_linear
    if not kwargs and function in AT_ONCE and RULES.get(function) is OF_TABLES[function]:
        return AT_ONCE[function]
    if kind == "bilinear" and len(xs) == 2:
        return push_bilinear
    if min(x.order for x in xs) != 2 or function not in RULES or kind == "constant" or function in WRITES:
        return None
    return push_nested if function not in GROUND.keys() - {np.linalg.solve} and function not in TIED else None


SHORT_CUTS.append(rule_for)


def is_constant(a):
    """Whether an argument is no Dual, nor holds one."""
    if a.__class__ is np.ndarray:
        return a.dtype is not OBJECT
    return all(e.__class__ is int for e in a) if a.__class__ is tuple else a.__class__ in _CONSTANTS


def stacked_or_careful(value, rest, function, args, kwargs):
    """The series of what was found at once, if anything was; where a NaN is in it, what is found one by one."""
    x = next(a for a in args if isinstance(a, Dual))
    if rest is None or quietly(has_nan, rest):
        return quietly(x.with_care, function, args, kwargs)
    return x.of_rest(value, rest)


def push_linear(function, *args, **kwargs):
    """A function that is linear in the series among its arguments: it does to x₁, ..., xₙ what it does to tangents."""
    f, xs = _of_series(RULES[function], args, kwargs)
    level = xs[0].level

    def series(y):
        return stacked(y.primal, y.tangent, level, y.frozen) if y.__class__ is Dual else y

    return map_leaves(series, pushed_together(f, xs))


def push_bilinear(function, *args, **kwargs):
    """A product of two: as if it were linear in both, and then what is of neither value."""
    f, (x, y) = _of_series(function, args, kwargs)
    z = pushed_together(f, [x, y])
    quietly(_add_inner_products, f, z.tangent, x.rest, y.rest)
    return stacked_or_careful(z.primal, z.tangent, function, args, kwargs)


def _add_inner_products(f, z, x, y):
    """zₖ += Σ f(xⱼ, yₖ₋ⱼ) over 0 < j < k."""
    for k in range(2, len(z) + 1):
        for j in range(1, k):
            z[k - 1] += f(x[j - 1], y[k - j - 1])


def push_nested(function, *args, **kwargs):
    """To second order: y₁ and 2 y₂ are the tangent and its tangent along x₁ and 2 x₂. Not where singular values or
    eigenvalues coincide on the way, of which these tangents know less than a series does."""
    f, xs = _of_series(RULES[function], args, kwargs)
    low, high = new_level(()), new_level(())
    STAND_INS.update((low, high))
    try:
        outputs, structure = flatten(strictly(lambda: f(*(_line(x, low, high) for x in xs))))
    except FloatingPointError:
        return one_by_one(function, args, kwargs)
    finally:
        STAND_INS.difference_update((low, high))
        LIVE.pop(low), LIVE.pop(high)
    ys = [quietly(_second, y, low, xs[0].level) if y.__class__ is Dual else y for y in outputs]
    if any(y.__class__ is Series and quietly(has_nan, y.rest) for y in ys):
        return quietly(one_by_one, function, args, kwargs)
    return unflatten(structure, ys)


def _line(x, low, high):
    """x + x₁ t + x₂ t² as a Dual of Duals."""
    first, second = coefficient_in(x.rest, 0, x.primal), coefficient_in(x.rest, 1, x.primal)
    return Dual(Dual(x.primal, first, low, True), Dual(first, 2 * second, low, True), high, True)


def _second(y, low, level):
    """The series of such a result."""
    (value, first), (_, twice) = parts(y.primal, low), parts(y.tangent, low)
    rest = np.empty((2, *value.shape), value.dtype)
    rest[0], rest[1] = 0 if first is None else first, 0 if twice is None else twice
    rest[1] /= 2
    return stacked(value, rest, level)


def _of_series(function, args, kwargs):
    """A function of the series among its arguments alone, and these."""
    at = [i for i, a in enumerate(args) if a.__class__ is Series]

    def f(*moved):
        filled = list(args)
        for i, a in zip(at, moved, strict=True):
            filled[i] = a
        return function(*filled, **kwargs)

    return f, [args[i] for i in at]
