"""exact_moments: the mean and covariance of an estimator over every outcome of its draws."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array
from ..checks import positive_count
from ..displays import aligned, html_table, in_brief
from .enumeration.settle import as_row, settle
from .enumeration.source import ReplayError
from .fronts import front_of
from .fronts.watch import ForeignDrawsWarning, Watch

SEEDS = (
    "Whole numbers from a range of more than 2^20 are taken for seeds, whose values must not matter; if they are no "
    "seeds, draw from a smaller range."
)


class InexactWarning(UserWarning):
    """The result is no certificate: a continuous draw meets a jump, its nodes do not converge, or it is compared.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     moments = testing.exact_moments(lambda rng: np.abs(rng.normal()))
    >>> caught[0].category.__name__, moments.certified
    ('InexactWarning', False)
    """


class Moments(NamedTuple):
    """The mean ``(d,)`` and the covariance ``(d, d)`` of a result, over how many outcomes, and how sure they are.

    Attributes
    ----------
    mean, covariance : array (d,), array (d, d)
    outcomes : int
        How many were played.
    error : float
        By how much mean and covariance may be off: what they moved by when nodes were added (0 where the nodes are
        exact), the probability lost, or five standard errors of the mean where they are sampled.
    lost : float
        The probability of outcomes that were cut, each below 1e-14.
    certified : bool
        Whether all discrete draws were enumerated, and continuous ones by nodes that are exact or have converged.
    draws : dict
        How many numbers were drawn in the longest outcome, by law; "u < p" counts cuts of a uniform.

    Examples
    --------
    >>> from dualgrad import testing
    >>> moments = testing.exact_moments(lambda rng: rng.signs(2))
    >>> moments.variance, moments.certified, moments.draws
    (array([1., 1.]), True, {'signs': 2})
    >>> print(moments)
    Moments of 4 outcomes, certified
      mean      array([0., 0.])
      variance  array([1., 1.])
      error     0.0e+00
      draws     2 signs
    """

    mean: Array
    covariance: Array
    outcomes: int
    error: float = 0.0
    lost: float = 0.0
    certified: bool = True
    draws: dict[str, int] = {}  # noqa: RUF012 - a default that nothing writes to

    @property
    def variance(self) -> Array:
        """The diagonal of the covariance."""
        return np.real(np.diagonal(self.covariance))

    def __repr__(self) -> str:
        pairs = ", ".join(f"{name}={in_brief(value)}" for name, value in zip(self._fields, self, strict=True))
        return f"Moments({pairs})"

    def __str__(self) -> str:
        return f"{self._heading()}\n{aligned(self._lines())}"

    def _repr_html_(self) -> str:
        return html_table(self._heading(), self._lines())

    def _heading(self) -> str:
        return f"Moments of {self.outcomes:,} outcomes, {'certified' if self.certified else 'not certified'}"

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "mean", in_brief(self.mean)
        yield "variance", in_brief(self.variance)
        yield "error", f"{self.error:.1e}"
        if self.lost:
            yield "lost", f"{self.lost:.1e}"
        yield "draws", ", ".join(f"{count:,} {law}" for law, count in self.draws.items()) or "none"


def exact_moments(
    run: Callable[..., Any],
    *,
    draws: str | Callable[..., Any] = "dualgrad",
    degree: int = 5,
    max_outcomes: int = 2**20,
) -> Moments:
    """The exact mean and covariance of ``run(rng)``, which runs under every outcome of its draws.

    Signs, Bernoulli draws, integers and permutations take each of their values; a uniform draw that is compared with a
    number takes both sides; normals and other continuous draws take the nodes of their Gauss rule, unit vectors the
    points of a spherical design. The result is a weighted sum, so it holds to rounding: an equality, not a p-value.

    Parameters
    ----------
    run : callable
        Returns a tree of arrays or numbers. It may branch on what it draws, rewind its generator, and pass it on.
    draws : str or callable
        Whose random numbers it takes: ``"dualgrad"``, ``run(rng)`` with a `dualgrad.Rng`; ``"numpy"``, ``run(gen)``
        with a `numpy.random.Generator`; ``"numpy-global"``, ``run()`` that uses ``np.random`` and generators that it
        makes from seeds; ``"torch"``, ``run()``; ``"jax"``, ``run(key)``. Or a function that makes what the run is
        given from a `Source`.
    degree : int
        The degree of polynomials that continuous draws integrate exactly to begin with. Where the result is of higher
        degree, or none, it is raised.
    max_outcomes : int
        How many runs are affordable.

    Returns
    -------
    Moments
        ``mean`` (d,), ``covariance`` (d, d) and what they rest on; the entries of the tree leaf by leaf, a dict in its
        own order, arrays in C order. The covariance of complex results is E (y - Ey)(y - Ey)ᴴ.

    Raises
    ------
    TooManyOutcomesError
        When there are more than ``max_outcomes``.
    ReplayError
        When two runs with the same draws differ.
    NonFiniteError
        When an outcome is NaN or infinite.
    ImportError
        When the library of ``draws`` is not installed.

    Warns
    -----
    ForeignDrawsWarning
        When the run draws elsewhere too: the moments are those under the numbers that it drew there.
    InexactWarning
        When the result is not certified; the warning says why. Where a continuous draw meets a jump or a kink, the
        moments are those of 2,000 samples of the continuous draws, the discrete ones enumerated under each.

    Notes
    -----
    Cost: one run for every outcome: 2 for a sign, ``degree // 2 + 1`` for a normal; before them 97 for each of up to 24
    continuous draws (143 for up to 4 of them), under each of up to 64 discrete outcomes, to see whether the result is a
    polynomial of it, is smooth, or jumps: also in a band that has a twentieth of the draw's probability. Outcomes of a
    probability below 1e-14 are cut, so stopping times end. The run is played in the precision that it has: in single
    precision moments hold to about 1e-6, and to 1e-12 in double (in JAX with ``jax_enable_x64``).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import testing
    >>> g = np.array([3.0, 4.0])
    >>> def estimate(rng):
    ...     v = rng.normal(2)
    ...     return (g @ v) * v
    >>> moments = testing.exact_moments(estimate)
    >>> moments.mean.round(12), moments.variance.round(12), moments.outcomes     # g, and ‖g‖² + g_k²
    (array([3., 4.]), array([34., 41.]), 9)
    """
    require_run(run)
    positive_count("degree", degree, "a positive whole number")
    with playing(run, draws) as once:
        found = once.settle(degree, max_outcomes)
    if found.why:
        warnings.warn(f"not certified: {found.why}", InexactWarning, stacklevel=2)
    if found.foreign:
        warnings.warn(f"not certified: {found.foreign}", ForeignDrawsWarning, stacklevel=2)
    return as_moments(found)


def require_run(run):
    """Refuse what cannot be called."""
    if not callable(run):
        raise TypeError(f"got run={run!r}; expected a function of what it draws from, such as a dualgrad.Rng")


class Once:
    """``once(source)`` plays a run and returns its result as a row; ``last`` is the result as it came.

    What the run draws elsewhere is noticed meanwhile; a refusal that it caught is raised again.
    """

    def __init__(self, front, watch):
        self.front, self.watch, self.last, self.source = front, watch, None, None

    def __call__(self, source):
        self.source = source
        with listening(self.watch) as refusals:
            self.last = self.front.play(source)
        if refusals:
            raise refusals[0]
        return as_row(self.last)

    def has_seeds(self):
        """Whether seeds were drawn in the last run."""
        return self.source is not None and any(name.startswith("seed") for name in self.source.drawn)

    def walk(self, degree, max_outcomes):
        """All outcomes."""
        return self.front.walk(self, degree, max_outcomes)

    def settle(self, *args, **keywords):
        """What can be known of the run, and what it draws elsewhere."""
        found = settle(self, *args, **keywords)
        return found._replace(foreign=self.watch.words(beside=bool(found.drawn)))


@contextlib.contextmanager
def listening(watch):
    """What the run of a watch draws elsewhere is noticed, and what it is refused; nothing of a run around it."""
    around = Watch.playing, ReplayError.made
    Watch.playing, ReplayError.made = watch, []
    try:
        yield ReplayError.made
    finally:
        Watch.playing, ReplayError.made = around


@contextlib.contextmanager
def playing(run, draws):
    """The `Once` of a run, while the front of ``draws`` and the watch are on."""
    front = front_of(run, draws)
    with listening(None), Watch(front.name, run) as watch, front:
        once = Once(front, watch)
        try:
            yield once
        except ReplayError as error:
            if once.has_seeds():
                error.add_note(SEEDS)
            if words := watch.words():
                error.args = (f"{error}. Noticed: {words}",)
            raise


def as_moments(found):
    """The public face of what is settled."""
    return Moments(
        found.sum.mean, found.sum.covariance, found.sum.outcomes, found.error, found.lost,
        not (found.why or found.foreign), found.drawn,
    )  # fmt: skip
