"""SciPy's functions: their rules on every sample call, at the ends of their domains, and without SciPy."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

import dualgrad as dg
from dualgrad.tables import KINDS, OWN, RULES

pytest.importorskip("scipy")

import scipy.special

from dualgrad.scipy import linalg, special
from dualgrad.testing import check_jvp
from tests.support.checks import UnsureError, examine_derivatives, examine_laws, examine_single_precision
from tests.support.constants import Held, sweep_constants, sweep_precisions, sweep_taylor
from tests.support.of_numpy import KINDS_OF_NUMPY
from tests.support.samples_scipy import ROWS

seeds = st.integers(0, 2**32 - 1)
each_row = pytest.mark.parametrize("row", ROWS, ids=str)
INF = np.inf


def test_every_rule_has_a_row():
    new = {f for f in KINDS if f not in KINDS_OF_NUMPY and f not in OWN}
    assert new == {row.function for row in ROWS}


@each_row
@given(seed=seeds)
def test_derivatives(row, seed):
    """Orders 1, 2 and 3, every argument active or constant at each order by chance."""
    rng = np.random.default_rng(seed)
    try:
        examine_derivatives(row, row.sample(rng), rng)
    except UnsureError:
        reject()


@each_row
def test_the_kit_certifies_it(row):
    assert check_jvp(lambda *args: row(*args), tuple(row.sample(np.random.default_rng(3)))).passed


@each_row
@given(seed=seeds, lead=st.integers(1, 3))
def test_laws(row, seed, lead):
    rng = np.random.default_rng(seed)
    examine_laws(row, row.sample(rng), rng, lead)


SEVERAL = [Held(row, tuple(row.draws)) for row in ROWS if len(row.draws) > 1]


@pytest.mark.parametrize("call", SEVERAL, ids=lambda call: str(call.call))
def test_constants_of_every_dtype(call):
    sweep_constants(call, 20)
    sweep_taylor(call)
    if call.call.call is None:
        sweep_precisions(call)


@each_row
def test_single_precision_stays(row):
    examine_single_precision(row, row.sample(np.random.default_rng(0)))


# ---------------------------------------------------------------------- ends of the domains, against mpmath

POINTS = {
    "erf": (0.0, 3.0, -26.0),
    "erfc": (0.0, 26.0, -3.0),
    "erfcx": (-5.0, 0.0, 3.0, 10.0),
    "erfinv": (0.0, 0.5, -0.999),
    "erfcinv": (1e-100, 1.0, 1.9),
    "ndtr": (-37.0, 0.0, 5.0),
    "log_ndtr": (-1e5, -40.0, -1.0, 0.0, 5.0, 30.0),
    "ndtri": (1e-200, 0.5, 0.9),
    "gamma": (-1.5, 1e-3, 1.0, 20.0),
    "gammaln": (-0.5, 1e-3, 1.0, 1e5),
    "digamma": (-0.5, 1e-3, 1.0, 1e5),
    "expit": (-700.0, -40.0, 0.0, 40.0, 700.0),
    "log_expit": (-40.0, 0.0, 40.0, 700.0),
    "logit": (1e-300, 0.5, 0.9),
    "entr": (1e-300, 0.3, 2.0),
    "i0": (0.0, 3.0, -3.0, 40.0),
    "i1": (0.0, 3.0, -3.0, 40.0),
    "i0e": (3.0, -3.0, 40.0),
    "i1e": (3.0, -3.0, 40.0),
}


def exact(mp):
    """The functions of the table in mpmath."""
    normal = lambda x: mp.erfc(-x / mp.sqrt(2)) / 2  # noqa: E731
    return {
        "erf": mp.erf,
        "erfc": mp.erfc,
        "erfcx": lambda x: mp.exp(x * x) * mp.erfc(x),
        "erfinv": mp.erfinv,
        "ndtr": normal,
        "log_ndtr": lambda x: mp.log(normal(x)),
        "gamma": mp.gamma,
        "gammaln": lambda x: mp.log(abs(mp.gamma(x))),
        "digamma": mp.digamma,
        "expit": lambda x: 1 / (1 + mp.exp(-x)),
        "log_expit": lambda x: -mp.log(1 + mp.exp(-x)),
        "logit": lambda x: mp.log(x / (1 - x)),
        "entr": lambda x: -x * mp.log(x),
        "i0": lambda x: mp.besseli(0, x),
        "i1": lambda x: mp.besseli(1, x),
        "i0e": lambda x: mp.exp(-abs(x)) * mp.besseli(0, x),
        "i1e": lambda x: mp.exp(-abs(x)) * mp.besseli(1, x),
    }


@pytest.mark.parametrize("name", POINTS)
def test_derivatives_to_twelve_digits(name):
    mp = pytest.importorskip("mpmath")
    for x in POINTS[name]:
        with mp.workdps(60 if "gam" in name else 400):
            if name == "ndtri":
                expected = 1 / mp.npdf(mp.mpf(float(special.ndtri(x))))
            elif name == "erfcinv":
                expected = -mp.sqrt(mp.pi) / 2 * mp.exp(mp.mpf(float(special.erfcinv(x))) ** 2)
            else:
                expected = mp.diff(exact(mp)[name], mp.mpf(x), h=mp.eps**0.8)
            found = dg.derivative(getattr(special, name))(x)
            assert abs(found - expected) <= 1e-12 * abs(expected), (x, found, expected)


@pytest.mark.parametrize(
    ("name", "x", "rtol"), [("i0", 0.0, 1e-15), ("i1", 0.0, 1e-15), ("log_ndtr", -40.0, 1e-6), ("expit", 40.0, 1e-14),
                            ("digamma", 1e-3, 1e-14), ("gammaln", 50.0, 1e-13)]
)  # fmt: skip
def test_second_and_third_derivatives(name, x, rtol):
    mp = pytest.importorskip("mpmath")
    first = dg.derivative(getattr(special, name))
    for n, f in ((2, dg.derivative(first)), (3, dg.derivative(dg.derivative(first)))):
        with mp.workdps(50):
            expected = float(mp.diff(exact(mp)[name], mp.mpf(x), n))
        assert f(x) == pytest.approx(expected, rel=rtol, abs=1e-15 if x == 0 else 0)


def test_ends_where_a_derivative_is_infinite():
    assert dg.derivative(special.entr)(0.0) == INF
    assert dg.derivative(special.erfinv)(1.0) == INF
    assert dg.derivative(special.logit)(0.0) == INF
    x = np.array([0.0, 0.5])
    assert np.isfinite(dg.jacfwd(special.entr)(x)[0, 1])
    assert dg.jacfwd(lambda t: special.entr(x * t))(1.0)[0] == 0  # 0 · inf = 0


@pytest.mark.parametrize("name", ["rgamma", "gammainc", "betainc", "poch", "exprel", "spence", "jv"])
def test_where_the_textbook_s_formula_is_undefined(name):
    """Values, slopes and curvatures at zeros, ends and removable points, worked out by hand."""
    f, x, slope, curvature = {
        "rgamma": (special.rgamma, -2.0, 2.0, 2 * -2 * special.digamma(3.0)),
        "gammainc": (lambda x: special.gammainc(2.0, x), 0.0, 0.0, 1.0),
        "betainc": (lambda x: special.betainc(1.0, 2.0, x), 0.0, 2.0, -2.0),
        "poch": (lambda z: special.poch(z, 2.5), 0.0, special.gamma(2.5), None),
        "exprel": (special.exprel, 0.0, 1 / 2, 1 / 3),
        "spence": (special.spence, 1.0, -1.0, 1 / 2),
        "jv": (lambda x: special.jv(1, x), 0.0, 1 / 2, 0.0),
    }[name]
    assert dg.derivative(f)(x) == pytest.approx(slope, rel=1e-14)
    if curvature is not None:
        assert dg.derivative(dg.derivative(f))(x) == pytest.approx(curvature, rel=1e-13)


def test_products_with_logarithms_at_zero():
    """Along y they are 0 where x is 0; along x they have an infinite slope."""
    for f in (special.xlogy, special.rel_entr):
        assert dg.derivative(lambda y, f=f: f(0.0, y))(0.0) == 0
        assert abs(dg.derivative(lambda x, f=f: f(x, 0.0 if f is special.xlogy else 1.0))(0.0)) == INF
    assert dg.derivative(lambda y: special.xlog1py(0.0, y))(-1.0) == 0
    assert dg.derivative(lambda y: special.kl_div(0.0, y))(0.0) == 1
    mixed = dg.derivative(lambda x: dg.derivative(lambda y: special.xlogy(x, y))(2.0))
    assert mixed(0.0) == 0.5


def test_logsumexp_and_softmax_of_extremes():
    gradient = dg.grad(special.logsumexp)
    assert gradient(np.array([1000.0, 1000.0, -1000.0])).tolist() == [0.5, 0.5, 0]
    assert gradient(np.array([-INF, 0.0])).tolist() == [0, 1]
    assert gradient(np.array([-INF, -INF])).tolist() == [0.5, 0.5]
    assert gradient(np.array([INF, 3.0, INF])).tolist() == [0.5, 0, 0.5]
    tail = dg.jacfwd(special.log_softmax)(np.array([0.0, -800.0, -INF]))
    assert tail.tolist() == [[0, 0, 0], [-1, 1, 0], [-1, 0, 1]]
    x = np.array([0.3, -0.2])
    np.testing.assert_allclose(dg.hessian(special.logsumexp)(x), dg.jacfwd(special.softmax)(x), rtol=1e-14)
    weights = dg.grad(lambda b: special.logsumexp(np.array([1000.0, 0.0]), b=b))(np.array([0.0, 1.0]))
    assert weights[0] == INF
    assert dg.grad(lambda a: special.logsumexp(a, b=[0.0, 1.0]))(np.array([1000.0, 0.0])).tolist() == [0, 1]


# ---------------------------------------------------------------------- matrices


def matrix_derivative(function, a, d):
    """The derivative of a matrix function by 60 digits."""
    mp = pytest.importorskip("mpmath")
    with mp.workdps(60):
        h = mp.mpf(10) ** -20
        a, d = mp.matrix(a.tolist()), mp.matrix(d.tolist())
        change = (function(mp, a + h * d) - function(mp, a - h * d)) / (2 * h)
        return np.array([[float(mp.re(change[i, j])) for j in range(change.cols)] for i in range(change.rows)])


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize(
    "a", [np.zeros((2, 2)), np.eye(3), np.diag([1.0, 1.0], 1), 4 * np.ones((2, 2)), np.diag([-30.0, 0.0, 2.0])]
)
def test_expm(a, scale):
    """At zero, at equal eigenvalues, at a matrix without eigenvectors, and along small and large directions."""
    d = np.random.default_rng(0).normal(size=a.shape) * scale
    found = dg.jvp(linalg.expm, (a,), (d,))[1]
    expected = matrix_derivative(lambda mp, m: mp.expm(m), a, d / scale) * scale
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13 * np.abs(expected).max())


def test_sqrtm():
    a, d = np.array([[4.0, 1.0], [0.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    found = dg.jvp(linalg.sqrtm, (a,), (d,))[1]
    np.testing.assert_allclose(found, matrix_derivative(lambda mp, m: mp.sqrtm(m), a, d), rtol=1e-12)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])  # eigenvalues ±i
    root, change = dg.jvp(lambda t: linalg.sqrtm(turn * t), (1.0,), (1.0,))
    np.testing.assert_allclose(change, root / 2, rtol=1e-14)


def test_cho_solve_of_a_factor_that_moves():
    """The factor of A + t D moves along L Φ(L⁻¹ D L⁻ᵀ), Φ the lower triangle with half the diagonal."""
    rng = np.random.default_rng(0)
    a, b, d = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(3, 3))
    a, d = a @ a.T + np.eye(3), d + d.T
    factor = np.linalg.cholesky(a)
    turned = np.linalg.solve(factor, np.linalg.solve(factor, d).T)
    moved = factor @ (np.tril(turned) - np.diag(np.diag(turned)) / 2)
    x, dx = dg.jvp(lambda c: linalg.cho_solve((c, True), b), (factor,), (moved,))
    np.testing.assert_allclose(x, np.linalg.solve(a, b), rtol=1e-12)
    np.testing.assert_allclose(dx, -np.linalg.solve(a, d @ x), rtol=1e-10)


def test_the_other_triangle_has_no_influence():
    a = np.array([[2.0, np.nan], [1.0, 4.0]])
    jacobian = dg.jacfwd(lambda a: linalg.solve_triangular(a, np.ones(2), lower=True, check_finite=False))(a)
    assert (jacobian[:, 0, 1] == 0).all()
    assert np.isfinite(jacobian).all()


@pytest.mark.parametrize("f", [linalg.solve_triangular, linalg.solve_sylvester])
def test_many_systems_at_once(f):
    """Where SciPy solves many systems in one call, so does the rule."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 3)) + 4 * np.eye(3), rng.normal(size=(2, 3, 3))
    args = (a, b) if f is linalg.solve_triangular else (a, a, b)
    try:
        f(*args)
    except ValueError:
        pytest.skip("this SciPy solves one system at a time")
    vs = [rng.normal(size=(4, *x.shape)) for x in args]
    _, d = dg.jvp(f, args, tuple(vs))
    for i in range(2):
        _, single = dg.jvp(f, tuple(x[i] for x in args), tuple(v[:, i] for v in vs))
        np.testing.assert_allclose(d[:, i], single, rtol=1e-12)
    vector = dg.jacfwd(lambda a: linalg.solve_triangular(a, np.ones(3)))(a)
    np.testing.assert_allclose(
        vector[1, :, 1], dg.jacfwd(lambda a: linalg.solve_triangular(a, np.ones(3)))(a[1]), atol=1e-15
    )


