"""Tests of a mean and of a variance on samples, for what cannot be enumerated: valid at any stopping time.

The theorem. Let X have mean μ and a variance of at most σ², and φ(x) = ±log(1 + |x| + x²/2) with the sign of x (Catoni
2012). Since e^φ(x) ≤ 1 + x + x²/2,

    M_n = exp(Σ_i φ(λ (X_i - μ)) - n λ² σ² / 2)

is a nonnegative supermartingale that starts at 1, for every λ; so is any average of such processes, over λ, both signs
and all entries of a vector, however they depend on each other. By Ville's inequality (1939) it ever reaches 1/α with
probability at most α. No distribution is assumed beyond the bound on the variance.

Where no bound is known, the first part of the samples gives one: their mean square about μ is below σ²/2 with
probability at most exp(-n/(8κ)), κ the kurtosis (the lower tail of a sum of nonnegative terms, Maurer 2003); so twice
it is a bound, for every distribution whose kurtosis is not extreme, and the report says which that is.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from ..backend import ArrayLike
from ..errors import NonFiniteError, ShapeError
from ..random import Rng, RngLike, as_rng
from ..tree import Tree
from .report import Check, Elements, Report, row, verdict

PILOT = 0.25  # of the samples, where no variance is given
POWER = 0.9  # the probability with which a "detectable" bias is found
BATCH = 256


def check_mean(
    draw: Callable[[Rng], Any] | ArrayLike,
    mean: Tree,
    *,
    variance: Tree = None,
    samples: int = 20_000,
    alpha: float = 1e-6,
    rng: RngLike = None,
    raises: bool = True,
) -> Report:
    """Test on samples whether ``draw(rng)`` has the mean it should have; it stops as soon as it has not.

    Parameters
    ----------
    draw : callable, or array of samples along the first axis
        ``draw(rng)`` returns a tree of real numbers and gets one `dualgrad.Rng` that goes on from call to call.
    mean : like a sample
        What the mean should be.
    variance : like a sample, optional
        A bound on the variance of every entry, where theory gives one; without it a quarter of the samples is spent
        on finding one.
    samples : int
        How many to draw at most; `power` says how many a bias takes.
    alpha : float
        The rate of false alarms, for the whole vector and over all the times at which it might have stopped.
    rng : int, numpy.random.Generator or Rng, optional
        Seed 0 by default.
    raises : bool
        Raise when the test rejects; False only returns the report.

    Returns
    -------
    Report
        With the number of samples, the false-alarm rate, and the bias that this many samples detect with probability
        0.9. Entries that do not vary are compared with the mean as they are, to 1e-9 of their size.

    Raises
    ------
    AssertionError
        With the report, when the mean is not the one given.
    NonFiniteError
        For a sample that is NaN or infinite.

    Notes
    -----
    The theorem (Catoni 2012; Ville 1939) stands at the head of `dualgrad.testing.samples`. Cost: ``samples`` draws.
    Against a z-test, which is exact for normal samples alone, it needs 1.2 times the samples at alpha = 1e-6, and about
    2.5 times where it must find the variance too.

    Examples
    --------
    >>> from dualgrad import testing
    >>> testing.check_mean(lambda rng: rng.normal(3), [0.0, 0.0, 0.0], samples=4000).passed
    True
    >>> testing.check_mean(lambda rng: rng.normal(3), [0.0, 0.5, 0.0], samples=4000, raises=False).failures[0].where
    '[1]'
    """
    test = _Test(draw, mean, variance, samples, alpha, as_rng(0 if rng is None else rng))
    return verdict(Report("check_mean", (test.result("mean"),)), raises)


def check_variance(
    draw: Callable[[Rng], Any] | ArrayLike,
    mean: Tree,
    variance: Tree,
    *,
    samples: int = 20_000,
    alpha: float = 1e-6,
    rng: RngLike = None,
    raises: bool = True,
) -> Report:
    """Test on samples whether every entry of ``draw(rng)`` has the variance it should have, given its mean.

    Parameters
    ----------
    draw, samples, alpha, rng, raises
        As in `check_mean`, which this is for (X - mean)².
    mean, variance : like a sample

    Returns
    -------
    Report

    Raises
    ------
    AssertionError
        With the report. A wrong mean shows too: E (X - mean)² is the variance and the squared bias.

    Examples
    --------
    >>> from dualgrad import testing
    >>> testing.check_variance(lambda rng: 2 * rng.normal(), 0.0, 4.0).passed
    True
    """
    center = row(mean)
    squares = _mapped(draw, lambda x: (x - center) ** 2, center.size)
    test = _Test(squares, row(variance), None, samples, alpha, as_rng(0 if rng is None else rng))
    return verdict(Report("check_variance", (test.result("variance"),)), raises)


def power(
    bias: float,
    std: float,
    *,
    dimension: int = 1,
    alpha: float = 1e-6,
    power: float = POWER,
    known_variance: bool = False,
) -> int:
    """How many samples `check_mean` needs to find a bias.

    Parameters
    ----------
    bias : float
        The smallest deviation of a mean that is to be found, in one entry.
    std : float
        The standard deviation of that entry.
    dimension : int
        How many entries are tested together.
    alpha : float
        The rate of false alarms.
    power : float
        The probability of finding the bias.
    known_variance : bool
        Whether `check_mean` will be given the variance.

    Returns
    -------
    int

    Examples
    --------
    >>> from dualgrad import testing
    >>> testing.power(0.01, 1.0, known_variance=True)
    461788
    """
    if not bias or not std > 0 or not 0 < alpha < 1 or not 0 < power < 1 or dimension < 1:
        raise ValueError("expected bias != 0, std > 0, 0 < alpha < 1, 0 < power < 1 and dimension >= 1")
    z = NormalDist().inv_cdf(power)
    slack = 1.0 if known_variance else math.sqrt(2 * (1 + (bias / std) ** 2))  # the pilot squares the bias too
    bound = _threshold(dimension, alpha, 1024, known_variance)
    for _ in range(8):
        n = math.ceil(((slack * math.sqrt(2 * bound) + z) * std / bias) ** 2)
        bound = _threshold(dimension, alpha, n, known_variance)
    return max(128, n if known_variance else math.ceil(n / (1 - PILOT)))


def _horizons(samples):
    """The sample sizes that the λ are made for: the last one, which gets half the weight, and a few before it."""
    earlier = [samples // 8**k for k in range(1, 6) if samples // 8**k >= 32]
    return np.array([samples, *earlier]), np.array([0.5 if earlier else 1.0, *[0.5 / len(earlier) for _ in earlier]])


def _threshold(dimension, alpha, samples, known_variance):
    """log(2 d / α), the last horizon's share of the weight, and of α what the pilot leaves."""
    alpha = alpha if known_variance else alpha / 2
    return math.log(2 * max(dimension, 1) / alpha / _horizons(samples)[1][0])


