"""The distributions: each function along each parameter against mpmath, in the tails, and the edges of the support."""

import itertools
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")

import scipy.stats as ss

from dualgrad.scipy import stats
from dualgrad.scipy.distributions import QUANTILES, ContinuousDistribution, DiscreteDistribution

mp = pytest.importorskip("mpmath").mp
INF, NAN = np.inf, np.nan

# ---------------------------------------------------------------------- the truth, by mpmath


class Truth(NamedTuple):
    """A distribution in standard form by mpmath: its density, the areas below and above, its entropy; and points."""

    density: object
    below: object
    above: object
    entropy: object
    points: list  # of (z, *shapes)


def student(z, v):
    return (1 + z * z / v) ** (-(v + 1) / 2) / (mp.sqrt(v) * mp.beta(v / 2, 0.5))


def student_below(z, v):
    tail = mp.betainc(v / 2, 0.5, 0, v / (v + z * z), regularized=True) / 2
    return tail if z < 0 else 1 - tail


def gamma_entropy(a):
    return a + mp.loggamma(a) + (1 - a) * mp.digamma(a)


def student_entropy(v):
    return (v + 1) / 2 * (mp.digamma((v + 1) / 2) - mp.digamma(v / 2)) + mp.log(mp.sqrt(v) * mp.beta(v / 2, 0.5))


def beta_entropy(a, b):
    part = (a - 1) * mp.digamma(a) + (b - 1) * mp.digamma(b) - (a + b - 2) * mp.digamma(a + b)
    return mp.log(mp.beta(a, b)) - part


def whole(pmf, low, last, points):
    """A discrete distribution by its masses."""
    masses = lambda k, *s: mp.fsum(pmf(j, *s) for j in range(low, int(k) + 1))  # noqa: E731
    entropy = lambda *s: -mp.fsum(p * mp.log(p) for p in (pmf(j, *s) for j in range(low, last(*s) + 1)))  # noqa: E731
    return Truth(pmf, masses, lambda k, *s: 1 - masses(k, *s), entropy, points)


def binomial(k, n, p):
    return mp.binomial(int(n), k) * p**k * (1 - p) ** (int(n) - k)


