"""Object arrays of Duals, which NumPy makes of np.array([x, y]): every tangent is kept, or an error names the cure."""

import cmath
import itertools
import math
import re
from math import sin as sine

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.tables import MAKERS
from tests.support.catalogue import CATALOGUE
from tests.support.checks import close, direction, push

ROWS = [c for c in CATALOGUE if c.draws and not c.is_complex and c.function not in MAKERS]
I = complex(0, 1)
LEADS = pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "K"])


def as_objects(x):
    """The object array of a Dual's entries; a plain array as it is."""
    return np.asarray(x) if isinstance(x, dg.Dual) else x


# ---------------------------------------------------------------------- every rule


@LEADS
@pytest.mark.parametrize("case", [c for c in ROWS if len(c.draws) > 1], ids=str)
def test_beside_a_dual_an_object_array_is_one_dual(case, lead):
    """Each argument in turn as an object array, the others as they are: the same value and the same tangent."""
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    vs = direction(rng, xs, np.ones(len(xs), bool), lead)
    expected = push(case, xs, vs)
    for k in range(len(xs)):
        found = push(lambda *args, k=k: case(*(as_objects(a) if i == k else a for i, a in enumerate(args))), xs, vs)
        for a, b in zip((*found[0], *found[1]), (*expected[0], *expected[1]), strict=True):
            close(a, b, 1e-12)


@LEADS
@pytest.mark.parametrize("case", ROWS, ids=str)
def test_alone_an_object_array_is_right_or_refused(case, lead):
    """NumPy's own functions of object arrays alone: right, or an error whose first line is the cure."""
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    vs = direction(rng, xs, np.ones(len(xs), bool), lead)
    expected = push(case, xs, vs)
    try:
        found = push(lambda *args: case(*map(as_objects, args)), xs, vs)
    except dg.TangentLossError as caught:
        error = caught
    else:
        error = None
    if error is not None:
        assert re.search(r"write |make the buffer from the Dual", str(error).splitlines()[0]), error
        return
    for a, b in zip((*found[0], *found[1]), (*expected[0], *expected[1]), strict=True):
        close(a, b, 1e-12)


# ---------------------------------------------------------------------- how NumPy users make arrays


def _rotated(x):
    c, s = np.cos(x[0]), np.sin(x[0])
    return np.array([[c, -s], [s, c]]) @ np.array([x[1], 2.0])


def _filled(x):
    b = np.zeros_like(np.array([x[0], x[1]]))
    b[1] = x[0] * x[1]
    return b + x[1]


def _rk4(x):
    def f(y):
        return np.array([y[1], -np.sin(y[0])])

    y = np.array([x[0], x[1]])
    for _ in range(3):
        k1 = f(y)
        k2 = f(y + 0.05 * k1)
        k3 = f(y + 0.05 * k2)
        y = y + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + f(y + 0.1 * k3))
    return y


