"""Two equations that a network is to satisfy, what is known on their boundaries, and their solutions.

What is known is built into u = p + q N of a network N: both are linear in (N, ∂₁N, ∂₂N, L) but for κ (u - u³).
"""

import numpy as np

import dualgrad as dg
from dualgrad import nn

DIFFUSION = 0.01


class Residual(nn.Loss):
    """(a·S + c - κ (u - u³))² with u = p + q N, for the rows S = (N, ∂₁N, ∂₂N, L) of a network and targets a, c, p, q,
    κ: what both equations are."""

    def evaluate(self, S, target):
        a, (c, p, q, kappa) = target[:, :4], np.moveaxis(target[:, 4:], -1, 0)
        u = p + q * S[:, 0]
        r = np.sum(a * S, axis=-1) + c - kappa * (u - u**3)

        def slope():
            d = 2 * r[:, None] * a
            d[:, 0] -= 2 * r * kappa * (1 - 3 * u * u) * q
            return d

        return r * r, slope


class Poisson:
    """Δu = f on the unit square: u = x y + x (1 - x) y (1 - y) N."""

    second = 2  # of the tangents count in L

    def points(self, rng, count):
        return rng.uniform(0, 1, (count, 2))

    def ansatz(self, X):
        x, y = X[..., 0], X[..., 1]
        return x * y, x * (1 - x) * y * (1 - y)

    def source(self, X):
        return -5 * np.pi**2 * np.sin(np.pi * X[..., 0]) * np.sin(2 * np.pi * X[..., 1])

    def target(self, X):
        x, y = X[:, 0], X[:, 1]
        a, b, zero = x * (1 - x), y * (1 - y), np.zeros(len(X))
        p, q = self.ansatz(X)
        of_N, of_x, of_y = -2 * (a + b), 2 * (1 - 2 * x) * b, 2 * a * (1 - 2 * y)
        return np.stack([of_N, of_x, of_y, q, -self.source(X), p, q, zero], -1)

    def residual(self, u, X):
        return dg.laplacian(u, axis=-1)(X) - self.source(X)

    def grid(self, count=61):
        side = np.linspace(0, 1, count)
        X = np.stack(np.meshgrid(side, side, indexing="ij"), -1)
        u = np.sin(np.pi * X[..., 0]) * np.sin(2 * np.pi * X[..., 1]) + X[..., 0] * X[..., 1]
        return X, u


class AllenCahn:
    """u_t = d u_xx + κ (u - u³) on [-1, 1] × [0, 1]: u = x² cos πx + t (1 - x²) N."""

    second = 1

    def __init__(self, kappa):
        self.kappa = kappa

    def points(self, rng, count):
        return rng.uniform(0, 1, (count, 2)) * np.array([2, 1]) - np.array([1, 0])

    def ansatz(self, X):
        x, t = X[..., 0], X[..., 1]
        return x**2 * np.cos(np.pi * x), t * (1 - x**2)

    def target(self, X):
        x, t = X[:, 0], X[:, 1]
        p, q = self.ansatz(X)
        bent = (2 - (np.pi * x) ** 2) * np.cos(np.pi * x) - 4 * np.pi * x * np.sin(np.pi * x)  # of x² cos πx
        of_N = 1 - x**2 + 2 * DIFFUSION * t
        return np.stack(
            [of_N, 4 * DIFFUSION * t * x, q, -DIFFUSION * q, -DIFFUSION * bent, p, q, np.full(len(X), self.kappa)], -1
        )

    def residual(self, u, X):
        along_t = np.broadcast_to(np.array([0.0, 1.0]), X.shape)
        value, slope = dg.jvp(u, (X,), (along_t,))
        return (
            slope
            - dg.second_order(u, X, np.array([[DIFFUSION**0.5], [0.0]]), axis=-1)
            - self.kappa * (value - value**3)
        )

    def grid(self, count=61, cells=400, steps=2000):
        """Central differences in x and the Runge-Kutta method of fourth order in t, and their solution on a grid."""
        x, h = np.linspace(-1, 1, cells + 1), 1 / steps
        u = x**2 * np.cos(np.pi * x)

        def slope(u):
            d = np.zeros_like(u)
            d[1:-1] = DIFFUSION * (u[2:] - 2 * u[1:-1] + u[:-2]) * (cells / 2) ** 2 + self.kappa * (u - u**3)[1:-1]
            return d

        kept, every = [u], steps // (count - 1)
        for step in range(1, steps + 1):
            k1 = slope(u)
            k2 = slope(u + h / 2 * k1)
            k3 = slope(u + h / 2 * k2)
            u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(u + h * k3))
            if step % every == 0:
                kept.append(u)
        side, times = np.linspace(-1, 1, count), np.arange(len(kept)) * every * h
        values = np.stack([np.interp(side, x, row) for row in kept], -1)
        return np.stack(np.meshgrid(side, times, indexing="ij"), -1), values
