"""Taylor mode: every function of the catalogue against nested jvp, known series to high order, and what it costs."""

import functools
import itertools
import math
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import extend
from dualgrad.series.together import AT_ONCE as RECURRENCES
from dualgrad.tables import KINDS
from dualgrad.ties import STAND_INS
from tests.support import strict
from tests.support.cases import Case, real
from tests.support.catalogue import CATALOGUE
from tests.support.checks import derivative_along, direction, flat, moving, outputs, same, subset

mp = pytest.importorskip("mpmath").mp

SMOOTH = [c for c in CATALOGUE if c.draws]
ONE = np.float64(1.0)


def coefficients(f, xs, vs, order):
    """The Taylor coefficients of f along vs, each laid out as one vector."""
    g, moved, tangents = moving(f, xs, vs)
    series = dg.taylor(lambda x: g(*x), moved, tangents, order)
    return [np.concatenate([np.ravel(y) for y in outputs(c)]) for c in series]


def nested(f, xs, vs, order):
    """The same by jvp of jvp of ... f."""
    found = [flat(f)(*xs)]
    for k in range(1, order + 1):
        f = derivative_along(f, vs)
        found.append(flat(f)(*xs) / math.factorial(k))
    return found


def compare(f, xs, vs, order):
    for k, (c, d) in enumerate(zip(coefficients(f, xs, vs, order), nested(f, xs, vs, order), strict=True)):
        assert c.shape == d.shape
        assert c.dtype == d.dtype
        bound = 1e-10 * np.max(np.abs(d), initial=1)
        assert np.all(np.abs(c - d) <= bound), f"coefficient {k}:\n{c}\n{d}"


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_equal_to_nested_jvp(case):
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    v = direction(rng, xs, np.ones(len(xs), bool))
    compare(case, xs, v, 3)
    compare(case, xs, v, 2)
    if len(xs) > 1:
        compare(case, xs, direction(rng, xs, subset(rng, len(xs))), 2)


@pytest.mark.parametrize(
    ("f", "where", "wrong"),
    [
        (np.arcsinh, "series.Series.derivative", lambda self: self),  # a factor forgotten in the integral
        (lambda x: np.exp(x * x), "stacked.graded", lambda x: x),  # the same in a recurrence of plain arrays
        (np.square, "stacked.inner", lambda a, b, k: 0),  # a sum forgotten
        (np.sqrt, "stacked.watched", lambda a, b, k: 0),
        (lambda x: x @ x, "together._add_inner_products", lambda f, z, x, y: None),
    ],
)
def test_a_wrong_coefficient_is_noticed(f, where, wrong, monkeypatch):
    case, rng = Case(f, None, (real(3),), {}), np.random.default_rng(0)
    xs = [np.abs(x) + 1 for x in case.sample(rng)]
    compare(case, xs, direction(rng, xs, [True]), 3)
    monkeypatch.setattr(f"dualgrad.series.{where}", wrong)
    with pytest.raises(AssertionError, match="coefficient"):
        compare(case, xs, direction(rng, xs, [True]), 3)


# ---------------------------------------------------------------------- known series

