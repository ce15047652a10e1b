"""recommend: estimators measured on a problem of one's own: direction, time, memory, and what a step brings."""

import copy
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..checks import positive_number
from ..directions import Along, LowRank, Rademacher
from ..errors import DualgradError
from ..nn.recurrent import require_recurrent
from ..random import RngLike, as_rng
from ..tree import Tree, leaves
from ..vectors import double
from .backprop import Backprop
from .candidates import TruncatedBPTT
from .differences import SPSA
from .dodge import Dodge
from .estimator import GradientEstimator, proposed
from .exact import ForwardJacobian
from .forward_gradient import ForwardGradient
from .guessing import ActivationPerturbation
from .mezo import MeZO
from .point import Point
from .recommendation import Recommendation, Trial

_SAMPLES = 16  # estimates that cosines and decreases are means of
_TIMED = 100  # rounds after which times are known well enough
_EXACT = 256  # parameters up to which the gradient of any function is made whole
_SLOPES = 128  # slopes that its length is made of beyond
_LENGTHS = 14  # steps that are tried along an estimate
_MISFITS = DualgradError, TypeError, ValueError, ArithmeticError


def recommend(
    objective: Callable[[Any], Any],
    params: Tree,
    seconds: float = 5.0,
    *,
    rng: RngLike = 0,
    candidates: Sequence[GradientEstimator] | None = None,
) -> Recommendation:
    """Measure estimators on this very problem, and say which to take and why.

    Parameters
    ----------
    objective : callable
        A bound network, or any function of the parameters that returns a number.
    params : Params, array or tree
        Where it is measured; they stay as they are.
    seconds : float
        How long it may take, give or take an estimate.
    rng : int, numpy.random.Generator or Rng
        Streams are named from it; it does not move on.
    candidates : list of estimators, optional
        Instead of those that suit the problem: `Backprop`, `ForwardGradient` of 1, 4 and 16 directions, `SPSA`, `MeZO`,
        `ActivationPerturbation`, and for recurrent networks `Dodge` along `TruncatedBPTT`. Copies are measured.

    Returns
    -------
    Recommendation

    Notes
    -----
    Each round all candidates take turns, so that a machine that changes its pace changes it for all. Times are medians
    of the estimate alone, memory is the most that Python's allocator had at a time. `MeZO` is timed by its step in
    place, on a copy.

    What a step brings is max over ℓ > 0 of L(w) - L(w - ℓ ĝ/‖ĝ‖), a line search along each estimate by factors of 2, in
    float64; 0 where ĝ points uphill. For a quadratic loss that is (g·ĝ)²/(2 ĝᵀHĝ). Its mean over 16 estimates, relative
    to the exact gradient's, is the *effectiveness*; divided by the time, what a second of such steps brings. (How to
    Guess a Gradient, figure 1, compares steps of one length.) The best length is taken in hindsight: no optimizer
    reaches it at every step, and a noisy estimate is flattered more than the exact one.

    The gradient is `Backprop`'s, or whole by forward directions up to 256 parameters. Beyond, the slope g·ĝ along each
    estimate is exact all the same, and ‖g‖² is the mean square of 128 slopes: it is right to about 6 %, one factor for
    all cosines.

    Cosines, decreases and their order are the same at every call where the time sufficed for 16 estimates each; the
    column of estimates says so. What was measured at one point need not hold later in training.

    Raises
    ------
    ValueError
        For a time that is not positive, a gradient that is zero.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> found = dg.estimators.recommend(lambda w: np.sum((w - 1) ** 2), np.zeros(40), seconds=0.5)
    >>> {row.estimator: round(row.cosine, 2) for row in found.rows}["ForwardGradient(directions=Rademacher(), n=16)"]
    0.58
    """
    end = time.perf_counter() + positive_number("seconds", seconds, "a positive time")
    rng = as_rng(rng)
    problem = _Problem(objective, params, rng)
    given = _suitable(objective, params) if candidates is None else candidates
    trials = [_Measured(copy.deepcopy(one), problem, rng, k) for k, one in enumerate(given)]
    for trial in trials:
        trial.prepare(end)
    running = [trial for trial in trials if trial.unsuitable is None]
    for round_ in range(_TIMED):
        for trial in running:
            if time.perf_counter() > end:
                break
            trial.turn(round_)
    rows = [trial.row() for trial in trials]
    order = sorted(rows, key=lambda row: (row.unsuitable is not None, -row.per_second))
    return Recommendation(order, problem.words)


