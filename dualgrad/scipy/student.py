"""Student's density, its area and the inverse of that, along t and the degrees of freedom ν.

Up to ν = 30 the area is an incomplete beta function, of t² / (ν + t²) or ν / (ν + t²), whichever is less than a half.
From there on, where that would be a difference of ever nearer numbers, it is a quadrature of the density, between 0 and
t for t² < 2.4, beyond t else: next to the normal distribution the derivative of the density changes its sign at
t² = 1 + √2. Against 60 digits the first two derivatives have a relative error below 1e-10 for ν from 1e-2 to 1e5 and
areas down to 1e-200.
"""

import math

import numpy as np
from scipy import special as sp

from ..dispatch import own
from ..dual import primal
from ..pushforward import jvp
from ..rules.declare import elementwise
from .along_shapes import FALL, along_shapes, bell, end_of_fall, integral, piecewise
from .densities import all_in_double, log_defect, log_one_plus_square
from .incomplete_beta import beta_area
from .shared import as_number
from .tails import BERNOULLI, SQRT_2PI, digamma_gap, fixed, polygamma_gap

_NEARLY_NORMAL = 30.0

# ---------------------------------------------------------------------- the density


@own
def log_half_step(x):
    """log Γ(x + 1/2) - log Γ(x), which are nearly equal where x is large."""
    return np.log(sp.poch(x, 0.5))


elementwise(log_half_step, lambda y, x: digamma_gap(x, 0.5))


def _constant_cumulant(n, nu):
    """The n-th derivative of log Γ((ν + 1)/2) - log Γ(ν/2) - ½ log ν, from 30 on by Stirling's series."""
    few, many = np.minimum(nu, 30), np.maximum(nu, 30)
    log_part = (-1) ** (n - 1) * math.factorial(n - 1) / few**n
    series = 0.0
    for k, number in enumerate(BERNOULLI, 1):
        c = -(2 - 2.0 ** (1 - 2 * k)) * number / k / (2 * k - 1) * 4.0 ** (k - 1)
        series = series + c * math.prod(1 - 2 * k - j for j in range(n)) / many ** (2 * k - 1 + n)
    return np.where(nu < 30, polygamma_gap(n - 1, few / 2, 0.5) / 2**n - log_part / 2, series)


@all_in_double
def student_cumulant(n, nu, t):
    """The n-th derivative of `log_student_density` along ν, n > 0, without the parts that cancel for a large ν.

    With d = t² / (ν + t²) and r = 1 - d it is that of the constant, and for n = 1 besides
    (log(1 - d) + d + d / ν) / 2, for n > 1 (-1)ⁿ (n - 2)! ν¹⁻ⁿ (d² Σ i rⁱ⁻¹ - (n - 1)(1 - rⁿ) / ν) / 2, i < n.
    """
    normal = np.isinf(nu)
    n, nu = int(n), np.where(normal, 1.0, nu)
    u = t / np.sqrt(nu)
    r, d = 1 / (1 + u * u), 1 / (1 + 1 / u / u)
    if n == 1:
        moved = -(log_defect(-d, -log_one_plus_square(u)) - d / nu) / 2
    else:
        rising = d * sum(i * r ** (i - 1) for i in range(1, n)) - (n - 1) / nu * sum(r**i for i in range(n))
        moved = (-1) ** n * math.factorial(n - 2) / 2 * nu ** (1.0 - n) * d * rising
    return np.where(normal, 0, _constant_cumulant(n, nu) + moved)


def _cumulant_along_t(n, nu, t):
    """(-1)ⁿ⁻¹ n! t (1 - t²) / (ν + t²)ⁿ⁺¹."""
    size = np.hypot(np.sqrt(nu), t)
    share = t / size
    return (-1) ** (n - 1) * math.factorial(n) * share * ((1 / size) ** 2 - share**2) * size ** (1.0 - 2 * n)


elementwise(
    student_cumulant,
    fixed("Student's distribution"),
    lambda y, n, nu, t: student_cumulant(n + 1, nu, t),
    lambda y, n, nu, t: _cumulant_along_t(int(n), nu, t),
)


