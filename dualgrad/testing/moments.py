"""exact_moments: the mean and covariance of an estimator over every outcome of its draws; claims compared with them."""

import copy
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, to_numpy
from ..checks import positive_count
from ..errors import DualgradError, NonFiniteError
from ..estimators.estimator import GradientEstimator
from ..random import Rng
from ..transforms import grad
from ..tree import Tree, map_leaves
from .polynomial import highest_degree
from .replay import Path, Replay, ReplayError, require_reproducible
from .report import Elements, Report, compare, row, verdict
from .samples import check_mean, check_variance

REPEATS = 24  # runs that are repeated, to see whether they can be: chance agrees on signs in 1 of 2^24
OUTCOMES_AT_ONCE = 1024


class TooManyOutcomesError(DualgradError, ValueError):
    """There are more outcomes than may be run; the message says how many, and of what.

    Examples
    --------
    >>> from dualgrad import testing
    >>> try:
    ...     testing.exact_moments(lambda rng: rng.signs(30))
    ... except testing.TooManyOutcomesError as error:
    ...     print(str(error)[:42])
    signs(30,) has 1,073,741,824 outcomes; max
    """


class InexactWarning(UserWarning):
    """The result is no polynomial of the stated degree in its continuous draws: no node set integrates it exactly.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = testing.exact_moments(lambda rng: np.abs(rng.normal()))
    >>> caught[0].category.__name__
    'InexactWarning'
    """


class Moments(NamedTuple):
    """The mean ``(d,)``, the covariance ``(d, d)`` and the number of outcomes they were taken over.

    Examples
    --------
    >>> from dualgrad import testing
    >>> testing.exact_moments(lambda rng: rng.signs(2)).variance
    array([1., 1.])
    """

    mean: Array
    covariance: Array
    outcomes: int

    @property
    def variance(self) -> Array:
        """The diagonal of the covariance."""
        return np.real(np.diagonal(self.covariance))


def exact_moments(run: Callable[[Rng], Any], *, degree: int = 5, max_outcomes: int = 2**20) -> Moments:
    """The exact mean and covariance of ``run(rng)``, which runs under every outcome of its draws.

    Signs, Bernoulli draws, integers and permutations take each of their values; normals take Gauss-Hermite nodes,
    uniforms Gauss-Legendre nodes, and unit vectors the points of a spherical design. The result is a weighted sum, so
    it holds to rounding: an equality, not a p-value.

    Parameters
    ----------
    run : callable
        ``run(rng)`` returns a tree of arrays or numbers; all its randomness comes from ``rng``, a `dualgrad.Rng`. It
        may branch on what it draws, rewind the stream, or pass ``rng`` on as it would any other.
    degree : int
        The degree of the polynomials that are integrated exactly, in every normal and uniform draw and in every unit
        vector. The covariance of a result of degree q takes 2q: 5 does for (g·v) v. A result of higher degree, or no
        polynomial, is noticed and named by an `InexactWarning`.
    max_outcomes : int
        How many runs are affordable.

    Returns
    -------
    Moments
        ``mean`` (d,), ``covariance`` (d, d) and ``outcomes``; the entries of the tree leaf by leaf, a dict in its own
        order, arrays in C order. The covariance of complex results is E (y - Ey)(y - Ey)ᴴ.

    Raises
    ------
    TooManyOutcomesError
        When there are more than ``max_outcomes``.
    ReplayError
        When two runs with the same draws differ.
    NonFiniteError
        When an outcome is NaN or infinite.

    Notes
    -----
    Cost: one run for every outcome: 2 for a sign, ``degree // 2 + 1`` for a normal or a uniform. Seeds drawn by
    ``rng.integers`` over a wide range are too many outcomes; randomness that a run makes from a seed of its own cannot
    be seen, and is part of the function.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import testing
    >>> g = np.array([3.0, 4.0])
    >>> def estimate(rng):
    ...     v = rng.normal(2)
    ...     return (g @ v) * v
    >>> mean, covariance, outcomes = testing.exact_moments(estimate)
    >>> mean.round(12), np.diag(covariance).round(12), outcomes     # g, and ‖g‖² + g_k²
    (array([3., 4.]), array([34., 41.]), 9)
    """
    if not callable(run):
        raise TypeError(f"exact_moments got run={run!r}; expected a function of an Rng")
    positive_count("degree", degree, "a positive whole number")
    found = highest_degree(run, degree)
    if 2 * found > degree:
        what = "the mean and the covariance are" if found > degree else "the covariance is"
        seems = "no polynomial of it" if found > degree else f"of degree {found} in it, its square of {2 * found}"
        warnings.warn(
            f"{what} not exact: the result depends on a normal, uniform or unit draw and is {seems}. Raise degree "
            f"(now {degree}), or check by samples: testing.check_mean",
            InexactWarning,
            stacklevel=2,
        )
    return _enumerate(run, degree, max_outcomes)


