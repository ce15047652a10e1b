"""ForwardJacobian: the exact gradient by one-hot directions, chunk by chunk."""

from typing import Any, Literal

from ..checks import positive_count
from ..transforms import value_and_grad
from .estimator import Estimated, Exact
from .point import Point


class ForwardJacobian(Exact):
    """ĝ = Σ_i (g·e_i) e_i = g: the exact gradient of any function, without a backward pass.

    Parameters
    ----------
    chunk : int or "auto", optional
        How many directions to push in one pass (128 by default); memory grows with it.
        "auto" as in `dualgrad.jacfwd`.

    Notes
    -----
    Cost: a forward pass for every chunk of every leaf, and two for each of p parameters, of complex ones four. Memory:
    ``chunk`` tangents of the values in use.
    Bias: none. Variance: none.
    When: as the yardstick where the objective is no bound network, and for small p.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.estimators.ForwardJacobian().estimate(lambda w: np.sum(w**3), np.array([1.0, 2.0])).gradient
    array([ 3., 12.])
    """

    chunk: int | Literal["auto"] | None

    def __init__(self, chunk: int | Literal["auto"] | None = None) -> None:
        expected = 'a positive number of directions, "auto" or None'
        self.chunk = chunk if chunk is None or chunk == "auto" else positive_count("chunk", chunk, expected)

    def estimated(self, at: Point, rng: Any) -> Estimated:
        passes = []

        def counted(params):
            passes.append(1)
            return at.objective(params)

        value, gradient = value_and_grad(counted, chunk=self.chunk)(at.params)
        directions = sum(2 if kind.kind == "c" else 1 for kind in at.layout.dtype_of_entries(at.vector))
        return value, at.layout.vector(gradient), None, float(len(passes) + 2 * directions)
