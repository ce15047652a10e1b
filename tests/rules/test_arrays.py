"""Entrywise functions, scans and transforms at delicate points, orders 1 to 3, against fifty digits."""

import numpy as np
import pytest

import dualgrad as dg

mpmath = pytest.importorskip("mpmath")


def nested(f, x, order):
    """The derivative of that order of a function of one number."""
    for _ in range(order):
        f = dg.derivative(f)
    return f(x)


def sinc(x):
    return mpmath.sinc(mpmath.pi * x)


TINY = 5e-324  # the smallest subnormal number
DELICATE = {
    "sinc": (np.sinc, sinc, [1e-8, 1e-5, 1e-3, 0.3, 0.5999, 0.6001, 1.0, 2.5]),
    "tanh": (np.tanh, mpmath.tanh, [1e-8, 0.5, 8.0, 20.0, 40.0]),
    "cosh": (np.cosh, mpmath.cosh, [1e-8, 20.0]),
    "expm1": (np.expm1, mpmath.expm1, [1e-12, -1e-12, -30.0, 3.0]),
    "log1p": (np.log1p, mpmath.log1p, [1e-12, -1e-12, -0.999, 1e9]),
    "log": (np.log, mpmath.log, [1e-90, 1 - 1e-12, 1e90]),
    "log2": (np.log2, lambda x: mpmath.log(x, 2), [1 + 1e-12, 3e5]),
    "sqrt": (np.sqrt, mpmath.sqrt, [1e-100, 2.0, 1e100]),
    "cbrt": (np.cbrt, mpmath.cbrt, [1e-50, 2.0, 1e50]),
    "arcsin": (np.arcsin, mpmath.asin, [1e-9, 0.5, 1 - 1e-9, -1 + 1e-9]),
    "arccos": (np.arccos, mpmath.acos, [1e-9, 0.5, 1 - 1e-9]),
    "arctan": (np.arctan, mpmath.atan, [1e-9, 1.0, 1e6]),
    "arcsinh": (np.arcsinh, mpmath.asinh, [1e-9, 1.0, 1e6]),
    "arccosh": (np.arccosh, mpmath.acosh, [1 + 1e-9, 1.5, 1e6]),
    "arctanh": (np.arctanh, mpmath.atanh, [1e-9, 0.5, 1 - 1e-9]),
    "tan": (np.tan, mpmath.tan, [1e-9, 1.0, 1.5]),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, [1e-60, 3.0]),
    "exp": (np.exp, mpmath.exp, [-700.0, 1e-12, 300.0]),
    "x**0.5": (lambda x: x**0.5, mpmath.sqrt, [1e-60, 2.0]),
    "x**x": (lambda x: x**x, lambda x: x**x, [1e-3, 1.0, 5.0]),
    "hypot(x, 3)": (lambda x: np.hypot(x, 3.0), lambda x: mpmath.hypot(x, 3), [1e-9, 3.0, -3.0]),
    "hypot(x, x)": (lambda x: np.hypot(x, x * x), lambda x: mpmath.hypot(x, x * x), [1.0, -1.0]),
    "arctan2(x, 1)": (lambda x: np.arctan2(x, 1.0), mpmath.atan, [0.0, 1e-9, 1e6]),
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: mpmath.log1p(mpmath.exp(x)), [-40.0, -0.3, 2.0]),
    "sigmoid": (lambda x: 0.5 * (1 + np.tanh(x / 2)), lambda x: 1 / (1 + mpmath.exp(-x)), [-2.0, 0.0, 40.0]),
}  # fmt: skip
POINTS = [(name, x) for name, (_, _, points) in DELICATE.items() for x in points]


@pytest.mark.parametrize(("name", "x"), POINTS, ids=[f"{name}-{x}" for name, x in POINTS])
def test_against_fifty_digits(name, x):
    """Relative error at most 1e-12, but for what the condition of the derivative at x makes of one rounding."""
    f, twin, _ = DELICATE[name]
    with mpmath.workdps(120):
        exact = [mpmath.diff(twin, mpmath.mpf(x), k, h=mpmath.mpf(10) ** -20 * (abs(x) or 1)) for k in (1, 2, 3)]
        next_one = mpmath.diff(twin, mpmath.mpf(x), 4, h=mpmath.mpf(10) ** -20 * (abs(x) or 1))
        exact = [float(d) for d in (*exact, next_one)]
    for order in (1, 2, 3):
        found, expected = nested(f, x, order), exact[order - 1]
        rounding = 4 * np.spacing(abs(x)) * abs(exact[order])
        assert abs(found - expected) <= 1e-12 * abs(expected) + rounding + 1e-300, f"order {order}: {found}, {expected}"


# ---------------------------------------------------------------------- infinities and subnormals