@all_in_double
def log_student_density(df, x):
    """log of (1 + x²/ν)^(-(ν + 1)/2) / (√ν B(ν/2, 1/2)), that of the normal distribution for ν = ∞."""
    normal = np.isinf(df)
    nu = np.where(normal, 1.0, df)
    student = log_half_step(nu / 2) - np.log(math.pi * nu) / 2 - (nu + 1) / 2 * log_one_plus_square(x / np.sqrt(nu))
    return np.where(normal, -x * x / 2 - math.log(SQRT_2PI), student)


def _student_along_x(y, df, x):
    """-(ν + 1) x / (ν + x²)."""
    df = as_number(y, df)
    normal = np.isinf(primal(df))
    nu = np.where(normal, 1.0, df)
    size = np.hypot(np.sqrt(nu), x)
    return np.where(normal, -x, -(nu + 1) / size * (x / size))


elementwise(
    log_student_density,
    lambda y, df, x: student_cumulant(1, df, x),
    _student_along_x,
)


def student_density(df, x):
    """(1 + x²/ν)^(-(ν + 1)/2) / (√ν B(ν/2, 1/2))."""
    return np.exp(log_student_density(df, x))


# ---------------------------------------------------------------------- the area


@along_shapes(1)
def student_area(n, nu, t):
    """The n-th derivative of the area on the left of t along ν, n > 0."""
    size = np.abs(t)
    square = size * size
    y = np.where((nu > 0) & ~np.isnan(t) & ((square < np.inf) | np.isinf(t)), 0.0, np.nan)
    moves = (nu > 0) & (nu < np.inf) & (size > 0) & (square < np.inf)
    few, near = nu < _NEARLY_NORMAL, square < 2.4
    of = lambda rule: lambda nu, t: rule(n, nu, t)  # noqa: E731
    pieces = [(moves & few, _of_beta), (moves & ~few & near, _student_center), (moves & ~few & ~near, _student_tail)]
    return np.where(t < 0, -1, 1) * piecewise(y, [(where, of(rule), nu, size) for where, rule in pieces])


def _of_beta(n, nu, t):
    """The first derivative as ¼ ∂I/∂(ν/2) for fixed t² / ν, less t / 2ν times the density; the next by its rules."""
    if n > 1:
        return jvp(lambda nu: _of_beta(n - 1, nu, t), (nu,), (np.ones_like(nu),))[1]
    square = t * t
    outer = square > primal(nu)
    far = -beta_area(1, 0, nu / 2, 0.5, np.where(outer, nu / (nu + square), 0.5))
    near = beta_area(0, 1, 0.5, nu / 2, np.where(outer, 0.5, square / (nu + square)))
    return np.where(outer, far, near) / 4 - t / (2 * nu) * student_density(nu, t)


def _student_factor(n, nu, t):
    return bell((n,), lambda k: student_cumulant(k, nu, t))


def _student_center(n, nu, t):
    return integral(t, lambda s: student_density(nu, s) * _student_factor(n, nu, s))


def _student_tail(n, nu, t):
    """With t eˢ for t the density falls as eˢ ((ν + t² e²ˢ) / (ν + t²))^(-(ν + 1)/2)."""
    square = t * t
    fall = lambda s: (nu + 1) / 2 * np.log1p(square * np.expm1(2 * s) / (nu + square)) - s  # noqa: E731
    start = (FALL + (nu + 1) / 2 * np.log1p(nu / square)) / nu
    end = end_of_fall(start, fall, lambda s: (nu + 1) / (1 + nu / square * np.exp(-2 * s)) - 1)
    return (
        -student_density(nu, t) * t * integral(end, lambda s: np.exp(-fall(s)) * _student_factor(n, nu, t * np.exp(s)))
    )


elementwise(
    student_area,
    fixed("Student's distribution"),
    lambda y, n, nu, t: student_area(n + 1, nu, t),
    lambda y, n, nu, t: student_density(nu, t) * _student_factor(n, nu, t),
)
elementwise(sp.stdtr, lambda y, df, t: student_area(1, df, t), lambda y, df, t: student_density(df, t))
elementwise(
    sp.stdtrit,
    lambda t, df, p: -student_area(1, df, t) / student_density(df, t),
    lambda t, df, p: 1 / student_density(df, t),
)
