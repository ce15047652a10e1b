"""Taylor mode: x(t) = x₀ + x₁ t + ... + xₙ tⁿ travels through NumPy, every operation truncated at tⁿ.

The rule tables are enough. A function y = f(x) satisfies y' = ∂f(x) x', and ∂f(x) x' is what its tangent rule makes of
the Dual x + ε x'. So yₖ = (∂f(x) x')ₖ₋₁ / k, where the right side needs y up to order k - 1 only (Griewank and Walther
2008, section 13.2): coefficients are computed when they are asked for, and all of them by the end of an operation. Four
kinds of function are not an integral but the ground it stands on:

- a linear function acts on each coefficient,
- a bilinear one makes Cauchy products, zₖ = Σⱼ f(xⱼ, yₖ₋ⱼ),
- quotients and solutions of linear systems are Cauchy products turned round,
- whole powers are products, and the others obey the recurrence of J. C. P. Miller.

A coefficient of a Cauchy product is a sum of k terms, so an operation to order n costs O(n²) products.

The cube of 1e-200 is 0, and so is the number that Miller's recurrence makes of it; its third derivative is 6. Where the
arithmetic of a quotient or a power over- or underflows, which the processor notes at no cost, it is done again on
x = 2^α (x̂₀ + x̂₁ 2^β t + x̂₂ 2^2β t² + ...), with α and β such that no x̂ⱼ is more than about 2, entry by entry. Powers of
two lose nothing, and what is representable comes out right.
"""

import functools
import operator

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
from .operators import operators
from .pushforward import evaluated, match_tangents
from .rules.absorb import absorb, absorbing_bilinear, has_nan, product, quietly, strictly
from .rules.declare import as_result, plus
from .rules.einsum import from_sublists, spelled_out
from .rules.keywords import call_with_keywords
from .rules.lead import broadcast
from .rules.writes import WRITES
from .tables import KINDS, METHODS, RULES
from .ties import TIED, where_tied
from .tree import LEAF, flatten, map_leaves, rebuild, returned, unflatten

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
        outputs, out_structure = flatten(map_leaves(lift, returned(evaluated(f, rebuild(structure, series)))))
        return [unflatten(out_structure, [_coefficient(y, level, k) for y in outputs]) for k in range(order + 1)]
    finally:
        LIVE.pop(level, None)


class _Rules(dict):
    """What stands in for the rule tables when the operators of a Series look a function up."""

    def __missing__(self, function):
        of = _operand if isinstance(function, np.ufunc) else as_array
        self[function] = lambda *args, **kwargs: apply(function, tuple(map(of, args)), kwargs)
        return self[function]


def _operand(a):
    """The operand of a ufunc: a list is an array, and one Dual where there is one in it."""
    a = as_array(a)
    return np.asarray(a) if isinstance(a, (list, tuple)) else a


_rules = _Rules()


class Series(operators(_rules), Dual):
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

    def joined(self, leaves, shape):
        """Numbers and series as one array."""
        return np.reshape(np.stack(leaves), shape)

    def through(self, thing, by_engine, *args, **kwargs):
        """A loss or cell that was called with this among its arguments: its function, operation by operation."""
        return by_engine(*args, **kwargs)

    def through_layer(self, layer, p, x, kwargs):
        """A layer that was called with this among its arguments."""
        return layer.forward(p, x, **kwargs)

    def revalued(self, value):
        """The same with another value."""
        self.known[0] = value
        return self

    def astype(self, dtype, **kwargs):
        """The series with coefficients of another precision."""
        return _complete(_linear(lambda x: x.astype(dtype, **kwargs), [self]))

    def __repr__(self):
        return f"Series({self.dtype}[{', '.join(map(str, self.shape))}], order {self.order}, level {self.level})"

    def __str__(self):
        return " + ".join(str(x) if k == 0 else f"{x} t^{k}" for k, x in enumerate(self.known))


def _line(x, v, order, level):
    """x + t v, in arrays of its own."""
    x, v = x.copy(), v.copy()
    return _complete(Series(x, order, level, lambda k: v if k == 1 else np.zeros_like(v)))


