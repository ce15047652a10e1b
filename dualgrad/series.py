"""Taylor mode: x(t) = x₀ + x₁ t + ... + xₙ tⁿ travels through NumPy, every operation truncated at tⁿ.

The rule tables are enough. A function y = f(x) satisfies y' = ∂f(x) x', and ∂f(x) x' is what its tangent rule makes of
the Dual x + ε x'. So yₖ = (∂f(x) x')ₖ₋₁ / k, where the right side needs y up to order k - 1 only (Griewank and Walther
2008, section 13.2): coefficients are computed when they are asked for, and all of them by the end of an operation. Four
kinds of function are not an integral but the ground it stands on:

- a linear function acts on each coefficient,
- a bilinear one makes Cauchy products, zₖ = Σⱼ f(xⱼ, yₖ₋ⱼ),
- quotients and solutions of linear systems are Cauchy products turned round,
- powers obey the recurrence of J. C. P. Miller.

A coefficient of a Cauchy product is a sum of k terms, so an operation to order n costs O(n²) products.
"""

import functools

import numpy as np

from .backend import is_host
from .custom import custom_jvp
from .dual import (
    LIVE,
    Dual,
    as_array,
    as_arrays,
    is_basic,
    lead_of,
    lift,
    make,
    new_level,
    primal,
    refuse_dual_index,
    require_writable,
    store,
    without_rule,
)  # fmt: skip
from .errors import ShapeError
from .pushforward import evaluated, match_tangents
from .rules.absorb import has_nan, quietly
from .rules.declare import as_result, plus
from .rules.keywords import call_with_keywords
from .rules.linalg import _from_sublists as from_sublists
from .rules.linalg import _spelled_out as spelled_out
from .rules.operators import equip, in_place
from .rules.writes import WRITES
from .tables import KINDS, METHODS, RULES
from .ties import TIED, where_tied
from .tree import LEAF, flatten, map_leaves, returned, unflatten

_RUNNING = {}  # level -> {what is being computed: its result}, while an operation of that level runs


def taylor(f, x, v, order=4):
    """The Taylor coefficients of t -> f(x + t v) at 0, by truncated Taylor arithmetic: cₖ = f⁽ᵏ⁾(x; v, ..., v) / k!.

    Parameters
    ----------
    f : callable
        A function of one argument, written with ``np.*`` and operators; it may branch, loop and write into arrays.
    x : array, number, or tree of them (dict, list, tuple, Params)
        Floating or complex.
    v : like x
        The direction, of the shapes of x.
    order : int
        The highest power of t.

    Returns
    -------
    list of ``order + 1`` results in the structure of ``f(x)``: ``[f(x), ∂f(x) v, ...]``. The coefficients are not
    multiplied by factorials, which would overflow.

    Raises
    ------
    ShapeError
        For a direction of another shape.
    NotImplementedError
        For a function without a rule.

    Notes
    -----
    Each operation costs O(order²) products, where nested `jvp` costs 2 to 3 to the power of the order. Every function
    with a tangent rule has a Taylor rule. An entry that does not move contributes nothing (0 · inf = 0). Griewank and
    Walther 2008, chapter 13.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> print(*dg.taylor(np.exp, 0.0, 1.0, order=4))
    1.0 1.0 0.5 0.16666666666666666 0.041666666666666664
    >>> dg.taylor(lambda x: x[0] * x[1], np.array([1.0, 2.0]), np.array([1.0, 1.0]), order=2)
    [np.float64(2.0), np.float64(3.0), np.float64(1.0)]
    """
    if not isinstance(order, (int, np.integer)) or isinstance(order, bool) or order < 0:
        raise ValueError(f"got order={order!r}; expected an integer that is not negative")
    xs, vs, structure, lead = match_tangents((x,), (v,))
    if lead:
        raise ShapeError(f"taylor takes one direction; got {lead[0]} of them: call it once for each")
    level = new_level(())
    try:
        series = [_line(x, v, order, level) for x, v in zip(xs, vs, strict=True)]
        outputs, out_structure = flatten(map_leaves(lift, returned(evaluated(f, unflatten(structure, series)))))
        return [unflatten(out_structure, [_coefficient(y, level, k) for y in outputs]) for k in range(order + 1)]
    finally:
        LIVE.pop(level, None)


