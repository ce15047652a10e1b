"""Perturbations: what particles are moved by, normals or a direction's draws, and the parameters that come of it."""

from typing import Any

import numpy as np

from ...backend import Array
from ...directions import LowRank
from ...directions.base import Direction
from ...directions.independent import Independent
from ...directions.rows import FactorRows, pieces
from ...outer_product import OuterProduct
from ...random import Rng
from ...tree import Tree
from ...vectors import in_kind
from ..dynamics import copied
from .paired_matrix import Paired, PairedMatrix
from .shifted_matrix import ShiftedMatrix


def require_perturbations(perturbations: Any) -> Direction | None:
    """Raise unless these are normals, None, or a direction of the kinds that particles can take."""
    if perturbations is not None and not isinstance(perturbations, (LowRank, Independent)):
        raise TypeError(
            f"got perturbations={perturbations!r:.80}; expected None for normals, dg.directions.LowRank(), or a "
            "direction with independent entries, such as dg.directions.Rademacher()"
        )
    return perturbations


class DenseNoise:
    """Perturbations that are written out, as rows ``(N/2, p)``."""

    def __init__(self, direction: Independent | None, sigma: float, dynamics: Any) -> None:
        self.direction, self.sigma, self.dynamics = direction, sigma, dynamics

    def draw(self, rng: Rng, n: int) -> Array:
        """n perturbations ε."""
        dynamics = self.dynamics
        if self.direction is None:
            return self.sigma * rng.normal((n, dynamics.params_size), dtype=dynamics.dtype, like=dynamics.like)
        return self.sigma * self.direction.rows(rng, n, dynamics.thetas, dynamics.like).matrix

    def rows(self, noise: Array) -> Any:
        """n perturbations as a matrix to be multiplied with, from either side."""
        return noise

    def written(self, noise: Array) -> Array:
        """The same as an array ``(n, p)``."""
        return noise

    def moved(self, params: Tree, above: Array, below: Array) -> Any:
        """Parameters θ + ε and θ - ε as rows."""
        theta = self.dynamics.entries(params)
        return np.concatenate([theta + above, theta - below])

    def kept(self, params: Tree) -> Tree:
        """The parameters as particles keep them: these are written out, in arrays of their own."""
        return params

    def params(self, params: Tree, rows: Any, lead: bool) -> Tree:
        """The parameters of rows, along a leading axis, or of the only one."""
        return self.dynamics.at(rows if lead else rows[0], params)


class PairedNoise(DenseNoise):
    """The same for a network of particles, whose matrices are not written out, and its vectors are."""

    def moved(self, params: Tree, above: Array, below: Array) -> Any:
        return Paired(above, above if _same_rows(above, below) else below)

    def kept(self, params: Tree) -> Tree:
        return copied(params)

    def params(self, params: Tree, rows: Any, lead: bool) -> Tree:
        dynamics = self.dynamics
        if not lead:
            return dynamics.at(dynamics.entries(params) + rows[0], params)
        above = dynamics.leaves(dynamics.thetas.tree(rows.above))
        below = above if rows.below is rows.above else dynamics.leaves(dynamics.thetas.tree(rows.below))
        leaves = zip(dynamics.leaves(params), above, below, strict=True)
        return dynamics.with_leaves([_pair_at(*leaf) for leaf in leaves], params)


class FactoredNoise:
    """Perturbations σ a bᵀ of every matrix, and σ b of every vector: a row holds every σ a, b and σ b."""

    def __init__(self, direction: LowRank, sigma: float, dynamics: Any) -> None:
        self.direction, self.sigma, self.dynamics = direction, sigma, dynamics
        found = pieces(dynamics.thetas)
        self._with_sigma = np.zeros(found[-1].b.stop, bool)  # which entries of a row σ is in
        for piece in found:
            self._with_sigma[piece.b if piece.a is None else piece.a] = True

    def _times(self, rows, factor):
        return rows * in_kind(np.where(self._with_sigma, factor, 1.0), rows)

    def draw(self, rng, n):
        return self._times(self.direction.rows(rng, n, self.dynamics.thetas, self.dynamics.like).signs, self.sigma)

    def rows(self, noise):
        return FactorRows(noise, self.dynamics.thetas)

    def written(self, noise):
        return self.rows(noise).dense()

    def moved(self, params, above, below):
        """The perturbations of particles, of either sign: the parameters are not written out."""
        return self.rows(np.concatenate([above, self._times(below, -1.0)]))

    def kept(self, params):
        """A copy, in which a matrix that a program keeps stays as it was."""
        return copied(params)

    def params(self, params, rows, lead):
        """With a `ShiftedMatrix` in the place of every matrix."""
        layout = self.dynamics.thetas
        shifts = layout.leaves(rows.tree(layout, lead), lead=None)
        leaves = zip(self.dynamics.leaves(params), shifts, strict=True)
        return self.dynamics.with_leaves([_leaf_at(leaf, shift) for leaf, shift in leaves], params)


class Thetas:
    """The parameters of some particles: their rows, and the kind of perturbations that these are made of."""

    def __init__(self, kind: DenseNoise | FactoredNoise, params: Tree, rows: Any) -> None:
        self._kind, self._params, self._rows = kind, kind.kept(params), rows

    def __len__(self):
        return len(self._rows)

    def together(self) -> Tree:
        """All of them, along a leading axis."""
        return self._kind.params(self._params, self._rows, True)

    def one(self, k: int) -> Tree:
        """Those of one particle."""
        return self._kind.params(self._params, self._rows[k : k + 1], False)


def _leaf_at(leaf, shift):
    if isinstance(shift, OuterProduct):
        return ShiftedMatrix(leaf, shift) if len(shift.leaf_shape) == 2 else leaf + shift.dense()
    return leaf + shift


def _same_rows(a, b):
    """Whether two slices of one array are the same."""
    return a.shape == b.shape and a.__array_interface__["data"] == b.__array_interface__["data"]


def _pair_at(leaf, above, below):
    return PairedMatrix(leaf, Paired(above, below)) if leaf.ndim == 2 else np.concatenate([leaf + above, leaf - below])
