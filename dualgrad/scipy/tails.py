"""Functions behind the derivatives of SciPy's, in forms that keep their digits where the textbook's cancel.

The textbook's derivative of erfcx is 2 x erfcx x - 2/√π, of i0e it is i1e - i0e, of log B it is ψ(a) - ψ(a + b): far
out, differences of nearly equal numbers, worse at every order. Each function here is computed without such a
difference, and its derivative is made of functions of the same family.
"""

import functools
import math

import numpy as np
from scipy import special as sp

from ..dispatch import own
from ..dual import primal
from ..rules.absorb import product
from ..rules.declare import elementwise

SQRT_PI, SQRT_2, SQRT_2PI = math.sqrt(math.pi), math.sqrt(2), math.sqrt(2 * math.pi)


def fixed(name, argument="its order"):
    """The partial derivative along an argument that must be constant."""

    def partial(*args):
        raise NotImplementedError(f"{name} has no rule along {argument}: pass dg.primal(...) if it is a constant")

    return partial


# ---------------------------------------------------------------------- the normal tail


def in_double(function):
    """The function of orders and x computed in double precision, whatever that of x."""

    @functools.wraps(function)
    def computed(*args):
        *orders, x = args
        x = np.asarray(x)
        wide = np.complex128 if x.dtype.kind == "c" else np.float64
        return function(*orders, x.astype(wide)).astype(x.dtype)[()]

    return own(computed)


@in_double
def mills_ratio(n, x):
    """r_n = M_n / M_n-1 of the moments M_n(x) = 2/√π ∫₀^∞ tⁿ exp(-t² - 2xt) dt, of which M_0 is erfcx.

    By parts, M_n+1 = n/2 M_n-1 - x M_n: r_n+1 = n / (2 r_n) - x, stable upwards as far as x = 1; beyond it the same
    downwards, r_n = (n/2) / (x + r_n+1), which is Laplace's continued fraction. As M_n' = -2 M_n+1,
    r_n' = -2 r_n (r_n+1 - r_n).
    """
    complex_ = np.iscomplexobj(x)
    low, high = (x, 1.0) if complex_ else (np.minimum(x, 1.0), np.maximum(x, 1.0))
    up = 1 / (SQRT_PI * sp.erfcx(low)) - low
    for k in range(1, n):
        up = (k / 2) / up - low
    if complex_ or not np.any(x > 1.0):
        return up
    last = n + 160
    down = 1 / (high / last + np.sqrt(np.square(high / last) + 2 / last))  # r_n ≈ n / (x + √(x² + 2n))
    for k in range(last - 1, n - 1, -1):
        down = (k / 2) / (high + down)
    return np.where(x <= 1.0, up, down)


elementwise(
    mills_ratio,
    fixed("mills_ratio"),
    lambda r, n, x: -2 * r * (mills_ratio(n + 1, x) - r),
)


@own
def inverse_mills(x):
    """h(x) = φ(x) / Φ(x), the derivative of log Φ."""
    return SQRT_2 / SQRT_PI / sp.erfcx(-x / SQRT_2)


def _inverse_mills_slope(h, x):
    """-h (x + h), where x + h = √2 r_1(-x/√2); on the left, where that nearly cancels in the next derivatives, the same
    from h = √2 (u + r_1(u)), u = -x/√2."""
    u = -x / SQRT_2
    r = mills_ratio(1, u)
    return np.where(np.real(primal(x)) < 0, 2 * r * (mills_ratio(2, u) - r) - 1, -SQRT_2 * product(r, h))


elementwise(inverse_mills, _inverse_mills_slope)

# ---------------------------------------------------------------------- Dawson's integral


@in_double
def dawson(n, x):
    """The derivatives F₀ = dawsn, F₁ = 1 - 2 x F₀, F_n+1 = -2 x F_n - 2 n F_n-1, upwards up to x = 6.5; beyond it by
    ratios downwards, F_n / F_n-1 = -2 n / (2 x + F_n+1 / F_n)."""
    y, low, high = sp.dawsn(x), np.clip(x, -6.5, 6.5), np.where(np.abs(x) > 6.5, x, 6.5)
    up = [sp.dawsn(low)]
    up.append(1 - 2 * low * up[0])
    for k in range(1, n):
        up.append(-2 * (low * up[k] + k * up[k - 1]))
    ratio = -(n + 20) / high
    for k in range(n + 19, 0, -1):
        ratio = -2 * k / (2 * high + ratio)
        y = y * ratio if k <= n else y
    return np.where(np.abs(x) <= 6.5, up[n], y)


elementwise(dawson, fixed("dawson"), lambda y, n, x: dawson(n + 1, x))

# ---------------------------------------------------------------------- Bessel functions of imaginary argument, scaled


@in_double
def bessel_moment(n, x):
    """J_n = 1/π ∫₀^π (1 - cos t)ⁿ exp(-|x| (1 - cos t)) dt, of which J_0 is i0e; J_n' = -sign(x) J_n+1.

    With c = Γ(n + 1/2) / (√π n!) it is c 2ⁿ M(n + 1/2, n + 1, -2|x|), Kummer's function: e⁻²ˣ times a series of
    positive terms, or its asymptotic series from 30 on.
    """
    z = 2 * np.abs(x)
    near, far = np.minimum(z, 60), np.maximum(z, 60)
    series = term = np.ones_like(near)
    for k in range(int(30 + 2.5 * np.max(near, initial=0))):
        term = term * near * ((k + 0.5) / ((n + 1 + k) * (k + 1)))
        series = series + term
    tail = term = np.ones_like(far)
    for k in range(20 if np.any(z >= 60) else 0):
        term = term / far * ((n + 0.5 + k) * (0.5 + k) / (k + 1))
        tail = tail + term
    c = 2**n * math.gamma(n + 0.5) / (SQRT_PI * math.gamma(n + 1))
    powers = 2**n / SQRT_PI / np.sqrt(far) / far**n * math.gamma(n + 0.5) / SQRT_PI
    return np.where(z < 60, c * np.exp(-near) * series, powers * tail)