def normal_below(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


TRUTHS = {
    "norm": Truth(mp.npdf, normal_below, lambda z: normal_below(-z), lambda: mp.log(2 * mp.pi * mp.e) / 2,
                  [(0.0,), (-1.3,), (2.0,), (40.0,), (-38.0,)]),
    "expon": Truth(lambda z: mp.exp(-z), lambda z: -mp.expm1(-z), lambda z: mp.exp(-z), lambda: mp.mpf(1),
                   [(0.7,), (1e-9,), (40.0,)]),
    "uniform": Truth(lambda z: mp.mpf(1), lambda z: z, lambda z: 1 - z, lambda: mp.mpf(0), [(0.3,), (0.999,)]),
    "laplace": Truth(lambda z: mp.exp(-abs(z)) / 2, lambda z: mp.exp(z) / 2 if z < 0 else 1 - mp.exp(-z) / 2,
                     lambda z: mp.exp(-z) / 2 if z > 0 else 1 - mp.exp(z) / 2, lambda: 1 + mp.log(2),
                     [(0.4,), (-1.2,), (40.0,), (-40.0,)]),
    "logistic": Truth(lambda z: mp.exp(-z) / (1 + mp.exp(-z)) ** 2, lambda z: 1 / (1 + mp.exp(-z)),
                      lambda z: 1 / (1 + mp.exp(z)), lambda: mp.mpf(2), [(0.0,), (-1.2,), (60.0,), (-60.0,)]),
    "cauchy": Truth(lambda z: 1 / (mp.pi * (1 + z * z)), lambda z: mp.atan2(1, -z) / mp.pi,
                    lambda z: mp.atan2(1, z) / mp.pi, lambda: mp.log(4 * mp.pi), [(0.1,), (-3.0,), (1e4,), (-1e4,)]),
    "lognorm": Truth(lambda z, s: mp.npdf(mp.log(z) / s) / (s * z), lambda z, s: normal_below(mp.log(z) / s),
                     lambda z, s: normal_below(-mp.log(z) / s), lambda s: mp.log(2 * mp.pi * mp.e) / 2 + mp.log(s),
                     [(0.7, 0.5), (3.0, 1.5), (30.0, 0.25)]),
    "weibull_min": Truth(lambda z, c: c * z ** (c - 1) * mp.exp(-(z**c)), lambda z, c: -mp.expm1(-(z**c)),
                         lambda z, c: mp.exp(-(z**c)), lambda c: mp.euler * (1 - 1 / c) - mp.log(c) + 1,
                         [(0.7, 0.5), (1.3, 2.5), (6.0, 2.0)]),
    "gamma": Truth(lambda z, a: z ** (a - 1) * mp.exp(-z) / mp.gamma(a),
                   lambda z, a: mp.gammainc(a, 0, z, regularized=True),
                   lambda z, a: mp.gammainc(a, z, regularized=True), gamma_entropy,
                   [(0.7, 0.5), (3.0, 2.5), (60.0, 2.0)]),
    "beta": Truth(lambda z, a, b: z ** (a - 1) * (1 - z) ** (b - 1) / mp.beta(a, b),
                  lambda z, a, b: mp.re(mp.betainc(a, b, 0, z, regularized=True)),
                  lambda z, a, b: mp.re(mp.betainc(a, b, z, 1, regularized=True)), beta_entropy,
                  [(0.3, 0.5, 2.5), (0.8, 3.0, 2.0), (0.01, 4.0, 3.0)]),
    "chi2": Truth(lambda z, k: (z / 2) ** (k / 2 - 1) * mp.exp(-z / 2) / mp.gamma(k / 2) / 2,
                  lambda z, k: mp.gammainc(k / 2, 0, z / 2, regularized=True),
                  lambda z, k: mp.gammainc(k / 2, z / 2, regularized=True),
                  lambda k: gamma_entropy(k / 2) + mp.log(2), [(0.7, 1.0), (3.0, 4.5), (100.0, 3.0)]),
    "t": Truth(student, student_below, lambda z, v: student_below(-z, v), student_entropy,
               [(0.1, 1.0), (-1.7, 4.5), (40.0, 3.0), (-1e4, 2.5), (2.0, 1e5)]),
    "poisson": whole(lambda k, mu: mu**k * mp.exp(-mu) / mp.factorial(k), 0, lambda mu: 60,
                     [(0.0, 0.7), (3.0, 2.5), (20.0, 4.0)]),
    "bernoulli": whole(lambda k, p: binomial(k, 1, p), 0, lambda p: 1, [(0.0, 0.3), (1.0, 0.8)]),
    "binom": whole(binomial, 0, lambda n, p: int(n), [(0.0, 5.0, 0.3), (3.0, 7.0, 0.6), (9.0, 10.0, 0.2)]),
    "geom": whole(lambda k, p: (1 - p) ** (k - 1) * p, 1, lambda p: 400, [(1.0, 0.3), (4.0, 0.6), (9.0, 0.25)]),
}  # fmt: skip
CONTINUOUS = [name for name in TRUTHS if isinstance(getattr(stats, name), ContinuousDistribution)]
LOC, SCALE = 0.4, 1.7


def truth(name, function):
    """A function of (x, *shapes, loc, scale) in mpmath, of a discrete distribution without scale."""
    of, continuous = TRUTHS[name], name in CONTINUOUS

    def standard(*args):
        x, *shapes, loc = args[:-1] if continuous else args
        return ((x - loc) / args[-1] if continuous else x - loc, *shapes), args[-1] if continuous else 1

    def value(*args):
        if function == "entropy":
            return of.entropy(*args[1:-2]) + mp.log(args[-1]) if continuous else of.entropy(*args[1:-1])
        z, scale = standard(*args)
        if function in QUANTILES:
            (q, *shapes), (loc, scale) = args[:-2], args[-2:]
            start = float(getattr(getattr(ss, name), function)(float(q), *map(float, shapes)))
            area = of.below if function == "ppf" else of.above
            return loc + scale * mp.findroot(lambda z: area(z, *shapes) / q - 1, start, tol=1e-150)
        kind = function.removeprefix("log")
        y = of.density(*z) / scale if kind in ("pdf", "pmf") else of.below(*z) if kind == "cdf" else of.above(*z)
        return mp.log(y) if function.startswith("log") else y

    return value


def moving(name, function, count):
    """The positions of the arguments that may be Duals."""
    held = set() if name in CONTINUOUS else {0, count - 1} | ({1} if name == "binom" else set())
    return [k for k in range(count) if k not in held and (k or function != "entropy")]


def arguments(name, function, point):
    """(x, *shapes, loc, scale) for a point in standard form; q in place of x for quantiles."""
    z, *shapes = point
    of = getattr(stats, name)
    if name not in CONTINUOUS:
        return [z, *shapes, 0.0]
    area = {"ppf": of.cdf, "isf": of.sf}.get(function)
    x = float(area(z, *shapes)) if area else LOC + SCALE * z
    return [x, *shapes, LOC, SCALE]


def calls(orders):
    for name in TRUTHS:
        for function in (*getattr(stats, name).functions, "entropy"):
            if function not in QUANTILES or name in CONTINUOUS:
                yield from (pytest.param(name, function, order, id=f"{name}.{function}-{order}") for order in orders)


def points(name, function):
    """Those where SciPy's value is not 0, 1 or infinite by rounding alone."""
    for point in TRUTHS[name].points:
        args = arguments(name, function, point)
        if name == "bernoulli" and point[0] == 1 and function == "logsf":
            continue
        if function not in QUANTILES or 1e-200 < args[0] < 1 - 1e-6:
            yield args


def found_and_expected(name, function, order, args):
    """Order 1 along each parameter; order 2 along a mixture of all."""
    free = moving(name, function, len(args))
    start, mix = np.array([args[k] for k in free]), np.cos(np.arange(len(free)) + 1.0)
    given = lambda v: [v[free.index(k)] if k in free else a for k, a in enumerate(args)]  # noqa: E731
    call = lambda v: getattr(getattr(stats, name), function)(*given(v)[function == "entropy" :])  # noqa: E731
    if not free:
        return [], []
    with mp.workdps(100):
        h, exact = mp.mpf(10) ** -25 * (args[0] if function in QUANTILES else 1), truth(name, function)

        def along(s, v):
            return exact(*map(mp.mpf, given([mp.mpf(a) + s * mp.mpf(b) for a, b in zip(start, v, strict=True)])))

        if order == 1:
            return dg.jacfwd(call)(start), [float((along(h, v) - along(-h, v)) / (2 * h)) for v in np.eye(len(free))]
        second = (along(h, mix) - 2 * along(0, mix) + along(-h, mix)) / h**2
        return dg.derivative(dg.derivative(lambda s: call(start + s * mix)))(0.0), float(second)


@pytest.mark.parametrize(("name", "function", "order"), list(calls([1, 2])))
def test_derivatives(name, function, order):
    for args in points(name, function):
        found, expected = found_and_expected(name, function, order, args)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300, err_msg=str(args))


