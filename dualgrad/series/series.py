"""The Series: a Dual with more coefficients, what an operation makes of it, and the kinds of rule that need no more."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import is_host
from ..bent import answering
from ..dual import LIVE, Dual, as_array, is_basic, lead_of, lift, new_level, refuse_dual_index, require_writable, store
from ..rules.absorb import absorb, absorbing_bilinear, has_nan, quietly
from ..rules.declare import plus
from ..rules.writes import WRITES
from ..scratch import empty_like
from ..tables import KINDS, RULES
from ..ties import TIED, where_tied
from ..tree import LEAF, flatten, leaf, map_leaves, unflatten

SHORT_CUTS = []  # functions that know a rule for all coefficients at once: (function, args, kwargs) -> it, or None
GROUND = {}  # function -> its rule, where that is not an integral of the tangent rule: (f, the series, *arguments)
OF_TABLES = {function: RULES[function] for function in TIED}  # another rule has no short cut
_RUNNING = {}  # level -> {what is being computed: its result}, while an operation of that level runs


@leaf
class Series(answering(lambda function, args, kwargs: apply(function, args, kwargs))):
    """x₀ + x₁ t + ... + xₙ tⁿ with array coefficients: the first ones ``known``, the rest by ``following(k)``.

    Programs receive Series inside `taylor`. It is a Dual with more coefficients: where the two meet, Python and NumPy
    ask the Series first.
    """

    __slots__ = ("following", "known", "order", "rest")

    axes = 1  # in front of those of the value, in ``rest``

    def __init__(
        self, value: Any, order: int, level: int, following: Callable[[int], Any] | None, frozen: bool = False
    ) -> None:
        self.known, self.order, self.level, self.following, self.frozen = [value], order, level, following, frozen
        self.rest = None  # x₁, ..., xₙ in one array, of which those that are known are views

    primal = property(lambda self: self.known[0])

    @property
    def tangent(self):
        """Refused: a series has no tangent, and a rule that asks for one is not fit for series."""
        raise NotImplementedError("this operation has no Taylor rule: nest dg.derivative for the higher derivatives")

    def coefficient(self, k: int) -> Any:
        """xₖ."""
        while len(self.known) <= k:
            self.known.append(self.following(len(self.known)))
        if len(self.known) > self.order:
            self.following = None  # lets go of the operands: nothing is taped
        return self.known[k]

    def derivative(self) -> "Series":
        """x'(t) = Σ (k + 1) xₖ₊₁ tᵏ."""
        if self.rest is not None and self.order > 1:
            x = graded(self.rest)
            return stacked(coefficient_in(x, 0, self.primal), x[1:], self.level)
        following = lambda k: (k + 1) * self.coefficient(k + 1)  # noqa: E731
        return Series(following(0), self.order - 1, self.level, following)

    def __getitem__(self, index):
        lead_of(self)
        refuse_dual_index(index)
        if self.rest is not None:
            y = pushed_together(lambda x: x[index], [self])
            return stacked(y.primal, y.tangent, self.level, y.frozen)
        at = lambda k: self.coefficient(k)[index]  # noqa: E731
        return complete(Series(at(0), self.order, self.level, at, self.frozen and is_basic(index)))

    def __setitem__(self, index, value):
        lead_of(self)
        refuse_dual_index(index)
        require_writable(self)
        value = as_array(value)

        def written(k, x):
            x[index] = coefficient_of(value, self.level, k)
            return x

        for k, x in enumerate(self.known):
            written(k, x)
        if before := self.following:
            self.following = lambda k: written(k, before(k))

    def by_degree(self):
        """x₀, ..., xₙ."""
        return [self.coefficient(k) for k in range(self.order + 1)]

    def of_degrees(self, parts):
        """The series of other coefficients."""
        y = Series(parts[0], self.order, self.level, None)
        y.known = list(parts)
        return y

    def of_rest(self, value, rest):
        """The series of a value and the rest of its coefficients."""
        return stacked(value, rest, self.level)

    def with_care(self, function, args, kwargs):
        """A function, coefficient by coefficient."""
        return one_by_one(function, args, kwargs)

    def revalued(self, value):
        """The same with another value."""
        self.known[0] = value
        return self

    def astype(self, dtype, **kwargs):
        """The series with coefficients of another precision."""
        return complete(linear_series(lambda x: x.astype(dtype, **kwargs), [self]))

    def __repr__(self):
        return f"Series({self.dtype}[{', '.join(map(str, self.shape))}], order {self.order}, level {self.level})"

    def __str__(self):
        return " + ".join(str(x) if k == 0 else f"{x} t^{k}" for k, x in enumerate(self.known))


def coefficient_of(x, level, k):
    """xₖ; a constant is its own first coefficient."""
    if x.__class__ is Series and x.level == level:
        return x.coefficient(k)
    if k == 0:
        return x
    return type(x)() if isinstance(x, (int, float, complex)) else np.zeros_like(x)  # Python's 0 has no precision


