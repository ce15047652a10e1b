"""DODGE: the directional derivative along an averaged candidate for the gradient."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..backend import Array
from ..checks import real_number
from ..directions import Gaussian
from ..directions.rows import Rows
from ..errors import DualgradError, NonFiniteError, caution
from ..layout import Layout
from ..random import Rng
from ..vectors import all_finite, double
from .estimator import Estimated, Estimator, GradientEstimator, proposed
from .point import Point
from .state import Names


class Dodge(Estimator):
    """ĝ = (g·u) u with u = ḡ/‖ḡ‖, and ḡ ← decay ḡ + (1 - decay) g̃ the average of a candidate (Silver et al. 2022).

    Parameters
    ----------
    candidate : estimator, or a list of them
        What proposes g̃: `Oracle`, `TruncatedBPTT`, `SyntheticGradient`, `DeterministicPolicyGradient`, `Reptile`, a
        `ForwardGradient`, or anything with ``estimate``. Of several candidates the averages are made orthonormal, and
        ĝ = Σ_i (g·u_i) u_i is the projection on the span of all (the future work of the paper's section 7).
    decay : float, in [0, 1)
        0, the default, takes the last proposal alone.

    Notes
    -----
    The average takes in what the candidate proposes for this batch before the slope along it is taken.

    Cost: that of the candidate, and a jvp: 3 forward passes, 2 more for each further candidate, and with `Reptile` so
    many times its 3 inner_steps + 1. Memory: one vector
    per candidate.
    Bias: E ĝ = u uᵀ g: what lies beside u is lost. ĝ·g = (g·u)² >= 0, whatever the candidate (eq. 4).
    Variance: none for a candidate that draws nothing.
    When: a cheap gradient is at hand whose bias must not lead uphill. A candidate that never leaves a subspace keeps
    ĝ in it, and so does a long average: learning stalled at a decay of 0.9 in both of our experiments. An optimizer
    that scales by entry (Adam) may ascend after all: scale inside, by ``directions.Scaled(directions.Along(v), c)``
    (eq. 12).

    Where a candidate is zero everywhere, or lies in the span of the others, a random direction takes its place, with a
    `RuntimeWarning`.

    Raises
    ------
    TypeError
        For a candidate without ``estimate``, with the names of those there are.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dodge = dg.estimators.Dodge(dg.estimators.Oracle(previous=True))
    >>> w = np.array([3.0, 4.0])
    >>> dodge.estimate(lambda w: np.sum(w**2) / 2, w, rng=0).gradient
    array([3., 4.])
    >>> dodge.estimate(lambda w: w[0], w, rng=0).gradient  # along the gradient of the batch before
    array([0.36, 0.48])
    """

    vectors: Names = ("averages",)
    parts: Mapping[str, str] = {"candidate": "candidates"}
    draws: bool = True
    named: Names = ("decay",)
    candidates: list[GradientEstimator]
    adapted: Callable[[Any], Callable[[Any], Any]]  # of a candidate with inner steps alone, and so its passes
    passes: int

    def __init__(self, candidate: GradientEstimator | Sequence[GradientEstimator], decay: float = 0.0) -> None:
        self.candidates = list(candidate) if isinstance(candidate, (list, tuple)) else [candidate]
        for one in self.candidates:
            if not hasattr(one, "estimate") or isinstance(one, type):
                raise TypeError(
                    f"got candidate={one!r}; expected an estimator such as Oracle(), TruncatedBPTT(3), "
                    "SyntheticGradient(critic), DeterministicPolicyGradient(critic), Reptile(2, 0.01) or "
                    "ForwardGradient(directions.Rademacher(), n=8)"
                )
        if not self.candidates:
            raise ValueError("got no candidate; expected at least one")
        inner = [one for one in self.candidates if hasattr(one, "adapted")]
        if len(inner) > 1:
            raise ValueError(
                f"got {len(inner)} candidates with inner steps, each of which means another loss: take one"
            )
        if inner:  # the loss that is meant is that after the steps, of this estimator as of its candidate
            self.adapted, self.passes = inner[0].adapted, inner[0].passes
        self.decay = decay
        self._averages = None

    @property
    def candidate(self) -> GradientEstimator | list[GradientEstimator]:
        """What proposes, or the list of them."""
        return self.candidates[0] if len(self.candidates) == 1 else self.candidates

    @property
    def decay(self) -> float:
        """Of the averages; what is set is checked."""
        return self._decay

    @decay.setter
    def decay(self, value: float) -> None:
        self._decay = real_number("decay", value, "a number in [0, 1)", lambda x: 0 <= x < 1)

    def estimated(self, at: Point, rng: Any) -> Estimated:
        averages, cost = self._advanced(at, rng)
        U = self._orthonormal(averages, rng)
        value, slopes = self._meant(at).jvp(Rows(at.like(U)))
        self._averages = averages
        cost += getattr(self, "passes", 1) * (1 + 2 * len(U))
        return value, np.atleast_1d(double(slopes)) @ U, slopes, cost

    def _advanced(self, at, rng):
        """The averages with what the candidates propose for this batch, and what that costs."""
        meant = self._meant(at).objective
        found = [
            one.estimate(at.objective if hasattr(one, "adapted") else meant, at.params, rng=rng)
            for one in self.candidates
        ]
        pairs = zip(self.candidates, found, strict=True)
        vectors = np.stack([proposed(self, one, each, at.layout) for one, each in pairs])
        if not all_finite(vectors):
            bad = self.candidates[int(np.argmin(np.isfinite(vectors).all(axis=1)))]
            raise NonFiniteError(f"{self!r}: the candidate {bad!r} is not finite; nothing was changed")
        if self._averages is not None:
            vectors = self.decay * self._averages + (1 - self.decay) * vectors
        return vectors, sum(each.cost for each in found)

    def _meant(self, at):
        """The point of the function that is differentiated: the objective, or what a candidate makes of it."""
        return Point(self, self.adapted(at.objective), at.params) if hasattr(self, "adapted") else at

    def _orthonormal(self, vectors, rng):
        """u_i, made orthonormal one after the other (Gram and Schmidt, twice)."""
        rows = []
        for candidate, v in zip(self.candidates, vectors, strict=True):
            u, length = _orthogonal_part(rows, v)
            if len(rows) < v.size and length <= 1e-12 * np.linalg.norm(v):
                caution(
                    f"the candidate {candidate!r} is zero, or in the span of the others: a random direction takes its "
                    "place in this step",
                    RuntimeWarning,
                )
                u, length = _orthogonal_part(rows, Gaussian().matrix(rng, 1, v.size)[0])
            if len(rows) < v.size:  # no more than p directions are independent
                rows.append(u / length)
        return np.stack(rows) if rows else np.zeros((1, 0))

    def _lead(self):
        return (len(self.candidates),)

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """u uᵀ g for the u of the next estimate, where the candidates draw nothing."""
        U = self._next(at)
        return U.T @ (U @ double(g))

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
        self._next(at)
        return 0 * g

    def _next(self, at):
        """The directions of the next estimate; the state is put back."""
        if at is None:
            raise DualgradError(f"the direction of {self!r} depends on the batch: give objective and params too")
        before = self.state_dict()
        try:
            self._require_same(at.layout)
            return self._orthonormal(self._advanced(at, _NoDraws())[0], _NoDraws())
        finally:
            self.load_state_dict(before)


class _NoDraws(Rng):
    """A stream for candidates that draw nothing."""

    def __init__(self):
        pass

    @property
    def generator(self):
        raise NotImplementedError("no closed form is known for DODGE along a candidate that draws")


def _orthogonal_part(rows, v):
    """What of v is orthogonal to the rows, and its length."""
    for _ in range(2):
        for u in rows:
            v = v - (u @ v) * u
    return v, np.linalg.norm(v)
