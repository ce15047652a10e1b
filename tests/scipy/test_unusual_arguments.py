"""Arguments that SciPy takes and few programs give: complex points, orders with fractions, lists for arrays, NaN among
observations, the ends of quantiles, Duals among the settings of a solver."""

import inspect
import itertools

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")

import scipy.integrate
import scipy.stats as ss

from dualgrad.scipy import integrate, linalg, signal, special, stats
from dualgrad.tables import KINDS

UFUNCS = {name: f for name, f in vars(special.sp).items() if isinstance(f, np.ufunc) and f in KINDS}
COMPLEX = [name for name, f in UFUNCS.items() if any(types.partition("->")[0].endswith("D") for types in f.types)]
POINTS = 1 + 1j, -0.5 + 0.3j, 2.5 - 1j, 0.4j


def slope_of(f, z, step=1e-6):
    return (f(z + step) - f(z - step)) / (2 * step)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_points_are_right_or_refused(name):
    """Each special function that takes them, along both directions of the plane; what has no rule says so."""
    of = UFUNCS[name]
    f = lambda z: of(*(1.5, 2.25, 3.75)[: of.nin - 1], z)  # noqa: E731
    for z, direction in itertools.product(POINTS, (1 + 0j, 1j)):
        try:
            found = dg.jvp(f, (z,), (direction,))[1]
        except NotImplementedError as error:
            assert "complex" in str(error)  # noqa: PT017
            continue
        np.testing.assert_allclose(found, slope_of(lambda s, z=z, d=direction: f(z + s * d), 0.0), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:floating point number truncated:RuntimeWarning")
@pytest.mark.parametrize("f", [special.yn, special.kn, special.expn])
@pytest.mark.parametrize("n", [0.5, 1.3, 2.9, 3.0])
def test_orders_that_scipy_truncates(f, n):
    """The derivative is that of the function that SciPy computes."""
    for g in (dg.derivative, lambda f: dg.derivative(dg.derivative(f))):
        found = g(lambda x: f(n, x))(1.3)
        assert found == g(lambda x: f(int(n), x))(1.3)


@pytest.mark.parametrize("m", range(5))
def test_rising_products_on_the_left(m):
    """poch(z, m) is the polynomial z (z + 1) ... (z + m - 1), also where the gamma functions have poles."""
    polynomial = np.polynomial.Polynomial.fromroots(-np.arange(m)) if m else np.polynomial.Polynomial([1.0])
    z = np.array([-7.0, -4.5, -4.0, -3.0, -2.25, -2.0, -1.0, 0.0, 0.5, 2.0])
    first = dg.derivative(lambda s: special.poch(z + s, m))
    np.testing.assert_allclose(first(0.0), polynomial.deriv()(z), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(dg.derivative(first)(0.0)[:4], polynomial.deriv(2)(z)[:4], rtol=1e-11, atol=1e-11)


ENDS = [
    (special.gammaincinv, 1, 0.0), (special.gammainccinv, 1, 1.0), (special.betaincinv, 2, 0.0),
    (special.betaincinv, 2, 1.0), (special.betainccinv, 2, 0.0), (special.betainccinv, 2, 1.0),
    (stats.lognorm.ppf, 1, 0.0), (stats.lognorm.isf, 1, 1.0), (stats.weibull_min.ppf, 1, 0.0),
    (stats.gamma.ppf, 1, 0.0), (stats.gamma.isf, 1, 1.0), (stats.chi2.ppf, 1, 0.0), (stats.chi2.isf, 1, 1.0),
    (stats.beta.ppf, 2, 0.0), (stats.beta.ppf, 2, 1.0), (stats.beta.isf, 2, 0.0), (stats.beta.isf, 2, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("f", "count", "p"), ENDS)
@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0])
def test_the_ends_of_quantiles_stay_along_shapes(f, count, p, shape):
    first = f in (special.gammaincinv, special.gammainccinv, special.betaincinv, special.betainccinv)
    call = lambda v: f(*v, p) if first else f(p, *v)  # noqa: E731
    assert not np.any(dg.grad(call)(np.full(count, shape)))
    assert not np.any(dg.hessian(call)(np.full(count, shape)))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_observation_that_is_no_number(bad):
    """Its own density is NaN, as in SciPy, and the others' and their slopes are theirs."""
    x = np.array([[1.0, 2.0], [bad, 1.0], [0.5, -1.0]])
    f = lambda mean: stats.multivariate_normal.logpdf(x, mean, np.eye(2))  # noqa: E731
    y, dy = dg.jvp(f, (np.zeros(2),), (np.ones(2),))
    assert y.tobytes() == ss.multivariate_normal.logpdf(x, np.zeros(2), np.eye(2)).tobytes()
    np.testing.assert_allclose(dy[[0, 2]], [3.0, -0.5])


X, TAPS = np.arange(1.0, 6.0), [1, -2, 3]


@pytest.mark.parametrize(
    "f",
    [
        *(lambda x, f=f: f(x, TAPS) for f in (signal.convolve, signal.correlate, signal.fftconvolve)),
        *(lambda x, f=f: f(TAPS, x) for f in (signal.convolve, signal.correlate, signal.fftconvolve)),
        lambda x: signal.lfilter(TAPS, 2, x),
        lambda x: signal.lfilter(x, 2, TAPS),
        lambda x: signal.lfilter(TAPS, x[1], X),
        lambda x: signal.lfilter(x[0], [2, 1], x),
    ],
)
def test_lists_and_numbers_for_arrays(f):
    v = np.cos(X)
    y, dy = dg.jvp(f, (X,), (v,))
    np.testing.assert_allclose(y, f(X))
    np.testing.assert_allclose(dy, slope_of(lambda s: f(X + s * v), 0.0), atol=1e-8)


@pytest.mark.parametrize("lower", [False, True])
def test_a_hermitian_band_has_a_real_diagonal(lower):
    """LAPACK does not read its imaginary part, and neither does the derivative."""
    ab = np.array([[4.0, 5.0, 6.0], [1.0, 2.0, 1.0]])[:: 1 if lower else -1] + 0.3j
    v = np.cos(np.arange(6)).reshape(2, 3) * (1 + 2j)
    f = lambda ab: linalg.solveh_banded(ab, np.ones(3), lower=lower)  # noqa: E731
    found = dg.jvp(f, (ab,), (v,))[1]
    np.testing.assert_allclose(found, slope_of(lambda s: f(ab + s * v), 0.0), atol=1e-9)


def test_single_precision_beside_python_s_integers():
    for f in (special.boxcox, special.boxcox1p):
        y, dy = dg.jvp(lambda p, f=f: f(2, p), (np.float32(0.3),), (np.float32(1),))
        assert y.dtype == dy.dtype == np.float32


PROBLEMS = {
    "solve_ivp": (lambda **k: integrate.solve_ivp(lambda t, y: -y, (0, 1), [1.0], "LSODA", **k).y[0, -1], {
        "rtol", "atol", "max_step", "first_step", "min_step"}),
    "odeint": (lambda **k: integrate.odeint(lambda y, t: -y, [1.0], [0.0, 1.0], **k), {
        "rtol", "atol", "tcrit", "h0", "hmax", "hmin"}),
    "quad": (lambda **k: integrate.quad(np.sin, 0.0, 1.0, **k)[0], {"epsabs", "epsrel", "points", "wvar"}),
}  # fmt: skip


@pytest.mark.parametrize(("name", "setting"), [(n, s) for n, (_, names) in PROBLEMS.items() for s in sorted(names)])
def test_a_dual_among_the_settings_of_a_solver(name, setting):
    """A step that is a Dual would end in no time, and a tolerance without its tangent."""
    solve, _ = PROBLEMS[name]
    assert name == "solve_ivp" or setting in inspect.signature(getattr(scipy.integrate, name)).parameters
    for given in (lambda p: p, lambda p: [p]):
        with pytest.raises(NotImplementedError, match=rf"{name} has no rule for a Dual as {setting}: pass dg.primal"):
            dg.derivative(lambda p, given=given: solve(**{setting: given(p)}))(0.5)


def test_arguments_that_are_one_number():
    decay = lambda t, y, p: -p * y  # noqa: E731
    solve = lambda args: integrate.solve_ivp(decay, (0, 2), [1.0], args=args, rtol=1e-8).y[0, -1]  # noqa: E731
    with pytest.raises(TypeError, match=r"args that cannot be unpacked; expected a tuple, args=\(p,\)"):
        dg.derivative(solve)(0.5)
    for wrapped in (lambda p: (p,), lambda p: [p], lambda p: p * np.ones(1)):
        found = dg.derivative(lambda p, wrapped=wrapped: solve(wrapped(p)))(0.5)
        np.testing.assert_allclose(found, -2 * np.exp(-1), rtol=1e-5)
