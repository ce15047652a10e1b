"""What the derivative is where the formula leaves a choice, or reads 0/0 or 0·∞: the tables of docs/conventions.md."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.tables import KINDS

INF, NAN = np.inf, np.nan


def slope(f, x, v=1.0):
    """The tangent of f at x along v (ones by default)."""
    x = np.asarray(x, complex if np.iscomplexobj(x) else float)
    return dg.jvp(f, (x,), (np.broadcast_to(v, x.shape).astype(x.dtype),))[1]


def pair(f, x, y, dx=1.0, dy=3.0):
    """The tangent of f at (x, y) along (dx, dy)."""
    args = [np.asarray(a, float) for a in (x, y, dx, dy)]
    return dg.jvp(f, tuple(args[:2]), tuple(args[2:]))[1]


def second(f, x):
    """The second derivative along ones, twice."""
    return slope(lambda x: slope_inside(f, x), x)


def slope_inside(f, x):
    return dg.jvp(f, (x,), (np.ones_like(dg.primal(x)),))[1]


# ---------------------------------------------------------------------- kinks, ties, bottoms of cones

TABLE = [
    ("abs at 0", lambda: slope(np.abs, 0.0), 0),
    ("fabs at 0", lambda: slope(np.fabs, 0.0), 0),
    ("abs of a complex 0", lambda: slope(np.abs, 0j, 1 + 2j), 0),
    ("angle at 0", lambda: slope(np.angle, 0j, 1 + 2j), 0),
    ("angle of a real 0", lambda: slope(np.angle, 0.0), 0),
    ("maximum tied", lambda: pair(np.maximum, 1, 1), 2),
    ("minimum tied", lambda: pair(np.minimum, 1, 1), 2),
    ("fmax tied", lambda: pair(np.fmax, 1, 1), 2),
    ("fmin tied", lambda: pair(np.fmin, 1, 1), 2),
    ("fmax beside NaN", lambda: pair(np.fmax, NAN, 1), 3),
    ("fmin beside NaN", lambda: pair(np.fmin, 1, NAN), 1),
    ("relu at 0", lambda: slope(lambda x: np.maximum(x, 0), 0.0), 0.5),
    ("max tied", lambda: slope(np.max, [2, 1, 2], [1, 10, 4]), 2.5),
    ("min tied", lambda: slope(np.min, [2, 1, 1], [10, 1, 4]), 2.5),
    ("max tied along an axis", lambda: slope(lambda x: np.max(x, 0), [[2, 1], [2, 3]], [[1, 5], [4, 6]]), [2.5, 6]),
    ("max tied with initial", lambda: slope(lambda x: np.max(x, initial=2.0), [2, 1], [1, 5]), 0.5),
    ("max under initial", lambda: slope(lambda x: np.max(x, initial=5.0), [2, 1]), 0),
    ("maximum.reduce tied", lambda: slope(np.maximum.reduce, [2, 1, 2], [1, 10, 4]), 2.5),
    ("clip at its low bound", lambda: slope(lambda x: np.clip(x, 0, 1), 0.0), 0.5),
    ("clip at its high bound", lambda: slope(lambda x: np.clip(x, 0, 1), 1.0), 0.5),
    ("clip inside and outside", lambda: slope(lambda x: np.clip(x, 0, 1), [0.5, 2, -1]), [1, 0, 0]),
    ("clip's bound takes the other half", lambda: pair(lambda x, low: np.clip(x, low, 9), 1, 1), 2),
    ("sort tied", lambda: slope(np.sort, [2, 1, 1], [1, 2, 3]), [2, 3, 1]),
    ("norm at 0", lambda: slope(np.linalg.norm, [0, 0]), 0),
    ("norm of a row of 0", lambda: slope(lambda x: np.linalg.norm(x, axis=1), [[0, 0], [3, 4]]), [0, 1.4]),
    ("norm of order 1 at an entry 0", lambda: slope(lambda x: np.linalg.norm(x, 1), [0, -2], [5, 1]), -1),
    ("norm of order 3 at 0", lambda: slope(lambda x: np.linalg.norm(x, 3), [0, 0]), 0),
    ("Frobenius norm at 0", lambda: slope(lambda x: np.linalg.norm(x, "fro"), np.zeros((2, 2))), 0),
    ("norm of a complex 0", lambda: slope(np.linalg.norm, np.zeros(2, complex), 1j), 0),
    ("std of a constant", lambda: slope(np.std, [3, 3], [1, 5]), 0),
    ("arctan2 at the origin", lambda: pair(np.arctan2, 0, 0), 0),
    ("hypot at the origin", lambda: pair(np.hypot, 0, 0), 0),
    ("x**0 at 0", lambda: slope(lambda x: x**0, 0.0), 0),
    ("x**0.0 at 0", lambda: slope(lambda x: x**0.0, 0.0), 0),
    ("power(x, 0) at 0", lambda: slope(lambda x: np.power(x, 0.0), 0.0), 0),
    ("power(x, [0, 1, 2]) at 0", lambda: slope(lambda x: np.power(x, np.array([0.0, 1, 2])), [0, 0, 0]), [0, 1, 0]),
    ("0**n along n", lambda: slope(lambda n: 0.0**n, 2.0), 0),
    ("power(0, n) along n", lambda: slope(lambda n: np.power(np.zeros(2), n), [1, 2]), [0, 0]),
    ("a negative base", lambda: slope(lambda x: x**3, -2.0), 12),
    ("one zero in prod", lambda: slope(np.prod, [2, 0, 5]), 10),
    ("two zeros in prod", lambda: slope(np.prod, [0, 0, 5]), 0),
    ("zeros in cumprod", lambda: slope(np.cumprod, [2, 0, 5, 0]), [1, 2, 10, 0]),
    ("sinc at 0", lambda: slope(np.sinc, 0.0), 0),
    ("logaddexp of two -inf", lambda: pair(np.logaddexp, -INF, -INF), 2),
    ("logaddexp of one -inf", lambda: pair(np.logaddexp, -INF, 0), 3),
    ("logaddexp of an inf", lambda: pair(np.logaddexp, 0, INF), 3),
    ("logaddexp2 of one -inf", lambda: pair(np.logaddexp2, 0, -INF), 1),
    ("logaddexp far apart", lambda: pair(np.logaddexp, 1000, -1000), 1),
    ("sign, floor at a jump", lambda: slope(lambda x: x * 0 + np.sign(x) + np.floor(x), 0.0), 0),
    ("round", lambda: slope(lambda x: x * 0 + np.round(x), 0.5), 0),
    ("nan_to_num of inf and nan", lambda: slope(np.nan_to_num, [INF, NAN, 2]), [0, 0, 1]),
    ("where, the branch not taken", lambda: slope(lambda x: np.where(x > 0, np.sqrt(x), 0), 0.0), 0),
    ("where, a NaN not taken", lambda: slope(lambda x: np.where(x > 0, np.sqrt(x), 2 * x), [-1, 4]), [2, 0.25]),
    ("select, a NaN not taken", lambda: slope(lambda x: np.select([x > 0], [np.log(x)], x), [-1, 2]), [1, 0.5]),
    ("tanh at 20", lambda: slope(np.tanh, 20.0), 1.6993417021166357e-17),
    ("tanh at -20", lambda: slope(np.tanh, -20.0), 1.6993417021166357e-17),
    ("tanh at 1000", lambda: slope(np.tanh, 1000.0), 0),
    ("arccosh near 1", lambda: slope(np.arccosh, 1 + 2**-40), 741455.2001892966),
    ("arcsin near 1", lambda: slope(np.arcsin, 1 - 2**-40), 741455.2001896339),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("result", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_first_derivative(result, expected):
    np.testing.assert_allclose(result(), expected, rtol=1e-12, atol=0)


# sinc' by 40-digit arithmetic
SINC = {
    1e-300: -3.289868133696453e-300, 1e-16: -3.2898681336964527e-16, 1e-8: -3.2898681336964526e-08,
    1e-4: -0.0003289868101226756, 1e-2: -0.0328954344817124, 0.1: -0.325751267883124, 0.5: -1.2732395447351628,
    0.59: -1.3509788174489683, 0.61: -1.3601767853479299, 1.0: -1.0, 2.0: 0.5, 7.3: -0.07568613687999279,
}  # fmt: skip


@pytest.mark.parametrize("x", SINC)
@pytest.mark.parametrize("sign", [1, -1])
def test_sinc_is_accurate_near_zero_and_beyond(x, sign):
    np.testing.assert_allclose(slope(np.sinc, sign * x), sign * SINC[x], rtol=1e-12)


def test_sinc_at_order_two_and_three():
    assert np.isclose(second(np.sinc, 0.0), -(np.pi**2) / 3, rtol=1e-14)
    assert slope(lambda x: slope_inside(lambda y: slope_inside(np.sinc, y), x), 0.0) == 0


SECOND = [
    ("norm at 0", np.linalg.norm, [0.0, 0.0], 0),
    ("std of a constant", np.std, [3.0, 3.0], 0),
    ("abs at 0", np.abs, 0.0, 0),
    ("x**0 at 0", lambda x: np.power(x, 0.0), 0.0, 0),
    ("x**1 at 0", lambda x: np.power(x, 1.0), 0.0, 0),
    ("x**2 at 0", lambda x: np.power(x, 2.0), 0.0, 2),
    ("prod with one zero", np.prod, [2.0, 0.0, 5.0], 14),
    ("prod with two zeros", np.prod, [0.0, 0.0, 5.0], 10),
    ("maximum tied", lambda x: np.maximum(x, x * x), 1.0, 1),
    ("arctan2 at the origin", lambda x: np.arctan2(x, x), 0.0, 0),
    ("hypot at the origin", lambda x: np.hypot(x, 0 * x), 0.0, 0),
]


@pytest.mark.parametrize(("f", "x", "expected"), [row[1:] for row in SECOND], ids=[row[0] for row in SECOND])
def test_second_derivative(f, x, expected):
    np.testing.assert_allclose(second(f, x), expected, rtol=1e-12)


def test_prod_with_zeros_at_order_three():
    third = slope(lambda x: slope_inside(lambda y: slope_inside(np.prod, y), x), [0.0, 0.0, 0.0, 2.0])
    assert third == 12  # 3! times the product of the last entry, over the three that leave zero


# ---------------------------------------------------------------------- a kink inside a smooth function

PAGE = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text("utf-8")
INSIDE = [
    [cell.strip().strip("*`") for cell in row.strip("|").split("|")]
    for row in re.findall(r"^\|.*\|$", PAGE.split("## A kink inside a smooth function")[1], re.MULTILINE)[2:]
]


def stated_derivative(expression, at, order):
    """The first or second derivative along w[0] of an expression of the page."""
    scope = {"np": np, "y": np.array([1.0, 2.0])}
    f = eval(f"lambda w: {expression}", scope)
    x = np.array(eval(at, scope), float)
    return dg.grad(f)(x)[0] if order == "first" else dg.hessian(f)(x)[0, 0]


@pytest.mark.parametrize("row", INSIDE, ids=[row[0] for row in INSIDE])
def test_a_kink_inside_a_smooth_function(row):
    """The page says what dualgrad gives, and that what it says to write is right."""
    function, at, order, truth, ours, *_, instead = row
    assert stated_derivative(function, at, order) == float(Fraction(ours))
    np.testing.assert_allclose(stated_derivative(instead, at, order), float(Fraction(truth)), rtol=1e-14)


def test_the_page_has_the_kinks_inside():
    assert len(INSIDE) == 9
    for name in ("np.abs(w)**2", "np.linalg.norm(w)**2", "np.linalg.norm(w - y)", "np.std", "np.cbrt", "np.copysign"):
        assert any(name in row[0] for row in INSIDE), name


# ---------------------------------------------------------------------- 0 · ∞ = 0, per direction

DIAGONAL = [
    (np.sqrt, [0.0, 4.0], [INF, 0.25]),
    (np.log, [0.0, 2.0], [INF, 0.5]),
    (np.log2, [0.0, 1 / np.log(2)], [INF, 1]),
    (np.log1p, [-1.0, 1.0], [INF, 0.5]),
    (lambda x: x**0.5, [0.0, 4.0], [INF, 0.25]),
    (lambda x: np.power(x, 0.25), [0.0, 1.0], [INF, 0.25]),
    (np.arcsin, [1.0, 0.0], [INF, 1]),
    (np.arccos, [-1.0, 0.0], [-INF, -1]),
    (np.arctanh, [1.0, 0.0], [INF, 1]),
    (np.arccosh, [1.0, 2.0], [INF, 3**-0.5]),
    (np.reciprocal, [0.0, 2.0], [-INF, -0.25]),
    (lambda x: 1 / x, [0.0, 2.0], [-INF, -0.25]),
    (np.exp, [1000.0, 0.0], [INF, 1]),
    (np.sinh, [1000.0, 0.0], [INF, 1]),
    (lambda x: x * np.array([INF, 2.0]), [1.0, 1.0], [INF, 2]),
    (lambda x: np.matmul(x, np.array([[INF, 0.0], [0.0, 2.0]])), [1.0, 1.0], [INF, 2]),
    (lambda x: np.einsum("i,i->i", x, np.array([INF, 2.0])), [1.0, 1.0], [INF, 2]),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("f", "x", "diagonal"), DIAGONAL)
def test_infinite_slopes_stay_where_they_belong(f, x, diagonal):
    """The Jacobian of an entrywise function holds its infinity on the diagonal and zeros beside it."""
    expected = np.where(np.eye(2, dtype=bool), diagonal, 0.0)
    for chunk in (None, 1):
        jacobian = dg.jacfwd(f, chunk=chunk)(np.array(x))
        np.testing.assert_allclose(jacobian, expected, rtol=1e-14)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_matmul_with_an_infinite_entry():
    a, x = np.array([[INF, 1.0], [2.0, 3.0]]), np.array([0.0, 1.0])
    np.testing.assert_array_equal(slope(lambda x: a @ x, x, [0.0, 1.0]), [1, 3])
    np.testing.assert_array_equal(slope(lambda x: a @ x, x, [-1.0, 1.0]), [-INF, 1])
    np.testing.assert_array_equal(dg.jacfwd(lambda x: a @ x)(x), a)
    np.testing.assert_array_equal(dg.jacfwd(lambda a: a @ x)(a)[0], [[0, 1], [0, 0]])


QUIET = [
    np.sqrt, np.log, np.reciprocal, np.exp, np.arctanh, lambda x: x**0.5, lambda x: x / x, np.log1p, np.linalg.norm,
]  # fmt: skip


@pytest.mark.parametrize("f", QUIET)
@pytest.mark.parametrize("x", [0.0, 1.0, -1.0, 1000.0])
def test_no_warning_beyond_the_primal_one(f, x):
    """The tangent's arithmetic is silent; the primal warns exactly as NumPy does on plain arrays."""
    import warnings

    def heard(run):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run()
        return [str(w.message) for w in caught]

    x = np.array([x, 2.0])
    for v in (np.ones(2), np.zeros(2), np.eye(2)):
        assert heard(lambda v=v: dg.jvp(f, (x,), (v,))) == heard(lambda: f(x))


