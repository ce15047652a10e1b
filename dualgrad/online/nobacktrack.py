"""NoBackTrack: the influence matrix as one outer product, of the right mean."""

from typing import Any, Literal

import numpy as np

from ..backend import Array
from ..backend import like as on_device
from ..checks import flag, positive_count
from ..errors import LayoutError
from ..params import Params
from .learner import OnlineEstimator
from .rank_one import balance, balance_with_ones, row_norms


class NoBackTrack(OnlineEstimator):
    """G̃ = v̄ w̄ᵀ + Σ_i e_i D_i, E G̃ = G: real-time recurrent learning at rank one (Ollivier et al. 2015, Algorithm 1).

    After each step, with signs ε_i, ρ̄ = √(‖w̄‖/‖v̄‖) and ρ_i = √‖D_i‖, where D_i is the i-th row of D = ∂s'/∂θ:
    v̄ ← ρ̄ v̄ + Σ ε_i ρ_i e_i, w̄ ← w̄/ρ̄ + Σ ε_i D_i/ρ_i (eqs. 13, 14); then v̄ ← J v̄ (eq. 16). The gradient is
    (H v̄) w̄ + Σ H_i D_i (eq. 12), beside the exact one of the readout (eq. 10).

    Parameters
    ----------
    rank : int
        K such terms v̄_k w̄_k instead of one (section 1.4).
    split : bool
        The K terms share out the parameters, units at random (parameters, of a System), instead of being averaged: as
        little memory as rank one. In a network both divide the variance of a reduction by about K.
    rescale : bool
        False leaves the norms as they are, ρ = 1: for comparison, the variance then grows without end (eqs. 29, 30).
    noise : "signs" or "gaussian"
        The Gaussian trick G = E ξ (ξᵀ G) of footnote 7, for comparison.
    metric : KalmanQDOP, optional
        Norms of w by the inverse of its matrix, ‖w‖² = wᵀ J⁻¹ w, and of v by Diag(G̃ J⁻¹ G̃ᵀ)⁻¹ averaged over time and
        kept from zero (Appendix B). Costs N times as much; literal norms without average and floor can run away.

    Notes
    -----
    Stacks of cells are reduced at each in turn (eqs. 39 to 46). The last step is exact, earlier ones are by the trick.
    Cost: two forward passes, and two for each term. Memory: K (N + p) numbers, split K N + p. For a `System` without a
    vjp D takes one forward direction per parameter, and N p numbers.
    Bias: none. Variance: that of the trick (`rank_one_variance`) at every step, forgotten as J forgets.
    When: long dependencies in streams whose past cannot be kept, with a `dualgrad.optim.KalmanQDOP` or a small rate.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> leak = dg.online.System(lambda s, x, w: 0.5 * s + w, lambda s, y, w: np.sum(s), np.zeros(1))
    >>> learner = dg.online.NoBackTrack().start(leak, np.ones(1), rng=0)
    >>> [learner.step(None, None).gradient.item() for _ in range(2)]  # the first step is exact: ds/dw = 1, then 3/2
    [1.0, 1.5]
    """

    draws: bool = True
    rank: int
    split: bool
    rescale: bool
    noise: Literal["signs", "gaussian"]
    metric: Any

    def __init__(
        self,
        rank: int = 1,
        *,
        split: bool = False,
        rescale: bool = True,
        noise: Literal["signs", "gaussian"] = "signs",
        metric: Any = None,
    ) -> None:
        self.rank = positive_count("rank", rank, "a positive number of terms")
        self.split, self.rescale = flag("split", split), flag("rescale", rescale)
        if not isinstance(noise, str) or noise not in ("signs", "gaussian"):
            raise ValueError(f"got noise={noise!r}; expected 'signs' or 'gaussian'")
        if noise == "gaussian" and (split or metric is not None or not rescale):
            raise ValueError("the Gaussian trick has no terms to split or to rescale: give it a rank alone")
        if metric is not None and (split or not rescale or not hasattr(metric, "norms")):
            raise ValueError(f"got metric={metric!r}; expected an optim.KalmanQDOP, with rescale=True and split=False")
        self.noise, self.metric = noise, metric

    def __repr__(self) -> str:
        said = {"split": self.split, "rescale": self.rescale, "noise": self.noise}
        usual = {"split": False, "rescale": True, "noise": "signs"}
        said = [f"{k}={v!r}" for k, v in said.items() if v != usual[k]]
        said += [f"metric={self.metric!r}"] if self.metric is not None else []
        return f"NoBackTrack({', '.join([str(self.rank), *said])})"

    def init_memory(self) -> Any:
        n, p, zeros = self.dynamics.size, self.dynamics.recurrent.stop, self.dynamics.zeros
        memory = {"v": zeros((self.rank, n)), "w": zeros(p if self.split else (self.rank, p))}
        if self.split:
            owners = self.dynamics.owners
            order = self.rng.permutation(int(owners.max()) + 1)
            memory["block"] = on_device((order % self.rank)[owners], memory["w"])
        if self.metric is not None:
            if not isinstance(self.params, Params):
                raise LayoutError(f"{self!r} measures by a filter's matrix of Params; got {type(self.params).__name__}")
            memory["spread"] = zeros(n)
        return memory

    def propagate(self, memory: Any, transitions: list[Any]) -> Any:
        for before, T in zip([None, *transitions], transitions, strict=False):
            if before is not None:
                memory = self.reduce(memory, before)
            memory = memory | {"v": T.push(memory["v"])}
        return memory

    def influence(self, memory: Any, H: Array, T: Any) -> Array:
        """(H v̄) w̄ + H D."""
        v, w = memory["v"], memory["w"]
        slopes = H @ v.T
        past = slopes[..., memory["block"]] * w if self.split else slopes @ w / self.rank
        past[..., T.own] += T.pull_params(H[..., T.rows])
        return past

    def reduce(self, memory: Any, T: Any) -> Any:
        """v̄ w̄ᵀ + Σ e_i D_i, reduced to one outer product."""
        if self.noise == "gaussian":
            return self._gaussian(memory, T)
        memory = memory | self._spread(memory, T)
        v, w, K = memory["v"], memory["w"], self.rank
        (rho, inverse), (rho_i, inverse_i) = self._scales(memory, T)
        signs = self.rng.signs((K, v[:, T.rows].shape[1]), dtype=v.dtype, like=v)
        v = rho[:, None] * v
        v[:, T.rows] += signs * rho_i
        new = T.pull_params(signs * inverse_i)
        if self.split:
            block = memory["block"]
            w = inverse[block] * w
            w[T.own] += np.take_along_axis(new, block[None, T.own], axis=0)[0]
        else:
            w = inverse[:, None] * w
            w[:, T.own] += new
        return memory | {"v": v, "w": w}

    def cost(self) -> float:
        return 2.0 + 2.0 * self.rank

    # ------------------------------------------------------------------ norms

    def _scales(self, memory, T):
        """ρ̄ and 1/ρ̄, ``(K,)``; ρ_i and 1/ρ_i, ``(rows,)`` or ``(K, rows)``."""
        v, w = memory["v"], memory["w"]
        if not self.rescale:
            ones = np.ones_like(v)
            return (ones[:, 0], ones[:, 0]), (ones[0, T.rows], ones[0, T.rows])
        if self.metric is not None:
            return self._invariant_scales(memory, T)
        if self.split:
            inside = _block_masks(memory["block"], self.rank, w.dtype)
            w_norms, D_norms = np.sqrt(inside @ np.square(w, dtype=np.float64)), T.norms(inside[:, T.own])
            return balance(row_norms(v), w_norms.astype(w.dtype)), balance_with_ones(D_norms)
        return balance(row_norms(v), row_norms(w)), balance_with_ones(T.norms())

    def _invariant_scales(self, memory, T):
        """Those of Appendix B (eqs. 63, 64)."""
        v, w, spread = memory["v"], memory["w"], memory["spread"]
        deviation = np.sqrt(np.maximum(spread, _FLOOR * np.mean(spread) + np.finfo(spread.dtype).tiny))
        return (
            balance(row_norms(v / deviation), self.metric.norms(self._padded(w), self.params)),
            balance(1 / deviation[T.rows], self.metric.norms(self._own_rows(T, w), self.params)),
        )

    def _spread(self, memory, T):
        """Diag(G̃ J⁻¹ G̃ᵀ), averaged over time (eq. 62)."""
        if self.metric is None:
            return {}
        v, w = memory["v"], memory["w"]
        rows = v.T @ w / self.rank
        rows[T.rows] += self._own_rows(T, w)[:, : w.shape[1]]
        now, before = np.square(self.metric.norms(self._padded(rows), self.params)), memory["spread"]
        return {"spread": _AVERAGE * before + (1 - _AVERAGE) * now if np.any(before) else now}

    def _own_rows(self, T, w):
        """D_i as rows over all parameters."""
        D = T.influence()
        rows = np.zeros_like(w, shape=(len(D), w.shape[1]))
        rows[:, T.own] = D
        return self._padded(rows)

    def _padded(self, rows):
        """Rows over the parameters of the cells, with zeros for those of the readout."""
        rest = self.dynamics.params_size - rows.shape[1]
        return np.concatenate([rows, np.zeros_like(rows, shape=(len(rows), rest))], axis=1) if rest else rows

    # ------------------------------------------------------------------ the Gaussian trick

    def _gaussian(self, memory, T):
        """ξ and ξᵀ(v̄ w̄ᵀ + D), with ξ normal."""
        v, w = memory["v"], memory["w"]
        xi = self.rng.normal(v.shape, dtype=v.dtype, like=v)
        w = np.sum(xi * v, axis=1)[:, None] * w
        w[:, T.own] += T.pull_params(xi[:, T.rows])
        return memory | {"v": xi, "w": w}


_AVERAGE, _FLOOR = 0.99, 1e-3  # of the invariant norms


def _block_masks(block, count, dtype):
    """Which parameters are in which block, as rows of 0 and 1."""
    return (block == np.arange(count, like=block)[:, None]).astype(dtype)
