"""Derivatives at the edges of the number line: one test for every kind of fault that was found there, and each rule
three levels deep across every point where its formula changes."""

import mpmath as mp
import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.nn.normal import ndtr

special = pytest.importorskip("dualgrad.scipy").special
f32 = np.float32
INF = np.inf


def orders(f, x, n=3):
    """f, f', ... of one number, by nested derivatives."""
    found = [f]
    for _ in range(n):
        found.append(dg.derivative(found[-1]))
    return [np.asarray(g(x)) for g in found]


def hessian_of_first(f):
    return lambda z: dg.hessian(f)(np.array(z, float))[0, 0]


# ---------------------------------------------------------------------- the kinds, by their instances


def test_a_saturated_unit_does_not_spoil_a_hessian_vector_product():
    got = dg.hvp(lambda w: np.sum(np.tanh(w)), np.array([0.1, 50], f32), np.ones(2, f32))
    np.testing.assert_allclose(got, [-0.19735576, 0], rtol=1e-6)
    assert got.dtype == f32


FADING = {  # name: f, where all derivatives fade
    "tanh": (np.tanh, 355.5, 44.8),
    "log_ndtr": (special.log_ndtr, 38.6, 14.5),
    "GELU": (lambda x: nn.GELU("tanh")({}, x), 22.0, 12.0),
    "arctan": (np.arctan, 1e200, 1e30),
    "erf": (special.erf, 40.0, 12.0),
    "expit": (special.expit, 750.0, 110.0),
}


@pytest.mark.parametrize("name", FADING)
@pytest.mark.parametrize("dtype", [np.float64, f32])
@pytest.mark.parametrize("sign", [1, -1])
def test_slopes_fade_to_nothing(name, dtype, sign):
    f, x, x32 = FADING[name]
    start = x32 if dtype is f32 else x
    if name == "log_ndtr" and sign < 0:
        pytest.skip("a parabola on the left")
    for v in (start, 2 * start, 1e3 * start, INF):
        found = orders(f, dtype(sign * v))[1:]
        assert all(np.isfinite(y) for y in found), found
        assert all(abs(y) <= 2 * np.finfo(dtype).tiny for y in found[1:]), found
        assert all(y.dtype == dtype for y in found)


UNITS = {  # layer: (the function, points where it is saturated)
    "Tanh": (nn.Tanh(), mp.tanh, [20.0, -20.0, 3.0]),
    "Sigmoid": (nn.Sigmoid(), lambda x: 1 / (1 + mp.exp(-x)), [40.0, -40.0, 3.0]),
    "SiLU": (nn.SiLU(), lambda x: x / (1 + mp.exp(-x)), [-40.0, -80.0]),
    "GELU": (nn.GELU(), lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2, [-8.0, -20.0]),
}


@pytest.mark.parametrize("name", UNITS)
def test_layers_have_the_slope_of_the_function(name):
    layer, twin, points = UNITS[name]
    for x in points:
        x = np.array([x])
        true = float(truths(twin, x[0], 1)[1])
        for slope in (layer.jvp({}, x, {}, np.ones(1))[1], layer.vjp({}, x)[1](np.ones(1))[1]):
            np.testing.assert_allclose(slope, true, rtol=1e-13)


CELLS = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell, "leaky": nn.LeakyRNNCell}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("bias", [-20.0, 20.0])
def test_cells_differentiate_saturated_units_as_the_engine_does(name, bias):
    """step_jvp, step_vjp and the factors beside the same equations on Duals of plain NumPy."""
    cell = CELLS[name](1, 1)
    p = {k: np.full(v.shape, 0.5) for k, v in cell.init(rng=0, dtype=np.float64).items()}
    p |= {k: np.full(v.shape, bias) for k, v in p.items() if k.startswith("bias")}
    p |= {k: np.asarray(v[1], float) * np.ones(v[0]) for k, v in cell.buffers().items()}
    x, state = np.array([[0.3]]), cell.start(np.array([[0.3]]))
    parts = state if isinstance(state, tuple) else (state,)
    parts = tuple(s + 0.1 for s in parts)
    state = parts if isinstance(state, tuple) else parts[0]

    def by_the_equations(x):
        sig = lambda z: np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))  # noqa: E731
        return EQUATIONS[name](p, parts, x, sig)

    got = dg.jvp(lambda x: dg.tree.flatten(cell(p, state, x))[0], (x,), (np.ones_like(x),))[1]
    expected = dg.jvp(by_the_equations, (x,), (np.ones_like(x),))[1]
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def _gru(p, s, x, sig):
    u, v = x @ p["weight_x"] + p["bias_x"], s[0] @ p["weight_h"] + p["bias_h"]
    r, z = sig(u[:, :1] + v[:, :1]), sig(u[:, 1:2] + v[:, 1:2])
    one_less_z = sig(-(u[:, 1:2] + v[:, 1:2]))
    return [one_less_z * np.tanh(u[:, 2:] + r * v[:, 2:]) + z * s[0]]


