"""Banded systems against dense ones, filters against the loop they stand for, factors against what they factor; what is
refused; and how often SciPy is called."""

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")

import scipy.linalg
import scipy.signal

from dualgrad.scipy import linalg, signal

rng = np.random.default_rng(0)


def whole(width, ab):
    """The matrix whose diagonals are given, by fancy indexing."""
    n = ab.shape[1]
    i, j = np.indices((n, n))
    row = width[1] + i - j
    return np.where((row >= 0) & (row < len(ab)), ab[np.clip(row, 0, len(ab) - 1), j], 0)


@pytest.mark.parametrize("width", [(0, 0), (1, 1), (2, 1), (0, 3), (3, 0), (4, 6)], ids=str)
@pytest.mark.parametrize("shape", [(5,), (5, 2), (1,), (5, 0)], ids=str)
def test_banded_systems_are_dense_ones(width, shape):
    ab, b = rng.standard_normal((sum(width) + 1, shape[0])), rng.standard_normal(shape)
    if sum(width) >= 2 * shape[0] + width[0]:
        pytest.skip("wider than SciPy takes")
    ab[width[1]] += 9
    banded = lambda t: linalg.solve_banded(width, ab * (1 + t[0] + t[1] ** 2), b + t[1])  # noqa: E731
    dense = lambda t: np.linalg.solve(whole(width, ab * (1 + t[0] + t[1] ** 2)), b + t[1])  # noqa: E731
    at = np.array([0.3, 0.4])
    for transform in (dg.jacfwd, lambda f: dg.jacfwd(dg.jacfwd(f))):
        np.testing.assert_allclose(transform(banded)(at), transform(dense)(at), atol=1e-13)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("dtype", [float, complex])
def test_positive_definite_bands_are_general_ones(lower, dtype):
    ab = rng.standard_normal((3, 5)).astype(dtype) + (1j * rng.standard_normal((3, 5)) if dtype is complex else 0)
    ab[0 if lower else 2] = 9
    matrix = whole((2, 0) if lower else (0, 2), ab)
    matrix = matrix + np.triu(matrix, 1).conj().T + np.tril(matrix, -1).conj().T
    b, db = rng.standard_normal((2, 5))
    f = lambda t: linalg.solveh_banded(ab * t, b + db * t, lower=lower)  # noqa: E731
    np.testing.assert_allclose(dg.derivative(f)(2.0), -np.linalg.solve(matrix, b) / 4, atol=1e-14)


def test_all_directions_are_one_call(monkeypatch):
    calls = []
    plain = scipy.linalg.solve_banded
    monkeypatch.setattr(scipy.linalg, "solve_banded", lambda *a, **k: calls.append(1) or plain(*a, **k))
    ab = rng.standard_normal((3, 50)) + np.array([[0], [9], [0]])
    dg.jacfwd(lambda ab: linalg.solve_banded((1, 1), ab, np.ones(50)), chunk=150)(ab)
    assert len(calls) == 2  # the value, and 150 directions


@pytest.mark.filterwarnings("ignore")  # of SciPy, on stacks
@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda t: linalg.solve_banded((1, t), np.eye(3), np.ones(3)), "no rule for a Dual as l_and_u"),
        (lambda t: linalg.solve_banded((0, 0), t * np.ones((2, 1, 3)), np.ones((2, 3))), "expected one matrix"),
        (lambda t: linalg.lu_factor(t * np.ones((2, 3))), "expected one square matrix"),
        (lambda t: linalg.toeplitz(t * np.ones((2, 3))), "expected vectors"),
        (lambda t: linalg.block_diag(t * np.ones((2, 3, 3))), "expected single ones"),
        (lambda t: linalg.eigh(t * np.eye(2), np.eye(2), type=2), "type=1"),
        (lambda t: linalg.eigh(t * np.eye(2), subset_by_value=[0, 1]), "not by value"),
        (lambda t: signal.lfilter([1.0], [1.0], np.ones(3), axis=t), "no rule for a Dual as axis"),
    ],
)
def test_what_has_no_rule_is_refused(f, says):
    with pytest.raises(NotImplementedError, match=says):
        dg.derivative(f)(1.0)