def _enumerate(run, degree, max_outcomes):
    total, repeats = _Sum(), []
    choices = []
    while choices is not None:
        path = Path(choices, degree)
        y = _outcome(run, path)
        if total.outcomes >= max_outcomes or path.outcomes() > max_outcomes:
            raise _too_many(path, total.outcomes, max_outcomes)
        total.add(y, path)
        if len(repeats) < REPEATS:
            repeats.append((choices, path.radices, y))
        choices = path.successor()
    for k in range(REPEATS):
        choices, radices, y = repeats[k % len(repeats)]
        path = Path(choices, degree)
        again = _outcome(run, path)
        require_reproducible(y, again)
        if path.radices != radices:
            raise ReplayError("the run is not reproducible: with the same draws from rng it goes on to draw others")
    return total.moments()


def _outcome(run, path):
    result = run(Replay(path))
    if result is None:
        raise TypeError("run returned None; expected the numbers whose moments are wanted")
    y = row(result)
    return y if y.dtype.kind == "c" else y.astype(np.float64)


def _too_many(path, done, limit):
    if path.outcomes() > limit:
        what = " · ".join(dict.fromkeys(name for name, _, _ in path.draws))
        how = f"{what} has {path.outcomes():,} outcomes"
    else:
        how = f"after {done:,} outcomes there are more"
    return TooManyOutcomesError(
        f"{how}; max_outcomes is {limit:,}. Shrink what is drawn (fewer parameters, directions or steps), lower degree "
        f"(now {path.degree}) if the draws are normals or uniforms, raise max_outcomes, or check by samples: "
        "testing.check_mean"
    )


class _Sum:
    """Weighted mean and covariance, block by block (Chan, Golub and LeVeque 1983)."""

    def __init__(self):
        self.outcomes, self.weight, self.mean, self.scatter = 0, 0.0, 0.0, 0.0
        self.rows, self.weights = [], []

    def add(self, y, path):
        if not np.all(np.isfinite(y)):
            drawn = ", ".join(f"{what}" for what, _, _ in path.draws)
            raise NonFiniteError(
                f"outcome {self.outcomes} is not finite: entry {int(np.argmin(np.isfinite(y)))} of the result, after "
                f"the draws {drawn or '(none)'}"
            )
        if self.rows and self.rows[0].shape != y.shape:
            raise ReplayError(f"outcomes differ in size: {self.rows[0].size} and {y.size} entries")
        self.rows.append(y)
        self.weights.append(path.weight)
        self.outcomes += 1
        if len(self.rows) == OUTCOMES_AT_ONCE:
            self._merge()

    def _merge(self):
        ys, ws = np.array(self.rows), np.array(self.weights)
        weight = np.sum(ws)
        mean = ws @ ys / weight
        away = np.sqrt(ws)[:, None] * (ys - mean)
        shift, total = mean - self.mean, self.weight + weight
        between = np.outer(shift, np.conj(shift)) * (self.weight * weight / total)
        self.scatter = self.scatter + away.T @ np.conj(away) + between
        self.mean = self.mean + shift * (weight / total)
        self.weight = total
        self.rows, self.weights = self.rows[:0], []

    def moments(self):
        if self.rows:
            self._merge()
        return Moments(self.mean, self.scatter / self.weight, self.outcomes)


# ---------------------------------------------------------------------- claims of estimators


def assert_unbiased(
    estimator: GradientEstimator,
    objective: Callable[[Any], Any],
    params: Tree,
    *,
    atol: float = 1e-10,
    expectation: Tree = None,
    degree: int = 5,
    max_outcomes: int = 2**20,
    samples: int = 20_000,
) -> Report:
    """Assert that the mean of an estimator's gradient is what it claims: an equality over all outcomes of its draws.

    Parameters
    ----------
    estimator : anything with ``estimate(objective, params, *, rng)``
        Run unchanged; what it returns has a ``gradient``. State (``state_dict``) is put back before every run.
    objective : callable
        A differentiable scalar function of ``params``.
    params : Params, array or tree
        The check runs on copies in double precision.
    atol : float
        The largest deviation allowed in an entry, relative to the largest entry of the claim if that exceeds 1.
    expectation : like params, optional
        The claim; by default ``estimator.expectation(g, objective, params)`` at the exact gradient g, or g itself for
        an estimator without that method.
    degree, max_outcomes
        As in `exact_moments`. An estimate that is no polynomial of its draws (directions made orthogonal by QR, say)
        cannot be enumerated; its mean is then tested on samples, and the report says so.
    samples : int
        How many, in that case.

    Returns
    -------
    Report

    Raises
    ------
    AssertionError
        With the report: the worst entry, the claim, and the exact value.
    TooManyOutcomesError, ReplayError, NonFiniteError
        As `exact_moments`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import testing
    >>> estimator = dg.estimators.ForwardGradient(dg.directions.Rademacher())
    >>> print(testing.assert_unbiased(estimator, lambda w: np.sum(np.sin(w)), np.arange(3.0)))
    assert_unbiased of ForwardGradient(directions=Rademacher(), n=1): PASSED
      passed     mean: all 8 outcomes   error 5.6e-17, budget 1.0e-10
    """
    with _Claim(estimator, objective, params) as claim:
        expected = claim.of("expectation", expectation, default=claim.gradient)
        if highest_degree(claim.run, degree) > degree:
            found = check_mean(claim.run, expected, samples=samples, raises=False).checks
        else:
            moments = _enumerate(claim.run, degree, max_outcomes)
            found = [claim.compare("mean", moments, moments.mean, expected, atol)]
    return verdict(Report(f"assert_unbiased of {estimator!r}", tuple(found)), True)