def _lstm(p, s, x, sig):
    z = x @ p["weight_x"] + s[0] @ p["weight_h"] + p["bias"]
    c = sig(z[:, 1:2]) * s[1] + sig(z[:, :1]) * np.tanh(z[:, 2:3])
    return [sig(z[:, 3:]) * np.tanh(c), c]


EQUATIONS = {
    "RNN": lambda p, s, x, sig: [np.tanh(x @ p["weight_x"] + s[0] @ p["weight_h"] + p["bias"])],
    "GRU": _gru,
    "LSTM": _lstm,
    "leaky": lambda p, s, x, sig: [p["leak"] * s[0] + x @ p["weight_x"] + sig(s[0]) @ p["weight_h"] + p["bias"]],
}


@pytest.mark.parametrize("scale", [1e-170, 1e-300, 1e170, 1e300])
def test_angles_do_not_depend_on_the_scale(scale):
    at = np.array([1.0, 1.0]) * scale
    for f in (lambda v: np.arctan2(v[0], v[1]), lambda v: np.angle(v[1] + 1j * v[0])):
        np.testing.assert_allclose(dg.grad(f)(at) * scale, [0.5, -0.5], rtol=1e-14)
    np.testing.assert_allclose(dg.grad(lambda v: np.hypot(v[0], v[1]))(at), [0.5**0.5] * 2, rtol=1e-14)
    np.testing.assert_allclose(dg.grad(lambda v: np.abs(v[0] + 1j * v[1]))(at), [0.5**0.5] * 2, rtol=1e-14)
    with np.errstate(over="ignore"):  # of NumPy's own value
        np.testing.assert_allclose(dg.grad(np.linalg.norm)(at), [0.5**0.5] * 2, rtol=1e-14)


def test_angles_of_small_single_precision():
    got = dg.grad(lambda v: np.arctan2(v[0], v[1]))(np.array([1e-24, 1e-24], f32))
    np.testing.assert_allclose(got, [5e23, -5e23], rtol=1e-6)


def test_arcsinh_of_large_numbers():
    assert orders(np.arcsinh, 1e200, 1)[1] == 1e-200
    np.testing.assert_allclose(orders(lambda x: np.arcsinh(np.exp(x)), 400.0, 1)[1], 1, rtol=1e-14)


@pytest.mark.parametrize("x", [0.0, 1e-160, 1e-300, 5e-324, 1.0, 1e100])
def test_the_exponent_zero_has_no_slope_whatever_the_base(x):
    found = orders(lambda x: x ** np.arange(4.0), x)
    np.testing.assert_allclose(found[2], [0, 0, 2, 6 * x], rtol=1e-14)
    np.testing.assert_allclose(found[3], [0, 0, 0, 6], rtol=1e-14)