def complete(tree):
    """All coefficients of all series, unless an operation is under way, which asks for those it needs."""
    for y in flatten(tree)[0]:
        if y.__class__ is Series and y.level not in _RUNNING:
            quietly(y.coefficient, y.order)
    return tree


# ---------------------------------------------------------------------- all coefficients in one array


def stacked(value, rest, level, frozen=False):
    """The series of a plain value and the rest of its coefficients, which lie in one array."""
    x = Series(value, len(rest), level, None, frozen)
    x.known.extend(rest if rest.ndim > 1 else (coefficient_in(rest, k, value) for k in range(len(rest))))
    x.rest = rest
    return x


def coefficient_in(rest, k, value):
    """A view, or a number beside a number."""
    return rest[k, ...] if value.__class__ is np.ndarray else rest[k]


def restacked(x, operands):
    """A complete series of plain arrays of its own, none of them an operand's, with the rest of them in one."""
    value, *rest = x.known
    if rest and all(_is_own(c, operands) and c.dtype is value.dtype for c in x.known):
        return stacked(value, np.stack(rest), x.level)
    return x


def _is_own(c, operands):
    """Whether a coefficient is plain and nobody else's: no view, and no operand that was given back as it is."""
    given_back = any(a is c for x in operands if x.__class__ is Series for a in x.known)
    return is_host(c) and getattr(c, "base", None) is None and not given_back


def graded(rest):
    """j xⱼ."""
    j = np.arange(1, len(rest) + 1, dtype=rest.real.dtype).reshape((-1,) + (1,) * (rest.ndim - 1))
    return np.multiply(rest, j, out=empty_like(rest))


def pushed_together(f, xs):
    """f of Duals whose tangents are x₁, ..., xₙ."""
    order = min(x.order for x in xs)
    level = new_level((order,))
    try:
        return f(*(Dual(x.primal, x.rest[:order], level, x.frozen) for x in xs))
    finally:
        LIVE.pop(level)


# ---------------------------------------------------------------------- one operation


def apply(function, args, kwargs):
    """A function of arguments with a Series of the highest level among them."""
    for rule_for in SHORT_CUTS:
        if rule := rule_for(function, args, kwargs):
            return rule(function, *args, **kwargs)
    return one_by_one(function, args, kwargs)


def one_by_one(function, args, kwargs):
    """The same, coefficient by coefficient."""
    if kwargs.get("out") is not None:
        return store(kwargs["out"], apply(function, args, {k: v for k, v in kwargs.items() if k != "out"}))
    leaves, structure = flatten((args, kwargs))
    top = max((a for a in leaves if isinstance(a, Dual)), key=lambda a: a.level)
    level = top.level
    lead_of(top)
    if top.__class__ is Dual or KINDS.get(function) == "constant" or function in WRITES:
        return RULES[function](*args, **kwargs)
    if top.__class__ is not Series:
        return top.__array_function__(function, (), args, kwargs)
    if level in _RUNNING:
        return _lazily(function, leaves, structure, level)
    _RUNNING[level] = {}
    try:
        result = _lazily(function, leaves, structure, level)
        for y in flatten(result)[0]:
            if y.__class__ is Series:
                quietly(y.coefficient, y.order)
        return map_leaves(lambda y: restacked(y, leaves) if y.__class__ is Series else y, result)
    finally:
        del _RUNNING[level]


def _lazily(function, leaves, structure, level):
    """The result with its first coefficient; the same question is answered by the same series, which is what lets
    sin ask for cos and cos for sin."""
    asked = function, structure, tuple(id(a) if isinstance(a, np.ndarray | Dual) else _token(a) for a in leaves)
    if asked in _RUNNING[level]:
        return _RUNNING[level][asked][0]
    moving = [i for i, a in enumerate(leaves) if a.__class__ is Series and a.level == level]
    xs = [leaves[i] for i in moving]
    positional, by_name = structure.children
    bare = positional.children == (LEAF,) * len(xs) and not by_name.keys

    def f(*moved):
        if bare:
            return lift(function(*moved))
        filled = list(leaves)
        for i, a in zip(moving, moved, strict=True):
            filled[i] = a
        args, kwargs = unflatten(structure, filled)
        return lift(function(*args, **kwargs))

    def answer(result):
        _RUNNING[level][asked] = result, leaves  # the leaves stay alive, so that their ids stay theirs
        return result

    kind = KINDS.get(function)
    if kind == "linear" or (kind == "bilinear" and len(xs) == 1):
        return answer(linear_series(f, xs))
    if kind == "bilinear" and len(xs) == 2:
        return answer(cauchy_product(operator.mul if function is np.multiply else f, *xs))
    replaced = RULES.get(function) is not OF_TABLES.get(function)
    if function in TIED and not replaced:
        args, kwargs = unflatten(structure, leaves)
        tied = where_tied(function, None, *args, **kwargs)
        if tied is not None:
            return answer(tied)
    if function in GROUND and not replaced:
        args, kwargs = unflatten(structure, leaves)
        return answer(GROUND[function](f, xs, *args, **kwargs))
    return _integral(f, xs, answer, kind == "elementwise" or isinstance(function, np.ufunc))


