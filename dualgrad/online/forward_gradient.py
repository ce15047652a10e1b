"""The forward gradient of a stream: directions fixed for an episode, their tangents carried along."""

from typing import Any, Literal

from ..backend import Array
from ..directions.base import DirectionSampler, drawn, require_real
from ..directions.rows import Rows
from ..estimators.forward_gradient import ForwardGradient
from ..estimators.state import Names
from ..layout import ravel
from ..vectors import in_kind
from .learner import OnlineEstimator


class OnlineForwardGradient(OnlineEstimator):
    """ĝ = (1/n) Σ_k (∂ℓ/∂s ṡ_k + ∂ℓ/∂θ u_k) u_k with ṡ_k ← J ṡ_k + D u_k (Silver et al. 2022, DODGE, section 3).

    Parameters
    ----------
    directions : an instance from `dualgrad.directions`
        Drawn at the start of every episode, and fixed for it.
    n : int
        How many, all carried at once.
    combine : "mean", "sum" or "project"
        As in `dualgrad.estimators.ForwardGradient`: with as many `dualgrad.directions.Blocks` of signs as parameters,
        the sum is `RTRL`.

    Notes
    -----
    Cost: one forward pass, and two for each direction. Memory: n (N + p) numbers.
    Bias: none over the draws of directions (DODGE's own, `dualgrad.directions.Along` a candidate, has the bias of its
    candidate); but within an episode the estimates do not leave the span of its directions, so that many short
    episodes serve better than a long one. Variance: that of the forward gradient.
    When: few parameters, or a good candidate; a step with a forward derivative alone.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> leak = dg.online.System(lambda s, x, w: 0.5 * s + w, lambda s, y, w: np.sum(s), np.zeros(1))
    >>> dodge = dg.online.OnlineForwardGradient(dg.directions.Rademacher()).start(leak, np.ones(1), rng=0)
    >>> [dodge.step(None, None).gradient.item() for _ in range(3)]
    [1.0, 1.5, 1.75]
    """

    draws: bool = True
    named: Names = ("directions", "n")
    combined: ForwardGradient
    directions: DirectionSampler
    n: int
    combine: Literal["mean", "sum", "project"]

    def __init__(
        self, directions: DirectionSampler, n: int = 1, combine: Literal["mean", "sum", "project"] = "mean"
    ) -> None:
        self.combined = ForwardGradient(directions, n, combine)
        self.directions, self.n, self.combine = directions, self.combined.n, combine

    def init_memory(self) -> Any:
        w, layout = ravel(self.params)
        V = drawn(self.directions, self.rng, self.n, layout, require_real(w))
        u = self.dynamics.rows(layout.tree(V.dense()), self.n)
        return {"u": u, "ds": self.dynamics.zeros((self.n, self.dynamics.size))}

    def propagate(self, memory: Any, transitions: list[Any]) -> Any:
        u, ds = memory["u"], memory["ds"]
        for T in transitions:
            ds = T.tangent(ds, u[:, T.own])
        return {"u": u, "ds": ds}

    def gradient(self, memory: Any, cotangent: Any, transition: Any) -> tuple[Array, Any]:
        slopes, u = cotangent.along(memory["ds"], memory["u"]), memory["u"]
        w, layout = ravel(self.params)
        if layout == self.dynamics.thetas:
            return in_kind(self.combined.combined(slopes, Rows(u), layout, w), w), slopes
        V = Rows(layout.rows(self.dynamics.gradient(u, self.params), self.n))  # in the order of the parameters
        found = in_kind(self.combined.combined(slopes, V, layout, w), w)
        return self.dynamics.entries(layout.tree(found)), slopes

    def cost(self) -> float:
        return 1.0 + 2.0 * self.n
