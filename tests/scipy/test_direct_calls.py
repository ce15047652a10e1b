"""SciPy's own functions called with Duals, without dualgrad.scipy: right, or an error that says so; never wrong.

SciPy turns its arguments into arrays, of objects where they are Duals. Some of its functions work on these, most fail,
a few would answer without the tangent or read the memory of Python objects as numbers.
"""

import warnings

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")

import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.spatial.distance
import scipy.special

rng = np.random.default_rng(0)
M, X, x = rng.standard_normal((4, 4)) + 4 * np.eye(4), rng.standard_normal((4, 4)), rng.standard_normal(4)
SIGNAL, TIMES, h = rng.standard_normal(32), np.arange(4.0), np.ones(3)
CALLS = {}  # name -> (call, where)


def calls(module, names, at, *after):
    """Functions whose first argument is a Dual."""
    for name in names.split():
        CALLS[f"{module.__name__}.{name}"] = (lambda d, name=name: getattr(module, name)(d, *after)), at


def call(name, function, at=x):
    CALLS[name] = function, at


calls(scipy.linalg, "inv det cholesky eigh eig eigvals svd svdvals qr lu lu_factor cho_factor logm expm sqrtm pinv", X)
calls(scipy.linalg, "null_space orth norm schur hessenberg polar signm sinm cosm tanm rq ldl toeplitz hankel", X)
calls(scipy.linalg, "circulant block_diag bandwidth issymmetric", X)
calls(scipy.linalg, "solve lstsq solve_triangular", X, x)
call("solve_banded", lambda d: scipy.linalg.solve_banded((1, 1), M[:3], d))
call("solveh_banded", lambda d: scipy.linalg.solveh_banded(M[:2], d))
call("solve_toeplitz", lambda d: scipy.linalg.solve_toeplitz(x, d))
call("solve_circulant", lambda d: scipy.linalg.solve_circulant(x, d))
calls(scipy.signal, "convolve fftconvolve oaconvolve correlate upfirdn", SIGNAL, h)
calls(scipy.signal, "hilbert welch periodogram detrend medfilt wiener find_peaks square cspline1d", SIGNAL)
call("lfilter", lambda d: scipy.signal.lfilter([1.0], [1.0, 0.5], d), SIGNAL)
call("filtfilt", lambda d: scipy.signal.filtfilt([1.0], [1.0, 0.5], d), SIGNAL)
SECTIONS = [[1.0, 0, 0, 1, 0.5, 0]]
call("sosfilt", lambda d: scipy.signal.sosfilt(SECTIONS, d), SIGNAL)
call("sosfiltfilt", lambda d: scipy.signal.sosfiltfilt(SECTIONS, d), SIGNAL)
call("decimate", lambda d: scipy.signal.decimate(d, 2), SIGNAL)
call("savgol_filter", lambda d: scipy.signal.savgol_filter(d, 5, 2), SIGNAL)
call("resample", lambda d: scipy.signal.resample(d, 20), SIGNAL)
call("convolve2d", lambda d: scipy.signal.convolve2d(d, X), X)
calls(scipy.fft, "fft ifft rfft irfft hfft ihfft fft2 fftn rfftn dct idct dst idst dctn fftshift", X)
INTERPOLATORS = "interp1d", "CubicSpline", "PchipInterpolator", "BarycentricInterpolator", "make_interp_spline"
for name in INTERPOLATORS:
    call(f"{name} of values", lambda d, name=name: getattr(scipy.interpolate, name)(TIMES, d)(1.5))
    call(f"{name} at points", lambda d, name=name: getattr(scipy.interpolate, name)(TIMES, x)(d), np.array([1.5]))
call("RegularGridInterpolator", lambda d: scipy.interpolate.RegularGridInterpolator((TIMES,), d)([1.5]))
call("griddata", lambda d: scipy.interpolate.griddata(TIMES[:, None], d, [[1.5]]))
for name in "BFGS CG Nelder-Mead Powell L-BFGS-B TNC SLSQP COBYLA trust-constr".split():
    call(f"minimize, {name}", lambda d, m=name: scipy.optimize.minimize(lambda z: np.sum((z - d) ** 2), x, method=m).x)
for name in "hybr lm broyden1 krylov anderson df-sane".split():
    call(f"root, {name}", lambda d, m=name: scipy.optimize.root(lambda z: z - d, x, method=m).x)
