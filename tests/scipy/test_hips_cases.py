"""HIPS autograd's published tests of its SciPy module, in forward mode: each function at arguments of the same shapes
and domains, along the same arguments, at orders 1 and 2.

autograd passes most of them in reverse mode alone. The names are those of its tests (HIPS/autograd,
tests/test_scipy.py, of the main branch); the cases are written anew. What is left out, and why, is in ELSEWHERE.
"""

import itertools

import numpy as np
import pytest

from dualgrad.testing import check_jvp

pytest.importorskip("scipy")

from dualgrad import primal
from dualgrad.scipy import linalg, signal, special, stats

CASES = {}  # name of a test -> [(function of the arguments that move, their values)]
ELSEWHERE = {
    "convolve_generalization": "autograd's own keyword dot_axes",
    "convolve_ignore": "autograd's own pairs of axes",
    "convolve_ignore_dot": "autograd's own keyword dot_axes",
    "odeint": "dualgrad.scipy.integrate, which has its own tests",
}  # name -> why it is not here
rng = np.random.default_rng(1)


def normal(*shape):
    return rng.standard_normal(shape)


def above(low, *shape):
    """Numbers beyond ``low``, most of them within 3."""
    return rng.standard_normal(shape) ** 2 + low


def between(low, high, *shape):
    return rng.uniform(low, high, shape)


def case(name, function, moving, *args, **settings):
    """A call; ``moving`` are the positions of the arguments to differentiate."""

    def of_moving(*values):
        full = list(args)
        for place, value in zip(moving, values, strict=True):
            full[place] = value
        return function(*full, **settings)

    CASES.setdefault(name, []).append((of_moving, tuple(args[k] for k in moving)))


# ---------------------------------------------------------------------- distributions

for name, moving in (("pdf", (0,)), ("cdf", (0,)), ("logpdf", (0,))):
    for df in (1, 2, 3):
        case(f"chi2_{name}", getattr(stats.chi2, name), moving, above(1.1, 4), df)
for name, moving in (("cdf", (0,)), ("pdf", (0, 1, 2)), ("logpdf", (0, 1, 2))):
    case(f"beta_{name}", getattr(stats.beta, name), moving, between(0, 1, 4), above(1.1, 4), above(1.1, 4))
for name, moving in (("cdf", (0,)), ("pdf", (0, 1)), ("logpdf", (0, 1))):
    case(f"gamma_{name}", getattr(stats.gamma, name), moving, above(1.1, 4), above(1.1, 4))
NORMAL = "pdf", "cdf", "sf", "logpdf", "logcdf", "logsf", "ppf", "isf"
for name in NORMAL:
    of = (lambda *shape: between(0.05, 0.95, *shape)) if name in ("ppf", "isf") else normal
    case(f"norm_{name}", getattr(stats.norm, name), (0, 1, 2), of(4), normal(4), above(1.1, 4))
    case(f"norm_{name}_broadcast", getattr(stats.norm, name), (0, 1, 2), of(4, 3), normal(1, 3), above(1.1, 4, 1))
for name in ("cdf", "logpmf", "pmf"):
    for suffix, counts, means in (("", (4,), (4,)), ("_broadcast", (4, 3), (4, 1))):
        case(
            f"poisson_{name}{suffix}",
            getattr(stats.poisson, name),
            (1,),
            np.round(above(0, *counts)),
            above(1.1, *means),
        )
for name, moving in (("pdf", (0, 1, 2, 3)), ("cdf", (0, 2)), ("logpdf", (0, 1, 2, 3)), ("logcdf", (0, 2))):
    for suffix, x, df, loc, scale in (("", 4, 4, 4, 4), ("_broadcast", (4, 3), (1, 3), (4, 3), (4, 1))):
        x, df, loc, scale = (np.atleast_1d(shape) for shape in (x, df, loc, scale))
        case(
            f"t_{name}{suffix}", getattr(stats.t, name), moving,
            normal(*x), above(2.1, *df), normal(*loc), above(2.1, *scale),
        )  # fmt: skip


def of_symmetric(function, argument):
    """The function of the symmetric part of one argument."""

    def symmetrized(*args, **settings):
        args = list(args)
        args[argument] = (args[argument] + np.swapaxes(args[argument], -1, -2)) / 2
        return function(*args, **settings)

    return symmetrized


def definite(n):
    m = normal(n, n)
    return m.T @ m + np.eye(n)


mvn = stats.multivariate_normal
for name in ("pdf", "logpdf"):
    f = of_symmetric(getattr(mvn, name), 2)
    case(f"mvn_{name}", f, (0, 1, 2), normal(4), normal(4), definite(4), allow_singular=False)
    case(f"mvn_{name}_broadcast", f, (0, 1, 2), normal(5, 4), normal(4), definite(4))

    def inside(x, mean, cov, name=name):
        x = np.concatenate([x[:2], mean[2:]])
        return of_symmetric(getattr(mvn, name), 2)(x, mean, cov, allow_singular=True)

    flat = np.diag([1.0, 1.0, 0.0, 0.0])
    case("mvn_sing_cov", inside, (0, 1), np.append(normal(2), [0, 0]), np.append(normal(2), [0, 0]), flat)
