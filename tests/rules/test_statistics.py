"""Statistics and polynomials at ties, ends, nodes, infinities and NaN, and what is refused."""

import warnings

import numpy as np
import pytest

import dualgrad as dg

INF, NAN = np.inf, np.nan
METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear "
    "median_unbiased normal_unbiased lower higher midpoint nearest"
).split()


def jacobian(f, x):
    return dg.jacfwd(f)(np.array(x, float))


# ---------------------------------------------------------------------- order statistics


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([3.0], [1]),
        ([3, 1, 2], [0, 0, 1]),
        ([3, 1, 2, 5], [0.5, 0, 0.5, 0]),
        ([1, 1, 1], [0, 1, 0]),  # ties keep their order
        ([2, 1, 2, 2], [0.5, 0, 0.5, 0]),
        ([INF, 1, -INF], [0, 1, 0]),
        ([INF, 1, 2, -INF], [0, 0.5, 0.5, 0]),
        ([INF, INF, 1], [1, 0, 0]),
        ([1, NAN, 2, NAN], [0, 0, 0, 1]),  # NumPy's answer is the last of the sorted entries
    ],
)
@np.errstate(invalid="ignore")  # NumPy's own interpolation of infinities
def test_median(x, expected):
    assert jacobian(np.median, x).tolist() == expected
    assert jacobian(lambda x: np.quantile(x, 0.5), x).tolist() == expected


def test_median_of_a_derivative_that_is_infinite():
    f = lambda x: np.median(np.sqrt(x))  # noqa: E731
    assert jacobian(f, [0.0, 4.0, 9.0]).tolist() == [0, 0.25, 0]
    assert jacobian(f, [0.0, 0.0, 4.0]).tolist() == [0, INF, 0]


@pytest.mark.parametrize("function", [np.median, lambda x: np.quantile(x, 0.3)], ids=["median", "quantile"])
def test_nothing_along_the_axis(function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = function(np.zeros(0))
        except IndexError as error:  # NumPy's own
            with pytest.raises(IndexError, match=str(error)):
                dg.jvp(function, (np.zeros(0),), (np.zeros(0),))
            return
        y, dy = dg.jvp(function, (np.zeros(0),), (np.zeros((2, 0)),))
    assert np.isnan(expected)
    assert np.isnan(y)
    assert dy.shape == (2,)
    y, dy = dg.jvp(lambda x: np.median(x, axis=0), (np.zeros((3, 0)),), (np.zeros((2, 3, 0)),))
    assert y.shape == (0,)
    assert dy.shape == (2, 0)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([NAN, 1, 2, 4], [0, 0, 1, 0]),
        ([NAN, 1, NAN, 4], [0, 0.5, 0, 0.5]),
        ([INF, 1, NAN, -INF], [0, 1, 0, 0]),
    ],
)
@np.errstate(invalid="ignore")
def test_nanmedian_leaves_nan_out(x, expected):
    assert jacobian(np.nanmedian, x).tolist() == expected
    assert jacobian(lambda x: np.nanpercentile(x, 50), x).tolist() == expected


def test_nanmedian_of_nan_alone():
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        y, dy = dg.jvp(np.nanmedian, (np.full(2, NAN),), (np.array([3.0, 5.0]),))
    assert np.isnan(y)
    assert dy == 5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_quantile_is_linear_between_ties(method, n):
    """The difference quotient is exact where no two entries change places."""
    x = np.random.default_rng(n).permutation(n).astype(float)
    for q in (0.0, 0.1, 0.3, 0.5, 0.62, 1.0):
        f = lambda x, q=q: np.quantile(x, q, method=method)  # noqa: E731
        quotient = [(f(x + e) - f(x - e)) / 0.25 for e in np.eye(n) / 8]
        np.testing.assert_allclose(jacobian(f, x), quotient, atol=1e-14)
        single = dg.jacfwd(f)(x.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, quotient, atol=2e-6)