@pytest.mark.parametrize("gap", [0.0, 1.0, 17.0, 37.0, 40.0, 300.0, 700.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_p_times_one_less_p(gap, sign):
    """The second derivative of every log-sum-exp, along one of two entries."""
    x = sign * gap
    truth = float(mp.exp(-gap) / (1 + mp.exp(-gap)) ** 2)
    row = lambda z: np.stack([z[0], 0 * z[1]])[None]  # noqa: E731
    functions = {
        "logaddexp": lambda z: np.logaddexp(0 * z[1], z[0]),
        "logsumexp": lambda z: special.logsumexp(z),
        "logsumexp, b": lambda z: special.logsumexp(z, b=np.ones(2)),
        "logsumexp, axis": lambda z: special.logsumexp(z[None], axis=1, keepdims=True)[0, 0],
        "logsumexp, sign": lambda z: special.logsumexp(z, return_sign=True)[0],
        "log_softmax": lambda z: -special.log_softmax(z)[0],
        "cross-entropy": lambda z: nn.cross_entropy(row(z), np.array([0])),
        "cross-entropy, other": lambda z: nn.cross_entropy(row(z), np.array([1])),
        "cross-entropy, smooth": lambda z: nn.cross_entropy(row(z), np.array([1]), label_smoothing=0.1),
        "cross-entropy, shares": lambda z: nn.cross_entropy(row(z), np.array([[0.25, 0.75]])),
        "LogSoftmax": lambda z: -nn.LogSoftmax()({}, row(z))[0, 1],
        "bce": lambda z: nn.bce_with_logits(z[:1], np.ones(1)),
        "Softplus": lambda z: nn.Softplus(threshold=1e9)({}, z)[0],
    }
    for name, f in functions.items():
        np.testing.assert_allclose(hessian_of_first(f)([x, 0.0]), truth, rtol=1e-12, err_msg=name)
    for name, y in {"softmax": special.softmax, "Softmax": lambda z: nn.Softmax()({}, z)}.items():
        jacobian = dg.jacfwd(y)(np.array([x, 0.0]))
        np.testing.assert_allclose(jacobian, [[truth, -truth], [-truth, truth]], rtol=1e-12, err_msg=name)


TAILS = {  # f, its twin in mpmath, points far out
    "hypot": (lambda x: np.hypot(x, 1.0), lambda x: mp.sqrt(x * x + 1), [1e4, 1e8, 1e15]),
    "norm": (lambda x: np.linalg.norm(np.stack([x, 1.0 + 0 * x])), lambda x: mp.sqrt(x * x + 1), [1e4, 1e8, 1e15]),
    "erfcx": (special.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), [10.0, 1e3, 1e8]),
    "dawsn": (special.dawsn, lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), [8.0, 20.0, 100.0]),
    "i0e": (special.i0e, lambda x: mp.exp(-x) * mp.besseli(0, x), [20.0, 1e4, 1e8]),
    "i1e": (special.i1e, lambda x: mp.exp(-x) * mp.besseli(1, x), [20.0, 1e4, 1e8]),
    "log_ndtr": (special.log_ndtr, lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2), [-5.0, -20.0, -1e3, -1e8]),
    "beta": (lambda x: special.beta(x, 2.0), lambda x: 1 / (x * (x + 1)), [1e3, 1e8]),
    "betaln": (lambda x: special.betaln(2.0, x), lambda x: -mp.log(x * (x + 1)), [1e3, 1e8]),
}


def truths(f, x, n=3):
    x = mp.mpf(float(x))
    with mp.workdps(200):
        h = mp.mpf(10) ** -25 * max(abs(x), mp.mpf(10) ** -30)
        return [mp.diff(f, x, k, h=h) if k else f(x) for k in range(n + 1)]


@pytest.mark.parametrize("name", TAILS)
@pytest.mark.parametrize("dtype", [np.float64, f32])
def test_no_digits_are_lost_far_out(name, dtype):
    f, twin, points = TAILS[name]
    for x in map(dtype, points):
        for got, true in list(zip(orders(f, x), truths(twin, x), strict=True))[1:]:
            if abs(true) > np.finfo(dtype).tiny:
                assert abs(float(got) / float(true) - 1) < (1e-4 if dtype is f32 else 1e-11), (x, got, float(true))


def test_values_at_the_edges():
    np.testing.assert_allclose(nn.cross_entropy(np.array([[1e4 + 1, 1e4]], f32), np.array([0])), 0.3132617, rtol=1e-6)
    np.testing.assert_allclose(nn.ELU()({}, np.array([-INF, INF])), [-1, INF])
    np.testing.assert_allclose(nn.SELU()({}, np.array([-INF])), [-1.0507009873554805 * 1.6732632423543772])
    layer, x = nn.LayerNorm(4, elementwise_affine=False), np.array([[1.0, 2.0, 3.0, 4.0]])
    for dtype, scale in ((f32, 1e30), (np.float64, 1e300)):
        y = layer({}, (x * scale).astype(dtype))
        np.testing.assert_allclose(y, [[-1.3416408, -0.4472136, 0.4472136, 1.3416408]], rtol=1e-6)
        assert y.dtype == dtype


@pytest.mark.parametrize("x", [-37.0, -20.0, -8.0])
def test_normal_tails_of_layers(x):
    truth = mp.mpf(x) * mp.erfc(-mp.mpf(x) / mp.sqrt(2)) / 2
    np.testing.assert_allclose(nn.GELU()({}, np.array([x])), float(truth), rtol=1e-12)


TIED = {
    "plain": lambda z: special.logsumexp(z),
    "axis": lambda z: special.logsumexp(z.reshape(1, -1), axis=-1)[0],
    "b": lambda z: special.logsumexp(z, b=np.ones_like(dg.primal(z))),
    "return_sign": lambda z: special.logsumexp(z, return_sign=True)[0],
    "an entry at minus infinity": lambda z: special.logsumexp(np.concatenate([z, np.array([-INF])])),
    "a weight of zero": lambda z: special.logsumexp(np.concatenate([z, z[:1]]), b=np.array([1.0] * len(z) + [0.0])),
}