# ---------------------------------------------------------------------- the way in


def test_scipy_s_own_names():
    assert dg.derivative(scipy.special.erf)(0.0) == dg.derivative(special.erf)(0.0) > 1
    assert special.comb is scipy.special.comb
    assert linalg.hadamard is scipy.linalg.hadamard
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        special.nothing  # noqa: B018


@pytest.mark.parametrize("f", [special.logsumexp, special.softmax, linalg.expm, linalg.sqrtm])
def test_plain_arrays_get_scipy_s_answer(f):
    x = np.array([[4.0, 1.0], [0.5, 3.0]])
    own = getattr(scipy.special, f.__name__, None) or getattr(scipy.linalg, f.__name__)
    assert f(x).tobytes() == own(x).tobytes()


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: special.polygamma(x, 2.0), "polygamma has no rule along its order"),
        (lambda x: special.zeta(x), "zeta has no rule along its order"),
        (lambda x: special.iv(x, 2.0), "iv has no rule along its order"),
        (lambda x: special.jv(x, 2.0), "jv has no rule along its order"),
        (lambda x: special.hyp2f1(1.0, x, 2.0, 0.5), "hyp2f1 has no rule along its parameters"),
        (lambda x: special.lambertw(2.0, x), "lambertw has no rule along its branch"),
        (lambda x: special.logsumexp(x * np.ones(2) * 1j, return_sign=True), "no rule for return_sign"),
        (lambda x: linalg.solve_triangular(np.eye(1), np.ones(1), lower=x), "no rule for a Dual as"),
    ],
)
def test_refused(f, message):
    with pytest.raises(NotImplementedError, match=message):
        dg.derivative(f)(2.0)