class Series(Dual):
    """x₀ + x₁ t + ... + xₙ tⁿ with array coefficients: the first ones ``known``, the rest by ``following(k)``.

    Programs receive Series inside `taylor`. It is a Dual with more coefficients: where the two meet, Python and NumPy
    ask the Series first.
    """

    __slots__ = ("following", "known", "order")

    def __init__(self, value, order, level, following, frozen=False):
        self.known, self.order, self.level, self.following, self.frozen = [value], order, level, following, frozen

    primal = property(lambda self: self.known[0])

    @property
    def tangent(self):
        """Refused: a series has no tangent, and a rule that asks for one is not fit for series."""
        raise NotImplementedError("this operation has no Taylor rule: nest dg.derivative for the higher derivatives")

    def coefficient(self, k):
        """xₖ."""
        while len(self.known) <= k:
            self.known.append(self.following(len(self.known)))
        if len(self.known) > self.order:
            self.following = None  # lets go of the operands: nothing is taped
        return self.known[k]

    def derivative(self):
        """x'(t) = Σ (k + 1) xₖ₊₁ tᵏ."""
        following = lambda k: (k + 1) * self.coefficient(k + 1)  # noqa: E731
        return Series(following(0), self.order - 1, self.level, following)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc not in RULES:
            return without_rule(ufunc, method, inputs, kwargs)
        inputs = tuple(map(_operand, inputs))
        if method != "__call__":
            return METHODS[method](ufunc, *inputs, **kwargs)
        return call_with_keywords(ufunc, _rules[ufunc], inputs, kwargs) if kwargs else apply(ufunc, inputs, {})

    def __array_function__(self, function, types, args, kwargs):
        if function not in RULES and not isinstance(function, custom_jvp):
            return make(self, function, args, kwargs)
        return apply(function, as_arrays(function, args), {name: as_array(a) for name, a in kwargs.items()})

    def __getitem__(self, index):
        lead_of(self)
        refuse_dual_index(index)
        at = lambda k: self.coefficient(k)[index]  # noqa: E731
        return _complete(Series(at(0), self.order, self.level, at, self.frozen and is_basic(index)))

    def __setitem__(self, index, value):
        lead_of(self)
        refuse_dual_index(index)
        require_writable(self)
        value = as_array(value)

        def written(k, x):
            x[index] = _coefficient(value, self.level, k)
            return x

        for k, x in enumerate(self.known):
            written(k, x)
        if before := self.following:
            self.following = lambda k: written(k, before(k))

    def __pow__(self, other):
        return np.power(self, other)

    def __rpow__(self, other):
        return np.power(other, self)

    __ipow__ = in_place(__pow__)

    def astype(self, dtype, **kwargs):
        """The series with coefficients of another precision."""
        return _complete(_linear(lambda x: x.astype(dtype, **kwargs), [self]))

    def __repr__(self):
        return f"Series({self.dtype}[{', '.join(map(str, self.shape))}], order {self.order}, level {self.level})"

    def __str__(self):
        return " + ".join(str(x) if k == 0 else f"{x} t^{k}" for k, x in enumerate(self.known))


def _operand(a):
    """The operand of a ufunc: a list is an array, and one Dual where there is one in it."""
    a = as_array(a)
    return np.asarray(a) if isinstance(a, (list, tuple)) else a


class _Rules(dict):
    """What stands in for the rule tables when the operators of a Series look a function up."""

    def __missing__(self, function):
        of = _operand if isinstance(function, np.ufunc) else as_array
        self[function] = lambda *args, **kwargs: apply(function, tuple(map(of, args)), kwargs)
        return self[function]


_rules = _Rules()
equip(Series, _rules)


def _line(x, v, order, level):
    """x + t v, in arrays of its own."""
    x, v = x.copy(), v.copy()
    return _complete(Series(x, order, level, lambda k: v if k == 1 else np.zeros_like(v)))


def _coefficient(x, level, k):
    """xₖ; a constant is its own first coefficient."""
    if x.__class__ is Series and x.level == level:
        return x.coefficient(k)
    return x if k == 0 else np.zeros_like(x)


def _complete(tree):
    """All coefficients of all series, unless an operation is under way, which asks for those it needs."""
    for y in flatten(tree)[0]:
        if y.__class__ is Series and y.level not in _RUNNING:
            quietly(y.coefficient, y.order)
    return tree


# ---------------------------------------------------------------------- one operation


def apply(function, args, kwargs):
    """A function of arguments with a Series of the highest level among them."""
    if kwargs.get("out") is not None:
        return store(kwargs["out"], apply(function, args, {k: v for k, v in kwargs.items() if k != "out"}))
    leaves, structure = flatten((args, kwargs))
    top = max((a for a in leaves if isinstance(a, Dual)), key=lambda a: a.level)
    level = top.level
    lead_of(top)
    if top.__class__ is Dual or KINDS.get(function) == "constant" or function in WRITES:
        return RULES[function](*args, **kwargs)
    if level in _RUNNING:
        return _lazily(function, leaves, structure, level)
    _RUNNING[level] = {}
    try:
        result = _lazily(function, leaves, structure, level)
        for y in flatten(result)[0]:
            if y.__class__ is Series:
                quietly(y.coefficient, y.order)
        return result
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
        return answer(_linear(f, xs))
    if kind == "bilinear" and len(xs) == 2:
        return answer(_cauchy(f, *xs))
    if function in TIED:
        args, kwargs = unflatten(structure, leaves)
        tied = where_tied(function, None, *args, **kwargs)
        if tied is not None:
            return answer(tied)
    if function in _GROUND:
        args, kwargs = unflatten(structure, leaves)
        return answer(_GROUND[function](f, xs, *args, **kwargs))
    return _integral(f, xs, answer, isinstance(function, np.ufunc))


def _token(a):
    try:
        hash(a)
    except TypeError:
        return id(a)
    return type(a), a