def by_hand(b, a, x, zi):
    """The filter in its transposed direct form, step by step."""
    b, a, z, y = b / a[0], a / a[0], list(zi), []
    for value in x:
        y.append(b[0] * value + z[0])
        z = [b[k + 1] * value + (z[k + 1] if k + 1 < len(z) else 0) - a[k + 1] * y[-1] for k in range(len(z))]
    return np.stack(y), np.stack(z)


def test_a_filter_is_its_loop():
    """Along coefficients, input and state at once, at orders 1 and 2."""
    start = np.concatenate([[1.0, 0.5, -0.3], [2.0, 0.4, 0.2], rng.standard_normal(6), [0.1, -0.2]])
    cut = lambda p: (p[:3], p[3:6], p[6:12])  # noqa: E731
    filtered = lambda p: signal.lfilter(*cut(p), zi=p[12:])  # noqa: E731
    for transform in (dg.jacfwd, lambda f: dg.jacfwd(dg.jacfwd(f))):
        found, expected = transform(filtered)(start), transform(lambda p: by_hand(*cut(p), p[12:]))(start)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


def test_factors_make_the_matrix_again():
    """P L U of lu_factor, Uᴴ U of cholesky and of cho_factor, and V Λ Vᴴ of eigh have the tangent of the matrix."""
    a, v = rng.standard_normal((2, 4, 4))

    def again(m):
        lu, piv = linalg.lu_factor(m)
        product = (np.tril(lu, -1) + np.eye(4)) @ np.triu(lu)
        for i in reversed(range(4)):
            product = product[[piv[i] if k == i else i if k == piv[i] else k for k in range(4)]]
        return product

    np.testing.assert_allclose(dg.jvp(again, (a,), (v,))[1], v, atol=1e-13)
    s, w = a @ a.T + np.eye(4), v + v.T
    for f in (
        lambda m: linalg.cholesky(m).T @ linalg.cholesky(m),
        lambda m: np.tril(linalg.cho_factor(m, lower=True)[0]) @ np.tril(linalg.cho_factor(m, lower=True)[0]).T,
        lambda m: (lambda values, u: u * values @ u.T)(*linalg.eigh(m)),
        lambda m: linalg.expm(linalg.logm(m)),
    ):
        np.testing.assert_allclose(dg.jvp(f, (s,), (w,))[1], w, atol=1e-12)


def test_generalized_eigenvectors_stay_normalized():
    a, b = rng.standard_normal((2, 4, 4))
    a, b = a + a.T, b @ b.T + np.eye(4)

    def unit(t):
        _, v = linalg.eigh(a * np.cos(t), b * (1 + t * t))
        return v.T @ (b * (1 + t * t)) @ v

    np.testing.assert_allclose(dg.derivative(unit)(0.4), 0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:the vectors of np.linalg.eigh")
def test_vectors_of_an_eigenspace_are_no_ones_own():
    turned = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    tied = turned @ np.diag([1.0, 1.0, 2.0]) @ turned.T
    with pytest.raises(NotImplementedError, match=r"eigenvalues that coincide.*np\.linalg\.eigh"):
        dg.derivative(lambda t: linalg.eigh(tied + t * np.ones((3, 3)))[1])(0.0)


@pytest.mark.parametrize("f", [signal.convolve, signal.fftconvolve, signal.oaconvolve, signal.correlate])
def test_plain_arrays_get_the_answer_of_scipy(f):
    x, h = rng.standard_normal(9), rng.standard_normal(4)
    np.testing.assert_array_equal(f(x, h, "same"), getattr(scipy.signal, f.__name__)(x, h, "same"))
    assert signal.hilbert is scipy.signal.hilbert