PROGRAMS = {
    "a list": lambda x: np.array([x[1], -x[0]]),
    "nested lists": lambda x: np.array([[x[0], 1], [x[1] ** 2, x[0] * x[1]]]),
    "rows": lambda x: np.array([x, x * 2, [1.0, 2.0]]),
    "tuples": lambda x: np.asarray((x[0], 3)),
    "of one": lambda x: np.array(x[0]) * 2,
    "of all": lambda x: np.asarray(x) ** 2,
    "atleast": lambda x: np.atleast_1d([x[0], x[1]]) * x,
    "r_": lambda x: np.r_[x, 1.0, x[0]],
    "r_ beside": lambda x: np.r_[0.0, x] * np.r_[x, 3.0],
    "c_": lambda x: np.c_[x, x * x],
    "dot": lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]).dot(x),
    "dot of a list": lambda x: np.array([1.0, 2.0]).dot(np.array([x[0], x[1]])),
    "vectorize": lambda x: np.vectorize(lambda t: t * np.sin(t) if t > 0 else -t)(x),
    "frompyfunc": lambda x: np.frompyfunc(lambda t: t**3, 1, 1)(x),
    "full": lambda x: np.full(3, x[0]) * x[1],
    "full of an array": lambda x: np.full((2, 2), x),
    "fromiter": lambda x: np.fromiter((t * t for t in x), object),
    "rotation": _rotated,
    "zeros_like": _filled,
    "rk4": _rk4,
    "comprehension": lambda x: np.array([np.exp(t) for t in x]).sum(),
    "cross": lambda x: np.cross(np.array([x[0], x[1], 1.0]), np.array([0.0, x[0], 2.0])),
    "where": lambda x: np.where(np.array([x[0], x[1]]) > 1, x, np.array([x[1], 5.0])),
    "norm": lambda x: np.linalg.norm(np.array([x[0] - 1, x[1]])),
    "outer": lambda x: np.outer(np.array([x[0], 1]), x),
    "into a buffer": lambda x: np.add(np.zeros_like(x), 0) + np.array([x[1], x[0]]),
    "matrix": lambda x: np.linalg.solve(np.array([[x[0], 1.0], [0.0, 2.0]], like=x), x),
    "index": lambda x: np.array([x[0], x[1], 2.0])[[2, 0]] * x,
    "beside solve": lambda x: np.linalg.solve(x[0] * np.eye(2), np.array([x[1], 1.0])),
    "in place": lambda x: (a := np.array([x[0], x[1]]), a.__iadd__(x), a.__imul__(2.0))[0],
    "means": lambda x: np.stack(
        [np.mean([x[0], x[1] ** 2]), np.var(np.array([x[0], x[1]])), np.array([x[0], 1]).std()]
    ),
    "medians": lambda x: np.stack([np.median(np.array([x[0], x[1], 1.0])), np.nanmean(np.array([x[0], x[1]]))]),
    "lists beside": lambda x: x - [x[0], 1.0] + np.diff(x, prepend=[x[1]]) * [2.0, x[1]],
    "lists in a list": lambda x: np.concatenate(([x[0]], x, [x[-1], 2.0])),
    "functions of rows": lambda x: np.apply_along_axis(
        lambda v: np.array([v[0], v[1] ** 2]), 0, np.outer(x, [1.0, x[0]])
    ),
    "functions of axes": lambda x: np.apply_over_axes(lambda a, k: np.array(list(np.sum(a, k))), np.outer(x, x), [0]),
    "functions of pieces": lambda x: np.piecewise(x, [x > 1], [lambda t: np.array([e * e for e in t]), 3.0]),
    "powers": lambda x: x[0] ** np.array([x[1], 3.0]) + [2.0, 3.0] ** x + x ** [2.0, x[0]] + np.power(x, [1, 2]),
    "powers of a number": lambda x: x[0] ** [1.0, 3.0] + (2.0, 3.0) ** x[1] + x[0] ** np.array([2.0, 0.5]),
    "powers in place": lambda x: (y := x * 1.0, y.__ipow__(2), y.__ipow__(x[1]))[0],
    "blocks": lambda x: np.block([[np.array([x[0], 1.0]), x[:1]], [x[1], x]]) + np.block([x[0], x[1], x[0]]),
    "rows of lists": lambda x: np.block([[x[0], x[1]], [1.0, x[0]]]) @ np.vstack([[x[0], x[1]], x]),
    "products with lists": lambda x: np.dot([1.0, 2.0], x) + np.inner(x, [x[1], 1.0]) + x @ [x[0], x[1]],
    "a list into a buffer": lambda x: (b := np.zeros_like(x, shape=3), b.__setitem__(slice(2), [x[1], 1.0]))[0],
    "constant lists": lambda x: (
        np.stack([*np.linspace([1, 2], x, 2)[1], *np.logspace([0, 1], x, 2)[1]])
        + np.cov(x, aweights=[1, 2], bias=True)
        + np.cov(x, fweights=[1, 2], bias=True)
    ),
    "linspace of lists": lambda x: np.linspace([x[0], 1.0], x[1], 3),
    "swap": lambda x: (y := x.copy(), y.__setitem__((0,), y[1]), y.__setitem__((1,), x[0]))[0],
    "sum of a list": lambda x: np.sum([x[0], x[1] ** 2]),
    "mean of a list": lambda x: np.mean(np.array([x[0], x[1] ** 2], like=x)),
    "sin of a list": lambda x: np.sin([x[0], x[1]]),
    "concatenate": lambda x: np.concatenate([np.array([x[0], 1.0]), x, [2.0]]),
    "floor": lambda x: x * np.floor(np.array([x[0], x[1]])) + math.floor(x[0]) + math.ceil(x[1]) + math.trunc(x[0]),
    "an argument of 0 entries": lambda x: np.r_[np.array([]), x],
}
POINT = np.array([0.7, 1.6])


