"""SnAp: the influence matrix, where a parameter can reach within a few steps."""

from typing import Any

import numpy as np

from ..backend import Array
from ..checks import positive_count
from .learner import OnlineEstimator


class SnAp(OnlineEstimator):
    """G̃ ← (J G̃ + D) on the entries that a parameter reaches within n steps, and 0 elsewhere (Menick et al. 2021).

    Parameters
    ----------
    n : int
        In steps. n = 1 keeps what a parameter does to its own unit; in a dense recurrent layer n = 2 is `RTRL`.

    Notes
    -----
    Cost: for one cell and n = 1, two forward passes, for of J only its diagonal is needed; else that of `RTRL`.
    Where it reaches is known for cells of dualgrad, and found by `sparsity` for a step of one's own: for all values at
    the first step, or, where the step asks for values, at every one.
    Memory: for one cell and n = 1, p numbers (an LSTM's 2 p) for every stream; else N p.
    Bias: what goes through other units. Variance: none.
    When: a cheap gradient without noise; as a candidate of `dualgrad.estimators.Dodge`.

    Raises
    ------
    ValueError
        For an n that is not a positive whole number.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> network = dg.online.Network(dg.nn.RNNCell(2, 3), dg.nn.Linear(3, 2), dg.nn.cross_entropy)
    >>> learner = dg.online.SnAp().start(network, network.init(rng=0))
    >>> learner.step(np.ones(2, np.float32), 1).value.dtype
    dtype('float32')
    """

    n: int

    def __init__(self, n: int = 1) -> None:
        self.n = positive_count("n", n, "a positive number of steps")

    def __repr__(self) -> str:
        return f"SnAp({self.n})"

    @property
    def _by_units(self):
        return self.n == 1 and len(getattr(self.system, "cells", ())) == 1

    def init_memory(self) -> Any:
        if self._by_units:
            return self._units_init()
        shape = self.dynamics.size, self.dynamics.recurrent.stop
        n = shape[0]
        return {"G": self.dynamics.zeros(shape), "D": np.zeros(shape, bool), "J": np.zeros((n, n), bool)}

    def propagate(self, memory: Any, transitions: list[Any]) -> Any:
        if self._by_units:
            return self._units_propagate(memory, *transitions)
        G = memory["G"]
        for T in transitions:
            G = T.propagate(G)
        D, J = self._structure(memory, transitions)
        return {"G": np.where(_reached(D, J, self.n), G, 0), "D": D, "J": J}

    def _structure(self, memory, transitions):
        """Where D and J have been other than zero, by the structure of a cell or of a step of one's own."""
        D, J = memory["D"], memory["J"]
        if D.any() and all(getattr(T, "reach_is_known", False) for T in transitions):
            return D, J
        now, push = np.zeros(D.shape), np.eye(len(J))
        for T in (T.structure() if hasattr(T, "structure") else T for T in transitions):
            now, push = T.propagate(now), T.push(push)
        return D | (now != 0), J | (push.T != 0)

    def influence(self, memory: Any, H: Array, transition: Any) -> Array:
        return self._units_influence(memory, H, transition) if self._by_units else H @ memory["G"]

    # ------------------------------------------------------------------ one cell, n = 1, unit by unit

    def _units_init(self):
        """For every block (m, g n), its influence on the parts of its own unit, ``(B, parts, m, g, n)``."""
        cell, streams = self.system.cells[0], self.system.streams or 1
        return [
            self.dynamics.zeros((streams, cell.parts, m, width // cell.hidden_size, cell.hidden_size))
            for m, width, _ in cell.blocks()
        ]

    def _units_propagate(self, memory, T):
        diagonal, n, after = T.unit_jacobians(), T.cell.hidden_size, []
        for M, (v, gains) in zip(memory, T.factors.blocks, strict=True):
            E = gains.reshape(*gains.shape[:2], 1, -1, n)
            carried = np.einsum("bkln,blmgn->bkmgn", diagonal, M)
            after.append(carried + E * v[:, None, :, None, None])
        return after

    def _units_influence(self, memory, H, T):
        seen = T.units(H)
        return np.concatenate([np.einsum("bkn,bkmgn->mgn", seen, M).reshape(-1) for M in memory])

    def cost(self) -> float:
        if self._by_units:
            return 2.0
        return 1.0 + (1 if hasattr(self.system, "cells") else 2) * self.units**2


def _reached(D, J, n):
    """Where D, J D, ..., J^(n-1) D can be other than zero."""
    reached = D
    for _ in range(n - 1):
        reached = D | (J.astype(float) @ reached.astype(float) > 0)
    return reached