def _suitable(objective, params):
    """The estimators that this problem allows, cheap ones first."""
    found, bound = [], hasattr(objective, "vjp")
    if bound:
        found.append(Backprop())
    kinds = [Rademacher()]
    if any(np.ndim(leaf) >= 2 for leaf in leaves(params)):
        kinds.insert(0, LowRank())
    found += [ForwardGradient(kind, n=n) for n in (1, 4, 16) for kind in kinds]
    found += [SPSA(), MeZO(directions=Rademacher())]
    if bound:
        found.append(ActivationPerturbation())
        try:
            recurrent, *_ = require_recurrent("recommend", objective)
        except DualgradError:
            return found
        found.append(Dodge(TruncatedBPTT(max(1, np.shape(objective.x)[recurrent.batch_first] // 4))))
    return found


class _Problem:
    """The loss and its gradient at one point."""

    def __init__(self, objective, params, rng):
        self.objective, self.params = objective, params
        self.at = Point("recommend", objective, params)
        self.layout, self.w = self.at.layout, double(self.at.vector)
        self.value = self.loss(self.w)
        self.g = self._gradient()
        if self.g is None:
            slopes = double(np.atleast_1d(self.at.jvp(self.at.rows(Rademacher(), _SLOPES, rng.named("length")))[1]))
            self.size, self.best = float(np.sqrt(np.mean(slopes**2))), None
            self.words = f"by its slope along each estimate, and a length from {_SLOPES} slopes"
        else:
            self.size = float(np.linalg.norm(self.g))
        if not self.size > 0:
            raise ValueError("the exact gradient is zero here: nothing to compare with")
        if self.g is not None:
            self.best = self.decrease(self.g, self.size)

    def _gradient(self):
        if hasattr(self.objective, "vjp"):
            try:
                self.words = "by Backprop"
                return double(Backprop().estimated(self.at, None)[1])
            except DualgradError:  # a model of the user's own, without transposed rules
                pass
        if self.w.size > _EXACT:
            return None
        self.words = f"by {self.w.size} forward directions"
        return double(ForwardJacobian().estimated(self.at, None)[1])

    def loss(self, w):
        """L in double precision, whatever the parameters are in."""
        return float(self.at.value(w))

    def slope(self, v):
        """g·v/‖v‖."""
        if self.g is not None:
            return float(self.g @ v) / float(np.linalg.norm(v))
        _, slope = self.at.jvp(self.at.rows(Along(self.layout.tree(self.at.like(v))), 1, None))
        return float(np.reshape(slope, ()))

    def decrease(self, v, slope):
        """The most that a step against v lowers the loss: by lengths in factors of 2, and the vertex of a parabola."""
        if not slope > 0:
            return 0.0
        u, seen = v / np.linalg.norm(v), {}

        def gain(length):
            if length not in seen:
                with np.errstate(all="ignore"):
                    found = self.value - self.loss(self.w - length * u)
                seen[length] = found if np.isfinite(found) else -np.inf
            return seen[length]

        length = 1e-2 * (float(np.linalg.norm(self.w)) or 1.0) * min(1.0, slope / self.size)
        bend = 2 * (slope * length - gain(length)) / length**2
        if np.isfinite(bend) and bend > 0:
            length = slope / bend  # where the parabola through both has its minimum
        for _ in range(_LENGTHS):
            better = max((length / 2, length, 2 * length), key=gain)
            if better == length:
                break
            length = better
        bend = 2 * (slope * length - gain(length)) / length**2
        if np.isfinite(bend) and bend > 0:
            gain(slope / bend)
        return max(0.0, *seen.values())


class _Measured:
    """One candidate, and what was measured of it so far."""

    def __init__(self, estimator, problem, rng, k):
        self.estimator, self.problem, self.rng, self.k = estimator, problem, rng, k
        self.unsuitable, self.memory = None, 0
        self.times, self.cosines, self.gains = [], [], []

    def prepare(self, end):
        """A first estimate that warms up, and a second whose memory is looked at."""
        if time.perf_counter() > end:
            self.unsuitable = "the time was over: give it more seconds"
            return
        try:
            self._call("warm")
            self.memory = _most_memory(lambda: self._call("memory"))
        except _MISFITS as error:
            self.unsuitable = str(error)

    def _call(self, *name):
        """An estimate, or the step in place that stands for it; and the seconds that it took."""
        rng = self.rng.named("recommend", self.k, *name)
        if isinstance(self.estimator, MeZO):
            params = copy.deepcopy(self.problem.params)
            start = time.perf_counter()
            self.estimator.step(self.problem.objective, params, lr=0.0, rng=rng)
            return None, time.perf_counter() - start
        start = time.perf_counter()
        found = self.estimator.estimate(self.problem.objective, self.problem.params, rng=rng)
        return found, time.perf_counter() - start

    def turn(self, round_):
        """One estimate more."""
        try:
            found, seconds = self._call(round_)
            self.times.append(seconds)
            if len(self.gains) < (_SAMPLES if getattr(self.estimator, "draws", True) else 1):
                self._judge(found, round_)
        except _MISFITS as error:
            self.unsuitable = str(error)

    def _judge(self, found, round_):
        problem = self.problem
        if found is None:
            found = self.estimator.estimate(problem.objective, problem.params, rng=self.rng.named(self.k, round_))
        v = proposed("recommend", self.estimator, found, problem.layout)
        slope = problem.slope(v) if np.any(v) else 0.0
        self.cosines.append(slope / problem.size)
        self.gains.append(problem.decrease(v, slope))

    def row(self):
        name, n = repr(self.estimator), len(self.gains)
        if self.unsuitable is None and not n:
            self.unsuitable = "the time was over: give it more seconds"
        if self.unsuitable is not None:
            return Trial(name, unsuitable=self.unsuitable)
        decrease = float(np.mean(self.gains))
        return Trial(
            name,
            cosine=float(np.mean(self.cosines)),
            decrease=decrease,
            error=float(np.std(self.gains, ddof=1) / np.sqrt(n)) if n > 1 else 0.0,
            effectiveness=decrease / self.problem.best if self.problem.best else None,
            milliseconds=1e3 * float(np.median(self.times)),
            quartiles=tuple(1e3 * float(q) for q in np.quantile(self.times, (0.25, 0.75))),
            memory=self.memory,
            samples=n,
            transposed=_goes_backwards(self.estimator),
        )


def _goes_backwards(estimator):
    """Whether it pulls back through the layers, or a candidate of its does."""
    return isinstance(estimator, (Backprop, TruncatedBPTT)) or any(
        map(_goes_backwards, getattr(estimator, "candidates", ()))
    )


def _most_memory(call):
    """The most bytes that a call takes at a time, beside those there are; a trace that runs goes on."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        call()
        return max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not running:
            tracemalloc.stop()