KNOWN = {
    "exp": (np.exp, "exp", 0.3), "expm1": (np.expm1, "expm1", 1e-3), "log": (np.log, "log", 0.7),
    "log1p": (np.log1p, "log1p", 1e-3), "sin": (np.sin, "sin", 0.3), "cos": (np.cos, "cos", 0.3),
    "tan": (np.tan, "tan", 0.3), "arcsin": (np.arcsin, "asin", 0.3), "arccos": (np.arccos, "acos", 0.3),
    "arctan": (np.arctan, "atan", 0.3), "sinh": (np.sinh, "sinh", 0.3), "cosh": (np.cosh, "cosh", 0.3),
    "tanh": (np.tanh, "tanh", 0.3), "arcsinh": (np.arcsinh, "asinh", 0.3), "arccosh": (np.arccosh, "acosh", 2.0),
    "arctanh": (np.arctanh, "atanh", 0.3), "sqrt": (np.sqrt, "sqrt", 0.7), "cbrt": (np.cbrt, "cbrt", 0.7),
    "tanh(20)": (np.tanh, "tanh", 20.0),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_order_twelve_against_mpmath(name):
    """Coefficients up to t^12, relative to the largest possible at that order for the nearest singularity."""
    f, twin, x = KNOWN[name]
    with mp.workdps(60):
        expected = [float(c) for c in mp.taylor(getattr(mp, twin), mp.mpf(x), 12)]
    for k, (c, d) in enumerate(zip(dg.taylor(f, x, 1.0, 12), expected, strict=True)):
        assert abs(c - d) <= 1e-12 * max(abs(d), 1e-3), f"t^{k}: {c} and {d}"


def test_powers_through_zero():
    """Whole powers are products, also where the base is zero; a constant zero does not move."""
    x, v = np.array([0.0, 0.0, 2.0]), np.array([1.0, 0.0, 1.0])
    found = np.array(dg.taylor(lambda x: x**3, x, v, 4))
    np.testing.assert_array_equal(found, [[0, 0, 8], [0, 0, 12], [0, 0, 6], [1, 0, 1], [0, 0, 0]])
    found = np.array(dg.taylor(lambda x: np.power(x, np.array([2, 1, 2.0])), x, v, 3))
    np.testing.assert_array_equal(found, [[0, 0, 4], [0, 0, 4], [1, 0, 1], [0, 0, 0]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 70, 0.5, 1.5, 2.5, -1.5])
@pytest.mark.parametrize("v", [0.0, 1.0, -2.0])
def test_powers_of_zero(n, v):
    """0 up to the exponent and, where that is no whole number, infinite beyond, whatever stands beside it."""
    expected = [np.float64(0) ** n, 0, 0, 0, 0]
    if v:
        binomials = [float(mp.binomial(n, k)) for k in range(1, 5)]
        expected[1:] = [v**k if k == n else b * np.inf * v**k if b and k > n else 0 for k, b in enumerate(binomials, 1)]
    np.testing.assert_array_equal(dg.taylor(lambda x: x**n, 0.0, v, 4), expected)
    found = dg.taylor(lambda x: x ** np.array([n, 3.0, 0.5]), np.array([0.0, 2.0, 2.0]), np.array([v, 1.0, 1.0]), 4)
    np.testing.assert_array_equal([c[0] for c in found], expected)
    np.testing.assert_allclose([c[1] for c in found], [8, 12, 6, 1, 0], rtol=1e-14)
    np.testing.assert_allclose([c[2] for c in found], dg.taylor(np.sqrt, 2.0, 1.0, 4), rtol=1e-14)


@pytest.mark.parametrize("base", [-2.0, 0.0])
def test_an_exponent_that_does_not_move_is_constant(base):
    """Where others do: a negative base has no logarithm."""
    x, n = np.array([base, 2.0]), np.array([3.0, 3.0])
    found = np.array(dg.taylor(lambda t: np.power(x + t, n + np.array([0.0, 1.0]) * t), 0.0, 1.0, 3))
    np.testing.assert_array_equal(found[:, 0], [base**3, 3 * base**2, 3 * base, 1])
    np.testing.assert_allclose(found[:, 1], dg.taylor(lambda t: (2 + t) ** (3 + t), 0.0, 1.0, 3), rtol=1e-13)


@pytest.mark.parametrize("n", [2, 3, -1, 0.5, 1.5, 2.7])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_powers_of_scalars_are_those_of_python(n, dtype):
    for x in np.random.default_rng(0).uniform(0.1, 3, 50).astype(dtype):
        assert dg.taylor(lambda x: x**n, x, dtype(1), 1)[0] == x**n
        assert dg.taylor(lambda x: 2.5**x, x, dtype(1), 1)[0] == 2.5**x


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_zero_coefficient_meets_infinity():
    """0 · inf = 0 in products, of matrices too: the series of a value that overflows, and of a matrix with an inf."""
    np.testing.assert_array_equal(dg.taylor(np.exp, 1000.0, 1.0, 3), np.full(4, np.inf))
    a, x, v = np.array([[np.inf, 1.0], [2.0, 3.0]]), np.array([0.0, 1.0]), np.array([0.0, 1.0])
    found = dg.taylor(lambda x: (a + 0 * x) @ x, x, v, 2)
    np.testing.assert_array_equal(found[1:], [[1, 3], [0, 0]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("x", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("order", [2, 3])
def test_a_product_with_itself_is_a_product(x, order):
    """x * x as x * (+x), where a motion that is zero meets infinity; and of arrays as of numbers."""
    expected = dg.taylor(lambda x: x * (+x), x, 1.0, order)
    assert expected[2] == 1
    np.testing.assert_array_equal(dg.taylor(lambda x: x * x, x, 1.0, order), expected)
    arrays = dg.taylor(lambda x: x * x, np.array([x, 1.0]), np.ones(2), order)
    np.testing.assert_array_equal(np.array(arrays)[:, 0], expected)


@pytest.mark.parametrize("n", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("power", [lambda x, n: x**n, np.power, np.float_power])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_exponents_that_are_no_numbers(n, power, order):
    """The value is NumPy's, and what nobody knows is NaN."""
    x = np.array([0.5, 1.5])
    value, *rest = dg.taylor(lambda x: power(x, n), x, np.array([1.0, 0.0]), order)
    np.testing.assert_array_equal(value, power(x, n))
    assert np.isnan(rest[0][0])
    np.testing.assert_array_equal([c[1] for c in rest], 0)
    number, *_ = dg.taylor(lambda x: power(x, n), 0.5, 1.0, order)
    np.testing.assert_array_equal(number, power(0.5, n))


UFUNCS = sorted({f for f in vars(np).values() if isinstance(f, np.ufunc) and f in KINDS and f.nin <= 2}, key=str)
LENGTHS = (1e200, 1e308, -1e200, 1e-200, 5e-324)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_only_the_value_warns(order):
    """Whatever over- or underflows on the way to the other coefficients; warnings are errors here."""
    told = []
    for f, at in itertools.product(UFUNCS, (0.5, 1.5)):
        x = np.full(len(LENGTHS), at)
        try:
            with np.errstate(all="raise"):
                f(*[x] * f.nin)
        except (FloatingPointError, TypeError, ValueError):  # told of the value, or not for two vectors of floats
            continue
        try:
            with np.errstate(all="warn"):
                dg.taylor(lambda x, f=f: f(*[x] * f.nin), x, np.array(LENGTHS), order)
        except RuntimeWarning as warning:
            told.append((f.__name__, at, str(warning)))
    assert not told


def test_what_moves_at_another_level_moves():
    """The series stands still at a = 0, but not its derivative along a, which is infinite."""
    slope = dg.derivative(lambda a: dg.taylor(np.sqrt, 0.0 * a, a, 1)[1])(0.0)
    assert slope != 0


def test_what_does_not_move_contributes_nothing():
    """0 · inf = 0: the root at 0 along a direction that leaves it alone."""
    found = np.array(dg.taylor(np.sqrt, np.array([0.0, 1.0]), np.array([0.0, 1.0]), 3))
    np.testing.assert_array_equal(found, [[0, 1], [0, 0.5], [0, -0.125], [0, 0.0625]])


def test_a_root_at_zero_is_infinite():
    assert dg.taylor(np.sqrt, 0.0, 1.0, 1)[1] == np.inf


# ---------------------------------------------------------------------- to the edge of the number line


def power_of(n):
    """The coefficients of x**n: (n over k) x**(n - k)."""
    return lambda x, k: mp.binomial(mp.mpf(n), k) * mp.mpf(x) ** (mp.mpf(n) - k)


def odd_cube_root(x, k):
    return mp.sign(x) ** (k + 1) * mp.binomial(mp.mpf(1) / 3, k) * abs(mp.mpf(x)) ** (mp.mpf(1) / 3 - k)


def power_of_itself(x, k):
    """Of exp(w), w = x log x, whose derivatives are 1 + log x, 1/x, -1/x², ..."""
    x = mp.mpf(x)
    w = [0, 1 + mp.log(x), *((-1) ** j / (j * (j - 1) * x ** (j - 1)) for j in range(2, k + 1))]
    z = [x**x]
    for i in range(1, k + 1):
        z.append(mp.fsum(j * w[j] * z[i - j] for j in range(1, i + 1)) / i)
    return z[k]


POWERS = (0, 1, 2, 3, 6, 10, 70, -1, -2, -5, -70, 0.5, 1.5, 2.5, -0.5, -2.5)
MIXED = np.array([0, 1, 2, 3, 1.5])
EDGES = {  # name: f, its coefficient k at x, whether negative numbers have a value
    **{f"x**{n}": (lambda x, n=n: x**n, power_of(n), n == int(n)) for n in POWERS},
    **{
        f"power(x, {MIXED})[{i}]": (lambda x, i=i: np.power(x, MIXED.astype(x.dtype))[i], power_of(n), n != 1.5)
        for i, n in enumerate(MIXED)
    },
    "square": (np.square, power_of(2), True), "x * x": (lambda x: x * x, power_of(2), True),
    "reciprocal": (np.reciprocal, power_of(-1), True), "1 / x": (lambda x: 1 / x, power_of(-1), True),
    "x / x": (lambda x: x / x, power_of(0), True),
    "1 / (1 + x)": (lambda x: 1 / (1 + x), lambda x, k: (-1) ** k / (1 + mp.mpf(x)) ** (k + 1), False),
    "sqrt": (np.sqrt, power_of(0.5), False), "scimath.sqrt": (np.lib.scimath.sqrt, power_of(0.5), True),
    "cbrt": (np.cbrt, odd_cube_root, True),
    "float_power": (lambda x: np.float_power(x, 1.5).astype(x.dtype), power_of(1.5), False),
    "2**x": (lambda x: 2**x, lambda x, k: 2 ** mp.mpf(x) * mp.log(2) ** k / mp.factorial(k), False),
    "x**x": (lambda x: x**x, power_of_itself, False),
    "log": (np.log, lambda x, k: -((-1) ** k) / (k * mp.mpf(x) ** k) if k else mp.log(x), False),
}  # fmt: skip
GRIDS = {
    np.float64: (1e-310, 1e-300, 1e-160, 1e-30, 1e-8, 0.5, 20, 1e8, 1e154, 1e200, 1e300),
    np.float32: (1e-42, 1e-38, 1e-30, 5e-8, 0.5, 20, 1e8, 1e19, 1e30),
}
TYPES = {np.float64: (np.float64, np.complex128), np.float32: (np.float32, np.complex64)}
ORDER = 6


def faults(name, dtype, tolerance):
    """Coefficients that are representable and wrong: along 1, x, and the roots of the largest and the least number."""
    f, coefficient, both_signs = EDGES[name]
    info, found = np.finfo(dtype), []
    for x in [dtype(s * a) for a in GRIDS[dtype] for s in ((1, -1) if both_signs else (1,))]:
        if name in ("2**x", "x**x") and not info.tiny <= x <= 20:
            continue
        exact = [coefficient(float(x), k) for k in range(ORDER + 1)]
        value = mp.mpmathify(complex(f(x)))
        if info.tiny < abs(value) < np.inf and abs(value - exact[0]) > tolerance / 6 * abs(value):
            continue  # NumPy's own value has lost its digits
        for v in (dtype(1), x, np.sqrt(info.max), np.sqrt(info.tiny)):
            for k, c in enumerate(dg.taylor(f, x, v, ORDER)):
                truth = exact[k] * mp.mpf(float(v)) ** k
                if abs(truth) > info.max:
                    continue
                allowed = tolerance * abs(truth) + 2 * mp.mpf(float(info.smallest_subnormal))
                if c.dtype.type not in TYPES[dtype] or not abs(mp.mpmathify(complex(c)) - truth) <= allowed:
                    found.append((float(x), float(v), k, c, truth))
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 3e-15), (np.float32, 2e-6)])
def test_what_is_representable_comes_out_right(name, dtype, tolerance):
    """Relative to the truth, from subnormal numbers to the largest, also where the value over- or underflows."""
    with mp.workdps(60):
        assert not faults(name, dtype, tolerance)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["x**3", "x**1.5", "x**-2", "cbrt", "x**x"])
def test_without_the_second_look_they_would_not(name, monkeypatch):
    """Planted fault: nobody asks whether a number over- or underflowed on the way."""
    monkeypatch.setattr("dualgrad.series.scaling.strictly", lambda f, *args: f(*args))
    with mp.workdps(60):
        assert faults(name, np.float64, 3e-15)


@pytest.mark.parametrize("x", [0.0, 1e-16, 1e-8, 1e-3, 1.0])
def test_whole_powers_beyond_their_order(x):
    """(x + t + t²)⁶ up to t¹⁰, where the terms of Miller's recurrence cancel: -1.9e6 for 15 at 1e-8."""
    found = dg.taylor(lambda t: (x + t + t * t) ** 6, 0.0, 1.0, 10)
    np.testing.assert_allclose(found, (np.polynomial.Polynomial([x, 1, 1]) ** 6).coef[:11], rtol=1e-13)


@pytest.mark.parametrize(("above", "x", "v"), [(1e300, 1e150, 1e160), (1e-300, 1e-150, 1e-170), (1.0, 1e200, 1e300)])
def test_quotients_out_of_range_on_the_way(above, x, v):
    """Σ zⱼ yₖ₋ⱼ over- or underflows, and z does not."""
    found = dg.taylor(lambda x: above / x, x, v, 4)
    expected = [float(above * (-mp.mpf(v)) ** k / mp.mpf(x) ** (k + 1)) for k in range(5)]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda a: dg.taylor(lambda x: (a * x) ** 1.5, 1e-250, 1.0, 2)[1], (2.25e-125, 1.125e-125)),
        (lambda a: dg.taylor(lambda x: (a * x) ** 3, 1e-250, 1.0, 3)[2], (9e-250, 18e-250)),
        (lambda a: dg.taylor(lambda x: (a * x) ** -2, 1e90, 1e160, 2)[2], (-6e-40, 18e-40)),
        (lambda a: dg.taylor(lambda x: a / x, 1e200, 1e300, 3)[3], (-1e100, 0)),
        (lambda n: dg.taylor(lambda x: x**n, 2.0, 1.0, 3)[1], (4 + 12 * math.log(2), None)),
    ],
)
def test_derivatives_of_coefficients_out_of_range(f, expected):
    """A parameter that moves at another level, at 1 (for the exponent, 3)."""
    at = 3.0 if expected[1] is None else 1.0
    np.testing.assert_allclose(dg.derivative(f)(at), expected[0], rtol=1e-14)
    np.testing.assert_allclose(dg.taylor(f, at, 1.0, 1)[1], expected[0], rtol=1e-14)
    if expected[1] is not None:
        np.testing.assert_allclose(dg.derivative(dg.derivative(f))(at), expected[1], rtol=1e-13)