def by_hand(f, x, v, step=1e-4):
    """A central difference, extrapolated twice."""
    d = [(np.asarray(f(x + h * v)) - np.asarray(f(x - h * v))) / (2 * h) for h in (step, step / 2, step / 4)]
    d = [np.asarray(b + (b - a) / 3, float) for a, b in itertools.pairwise(d)]
    return d[1] + (d[1] - d[0]) / 15


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_programs(f):
    """Value, one direction, K of them, nested, in Taylor mode and traced."""
    value = np.asarray(f(POINT), float)
    vs = np.array([[1.0, 0.0], [-0.3, 0.8], [0.0, 1.0]])
    slopes = [by_hand(f, POINT, v) for v in vs]
    for v, slope in zip(vs, slopes, strict=True):
        y, dy = dg.jvp(f, (POINT,), (v,))
        assert y.dtype == dy.dtype == float
        close(y, value, 1e-15)
        close(dy, slope, 1e-8)
        close(dg.trace(f, (POINT,), (v,)).tangent, dy, 0)
    close(dg.jvp(f, (POINT,), (vs,))[1], np.stack(slopes), 1e-8)
    slope_along = lambda x: dg.jvp(f, (x,), (vs[1],))[1]  # noqa: E731
    curvature = dg.jvp(slope_along, (POINT,), (vs[1],))[1]
    close(curvature, by_hand(slope_along, POINT, vs[1]), 1e-7)
    close(dg.taylor(f, POINT, vs[1], 2)[2] * 2, curvature, 1e-12)
    close(dg.jacfwd(dg.jacfwd(f))(POINT) @ vs[1] @ vs[1], curvature, 1e-10)


def test_levels_meet_in_one_array():
    """Entries of the outer level, of the inner one, of both, and constants."""

    def outer(x):
        def inner(y):
            return np.sum(np.array([x * y, y, x, 2.0]) * np.array([y, x, x * x, 1.0]))  # x y² + 2 x y... and constants

        return dg.derivative(inner)(3.0)  # 2 x y + x at y = 3: 7x

    assert dg.derivative(outer)(2.0) == 7

    def like_the_other(x):
        along = dg.jvp(lambda y: np.sum(np.array([y[0] * x[0], x[0]], like=x) * y), (3 * x,), (np.ones(1),))[1]
        return along + dg.jvp(lambda y: np.sum(np.array([x[0], 1.0], like=y) * y), (x,), (np.ones(1),))[1]

    # ∂/∂y (y² x + x y) = 2 y x + x at y = 3x: 6 x² + x; ∂/∂y (x y + y) = x + 1: altogether 6 x² + 2 x + 1
    assert dg.grad(like_the_other)(np.array([2.0])).tolist() == [26]
    assert dg.derivative(dg.derivative(lambda x: np.array([x, x**3])))(2.0).tolist() == [0, 12]


def test_object_arrays_of_other_things_stay_as_they_are():
    ragged = np.empty(2, object)
    ragged[:] = [np.ones(2), np.ones(3)]
    huge = np.array([2**70, 1])

    def f(x):
        assert dg.primal(ragged) is ragged
        assert dg.primal(huge) is huge
        return x * np.array([1.0, 2], object)

    assert dg.jvp(f, (POINT,), (np.ones(2),))[1].tolist() == [1, 2]
    for other in (ragged, huge, np.array(["a", "b"], object)):
        with pytest.raises(TypeError):
            dg.jvp(lambda x, other=other: x * other, (POINT,), (np.ones(2),))


def test_an_object_array_as_the_point_of_an_inner_derivative():
    """In jvp, jacfwd and grad, as primal and as tangent."""
    f = lambda p: p[0] ** 2 * p[1]  # noqa: E731
    assert dg.grad(lambda x: np.sum(dg.grad(f)(np.array([x[0], x[1]]))))(POINT) == pytest.approx(
        [2 * POINT[1] + 2 * POINT[0], 2 * POINT[0]]
    )
    along = lambda t: dg.jvp(f, (POINT,), (np.array([t, t * t]),))[1]  # noqa: E731
    assert dg.derivative(along)(2.0) == pytest.approx(2 * POINT[0] * POINT[1] + POINT[0] ** 2 * 4)