UFUNCS = {name: f for name, f in vars(scipy.special).items() if isinstance(f, np.ufunc) and f not in RULES}


@pytest.mark.parametrize("name", sorted(UFUNCS))
def test_a_ufunc_without_a_rule_is_refused(name):
    """The ufuncs of SciPy have no ``__module__``."""
    f = UFUNCS[name]
    for transform in (lambda f: dg.jvp(f, (1.0,), (1.0,)), lambda f: dg.taylor(f, 1.0, 1.0, 2)):
        with pytest.raises(NotImplementedError, match=rf"^scipy\.special\.{f.__name__} would drop the tangent"):
            transform(lambda x: f(*[x] * f.nin))


@pytest.mark.parametrize(
    "f", [lambda t: scipy.linalg.inv(t * np.eye(2)), lambda t: scipy.linalg.inv([[t, 0.0], [0.0, 1.0]])]
)
def test_a_plain_function_of_scipy_is_refused(f):
    with pytest.raises(
        dg.TangentLossError, match=r"^scipy\.linalg\.inv would drop .* write dualgrad\.scipy\.linalg\.inv"
    ):
        dg.derivative(f)(2.0)


def run(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


def test_without_scipy():
    result = run("import sys; sys.modules['scipy'] = None; import dualgrad.scipy")
    assert "ImportError: dualgrad.scipy needs SciPy, which is not installed: pip install scipy" in result.stderr
    assert run("import sys; sys.modules['scipy'] = None; import dualgrad").returncode == 0


def test_scipy_is_imported_on_request_only():
    assert run("import sys, dualgrad; assert 'scipy' not in sys.modules").returncode == 0
    assert run("import dualgrad.scipy as s; print(s.special.erf(0.0))").stdout.strip() == "0.0"