def single(x):
    """The same in single precision."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(single, x))
    return np.asarray(x, {"f": np.float32, "c": np.complex64}.get(x.dtype.kind)) if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_coefficients_have_the_precision_of_the_value(case):
    rng = np.random.default_rng(0)
    xs = [single(x) for x in case.sample(rng)]
    g, moved, tangents = moving(case, xs, [single(v) for v in direction(rng, xs, np.ones(len(xs), bool))])
    value, *others = (outputs(c) for c in dg.taylor(lambda x: g(*x), moved, tangents, 2))
    for coefficient in others:
        assert [np.result_type(c) for c in coefficient] == [
            np.result_type(y, np.float64) if np.result_type(y).kind in "biu" else np.result_type(y) for y in value
        ]


# ---------------------------------------------------------------------- what a rival cannot push

EVERYDAY = {
    "tan": np.tan, "arctan": np.arctan, "arcsin": lambda x: np.arcsin(x / 3), "arccos": lambda x: np.arccos(x / 3),
    "exp2": np.exp2, "cbrt": np.cbrt, "prod": np.prod, "sort": np.sort, "median": np.median,
    "solve": lambda x: np.linalg.solve(np.diag(x) + 1, x), "inv": lambda x: np.linalg.inv(np.outer(x, x) + np.eye(3)),
    "cholesky": lambda x: np.linalg.cholesky(np.outer(x, x) + np.eye(3)), "scan": lambda x: sum(np.cumsum(x)),
    "relu": lambda x: np.maximum(x - 1, 0), "softplus": lambda x: np.logaddexp(0, x), "max": np.max,
    "logaddexp": lambda x: np.logaddexp(x, x[::-1]), "hypot with a number": lambda x: np.hypot(x, 2.0),
    "where": lambda x: np.where(x > 1, np.exp(x), x**2),
}  # fmt: skip


EQUAL = {  # whose singular values coincide, or some of them
    "identity": np.eye(2), "orthogonal": np.array([[0.6, -0.8], [0.8, 0.6]]), "two of three": np.diag([2.0, 1.0, 1.0]),
    "stack": np.stack([np.eye(2), np.diag([2.0, 1.0])]),
}  # fmt: skip
BY_SINGULAR_VALUES = {
    **{f"norm {order}": (lambda a, order=order: np.linalg.norm(a, order, (-2, -1))) for order in (2, -2, "nuc")},
    **{f"cond {order}": (lambda a, order=order: np.linalg.cond(a, order)) for order in (None, 2, -2, "nuc")},
    "matrix norm": lambda a: np.linalg.matrix_norm(a, ord=2),
}


@pytest.mark.filterwarnings("ignore:the vectors of")  # which warn of equal values wherever they are differentiated
@pytest.mark.parametrize("at", EQUAL)
@pytest.mark.parametrize("name", BY_SINGULAR_VALUES)
def test_equal_singular_values_are_refused_at_every_order(name, at):
    a = EQUAL[at]
    v = np.random.default_rng(0).standard_normal(a.shape)
    for order in (1, 2, 3):
        with pytest.raises(np.linalg.LinAlgError, match="second derivatives of the values"):
            dg.taylor(BY_SINGULAR_VALUES[name], a, v, order)
    assert not STAND_INS


@pytest.mark.parametrize("name", ["eig", "eigvals"])
@pytest.mark.parametrize("v", [np.zeros((2, 2)), np.eye(2), np.array([[1.0, 2.0], [3.0, 5.0]])])
def test_equal_eigenvalues_of_any_matrix_are_refused_at_every_order(name, v):
    for order in (1, 2, 3):
        with pytest.raises(np.linalg.LinAlgError, match=r"np\.linalg\.eig do not exist"):
            dg.taylor(lambda a: getattr(np.linalg, name)(a)[0], np.eye(2), v, order)


@pytest.mark.parametrize("name", EVERYDAY)
def test_everyday_functions(name):
    x, v = np.array([0.4, 1.3, 0.9]), np.array([1.0, -0.5, 0.25])
    compare(EVERYDAY[name], [x], [v], 5)


def newton(x):
    """A loop that ends by the value it has reached."""
    y = x
    while abs(y * y - x) > 1e-12:
        y = (y + x / y) / 2
    return y


def test_control_flow_in_python():
    found, expected = dg.taylor(newton, 2.0, 1.0, 3), dg.taylor(np.sqrt, 2.0, 1.0, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_writing_into_arrays():
    def f(x):
        y = np.zeros_like(x)
        y[0], y[1:] = x[1] ** 2, np.sin(x[:2])
        y *= x
        row = y[1:]
        row += 1
        return y

    compare(f, [np.array([0.3, 0.7, 1.2])], [np.array([1.0, -0.5, 0.3])], 4)


def test_a_view_that_cannot_be_written_refuses():
    def f(x):
        np.broadcast_to(x, (2, 3))[0] = 1
        return x

    with pytest.raises(dg.TangentLossError, match="read-only"):
        dg.taylor(f, np.ones(3), np.ones(3), 2)


def test_the_callers_arrays_are_untouched():
    x, v = np.ones(3), np.ones(3)

    def f(y):
        y[...] = 7
        return y

    dg.taylor(f, x, v, 2)
    assert (x == 1).all()
    assert (v == 1).all()


# ---------------------------------------------------------------------- all coefficients at once

AT_ONCE = {
    "exp": np.exp, "log": np.log, "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "sqrt": np.sqrt, "reciprocal": np.reciprocal, "square": np.square, "power": lambda x: x**-1.5,
    "whole power": lambda x: x**3,
    "product": lambda x: np.exp(x) * x, "quotient": lambda x: np.exp(x) / x, "1 / x": lambda x: 2 / np.exp(x),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_ONCE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_an_array_of_many_blocks_is_what_its_entries_are(name, dtype, monkeypatch):
    x = np.linspace(0.5, 2.0, 97).astype(dtype)
    expected = np.transpose([dg.taylor(AT_ONCE[name], a, a, 5) for a in x])
    rtol = 1e-4 if dtype is np.float32 else 1e-13
    for block in (5, 55, 10**6):
        monkeypatch.setattr("dualgrad.series.stacked.ENTRIES_AT_ONCE", block)
        found = np.array(dg.taylor(AT_ONCE[name], x, x, 5))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * 1e-3)


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("name", [*AT_ONCE, "inv", "arctan"])
def test_at_once_is_what_comes_one_by_one(name, order, monkeypatch):
    f = AT_ONCE.get(name) or getattr(np.linalg, name, None) or getattr(np, name)
    x, v = np.array([[1.5, 0.5], [0.75, 2.0]]), np.array([[1.0, -0.5], [0.25, 0.0]])
    found = dg.taylor(f, x, v, order)
    monkeypatch.setattr("dualgrad.series.series.SHORT_CUTS", [])
    np.testing.assert_allclose(found, dg.taylor(f, x, v, order), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("order", [2, 5])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[:, None] * x, lambda x: x[:, None] * np.sum(x), lambda x: np.exp(x) / np.sum(np.exp(x)),
        lambda x: x[0] / x, lambda x: np.ones((2, 3)) / x, lambda x: x[:, None] / x, lambda x: x * x[:1],
    ],
)  # fmt: skip
def test_entries_that_meet_several(f, order):
    compare(f, [np.array([0.4, 1.3, 0.9])], [np.array([1.0, -0.5, 0.25])], order)


def test_views_are_views_and_results_are_not():
    """Of coefficients that lie in one array, and after others have been made in their place."""

    def f(x):
        y = x * x
        row = y[1:].reshape(2, 1)
        kept = np.exp(y)
        row *= 2
        for _ in range(3):
            np.exp(x) * x  # whose memory is free again
        return y, kept

    x = np.array([0.3, 0.7, 1.2])
    compare(f, [np.repeat(x, 5000)[::5000]], [np.ones(3)], 4)
    long = np.tile(x, 4000)
    found = dg.taylor(lambda x: f(x[:3])[1] * np.mean(x), long, long, 3)
    np.testing.assert_allclose(found, dg.taylor(lambda x: f(x)[1] * np.mean(x), x, x, 3), rtol=1e-12)


# ---------------------------------------------------------------------- structure, precision, nesting


ALIASES = {
    "squeeze": np.squeeze, "real": np.real, ".real": lambda y: y.real, "ravel": np.ravel, "x[...]": lambda y: y[...],
    "reshape": lambda y: np.reshape(y, 2), "transpose": np.transpose, "atleast_1d": np.atleast_1d,
    "swapaxes": lambda y: np.swapaxes(y, 0, 0), "moveaxis": lambda y: np.moveaxis(y, 0, 0),
    "astype": lambda y: y.astype(y.dtype, copy=False),
}  # fmt: skip
MADE = {
    "at once": lambda u: u * u,
    "of mixed precision": lambda u: np.zeros(2) + u * u,
    "one by one": lambda u: np.abs(u) * u,
}


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("made", MADE)
def test_what_is_written_through_an_alias_arrives(made, alias):
    def f(u):
        y = MADE[made](u)
        ALIASES[alias](y)[0] = 3 * u[1]
        return y

    x, v = np.array([1, 2], np.float32), np.ones(2, np.float32)
    found = dg.taylor(f, x, v, 3)
    np.testing.assert_array_equal(found, [[6, 4], [3, 4], [0, 1], [0, 0]])
    mixed = dg.taylor(lambda a: dg.jvp(f, (a,), (v * a,))[1], x, v, 1)
    np.testing.assert_array_equal(mixed, [[6, 8], [3, 8]])


def test_trees_in_and_out():
    found = dg.taylor(lambda p: {"y": p["a"] * p["b"][0], "n": 3.0}, {"a": 2.0, "b": [5.0]}, {"a": 1.0, "b": [1.0]}, 2)
    assert [c["y"] for c in found] == [10, 7, 1]
    assert [c["n"] for c in found] == [3, 0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.complex128])
def test_precision_stays(dtype):
    x = np.array([0.3, 0.7], dtype)
    for c in dg.taylor(lambda x: np.exp(x) / (1 + x**2) + np.sqrt(x), x, x, 5):
        assert c.dtype == dtype


def test_the_value_is_numpy_s_own():
    x = np.array([0.3, 0.7])
    for f in (np.tanh, np.prod, np.linalg.inv, lambda x: x**1.5):
        y = np.diag(x) if f is np.linalg.inv else x
        same(dg.taylor(f, y, y, 2)[0], f(y), "the first coefficient")


def test_order_zero_is_the_value():
    assert dg.taylor(np.sin, 1.0, 1.0, 0) == [np.sin(1.0)]


def test_nests_with_jvp_and_with_itself():
    """Third derivatives of exp(xy), by every mixture of the two."""

    def second(x):
        """x² exp(0.7 x)."""
        return 2 * dg.taylor(lambda y: np.exp(x * y), 0.7, 1.0, 2)[2]

    def slope(x):
        """x exp(0.7 x)."""
        return dg.derivative(lambda y: np.exp(x * y))(0.7)

    x = 0.4
    e = math.exp(0.7 * x)
    np.testing.assert_allclose(dg.derivative(second)(x), (2 * x + 0.7 * x * x) * e, rtol=1e-13)
    np.testing.assert_allclose(dg.taylor(second, x, 1.0, 1)[1], (2 * x + 0.7 * x * x) * e, rtol=1e-13)
    np.testing.assert_allclose(2 * dg.taylor(slope, x, 1.0, 2)[2], (2 * 0.7 + 0.49 * x) * e, rtol=1e-13)


def test_a_product_of_what_moves_with_t_and_what_does_not():
    """Two arguments of a jvp inside, of which one is a series: d(x y) = y dx + x dy, the first term plain."""
    ones = np.ones(2)
    found = dg.taylor(lambda t: dg.jvp(np.multiply, (t, ones), (ones, ones))[1], ones, ones, 1)
    np.testing.assert_array_equal(found, [[2, 2], [1, 1]])


def test_networks():
    """Layers and losses, which have rules of their own for Duals, by their definitions."""
    model = dg.nn.Sequential(dg.nn.Linear(2, 3), dg.nn.Tanh(), dg.nn.Linear(3, 2), dg.nn.ReLU())
    params = model.init(rng=0, dtype=np.float64)
    v = dg.directions.Gaussian().sample(params, rng=1)
    x, y = np.random.default_rng(0).standard_normal((4, 2)), np.array([0, 1, 0, 1])
    for loss, target in ((dg.nn.cross_entropy, y), (dg.nn.mse, np.eye(2)[y])):
        f = dg.nn.Objective(model, loss).bind(x, target)
        slope = lambda p, f=f: dg.jvp(f, (p,), (v,))[1]  # noqa: E731
        found = dg.taylor(f, params, v, 2)
        np.testing.assert_allclose(found[1], slope(params), rtol=1e-12)
        np.testing.assert_allclose(2 * found[2], dg.jvp(slope, (params,), (v,))[1], rtol=1e-12)


def test_custom_rules():
    @dg.custom_jvp
    def log1pexp(x):
        return np.log1p(np.exp(x))

    @log1pexp.defjvp
    def rule(primals, tangents):
        (x,), (dx,) = primals, tangents
        return log1pexp(x), dx * (1 - np.exp(-log1pexp(x)))

    np.testing.assert_allclose(
        dg.taylor(log1pexp, 0.3, 1.0, 6), dg.taylor(lambda x: np.logaddexp(0, x), 0.3, 1.0, 6), rtol=1e-12
    )


def test_a_rule_given_to_numpy(tables):
    dg.defjvp(np.i0, lambda primals, tangents: (np.i0(primals[0]), tangents[0] * np.exp(primals[0])))
    found = dg.taylor(np.i0, 0.5, 1.0, 3)
    np.testing.assert_allclose(found[1:], np.exp(0.5) / np.array([1, 2, 6]), rtol=1e-13)


TANGENTS = {  # what a rule of somebody's own may say of the functions that have a recurrence
    np.sin: lambda x, dx: dx * np.cos(x), np.cos: lambda x, dx: -dx * np.sin(x), np.exp: lambda x, dx: dx * np.exp(x),
    np.sinh: lambda x, dx: dx * np.cosh(x), np.cosh: lambda x, dx: dx * np.sinh(x), np.log: lambda x, dx: dx / x,
    np.log1p: lambda x, dx: dx / (1 + x), np.tanh: lambda x, dx: dx - dx * np.tanh(x) ** 2,
    np.sqrt: lambda x, dx: dx / (2 * np.sqrt(x)), np.reciprocal: lambda x, dx: -dx / (x * x),
    np.square: lambda x, dx: 2 * x * dx, np.linalg.inv: lambda x, dx: -np.linalg.inv(x) @ dx @ np.linalg.inv(x),
    np.multiply: lambda x, y, dx, dy: np.einsum("ij,ij->ij", x, dy) + np.einsum("ij,ij->ij", dx, y),
    np.divide: lambda x, y, dx, dy: (dx - x * dy * y**-1.0) * y**-1.0,
    np.power: lambda x, n, dx, dn: n * np.exp((n - 1) * np.log(x)) * dx,
}  # fmt: skip
SECOND = {np.multiply: np.exp, np.divide: np.exp, np.power: lambda x: 2.5}


def counting(function):
    """A rule for a function that says the same as its own, and the list of its calls."""
    calls = []

    def rule(primals, tangents):
        calls.append(function)
        return function(*primals), TANGENTS[function](*primals, *tangents)

    return rule, calls


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("function", TANGENTS, ids=lambda f: f.__name__)
def test_a_rule_replaced_has_no_short_cut(function, order):
    """And again once it is put back."""
    x, v = np.array([[1.5, 0.5], [0.75, 2.0]]), np.array([[1.0, -0.5], [0.25, 0.0]])
    f = (lambda x: function(x, SECOND[function](x))) if function in SECOND else function
    expected, (rule, calls) = dg.taylor(f, x, v, order), counting(function)
    with extend.rules_restored():
        dg.defjvp(function, rule)
        np.testing.assert_allclose(dg.taylor(f, x, v, order), expected, rtol=1e-12, atol=1e-14)
        assert calls
    calls.clear()
    np.testing.assert_array_equal(dg.taylor(f, x, v, order), expected)
    assert not calls


def test_every_recurrence_can_be_replaced():
    assert set(TANGENTS) == set(RECURRENCES)


FRESH = """
import contextlib, numpy as np, dualgrad as dg
calls = []