def _coefficient(x, level, k):
    """xₖ; a constant is its own first coefficient."""
    if x.__class__ is Series and x.level == level:
        return x.coefficient(k)
    if k == 0:
        return x
    return type(x)() if isinstance(x, (int, float, complex)) else np.zeros_like(x)  # Python's 0 has no precision


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
        return answer(_cauchy(operator.mul if function is np.multiply else f, *xs))
    replaced = RULES.get(function) is not _OF_TABLES.get(function)
    if function in TIED and not replaced:
        args, kwargs = unflatten(structure, leaves)
        tied = where_tied(function, None, *args, **kwargs)
        if tied is not None:
            return answer(tied)
    if function in _GROUND and not replaced:
        args, kwargs = unflatten(structure, leaves)
        return answer(_GROUND[function](f, xs, *args, **kwargs))
    return _integral(f, xs, answer, kind == "elementwise" or isinstance(function, np.ufunc))


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
    return np.where(_moved(xs, k), y, 0).astype(y.dtype)


def _moved(xs, k):
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


# ---------------------------------------------------------------------- the ground


def _total(terms):
    """The sum of fresh arrays, into the first; one at a time, so that they stay in cache."""
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
    terms = _product(f, x, y)

    def following(k):
        z = terms(k)
        return _total(_absorbed(f, x, y, j, k - j) for j in range(k + 1)) if has_nan(z) and is_host(z) else z

    return _new(f(x.primal, y.primal), x, following)


def _product(f, x, y):
    """k -> Σⱼ f(xⱼ, yₖ₋ⱼ); in a square every term but the middle one stands twice."""

    def product(k):
        x.coefficient(k), y.coefficient(k)
        xs, ys = x.known, y.known
        return _total(f(xs[j], ys[k - j]) for j in range(k + 1))

    def square(k):
        x.coefficient(k)
        xs, half = x.known, (k + 1) // 2
        twice = 2 * _total(xs[j] * xs[k - j] for j in range(half)) if half else 0
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


# ---------------------------------------------------------------------- quotients and powers


def _divide(f, xs, x, y):
    """z = x / y."""
    if not any(y is a for a in xs):
        return _linear(f, xs)
    value, level = f(*(a.primal for a in xs)), y.level
    x = value.dtype.type(x) if isinstance(x, (int, float, complex)) else x

    def rescaled(k):
        start, pace = _scales(y, k)
        size = _most([_exponent(_coefficient(x, level, j)) - pace * j for j in range(k + 1)])
        above, below = _rescaled(x, y, k, size, pace), _rescaled(y, y, k, start, pace)
        z = _recurrent(above.primal / below.primal, y, lambda z, k: _quotient(z, k, above, below))
        return _shifted(z.coefficient(k), size - start + pace * k)

    return _guarded(value, y, lambda z, k: _quotient(z, k, x, y), rescaled, xs)


def _quotient(z, k, x, y):
    """zₖ = (xₖ - Σ zⱼ yₖ₋ⱼ) / y₀ over j < k."""
    y.coefficient(k)
    ys, zs = y.known, z.known
    return (_coefficient(x, y.level, k) - _total(zs[j] * ys[k - j] for j in range(k))) / ys[0]


def _power(f, xs, x, n):
    """z = xⁿ."""
    value = f(*(a.primal for a in xs))
    x, n = as_result(x, value.dtype), as_result(n, value.dtype)
    if n.__class__ is Series and n.level == xs[0].level:
        return _moving_power(value, x, n)
    host = is_host(primal(value))
    normal = host and _is_normal(primal(value))
    whole = _is_whole(n, max(2, x.order - 1) if normal else max(64, x.order))
    if whole is True or np.all(whole):
        return _whole_power(value, x, n)
    z = _constant_power(f, value, x, n, normal or not host)
    if np.any(whole):
        products, other = _whole_power(value, x, np.where(whole, n, 0)), z
        z = _new(value, x, lambda k: np.where(whole, products.coefficient(k), other.coefficient(k)))
    flat = host and not isinstance(n, Dual) and np.isinf(primal(x)) & (np.real(n) < 1)  # every derivative fades
    return _new(value, x, lambda k: np.where(flat, 0, z.coefficient(k)).astype(value.dtype)) if np.any(flat) else z