@pytest.mark.parametrize("name", TIED)
@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_tie_keeps_its_tangents(name, n):
    z, f = np.zeros(n), TIED[name]
    np.testing.assert_allclose(dg.hessian(f)(z), np.eye(n) / n - 1 / n**2, atol=1e-15)
    t = np.arange(n, dtype=float)
    third = dg.derivative(dg.derivative(dg.derivative(lambda s: f(s * t))))(0.0)
    np.testing.assert_allclose(third, np.mean((t - t.mean()) ** 3), atol=1e-13)
    c = dg.taylor(f, z, t, 3)
    np.testing.assert_allclose(c[2:], [np.var(t) / 2, third / 6], atol=1e-13)


def test_ties_with_moving_weights():
    f = lambda v: special.logsumexp(v[:2], b=v[2:])  # noqa: E731
    plain = lambda v: np.log(v[2] * np.exp(v[0]) + v[3] * np.exp(v[1]))  # noqa: E731
    for at in ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0], [3.0, 3.0, 0.5, 0.5]):
        np.testing.assert_allclose(dg.hessian(f)(np.array(at)), dg.hessian(plain)(np.array(at)), atol=1e-14)


@pytest.mark.parametrize("f", [np.logaddexp, np.logaddexp2, lambda a, b: special.logsumexp(np.stack([a, b]))])
@pytest.mark.parametrize("at", [INF, -INF])
def test_equal_infinities_share_at_every_order(f, at):
    first, second, third = orders(lambda t: f(at + t, at + 0 * t), 0.0)[1:]
    assert first == 0.5
    assert np.isfinite(second)
    assert third == 0


# ---------------------------------------------------------------------- across every change of formula

