"""Recurrences on plain arrays, where x₁, ..., xₙ lie in one array X of shape ``(n, *shape)``: all of a result at once.

Along K directions X is of shape ``(n, K, *shape)``.

What `dualgrad.series.series` makes of any rule is said here again of the few functions that programs are made of, for
speed: a sum over coefficients is one product, and large arrays go block by block, so that the coefficients of a block
stay in cache. x is the first coefficient, and D stands for j xⱼ. A result with a NaN in it, or where a quotient or a
power leaves the range of floating point on the way, is found again with care, one coefficient after the other.
"""

import functools

import numpy as np

from ..dual import Dual
from ..rules.absorb import quietly
from ..scratch import empty, empty_like
from ..tables import RULES
from .scaling import is_normal
from .series import OF_TABLES, graded
from .strict import strictly
from .together import AT_ONCE, push_linear, stacked_or_careful

ENTRIES_AT_ONCE = 40_000  # entries of all coefficients together, of which a few arrays stay in the second cache


def at_once(function, guarded=False):
    """Declare the recurrence of a function y = f(x): it writes Y, given ``(Y, y, x, X)``. ``guarded`` sends what leaves
    the range of floating point on the way to where it is looked after."""

    def declare(recurrence):
        def push(function, x):
            y = function(x.primal)
            return found(function, (x,), y, recurrence, [y, x.primal], [x.rest], guarded)

        AT_ONCE[function] = push
        return recurrence

    return declare


def found(function, args, value, recurrence, values, stacks, guarded=False):
    """The series of a value that a recurrence finds."""
    lead = next(x.axes for x in args if isinstance(x, Dual))
    rest = empty((*stacks[0].shape[:lead], *value.shape), value.dtype)
    if rest.size > ENTRIES_AT_ONCE and isinstance(function, np.ufunc) and all(v.shape == value.shape for v in values):
        recurrence = functools.partial(_by_blocks, recurrence, value.shape)
    elif any(s.ndim < rest.ndim for s in stacks):  # entries that meet several of the other's
        stacks = [s.reshape(*s.shape[:lead], *(1,) * (rest.ndim - s.ndim), *s.shape[lead:]) for s in stacks]
    try:
        (strictly if guarded else quietly)(recurrence, rest, *values, *stacks)
    except FloatingPointError:
        rest = None
    return stacked_or_careful(value, rest, function, args, {})