# ---------------------------------------------------------------------- values, edges, and what is no distribution

GRID = np.array([-INF, -3.0, -0.3, 0.0, 0.2, 0.5, 1.0, 1.4, 2.0, 3.0, 7.5, 45.0, INF, NAN])
LEVELS = np.array([-0.1, 0.0, 1e-3, 0.3, 0.5, 0.8, 1.0, 1.1, NAN])
SHAPES = {name: [0.5, 1.0, 2.5, 0.0, -1.0, NAN] for name in ("lognorm", "weibull_min", "gamma", "beta", "chi2", "t")}
SHAPES |= {"poisson": [0.0, 0.5, 3.0, -1.0], "bernoulli": [0.0, 0.3, 1.0, 1.2, NAN], "geom": [0.3, 1.0, 0.0, 1.2]}
SHAPES |= {"binom": [0.0, 0.3, 1.0, -0.1, NAN]}
every = pytest.mark.parametrize("name", TRUTHS)


def grid(name, function):
    """All of x, shapes, loc and scale against each other, flat."""
    axes = [] if function == "entropy" else [LEVELS if function in QUANTILES else GRID]
    axes += [[3.0, 2.5] if s == "n" else SHAPES[name] for s in getattr(stats, name).shapes]
    axes += [[0.0, 0.5], [1.0, 2.5, 0.0, -1.0]] if name in CONTINUOUS else [[0.0, 2.0]]
    return [a.ravel() for a in np.meshgrid(*axes, indexing="ij")]


