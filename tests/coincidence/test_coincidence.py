"""Values that coincide: the vectors that a direction picks, against eigenvectors at 80 digits and the identities that
define them; and what is said of vectors that nothing picks."""

import functools
import math
import warnings

import numpy as np
import pytest

import dualgrad as dg
from tests.support.matrices import DTYPES, KEYS, adjoint, close, ct, is_identity, is_line, nested, product

FACTORIAL = [math.factorial(k) for k in range(8)]


def reflection(n, *places):
    """A reflection with entries 0, 1 and ±1/2: products of it with small integers are exact."""
    v = np.isin(np.arange(n), places)
    return np.eye(n) - np.outer(v, v) / 2


Q6 = reflection(6, 0, 1, 2, 3) @ reflection(6, 2, 3, 4, 5)
Q5, Q4 = reflection(5, 0, 1, 2, 3) @ reflection(5, 1, 2, 3, 4), reflection(4, 0, 1, 2, 3)


def exact(rng, kind, *shape):
    """A random matrix of few bits."""
    x = rng.integers(-64, 65, shape) / 64
    return x + 1j * rng.integers(-64, 65, shape) / 64 if kind == "complex" else x


def hermitian(rng, kind, n):
    x = exact(rng, kind, n, n)
    return x + ct(x)


VALUES = np.array([1.0, 1, 2, 3, 3, 3])
KINDS = ["real", "complex"]


def directions(kind):
    """Directions that part equal values: at once; the triple in two steps; by what they do to the spaces alone."""
    rng = np.random.default_rng(3)
    within = VALUES[:, None] == VALUES
    h = hermitian(rng, kind, 6)
    steps = np.where(within, np.diag([1.0, -1, 0, 2, 2, -1]), h)
    return {"at once": h, "in two steps": Q6 @ steps @ Q6.T, "by the spaces": Q6 @ np.where(within, 0, h) @ Q6.T}


DOUBLE = Q6 @ np.diag(VALUES) @ Q6.T
EIGH = [(name, kind) for name in directions("real") for kind in KINDS]


@functools.lru_cache
def precise(name, kind):
    """What `projections` makes of DOUBLE, or of a matrix of the table of singular values, and a direction."""
    if name in SINGULAR:
        return projections(*map(doubled, singular(name, kind)), 3)
    return projections(DOUBLE + 0 * directions(kind)[name], directions(kind)[name], 4)


