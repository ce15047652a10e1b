"""Matrices at their boundaries (singular, degenerate, rank-deficient, empty), against identities and high precision."""

import tracemalloc

import numpy as np
import pytest

import dualgrad as dg

RNG = np.random.default_rng(0)
A, B, C = RNG.standard_normal((3, 4, 4))


def nested(f, x, *directions):
    """The derivative along each direction in turn."""
    for v in directions:
        f = lambda x, f=f, v=v: dg.jvp(f, (x,), (v,))[1]  # noqa: E731
    return f(x)


def multilinear_det(x, *directions):
    """Derivatives of det by expansion over the choice of rows: det is linear in each of them."""
    if not directions:
        return sum(np.prod(x[range(len(x)), p]) * _sign(p) for p in _permutations(len(x)))
    v, *rest = directions
    total = 0.0
    for row in range(len(x)):
        moved = x.copy()
        moved[row] = v[row]
        others = [np.where(np.arange(len(x))[:, None] == row, 0, w) for w in rest]
        total += multilinear_det(moved, *others)
    return total


def _permutations(n):
    if n == 0:
        return [()]
    return [(*p[:k], n - 1, *p[k:]) for p in _permutations(n - 1) for k in range(n)]


def _sign(p):
    return -1 if sum(p[i] > p[j] for i in range(len(p)) for j in range(i, len(p))) % 2 else 1


# ---------------------------------------------------------------------- determinants

RANKS = {f"rank {r}": A[:, :r] @ B[:r] for r in range(5)}


@pytest.mark.parametrize("name", RANKS)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_det_at_every_rank(name, order):
    """Right also at rank n - 1, n - 2, ... and 0, where the inverse is infinite."""
    directions = [A, B, C][:order]
    expected = multilinear_det(RANKS[name], *directions)
    np.testing.assert_allclose(nested(np.linalg.det, RANKS[name], *directions), expected, rtol=1e-12, atol=1e-12)


def test_det_of_diag_1_0():
    """Forward mode of a rival gives 0 here, and its reverse mode 1."""
    assert dg.jvp(np.linalg.det, (np.diag([1.0, 0.0]),), (np.eye(2),))[1] == 1


def test_det_of_a_batch_with_one_singular_matrix():
    x = np.stack([np.eye(3), np.diag([1.0, 2.0, 0.0]), np.zeros((3, 3))])
    np.testing.assert_allclose(dg.jvp(np.linalg.det, (x,), (np.ones((3, 3, 3)),))[1], [3, 2, 0], atol=1e-15)
    found = dg.jvp(np.linalg.det, (x,), (np.ones((2, 3, 3, 3)),))[1]
    np.testing.assert_allclose(found, [[3, 2, 0]] * 2, atol=1e-15)


def test_det_of_a_singular_complex_matrix():
    x = np.outer([1, 1j], [2, 1 - 1j])
    found = dg.jvp(np.linalg.det, (x,), (np.eye(2) + 0j,))[1]
    np.testing.assert_allclose(found, np.trace(x), rtol=1e-14)