@every
def test_values_are_scipy_s_and_those_of_the_formulas(name):
    of, own = getattr(stats, name), getattr(ss, name)
    for function in (*of.functions, "entropy"):
        one_n = name == "binom" and function == "entropy"  # which is all that SciPy takes
        args = [3.0, np.array(SHAPES[name]), 0.0] if one_n else grid(name, function)
        with np.errstate(all="ignore"):
            expected = getattr(own, function)(*args)
            assert getattr(of, function)(*args).tobytes() == expected.tobytes()
            if function in QUANTILES and name not in CONTINUOUS:
                continue
            found = getattr(of, f"_define_{function}")(*args)
        if function == "pdf":  # SciPy calls some 0 · inf at the end of the line
            found = np.where(np.isinf(args[0]) & np.isnan(expected), expected, found)
        if function in ("logcdf", "logsf"):  # NaN, so that the tangent is; and SciPy calls 0 some that is undefined
            found = np.where(np.isnan(found) & np.isin(expected, [-INF, 0.0]), expected, found)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15, err_msg=function)


def slopes(function, *args):
    """The derivatives along each argument."""
    return dg.jacfwd(lambda v: function(*v))(np.array(args, float)).tolist()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_outside_of_the_support_and_of_the_parameters(name):
    """Beyond the support nothing changes; what is no distribution has NaN, along whatever direction."""
    of, (_, *shapes) = getattr(stats, name), TRUTHS[name].points[0]
    beyond = [x for x, end in ((-7.0, of.low), (9.0, of.high)) if np.isfinite(end)]
    none = [(0.5, *shapes, 0.0, -1.0), (NAN, *shapes, 0.0, 1.0)]
    none += [(0.5, *(-s for s in shapes), 0.0, 1.0)] if shapes else []
    for f in of.functions:
        for x in beyond if f not in QUANTILES else []:
            assert set(slopes(getattr(of, f), x, *shapes, LOC, SCALE)) == {0.0}, f
        for args in [*none, (1.5, *shapes, 0.0, 1.0)] if f in QUANTILES else none:
            assert np.isnan(slopes(getattr(of, f), *args)).all(), (f, args)