def test_quantile_of_tied_entries_and_at_the_ends():
    x = [2.0, 1.0, 2.0, 1.0]
    assert jacobian(lambda x: np.quantile(x, [0.0, 0.5, 1.0]), x).tolist() == [
        [0, 1, 0, 0],
        [0.5, 0, 0, 0.5],
        [0, 0, 1, 0],
    ]


def test_many_half_precision_entries():
    x = np.linspace(0, 1, 4001).astype(np.float16)
    assert np.flatnonzero(dg.jvp(np.median, (x,), (np.eye(4001, dtype=np.float16)[1995:2005],))[1]).tolist() == [5]


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.quantile(np.arange(3.0), x[0]), "np.quantile has no rule for a Dual as q"),
        (lambda x: np.percentile(x, x[0]), "np.percentile has no rule for a Dual as q"),
        (lambda x: np.quantile(x, 0.5, method="inverted_cdf", weights=x), "no rule for a Dual as weights"),
        (lambda x: np.median(x, overwrite_input=True), r"np.median\(overwrite_input=True\) writes into a Dual"),
        (lambda x: np.nanquantile(x[None], [[0.5]], axis=(0, 1)), "give a flat q"),
        (lambda x: np.interp(x, [0, 1], [2, 3], left=x[0]), "np.interp has no rule for a Dual as left"),
        (lambda x: np.unwrap(x, period=x[0]), "np.unwrap has no rule for a Dual as period"),
        (lambda x: np.polyint(x, k=x[0]), "np.polyint has no rule for a Dual as k"),
        (lambda x: np.polyfit(x, x, 1, full=True), "np.polyfit of a Dual gives the coefficients alone"),
        (lambda x: np.polyfit(x, x, 0, cov=True), "np.polyfit of a Dual gives the coefficients alone"),
    ],
)
def test_refused(f, message):
    with pytest.raises(NotImplementedError, match=message):
        dg.jvp(f, (np.array([0.2, 0.7]),), (np.ones(2),))


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x: np.median(x, axis=2), np.exceptions.AxisError),
        (lambda x: np.quantile(x, 1.5), ValueError),
        (lambda x: np.quantile(x, 0.5, method="best"), ValueError),
        (lambda x: np.quantile(x + 0j, 0.5), TypeError),
        (lambda x: np.average(x, weights=[1.0, -1.0]), ZeroDivisionError),
        (lambda x: np.average(x, weights=[1.0, 1.0, 1.0]), (TypeError, ValueError)),
        (lambda x: np.trapezoid(x, axis=3), IndexError),
        (lambda x: np.convolve(x, []), ValueError),
    ],
)
def test_numpy_s_own_errors(f, error):
    for call in (f, lambda x: dg.jvp(f, (x,), (x,))):
        with pytest.raises(error):
            call(np.array([0.2, 0.7]))


# ---------------------------------------------------------------------- averages and correlations


def test_average_skips_infinities_that_have_no_tangent():
    x = np.array([INF, 1.0, 2.0])
    _, dy = dg.jvp(lambda y: np.average(np.stack([x, y])[:, 1:], axis=0), (np.ones(3),), (np.ones(3),))
    assert dy.tolist() == [0.5, 0.5]
    assert jacobian(lambda w: np.average(x[1:], weights=w), [1.0, 3.0]).tolist() == [-3 / 16, 1 / 16]


def test_covariance_of_too_few():
    with pytest.warns(RuntimeWarning):
        y, dy = dg.jvp(np.cov, (np.array([2.0]),), (np.array([1.0]),))
    assert np.isnan(y)
    assert dy == 0
    assert dg.jvp(lambda x: np.cov(x, ddof=0), (np.array([2.0]),), (np.array([1.0]),)) == (0, 0)


def test_correlation_of_a_constant():
    with pytest.warns(RuntimeWarning, match="invalid value"):
        y, dy = dg.jvp(np.corrcoef, (np.array([[1.0, 1.0], [1.0, 2.0]]),), (np.array([[0.0, 0.0], [0.5, 2.0]]),))
    assert np.isnan(y[0]).all()
    assert abs(dy[1, 1]) < 1e-14


