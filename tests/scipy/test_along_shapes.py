"""The areas of the gamma, the beta and Student's distribution and their inverses along every argument, to order 2.

The truth is their series at 70 digits and more, and differences of it: for shapes from 1e-3 to 1e5, from the middle as
far as areas of 1e-200.
"""

import itertools

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")

import scipy.special as sp

from dualgrad.scipy import special, stats

mp = pytest.importorskip("mpmath").mp
LEVELS = [1e-200, 1e-30, 0.02, 0.4]
STEP = 20  # digits of the differences

# ---------------------------------------------------------------------- the truth: series of positive terms


def area_of_gamma(a, x):
    term = total = mp.mpf(1)
    for k in itertools.count(1):
        term = term * x / (a + k)
        total += term
        if term < total * mp.eps:
            return mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1)) * total


def area_of_beta(a, b, x):
    """By the series on the nearer side."""
    if x > 0.5:
        return 1 - area_of_beta(b, a, 1 - x)
    term = total = mp.mpf(1)
    for k in itertools.count():
        term = term * x * (a + b + k) / (a + 1 + k)
        total += term
        if term < total * mp.eps:
            break
    front = mp.loggamma(a + b) - mp.loggamma(a + 1) - mp.loggamma(b)
    return mp.exp(a * mp.log(x) + b * mp.log(1 - x) + front) * total


def area_of_student(v, t):
    share = area_of_beta(v / 2, mp.mpf(1) / 2, v / (v + t * t)) / 2
    return share if t < 0 else 1 - share


def digits(area):
    """Enough that a difference from 1 keeps 70."""
    return 80 + int(-np.log10(max(area, 1e-300)))


class Truth:
    """The value of a function at a point, and its first and second derivatives by differences."""

    def __init__(self, exact, point, areas):
        with mp.workdps(digits(min(areas))):
            n, point = len(point), [mp.mpf(x) for x in point]
            h = [mp.mpf(10) ** -STEP * abs(x) for x in point]
            at = lambda s: exact(*(x + k * d for x, k, d in zip(point, s, h, strict=True)))  # noqa: E731
            unit = np.eye(n, dtype=int)
            value, above, below = at([0] * n), [at(e) for e in unit], [at(-e) for e in unit]
            self.first = [float((a - b) / (2 * d)) for a, b, d in zip(above, below, h, strict=True)]
            self.second = np.empty((n, n))
            for i, j in itertools.combinations_with_replacement(range(n), 2):
                bent = above[i] + below[i] - 2 * value
                if i != j:
                    both = at(unit[i] + unit[j]) + at(-unit[i] - unit[j]) - 2 * value
                    bent = (both - bent - (above[j] + below[j] - 2 * value)) / 2
                self.second[i, j] = self.second[j, i] = float(bent / (h[i] * h[j]))


def check(function, exact, point, areas, rtol=(1e-11, 1e-10)):
    """Relative, and where the second derivative has a zero relative to what it is a difference of."""
    if min(areas) == 0:
        return
    truth, v = Truth(exact, point, areas), np.array(point)
    call = lambda v: function(*v)  # noqa: E731
    np.testing.assert_allclose(dg.jacfwd(call)(v), truth.first, rtol=rtol[0], atol=1e-290, err_msg=str(point))
    size = np.abs(np.outer(truth.first, truth.first)) / min(areas)
    error = np.abs(dg.hessian(call)(v) - truth.second)
    assert (error <= rtol[1] * (np.abs(truth.second) + size) + 1e-290).all(), (point, error, truth.second)


# ---------------------------------------------------------------------- functions of the gamma distribution

GAMMA = [0.03, 1.7, 12.0, 1e3]
every = pytest.mark.parametrize
MORE = [0.001, 0.3, 0.5, 1.0, 3.7, 9.99, 10.01, 50.0, 100.0, 1e5]
slow = [pytest.param(a, marks=pytest.mark.slow) for a in MORE]


def gamma_points(a):
    points = (
        [sp.gammaincinv(a, p) for p in LEVELS] + [sp.gammainccinv(a, p) for p in LEVELS] + [a, a + 0.499, a + 0.501]
    )
    return [float(x) for x in points if 1e-120 < x < np.inf]


@every("a", GAMMA + slow)
def test_gammainc(a):
    for x in gamma_points(a):
        areas = sp.gammainc(a, x), sp.gammaincc(a, x)
        check(special.gammainc, area_of_gamma, (a, x), areas)
        check(special.gammaincc, lambda a, x: 1 - area_of_gamma(a, x), (a, x), areas)