def _is_normal(value):
    """Whether no entry is 0, subnormal or infinite."""
    try:
        strictly(lambda: 1 / value * value)
    except FloatingPointError:
        return False
    return True


def _is_whole(n, limit):
    """Where a constant exponent is one of 0, 1, 2, ..., limit. Products are right for all of these; the recurrence is,
    too, up to the order n, beyond which its terms cancel."""
    if isinstance(n, (int, float)):
        return 0 <= n <= limit and n == int(n)
    if isinstance(n, Dual) or not is_host(n):
        return False
    return np.isreal(n) & (np.real(n) >= 0) & (np.real(n) <= limit) & (np.real(n) == np.rint(np.real(n)))


def _whole_power(value, x, n):
    """Products."""
    n = np.real(n).astype(int) if isinstance(n, np.ndarray) else int(np.real(n))

    def products(x):
        found = []

        def step(z, k):
            if not found:
                found.append(_by_squaring(x, n))
            power = found[0]
            if power is None:
                return np.zeros_like(value)
            y = power.coefficient(k)
            return y if power is not x and y.shape == value.shape else broadcast(y, (), value.shape, value.dtype)

        return step

    def rescaled(k):
        start, pace = _scales(x, k)
        return _shifted(products(_rescaled(x, x, k, start, pace))(None, k), n * start + pace * k)

    step = products(x)
    if np.ndim(n) == 0 and n <= 2:
        return _recurrent(value, x, lambda z, k: _settled(step(z, k), (x,), k))
    return _guarded(value, x, step, rescaled, (x,))


def _by_squaring(x, n):
    """xⁿ of whole numbers n, or None where it is 1 everywhere."""
    power, square = None, x
    some, every = (np.any, np.all) if isinstance(n, np.ndarray) else (bool, bool)
    while some(n):
        bit = n % 2 == 1
        if some(bit):
            factor = square if every(bit) else _masked(bit, square)
            power = factor if power is None else _times(power, factor)
        n = n // 2
        square = _times(square, square) if some(n) else square
    return power


def _masked(where, x):
    return _new(np.where(where, x.primal, 1), x, lambda k: np.where(where, x.coefficient(k), 0))


def _times(x, y):
    return _new(x.primal * y.primal, x, _product(operator.mul, x, y))


def _constant_power(f, value, x, n, normal):
    """Miller's recurrence from the value, where that is normal."""

    def rescaled(k):
        start, pace = _scales(x, k)
        near = _rescaled(x, x, k, start, pace)
        z = _recurrent(f(near.primal), x, lambda z, k: _miller(z, k, near, n))
        real = value.real.dtype
        exponent = n if isinstance(n, Dual) or np.iscomplexobj(n) else np.asarray(n, real)[()]
        whole, unit = np.rint(np.real(primal(exponent))), np.ldexp(real.type(1), start.astype(np.intc))
        rest = np.where(whole == 0, f(unit), unit ** (exponent - whole))  # 2^(α n) but for 2^(α whole)
        y = _shifted(z.coefficient(k) * rest, whole * start + pace * k)
        return np.where(primal(x) == 0, _power_at_zero(x, exponent, k), y)

    if normal:
        return _guarded(value, x, lambda z, k: _miller(z, k, x, n), rescaled, (x,))
    return _recurrent(value, x, lambda z, k: _settled(rescaled(k), (x,), k))


def _miller(z, k, x, n):
    """k x₀ zₖ = Σ (n j - (k - j)) xⱼ zₖ₋ⱼ over 0 < j <= k."""
    x.coefficient(k)
    xs, zs = x.known, z.known
    return _total((n * j - (k - j)) * xs[j] * zs[k - j] for j in range(1, k + 1)) / (k * xs[0])


def _power_at_zero(x, n, k):
    """zₖ = Σ (n over j) x₀ⁿ⁻ʲ (xʲ)ₖ over 0 < j <= k, where x₀ = 0: 0 up to order n, and then infinite."""
    total, binomial, power = 0, 1, None
    for j in range(1, k + 1):
        binomial = binomial * (n - j + 1) / j
        power = x if power is None else _times(power, x)
        total = total + product(binomial * x.primal ** (n - j), power.coefficient(k))
    return total