def _mapped(draw, f, size):
    """The samples with f applied to each row."""
    if callable(draw):
        return lambda rng: f(_sized(row(draw(rng)), size))
    rows = np.asarray(draw, np.float64)
    return f(rows.reshape(len(rows), -1))


def _sized(x, size):
    if x.size != size:
        raise ShapeError(f"a sample has {x.size} entries and the mean {size}; expected as many")
    return x


def influence(x):
    """φ(x) = log(1 + x + x²/2) for x ≥ 0, odd (Catoni 2012)."""
    size = np.abs(x)
    return np.copysign(np.log1p(size + 0.5 * size * size), x)


class _Test:
    """One test: draws samples until they contradict the mean, or are used up."""

    def __init__(self, draw, mean, variance, samples, alpha, rng):
        if not 0 < alpha < 1:
            raise ValueError(f"got alpha={alpha!r}; expected a rate of false alarms between 0 and 1")
        if not callable(draw):
            draw = np.asarray(draw, np.float64)
            samples = len(draw)
        if samples < 128:
            raise ValueError(f"got {samples} samples; expected at least 128")
        self.draw, self.rng, self.taken, self.samples, self.alpha = draw, rng, 0, int(samples), alpha
        self.elements, self.mean = Elements(mean), row(mean).astype(np.float64)
        self.known = variance is not None
        if self.known:
            self.assumption = "given variances"
            self.variance = _sized(row(variance).astype(np.float64), self.mean.size)
        else:
            self.variance = self._pilot()
        self.left = self.samples - self.taken
        self.threshold = _threshold(self.mean.size, alpha, self.left, self.known)
        self.constant = self.variance == 0  # entries that do not vary
        self.closeness = 1e-9 * np.maximum(np.abs(self.mean), 1e-30)  # for them

    def _rows(self, count):
        if callable(self.draw):
            rows = [_sized(row(self.draw(self.rng)), self.mean.size) for _ in range(count)]
        else:
            rows = self.draw[self.taken : self.taken + count].reshape(count, -1)
            _sized(rows[0], self.mean.size)
        self.taken += count
        if np.iscomplexobj(rows):
            raise TypeError("samples are complex; expected real numbers: test np.real and np.imag")
        rows = np.asarray(rows, np.float64)
        if not np.all(np.isfinite(rows)):
            k = int(np.argmin(np.all(np.isfinite(rows), 1)))
            raise NonFiniteError(f"sample {self.taken - count + k} is not finite: {rows[k]}")
        return rows

    def _pilot(self):
        """Twice the mean square about the mean; zero for what does not vary."""
        rows = self._rows(int(PILOT * self.samples))
        kurtosis = len(rows) / (8 * math.log(2 * max(self.mean.size, 1) / self.alpha))
        self.assumption = f"kurtosis up to {kurtosis:.3g}"
        return np.where(np.all(rows == rows[0], axis=0), 0.0, 2 * np.mean((rows - self.mean) ** 2, axis=0))

    def result(self, name):
        """The `Check`: by the process of the theorem, and by comparison where nothing varies."""
        oracle = f"up to {self.samples:,} samples"
        if not self.mean.size:
            return Check(name, oracle, "passed", note="the samples have no entries")
        mean, shares, rejected = self._run()
        error = np.abs(mean - self.mean)
        off = self.constant & (error > self.closeness)
        k = int(np.argmax(off) if np.any(off) else np.argmax(shares))
        spread, bound = np.sqrt(self.variance / self.left), math.sqrt(2 * self.threshold)
        z = NormalDist().inv_cdf(POWER) / (1 if self.known else math.sqrt(2))
        note = (
            f"statistical: false alarms {self.alpha:g} at any stopping time (Ville, Catoni; {self.assumption}); "
            f"{self.taken:,} samples drawn, enough to detect a bias of {np.max(spread) * (bound + z):.2g}"
        )
        return Check(
            name, oracle, "failed" if rejected or np.any(off) else "passed", self.elements.label(k), mean[k],
            self.mean[k], float(error[k]), float(self.closeness[k] if self.constant[k] else spread[k] * bound),
            mean.size, mean.size, note,
        )  # fmt: skip

    def _run(self):
        """The mean of the samples, the log of every entry's share in the average M, and whether M reached 1/α."""
        horizons, weights = _horizons(self.left)
        scale = 1 / np.sqrt(np.where(self.constant, np.inf, self.variance))
        lam = np.sqrt(2 * self.threshold / horizons)[:, None] * scale  # (horizons, entries)
        fee = 0.5 * lam**2 * self.variance
        prior = np.log(weights)[:, None, None] - math.log(2 * self.mean.size)
        log_m = np.zeros((len(horizons), 2, self.mean.size))
        limit = math.log(1 / (self.alpha if self.known else self.alpha / 2))
        total, seen, rejected = np.zeros(self.mean.size), 0, False
        while seen < self.left and not rejected:
            rows = self._rows(min(BATCH, self.left - seen))
            total, seen = total + np.sum(rows, 0), seen + len(rows)
            pull = np.sum(influence(lam[:, None] * (rows - self.mean)), 1)
            log_m += np.stack([pull, -pull], 1) - (len(rows) * fee)[:, None]
            shares = _log_sum(log_m + prior, (0, 1))
            off = self.constant & (np.abs(total / seen - self.mean) > self.closeness)
            rejected = _log_sum(shares, 0) >= limit or bool(np.any(off))
        return total / seen, shares, rejected


def _log_sum(x, axis):
    """log Σ exp x."""
    top = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.sum(np.exp(x - top), axis=axis))