case("mvn_entropy", of_symmetric(mvn.entropy, 1), (0, 1), 10 * normal(4), definite(4))

weights = between(1.2, 2.2, 4)
point = above(0.2, 4)
point /= point.sum()
for name in ("pdf", "logpdf"):
    f = getattr(stats.dirichlet, name)
    case(f"dirichlet_{name}_x", lambda x, alpha, f=f: f(x / np.sum(x), alpha), (0,), point, weights)
    case(f"dirichlet_{name}_alpha", f, (1,), point, weights)

# ---------------------------------------------------------------------- sums of exponentials

for number, shapes, axes, weighted in (
    (1, [(4,), (3, 4)], (None, 0), False),
    (2, [(3, 4), (4, 5, 6), (1, 5)], (None, 0, 1), False),
    (3, [(4,)], (None, 0), True),
    (4, [(3, 4)], (None, 0, 1), True),
    (5, [(2, 3, 4)], (None, 0, 1), True),
):
    for shape, axis, keepdims in itertools.product(shapes, axes, (True, False)):
        b = np.exp(normal(*shape)) if weighted else None
        case(f"logsumexp{number}", special.logsumexp, (0,), normal(*shape), axis=axis, keepdims=keepdims, b=b)
case("logsumexp1", special.logsumexp, (0,), np.array([1.1]), axis=0)
case("logsumexp6", special.logsumexp, (0,), normal(1, 5), axis=1, keepdims=True)

# ---------------------------------------------------------------------- convolutions

MODES = "full", "valid", "same"
for n, m, mode in itertools.product((4, 5, 6), (2, 3, 4), MODES):
    case("convolve", signal.convolve, (0, 1), normal(n), normal(m), mode=mode)
for shape, window, mode in itertools.product([(4, 3), (5, 4), (6, 7)], [(2, 2), (3, 2), (4, 2), (4, 1)], MODES):
    case("convolve_2d", signal.convolve, (0, 1), normal(*shape), normal(*window), mode=mode)

# ---------------------------------------------------------------------- special functions

for f in (special.beta, special.betaln):
    case(f.__name__, f, (0, 1), above(1.1, 4), above(1.1, 4))
case("betainc", special.betainc, (2,), above(1.1, 4), above(1.1, 4), between(0, 1, 4))
for name, order in (("gammainc", 1), ("gammaincc", 1), ("polygamma", 0), ("jn", 2), ("yn", 2)):
    for x in above(1.3, 4):
        case(name, getattr(special, name), (1,), order, x)
for name in ("psi", "digamma", "gamma", "gammaln", "gammasgn", "rgamma"):
    case(name, getattr(special, name), (0,), between(0.3, 2, 4))
    case(name, getattr(special, name), (0,), between(0.3, 2))
for shape, d in itertools.product([(), (2, 3)], (1, 2, 3)):
    case("multigammaln", special.multigammaln, (0,), between(4, 5, *shape), d)
for name in ("j0", "j1", "y0", "y1", "i0", "i1"):
    case(name, getattr(special, name), (0,), between(0.2, 20, 4))


def of_reals(name):
    """A function of SciPy on real numbers alone: complex, its last bits are no oracle."""

    def real(order, x):
        if np.iscomplexobj(primal(x)):
            raise TypeError("complex")
        return getattr(special, name)(order, x)

    return real


for name in ("iv", "ive"):
    for order in between(1, 50, 4):
        case(name, of_reals(name), (1,), order, above(1.3))
for name in ("erf", "erfc"):
    case(name, getattr(special, name), (0,), between(-3, 3, 4))
    case(name, getattr(special, name), (0,), between(-3, 3, 4) + 1j * between(-1, 1, 4))
for name, low, high in (("erfinv", -0.95, 0.95), ("erfcinv", 0.05, 1.95), ("logit", 0.1, 0.9), ("expit", -4.05, 4.95)):
    case(name, getattr(special, name), (0,), between(low, high, 4))

# ---------------------------------------------------------------------- matrices

case("sqrtm", of_symmetric(linalg.sqrtm, 0), (0,), definite(3))
case("solve_sylvester", linalg.solve_sylvester, (0, 1, 2), normal(3, 3), normal(3, 3), normal(3, 3))
case("solve_banded", linalg.solve_banded, (1, 2), (1, 1), normal(3, 5), normal(5))


@pytest.mark.parametrize("name", CASES)
def test_orders_1_and_2(name):
    for function, values in CASES[name]:
        report = check_jvp(function, values, orders=(1, 2))
        assert report.passed, f"{name} at {values}\n{report}"


def test_every_test_of_theirs_is_here_or_elsewhere():
    """Of two of its functions that have one name, the second runs."""
    assert len(CASES) + len(ELSEWHERE) == 93
    assert not CASES.keys() & ELSEWHERE.keys()
