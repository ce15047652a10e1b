"""Factorizations at their boundaries: deficient rank, complements that NumPy chooses, values that coincide; against
the identities that define them, carried to order 6 by Taylor arithmetic, and against eigenvectors at 60 digits."""

import numpy as np
import pytest

import dualgrad as dg
from tests.support.matrices import DTYPES, KEYS, adjoint, close, ct, is_identity, is_line, nested, product

RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _the_same_draws_for_every_test():
    global RNG
    RNG = np.random.default_rng(7)


def draw(dtype, *shape):
    x = RNG.standard_normal(shape)
    return (x + 1j * RNG.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


# ---------------------------------------------------------------------- qr of deficient rank

RANK = 2
DEFICIENT = {
    "counting": np.arange(1.0, 10.0).reshape(3, 3),
    "counting, large": np.arange(1600.0).reshape(40, 40),
    "counting, tall": np.arange(1.0, 16.0).reshape(5, 3),
    "a product": draw(float, 60, RANK) @ draw(float, RANK, 40),
    "complex": draw(complex, 6, RANK) @ draw(complex, RANK, 4),
    "a column of 0": np.eye(4)[:, [0, 1, 2]] * [1.0, 0.0, 1.0],
    "columns of many sizes": (draw(float, 6, RANK) @ draw(float, RANK, 4)) * [1.0, 1e-150, 1e150, 1e-8],
    "wide, its square part": np.concatenate([np.ones((3, 3)), draw(float, 3, 2)], 1),
    "zeros": np.zeros((3, 2)),
}


@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
@pytest.mark.parametrize("name", DEFICIENT)
def test_qr_of_a_rank_deficient_matrix_is_refused_in_words(name, mode):
    a = DEFICIENT[name]
    d = draw(a.dtype, *a.shape)
    f = lambda a: np.linalg.qr(a, mode)  # noqa: E731
    single = np.complex64 if np.iscomplexobj(a) else np.float32
    calls = [lambda: dg.jvp(f, (a,), (d,)), lambda: dg.jvp(f, (a,), (np.stack([d, d]),)), lambda: dg.taylor(f, a, d, 2)]
    if np.max(np.abs(a)) < 1e30:
        calls.append(lambda: dg.jvp(f, (a.astype(single),), (d.astype(single),)))
    for call in calls:
        with pytest.raises(np.linalg.LinAlgError, match=r"rank-deficient matrix: the first \d+ columns are .*pinv"):
            call()


def test_qr_names_the_matrix_of_a_stack_that_is_deficient():
    a = np.stack([np.eye(3), np.eye(3), np.ones((3, 3)), np.eye(3)]).reshape(2, 2, 3, 3)
    with pytest.raises(np.linalg.LinAlgError, match=r"columns of matrix \[1, 0\] of the stack"):
        dg.jvp(np.linalg.qr, (a,), (a,))


@pytest.mark.parametrize("place", ["primal", "tangent"])
def test_qr_of_what_is_not_a_number_is_none(place):
    a = np.stack([np.eye(3), np.eye(3)])
    bad = a.copy()
    bad[1] = np.nan
    _, (dq, dr) = dg.jvp(lambda a: tuple(np.linalg.qr(a)), *(((bad,), (a,)) if place == "primal" else ((a,), (bad,))))
    assert np.all(np.isfinite(dq[0]) & np.isfinite(dr[0]))
    assert np.all(np.isnan(dq[1]))


@pytest.mark.parametrize("dtype", DTYPES, ids=KEYS)
@pytest.mark.parametrize("n", [1, 2, 5, 20, 60])
def test_qr_of_full_rank_is_answered_whatever_the_sizes_of_its_columns(n, dtype):
    a, d = draw(dtype, n + 3, n), draw(dtype, n + 3, n)
    sizes = np.logspace(-15, 15, n).astype(dtype)
    (q, r), (dq, dr) = dg.jvp(lambda a: tuple(np.linalg.qr(a)), (a * sizes,), (d * sizes,))
    close(((dq @ r + q @ dr) / sizes), d, dtype, 10 * n)
    close(ct(q) @ dq + ct(dq) @ q, np.zeros((n, n)), dtype, n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [4, 40, 200])
def test_lstsq_of_deficient_rank_is_differentiated_at_the_rank_that_it_takes(size, dtype):
    """Along directions that keep the rank: x = A⁺ b, with A = L R of full-rank factors."""
    l, r, dl = draw(dtype, size, 2), draw(dtype, 2, size), draw(dtype, size, 2)
    b = draw(dtype, size)
    with np.errstate(all="raise"):
        x, dx = dg.jvp(lambda a: np.linalg.lstsq(a, b)[0], (l @ r,), (dl @ r,))
    outer = np.linalg.pinv(r.astype(float))
    expected = outer @ dg.jvp(np.linalg.pinv, (l.astype(float),), (dl.astype(float),))[1] @ b.astype(float)
    assert dx.dtype == x.dtype
    np.testing.assert_allclose(dx, expected, rtol=0, atol=3e3 * np.finfo(dtype).eps * np.max(np.abs(expected)))


# ---------------------------------------------------------------------- complements that NumPy chooses

SHAPES = [(4, 2), (2, 4), (3, 1), (1, 3), (5, 4), (3, 3)]
ORDER = 6


def path(dtype, shape):
    """A matrix of full rank whose directions do not outgrow it."""
    return draw(dtype, *shape) + 3 * np.eye(*shape, dtype=dtype), draw(dtype, *shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=KEYS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_complete_qr_to_order_six(shape, dtype):
    a, d = path(dtype, shape)
    coefficients = dg.taylor(lambda a: tuple(np.linalg.qr(a, "complete")), a, d, ORDER)
    q, r = zip(*coefficients, strict=True)
    assert all(c.dtype == dtype for c in (*q, *r))
    is_identity(product(adjoint(q), q), dtype, 30)
    is_line(product(q, r), a, d, dtype)
    assert not any(np.any(np.tril(c, -1)[shape[1] :]) for c in r)
    close([np.tril(c, -1) for c in r], np.zeros((ORDER + 1, *shape)), dtype, 30)


@pytest.mark.parametrize("dtype", DTYPES, ids=KEYS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_full_svd_to_order_six(shape, dtype):
    """Of single precision to order 3: the vectors turn too fast."""
    order = ORDER if dtype in (float, complex) else 3
    a, d = path(dtype, shape)
    a = a + np.eye(*shape, dtype=dtype) * (4 * np.arange(shape[1])).astype(dtype)
    coefficients = dg.taylor(lambda a: tuple(np.linalg.svd(a)), a, d, order)
    u, s, vh = zip(*coefficients, strict=True)
    assert all(c.dtype == dtype for c in (*u, *vh))
    grown = 30 * max(np.max(np.abs(c)) for c in (*u, *vh)) ** 2
    is_identity(product(adjoint(u), u), dtype, grown)
    is_identity(product(vh, adjoint(vh)), dtype, grown)
    middle = [np.zeros(shape, dtype) for _ in s]
    for c, values in zip(middle, s, strict=True):
        np.fill_diagonal(c, values)
    for found, c in zip(product(u, middle, vh), [a, d] + [0 * a] * (order - 1), strict=True):
        close(found, c, dtype, 10 * grown)


def whole(name):
    """A function whose last three columns are a complement, and the shape of its argument."""
    return {
        "qr": (lambda a: np.linalg.qr(a, "complete")[0], (6, 3)),
        "svd, tall": (lambda a: np.linalg.svd(a)[0], (6, 3)),
        "svd, wide": (lambda a: ct(np.linalg.svd(a)[2]), (3, 6)),
    }[name]


@pytest.mark.parametrize("name", ["qr", "svd, tall", "svd, wide"])
@pytest.mark.parametrize("batch", [(), (2, 2)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=KEYS)
def test_a_complement_is_numpys_and_turns_the_least_it_can(name, batch, dtype):
    """It does not turn in itself: Q₂ᴴ dQ₂ = 0; one direction, K, and nested as in Taylor mode."""
    f, shape = whole(name)
    a, d = path(dtype, batch + shape) if not batch else (draw(dtype, *batch, *shape), draw(dtype, *batch, *shape))
    q, dq = dg.jvp(f, (a,), (d,))
    assert np.array_equal(q, f(a))
    assert q.dtype == dq.dtype == dtype
    close(ct(q[..., 3:]) @ dq[..., 3:], np.zeros((*batch, 3, 3)), dtype)
    close(ct(q) @ dq + ct(dq) @ q, np.zeros((*batch, 6, 6)), dtype, np.max(np.abs(dq)))
    k = dg.jvp(f, (a,), (np.stack([d, -2 * d]),))[1]
    close(k, np.stack([dq, -2 * dq]), dtype, np.max(np.abs(dq)))
    if dtype in (float, complex):
        orders = [c * factorial for c, factorial in zip(dg.taylor(f, a, d, 3), (1, 1, 2, 6), strict=True)]
        for order in (1, 2, 3):
            close(nested(f, a, d, order), orders[order], dtype, np.max(np.abs(orders[order])))
