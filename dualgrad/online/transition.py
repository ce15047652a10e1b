"""How one step of a cell carries tangents and cotangents: J = ∂s'/∂s and D = ∂s'/∂θ from its `Factors`.

With z = x Wx + a(s) Wh + b for every gate and s' = φ(z, s), both unit by unit:
J v = Σ_gates ∂φ/∂z (a' v) Wh + ∂φ/∂s v, and D is an outer product for each block of parameters, ∂φ/∂z times its input.
"""

import functools

import numpy as np

from ..backend import like as on_device
from ..scratch import empty_like
from ..vectors import identity


class CellTransition:
    """One step of one cell of a network; the other cells' states pass through. Vectors may have leading axes.

    ``rows`` are its entries of the network's state, ``own`` its entries of the network's parameters; ``below`` is the
    transition of the cell that feeds it.
    """

    reach_is_known = True  # whether `structure` is that of every step

    def __init__(self, cell, p, factors, rows, own, size, below):
        self.cell, self.p, self.factors, self.rows, self.own, self.size, self.below = (
            cell, p, factors, rows, own, size, below,
        )  # fmt: skip
        self.gates, self.single = cell.gates, size == rows.stop - rows.start
        self.state = factors.state if len(factors.state) > 1 else factors.state[0]

    def units(self, v):
        """A vector of this cell's entries as ``(..., B, parts, n)``."""
        n = self.cell.hidden_size
        return v.reshape((*v.shape[:-1], -1, self.cell.parts, n))

    # ------------------------------------------------------------------ forwards

    def push(self, v):
        """J v."""
        f, local = self.factors, self.units(v[..., self.rows])
        seen = local[..., 0, :] if f.slope is None else local[..., 0, :] * f.slope
        moved = _gated(f.gains, _matmul_flat(seen, self.p["weight_h"]), self.gates) + _times_diagonal(f.keep, local)
        if self.below is not None:
            dx = self.below.output_tangent(v[..., self.below.rows])
            moved = moved + _gated(f.gains_x, _matmul_flat(dx, self.p["weight_x"]), self.gates)
        return self._placed(v, moved)

    def tangent(self, v, w):
        """J v + D w, for a direction w in the cell's own parameters."""
        after, moved = self.push(v), 0
        for (value, gains), place in self._blocks():
            dz = value @ w[..., place].reshape((*w.shape[:-1], value.shape[-1], -1))
            moved = moved + _gated(gains, dz, gains.shape[-1] // self.cell.hidden_size)
        after[..., self.rows] += moved.reshape((*moved.shape[:-3], -1))
        return after

    def output(self):
        """What the next layer sees."""
        return self.cell.output(self.state)

    def output_tangent(self, v):
        """The tangent of what the next layer sees."""
        d = self.units(v)
        parts = (d[..., 0, :], d[..., 1, :]) if self.cell.parts > 1 else d[..., 0, :]
        return self.cell.output_tangent(self.state, parts)

    def _placed(self, v, moved):
        moved = moved.reshape((*v.shape[:-1], -1))
        if self.single:
            return moved
        after = v.copy()
        after[..., self.rows] = moved
        return after

    # ------------------------------------------------------------------ backwards

    def pull(self, u):
        """u J, for one cotangent or several."""
        f, local = self.factors, self.units(u[..., self.rows])
        ds = np.einsum("...bkn,bkln->...bln", local, f.keep)
        seen = _matmul_flat(_ungated(f.gains, local, self.gates), self.p["weight_h"].T)
        ds[..., 0, :] += seen if f.slope is None else seen * f.slope
        before = self._placed(u, ds)
        if self.below is not None:
            dx = _matmul_flat(_ungated(f.gains_x, local, self.gates), self.p["weight_x"].T)
            before[..., self.below.rows] += self.below.output_cotangent(dx)
        return before

    def output_cotangent(self, dy):
        """The cotangent of the cell's new state, from one of what the next layer sees."""
        d = self.cell.output_vjp(self.state, dy)
        d = d[0] if isinstance(d, tuple) else d
        ds = np.zeros_like(d, shape=(*d.shape[:-1], self.cell.parts, d.shape[-1]))
        ds[..., 0, :] = d
        return ds.reshape((*d.shape[:-2], -1))

    def pull_params(self, u):
        """u D in the cell's own parameters, for cotangents u of the cell's own entries."""
        local, parts = self.units(u), []
        dz = made_of = None
        for value, gains in self.factors.blocks:
            if gains is not made_of:
                dz, made_of = _ungated(gains, local, gains.shape[-1] // self.cell.hidden_size), gains
            parts.append((value.T @ dz).reshape((*u.shape[:-1], -1)))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def _blocks(self):
        """The blocks of the cell's parameters, and where each stands among its own."""
        start = 0
        for value, gains in self.factors.blocks:
            stop = start + value.shape[-1] * gains.shape[-1]
            yield (value, gains), slice(start, stop)
            start = stop

    # ------------------------------------------------------------------ matrices

    def norms(self, blocks=None):
        """‖D_i‖ of its own entries, ``(rows,)``; over blocks of its own parameters ``(K, own)``, ``(K, rows)``."""
        total = 0
        for (value, gains), place in self._blocks():
            squares, gates = np.square(gains, dtype=np.float64), gains.shape[-1] // self.cell.hidden_size
            inputs = np.square(value, dtype=np.float64)
            if blocks is None:
                weights = inputs.sum(-1)[:, None, None]
            else:
                inside = blocks[:, place].reshape((len(blocks), value.shape[-1], -1))
                weights = (inputs @ inside)[:, :, None, :]
            each = squares * weights
            total = total + (each if gates == 1 else _by_gate(each, gates).sum(-2))
        return np.sqrt(total.reshape((*total.shape[:-3], -1))).astype(self.factors.gains.dtype)

    def jacobians(self):
        """J of the cell's own entries for every stream, ``(B, parts n, parts n)``; and with respect to the parts of the
        cell below, or None."""
        f, n = self.factors, self.cell.hidden_size
        batch, parts = f.gains.shape[:2]
        J = np.zeros_like(f.gains, shape=(batch, parts, n, parts, n))
        own = _by_gate(f.gains, self.gates)
        through = np.einsum("bkgi,jgi->bkij", own, self.p["weight_h"].reshape(n, self.gates, n))
        J[:, :, :, 0, :] = through if f.slope is None else through * f.slope[:, None, None]
        np.einsum("bkili->bkli", J)[...] += f.keep
        if self.below is None:
            return J.reshape(batch, parts * n, parts * n), None
        weight = self.p["weight_x"].reshape(-1, self.gates, n)
        across = np.einsum("bkgi,jgi->bkij", _by_gate(f.gains_x, self.gates), weight)
        size = self.below.cell.parts * self.below.cell.hidden_size
        seen = self.below.output_tangent(identity(batch * size, J))
        slopes = np.stack([seen.reshape(batch, size, batch, -1)[b, :, b] for b in range(batch)])
        return J.reshape(batch, parts * n, parts * n), across.reshape(batch, parts * n, -1) @ np.swapaxes(slopes, 1, 2)

    def jacobian(self):
        """J, ``(N, N)``."""
        return self.push(identity(self.size, self.factors.gains)).T

    def structure(self):
        """This transition with a 1 for every derivative that can be other than zero."""
        f, ones = self.factors, np.ones_like
        blocks = [(ones(value), ones(gains)) for value, gains in f.blocks]
        factors = f._replace(blocks=blocks, gains=ones(f.gains), gains_x=ones(f.gains_x), slope=None, keep=ones(f.keep))
        below = None if self.below is None else self.below.structure()
        p = {name: ones(a) for name, a in self.p.items()}
        return CellTransition(self.cell, p, factors, self.rows, self.own, self.size, below)

    def unit_jacobians(self):
        """J between the parts of one unit, ``(B, parts, parts, n)``."""
        f, n = self.factors, self.cell.hidden_size
        own = np.einsum("jgj->gj", self.p["weight_h"].reshape(n, self.gates, n))  # each unit's weights to itself
        through = np.sum(_by_gate(f.gains, self.gates) * own, axis=-2)
        J = f.keep.copy()
        J[:, :, 0] += through if f.slope is None else through * f.slope[:, None]
        return J

    def spread(self, gains):
        """E = ∂s'/∂z as one tangent of the network's state for each pre-activation, ``(g n, N)``."""
        n, (batch, parts, width) = self.cell.hidden_size, gains.shape
        E = np.zeros_like(gains, shape=(width, self.size))
        local = E[:, self.rows].reshape(width // n, n, batch, parts, n)
        np.einsum("gibki->gbki", local)[...] = np.moveaxis(_by_gate(gains, width // n), -2, 0)
        if not np.shares_memory(local, E):
            E[:, self.rows] = local.reshape(width, -1)
        return E

    def propagate(self, G):
        """J G + D for an influence matrix G ``(N, p)``."""
        J, across = self.jacobians()
        upto = self.own.stop  # nothing that comes later has moved this cell's state
        batch, size = J.shape[:2]
        after = empty_like(G)
        if not self.single:
            after[...] = G
        local = after[self.rows].reshape(batch, size, -1)[..., :upto]
        np.matmul(J, G[self.rows].reshape(batch, size, -1)[..., :upto], out=local)
        if across is not None:
            local += across @ G[self.below.rows].reshape(batch, across.shape[-1], -1)[..., :upto]
        if not self.single:
            after[self.rows, upto:] = 0
        self._add_influence(after[self.rows])
        return after

    def _add_influence(self, G):
        """G + D, in place, for the rows G of this cell."""
        n, start = self.cell.hidden_size, self.own.start
        for (value, gains), place in self._blocks():
            terms = _by_gate(gains, gains.shape[-1] // n)[:, :, None] * value[:, None, :, None, None]
            rows, columns = (on_device(index, G) for index in _unit_entries(*terms.shape))
            G[rows, columns + (start + place.start)] += terms

    def influence(self):
        """D in the cell's own entries and parameters, ``(rows, own)``."""
        return self.pull_params(identity(self.rows.stop - self.rows.start, self.factors.gains))


# ---------------------------------------------------------------------- unit by unit


@functools.lru_cache
def _unit_entries(batch, parts, m, gates, n):
    """The rows and columns of D where a unit meets its own parameters, for all of (B, parts, m, gates, n)."""
    b, k, j, g, i = np.ogrid[:batch, :parts, :m, :gates, :n]
    return (b * parts + k) * n + i, (j * gates + g) * n + i


def _by_gate(a, gates):
    """``(..., gates n)`` as ``(..., gates, n)``."""
    return a.reshape((*a.shape[:-1], gates, -1))


def _matmul_flat(rows, matrix):
    """Rows ``(..., n)`` times a matrix, as one product."""
    return (rows.reshape(-1, rows.shape[-1]) @ matrix).reshape((*rows.shape[:-1], matrix.shape[-1]))


def _gated(gains, dz, gates):
    """Σ_gates ∂φ/∂z dz: tangents ``(..., B, gates n)`` of pre-activations to those of states ``(..., B, parts, n)``."""
    each = gains * dz[..., None, :]
    return each if gates == 1 else _by_gate(each, gates).sum(-2)


def _ungated(gains, ds, gates):
    """The transpose: cotangents ``(..., B, parts, n)`` of states to those of pre-activations ``(..., B, gates n)``."""
    ds = ds if gates == 1 else ds[..., None, :]
    each = gains * ds if gates == 1 else (_by_gate(gains, gates) * ds).reshape((*ds.shape[:-2], -1))
    return each[..., 0, :] if each.shape[-2] == 1 else each.sum(-2)


def _times_diagonal(keep, ds):
    """∂φ/∂s ds, unit by unit."""
    if keep.shape[1] == 1:
        return keep[:, 0] * ds
    return np.einsum("bkln,...bln->...bkn", keep, ds)