@every("v", [0.06, 3.4, 40.0])
def test_chdtr(v):
    for x in gamma_points(v / 2):
        areas = sp.chdtr(v, 2 * x), sp.chdtrc(v, 2 * x)
        check(special.chdtr, lambda v, x: area_of_gamma(v / 2, x / 2), (v, 2 * x), areas)
        check(special.chdtrc, lambda v, x: 1 - area_of_gamma(v / 2, x / 2), (v, 2 * x), areas)


# ---------------------------------------------------------------------- of the beta distribution

BETA = [(0.05, 0.5), (1.7, 17.0), (17.0, 1.7), (2.0, 3.0), (30.0, 0.05), (40.0, 300.0)]
ALL = [0.001, 0.05, 0.5, 1.0, 1.7, 17.0, 1e3, 1e5]
more = [pytest.param(a, b, marks=pytest.mark.slow) for a, b in itertools.product(ALL, ALL)]


def beta_points(a, b):
    points = [sp.betaincinv(a, b, p) for p in LEVELS] + [sp.betainccinv(a, b, p) for p in LEVELS]
    points += [(a + 0.5) / (a + b + 1) + d for d in (-1e-9, 1e-9)]
    return sorted({float(x) for x in points if 1e-120 < x < 1 - 1e-12})


@every(("a", "b"), BETA + more)
def test_betainc(a, b):
    for x in beta_points(a, b):
        areas = sp.betainc(a, b, x), sp.betaincc(a, b, x)
        check(special.betainc, area_of_beta, (a, b, x), areas)
        if a <= b:
            check(special.betaincc, lambda a, b, x: 1 - area_of_beta(a, b, x), (a, b, x), areas)


# ---------------------------------------------------------------------- of Student's distribution

STUDENT = [0.3, 2.5, 29.9, 30.1, 1e3]


@every("v", STUDENT + [pytest.param(v, marks=pytest.mark.slow) for v in (1e-2, 1.0, 7.0, 100.0, 1e5)])
def test_stdtr(v):
    """On both sides of the middle, and of the point where the rule changes."""
    points = [float(sp.stdtrit(v, p)) for p in (*LEVELS, 0.4999)] + [1e-3, 1.54, 1.56, np.sqrt(v) * 0.999, np.sqrt(v)]
    for t in points:
        if abs(t) < 1e120:
            check(special.stdtr, area_of_student, (v, t), (sp.stdtr(v, t), sp.stdtr(v, -t)))


def test_stdtr_in_the_middle():
    """Where t is 0, the curvature along both is the derivative of the density."""
    for v in (3.0, 40.0):
        curvature = dg.hessian(lambda p: special.stdtr(p[0], p[1]))(np.array([v, 0.0]))
        slope = dg.derivative(lambda v: stats.t.pdf(0.0, v))(v)
        np.testing.assert_allclose(curvature, [[0, slope], [slope, 0]], rtol=1e-13, atol=1e-18)


# ---------------------------------------------------------------------- inverses

INVERSES = [
    ("gammaincinv", lambda a, x: area_of_gamma(a, x), [(0.5, 0.3), (3.0, 1e-12), (40.0, 0.7)]),
    ("gammainccinv", lambda a, x: 1 - area_of_gamma(a, x), [(0.5, 0.3), (3.0, 1e-12), (40.0, 0.7)]),
    ("chdtri", lambda v, x: 1 - area_of_gamma(v / 2, x / 2), [(1.0, 0.3), (6.0, 1e-12), (80.0, 0.7)]),
    ("betaincinv", area_of_beta, [(0.5, 2.0, 0.3), (3.0, 5.0, 1e-12), (20.0, 40.0, 0.7)]),
    ("betainccinv", lambda a, b, x: 1 - area_of_beta(a, b, x), [(2.0, 0.5, 0.3), (5.0, 3.0, 1e-9), (20.0, 40.0, 0.7)]),
    ("stdtrit", area_of_student, [(0.7, 0.3), (3.0, 1e-12), (50.0, 0.9)]),
]