def test_ptp_shares_ties():
    assert jacobian(np.ptp, [1.0, 3.0, 3.0, 1.0]).tolist() == [-0.5, 0.5, 0.5, -0.5]
    assert jacobian(np.ptp, [4.0]).tolist() == [0]


# ---------------------------------------------------------------------- interpolation


def test_interp_at_nodes_and_outside():
    """The slope to the right of a node, to the left of the last; outside 0, and the end's tangent through fp."""
    nodes, heights = np.array([0.0, 1.0, 3.0]), np.array([1.0, 4.0, 0.0])
    f = lambda x: np.interp(x, nodes, heights)  # noqa: E731
    for x, slope in ((-1, 0), (0, 3), (0.5, 3), (1, -2), (2, -2), (3, -2), (4, 0), (INF, 0), (-INF, 0)):
        assert dg.derivative(f)(float(x)) == slope
    for x, weights in (
        (-1, [1, 0, 0]),
        (0, [1, 0, 0]),
        (1, [0, 1, 0]),
        (2, [0, 0.5, 0.5]),
        (3, [0, 0, 1]),
        (9, [0, 0, 1]),
    ):
        assert dg.jacfwd(lambda fp, x=x: np.interp(float(x), nodes, fp))(heights).tolist() == weights
        outside = dg.jacfwd(lambda fp, x=x: np.interp(float(x), nodes, fp, left=7, right=8))(heights).tolist()
        assert outside == (weights if 0 <= x <= 3 else [0, 0, 0])
    assert dg.jacfwd(lambda xp: np.interp(2.0, xp, heights))(nodes).tolist() == [0, 1, 1]


def test_interp_of_one_node_and_of_infinite_heights():
    assert dg.jacfwd(lambda fp: np.interp([-1.0, 2.0, 3.0], [2.0], fp))(np.array([5.0])).tolist() == [[1], [1], [1]]
    assert dg.derivative(lambda x: np.interp(x, [2.0], [5.0]))(2.0) == 0
    f = lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, INF])  # noqa: E731
    assert dg.derivative(f)(0.5) == 1
    assert dg.derivative(f)(1.5) == INF


def test_interp_with_a_period():
    f = lambda x: np.interp(x, [190.0, -190, 350, -350], [5.0, 10, 3, 4], period=-360)  # noqa: E731
    for x in (-180.0, 5.0, 181.0, 365.0):
        assert dg.derivative(f)(x) == pytest.approx((f(x + 1e-3) - f(x - 1e-3)) / 2e-3, rel=1e-8)


def test_unwrap_moves_with_its_argument():
    y, dy = dg.jvp(np.unwrap, (np.array([0.0, 5.0, 1.0]),), (np.array([1.0, 2.0, 3.0]),))
    assert y.tolist() == np.unwrap([0.0, 5.0, 1.0]).tolist()
    assert dy.tolist() == [1, 2, 3]


def test_spacings_end_where_they_should():
    for end in (2.0, -3.0):
        ends = dg.jacfwd(lambda x, end=end: np.geomspace(x[0] * end, x[1] * end, 5)[[0, -1]])(np.array([1.0, 2.0]))
        np.testing.assert_allclose(ends, np.eye(2) * end, atol=1e-15)
    np.testing.assert_allclose(dg.derivative(lambda b: np.logspace(0, 3, 4, base=b))(2.0), [0, 1, 4, 12])


# ---------------------------------------------------------------------- polynomials


def test_convolution_skips_infinities_that_have_no_tangent():
    for f in (np.convolve, np.correlate):
        dy = dg.jvp(lambda y, f=f: f([INF, 1.0], y, "full"), (np.ones(2),), (np.array([0.0, 1.0]),))[1]
        assert dy.tolist() == f([0.0, 1.0], [0.0, 1.0], "full").tolist() or np.isinf(dy).sum() == 1
        assert not np.isnan(dy).any()


