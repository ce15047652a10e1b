"""KF-RTRL: the influence matrix as a Kronecker product."""

from typing import Any, Self

import numpy as np

from ..backend import Array
from ..errors import DualgradError
from ..random import RngLike
from ..tree import Tree
from .learner import OnlineEstimator
from .rank_one import balance, row_norms
from .system import DynamicalSystem


class KroneckerRTRL(OnlineEstimator):
    """G̃ = u ⊗ A, E G̃ = G: u ← c1 ρ1 u + c2 ρ2 v, A ← c1 J A/ρ1 + c2 E/ρ2, with signs c (Mujika et al. 2018).

    A cell's D is itself a Kronecker product v ⊗ E of its input v = (x, a(s), 1) and of E = ∂s'/∂z, so that the rank-one
    trick has two terms only: ρ1 = √(‖J A‖/‖u‖), ρ2 = √(‖E‖/‖v‖).

    Notes
    -----
    For a `Network`; one such product per block of parameters that share their input (one in most cells, in a GRU two,
    and its biases exactly) and per stream.
    Cost: the product J A, about n forward passes a step for n units. Memory: n² numbers for n units, and p/n.
    Bias: none. Variance: 2 (‖u‖‖v‖‖J A‖‖E‖ + ⟨u, v⟩⟨J A, E⟩) a step, far below rank one's.
    When: the units are few enough for n³ and the noise of `NoBackTrack` hurts.

    Raises
    ------
    DualgradError
        At `start`, for a system that is no `Network`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> network = dg.online.Network(dg.nn.RNNCell(2, 3), dg.nn.Linear(3, 2), dg.nn.cross_entropy)
    >>> learner = dg.online.KroneckerRTRL().start(network, network.init(rng=0), rng=1)
    >>> learner.step(np.ones(2, np.float32), 1).gradient
    Params(0.weight_x: (2, 3), 0.weight_h: (3, 3), 0.bias: (3,), 1.weight: (3, 2), 1.bias: (2,); 26 entries)
    """

    draws: bool = True

    def start(self, system: DynamicalSystem, params: Tree, *, rng: RngLike = None) -> Self:
        """Begin an episode; see `OnlineEstimator.start`."""
        if not hasattr(system, "cells"):
            raise DualgradError(
                f"{self!r} needs the Kronecker factors of a Network of cells; got {system!r}: take NoBackTrack or UORO"
            )
        return super().start(system, params, rng=rng)

    def init_memory(self) -> Any:
        """For every block (m, g n): u ``(B, m)``, and A as g n tangents of the whole state ``(g n, N)``."""
        dynamics, memory = self.dynamics, []
        streams = self.system.streams or 1
        for cell in self.system.cells:
            for m, width, _ in cell.blocks():
                memory.append({"u": dynamics.zeros((streams, m)), "A": dynamics.zeros((width, dynamics.size))})
        return memory

    def propagate(self, memory: Any, transitions: list[Any]) -> Any:
        at = 0
        for T in transitions:
            memory = [block | {"A": T.push(block["A"])} for block in memory]
            for (v, gains), (_, _, varies) in zip(T.factors.blocks, T.cell.blocks(), strict=True):
                memory[at] = (self._reduced if varies else _summed)(memory[at], T.spread(gains), v)
                at += 1
        return memory

    def _reduced(self, block, E, v):
        """u ⊗ A + v ⊗ E, reduced to one product for every stream."""
        u, A = block["u"], block["A"]
        streams = self.dynamics.streams_of  # of every entry of the state
        (rho1, inverse1), (rho2, inverse2) = (
            balance(row_norms(u), _norm_by(streams, A)),
            balance(row_norms(v), _norm_by(streams, E)),
        )
        c1, c2 = self.rng.signs((2, len(u)), dtype=u.dtype, like=u)
        u = (c1 * rho1)[:, None] * u + (c2 * rho2)[:, None] * v
        return {"u": u, "A": ((c1 * inverse1) @ streams) * A + ((c2 * inverse2) @ streams) * E}

    def influence(self, memory: Any, H: Array, transition: Any) -> Array:
        streams = self.dynamics.streams_of
        parts = [((streams * H) @ block["A"].T).T @ block["u"] for block in memory]  # (g n, m)
        return np.concatenate([part.T.reshape(-1) for part in parts])

    def cost(self) -> float:
        return 1.0 + self.units


def _summed(block, E, v):
    """v ⊗ A + v ⊗ E for an input v that is always the same, 1: a product already."""
    return {"u": v, "A": block["A"] + E}


def _norm_by(streams, A):
    """‖A‖ of the tangents of each stream's entries."""
    return np.sqrt(streams @ np.sum(np.square(A, dtype=np.float64), axis=0)).astype(A.dtype)