PRODUCTS = [
    np.dot, np.inner, np.outer, np.kron, np.tensordot, np.vdot, np.matmul, np.multiply,
    lambda x, y: np.einsum("ij,jk->ik", x, y), lambda x, y: np.einsum("ij,kl->ijkl", x, y),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("f", PRODUCTS)
@pytest.mark.parametrize("chunk", [None, 1])
def test_products_with_infinite_entries(f, chunk):
    """The Jacobian beside an infinite entry is that beside a huge one, the huge ones replaced by infinity."""
    x, y = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[2.0, INF], [-INF, 1.0]])
    for of_one in (lambda x, y: f(x, y), lambda x, y: f(y, x)):
        found = dg.jacfwd(of_one, chunk=chunk)(x, y)
        huge = dg.jacfwd(of_one, chunk=chunk)(x, np.clip(y, -1e200, 1e200))
        np.testing.assert_array_equal(found, np.where(np.abs(huge) > 1e199, np.sign(huge) * INF, huge))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_absorption_at_second_order():
    """The Hessian of sum(sqrt(x)) at 0 is infinite in one place and zero beside it."""
    h = dg.hessian(lambda x: np.sum(np.sqrt(x)))(np.array([0.0, 4.0]))
    np.testing.assert_allclose(h, [[-INF, 0], [0, -1 / 32]])