def assert_variance(
    estimator: GradientEstimator,
    objective: Callable[[Any], Any],
    params: Tree,
    *,
    atol: float = 1e-10,
    variance: Tree = None,
    degree: int = 5,
    max_outcomes: int = 2**20,
    samples: int = 20_000,
) -> Report:
    """Assert that the variance of every entry of an estimator's gradient is what it claims.

    Parameters
    ----------
    estimator, objective, params, atol, degree, max_outcomes, samples
        As in `assert_unbiased`.
    variance : like params, optional
        The claim, entry by entry; by default ``estimator.variance(g, objective, params)`` at the exact gradient g.

    Returns
    -------
    Report

    Raises
    ------
    AssertionError
        With the report: the worst entry, the claim, and the exact value.
    TypeError
        When the estimator has no ``variance`` and none is given.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import testing
    >>> estimator = dg.estimators.ForwardGradient(dg.directions.Gaussian(), n=2)
    >>> testing.assert_variance(estimator, lambda w: np.sum(np.sin(w)), np.arange(2.0)).passed
    True
    """
    with _Claim(estimator, objective, params) as claim:
        expected = claim.of("variance", variance)
        if 2 * highest_degree(claim.run, degree) > degree:
            mean = claim.of("expectation", None, default=claim.gradient)
            found = check_variance(claim.run, mean, expected, samples=samples, raises=False).checks
        else:
            moments = _enumerate(claim.run, degree, max_outcomes)
            found = [claim.compare("variance", moments, moments.variance, expected, atol)]
    return verdict(Report(f"assert_variance of {estimator!r}", tuple(found)), True)


def _doubled(params):
    """A copy of the parameters in double precision."""
    return map_leaves(lambda a: np.array(to_numpy(a), np.float64), params)


class _Claim:
    """An estimator at one point: how to run it, and what it says of itself. Its state is put back at the end."""

    def __init__(self, estimator, objective, params):
        if not callable(getattr(estimator, "estimate", None)):
            raise TypeError(f"got {estimator!r}; expected an estimator with estimate(objective, params, *, rng)")
        if not callable(objective):
            raise TypeError(f"got objective={objective!r}; expected a function of the parameters")
        self.estimator, self.objective, self.params = estimator, objective, _doubled(params)
        self.gradient = grad(objective)(self.params)
        self.elements = Elements(self.gradient)
        self.state = copy.deepcopy(estimator.state_dict()) if hasattr(estimator, "state_dict") else None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.restore()

    def restore(self):
        if self.state is not None:
            self.estimator.load_state_dict(copy.deepcopy(self.state))

    def run(self, rng):
        self.restore()
        params = _doubled(self.params)  # an estimator may work in place
        gradient = self.estimator.estimate(self.objective, params, rng=rng).gradient
        return row(gradient)

    def of(self, what, given, default=None):
        """The claim as a row: what the caller gave, or the estimator says, or the default."""
        if given is None:
            method = getattr(self.estimator, what, None)
            if method is None and default is None:
                raise TypeError(f"{self.estimator!r} has no {what} method: pass {what}=, an array like the parameters")
            given = default if method is None else method(self.gradient, self.objective, self.params)
        claim = row(given)
        if claim.shape != row(self.gradient).shape:
            raise ValueError(
                f"the {what} has {claim.size} entries; expected {row(self.gradient).size}, one a parameter"
            )
        return claim

    def compare(self, name, moments, found, expected, atol):
        budget = atol * max(1.0, float(np.max(np.abs(expected), initial=0)))
        oracle = "all 1 outcome (nothing is drawn)" if moments.outcomes == 1 else f"all {moments.outcomes:,} outcomes"
        return compare(name, oracle, self.elements, found, expected, budget)