def _by_blocks(recurrence, shape, rest, *operands):
    """A recurrence of operands of as many entries as the result, a block of entries at a time."""
    rest, *operands = (a.reshape(*a.shape[: a.ndim - len(shape)], -1) for a in (rest, *operands))
    step = max(1, ENTRIES_AT_ONCE * rest.shape[-1] // rest.size)
    for start in range(0, rest.shape[-1], step):
        recurrence(*(a[..., start : start + step] for a in (rest, *operands)))


# ---------------------------------------------------------------------- sums over coefficients


def inner(a, b, k):
    """Σ aⱼ bₖ₋ⱼ over 0 < j < k."""
    return a[0] * b[0] if k == 2 else np.einsum("j...,j...->...", a[: k - 1], b[k - 2 :: -1])


def watched(a, b, k):
    """The same, by functions that note where a number over- or underflows."""
    return a[0] * b[0] if k == 2 else np.add.reduce(a[: k - 1] * b[k - 2 :: -1], axis=0)


# ---------------------------------------------------------------------- products and quotients


def of_product(Z, x, y, X, Y):
    """zₖ = Σ xⱼ yₖ₋ⱼ."""
    np.multiply(X, y, out=Z)
    Z += np.multiply(x, Y, out=empty_like(Z))
    for k in range(2, len(Z) + 1):
        Z[k - 1] += inner(X, Y, k)


def push_product(function, x, y):
    """x y."""
    value = x.primal * y.primal
    if x is y:
        return found(function, (x, x), value, of_square, [value, x.primal], [x.rest])
    return found(function, (x, y), value, of_product, [x.primal, y.primal], _rests(x, y))


def _rests(*xs):
    """The rest of several, up to where all are known."""
    order = min(x.order for x in xs)
    return [x.rest[:order] for x in xs]


@at_once(np.square)
def of_square(Y, y, x, X):
    """The product of x and x."""
    np.multiply(x, X, out=Y)
    Y += Y
    for k in range(2, len(Y) + 1):
        Y[k - 1] += inner(X, X, k)


def of_quotient(Z, z, y, Y, X=None):
    """zₖ = (xₖ - Σ zⱼ yₖ₋ⱼ) / y over j < k; without X, of a constant."""
    np.multiply(-z, Y, out=Z)
    if X is not None:
        Z += X
    Z /= y
    for k in range(2, len(Z) + 1):
        Z[k - 1] -= watched(Z, Y, k) / y


def push_quotient(function, x, y):
    """x / y."""
    if not isinstance(y, Dual):
        return push_linear(function, x, y)
    moves = isinstance(x, Dual)
    value = function(x.primal if moves else x, y.primal)
    stacks = _rests(y, x) if moves else [y.rest]
    return found(function, (x, y), value, of_quotient, [value, y.primal], stacks, guarded=True)


@at_once(np.reciprocal, guarded=True)
def of_reciprocal(Y, y, x, X):
    """The quotient of 1 and x."""
    of_quotient(Y, y, x, X)


@at_once(np.linalg.inv)
def of_inverse(Y, y, x, X):
    """yₖ = -y Σ xⱼ yₖ₋ⱼ over 0 < j <= k."""
    np.negative(y @ X @ y, out=Y)
    for k in range(2, len(Y) + 1):
        Y[k - 1] -= y @ sum(X[j - 1] @ Y[k - j - 1] for j in range(1, k))


# ---------------------------------------------------------------------- powers


@at_once(np.sqrt, guarded=True)
def of_sqrt(Y, y, x, X):
    """2 y yₖ = xₖ - Σ yⱼ yₖ₋ⱼ over 0 < j < k."""
    twice = 2 * y
    np.divide(X, twice, out=Y)
    for k in range(2, len(Y) + 1):
        Y[k - 1] -= watched(Y, Y, k) / twice


def of_power(Z, z, x, X, n):
    """Miller's recurrence: k x zₖ = Σ (n j - (k - j)) xⱼ zₖ₋ⱼ over 0 < j <= k."""
    np.multiply(X, n * z / x, out=Z)
    for k in range(2, len(Z) + 1):
        weights = [(n * j - (k - j)) / k for j in range(1, k)]
        terms = X[: k - 1] * np.array(weights, z.real.dtype).reshape((-1,) + (1,) * (X.ndim - 1))
        Z[k - 1] += watched(terms, Z, k) / x


def of_whole_power(Z, z, x, X, n):
    """Products, by squaring."""
    found, square = None, (x, X)
    while n:
        if n % 2:
            found = square if found is None else _watched_product(*found, *square)
        n = n // 2
        square = _watched_product(*square, *square) if n else None
    Z[...] = found[1]


def _watched_product(x, X, y, Y):
    Z = X * y
    Z += x * Y
    for k in range(2, len(Z) + 1):
        Z[k - 1] += watched(X, Y, k)
    return x * y, Z


def push_power(function, x, n):
    """xⁿ for a number n: of a whole one below the order products, of another, where the value allows, by Miller."""
    if n.__class__ not in (int, float):
        return (x if isinstance(x, Dual) else n).with_care(function, (x, n), {})
    value = function(x.primal, n)
    if 0 < n <= max(2, x.order - 1) and n == int(n):
        recurrence = functools.partial(of_whole_power, n=int(n))
    elif is_normal(value):
        recurrence = functools.partial(of_power, n=n)
    else:
        return quietly(x.with_care, function, (x, n), {})
    return found(function, (x, n), value, recurrence, [value, x.primal], [x.rest], guarded=True)


# ---------------------------------------------------------------------- integrals: yₖ = Σ j xⱼ gₖ₋ⱼ / k where y' = g x'


@at_once(np.exp)
def of_exp(Y, y, x, X):
    """y' = y x'."""
    D = graded(X)
    np.multiply(y, X, out=Y)
    for k in range(2, len(Y) + 1):
        Y[k - 1] += inner(D, Y, k) / k


@at_once(np.log, guarded=True)
def of_log(Y, y, x, X):
    """x y' = x'."""
    np.divide(X, x, out=Y)
    D = graded(Y)
    for k in range(2, len(Y) + 1):
        rest = watched(D, X, k) / x
        D[k - 1] -= rest
        Y[k - 1] -= rest / k


@at_once(np.log1p, guarded=True)
def of_log1p(Y, y, x, X):
    """The logarithm of 1 + x."""
    of_log(Y, y, 1 + x, X)


@at_once(np.tanh)
def of_tanh(Y, y, x, X):
    """y' = g x' with g = 1 - y²."""
    D, G, c = graded(X), empty_like(Y), np.cosh(x)
    np.divide(X, c, out=Y)
    Y /= c
    twice = -2 * y
    for k in range(1, len(Y) + 1):
        if k > 1:
            Y[k - 1] += inner(D, G, k) / k
        G[k - 1] = twice * Y[k - 1]
        if k > 1:
            G[k - 1] -= inner(Y, Y, k)


def _each_other(sign, Y, y, z, X):
    """y' = z x' and z' = sign y x', of two that are each other's derivatives."""
    D, Z = graded(X), empty_like(Y)
    np.multiply(z, X, out=Y)
    np.multiply(sign * y, X, out=Z)
    for k in range(2, len(Y) + 1):
        more, rest = inner(D, Z, k), inner(D, Y, k)
        Y[k - 1] += more / k
        Z[k - 1] += rest / (sign * k)


@at_once(np.sin)
def of_sin(Y, y, x, X):
    """With the cosine."""
    _each_other(-1, Y, y, np.cos(x), X)


@at_once(np.cos)
def of_cos(Y, y, x, X):
    """With the sine, whose sign is turned."""
    _each_other(-1, Y, y, -np.sin(x), X)


@at_once(np.sinh)
def of_sinh(Y, y, x, X):
    """With the hyperbolic cosine."""
    _each_other(1, Y, y, np.cosh(x), X)


@at_once(np.cosh)
def of_cosh(Y, y, x, X):
    """With the hyperbolic sine."""
    _each_other(1, Y, y, np.sinh(x), X)


AT_ONCE.update({np.multiply: push_product, np.divide: push_quotient, np.power: push_power})
OF_TABLES.update({function: RULES[function] for function in AT_ONCE})