def test_coefficients_that_numpy_leaves_out():
    one = np.ones(2)
    with pytest.raises(dg.TangentLossError, match=r"np.polymul \(use np.convolve\) begins with a coefficient 0"):
        dg.jvp(lambda p: np.polymul(p, [1.0, 2.0]), (np.array([0.0, 1.0]),), (one,))
    with pytest.raises(dg.TangentLossError, match=r"the remainder of np\.polydiv begins with a coefficient 0"):
        dg.jvp(lambda p: np.polydiv(np.convolve(p, [1.0, 1.0, 3.0]), [1.0, 1.0, 3.0]), (one,), (one,))
    q, r = dg.jvp(lambda p: np.polydiv(p, [1.0, -1.0]), (np.array([1.0, -3.0, 2.0]),), (np.array([0.0, 0.0, 1.0]),))[1]
    assert q.tolist() == [0, 0]
    assert r.tolist() == [1]


def test_polynomials_at_zero():
    f = lambda x: np.polyval([3.0, 2.0, 5.0, 7.0], x)  # noqa: E731
    for value in (7.0, 5.0, 4.0, 18.0):
        assert f(0.0) == value
        f = dg.derivative(f)
    v = lambda x: np.vander(x, 4)[0]  # noqa: E731
    for row in ([0, 0, 0, 1], [0, 0, 1, 0], [0, 2, 0, 0], [6, 0, 0, 0]):
        assert v(np.zeros(1)).tolist() == row
        v = lambda x, v=v: dg.jvp(v, (x,), (np.ones(1),))[1]  # noqa: E731
    assert dg.jvp(lambda x: np.vander(x, 0), (np.ones(2),), (np.ones(2),))[1].shape == (2, 0)


def test_roots_undo_poly():
    z = np.array([0.5, -1.0, 3.0])
    np.testing.assert_allclose(
        dg.jacfwd(np.roots)(np.poly(z))[:, 1:] @ dg.jacfwd(np.poly)(np.sort(z)[[2, 0, 1]])[1:], np.eye(3), atol=1e-12
    )
    p = np.array([2.0, -1.0, 3.0, 5.0])  # one real root, and two that are conjugate
    np.testing.assert_allclose(dg.jacfwd(lambda p: p[0] * np.poly(np.roots(p)))(p), np.eye(4), atol=1e-12)
    np.testing.assert_allclose(dg.hessian(lambda p: p[0] * np.poly(np.roots(p)))(p), 0, atol=1e-11)


def test_roots_at_zero_at_infinity_and_multiple():
    assert dg.jvp(np.roots, (np.array([1.0, -2.0, 0.0]),), (np.eye(3),))[1].tolist() == [[-2, 0], [-1, 0], [-0.5, 0.5]]
    _, dz = dg.jvp(np.roots, (np.array([0.0, 1.0, -2.0]),), (np.eye(3),))
    assert dz.tolist() == [[-4], [-2], [-1]]
    z, dz = dg.jvp(np.roots, (np.array([1.0, 0.0, 0.0]),), (np.eye(3),))
    assert z.tolist() == [0, 0]
    assert dz.tolist() == [[0, 0], [0, 0], [-INF, -INF]]
    assert dg.jvp(np.roots, (np.array([3.0]),), (np.ones((2, 1)),))[1].shape == (2, 0)


def test_poly_of_a_matrix_with_equal_eigenvalues():
    """det(x - A) at the identity: (x - 1)³, and its derivative -tr(dA) (x - 1)²."""
    d = dg.jvp(np.poly, (np.eye(3),), (np.arange(9.0).reshape(3, 3),))[1]
    np.testing.assert_allclose(d, [0, -12, 24, -12], atol=1e-12)


def test_polyfit_of_data_on_a_line():
    x, y = np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.0, 3.0, 5.0, 11.0])
    np.testing.assert_allclose(dg.jacfwd(lambda y: np.polyfit(x, y, 1))(y), np.linalg.pinv(np.vander(x, 2)), atol=1e-13)
    moved = dg.jvp(lambda x: np.polyfit(x, y, 1), (x,), (np.ones(4),))[1]  # 2 x + 1 becomes 2 (x - t) + 1
    np.testing.assert_allclose(moved, [0, -2], atol=1e-12)