INF = np.inf
EDGES = [
    ("exp at -inf", np.exp, -INF, 0), ("tanh at inf", np.tanh, INF, 0), ("tanh at -inf", np.tanh, -INF, 0),
    ("arctan at inf", np.arctan, INF, 0), ("log at inf", np.log, INF, 0), ("sqrt at inf", np.sqrt, INF, 0),
    ("reciprocal at inf", np.reciprocal, INF, 0), ("expm1 at -inf", np.expm1, -INF, 0),
    ("logaddexp at inf", lambda x: np.logaddexp(x, 0.0), INF, 1), ("square at inf", np.square, INF, INF),
    ("hypot at inf", lambda x: np.hypot(x, 1e300), 1e300, np.sqrt(0.5)),
    ("hypot at subnormals", lambda x: np.hypot(x, TINY * 8), TINY * 8, None),
    ("abs at a subnormal", np.abs, -TINY, -1), ("x * x at a subnormal", lambda x: x * x, TINY, 2 * TINY),
    ("sinh at a subnormal", np.sinh, TINY, 1), ("sinc at a subnormal", np.sinc, TINY, -3 * TINY),
    ("log at a subnormal", np.log, TINY, INF), ("cbrt at 0", np.cbrt, 0.0, INF),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("f", "x", "expected"), [e[1:] for e in EDGES], ids=[e[0] for e in EDGES])
def test_edges(f, x, expected):
    found = dg.derivative(f)(x)
    if expected is None:
        assert 0 < found <= 1
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.sqrt, 0.0), (np.log, 0.0), (lambda x: x**0.5, 0.0), (np.arcsin, 1.0), (np.arccosh, 1.0), (np.cbrt, 0.0),
        (lambda x: np.float_power(x, 0.5), 0.0), (np.lib.scimath.sqrt, 0.0), (np.arctanh, 1.0), (np.log1p, -1.0),
    ],
)  # fmt: skip
def test_an_infinite_slope_stays_on_the_diagonal(f, x):
    """The Jacobian at (x, 1/2 or 2): infinite at x, zero beside it, finite at the other, at first and second order."""
    other = 2.0 if f is np.arccosh else 0.5
    jacobian = dg.jacfwd(f)(np.array([x, other]))
    assert np.isinf(jacobian[0, 0])
    assert jacobian[0, 1] == jacobian[1, 0] == 0
    assert np.isfinite(jacobian[1, 1])
    second = dg.jacfwd(dg.jacfwd(f))(np.array([x, other]))[1]
    np.testing.assert_allclose(second, [[0, 0], [0, nested(f, other, 2)]], rtol=1e-12)


# ---------------------------------------------------------------------- scans, products, transforms


@pytest.mark.parametrize("order", [1, 2, 3])
def test_cumprod_and_prod_through_zeros(order):
    """Against polynomials: the products of (x_i + t v_i) have exact derivatives at t = 0."""
    x, v = np.array([2.0, 0.0, 3.0, 0.0, 5.0]), np.array([1.0, -1.0, 2.0, 0.5, 1.0])
    for f, rows in ((np.cumprod, range(1, 6)), (np.prod, [5]), (np.nanprod, [5])):
        expected = []
        for n in rows:
            p = np.array([1.0])
            for a, b in zip(x[:n], v[:n], strict=True):
                p = np.convolve(p, [a, b])  # in ascending powers of t
            expected.append((p[order] if order < len(p) else 0) * [1, 1, 2, 6][order])
        g = f
        for _ in range(order):
            g = lambda x, g=g: dg.jvp(g, (x,), (v,))[1]  # noqa: E731
        np.testing.assert_allclose(np.ravel(g(x)), expected, rtol=1e-14)


@pytest.mark.parametrize("f", [np.cumsum, np.cumprod, np.sort, np.fft.fft, np.fft.rfft, np.sum, np.prod, np.median])
@pytest.mark.parametrize("shape", [(1,), (1, 1), (2, 1)])
def test_axes_of_size_one(f, shape):
    x = np.full(shape, 0.7)
    for lead in ((), (3,)):
        y, dy = dg.jvp(f, (x,), (np.ones((*lead, *shape)),))
        assert dy.shape == lead + np.shape(y)
        assert np.all(np.isfinite(dy))


@pytest.mark.parametrize("f", [np.cumsum, np.cumprod, np.sort, np.sum, np.prod, np.nansum, np.diff, np.ediff1d, np.exp])
def test_empty_axes(f):
    for lead in ((), (2,), (0,)):
        y, dy = dg.jvp(f, (np.ones((0,)),), (np.ones((*lead, 0)),))
        assert dy.shape == lead + np.shape(y)


def test_parseval_for_every_transform():
    """A transform and its inverse give the tangent back."""
    x, v = np.random.default_rng(0).standard_normal((2, 3, 4, 6))
    pairs = [("fft", "ifft"), ("fft2", "ifft2"), ("fftn", "ifftn"), ("rfft", "irfft"), ("rfft2", "irfft2")]
    pairs += [("rfftn", "irfftn"), ("ihfft", "hfft"), ("fftshift", "ifftshift")]
    for there, back in pairs:
        f, g = getattr(np.fft, there), getattr(np.fft, back)
        for vs in (v, np.stack([v, x])):
            np.testing.assert_allclose(dg.jvp(lambda x, f=f, g=g: g(f(x)), (x,), (vs,))[1], vs, atol=1e-14)