def test_auxiliary_outputs_and_primal():
    aux = dg.jvp(lambda x: (x, np.array([x[0], 1.0])), (POINT,), (POINT,), has_aux=True)[2]
    assert aux.dtype == float
    seen = []
    dg.jvp(lambda x: seen.append(dg.primal(np.array([x[0], 2 * x[1]]))) or x, (POINT,), (POINT,))
    assert seen[0].dtype == float
    assert seen[0].tolist() == [POINT[0], 2 * POINT[1]]


def test_single_precision_stays():
    y, dy = dg.jvp(lambda x: np.array([x[0], x[1]]) * 2, (POINT.astype(np.float32),), (np.ones(2, np.float32),))
    assert y.dtype == dy.dtype == np.float32


def test_an_entry_of_a_buffer_is_a_copy():
    """As np.array copies: writing to what it was made of leaves it alone."""

    def f(x):
        buffer = x.copy()
        kept = np.array([buffer, buffer])
        buffer *= 10
        return kept

    for v in (np.ones(2), np.eye(2)):
        y, dy = dg.jvp(f, (POINT,), (v,))
        assert y.tolist() == [POINT.tolist()] * 2
        assert np.all(dy <= 1)


def test_writing_object_arrays_into_buffers():
    def f(x):
        b = np.zeros_like(x, shape=(2, 2))
        b[0] = np.array([x[1], x[0] * x[1]])
        b[:, 1] += np.array([x[0], 1.0])
        np.copyto(b[1], [x[0], 2.0] * x)
        return b

    close(dg.jacfwd(f)(POINT), np.stack([by_hand(f, POINT, v) for v in np.eye(2)], -1), 1e-9)


def test_rules_of_ones_own_and_of_scipy_take_object_arrays():
    special = pytest.importorskip("dualgrad.scipy").special

    @dg.custom_jvp
    def twice(x):
        return x * 2

    @twice.defjvp
    def rule(primals, tangents):
        return twice(primals[0]), 2 * tangents[0]

    assert dg.jacfwd(lambda x: twice(np.array([x[1], x[0]])))(POINT).tolist() == [[0, 2], [2, 0]]
    for pack in (np.array, list):
        y = dg.grad(lambda x, pack=pack: special.logsumexp(pack([x[0], 2 * x[1]])))(POINT)
        assert y == pytest.approx(special.softmax(POINT * [1, 2]) * [1, 2])


def test_layers_and_losses_take_object_arrays():
    """As input, as parameters, as prediction and target."""
    layer = dg.nn.Linear(2, 2)

    def loss(pack, x):
        p = {"weight": pack([[x[0], 1.0], [0.5, x[1]]]), "bias": pack([x[1], 0.0])}
        y = layer(p, pack([[x[0], x[1]], [1.0, 2.0]]))
        return dg.nn.mse(y, pack([[x[1], 1.0], [0.0, x[0]]])) + dg.nn.mse(pack([[x[0] * x[1]]]), np.ones((1, 1)))

    def stacked(rows):
        return np.stack([np.stack(row) if isinstance(row, list) else row for row in rows])

    close(dg.grad(lambda x: loss(np.array, x))(POINT), dg.grad(lambda x: loss(stacked, x))(POINT), 1e-14)


def test_newton():
    """A system solved by Newton's method as SciPy's documentation would have it, and the derivative of its root."""

    def root(a):
        x = np.array([1.0, 1.0], like=a)
        for _ in range(8):
            residual = np.array([x[0] ** 2 + x[1] ** 2 - a[0], x[0] - x[1] * a[1]], like=a)
            jacobian = np.array([[2 * x[0], 2 * x[1]], [1.0, -a[1]]], like=a)
            x = x - np.linalg.solve(jacobian, residual)
        return x

    a = np.array([2.0, 1.5])  # x = a₁ y, y = √(a₀ / (1 + a₁²))
    exact = lambda a: np.sqrt(a[0] / (1 + a[1] ** 2)) * np.stack([a[1], 1 + 0 * a[1]])  # noqa: E731
    close(root(a), exact(a), 1e-15)
    close(dg.jacfwd(root)(a), dg.jacfwd(exact)(a), 1e-14)
    close(dg.jacfwd(dg.jacfwd(root))(a), dg.jacfwd(dg.jacfwd(exact))(a), 1e-13)