CHANGES = {  # f, its twin in mpmath, where the formula changes
    "sinc": (np.sinc, lambda x: mp.sinc(mp.pi * x), [0.6, -0.6]),
    "arcsin": (np.arcsin, mp.asin, [0.5, -0.5]),
    "arctanh": (np.arctanh, mp.atanh, [0.5, -0.5]),
    "logistic": (special.expit, lambda x: 1 / (1 + mp.exp(-x)), [0.0]),
    "erfcx": (special.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), [1.0]),
    "log_ndtr": (special.log_ndtr, lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2), [0.0, -(2**0.5)]),
    "dawsn": (special.dawsn, lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), [6.5, -6.5]),
    "erfcinv": (special.erfcinv, lambda x: mp.erfinv(1 - x), [float(mp.erfc(1))]),
    "ndtri": (special.ndtri, lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), [float(mp.ncdf(-1))]),
    "i0e": (special.i0e, lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), [30.0, -30.0]),
    "i1e": (special.i1e, lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), [30.0, -30.0]),
    "iv": (lambda x: special.iv(2, x), lambda x: mp.besseli(2, x), [1e-4, -1e-4]),
    "digamma": (special.digamma, mp.digamma, [-0.5, -3.25, 0.25]),
    "ndtr": (ndtr, mp.ncdf, [0.46875 * 2**0.5, 4 * 2**0.5, -0.46875 * 2**0.5, -4 * 2**0.5]),
    "hypot": (lambda x: np.hypot(x, 1.0), lambda x: mp.sqrt(x * x + 1), [1.0, -1.0]),
    "norm": (lambda x: np.linalg.norm(np.stack([x, 1.0 + 0 * x])), lambda x: mp.sqrt(x * x + 1), [1.0, -1.0]),
    "logsumexp": (lambda x: special.logsumexp(np.stack([x, 0 * x])), lambda x: mp.log(1 + mp.exp(x)), [1e-3, -1e-3]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_three_levels_across_a_change_of_formula(name):
    f, twin, points = CHANGES[name]
    for at in points:
        for x in (np.nextafter(at, -INF), np.float64(at), np.nextafter(at, INF)):
            for k, (got, true) in enumerate(zip(orders(f, x), truths(twin, x), strict=True)):
                scale = max(abs(true), mp.mpf(10) ** -3) if k else abs(true) or 1
                bar = 5e-11 if name == "dawsn" else 2e-11
                assert abs(mp.mpf(float(got)) - true) < bar * scale, (x, k, got, float(true))


# ---------------------------------------------------------------------- neighbours of the kinds


@pytest.mark.parametrize(
    ("f", "a"),
    [
        (special.betaln, 1.0),
        (special.betaln, 1e-8),
        (special.betaln, 1e-16),
        (special.betaln, 1e-30),
        (special.beta, 1.0),
    ],
)
def test_mixed_derivatives_of_beta_with_a_small_argument(f, a):
    with mp.workdps(80):
        twin = (lambda x, y: mp.log(mp.beta(x, y))) if f is special.betaln else mp.beta
        h = mp.mpf(10) ** -12
        b, x = mp.mpf(2), mp.mpf(a)
        corners = [twin(x * (1 + i * h), b + j * h) * i * j for i in (1, -1) for j in (1, -1)]
        true = float(sum(corners) / (4 * x * h * h))
    hessian = dg.hessian(lambda z: f(z[0], z[1]))(np.array([a, 2.0]))
    np.testing.assert_allclose([hessian[0, 1], hessian[1, 0]], true, rtol=1e-11)


@pytest.mark.parametrize("p", [2, 3])
@pytest.mark.parametrize(("dtype", "exponents"), [(np.float64, (-150, -120, 0, 120, 150)), (f32, (-15, -10, 10, 15))])
def test_derivatives_of_norms_at_every_scale(p, dtype, exponents):
    twin = lambda t: ((1 + t) ** p + (mp.mpf("0.5") + t) ** p) ** (mp.mpf(1) / p)  # noqa: E731
    with mp.workdps(60):
        true = [float(mp.diff(twin, 0, k)) for k in range(4)]
    for e in exponents:
        scale = dtype(10.0**e)
        at = np.array([1, 0.5], dtype) * scale
        with np.errstate(over="ignore", under="ignore"):  # of NumPy's own value
            found = orders(lambda t, at=at: np.linalg.norm(at + t * np.ones(2, dtype), p), dtype(0))
        for k in (1, 2, 3):
            expected = true[k] * float(scale) ** (1 - k)
            np.testing.assert_allclose(found[k], expected, rtol=1e-4 if dtype is f32 else 1e-12)
            assert found[k].dtype == dtype


@pytest.mark.parametrize("f", [special.kl_div, special.rel_entr, special.xlogy, special.xlog1py])
@pytest.mark.parametrize("constant", [3.0, 3, f32(3), np.array([3.0, 2.0], f32)])
def test_single_precision_beside_numbers(f, constant):
    x = np.array([0.5, 0.25], f32)
    for call in (lambda x: f(x, constant), lambda x: f(constant, x)):
        y, dy = dg.jvp(call, (x,), (np.ones_like(x),))
        assert dy.dtype == y.dtype


@pytest.mark.parametrize("f", [np.sqrt, np.cbrt, np.arccosh, np.arctan, np.tanh, special.erf, special.ndtr])
def test_series_about_infinity_stand_still(f):
    np.testing.assert_array_equal(np.array(dg.taylor(f, np.inf, 1.0, 3))[1:], 0)


@pytest.mark.parametrize("layer", [nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.ELU(), nn.Tanh(), nn.Sigmoid()])
def test_layers_at_minus_infinity_in_every_mode(layer):
    x, v = np.array([-INF]), np.array([1.0])
    value = layer({}, x)
    assert np.isfinite(value)
    assert dg.jvp(lambda x: layer({}, x), (x,), (v,))[0] == value
    assert dg.taylor(lambda x: layer({}, x), x, v, 2)[0] == value


def test_impossible_classes_and_masked_examples():
    z = np.array([[1.0, -INF, 2.0]])
    expected = nn.cross_entropy(z, np.array([2]))
    np.testing.assert_allclose(nn.cross_entropy(z, np.array([[0, 0, 1.0]])), expected)
    assert np.isfinite(dg.grad(lambda z: nn.cross_entropy(z, np.array([[0, 0, 1.0]])))(z)).all()
    masked = nn.cross_entropy(np.array([[0, -INF], [0, 0]]), np.array([1, 0]), weights=np.array([False, True]))
    np.testing.assert_allclose(masked, np.log(2))


@pytest.mark.parametrize("n", [1e-30, 1e-300])
def test_taylor_coefficients_of_tiny_exponents(n):
    c = dg.taylor(lambda x: x ** np.array([n]), np.array([n]), np.array([1.0]), 2)
    np.testing.assert_allclose(np.ravel(c), [1, 1, -0.5 / n], rtol=1e-14)


def test_the_tangent_of_complex_tanh_far_out():
    assert dg.jvp(np.tanh, (np.array(400 + 1j),), (np.array(1 + 0j),))[1] == 0


@pytest.mark.parametrize(("f", "slope"), [(special.ndtri, INF), (special.erfcinv, -INF)])
def test_quantiles_at_zero(f, slope):
    assert dg.derivative(f)(0.0) == slope