EDGES = [
    (lambda x: stats.expon.pdf(x), 0.0, -1.0),
    (lambda x: stats.expon.cdf(x), 0.0, 1.0),
    (lambda x: stats.uniform.cdf(x), 0.0, 1.0),
    (lambda x: stats.uniform.cdf(x), 1.0, 1.0),
    (lambda x: stats.uniform.pdf(x), 1.0, 0.0),
    (lambda x: stats.gamma.pdf(x, 1.0), 0.0, -1.0),
    (lambda x: stats.gamma.pdf(x, 2.0), 0.0, 1.0),
    (lambda x: stats.gamma.pdf(x, 3.0), 0.0, 0.0),
    (lambda x: stats.gamma.cdf(x, 1.0), 0.0, 1.0),
    (lambda x: stats.chi2.pdf(x, 4.0), 0.0, 0.25),
    (lambda x: stats.weibull_min.pdf(x, 2.0), 0.0, 2.0),
    (lambda x: stats.beta.pdf(x, 2.0, 3.0), 0.0, 12.0),
    (lambda x: stats.beta.pdf(x, 2.0, 2.0), 1.0, -6.0),
    (lambda x: stats.lognorm.pdf(x, 1.0), 0.0, 0.0),
    (lambda x: stats.laplace.pdf(x), 0.0, 0.0),
    (lambda x: stats.laplace.cdf(x), 0.0, 0.5),
    (lambda q: stats.expon.ppf(q), 0.0, 1.0),
    (lambda q: stats.uniform.ppf(q, 1.0, 2.0), 1.0, 2.0),
    (lambda mu: stats.poisson.pmf([0, 1, 2], mu), 0.0, [-1.0, 1.0, 0.0]),
    (lambda mu: stats.poisson.cdf([0, 1], mu), 0.0, [-1.0, 0.0]),
    (lambda p: stats.bernoulli.pmf([0, 1, 2], p), 0.0, [-1.0, 1.0, 0.0]),
    (lambda p: stats.binom.pmf([0, 1, 2, 3], 3, p), 0.0, [-3.0, 3.0, 0.0, 0.0]),
    (lambda p: stats.binom.pmf([0, 1, 2, 3], 3, p), 1.0, [0.0, 0.0, -3.0, 3.0]),
    (lambda p: stats.geom.pmf([1, 2, 3], p), 1.0, [1.0, -1.0, 0.0]),
    (lambda p: stats.geom.cdf([1, 2], p), 1.0, [1.0, 0.0]),
    (lambda p: stats.poisson.pmf([0.5, -1.0], p), 1.0, [0.0, 0.0]),
    (lambda p: stats.geom.logpmf(0, p), 0.5, 0.0),
    (lambda p: stats.poisson.pmf(1, p), -1.0, NAN),
    (lambda p: stats.binom.cdf(1, 2.5, p), 0.5, NAN),
    (lambda p: stats.bernoulli.logpmf(1, p), 1.5, NAN),
    (lambda v: stats.t.logpdf(0.7, INF, scale=v), 1.0, -1 + 0.49),
    (lambda x: stats.cauchy.logpdf(x), 1e200, -2e-200),
    (lambda x: stats.cauchy.logcdf(x), -1e300, 1e-300),
    (lambda x: stats.cauchy.logsf(x), 1e300, -1e-300),
    (lambda x: stats.cauchy.logsf(x), 1e9, -1e-9),
    (lambda x: stats.gamma.logsf(x, 2.0), 2000.0, NAN),  # SciPy's value is -inf: no tangent is made up
    (lambda x: stats.gamma.logsf(x, 2.0), 742.0, NAN),  # nor of a subnormal tail
    (lambda q: stats.poisson.ppf(q, 3.0), 0.4, 0.0),
    (lambda loc: stats.poisson.ppf(0.4, 3.0, loc), 0.0, 1.0),
    (lambda q: stats.poisson.isf(q, 3.0), 0.4, 0.0),
    (lambda loc: stats.geom.isf(0.4, 0.3, loc), 0.0, 1.0),
    (lambda mu: stats.poisson.entropy(mu), 0.0, INF),
    (lambda p: stats.bernoulli.entropy(p), 1.0, -INF),
    (lambda p: stats.binom.entropy(4, p), 0.0, INF),
]  # fmt: skip


@pytest.mark.parametrize(("f", "x", "expected"), EDGES)
def test_edges(f, x, expected):
    with np.errstate(divide="ignore"):  # SciPy's, of geom at p = 1
        np.testing.assert_allclose(dg.derivative(f)(x), expected, rtol=1e-13)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_slope_of_the_areas_is_the_density_everywhere(name):
    """At the edges of the support, where they may be infinite, and beyond them too."""
    of, x = getattr(stats, name), np.array([-INF, -50.0, -1.0, 0.0, 1e-300, 0.3, 1.0, 2.0, 60.0, 1e3, 1e200, INF])
    shapes = [1.5] * len(of.shapes)
    with np.errstate(all="ignore"):
        for f, sign in (("cdf", 1), ("sf", -1)):
            d = dg.jvp(lambda x, f=f: getattr(of, f)(x, *shapes), (x,), (np.ones_like(x),))[1]
            there = np.isfinite(x)
            np.testing.assert_allclose(d[there], sign * of.pdf(x[there], *shapes), rtol=1e-10)
            assert all(v == 0 or np.isnan(v) for v in d[~there])