@every(("name", "area", "points"), INVERSES, ids=[name for name, *_ in INVERSES])
def test_inverses(name, area, points):
    """The truth is the root of the area, by Newton's method from SciPy's."""
    function = getattr(special, name)
    for point in points:
        start = mp.mpf(float(function(*point)))

        def root(*args):
            *shapes, p = args
            x, h = start, mp.mpf(10) ** -40  # noqa: B023
            for _ in range(4):
                x -= (area(*shapes, x) - p) / ((area(*shapes, x + h * x) - area(*shapes, x - h * x)) / (2 * h * x))
            return x

        check(function, root, point, (1.0,), rtol=(1e-9, 1e-8))


# ---------------------------------------------------------------------- logarithms of tails, edges, and what is none


@every("name", ["gamma", "chi2", "beta", "t"])
def test_logarithms_of_tails(name):
    """The relative change of an area of 1e-200 along the shapes."""
    of, shapes = getattr(stats, name), {"beta": (1.5, 4.0), "t": (3.0,)}.get(name, (2.5,))
    exact = {
        "gamma": lambda a, x: area_of_gamma(a, x),
        "chi2": lambda v, x: area_of_gamma(v / 2, x / 2),
        "beta": area_of_beta,
        "t": area_of_student,
    }[name]
    for function, x, sign in (("logcdf", of.ppf(1e-200, *shapes), 1), ("logsf", of.isf(1e-200, *shapes), -1)):
        if not np.isfinite(x) or x == of.high:
            continue
        found = dg.jacfwd(lambda v, f=function, x=x: getattr(of, f)(x, *v))(np.array(shapes))
        truth = Truth(lambda *a, x=x: exact(*a, mp.mpf(float(x))), shapes, (1e-200,))
        area = np.exp(getattr(of, function)(x, *shapes))
        np.testing.assert_allclose(found, sign * np.array(truth.first) / area, rtol=1e-10)


EDGES = [
    (lambda a: special.gammainc(a, [0.0, np.inf, 1.0]), 2.0, [0.0, 0.0, None]),
    (lambda a: special.gammainc(a, 1.0), -1.0, np.nan),
    (lambda a: special.gammaincc(a, np.nan), 1.0, np.nan),
    (lambda a: special.betainc(a, 2.0, [0.0, 1.0]), 0.5, [0.0, 0.0]),
    (lambda b: special.betaincc(0.5, b, [0.0, 1.0]), 2.0, [0.0, 0.0]),
    (lambda a: special.betainc(a, 2.0, [-0.5, 1.5]), 0.5, [np.nan, np.nan]),
    (lambda v: special.stdtr(v, [0.0, -np.inf, np.inf]), 3.0, [0.0, 0.0, 0.0]),
    (lambda v: special.stdtr(v, 2.0), np.inf, 0.0),
    (lambda v: special.stdtr(v, 2.0), -1.0, np.nan),
    (lambda v: stats.t.logpdf(2.0, v), np.inf, 0.0),
    (lambda a: stats.gamma.cdf([-1.0, 0.0], a), 2.0, [0.0, 0.0]),
    (lambda a: stats.beta.sf([-1.0, 2.0], a, 2.0), 2.0, [0.0, 0.0]),
    (lambda v: stats.chi2.ppf([0.0, 1.0], v), 2.0, [0.0, np.nan]),
]


@every(("f", "x", "expected"), EDGES)
def test_edges(f, x, expected):
    for found, truth in zip(np.atleast_1d(dg.derivative(f)(x)), np.atleast_1d(expected), strict=True):
        assert truth is None or found == truth or np.isnan(found) and np.isnan(truth)


@every("f", [special.gammainc, special.betainc, special.stdtr])
def test_many_entries_are_those_one_by_one(f):
    """More than are computed at once, broadcast, in single precision too."""
    shape, x = np.linspace(0.2, 60, 2000), np.array([[0.1], [0.7]])
    args = (x, shape, np.full_like(x, 0.3))[-f.nin :] if f is special.betainc else (shape, x)
    y, dy = dg.jvp(f, args, tuple(np.ones_like(a) for a in args))
    assert dy.shape == y.shape == (2, 2000)
    for i, j in ((0, 5), (1, 1500)):
        one = [np.broadcast_to(a, y.shape)[i, j] for a in args]
        assert dy[i, j] == pytest.approx(dg.jvp(f, tuple(one), (1.0,) * f.nin)[1], rel=1e-13)
    single = dg.jvp(f, tuple(np.float32(a) for a in args), tuple(np.ones_like(np.float32(a)) for a in args))[1]
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, dy, rtol=1e-4, atol=1e-6)