for name in "brentq bisect ridder toms748".split():
    call(name, lambda d, n=name: getattr(scipy.optimize, n)(lambda z: z * z - d[0], 0.0, 2.0), np.array([2.0]))
call("newton", lambda d: scipy.optimize.newton(lambda z: z * z - d[0], 1.0), np.array([2.0]))
call("least_squares", lambda d: scipy.optimize.least_squares(lambda z: z - d, x).x)
call("curve_fit", lambda d: scipy.optimize.curve_fit(lambda t, a: a * t, TIMES, d)[0])
call("minimize_scalar", lambda d: scipy.optimize.minimize_scalar(lambda z: (z - d[0]) ** 2).x, np.array([2.0]))
call("linprog", lambda d: scipy.optimize.linprog(d, bounds=(-1, 1)).x)
call("nnls", lambda d: scipy.optimize.nnls(M, d)[0])
call("differential_evolution", lambda d: scipy.optimize.differential_evolution(
    lambda z: np.sum((z - d[:2]) ** 2), [(-1, 1)] * 2, maxiter=2, seed=0).x)  # fmt: skip
call("quad", lambda d: scipy.integrate.quad(lambda t: t * d[0], 0.0, 1.0)[0])
call("quad_vec", lambda d: scipy.integrate.quad_vec(lambda t: t * d, 0.0, 1.0)[0])
call("solve_ivp", lambda d: scipy.integrate.solve_ivp(lambda t, y: -y, (0.0, 1.0), d).y)
calls(scipy.integrate, "trapezoid simpson cumulative_trapezoid", x)
calls(scipy.ndimage, "laplace sum", X)
call("gaussian_filter", lambda d: scipy.ndimage.gaussian_filter(d, 1.0), X)
call("cdist", lambda d: scipy.spatial.distance.cdist(d, X), X)
call("squareform", scipy.spatial.distance.squareform, np.arange(6.0))


def numbers(result):
    """The results of a call as one vector, without flags and names."""
    result = result if isinstance(result, (tuple, list)) else [result]
    return np.concatenate([np.ravel(r) for r in result])


@pytest.mark.parametrize("name", CALLS)
def test_right_or_refused(name):
    f, at = CALLS[name]
    v = np.random.default_rng(1).standard_normal(at.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy warns of what it makes of nonsense
        try:
            _, found = dg.jvp(f, (at,), (v,))
        except (dg.DualgradError, NotImplementedError, TypeError, ValueError):
            return
        step = 1e-5
        expected = (numbers(f(at + step * v)) - numbers(f(at - step * v))) / (2 * step)
    np.testing.assert_allclose(numbers(found), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["squareform", "minimize, Powell", "root, df-sane"])
def test_what_would_be_wrong_is_refused_by_name(name):
    """squareform reads pointers to Duals as numbers, and Python crashes later; the other two compare Duals alone."""
    f, at = CALLS[name]
    with pytest.raises(dg.TangentLossError, match=rf"^scipy\.\S*{name.partition(',')[0]} would drop the tangent"):
        dg.jvp(f, (at,), (at,))


@pytest.mark.parametrize("name", ["sosfilt", "sosfiltfilt", "decimate", "savgol_filter", "convolve2d"])
def test_an_error_in_compiled_code_is_that_of_the_function_that_was_called(name):
    """The lines of Cython's wrappers are nobody's."""
    f, at = CALLS[name]
    with pytest.raises(dg.TangentLossError, match=r"^scipy\.signal\.\w+ would drop") as caught:
        dg.jvp(f, (at,), (at,))
    assert "at line" not in str(caught.value)


@pytest.mark.parametrize(
    ("f", "twin"),
    [
        (lambda d: scipy.linalg.solve_banded((1, 1), M[:3], d), "linalg.solve_banded"),
        (lambda d: scipy.linalg.logm(d * M), "linalg.logm"),
        (lambda d: scipy.signal.lfilter([1.0], [1.0, 0.5], d), "signal.lfilter"),
        (lambda d: scipy.fft.dct(d), "fft.dct"),
    ],
)
def test_the_error_names_the_twin(f, twin):
    with pytest.raises(dg.TangentLossError, match=rf"write dualgrad\.scipy\.{twin}"):
        dg.jvp(f, (x,), (x,))
