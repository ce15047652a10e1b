"""Powers: whole ones are products, and the others obey the recurrence of J. C. P. Miller."""

import functools
import operator

import numpy as np

from ..backend import is_host
from ..dual import Dual, primal
from ..rules.absorb import has_nan, product
from ..rules.declare import as_result
from ..rules.lead import broadcast
from .scaling import exponent_of, finite_or_0, guarded, is_normal, largest, recurrent, rescale, scales, shifted
from .series import Series, cauchy_product, convolution, ground, moved, new, total, zero_where_still


def _series_power(f, xs, x, n):
    """z = xⁿ."""
    value = f(*(a.primal for a in xs))
    x, n = as_result(x, value.dtype), as_result(n, value.dtype)
    if n.__class__ is Series and n.level == xs[0].level:
        return _moving_power(value, x, n)
    host = is_host(primal(value))
    normal = host and is_normal(primal(value))
    whole = _is_whole(n, max(2, x.order - 1) if normal else max(64, x.order))
    if whole is True or np.all(whole):
        return _whole_power(value, x, n)
    z = _constant_power(f, value, x, n, normal or not host)
    if np.any(whole):
        products, other = _whole_power(value, x, np.where(whole, n, 0)), z
        z = new(value, x, lambda k: np.where(whole, products.coefficient(k), other.coefficient(k)))
    flat = host and not isinstance(n, Dual) and np.isinf(primal(x)) & (np.real(n) < 1)  # every derivative fades
    return new(value, x, lambda k: np.where(flat, 0, z.coefficient(k)).astype(value.dtype)) if np.any(flat) else z


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
        start, pace = scales(x, k)
        return shifted(products(rescale(x, x, k, start, pace))(None, k), n * start + pace * k)

    step = products(x)
    if np.ndim(n) == 0 and n <= 2:
        return recurrent(value, x, lambda z, k: zero_where_still(step(z, k), (x,), k))
    return guarded(value, x, step, rescaled, (x,))


def _by_squaring(x, n):
    """xⁿ of whole numbers n, or None where it is 1 everywhere."""
    power, square = None, x
    some, every = (np.any, np.all) if isinstance(n, np.ndarray) else (bool, bool)
    while some(n):
        bit = n % 2 == 1
        if some(bit):
            factor = square if every(bit) else _series_where(bit, square)
            power = factor if power is None else _series_multiply(power, factor)
        n = n // 2
        square = _series_multiply(square, square) if some(n) else square
    return power


def _series_where(where, x):
    return new(np.where(where, x.primal, 1), x, lambda k: np.where(where, x.coefficient(k), 0))


def _series_multiply(x, y):
    return new(x.primal * y.primal, x, convolution(operator.mul, x, y))


def _constant_power(f, value, x, n, normal):
    """Miller's recurrence from the value, where that is normal."""

    def rescaled(k):
        start, pace = scales(x, k)
        near = rescale(x, x, k, start, pace)
        z = recurrent(f(near.primal), x, lambda z, k: _miller(z, k, near, n))
        real = value.real.dtype
        exponent = n if isinstance(n, Dual) or np.iscomplexobj(n) else np.asarray(n, real)[()]
        whole, unit = np.rint(np.real(primal(exponent))), np.ldexp(real.type(1), start.astype(np.intc))
        rest = np.where(whole == 0, f(unit), unit ** (exponent - whole))  # 2^(α n) but for 2^(α whole)
        y = shifted(z.coefficient(k) * rest, whole * start + pace * k)
        return np.where(primal(x) == 0, _power_at_zero(x, exponent, k), y)

    if normal:
        return guarded(value, x, lambda z, k: _miller(z, k, x, n), rescaled, (x,))
    return recurrent(value, x, lambda z, k: zero_where_still(rescaled(k), (x,), k))


def _miller(z, k, x, n):
    """k x₀ zₖ = Σ (n j - (k - j)) xⱼ zₖ₋ⱼ over 0 < j <= k."""
    x.coefficient(k)
    xs, zs = x.known, z.known
    return total((n * j - (k - j)) * xs[j] * zs[k - j] for j in range(1, k + 1)) / (k * xs[0])


def _power_at_zero(x, n, k):
    """zₖ = Σ (n over j) x₀ⁿ⁻ʲ (xʲ)ₖ over 0 < j <= k, where x₀ = 0: 0 up to order n, and then infinite."""
    total, binomial, power = 0, 1, None
    for j in range(1, k + 1):
        binomial = binomial * (n - j + 1) / j
        power = x if power is None else _series_multiply(power, x)
        total = total + product(binomial * x.primal ** (n - j), power.coefficient(k))
    return total


def _moving_power(value, x, n):
    """z' = z (n log x)'; where x₀ is 0, or n does not move, as with a constant exponent."""
    x = x if hasattr(x, "dtype") else value.dtype.type(x)
    base_moves = x.__class__ is Series and x.level == n.level
    zero = is_host(primal(x)) and primal(x) == 0
    safe = np.where(zero, 1, x) if np.any(zero) else x
    constant = _series_power(lambda *_: value, [x], x, n.primal) if base_moves else None

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
        start, pace = scales(safe, k) if base_moves else (0, -np.inf)
        pace = finite_or_0(largest([pace, *(np.ceil(exponent_of(n.coefficient(j)) / j) for j in range(1, k + 1))]))
        base = rescale(safe, n, k, start, pace) if base_moves else safe
        step = integral(base, rescale(n, n, k, 0, pace), lambda *args: cauchy_product(*args).coefficient)
        return shifted(recurrent(value, n, step).coefficient(k), pace * k)

    moving = guarded(value, n, integral(safe, n, convolution), rescaled, (x, n) if base_moves else (n,))

    def following(k):
        z = moving.coefficient(k)
        still = zero | ~moved((n,), k) if has_nan(z) else zero
        return np.where(still, constant.coefficient(k) if base_moves else 0, z) if np.any(still) else z

    return new(value, n, following)


_OF_ONE = {np.reciprocal: -1, np.square: 2, np.sqrt: 1 / 2, np.lib.scimath.sqrt: 1 / 2, np.cbrt: 1 / 3}

ground({np.power: _series_power, np.float_power: _series_power})
ground({function: functools.partial(_series_power, n=n) for function, n in _OF_ONE.items()})