def _moving_power(value, x, n):
    """z' = z (n log x)'; where x₀ is 0, or n does not move, as with a constant exponent."""
    x = x if hasattr(x, "dtype") else value.dtype.type(x)
    base_moves = x.__class__ is Series and x.level == n.level
    zero = is_host(primal(x)) and primal(x) == 0
    safe = np.where(zero, 1, x) if np.any(zero) else x
    constant = _power(lambda *_: value, [x], x, n.primal) if base_moves else None

    def growth(x, n):
        """(n log x)'."""
        log = np.log(x)
        if not base_moves:
            return n.derivative() * log
        log.known[0] = np.log(safe.primal)
        return n.derivative() * log + n * x.derivative() / x

    def integral(x, n, product):
        found = []

        def step(z, k):
            if not found:
                found.append(product(operator.mul, growth(x, n), z))
            return found[0](k - 1) / k

        return step

    def rescaled(k):
        start, pace = _scales(safe, k) if base_moves else (0, -np.inf)
        pace = _finite(_most([pace, *(np.ceil(_exponent(n.coefficient(j)) / j) for j in range(1, k + 1))]))
        base = _rescaled(safe, n, k, start, pace) if base_moves else safe
        step = integral(base, _rescaled(n, n, k, 0, pace), lambda *args: _cauchy(*args).coefficient)
        return _shifted(_recurrent(value, n, step).coefficient(k), pace * k)

    moving = _guarded(value, n, integral(safe, n, _product), rescaled, (x, n) if base_moves else (n,))

    def following(k):
        z = moving.coefficient(k)
        still = zero | ~_moved((n,), k) if has_nan(z) else zero
        return np.where(still, constant.coefficient(k) if base_moves else 0, z) if np.any(still) else z

    return _new(value, n, following)


# ---------------------------------------------------------------------- out of range on the way


def _recurrent(value, like, step):
    """The series z with zₖ = step(z, k)."""
    z = _new(value, like, lambda k: step(z, k))
    return z


def _guarded(value, like, step, rescaled, xs):
    """The series z with zₖ = step(z, k), and rescaled(k) where that over- or underflows."""

    def guarded(z, k):
        for x in xs:
            x.coefficient(k)  # the guard is for this operation alone
        try:
            y = strictly(step, z, k)
        except FloatingPointError:
            y = rescaled(k)
        return _settled(y, xs, k)

    return _recurrent(value, like, guarded)


def _scales(x, k):
    """α and β with |xⱼ| <= 2^(α + β j), about, entry by entry; 0 where x₀ is 0."""
    start = _exponent(x.primal)
    pace = _most([(_exponent(x.coefficient(j)) - start) / j for j in range(1, k + 1)])
    return _finite(start), np.ceil(_finite(pace))


def _rescaled(x, like, k, start, pace):
    """x(2^-pace t) 2^-start up to order k."""
    known = [_shifted(_coefficient(x, like.level, j), -(start + pace * j)) for j in range(k + 1)]
    series = _new(known[0], like, None)
    series.known = known
    return series


def _shifted(x, e):
    """x 2^e."""
    if np.iscomplexobj(primal(x)):
        return _shifted(np.real(x), e) + 1j * _shifted(np.imag(x), e)
    return np.ldexp(x, np.clip(e, -9999, 9999).astype(np.intc))


def _exponent(x):
    """log₂ |x|, rounded down; -∞ where there is none."""
    e = np.floor(np.log2(np.abs(primal(x))))
    return np.where(e < np.inf, e, -np.inf)


def _most(exponents):
    return functools.reduce(np.maximum, exponents)


def _finite(e):
    return np.where(np.isfinite(e), e, 0)


_GROUND = {
    np.divide: _divide, np.power: _power, np.float_power: _power, np.linalg.solve: _solve, np.einsum: _einsum,
    np.reciprocal: functools.partial(_power, n=-1), np.square: functools.partial(_power, n=2),
    np.sqrt: functools.partial(_power, n=1 / 2), np.cbrt: functools.partial(_power, n=1 / 3),
    np.lib.scimath.sqrt: functools.partial(_power, n=1 / 2),
}  # fmt: skip
_OF_TABLES = {function: RULES[function] for function in (*_GROUND, *TIED)}  # another rule has no short cut