SMOOTH = sorted((f for f, kind in KINDS.items() if kind == "elementwise" and isinstance(f, np.ufunc) and f.nin == 1
                 and hasattr(np, f.__name__)), key=lambda f: f.__name__)  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("f", SMOOTH)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_nan_entry_changes_no_other(f, order):
    """Absorption looks at zero tangents; a value that is 0, as sin'' at 0, has a derivative all the same."""

    def nested(x):
        g = f
        for _ in range(order):
            g = lambda x, g=g: dg.jvp(g, (x,), (np.ones_like(x),))[1]  # noqa: E731
        return g(x)

    x = np.array([0.0, 0.5, 1.5])
    np.testing.assert_allclose(nested(np.append(x, NAN))[:3], nested(x), rtol=1e-14)


def test_nan_is_not_hidden():
    """0 · ∞ = 0 is about a zero tangent; a tangent that is NaN, or a NaN slope met by a nonzero one, stays NaN."""
    assert np.isnan(slope(np.sin, 0.0, NAN))
    assert np.isnan(slope(np.sin, NAN))
    assert np.isnan(slope(lambda x: x * NAN, 1.0))


# ---------------------------------------------------------------------- right where HIPS autograd 1.9.1 is not


def test_var_over_a_tuple_of_axes():
    x, v = np.arange(12.0).reshape(2, 3, 2) ** 1.5, np.arange(12.0)[::-1].reshape(2, 3, 2)
    expected = 2 * np.mean((x - x.mean((0, 2), keepdims=True)) * v, (0, 2))
    np.testing.assert_allclose(slope(lambda x: np.var(x, axis=(0, 2)), x, v), expected, rtol=1e-13)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sort_and_partition_in_two_dimensions(axis):
    x, v = np.array([[3.0, 1, 2], [0, 5, 4]]), np.arange(6.0).reshape(2, 3)
    expected = np.take_along_axis(v, np.argsort(x, axis), axis)
    np.testing.assert_array_equal(slope(lambda x: np.sort(x, axis), x, v), expected)
    np.testing.assert_array_equal(slope(lambda x: np.partition(x, 1, axis), x, v), expected)