elementwise(
    bessel_moment,
    fixed("bessel_moment"),
    lambda y, n, x: -np.sign(primal(x)) * bessel_moment(n + 1, x),
)


@in_double
def bessel_derivative(n, v, x):
    """The n-th derivative of I_v: 2⁻ⁿ Σ binomial(n, j) I_v-n+2j, all of them positive."""
    return sum(math.comb(n, j) * _iv(v - n + 2 * j, x) for j in range(n + 1)) / 2**n


def _iv(v, x):
    """I_v, and its power series near 0, where SciPy's underflows."""
    v = _order(v)
    near = np.where(np.abs(x) < 1e-4, x, 0)
    series = (near / 2) ** v / sp.gamma(v + 1) * (1 + np.square(near) / (4 * (v + 1)))
    return np.where(np.abs(x) < 1e-4, series, sp.iv(v, x))


@in_double
def scaled_bessel_derivative(n, v, x):
    """The n-th derivative of ive = exp(-|x|) I_v: 2⁻ⁿ Σ (-1)ʲ binomial(2n, j) ive_v-n+j, from 25 on by its asymptotic
    series, derived term by term."""
    size = np.abs(x)
    near, far = np.minimum(size, 25), np.maximum(size, 25)
    total = sum((-1) ** j * math.comb(2 * n, j) * sp.ive(_order(v - n + j), near) for j in range(2 * n + 1)) / 2**n
    series, a = 0, 1 / np.sqrt(2 * math.pi * far)
    for k in range(24):
        factor = math.prod(-(k + 0.5 + j) for j in range(n))
        series = series + a * factor
        a = -a * (4 * np.square(v) - (2 * k + 1) ** 2) / (8 * (k + 1) * far)
    y = np.where(size < 25, total, series / far**n)
    parity = np.where(np.rint(v) == v, 1 - 2 * np.mod(v + n, 2), np.nan)
    return np.where(x < 0, parity, 1) * y


def _order(v):
    """I_-v = I_v for whole v."""
    return np.where(v == np.rint(v), np.abs(v), v)


elementwise(
    bessel_derivative,
    fixed("iv"),
    fixed("iv"),
    lambda y, n, v, x: bessel_derivative(n + 1, v, x),
)
elementwise(
    scaled_bessel_derivative,
    fixed("ive"),
    fixed("ive"),
    lambda y, n, v, x: scaled_bessel_derivative(n + 1, v, x),
)

# ---------------------------------------------------------------------- gamma functions

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


@own
def polygamma_gap(n, a, b):
    """ψₙ(a + b) - ψₙ(a) for a > 0 and a + b > 0: (-1)ⁿ⁺¹ n! Σ ((a + b + k)⁻ⁿ⁻¹ - (a + k)⁻ⁿ⁻¹), each difference by
    expm1, and from k = 16 on the asymptotic series, likewise."""
    a, b = np.asarray(a), np.asarray(b)
    kind = np.result_type(a, b)
    a, b = a.astype(np.float64), b.astype(np.float64)
    total = 0
    for k in range(16):
        total = total + _gap_of_powers(a + k, b, n + 1)
    total, u = math.factorial(n) * total, a + 16
    total = total + (math.factorial(n - 1) * _gap_of_powers(u, b, n) if n else -np.log1p(b / u))
    total = total + math.factorial(n) / 2 * _gap_of_powers(u, b, n + 1)
    for k, c in enumerate(BERNOULLI, 1):
        total = total + c * math.factorial(2 * k + n - 1) / math.factorial(2 * k) * _gap_of_powers(u, b, 2 * k + n)
    return ((-1) ** (n + 1) * total).astype(kind)[()]


def _gap_of_powers(a, b, m):
    """(a + b)⁻ᵐ - a⁻ᵐ."""
    return np.expm1(-m * np.log1p(b / a)) / a**m


@own
def polygamma_at(n, x):
    """ψₙ(x)."""
    return sp.polygamma(n, x).astype(np.result_type(x))[()]


elementwise(polygamma_at, fixed("polygamma"), lambda y, n, x: polygamma_at(n + 1, x))
elementwise(
    polygamma_gap,
    fixed("polygamma"),
    lambda y, n, a, b: polygamma_gap(n + 1, a, b),
    lambda y, n, a, b: polygamma_at(n + 1, a + b),
)


def digamma_gap(a, b):
    """ψ(a + b) - ψ(a)."""
    positive = (primal(a) > 0) & (primal(a) + primal(b) > 0)
    if np.all(positive):
        return polygamma_gap(0, a, b)
    gap = polygamma_gap(0, np.where(positive, a, 1), np.where(positive, b, 1))
    return np.where(positive, gap, sp.digamma(a + b) - sp.digamma(a))


@own
def log_ratio(x, y):
    """log(x / y), also where the quotient is out of range."""
    ratio = np.divide(x, y)
    x, y = np.asarray(x, ratio.dtype), np.asarray(y, ratio.dtype)
    fits = (ratio > 0) & np.isfinite(ratio)
    return np.where(fits, np.log(np.where(fits, ratio, 1)), np.log(x) - np.log(y))[()]


elementwise(log_ratio, lambda z, x, y: 1 / x, lambda z, x, y: -1 / y)
