"""IllConditionedWarning: where the value is right and rounding has taken the digits of a derivative, and nowhere else.

That ordinary points do not warn is tested by all other tests, in which a warning is an error.
"""

import contextlib
import warnings

import mpmath
import numpy as np
import pytest

import dualgrad as dg

warns = lambda: pytest.warns(dg.IllConditionedWarning)  # noqa: E731


def nested(f, order):
    """The derivative of that order of a function of one number, by nesting."""
    for _ in range(order):
        f = dg.derivative(f)
    return f


def caught(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = call()
    assert {w.category for w in found} <= {dg.IllConditionedWarning}, found
    return result, bool(found)


# ---------------------------------------------------------------------- the deviation of equal numbers

V = np.arange(1.0, 7.0)
LEVEL = {
    "a vector": lambda x: np.std(x),
    "method": lambda x: x.std(),
    "ddof": lambda x: np.std(x, ddof=5),
    "correction": lambda x: np.std(x, correction=1),
    "keepdims": lambda x: np.std(x, keepdims=True)[0],
    "axis": lambda x: np.sum(np.std(np.stack([x, x]), axis=1)),
    "axis 0": lambda x: np.sum(np.std(np.stack([x, x], 1), axis=0)),
    "axes": lambda x: np.std(np.reshape(x, (2, 3)), axis=(0, 1)),
    "negative": lambda x: np.std(-x),
    "where": lambda x: np.std(np.append(x, 7.0 * x[:1]), where=np.arange(7) < 6),
    "mean": lambda x: np.std(x, mean=np.mean(x, keepdims=True)),
    "nan": lambda x: np.nanstd(np.append(x, np.nan)),
    "nan, where": lambda x: np.nanstd(np.append(x, 7.0), where=np.arange(7) < 6),
    "complex": lambda x: np.std(x * (3 + 4j)),
    "long": lambda x: np.std(np.reshape(np.broadcast_to(x, (10_000, 6)), (-1, 1)), axis=0)[0],
}


def rounds(n, dtype=float):
    """A number whose mean with itself, n times, is another number."""
    return next(x for x in np.arange(0.1, 1, 0.0625, dtype) if np.std(np.full(n, x)))


@pytest.mark.parametrize("std", LEVEL.values(), ids=LEVEL)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_std_of_equal_numbers_has_derivative_zero_whatever_rounding_makes_of_it(std, order):
    x = np.full(6, rounds(6))
    plain = std(x)
    for along, last in ((V, 0), (np.ones(6), -1e-17)):
        y, dy = caught(lambda v=along, e=last: dg.jvp(lambda t: std(x + t * v), (0.0,), (1.0,)))[0]
        assert y == plain
        slope, warned = caught(lambda v=along: nested(lambda t: std(x + t * v), order)(0.0))
        assert slope == dy == 0
        assert warned == (plain > 0)
    k = caught(lambda: dg.jvp(std, (x,), (np.eye(6),)))[0][1]
    assert not k.any()
    assert not np.any(caught(lambda: dg.taylor(std, x, V, order))[0][1:])


@pytest.mark.parametrize("n", range(2, 40, 4))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_std_of_n_equal_numbers_in_every_precision(n, dtype):
    for number in np.array([0.1, 0.7, 1.1, 3.3, 1e-3, 100.1], dtype):
        x = np.full(n, number)
        slopes, warned = caught(lambda x=x: dg.hessian(np.std)(x))
        assert not slopes.any()
        assert warned == bool(np.std(x)) or dtype is np.float16  # of which NumPy's mean is in single precision


@pytest.mark.parametrize("ulps", [1, 2, 3, 4])
def test_std_of_neighbouring_numbers_is_that_of_equal_ones(ulps):
    x = np.array([0.1, 0.1, 0.1 + ulps * np.spacing(0.1)])
    with warns():
        assert not dg.grad(np.std)(x).any()


@pytest.mark.parametrize("spread", [1e-14, 1e-12, 1e-9, 1e-3])
@pytest.mark.parametrize("offset", [0.0, 0.1, -3.0])
def test_std_of_numbers_that_differ_has_its_derivatives(spread, offset):
    x = offset + spread * np.array([0.0, 1.0, 5.0])
    expected = (x - np.mean(x)) / (3 * np.std(x))
    rounding = 1e-13 + 4 * np.spacing(abs(offset)) / spread  # what the mean is worth
    np.testing.assert_allclose(dg.grad(np.std)(x), expected, rtol=0, atol=rounding)


@pytest.mark.parametrize("x", [[0.0, 0.0], [1.0, 1.0, 1.0], [-2.0] * 7, [np.nan, 1.0], [np.inf, 1.0], [1.0]], ids=str)
def test_std_where_its_value_is_exact_does_not_warn(x):
    with np.errstate(invalid="ignore"):
        dg.grad(np.std)(np.array(x))


def test_std_from_another_mean_is_no_rounding():
    x = np.full(3, 0.1)
    np.testing.assert_allclose(dg.grad(lambda x: np.std(x, mean=np.array([0.2])))(x), -np.ones(3) / 3)


def test_slices_of_a_std_are_told_apart():
    x = np.array([[0.1, 0.1, 0.1], [0.1, 0.2, 0.6]])
    with warns():
        slopes = dg.jacfwd(lambda x: np.std(x, axis=1))(x)
    assert not slopes[0].any()
    assert np.array_equal(slopes[1, 1], dg.grad(np.std)(x[1]))


# ---------------------------------------------------------------------- vectors of values that nearly coincide

RNG = np.random.default_rng(0)
Q = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
D = RNG.normal(size=(4, 4))
D = D + D.T


def close_pair(gap):
    a = Q @ np.diag([1.0, 1.0 + gap, 2.0, 3.0]) @ Q.T
    return (a + a.T) / 2


def projector(v):
    """An entry of the projection on the first two vectors, which does not depend on the choice of them."""
    return v[0, 0] * v[1, 0] + v[0, 1] * v[1, 1]


def exact(a, order):
    """The derivative along D of `projector`, by differences in 150 digits."""
    with mpmath.workdps(150):
        a, d, h = mpmath.matrix(a.tolist()), mpmath.matrix(D.tolist()), mpmath.mpf(10) ** -25
        y = [projector(mpmath.eigsy(a + k * h * d)[1]) for k in (-2, -1, 0, 1, 2)]
        return float([(y[3] - y[1]) / (2 * h), (y[3] - 2 * y[2] + y[1]) / h**2,
                      (y[4] - 2 * y[3] + 2 * y[1] - y[0]) / (2 * h**3)][order - 1])  # fmt: skip


@pytest.mark.parametrize("gap", [10.0**-k for k in range(1, 11)])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_without_a_warning_there_are_digits(gap, order):
    a = close_pair(gap)
    found, warned = caught(lambda: nested(lambda t: projector(np.linalg.eigh(a + t * D)[1]), order)(0.0))
    reference = exact(a, order)
    assert warned or abs(found - reference) < 3e-3 * abs(reference)
    assert warned == (order > 1 and gap < 1.5e-6 if order < 3 else gap < 2e-4)


VECTORS = {
    "eigh": lambda a: np.linalg.eigh(a)[1],
    "eigh, upper": lambda a: np.linalg.eigh(a, "U")[1],
    "eig": lambda a: np.linalg.eig(a)[1],
    "svd": lambda a: np.linalg.svd(a)[0],
    "svd, tall": lambda a: np.linalg.svd(np.concatenate([a, 0.0 * a[:2]]), full_matrices=False)[0],
    "svd, wide": lambda a: np.linalg.svd(np.concatenate([a, 0.0 * a[:, :2]], 1), full_matrices=False)[2],
    "a stack": lambda a: np.linalg.eigh(np.stack([np.diag(np.arange(4.0)) + 0 * a, a]))[1],
}


@pytest.mark.parametrize("f", VECTORS.values(), ids=VECTORS)
@pytest.mark.parametrize("moved", ["one", "K over one", "one over K", "taylor"])
@pytest.mark.parametrize(("gap", "expected"), [(1e-2, False), (1e-5, False), (9e-7, True), (1e-8, True)])
def test_vectors_of_a_close_pair_warn_from_the_second_order_on(f, moved, gap, expected):
    a = close_pair(gap)
    along = lambda g, v: lambda x: dg.jvp(g, (x,), (v,))[1]  # noqa: E731
    k = np.stack([D, 2 * D])
    second = {
        "one": lambda: along(along(f, D), D)(a),
        "K over one": lambda: along(along(f, D), k)(a),
        "one over K": lambda: along(along(f, k), D)(a),
        "taylor": lambda: dg.taylor(f, a, D, 2),
    }[moved]
    assert not caught(lambda: along(f, k)(a))[1]
    assert not caught(lambda: dg.taylor(f, a, D, 1))[1]
    assert caught(second)[1] == expected


@pytest.mark.parametrize(("gap", "expected"), [(0.2, False), (0.01, True)])
def test_single_precision_has_wider_gaps(gap, expected):
    a, d = close_pair(gap).astype(np.float32), D.astype(np.float32)
    first = lambda x: dg.jvp(lambda x: np.linalg.eigh(x)[1], (x,), (d,))[1]  # noqa: E731
    assert caught(lambda: dg.jvp(first, (a,), (d,)))[1] == expected


@pytest.mark.parametrize(
    ("order", "small", "expected"),
    [(1, 1e-13, False), (2, 1e-10, False), (2, 1e-13, True), (3, 1e-8, True), (3, 0.1, False)],
)
@pytest.mark.parametrize("shape", ["tall", "wide", "square"])
def test_small_singular_values_beside_a_null_space(shape, order, small, expected):
    a, d = (Q[:, :3] * np.array([3.0, 2.0, small]), D[:, :3])
    a, d = {"tall": (a, d), "wide": (a.T, d.T), "square": (Q[:3, :3] @ np.diag([3.0, 2.0, small]), D[:3, :3])}[shape]
    f = lambda t: np.linalg.svd(a + t * d, full_matrices=False)[0]  # noqa: E731
    for _ in range(order):
        f = lambda t, f=f: dg.jvp(f, (t,), (1.0,))[1]  # noqa: E731
    assert caught(lambda: f(0.0))[1] == (expected and shape != "square")


def test_values_and_directions_that_mix_nothing_do_not_warn():
    a = close_pair(1e-8)
    for f in (np.linalg.eigvalsh, np.linalg.svdvals, lambda a: np.linalg.norm(a, 2), np.linalg.cond, np.linalg.inv):
        dg.jvp(lambda x, f=f: dg.jvp(f, (x,), (D,))[1], (a,), (D,))
    a, d = np.diag([1.0, 1.0 + 1e-9, 2.0, 3.0]), np.zeros((4, 4))
    d[2, 3] = d[3, 2] = 1.0
    dg.jvp(lambda x: dg.jvp(lambda x: np.linalg.eigh(x)[1], (x,), (d,))[1], (a,), (d,))


# ---------------------------------------------------------------------- once for each line


def test_a_line_warns_once_and_the_warning_names_it(recwarn):
    warnings.simplefilter("default")
    slopes = dg.grad(np.std)
    for _ in range(3):
        slopes(np.full(3, 0.1))
        dg.grad(lambda x: np.std(x) * 2.0)(np.full(3, 0.1))
    lines = {(w.filename, w.lineno) for w in recwarn}
    assert len(recwarn) == len(lines) == 2
    assert {file for file, _ in lines} == {__file__}


def test_as_an_error_it_comes_out_of_the_transform_and_leaves_no_level_open():
    before = dict(dg.dual.LIVE)
    with contextlib.suppress(dg.IllConditionedWarning):
        dg.hessian(np.std)(np.full(3, 0.1))
        pytest.fail("the warning is an error here")
    assert before == dg.dual.LIVE
