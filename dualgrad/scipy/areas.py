"""Areas under the densities of the gamma, the beta and the t distribution, and their inverses, with rules along x.

Along a shape parameter none of them has a rule yet: there a Dual is refused, in words.
"""

import math

import numpy as np
from scipy import special as sp

from ..dispatch import own
from ..rules.absorb import product
from ..rules.declare import elementwise
from .tails import SQRT_2PI, digamma_gap

# ---------------------------------------------------------------------- densities, right at the edges of the support


def at_edge(edge, powers, inside, x):
    """``powers(x)`` at an edge, where a density is a power whose slope a logarithm would lose, else ``inside(x)``."""
    return np.where(edge, powers(np.where(edge, x, 0.5)), inside(np.where(edge, 0.5, x)))


def log_one_plus_square(u):
    """log(1 + u²), without u² where that is large."""
    small = np.abs(u) < 1
    near, far = np.where(small, u, 0.5), np.where(small, 1.0, np.abs(u))
    return np.where(small, np.log1p(near * near), 2 * np.log(far) + np.log1p((1 / far) ** 2))


def log_gamma_density(a, x):
    """log (xᵃ⁻¹ e⁻ˣ / Γ(a))."""
    return sp.xlogy(a - 1, x) - x - sp.gammaln(a)


def gamma_density(a, x):
    """xᵃ⁻¹ e⁻ˣ / Γ(a)."""
    powers = lambda x: x ** (a - 1) * np.exp(-x - sp.gammaln(a))  # noqa: E731
    return at_edge(x == 0, powers, lambda x: np.exp(log_gamma_density(a, x)), x)


def log_beta_density(a, b, x):
    """log (xᵃ⁻¹ (1 - x)ᵇ⁻¹ / B(a, b))."""
    return sp.xlog1py(b - 1, -x) + sp.xlogy(a - 1, x) - sp.betaln(a, b)


def beta_density(a, b, x):
    """xᵃ⁻¹ (1 - x)ᵇ⁻¹ / B(a, b)."""
    powers = lambda x: product(x ** (a - 1), (1 - x) ** (b - 1)) * np.exp(-sp.betaln(a, b))  # noqa: E731
    return at_edge((x == 0) | (x == 1), powers, lambda x: np.exp(log_beta_density(a, b, x)), x)


@own
def log_half_step(x):
    """log Γ(x + 1/2) - log Γ(x), which are nearly equal where x is large."""
    return np.log(sp.poch(x, 0.5))


elementwise(log_half_step, lambda y, x: digamma_gap(x, 0.5))


def log_student_density(df, x):
    """log of (1 + x²/ν)^(-(ν + 1)/2) / (√ν B(ν/2, 1/2)), that of the normal distribution for ν = ∞."""
    normal = np.isinf(df)
    nu = np.where(normal, 1.0, df)
    student = log_half_step(nu / 2) - np.log(math.pi * nu) / 2 - (nu + 1) / 2 * log_one_plus_square(x / np.sqrt(nu))
    return np.where(normal, -x * x / 2 - math.log(SQRT_2PI), student)


def student_density(df, x):
    """(1 + x²/ν)^(-(ν + 1)/2) / (√ν B(ν/2, 1/2))."""
    return np.exp(log_student_density(df, x))


# ---------------------------------------------------------------------- areas


def without_shape(name):
    """The partial derivative along a shape parameter of the cdf of some distributions."""

    def partial(*args):
        raise NotImplementedError(
            f"the cdf, sf and ppf of {name} have no rule along this parameter yet, only along x, loc and scale: "
            "pass dg.primal(...) if it is a constant"
        )

    return partial


_OF_GAMMA, _OF_BETA, _OF_T = map(without_shape, ("gamma and chi2", "beta", "t"))


@own
def gamma_below(a, x):
    """P(a, x)."""
    return sp.gammainc(a, x)


@own
def gamma_above(a, x):
    """Q(a, x) = 1 - P(a, x)."""
    return sp.gammaincc(a, x)


@own
def gamma_quantile(a, p):
    """The x of P(a, x) = p."""
    return sp.gammaincinv(a, p)


@own
def beta_below(a, b, x):
    """I_x(a, b)."""
    return sp.betainc(a, b, x)


@own
def beta_above(a, b, x):
    """1 - I_x(a, b)."""
    return sp.betaincc(a, b, x)


@own
def beta_quantile(a, b, p):
    """The x of I_x(a, b) = p."""
    return sp.betaincinv(a, b, p)


@own
def student_below(df, x):
    """The area under the density of t on the left of x."""
    return sp.stdtr(df, x)


@own
def student_quantile(df, p):
    """The x with the area p on its left."""
    return np.where(np.equal(p, 0), -np.inf, sp.stdtrit(df, p))[()]


elementwise(gamma_below, _OF_GAMMA, lambda y, a, x: gamma_density(a, x))
elementwise(gamma_above, _OF_GAMMA, lambda y, a, x: -gamma_density(a, x))
elementwise(gamma_quantile, _OF_GAMMA, lambda y, a, p: 1 / gamma_density(a, y))
elementwise(beta_below, _OF_BETA, _OF_BETA, lambda y, a, b, x: beta_density(a, b, x))
elementwise(beta_above, _OF_BETA, _OF_BETA, lambda y, a, b, x: -beta_density(a, b, x))
elementwise(beta_quantile, _OF_BETA, _OF_BETA, lambda y, a, b, p: 1 / beta_density(a, b, y))
elementwise(student_below, _OF_T, lambda y, df, x: student_density(df, x))
elementwise(student_quantile, _OF_T, lambda y, df, p: 1 / student_density(df, y))