# ---------------------------------------------------------------------- comparisons, and what asks


def test_extrema_of_object_arrays_follow_pythons_comparison():
    """One operand at a tie, where NumPy's own functions on a Dual share evenly."""
    v = (np.array([1.0, 5.0]),)
    x = (np.array([2.0, 2.0]),)
    for f in (lambda x: np.max(np.array([x[0], x[1]])), lambda x: max(x), lambda x: max(np.array([x[0], x[1]]))):
        assert dg.jvp(f, x, v)[1] in (1, 5)
    for f in (lambda x: sorted(np.array([x[0], x[1]])), lambda x: np.sort(np.array([x[1], x[0]]))):
        assert sorted(dg.jvp(f, x, v)[1]) == [1, 5]
    assert dg.jvp(lambda x: np.maximum(np.array([x[0]]), np.array([x[1]])), x, v)[1][0] in (1, 5)
    assert dg.jvp(lambda x: np.maximum(x[:1], x[1:]), x, v)[1] == 3


def test_methods_for_numpys_loops_are_not_listed():
    def f(x):
        assert x.sin().primal.tolist() == np.sin(POINT).tolist()
        assert not {"sin", "exp", "arctan2", "flat"} & set(dir(x))
        assert {"sum", "reshape", "T", "conjugate", "sort"} <= set(dir(x))
        assert not hasattr(x, "flat")
        return x

    dg.jvp(f, (POINT,), (POINT,))
    dg.taylor(f, POINT, POINT, 2)


def test_the_largest_object_array():
    ones = np.ones(10_000)
    assert dg.jvp(lambda x: np.asarray(x).sum(), (ones,), (ones,))[1] == 10_000
    for f in (np.asarray, lambda x: np.zeros(10_001).dot(x)):
        with pytest.raises(
            dg.TangentLossError, match=r"more than 10,000 entries .* leave np\.asarray\(x\) out.* np\.stack"
        ):
            dg.jvp(f, (np.ones(10_001),), (np.ones(10_001),))


def test_copies_on_request():
    with pytest.raises(ValueError, match="without a copy"):
        dg.jvp(lambda x: np.asarray(x, copy=False), (POINT,), (POINT,))


# ---------------------------------------------------------------------- refusals that name the cure


def _store(x):
    b = np.zeros(2)
    b[0] = x[0]


def _store_all(x):
    b = np.zeros(2)
    b[:] = x


def _many_lines(x):
    return np.sin(
        np.array([x[0], 1.0]),  # a number among them
    )


def _scipy(name):
    module, _, function = name.rpartition(".")
    return getattr(pytest.importorskip(f"scipy.{module}"), function)