def _new(value, like, following, frozen=False):
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
        y = _coefficient(integrand[i], xs[0].level, k - 1) / k
        return _settled(y, xs, k) if entrywise else y

    inexact = [hasattr(v, "dtype") and np.issubdtype(v.dtype, np.inexact) for v in values]
    ys = [_new(v, xs[0], lambda k, i=i: following(i, k)) if inexact[i] else v for i, v in enumerate(values)]
    return answer(unflatten(structure, ys))


def _settled(y, xs, k):
    """yₖ, and 0 for NaN where no x has moved up to order k: 0 · inf = 0."""
    if not has_nan(y):
        return y
    moved = False
    for x in xs:
        for j in range(1, k + 1):
            moved = moved | (primal(x.coefficient(j)) != 0)
    return np.where(moved, y, 0).astype(y.dtype)


# ---------------------------------------------------------------------- the ground


def _total(terms):
    """The sum of fresh arrays, into the first."""
    return functools.reduce(plus, terms)


def _linear(f, xs):
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

    ys = [_new(v, xs[0], lambda k, i=i: following(i, k), frozen(i)) for i, v in enumerate(values)]
    return unflatten(structure, ys)


def _cauchy(f, x, y):
    """zₖ = Σⱼ f(xⱼ, yₖ₋ⱼ)."""

    def following(k):
        return _settled(_total(f(x.coefficient(j), y.coefficient(k - j)) for j in range(k + 1)), (x, y), k)

    return _new(f(x.primal, y.primal), x, following)


def _einsum(f, xs, *operands, **kw):
    """Products of more than two, two at a time."""
    subscripts, *operands = operands if isinstance(operands[0], str) else from_sublists(operands)
    terms, output, _ = spelled_out(subscripts, operands)
    while len(terms) > 2:
        (a, b, *terms), (x, y, *operands) = terms, operands
        kept = "".join(dict.fromkeys(c for c in a + b if c in output + "".join(terms)))
        terms, operands = [kept, *terms], [np.einsum(f"{a},{b}->{kept}", x, y), *operands]
    product = np.einsum(",".join(terms) + "->" + output, *operands)
    return _new(f(*(x.primal for x in xs)), xs[0], product.coefficient)


def _divide(f, xs, x, y):
    """z y = x: zₖ = (xₖ - Σ zⱼ yₖ₋ⱼ) / y₀ over j < k."""
    if not any(y is a for a in xs):
        return _linear(f, xs)

    def following(k):
        rest = _coefficient(x, y.level, k) - _total(z.coefficient(j) * y.coefficient(k - j) for j in range(k))
        return _settled(rest / y.primal, xs, k)

    z = _new(f(*(a.primal for a in xs)), y, following)
    return z


def _power(f, xs, x, n):
    """z = xⁿ for constant n: k x₀ zₖ = Σ (n j - (k - j)) xⱼ zₖ₋ⱼ over 0 < j <= k; products at x₀ = 0 for whole n."""
    value, moves = f(*(a.primal for a in xs)), any(n is a for a in xs)
    x, n = as_result(x, value.dtype), as_result(n, value.dtype)
    if moves:
        power = x**0 * np.exp(n * np.log(x))
        return _new(value, n, power.coefficient)

    def following(k):
        terms = (((n + 1) * j - k) * x.coefficient(j) * z.coefficient(k - j) for j in range(1, k + 1))
        y = _total(terms) / (k * x.primal)
        for whole, power in powers:
            y = np.where((primal(x) == 0) & (primal(n) == whole), power.coefficient(k), y)
        return _settled(y, xs, k).astype(value.dtype)

    z = _new(value, x, following)
    powers = [(whole, _whole_power(x, whole)) for whole in _whole_exponents(x, n)]
    return z


def _whole_exponents(x, n):
    """The exponents 0, 1, 2, ... among n; none where no entry of a host array is zero."""
    if np.ndim(n) and not is_host(n) or is_host(primal(x)) and np.all(primal(x)):
        return []
    return [int(a) for a in np.unique(primal(n)) if np.isreal(a) and a.real >= 0 and a.real == int(a.real)]


def _whole_power(x, n):
    """xⁿ by repeated squaring."""
    if n < 2:
        return x if n else np.ones_like(x)
    half = _whole_power(x, n // 2)
    return half * half * x if n % 2 else half * half


def _solve(f, xs, a, b):
    """a x = b: xₖ = a₀⁻¹ (bₖ - Σ aⱼ xₖ₋ⱼ) over 0 < j <= k."""
    if not any(a is s for s in xs):
        return _linear(f, xs)
    value = f(*(s.primal for s in xs))
    if np.ndim(b) == 1:
        return _new(value, a, np.linalg.solve(a, b[:, None])[..., 0].coefficient)

    def following(k):
        known = _total(np.matmul(a.coefficient(j), x.coefficient(k - j)) for j in range(1, k + 1))
        return np.linalg.solve(a.primal, _coefficient(b, a.level, k) - known)

    x = _new(value, a, following)
    return x


_GROUND = {
    np.divide: _divide, np.power: _power, np.float_power: _power, np.linalg.solve: _solve, np.einsum: _einsum,
}  # fmt: skip