def test_std_with_where():
    x, v, where = np.array([1.0, 5.0, 3.0]), np.array([1.0, 9.0, 0.0]), np.array([True, False, True])
    assert slope(lambda x: np.std(x, where=where), x, v) == -0.5


def test_pad_with_the_maximum():
    np.testing.assert_array_equal(slope(lambda x: np.pad(x, 1, mode="maximum"), [1, 3, 2], [1, 2, 3]), [2, 1, 2, 3, 2])


def test_plain_numpy_joins_and_products_keep_the_tangent():
    np.testing.assert_array_equal(slope(lambda x: np.concatenate([x, 2 * x]), [1, 2]), [1, 1, 2, 2])
    assert slope(lambda x: np.einsum("i,i", x, x), [1, 2]) == 6


def test_a_tangent_never_broadcasts():
    with pytest.raises(dg.ShapeError, match="never broadcasts"):
        dg.jvp(np.sin, (np.zeros(3),), (np.ones(1),))


def test_prod_multiplies_neighbours_first():
    """As NumPy does, so that huge and tiny entries side by side do not overflow on the way."""
    x = np.array([1e200, 1e-200, 1e200, 1e-200])
    np.testing.assert_allclose(dg.grad(np.prod)(x), 1 / x, rtol=1e-12)


@pytest.mark.parametrize(
    "f", [np.sinc, np.absolute, np.angle, np.max, np.sort, lambda x: np.linalg.svd(x, compute_uv=False)]
)
def test_tangents_of_written_rules_are_quiet(f):
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    with np.errstate(all="raise"):
        dg.jvp(f, (x,), (np.full_like(x, 1e308),))