REFUSED = [
    (_store, r"make the buffer from the Dual, np\.zeros_like\(dual\)"),
    (_store_all, r"make the buffer from the Dual, np\.zeros_like\(dual\)"),
    (lambda x: np.sin(np.array([x[0], 1.0])), r"np\.sin\(np\.array\(.* write np\.array\(\[\.\.\.\], like=x\)"),
    (_many_lines, r"^np\.sin\( np\.array\(\[x\[0\], 1\.0\]\), .* like=x"),
    (lambda x: np.linalg.solve(np.array([[x[0], 0], [0, 1]]), [1.0, 2.0]), r"np\.linalg\.solve\(.* like=x"),
    (lambda x: np.linalg.inv(np.array([[x[0], 0], [0, 1]])), r"like=x"),
    (lambda x: np.fft.rfft(np.array([x[0], x[1]])), r"like=x"),
    (lambda x: np.isfinite(np.array([x[0], x[1]])), r"like=x"),
    (lambda x: np.ones(2).__iadd__(np.array([x[0], 1])), r"np\.zeros_like\(dual\)"),
    (lambda x: _scipy("sparse.csr_array")(np.eye(2)) * x, r"the entries of a sparse matrix are plain numbers"),
    (lambda x: np.hypot([x[0], 1.0], [x[1], 2.0]), r"np\.hypot\(.* like=x"),
    (lambda x: np.quantile(np.array([x[0], x[1]]), 0.5), r"like=x"),
    (lambda x: np.cov(np.array([x[0], x[1]])), r"like=x"),
    (lambda x: np.gradient(np.array([x[0], x[1]])), r"like=x"),
    (lambda x: np.interp(np.array([x[0], x[1]]), [0.0, 1.0], [0.0, 1.0]), r"like=x"),
    (lambda x: np.histogram(np.array([x[0], x[1]])), r"like=x"),
    (lambda x: np.array([x[0], x[1]]).astype(float), r"like=x"),
    (lambda x: np.array([x[0], 1.0], dtype=float), r"like=x"),
    (lambda x: np.array([t * 2 for t in x], dtype=float), r"like=x"),
    (lambda x: np.asarray(x, dtype=float), r"leave np\.asarray out, x is an array already"),
    (lambda x: np.array(x, float), r"leave np\.array out, x is an array already"),
    (lambda x: np.float64(x[0]), r"leave np\.float64 out"),
    (lambda x: np.fromiter((t for t in x), float), r"np\.stack\(list"),
    (lambda x: math.erf(x[0] / 2), r"math\.erf\(x\[0\] / 2\) .* scipy\.special\.erf for math\.erf"),
    (lambda x: math.gamma(x[0]), r"scipy\.special\.gamma"),
    (lambda x: math.atan2(x[0], x[1]), r"np\.arctan2 for math\.atan2"),
    (lambda x: math.fsum(x), r"np\.sum for math\.fsum"),
    (lambda x: cmath.exp(x[0]), r"np\.exp for cmath\.exp"),
    (lambda x: sine(x[0]) + 1, r"np\.sin for math\.sin"),
    (lambda x: np.random.default_rng(0).normal(x[0]), r"rng\.standard_normal"),
    (lambda x: np.random.default_rng(0).normal(np.array([x[0], 0])), r"like=x"),
    (lambda x: np.poly1d(x)(2.0), r"np\.polyval\(coefficients, x\)"),
    (lambda x: list(np.nditer(x)), r"for v in np\.ravel\(x\)"),
    (lambda x: np.array([x[0], 1.0]).imag, "complex numbers .* like=x"),
    (lambda x: np.array([x[0], 1j]), "complex numbers .* like=x"),
    (lambda x: np.array([x[0], x[1]]) * I, "complex numbers .* like=x"),
    (lambda x: I * np.array([x[0], x[1]]), "complex numbers .* like=x"),
    (lambda x: np.array([x[0] * I]), "complex numbers .* like=x"),
    (lambda x: np.array([x[0], x[1]]) + np.array([I, I]), "complex numbers .* like=x"),
    (lambda x: _scipy("integrate.quad")(lambda t: t * x[0], 0, 1), r"write dualgrad\.scipy\.integrate\.quad"),
    (lambda x: _scipy("integrate.quad_vec")(lambda t: t * x, 0, 1), r"write dualgrad\.scipy\.integrate\.quad_vec"),
    (lambda x: _scipy("integrate.dblquad")(lambda s, t: t * x[0], 0, 1, 0, 1), r"scipy\.integrate\.dblquad yet"),
    (lambda x: _scipy("integrate.solve_ivp")(lambda t, y: y, (0, 1), x), r"dualgrad\.scipy\.integrate\."),
    (lambda x: _scipy("integrate.solve_ivp")(lambda t, y: -x[0] * y, (0, 1), [1]), r"dualgrad\.scipy\.integrate\."),
    (lambda x: _scipy("optimize.brentq")(lambda t: t - x[0], 0, 10), r"scipy\.optimize\.brentq .* by dg\.implicit"),
    (lambda x: _scipy("optimize.fsolve")(lambda t: t - x[0], 1.0), r"scipy\.optimize\.fsolve .* by dg\.implicit"),
    (lambda x: _scipy("interpolate.CubicSpline")([0.0, 1.0], x), r"no rule for scipy\.interpolate\.CubicSpline yet"),
    (lambda x: _scipy("linalg.inv")(np.stack([x, x])), r"write dualgrad\.scipy\.linalg\.inv"),
    (lambda x: _scipy("linalg.expm")(np.array([[x[0], 0], [0, 1]])), r"write dualgrad\.scipy\.linalg\.expm"),
    (lambda x: _scipy("stats.norm").logpdf(x), r"no rule for scipy\.stats\.\w+\.logpdf yet"),
    (lambda x: _scipy("signal.lfilter")([1.0], [1.0, x[0]], [1.0, 2.0]), r"write dualgrad\.scipy\.signal\.lfilter"),
]  # fmt: skip