def _token(a):
    try:
        hash(a)
    except TypeError:
        return id(a)
    return type(a), a


def new(value, like, following, frozen=False):
    """A series of the order and level of another."""
    return Series(value, like.order, like.level, following, frozen)


def _integral(f, xs, answer, entrywise):
    """y = f(x₀) + ∫ ∂f(x) x' dt, the integrand by the tangent rule of f."""
    values, structure = flatten(f(*(x.primal for x in xs)))
    integrand = []

    def following(i, k):
        if not integrand:
            level = new_level(())
            try:
                outputs, _ = flatten(f(*(Dual(x, x.derivative(), level) for x in xs)))
            finally:
                LIVE.pop(level)
            integrand.extend(y.tangent if isinstance(y, Dual) and y.level == level else None for y in outputs)
        if integrand[i] is None:
            return np.zeros_like(values[i])
        y = coefficient_of(integrand[i], xs[0].level, k - 1) / k
        return zero_where_still(y, xs, k) if entrywise else y

    inexact = [hasattr(v, "dtype") and np.issubdtype(v.dtype, np.inexact) for v in values]
    ys = [new(v, xs[0], lambda k, i=i: following(i, k)) if inexact[i] else v for i, v in enumerate(values)]
    return answer(unflatten(structure, ys))


def zero_where_still(y, xs, k):
    """yₖ, and 0 for NaN where no x has moved up to order k: 0 · inf = 0."""
    if not has_nan(y):
        return y
    return np.where(moved(xs, k), y, 0).astype(y.dtype)


def moved(xs, k):
    """Where any of the series has moved up to order k."""
    return functools.reduce(np.logical_or, (_is_nonzero(x.coefficient(j)) for x in xs for j in range(1, k + 1)))


def _is_nonzero(x):
    """Where a number is not 0, or what moves with it."""
    if x.__class__ is Series:
        return functools.reduce(np.logical_or, map(_is_nonzero, x.known))
    if x.__class__ is not Dual:
        return x != 0
    tangent = _is_nonzero(x.tangent)
    return _is_nonzero(x.primal) | (np.any(tangent, axis=0) if LIVE[x.level] else tangent)


def ground(rules):
    """Enter rules for functions, which hold as long as the tables have theirs."""
    GROUND.update(rules)
    OF_TABLES.update({function: RULES[function] for function in rules})


# ---------------------------------------------------------------------- the kinds of rule


def total(terms):
    """The sum of fresh arrays, into the first; one at a time, so that they stay in cache."""
    return functools.reduce(plus, terms)


def linear_series(f, xs):
    """yₖ = f(xₖ): what the tangent rule does to xₖ."""
    values, structure = flatten(f(*(x.primal for x in xs)))
    found = {}

    def outputs(k):
        if k not in found:
            level = new_level(())
            try:
                found[k] = flatten(f(*(Dual(x.primal, x.coefficient(k), level, x.frozen) for x in xs)))[0]
            finally:
                LIVE.pop(level)
        return found[k]

    def following(i, k):
        y = outputs(k)[i]
        return y.tangent if isinstance(y, Dual) else np.zeros_like(values[i])

    def frozen(i):
        """As the rule says, where there is something to write to: between operations."""
        return all(len(x.known) > 1 for x in xs) and getattr(outputs(1)[i], "frozen", False)

    ys = [new(v, xs[0], lambda k, i=i: following(i, k), frozen(i)) for i, v in enumerate(values)]
    return unflatten(structure, ys)


def cauchy_product(f, x, y):
    """zₖ = Σⱼ f(xⱼ, yₖ₋ⱼ)."""
    terms = convolution(f, x, y)

    def following(k):
        z = terms(k)
        return total(_absorbed(f, x, y, j, k - j) for j in range(k + 1)) if has_nan(z) and is_host(z) else z

    return new(f(x.primal, y.primal), x, following)


def convolution(f, x, y):
    """k -> Σⱼ f(xⱼ, yₖ₋ⱼ); in a square every term but the middle one stands twice."""

    def product(k):
        x.coefficient(k), y.coefficient(k)
        xs, ys = x.known, y.known
        return total(f(xs[j], ys[k - j]) for j in range(k + 1))

    def square(k):
        x.coefficient(k)
        xs, half = x.known, (k + 1) // 2
        twice = 2 * total(xs[j] * xs[k - j] for j in range(half)) if half else 0
        return twice if k % 2 else plus(xs[half] * xs[half], twice)

    return square if x is y and f is operator.mul else product


def _absorbed(f, x, y, i, j):
    """f(xᵢ, yⱼ), where 0 · inf = 0 for a zero motion."""
    x, y = x.coefficient(i), y.coefficient(j)
    if f is not operator.mul:
        return absorbing_bilinear(f, x, y) if i else absorbing_bilinear(lambda y, x: f(x, y), y, x)
    if isinstance(x, Dual) or isinstance(y, Dual):
        return absorb(y, x) if i else absorb(x, y)
    return np.where((x == 0) & (i > 0) | (y == 0) & (j > 0), 0, x * y)