def rule(primals, tangents):
    calls.append(1)
    return np.sin(primals[0]), tangents[0] * np.cos(primals[0])

x = np.array([0.5, 1.5])
with {block}:
    dg.defjvp(np.sin, rule)
    first = [dg.taylor(np.sin, x, x, order) for order in (4, 2, 1)]
    assert len(calls) >= 3
before = len(calls)
for order, found in zip((4, 2, 1), first, strict=True):
    np.testing.assert_allclose(dg.taylor(np.sin, x, x, order), found, rtol=1e-13)
assert (len(calls) > before) == {stays}
"""


@pytest.mark.parametrize(
    ("block", "stays"), [("contextlib.nullcontext()", True), ("dg.extend.rules_restored()", False)]
)
def test_a_rule_replaced_before_the_first_taylor_of_a_process(block, stays):
    code = FRESH.format(block=block, stays=stays)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------------- errors


def test_functions_without_a_rule_say_so(tables):
    del dg.tables.RULES[np.tanh]
    with pytest.raises(NotImplementedError, match=r"np\.tanh has no tangent rule"):
        dg.taylor(np.tanh, 1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dg.taylor(np.sin, 1.0, 1.0, -1), ValueError, "order=-1"),
        (lambda: dg.taylor(np.sin, 1.0, 1.0, 2.0), ValueError, "order=2.0"),
        (lambda: dg.taylor(np.sin, np.ones(3), np.ones(2)), dg.ShapeError, r"expected \(3,\)"),
        (lambda: dg.taylor(np.sin, 1, 1.0), TypeError, "write 3.0 for 3"),
        (lambda: dg.taylor(float, 1.0, 1.0), dg.TangentLossError, "drop the tangent"),
        (lambda: dg.taylor(lambda x: np.float64(x), 1.0, 1.0), dg.TangentLossError, "leave np.float64 out"),
        (lambda: dg.taylor(lambda x: [1, 2][x], 1.0, 1.0), dg.TangentLossError, "index"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_series_that_outlived_its_taylor_raises():
    kept = []
    dg.taylor(lambda x: kept.append(x) or x, 1.0, 1.0)
    with pytest.raises(dg.LevelError, match="ended"):
        kept[0] + 1


def test_one_line_repr():
    seen = []
    dg.taylor(lambda x: seen.append((repr(x), str(x))) or x, np.ones(2), np.ones(2), 1)
    assert seen[0][0].startswith("Series(float64[2], order 1")
    assert seen[0][1] == "[1. 1.] + [1. 1.] t^1"


# ---------------------------------------------------------------------- cost


def program(x):
    return np.tanh(x * np.exp(x)) / (1 + np.sqrt(x)) + np.linalg.solve(np.eye(2) + x, x)


def operations(order, monkeypatch):
    """How many NumPy operations a series of that order makes, counted on the strict device."""
    count = 0
    for name in ("__array_ufunc__", "__array_function__"):
        original = getattr(strict.DeviceArray, name)

        def counted(self, *args, original=original, **kwargs):
            nonlocal count
            count += 1
            return original(self, *args, **kwargs)

        monkeypatch.setattr(strict.DeviceArray, name, counted)
    eye, x = strict.device(np.eye(2)), strict.device(np.array([0.5, 0.7]))
    dg.taylor(lambda x: np.tanh(x * np.exp(x)) / (1 + np.sqrt(x)) + np.linalg.solve(eye + x, x), x, x, order)
    monkeypatch.undo()
    return count


SMOOTH = """sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arctanh exp expm1 exp2 log log1p log2 log10 sqrt
cbrt square reciprocal sinc abs""".split()


@pytest.mark.parametrize("name", SMOOTH)
def test_functions_of_one_operand_on_a_device(name):
    """No branch asks a device for a number."""
    f, x = getattr(np, name), np.array([0.3, 0.7, 0.2])
    on = dg.taylor(f, strict.device(x), strict.device(np.ones(3)), 4)
    for found, expected in zip(on, dg.taylor(f, x, np.ones(3), 4), strict=True):
        np.testing.assert_allclose(strict.host(found), expected, rtol=1e-12)


def test_cost_is_quadratic_in_the_order(monkeypatch):
    """Second differences of the count are constant: a polynomial of degree two in the order."""
    counts = [operations(n, monkeypatch) for n in (4, 8, 12, 16, 20)]
    assert counts[-1] < 25 * counts[0]
    assert len(set(np.diff(counts, 3))) == 1, counts
    assert np.all(np.diff(counts, 3) == 0), counts


def measured(f):
    """Seconds, and bytes at the peak."""
    start = time.perf_counter()
    f()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    f()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def test_order_ten_beats_nesting_by_twenty_in_time_and_memory():
    x = np.array([0.5, 0.7])

    def f(x):
        return np.sin(x) * np.exp(x)

    def fast():
        return dg.taylor(f, x, x, 10)[10]

    def slope_of(g):
        return lambda t: dg.jvp(g, (t,), (ONE,))[1]

    def ten_fold():
        g = functools.reduce(lambda g, _: slope_of(g), range(10), lambda t: f(x + t * x))
        return g(np.float64(0.0)) / math.factorial(10)

    np.testing.assert_allclose(fast(), ten_fold(), rtol=1e-9)
    (seconds, peak), (slow_seconds, slow_peak) = measured(fast), measured(ten_fold)
    assert slow_seconds > 20 * seconds, f"{slow_seconds / seconds:.1f} times the time"
    assert slow_peak > 20 * peak, f"{slow_peak / peak:.1f} times the memory"


def test_nothing_is_taped():
    """Memory does not grow with the length of the program."""

    def peak(steps):
        def f(x):
            for _ in range(steps):
                x = np.sin(x) * x
            return x

        x = np.ones(1000)
        tracemalloc.start()
        dg.taylor(f, x, x, 3)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(40) < 1.2 * peak(10)