@LEADS
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("f", "cure"), REFUSED)
def test_the_first_line_of_an_error_is_the_cure(f, cure, lead):
    for f_at_a_level in (f, lambda x: dg.jvp(f, (x,), (np.ones((*lead, 2)),))):
        with pytest.raises((dg.TangentLossError, NotImplementedError)) as caught:
            dg.jvp(f_at_a_level, (POINT,), (np.ones((*lead, 2)),))
        assert re.search(cure, str(caught.value).splitlines()[0]), str(caught.value)


def test_sorting_in_place():
    """An array that can be written into is sorted; an argument is not."""

    def f(x):
        y = np.stack([x[1] * 2, x[0], x[1]])
        y.partition(1)
        y.sort()
        return y * np.array([1.0, 2.0, 3.0])

    expected = dg.jacfwd(lambda x: np.stack([x[0], x[1], 2 * x[1]]) * np.array([1.0, 2.0, 3.0]))(POINT)
    assert dg.jacfwd(f)(POINT).tolist() == expected.tolist()
    for refused, cure in ((lambda x: x.sort(), "np.sort"), (lambda x: x.partition(1), "np.partition")):
        with pytest.raises(dg.TangentLossError, match=rf"read-only: write x = {cure}\(x"):
            dg.jvp(refused, (POINT,), (POINT,))


def test_without_the_source_or_the_name_of_a_module():
    """As in a shell, or in code that a program makes."""
    for line, cure in (
        ("np.exp([x[0], 1.0])", "^this call cannot take .* like=x"),
        ("math.sin(x[0])", r"np\.sin for math"),
    ):
        names = {"np": np, "math": math}
        exec(f"def f(x):\n    return {line}", names)
        with pytest.raises(dg.TangentLossError, match=cure):
            dg.jvp(names["f"], (POINT,), (POINT,))


@pytest.mark.parametrize(
    ("f", "cure"),
    [
        (lambda x: list(x.flat), r"write np\.ravel\(x\)"),
        (lambda x: x.data, r"dg\.primal\(x\)\.data"),
    ],
)
def test_attributes_of_arrays_that_a_dual_has_not(f, cure):
    with pytest.raises(AttributeError, match=cure):
        dg.jvp(f, (POINT,), (POINT,))


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: np.array([x[0], [1, 2]]), ValueError, "inhomogeneous"),
        (lambda x: np.array([x[0], [1, 2]], like=x), ValueError, "nested unevenly|inhomogeneous"),
        (lambda x: np.array([x[0], None]) * x, TypeError, "expected numbers"),
        (lambda x: np.array([x[0], "a"]), TypeError, "expected numbers"),
        (lambda x: (np.array([x[0], x[1]]), 1 + "a"), TypeError, "unsupported operand"),
        (lambda x: np.array([x[0], x[1]]).nosuch, AttributeError, "nosuch"),
        (lambda x: (np.array([x[0], x[1]]), np.linalg.inv(np.zeros((2, 2)))), np.linalg.LinAlgError, "Singular"),
        (lambda x: (np.array([x[0], x[1]]), {}["key"]), KeyError, "key"),
        (lambda x: np.array([x[0], x[1]])[7], IndexError, "out of bounds"),
        (lambda x: np.array([x[0], x[1]]) @ np.ones(3), ValueError, "mismatch|aligned"),
        (lambda x: np.array([x[0]], dtype=int, like=x), dg.TangentLossError, r"dtype=int64 would drop"),
        (lambda x: np.array([x[0], x[1]], device="cuda", like=x), (ValueError, TypeError), "device"),
    ],
)
def test_errors_of_other_kinds_stay_themselves(f, error, message):
    with pytest.raises(error, match=message) as caught:
        dg.jvp(f, (POINT,), (POINT,))
    assert not (isinstance(caught.value, dg.TangentLossError) and error is not dg.TangentLossError)
