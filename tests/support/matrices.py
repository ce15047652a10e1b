"""Taylor series of matrices: their products, and what they must be to rounding."""

import numpy as np

import dualgrad as dg

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
KEYS = ["float32", "float64", "complex64", "complex128"]


def ct(x):
    return np.conj(np.swapaxes(x, -1, -2))


def nested(f, x, v, order):
    for _ in range(order):
        f = lambda x, f=f: dg.jvp(f, (x,), (v,))[1]  # noqa: E731
    return f(x)


def product(*series):
    """The coefficients of a product of matrix series."""
    total = series[0]
    for other in series[1:]:
        total = [sum(total[j] @ other[k - j] for j in range(k + 1)) for k in range(len(total))]
    return total


def adjoint(series):
    return [ct(c) for c in series]


def close(found, expected, dtype, scale=1.0):
    found, expected = (np.asarray(y) for y in (found, expected))
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e3 * np.finfo(dtype).eps * scale)


def is_line(series, a, d, dtype, scale=1.0):
    """The coefficients are those of A + t D, relative to the size of the terms."""
    expected = [a, d] + [np.zeros_like(a)] * (len(series) - 2)
    for found, c in zip(series, expected, strict=True):
        close(found, c, dtype, 10 * scale * max(1, np.max(np.abs(a))))


def is_identity(series, dtype, scale=1.0):
    for k, c in enumerate(series):
        close(c, np.eye(c.shape[-1]) if k == 0 else np.zeros_like(c), dtype, scale)