def projections(a, d, order, e=None, points=9):
    """The series of eigenvalues and of v vᴴ for t > 0, by interpolation of 60 digits."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        h, n = mpmath.mpf(10) ** -5, len(a)
        solve = mpmath.eighe if np.iscomplexobj(a) else mpmath.eigsy
        a, d, e = (mpmath.matrix(x.tolist()) for x in (a, d, 0 * d if e is None else e))
        weights = mpmath.matrix([[mpmath.mpf(j) ** k for k in range(points)] for j in range(1, points + 1)]) ** -1
        samples = [solve(a + j * h * d + (j * h) ** 2 * e) for j in range(1, points + 1)]
        spaces = [[v[:, i] * v[:, i].H for i in range(n)] for _, v in samples]
        of = lambda ys, k: sum((weights[k, j] * y for j, y in enumerate(ys)), 0 * ys[0]) / h**k  # noqa: E731
        values = [[float(mpmath.re(of([w[i] for w, _ in samples], k))) for i in range(n)] for k in range(order + 1)]
        as_array = lambda m: np.array(m.tolist(), complex).reshape(n, n)  # noqa: E731
        found = [[as_array(of([s[i] for s in spaces], k)) for i in range(n)] for k in range(order + 1)]
    return np.array(values), np.array(found)


def outer(a, b):
    """The series of the products a_i b_iᴴ of columns."""
    return [sum(np.einsum("ri,ci->irc", a[j], np.conj(b[k - j])) for j in range(k + 1)) for k in range(len(a))]


def agree(found, expected, rtol=1e-11):
    """Coefficient by coefficient, relative to the largest entry."""
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=0, atol=rtol * max(1, np.max(np.abs(e), initial=0)))


def nested_along(f, a, *ds):
    for d in ds:
        f = lambda x, f=f, d=d: dg.jvp(f, (x,), (d,))[1]  # noqa: E731
    return f(a)


@pytest.mark.parametrize(("name", "kind"), EIGH)
def test_eigh_has_the_limit_along_a_direction(name, kind):
    d = directions(kind)[name]
    w, v = zip(*dg.taylor(lambda a: tuple(np.linalg.eigh(a)), DOUBLE + 0 * d, d, 4), strict=True)
    values, spaces = precise(name, kind)
    agree(w, values)
    agree(outer(v, v), spaces)
    gauge = [np.diagonal(c) for c in product(adjoint(v[:-1]), [(k + 1) * c for k, c in enumerate(v[1:])])]
    close(gauge, np.zeros_like(gauge), float, 1e3)


@pytest.mark.parametrize(("name", "kind"), EIGH)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_nested_eigh_is_that_of_taylor_mode(name, kind, order):
    d = directions(kind)[name]
    a, f = DOUBLE + 0 * d, lambda a: np.linalg.eigh(a)[1]
    series = dg.taylor(f, a, d, 3)
    agree([nested(f, a, d, order), nested(f, a, 2 * d, order) / 2**order], [FACTORIAL[order] * series[order]] * 2)
    agree([dg.jvp(f, (a,), (d,))[0]], series[:1])
    lengths = [1.0, 0.5, 3.0][:order]  # of one direction
    found = nested_along(f, a, *(c * d for c in lengths))
    agree([found], [math.prod(lengths) * FACTORIAL[order] * series[order]])


@pytest.mark.parametrize("order", [2, 3])
def test_nested_in_a_number_too(order):
    d = directions("real")["at once"]
    f = lambda t: np.linalg.eigh(DOUBLE + t * d)[1]  # noqa: E731
    expected = FACTORIAL[order] * dg.taylor(f, 0.0, 1.0, order)[order]
    for _ in range(order):
        f = dg.derivative(f)
    agree([f(0.0)], [expected])


@pytest.mark.parametrize("dtype", DTYPES, ids=KEYS)
@pytest.mark.parametrize("name", directions("real"))
@pytest.mark.parametrize("uplo", "LU")
def test_identities_of_eigh_to_order_six(name, dtype, uplo):
    order = 6 if dtype in (float, complex) else 3
    d = directions("complex" if np.dtype(dtype).kind == "c" else "real")[name].astype(dtype) / 8
    a = DOUBLE.astype(dtype)
    half = np.tril if uplo == "L" else np.triu
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if order == 3 else "error")  # of digits
        w, v = zip(*dg.taylor(lambda a: tuple(np.linalg.eigh(a, uplo)), half(a), half(d), order), strict=True)
    assert all(c.dtype == dtype for c in v)
    assert all(c.dtype == np.zeros(1, dtype).real.dtype for c in w)
    grown = max(np.max(np.abs(c)) for c in v) ** 2
    is_identity(product(adjoint(v), v), dtype, grown)
    is_line(product(v, [np.diag(c).astype(dtype) for c in w], adjoint(v)), a, d, dtype, grown)
    close(np.sort(w[0]), np.linalg.eigvalsh(a), dtype)


# ---------------------------------------------------------------------- singular values

SINGULAR = {
    "a pair, wide": (Q4, [2, 1, 1, 0.5], Q5),
    "a pair, tall": (Q5, [2, 1, 1, 0.5], Q4),
    "a pair and a zero": (Q4, [2, 2, 1, 0], Q4),
    "all equal": (Q4, [1, 1, 1, 1], Q4),
    "two zeros": (Q4, [2, 1, 0, 0], Q4),
    "one zero, tall": (Q5, [2, 1.5, 1, 0], Q4),
    "three zeros, wide": (Q4, [2, 0, 0, 0], Q5),
    "zeros alone": (Q5, [0, 0, 0, 0], Q4),
    "very tall": (np.eye(30)[:, ::-1], [1, 1], np.eye(2)),
}


def singular(name, kind):
    l, s, r = SINGULAR[name]
    middle = np.zeros((len(l), len(r)))
    np.fill_diagonal(middle, s)
    d = exact(np.random.default_rng(5), kind, len(l), len(r))
    return l @ middle @ r.T + 0 * d, d


def doubled(a):
    return np.block([[np.zeros((len(a), len(a))), a], [ct(a), np.zeros((a.shape[1],) * 2)]])


@pytest.mark.parametrize(
    ("name", "kind"), [(name, "real") for name in SINGULAR if name != "very tall"] + [("a pair, wide", "complex")]
)
def test_svd_has_the_limit_along_a_direction(name, kind):
    a, d = singular(name, kind)
    (m, n), order = a.shape, 3
    values, spaces = precise(name, kind)
    top = m + n - 1 - np.arange(min(m, n))
    u, s, vh = zip(*dg.taylor(lambda a: tuple(np.linalg.svd(a, full_matrices=False)), a, d, order), strict=True)
    agree(s, values[:, top])
    v = adjoint(vh)
    for x, y, block in ((u, u, np.s_[:m, :m]), (u, v, np.s_[:m, m:]), (v, v, np.s_[m:, m:])):
        agree(outer(x, y), [2 * c[(top, *block)] for c in spaces])


@pytest.mark.parametrize("dtype", DTYPES, ids=KEYS)
@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("full", [False, True])
def test_identities_of_svd_to_order_six(name, dtype, full):
    order = 6 if dtype in (float, complex) else 3
    a, d = (x.astype(dtype) for x in singular(name, "complex" if np.dtype(dtype).kind == "c" else "real"))
    d = d / 8
    f = lambda a: tuple(np.linalg.svd(a, full))  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of digits
        u, s, vh = zip(*dg.taylor(f, a, d, order), strict=True)
    assert all(c.dtype == dtype for c in (*u, *vh))
    grown = 4 * max(np.max(np.abs(c)) for c in (*u, *vh)) ** 2
    is_identity(product(adjoint(u), u), dtype, grown)
    is_identity(product(vh, adjoint(vh)), dtype, grown)
    middle = [np.zeros((u[0].shape[1], len(vh[0])), dtype) for _ in s]
    for c, values in zip(middle, s, strict=True):
        np.fill_diagonal(c, values)
    is_line(product(u, middle, vh), a, d, dtype, grown)
    assert all(np.all(c >= 0) for c in s[:1])
    if np.dtype(dtype).kind == "c":
        v = adjoint(vh)
        gauge = product(adjoint(v[:-1]), [(k + 1) * c for k, c in enumerate(v[1:])])
        close([np.diagonal(c)[: len(s[0])] for c in gauge], np.zeros((order, len(s[0]))), dtype, 10 * grown)


@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("order", [1, 2, 3])
def test_nested_svd_is_that_of_taylor_mode(name, part, order):
    a, d = singular(name, "real")
    f = lambda a: np.linalg.svd(a)[part]  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of digits
        agree([nested(f, a, d, order)], [FACTORIAL[order] * dg.taylor(f, a, d, 3)[order]])


# ---------------------------------------------------------------------- values, and functions of the matrix


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("name", "kind"), EIGH)
def test_values_along_a_direction(name, kind, order):
    d = directions(kind)[name]
    a = DOUBLE + 0 * d
    expected = FACTORIAL[order] * precise(name, kind)[0][order]
    agree([nested(np.linalg.eigvalsh, a, d, order)], [expected])
    agree([FACTORIAL[order] * dg.taylor(np.linalg.eigvalsh, a, d, order)[order]], [expected])
    agree([nested(lambda a: np.linalg.eigh(a)[0], a, d, order)], [expected])


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", ["a pair, wide", "a pair, tall", "all equal"])
def test_norms_along_a_direction(name, order):
    """Sums over equal singular values: of their squares, which the matrix has itself, and of themselves."""
    a, d = singular(name, "real")
    squares = lambda a: np.sum(np.linalg.svdvals(a) ** 2)  # noqa: E731
    agree([nested(squares, a, d, order)], [nested(lambda a: np.sum(a * a), a, d, order)])
    values = precise(name, "real")[0][order][::-1][: min(a.shape)]
    agree([nested(lambda a: np.linalg.norm(a, "nuc"), a, d, order)], [FACTORIAL[order] * np.sum(values)])


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("name", "kind"), EIGH)
def test_functions_of_the_matrix_by_its_vectors(name, kind, order):
    """V f(w) Vᴴ has all derivatives along a direction, of a matrix that bends, too."""
    d = directions(kind)[name]
    e = hermitian(np.random.default_rng(8), kind, 6)
    along = lambda t: DOUBLE + t * d + t * t * e  # noqa: E731

    def cube(t):
        w, v = np.linalg.eigh(along(t))
        return (v * w**3) @ ct(v)

    g = lambda t: along(t) @ along(t) @ along(t)  # noqa: E731
    f = cube
    for _ in range(order):
        f, g = dg.derivative(f), dg.derivative(g)
    agree([warned(lambda: f(0.0), "not linear in what is differentiated")], [g(0.0)])


SMOOTH = {
    "trace": (lambda a: np.sum(np.linalg.eigvalsh(a)), np.trace),
    "squares": (lambda a: np.sum(np.linalg.eigvalsh(a) ** 2), lambda a: np.trace(a @ a)),
    "logarithms": (lambda a: np.sum(np.log(np.linalg.eigvalsh(a))), lambda a: np.linalg.slogdet(a)[1]),
    "singular squares": (lambda a: np.sum(np.linalg.svdvals(a) ** 2), lambda a: np.sum(a * a)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_what_the_error_of_mixed_derivatives_advises_works(name):
    """And the mixed derivative by the two along one direction is the one of the matrix."""
    by_values, of_matrix = SMOOTH[name]
    rng = np.random.default_rng(9)
    v, w = (hermitian(rng, "real", 6) for _ in range(2))
    mixed = lambda f: dg.jvp(lambda x: dg.jvp(f, (x,), (v,))[1], (DOUBLE,), (w,))[1]  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(np.linalg.LinAlgError, match=r"np\.trace\(a @ a\)[\s\S]*slogdet") as error:
            mixed(by_values)
        with pytest.raises(np.linalg.LinAlgError, match="different directions"):
            dg.hessian(by_values)(DOUBLE)
    second = lambda d: nested(by_values, DOUBLE, d, 2)  # noqa: E731
    agree([(second(v + w) - second(v - w)) / 4], [mixed(of_matrix)])
    assert "(f''(v + w) - f''(v - w)) / 4" in str(error.value)


# ---------------------------------------------------------------------- what is determined, and what is not

PAIR = Q4 @ np.diag([1.0, 1.0, 2.0, 4.0]) @ Q4.T
SPACE = Q4 @ np.eye(4)[[2, 3, 0, 1]] @ Q4.T  # turns pairs, and does not part them


def simple(k):
    return lambda a: np.linalg.eigh(a)[1][:, k]


def warned(call, *words):
    with pytest.warns(dg.IllConditionedWarning) as caught:
        result = call()
    messages = "\n".join(str(w.message) for w in caught)
    assert all(word in messages for word in words), messages
    return result


def by_differences(f, a, v, w=None):
    """Of simple values and vectors, which are smooth: of the first derivatives at matrices without equal values."""
    h = 1e-4
    if w is None:
        return (8 * (f(a + h * v) - f(a - h * v)) - f(a + 2 * h * v) + f(a - 2 * h * v)) / (12 * h)
    return by_differences(lambda x: by_differences(f, x, v), a, w)


@pytest.mark.parametrize("k", [2, 3])
def test_a_simple_vector_beside_a_pair_has_all_derivatives(k):
    """Gradient, Hessian, third derivatives, along directions that part the pair each in its way."""
    rng = np.random.default_rng(11)
    u, v, w = (hermitian(rng, "real", 4) for _ in range(3))
    f = lambda a: simple(k)(a)[1] * simple(k)(a)[2]  # noqa: E731  # whatever its sign
    unit = [e + e.T for e in np.eye(16).reshape(16, 4, 4)]
    gradient = warned(lambda: dg.grad(f)(PAIR), "columns 0, 1", "one direction at a time")
    agree([np.array([np.sum(gradient * e) for e in unit])], [[dg.jvp(f, (PAIR,), (e,))[1] for e in unit]])
    agree([dg.jvp(f, (PAIR,), (v,))[1]], [by_differences(f, PAIR, v)], 1e-9)
    mixed = warned(lambda: dg.jvp(lambda x: dg.jvp(f, (x,), (v,))[1], (PAIR,), (w,))[1], "columns 0, 1")
    agree([mixed], [by_differences(f, PAIR, v, w)], 1e-6)
    hessian = warned(lambda: dg.hessian(f)(PAIR), "columns 0, 1")
    agree([np.einsum("ij,ijkl,kl", v, hessian, w)], [mixed])
    third = lambda d: nested(f, PAIR, d, 3)  # noqa: E731
    polarised = third(u + v + w) - third(u + v - w) - third(u - v + w) - third(v + w - u)
    for ds in ((u, v, w), (w, u, v)):
        agree([warned(lambda ds=ds: nested_along(f, PAIR, *ds), "columns 0, 1")], [polarised / 24], 1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(4, 4), (5, 4), (4, 5), (4, 1)], ids=str)
@pytest.mark.parametrize("full", [False, True])
def test_simple_singular_vectors_beside_a_pair_have_all_derivatives(shape, kind, full):
    rng = np.random.default_rng(15)
    if shape[1] == 1:  # nothing is tied
        a = np.ones(shape)
    else:
        l, r = (Q4 if n == 4 else Q5 for n in shape)
        middle = np.zeros(shape)
        np.fill_diagonal(middle, [3, 1, 1, 0.5])
        a = l @ middle @ r.T
    a, v, w = a + 0 * exact(rng, kind, *shape), exact(rng, kind, *shape), exact(rng, kind, *shape)
    ties = shape[1] > 1

    def f(a):  # whatever their phase
        u, s, vh = np.linalg.svd(a, full)
        return np.real(np.conj(u[1, 0] * vh[0, 0]) * u[2, 0] * vh[0, -1]) + s[0]

    def quiet(call):
        return warned(call, "of the vectors of np.linalg.svd", "NaN") if ties else call()

    agree([dg.jvp(f, (a,), (v,))[1]], [by_differences(f, a, v)], 1e-9)
    agree(quiet(lambda: dg.jvp(f, (a,), (np.stack([v, w]),))[1]), [dg.jvp(f, (a,), (d,))[1] for d in (v, w)])
    vectors = lambda a: (np.linalg.svd(a, full)[0][:, 0], np.linalg.svd(a, full)[2][0])  # noqa: E731
    for side, several in enumerate(quiet(lambda: dg.jvp(vectors, (a,), (np.stack([v, w]),))[1])):
        agree(several, [dg.jvp(vectors, (a,), (d,))[1][side] for d in (v, w)])
    beyond = lambda a: (np.linalg.svd(a)[0][:, shape[1] :], np.linalg.svd(a)[2][shape[0] :])  # noqa: E731
    for side, several in enumerate(quiet(lambda: dg.jvp(beyond, (a,), (np.stack([v, w]),))[1])):
        agree(several, [dg.jvp(beyond, (a,), (d,))[1][side] for d in (v, w)])
    mixed = quiet(lambda: nested_along(f, a, v, w))
    agree([mixed], [by_differences(f, a, v, w)], 1e-6)
    second = lambda d: nested(f, a, d, 2)  # noqa: E731
    agree([mixed], [(second(v + w) - second(v - w)) / 4], 1e-9)


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (4, 4)], ids=str)
def test_null_spaces_that_a_direction_opens_in_part(shape, rank):
    """A matrix of rank 2 along one of a further rank, whose null spaces do not meet it."""
    rng = np.random.default_rng(20)
    l, r = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in shape)
    part = lambda values, first: (l[:, first:][:, : len(values)] * values) @ r[:, first:][:, : len(values)].T  # noqa: E731
    a, d = part([3.0, 2.0], 0), part([1.0, 4.0, 5.0][: 1 + rank], 1)
    series = lambda: dg.taylor(lambda a: tuple(np.linalg.svd(a, full_matrices=False)), a, d, 3)  # noqa: E731
    u, s, vh = zip(*(series() if rank == 2 else warned(series, "stand still")), strict=True)
    is_line(product(u, [np.diag(c) for c in s], vh), a, d, float)
    is_identity(product(adjoint(u), u), float)
    is_identity(product(vh, adjoint(vh)), float)
    agree(s, [[3, 2, 0, 0], [0, 1, *sorted([4, 5][:rank], reverse=True), 0, 0][:4], [0] * 4, [0] * 4])
    if rank == 0:
        plain = np.linalg.svd(a, full_matrices=False)
        assert all(np.array_equal(y, z) for y, z in zip((u[0], s[0], vh[0]), plain, strict=True) if y.ndim == 2)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (3, 3)], ids=str)
def test_null_spaces_that_several_directions_open_are_nan_as_a_whole(shape):
    """The singular vectors of a matrix of rank 1; those of the value that is not zero have their tangents."""
    rng = np.random.default_rng(17)
    a, (v, w) = np.zeros(shape), (exact(rng, "real", *shape) for _ in range(2))
    a[0, 0] = 2.0
    f = lambda a: tuple(np.linalg.svd(a))  # noqa: E731
    words = "columns 1, 2 of the vectors of np.linalg.svd"
    (u, _, vh), (du, ds, dvh) = warned(lambda: dg.jvp(f, (a,), (np.stack([v, w]),)), words)
    assert np.array_equal(u, f(a)[0])
    assert np.array_equal(vh, f(a)[2])
    assert np.all(np.isnan(du[..., 1:]))
    assert np.all(np.isnan(dvh[:, 1:]))
    for k, d in enumerate((v, w)):
        single = dg.jvp(f, (a,), (d,))[1]
        agree([du[k, :, 0], ds[k], dvh[k, 0]], [single[0][:, 0], single[1], single[2][0]])


@pytest.mark.parametrize("dtype", DTYPES, ids=KEYS)
@pytest.mark.parametrize("directions", [0, 1, 3])
@pytest.mark.parametrize("f", [np.linalg.eigh, np.linalg.svd, np.linalg.eigvalsh, np.linalg.svdvals])
def test_several_directions_keep_shapes_and_precisions(f, dtype, directions):
    rng = np.random.default_rng(16)
    a = (PAIR + 0 * hermitian(rng, "complex" if np.dtype(dtype).kind == "c" else "real", 4)).astype(dtype)
    d = np.stack([hermitian(rng, "real", 4) for _ in range(directions + 1)])[:directions].astype(dtype)
    parts = lambda a: tuple(y) if isinstance(y := f(a), tuple) else (y,)  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ys, dys = dg.jvp(parts, (a,), (d,))
        single = [dg.jvp(parts, (a,), (e,))[1] for e in d]
    for k, (y, dy, value) in enumerate(zip(ys, dys, parts(a), strict=True)):
        assert dy.dtype == y.dtype == value.dtype
        assert dy.shape == (directions, *y.shape)
        if directions != 1:
            assert np.array_equal(y, value)
        if y.ndim == 1 or directions == 1:
            close(dy, np.reshape([e[k] for e in single], dy.shape), dtype, 100)


@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
@pytest.mark.parametrize("f", [np.linalg.eigh, np.linalg.svd])
def test_a_tangent_that_is_not_a_number_stays_one(f, lead):
    d = np.full((*lead, 4, 4), np.nan)
    for dy in dg.jvp(lambda a: tuple(f(a)), (PAIR,), (d,))[1]:
        assert np.all(np.isnan(dy))


def test_columns_of_a_pair_that_several_directions_part_are_nan():
    rng = np.random.default_rng(12)
    k = np.stack([hermitian(rng, "real", 4) for _ in range(3)])
    (w, v), (dw, dv) = warned(lambda: dg.jvp(lambda a: tuple(np.linalg.eigh(a)), (PAIR,), (k,)), "columns 0, 1 of the")
    assert np.array_equal(v, np.linalg.eigh(PAIR)[1])
    assert np.array_equal(w, np.linalg.eigh(PAIR)[0])
    assert np.all(np.isnan(dv[:, :, :2]))
    for d, single in zip(zip(dw, dv, strict=True), k, strict=True):
        one = dg.jvp(lambda a: tuple(np.linalg.eigh(a)), (PAIR,), (single,))[1]
        agree([d[0], d[1][:, 2:]], [one[0], one[1][:, 2:]])


@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
@pytest.mark.parametrize("f", [np.linalg.eigh, np.linalg.svd])
def test_columns_of_a_pair_that_turns_and_is_not_parted_are_nan(lead, f):
    a = Q4 @ np.diag([1.0, 1, 3, 3]) @ Q4.T
    a = a + np.diag([0, 0, 0, 0.0])
    d = np.broadcast_to(SPACE, (*lead, 4, 4)).copy()
    found = warned(lambda: dg.jvp(lambda a: tuple(f(a)), (a,), (d,)), "columns 0, 1, 2, 3", "NaN")
    assert np.array_equal(found[0][1], tuple(f(a))[1])
    for y, dy in zip(*found, strict=True):
        assert np.all(np.isnan(dy)) == (y.ndim == 2)
    x = np.zeros((5, 5))
    x[:4, :4], x[4, 4] = a, 7.0
    e = np.zeros((*lead, 5, 5))
    e[..., :4, :4] = d
    e[..., 4, 4] = 1.0
    dv = warned(lambda: dg.jvp(lambda a: np.linalg.eigh(a)[1], (x,), (e,)), "columns 0, 1, 2, 3")[1]
    assert np.all(np.isnan(dv[..., :4]))
    assert not np.any(dv[..., 4])


@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
@pytest.mark.parametrize("d", [np.eye(4), PAIR, Q4 @ np.diag([3.0, 3, 1, 5]) @ Q4.T], ids=["1", "A", "others"])
def test_vectors_that_stand_still_do_so_and_it_is_said(d, lead):
    d = np.broadcast_to(d, (*lead, 4, 4)).copy()
    for f, columns in ((np.linalg.eigh, "columns 0, 1 of"), (np.linalg.svd, "columns 2, 3 of")):
        y, dy = warned(lambda f=f: dg.jvp(lambda a: f(a)[-1], (PAIR,), (d,)), columns, "NumPy's choice, and stand")
        assert np.array_equal(y, f(PAIR)[-1])
        close(dy, np.zeros_like(dy), float)
    power = lambda a: (np.linalg.eigh(a)[1] * np.linalg.eigh(a)[0] ** 2) @ np.linalg.eigh(a)[1].T  # noqa: E731
    close(warned(lambda: dg.jvp(power, (PAIR,), (d,)))[1], PAIR @ d + d @ PAIR, float, 30)


@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
@pytest.mark.parametrize("f", [np.linalg.eigh, np.linalg.svd, np.linalg.qr, np.linalg.eig])
def test_a_matrix_that_does_not_move_has_tangents_zero_and_no_warning(f, lead):
    for dy in dg.jvp(lambda a: tuple(f(a)), (PAIR,), (np.zeros((*lead, 4, 4)),))[1]:
        assert not np.any(dy)


@pytest.mark.parametrize("shape", [(4,), (2, 2)], ids=str)
@pytest.mark.parametrize("f", [np.linalg.eigh, np.linalg.svd, np.linalg.eigvalsh, np.linalg.svdvals])
@pytest.mark.parametrize("order", [1, 2])
def test_in_a_stack_each_matrix_is_on_its_own(f, shape, order):
    rng = np.random.default_rng(13)
    a = np.stack([PAIR, hermitian(rng, "real", 4), np.eye(4), np.diag([1.0, 2, 3, 4])])
    d = np.stack([hermitian(rng, "real", 4) for _ in a])
    parts = lambda a: tuple(y) if isinstance(y := f(a), tuple) else (y,)  # noqa: E731
    found = nested(parts, *(x.reshape(*shape, 4, 4) for x in (a, d)), order)
    series = dg.taylor(parts, *(x.reshape(*shape, 4, 4) for x in (a, d)), 2)[order]
    for k in range(4):
        for y, z, one in zip(found, series, nested(parts, a[k], d[k], order), strict=True):
            agree([y.reshape(4, *one.shape)[k], FACTORIAL[order] * z.reshape(4, *one.shape)[k]], [one, one], 1e-10)


# ---------------------------------------------------------------------- matrices that bend


def test_of_a_matrix_that_bends_taylor_mode_has_all_but_the_last():
    """V to order k needs the matrix to order k + 1 where values part at once; it says so."""
    rng = np.random.default_rng(14)
    d, e = (hermitian(rng, "real", 6) for _ in range(2))
    f = lambda t: np.linalg.eigh(DOUBLE + t * d + t * t * e)[1]  # noqa: E731
    straight = dg.taylor(lambda a: np.linalg.eigh(a)[1], DOUBLE, d, 2)
    short = warned(lambda: dg.taylor(f, 0.0, 1.0, 1), "one more of the matrix")
    long = warned(lambda: dg.taylor(f, 0.0, 1.0, 2), "one more of the matrix")
    agree([*short, long[0]], [*straight[:2], straight[0]])
    assert np.max(np.abs(long[1] - short[1])) > 0.1
    spaces = outer(*[warned(lambda: dg.taylor(f, 0.0, 1.0, 4), "one more of the matrix")] * 2)
    agree(spaces[:4], projections(DOUBLE, d, 3, e)[1])
    warned(lambda: dg.derivative(f)(0.0), "not linear in what is differentiated")


@pytest.mark.parametrize(("gap", "expected"), [(1e-9, True), (1e-2, False)])
def test_slopes_that_nearly_coincide_warn(gap, expected):
    d = np.diag([1.0, 1 + gap, 0, 0])
    d[0, 3] = d[3, 0] = 1.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nested(simple(0), PAIR, Q4 @ d @ Q4.T, 2)
    assert any("no digits left" in str(w.message) for w in caught) == expected


def test_a_published_example_of_taylor_arithmetic():
    """algopy's: threefold values, of which some part at t² alone, in a basis that turns; Vᵀ A V = diag w to order 3."""
    rng = np.random.default_rng(18)
    frames = rng.standard_normal((4, 6, 6))
    middle = [np.diag(x) for x in ([2.0, 2, 2, 3, 3, 3], [1.0, 1, 3, 2, 2, 5], [7.0, 5, 5, 1, 2, 2])]
    at = lambda t, series: sum(t**k * c for k, c in enumerate(series))  # noqa: E731

    def f(t):
        q = np.linalg.qr(at(t, frames))[0]
        a = q.T @ at(t, middle) @ q
        return a, *np.linalg.eigh(a)

    a, w, v = zip(*warned(lambda: dg.taylor(f, 0.0, 1.0, 3), "one more of the matrix"), strict=True)
    agree(product(adjoint(v), a, v), [np.diag(c) for c in w])
    is_identity(product(adjoint(v), v), float, 1e3)
    agree(w, [[2, 2, 2, 3, 3, 3], [1, 1, 3, 2, 2, 5], [5, 7, 5, 1, 2, 2], [0] * 6])


@pytest.mark.parametrize("f", [np.linalg.eigh, np.linalg.svd])
def test_other_modes_within_taylor_mode_are_refused_in_words(f):
    rng = np.random.default_rng(19)
    v, w = (hermitian(rng, "real", 4) for _ in range(2))
    inside = lambda t: dg.jvp(lambda a: f(a)[0], (PAIR + t * v,), (w,))[1]  # noqa: E731
    outside = lambda a: dg.taylor(lambda a: f(a)[0], a, w, 2)[1]  # noqa: E731
    for call in (lambda: dg.taylor(inside, 0.0, 1.0, 2), lambda: dg.jvp(outside, (PAIR,), (v,))):
        with pytest.raises(np.linalg.LinAlgError, match=r"inside of dg\.taylor .* coincide"):
            call()
