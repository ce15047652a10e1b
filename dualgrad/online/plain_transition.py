"""PlainTransition: the step of a cell in which a unit is one number, without axes for streams, parts and gates."""

import numpy as np

from ..scratch import empty_like
from .transition import CellTransition


def is_plain_step(cell, factors, rows, size):
    """Whether one stream of one cell, of one gate and one part, with one block of parameters, is all there is."""
    alone = size == cell.hidden_size == rows.stop - rows.start and len(factors.blocks) == 1
    return alone and cell.gates == cell.parts == 1 and factors.gains.__class__ is np.ndarray


class PlainTransition(CellTransition):
    """s' = φ(x Wx + a(s) Wh + b, s) unit by unit: J = Diag(g) Whᵀ Diag(a') + Diag(k) and D = g ⊗ (x, a, 1), where
    g = ∂φ/∂z and k = ∂φ/∂s. The same numbers as of `CellTransition`, in half the time where the network is small.
    """

    def __init__(self, cell, p, factors, rows, own, size, below):
        super().__init__(cell, p, factors, rows, own, size, below)
        ((self.value, gains),) = factors.blocks  # (1, m)
        self.gains, self.own_gains, self.keep = factors.gains[0, 0], gains[0, 0], factors.keep[0, 0, 0]
        self.slope = None if factors.slope is None else factors.slope[0]

    def push(self, v):
        seen = v if self.slope is None else v * self.slope
        moved = _rows_times(seen, self.p["weight_h"])
        moved *= self.gains
        moved += self.keep * v
        return moved

    def pull(self, u):
        seen = _rows_times(self.gains * u, self.p["weight_h"].T)
        if self.slope is not None:
            seen *= self.slope
        seen += self.keep * u
        return seen

    def pull_params(self, u):
        dz = self.own_gains * u
        return (self.value.T * dz[..., None, :]).reshape((*u.shape[:-1], -1))

    def norms(self, blocks=None):
        if blocks is not None:
            return super().norms(blocks)
        squares = np.square(self.own_gains, dtype=np.float64)
        squares *= np.square(self.value, dtype=np.float64).sum()
        return np.sqrt(squares, out=squares).astype(self.gains.dtype, copy=False)

    def spread(self, gains):
        E = np.zeros_like(gains, shape=(self.size, self.size))
        E.reshape(-1)[:: self.size + 1] = gains[0, 0]
        return E

    def propagate(self, G):
        n = self.size
        J = np.multiply(self.p["weight_h"].T, self.gains[:, None], order="C")
        if self.slope is not None:
            J *= self.slope
        J.reshape(-1)[:: n + 1] += self.keep
        after = np.matmul(J, G, out=empty_like(G))
        by_unit = np.einsum("iji->ij", after.reshape(n, -1, n))
        by_unit += self.own_gains[:, None] * self.value
        return after


def _rows_times(rows, matrix):
    """Rows, or one, times a matrix, in an array of their own."""
    return rows @ matrix if rows.ndim == 2 else (rows[None] @ matrix)[0]