@every
def test_everything_moves_and_broadcasts(name):
    """x against parameters, in K directions, equals the calls one by one; a nested call has SciPy's value."""
    of, rng = getattr(stats, name), np.random.default_rng(0)
    continuous, f = name in CONTINUOUS, of.functions[1]
    x, rest = np.array([0.2, 0.5, 0.9]) if continuous else np.array([1.0, 2.0, 3.0]), [s for s in of.shapes if s != "n"]
    shapes = [np.array([[0.4], [0.7]]) for _ in rest]
    fixed = [3.0] if "n" in of.shapes else []
    moving = [x, *shapes, np.array(0.0), np.array([[1.0], [1.5]])] if continuous else shapes

    def call(*args):
        return getattr(of, f)(*args) if continuous else getattr(of, f)(x, *fixed, *args)

    tangents = [rng.normal(size=(4, *np.shape(a))) for a in moving]
    y, dy = dg.jvp(call, tuple(moving), tuple(tangents))
    assert y.tobytes() == call(*moving).tobytes()
    assert dy.shape == (4, 2, 3)
    for k, i, j in itertools.product(range(4), range(2), range(3)):
        pick = lambda a, s: np.broadcast_to(a, s)[..., i, j] if np.ndim(a) else a  # noqa: E731, B023
        args = tuple(np.asarray(pick(a, (2, 3))) for a in moving)
        d = tuple(np.asarray(pick(t[k], (2, 3))) for t in tangents)
        one = (lambda *a: getattr(of, f)(*a)) if continuous else lambda *a: getattr(of, f)(x[j], *fixed, *a)  # noqa: B023
        np.testing.assert_allclose(dy[k, i, j], dg.jvp(one, args, d)[1], rtol=1e-12)


def test_single_precision_is_scipy_s():
    """SciPy answers float32 in double precision, and so do the tangents."""
    x = np.array([0.3, 0.7], np.float32)
    for of, f in ((stats.norm, "logpdf"), (stats.gamma, "cdf"), (stats.beta, "ppf")):
        args = [np.float32(2.0)] * len(of.shapes)
        y, dy = dg.jvp(lambda x, of=of, f=f, args=args: getattr(of, f)(x, *args), (x,), (np.ones_like(x),))
        assert y.dtype == dy.dtype == getattr(of, f)(x, *args).dtype == np.float64


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda k: stats.poisson.pmf(k, 1.0), "poisson.pmf has no derivative along k, which counts whole numbers"),
        (lambda loc: stats.geom.cdf(2, 0.5, loc), "geom.cdf has no derivative along loc"),
        (lambda n: stats.binom.logpmf(1, n, 0.5), r"along n, .* pass dg.primal\(n\)"),
        (lambda n: stats.binom.ppf(0.4, n, 0.5), "binom.ppf has no derivative along n"),
        (lambda n: stats.binom.entropy(n, 0.5), "binom.entropy has no derivative along n"),
        (lambda x: ss.norm.logpdf(x), r"^scipy.stats.\S*logpdf would drop .* write it with dualgrad.scipy.stats or"),
        (lambda x: stats.norm.mean(x), "no rule for scipy.stats"),
        (lambda n: stats.binom.isf(0.4, n, 0.5), "binom.isf has no derivative along n"),
        (
            lambda x: stats.norm(x).rvs(),
            r"stats.norm\(...\).rvs is SciPy's own and would drop .* logsf, ppf, isf, entropy take",
        ),
    ],
)
def test_refused(f, says):
    with pytest.raises((NotImplementedError, dg.TangentLossError), match=says):
        dg.derivative(f)(0.5)


def test_signatures_and_other_names_are_scipy_s():
    assert stats.gamma.logpdf(1.0, a=2.0, scale=3.0) == ss.gamma.logpdf(1.0, a=2.0, scale=3.0)
    assert (
        dg.derivative(lambda a: stats.gamma.logpdf(1.0, a=a, loc=0.5))(2.0) == slopes(stats.gamma.logpdf, 1, 2, 0.5)[1]
    )
    with pytest.raises(TypeError, match="missing a required argument"):
        stats.gamma.logpdf(1.0)
    assert stats.norm.rvs(random_state=3) == ss.norm.rvs(random_state=3)
    assert stats.gamma(2.0, scale=3.0).cdf(1.0) == stats.gamma.cdf(1.0, 2.0, scale=3.0)
    assert stats.linregress is ss.linregress
    swept = {f.name for f in vars(stats).values() if isinstance(f, ContinuousDistribution | DiscreteDistribution)}
    assert swept == set(TRUTHS) == set(stats.__all__) - {"multivariate_normal", "dirichlet"}


def test_the_rules_outlive_a_block_and_scipy_s_distributions_come_when_asked_for():
    program = (
        "import sys, dualgrad as dg, dualgrad.scipy; assert 'scipy.stats' not in sys.modules\n"
        "with dg.extend.rules_restored():\n    from dualgrad.scipy import stats\n"
        "print(dg.derivative(lambda x: stats.gamma.cdf(x, 1.0))(0.0))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "1.0", run.stderr
