"""Functions with sparse Jacobians, equations in space by differences; and patterns in bands."""

import numpy as np


def bands(n, *offsets):
    return sum(np.eye(n, k=k, dtype=bool) for k in offsets)


def laplacian(w):
    return np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4 * w


def brusselator(y):
    n = round((y.size / 2) ** 0.5)
    u, v = y[: n * n].reshape(n, n), y[n * n :].reshape(n, n)
    du = 1.0 + u**2 * v - 4.4 * u + 10 * laplacian(u)
    return np.concatenate([du.ravel(), (3.4 * u - u**2 * v + 10 * laplacian(v)).ravel()])


def heat(u):
    left, right = np.concatenate([u[:1], u[:-1]]), np.concatenate([u[1:], u[-1:]])
    return u**3 + left - 2 * u + right