@pytest.mark.parametrize("n", [2, 5, 10, 20])
@pytest.mark.parametrize("smallest", [1.0, 1e-5, 1e-9])
def test_det_near_singular_against_mpmath(n, smallest):
    """First and second derivatives by differences at 60 digits."""
    mpmath = pytest.importorskip("mpmath")
    u, v = (np.linalg.qr(RNG.standard_normal((n, n)))[0] for _ in range(2))
    x, d = u * np.concatenate([np.ones(n - 1), [smallest]]) @ v, RNG.standard_normal((n, n)) / n
    with mpmath.workdps(60):
        at = lambda t: mpmath.det(mpmath.matrix(x.tolist()) + t * mpmath.matrix(d.tolist()))  # noqa: E731
        h = mpmath.mpf(10) ** -15
        first = float((at(h) - at(-h)) / (2 * h))
        second = float((at(h) - 2 * at(0) + at(-h)) / h**2)
    np.testing.assert_allclose(nested(np.linalg.det, x, d), first, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(nested(np.linalg.det, x, d, d), second, rtol=1e-11, atol=1e-13)


def test_second_derivatives_that_a_rival_gets_wrong():
    """det, slogdet and solve, forward over forward, against differences of first derivatives."""
    x, h = A + 4 * np.eye(4), 1e-5
    for f in (np.linalg.det, lambda x: np.linalg.slogdet(x)[1], lambda x: np.linalg.solve(x, B)[0]):
        slope = lambda x, f=f: dg.jvp(f, (x,), (B,))[1]  # noqa: E731
        expected = (slope(x + h * C) - slope(x - h * C)) / (2 * h)
        np.testing.assert_allclose(nested(f, x, B, C), expected, rtol=1e-7, atol=1e-7 * np.max(np.abs(expected)))


def test_the_inverse_by_cholesky():
    """Another first derivative that a rival gets wrong."""
    x = A @ A.T + np.eye(4)

    def inverse(x):
        half = np.linalg.inv(np.linalg.cholesky(x))
        return half.T @ half

    d = B + B.T
    np.testing.assert_allclose(nested(inverse, x, d), nested(np.linalg.inv, x, d), rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------------- inverses, at high precision


@pytest.mark.parametrize("name", ["inv", "solve", "cholesky"])
def test_inverses_against_mpmath(name):
    """A Hilbert matrix of order 4 (condition 1.6e4), first and second derivatives, relative to their size."""
    mpmath = pytest.importorskip("mpmath")
    x = np.array([[1 / (i + j + 1) for j in range(4)] for i in range(4)])
    d, b = (B + B.T) / 100, np.arange(1.0, 5.0)
    f = {"inv": np.linalg.inv, "solve": lambda x: np.linalg.solve(x, b), "cholesky": np.linalg.cholesky}[name]
    with mpmath.workdps(60):
        twin = {
            "inv": lambda x: x**-1,
            "solve": lambda x: x**-1 * mpmath.matrix(b.tolist()),
            "cholesky": mpmath.cholesky,
        }
        at = lambda t: twin[name](mpmath.matrix(x.tolist()) + t * mpmath.matrix(d.tolist()))  # noqa: E731
        h = mpmath.mpf(10) ** -16
        first, second = (at(h) - at(-h)) / (2 * h), (at(h) - 2 * at(0) + at(-h)) / h**2
        first, second = (np.array(m.tolist(), float).reshape(f(x).shape) for m in (first, second))
    for order, expected in ((1, first), (2, second)):
        error = np.max(np.abs(nested(f, x, *[d] * order) - expected)) / np.max(np.abs(expected))
        assert error < 1e-16 * 1.6e4 * 10, f"order {order}: {error}"


def test_singular_matrices_raise_as_in_numpy():
    for f in (np.linalg.inv, lambda x: np.linalg.solve(x, np.ones(2))):
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            dg.jvp(f, (np.ones((2, 2)),), (np.eye(2),))


def test_pinv_where_the_rank_stays():
    """Along directions that keep the rank, pinv is differentiable, also of a rank-deficient matrix."""
    u, v = A[:, :2], B[:2]
    f = lambda t: np.linalg.pinv((u + t * C[:, :2]) @ v)  # noqa: E731
    h = 1e-6
    np.testing.assert_allclose(dg.jacfwd(f)(0.0), (f(h) - f(-h)) / (2 * h), atol=1e-6)


# ---------------------------------------------------------------------- equal eigenvalues

Q = np.linalg.qr(A)[0]
DOUBLE = Q @ np.diag([1.0, 1.0, 2.0, 3.0]) @ Q.T
INSIDE = Q[:, :2] @ np.array([[2.0, 1.0], [1.0, -1.0]]) @ Q[:, :2].T
ACROSS = Q[:, :2] @ np.array([[1.0, 2.0], [3.0, 4.0]]) @ Q[:, 2:].T
ACROSS = ACROSS + ACROSS.T


def test_equal_eigenvalues_part_along_a_direction():
    """Their derivatives are the eigenvalues of the block of the direction, in ascending order."""
    found = nested(np.linalg.eigvalsh, DOUBLE, INSIDE)
    np.testing.assert_allclose(found, [*np.linalg.eigvalsh([[2.0, 1.0], [1.0, -1.0]]), 0, 0], atol=1e-13)
    h = 1e-7
    np.testing.assert_allclose(
        found, (np.linalg.eigvalsh(DOUBLE + h * INSIDE) - np.linalg.eigvalsh(DOUBLE)) / h, atol=1e-6
    )


def test_sums_over_equal_eigenvalues_are_smooth():
    """Functions of the matrix: the trace of its square, by the eigenvalues."""
    f = lambda x: np.sum(np.linalg.eigvalsh(x) ** 2)  # noqa: E731
    for v in (INSIDE, ACROSS, A + A.T):
        np.testing.assert_allclose(nested(f, DOUBLE, v), 2 * np.sum(DOUBLE * v), rtol=1e-12, atol=1e-12)


def test_eigenvectors_of_spaces_that_turn():
    """A direction that does not touch the block of equal eigenvalues parts them by what it does to their space."""
    (w, v), (dw, dv) = dg.jvp(lambda x: tuple(np.linalg.eigh(x)), (DOUBLE,), (ACROSS,))
    np.testing.assert_allclose(ACROSS @ v + DOUBLE @ dv, dv * w + v * dw, atol=1e-12)
    np.testing.assert_allclose(v.T @ dv + dv.T @ v, 0, atol=1e-13)


@pytest.mark.parametrize("f", [np.linalg.eig, lambda x: np.linalg.eigvals(x + 0j)])
def test_eigenvectors_where_they_do_not_exist(f):
    with pytest.raises(np.linalg.LinAlgError, match="some eigenvalues or singular values coincide"):
        dg.jvp(f, (DOUBLE,), (INSIDE,))


def test_eigh_reads_one_triangle():
    x = np.array([[2.0, 99.0], [1.0, 3.0]])
    v = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert not np.any(nested(np.linalg.eigvalsh, x, v))
    assert np.any(nested(lambda x: np.linalg.eigvalsh(x, "U"), x, v))
    assert not np.any(nested(np.linalg.cholesky, x, v))


def test_eig_against_its_equation():
    """X V = V w, for real matrices with complex eigenvalues too; the norm of each vector stays."""
    for x in (A, A + 1j * B):
        w, v = np.linalg.eig(x)
        dw, dv = dg.jvp(np.linalg.eig, (x,), (B.astype(x.dtype),))[1]
        np.testing.assert_allclose(B @ v + x @ dv, dv * w + v * dw, atol=1e-12)
        np.testing.assert_allclose(np.real(np.sum(np.conj(v) * dv, 0)), 0, atol=1e-13)


def test_complex_singular_vectors_against_their_equation():
    x, d = A[:, :3] + 1j * B[:, :3], C[:, :3] + 1j * A[:, 1:]
    (u, s, vh), (du, ds, dvh) = dg.jvp(lambda x: tuple(np.linalg.svd(x, full_matrices=False)), (x,), (d,))
    np.testing.assert_allclose(du * s @ vh + u * ds @ vh + u * s @ dvh, d, atol=1e-12)
    np.testing.assert_allclose(np.conj(u.T) @ du + np.conj(du.T) @ u, 0, atol=1e-13)


def test_singular_values_at_zero_and_at_ties():
    """A singular value 0 is a kink, as that of abs: derivative 0. Equal ones part as eigenvalues do."""
    x = np.diag([2.0, 0.0])
    np.testing.assert_array_equal(nested(np.linalg.svdvals, x, np.eye(2)), [1, 0])
    x, v = np.eye(3), np.diag([1.0, 3.0, 2.0])
    np.testing.assert_allclose(nested(np.linalg.svdvals, x, v), [3, 2, 1], atol=1e-14)
    np.testing.assert_allclose(nested(lambda x: np.linalg.norm(x, "nuc"), x, v), 6, rtol=1e-14)
    assert not np.any(nested(np.linalg.svdvals, np.zeros((2, 3)), np.ones((2, 3))))


def test_small_singular_values_are_not_taken_for_equal():
    """1e-9 and 2e-9 beside 1: their squares differ by less than rounding, they do not."""
    q, r = Q[:3, :3], np.linalg.qr(B[:3, :3])[0]
    q = np.linalg.qr(q)[0]
    x, d = q * [1.0, 2e-9, 1e-9] @ r, 1e-12 * C[:3, :3]
    (u, s, vh), (du, ds, dvh) = dg.jvp(lambda x: tuple(np.linalg.svd(x)), (x,), (d,))
    np.testing.assert_allclose(du * s @ vh + u * ds @ vh + u * s @ dvh, d, atol=1e-17)
    assert np.max(np.abs(du)) > 1e-5


def test_svd_and_pinv_of_hermitian_matrices():
    x, d = A + A.T, B + B.T
    u, s, vh = np.linalg.svd(x, hermitian=True)
    du, ds, dvh = dg.jvp(lambda x: tuple(np.linalg.svd(x, hermitian=True)), (x,), (d,))[1]
    np.testing.assert_allclose(du * s @ vh + u * ds @ vh + u * s @ dvh, d, atol=1e-12)
    np.testing.assert_allclose(
        nested(lambda x: np.linalg.pinv(x, hermitian=True), x, d), nested(np.linalg.inv, x, d), rtol=1e-10
    )


def test_what_is_not_a_number_gives_nan():
    x = np.array([[np.nan, 1.0], [0.0, 1.0]])
    assert np.isnan(nested(np.linalg.det, x, np.eye(2)))


def test_tall_matrices_take_no_square_of_their_height():
    """pinv and lstsq of a tall or a wide matrix make nothing of the size of its longer side squared."""
    for shape in ((4000, 3), (3, 4000)):
        x = RNG.standard_normal(shape)
        tracemalloc.start()
        dg.jvp(lambda x: np.linalg.lstsq(x, x[:, 0])[0], (x,), (x,))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20e6


def test_spectral_norm_at_a_tie_shares():
    np.testing.assert_allclose(nested(lambda x: np.linalg.norm(x, 2), np.eye(2), np.diag([1.0, 3.0])), 2, rtol=1e-14)


# ---------------------------------------------------------------------- shapes


@pytest.mark.parametrize("f", [np.linalg.inv, np.linalg.cholesky, np.linalg.eigvalsh, np.linalg.svdvals, np.linalg.det])
def test_empty_and_single_matrices(f):
    for shape in ((0, 0), (3, 0, 0), (0, 2, 2), (1, 1)):
        x = np.ones(shape)
        for lead in ((), (2,)):
            y, dy = dg.jvp(f, (x,), (np.ones(lead + shape),))
            assert dy.shape == lead + y.shape
            assert np.all(np.isfinite(dy))


def test_refusals_name_the_fix():
    with pytest.raises(NotImplementedError, match="mode='reduced'"):
        dg.jvp(lambda x: np.linalg.qr(x, "raw"), (np.ones((3, 2)),), (np.ones((3, 2)),))
