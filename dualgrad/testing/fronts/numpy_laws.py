"""The laws of NumPy's draws, for its generators and its legacy functions alike.

Every method is called on a real generator too, with the same arguments: what is refused there is refused here, and the
result has the type, the shape and the dtype that it has there.
"""

import functools
import math
import operator

import numpy as np

from ..enumeration import laws
from ..enumeration.laws import Discrete
from ..enumeration.source import ReplayError

TAIL = 1e-14  # the probability at which an unbounded count is cut
MOST_COUNTS = 100_000  # values of a count
WIDEST = 2**20  # whole numbers from a range of more are taken for seeds
ADVICE = "transform a draw that is (normal, uniform, exponential, integers, ...), or check by samples: check_mean"


# ---------------------------------------------------------------------- tables


def table(name, values, probabilities, has_tail=False):
    """A law of finitely many values, without those that do not occur."""
    values, probabilities = np.asarray(values), np.asarray(probabilities, np.float64)
    occur = probabilities > 0
    law = Discrete(name, values[occur], probabilities[occur])
    law.has_tail = has_tail
    return law


def require_rare(count, name):
    """Refuse tables of more values than can be played."""
    if count > MOST_COUNTS:
        raise ReplayError(f"{name} takes {count:,} values that are not rare, more than {MOST_COUNTS:,}: {ADVICE}")


def from_mode(low, mode, up, down):
    """Probabilities of low, low + 1, ... by the ratio of each to the last one, outwards from the mode: no overflow."""
    left, right = np.cumprod(down)[::-1], np.cumprod(up)
    p = np.concatenate([left, [1.0], right])
    return np.arange(low, low + len(p)), p / np.sum(p)


@functools.cache
def binomial(n, p):
    """C(n, k) p^k (1 - p)^(n - k): p_(k+1) / p_k = (n - k) / (k + 1) · p / (1 - p)."""
    name = f"binomial({n}, {p})"
    if p in (0, 1):
        return table(name, [n * int(p)], [1.0])
    require_rare(n, name)
    mode = min(n, int((n + 1) * p))
    above, below = np.arange(mode, n), np.arange(mode, 0, -1)
    return table(name, *from_mode(0, mode, (n - above) / (above + 1) * (p / (1 - p)),
                                  below / (n - below + 1) * ((1 - p) / p)))  # fmt: skip


@functools.cache
def geometric(p):
    """p (1 - p)^(k - 1), k = 1, 2, ..."""
    name, last = f"geometric({p})", 1 if p == 1 else math.ceil(math.log(TAIL) / math.log1p(-p))
    require_rare(last, name)
    k = np.arange(1, last + 1)
    return table(name, k, p * (1 - p) ** (k - 1.0), has_tail=p < 1)


@functools.cache
def poisson(mean):
    """e^-λ λ^k / k!, k = 0, 1, ...: p_(k+1) / p_k = λ / (k + 1)."""
    name, mode, far = f"poisson({mean})", int(mean), math.ceil(9 * math.sqrt(mean) + 30)
    low = max(0, mode - far)
    require_rare(mode + far - low, name)
    k, p = from_mode(low, mode, mean / np.arange(mode + 1, mode + far), np.arange(mode, low, -1) / max(mean, TAIL))
    last = np.searchsorted(np.cumsum(p), 1 - TAIL) + 1
    return table(name, k[:last], p[:last], has_tail=mean > 0)


class Seeds(Discrete):
    """Whole numbers from a range of more than 2^20: seeds, one in each run, so that none is reproduced that matters."""

    rng = np.random.default_rng(0)

    def __init__(self, low, high):
        super().__init__(f"seed({low}, {high})", [0], [1.0])
        self.low, self.width = low, high - low

    def pick(self, branches):
        return self.sample(self.rng, len(branches)), np.ones(len(branches))

    def sample(self, rng, count):
        drawn = self.rng.integers(2**63, size=count).tolist()
        return np.array([self.low + k % self.width for k in drawn])


@functools.cache
def integers_or_seeds(low, high):
    """Uniform on low, ..., high - 1, or seeds."""
    return laws.integers(low, high) if high - low <= WIDEST else Seeds(low, high)


# ---------------------------------------------------------------------- draws


def typed_as(example, values):
    """Values in the type and the dtype of an example."""
    if isinstance(example, np.ndarray):
        return np.asarray(values).astype(example.dtype).reshape(example.shape)
    return type(example)(np.asarray(values).item())


class Draws:
    """The methods that NumPy's generators and its legacy functions share, over a `StreamPlace`; ``real`` is one."""

    def _located(self, name, law, loc, scale, size):
        example = getattr(self.real, name)(loc, scale, size)
        return typed_as(example, loc + np.asarray(scale) * self.place.take(law, np.shape(example)))

    def normal(self, loc=0.0, scale=1.0, size=None):
        return self._located("normal", laws.NORMAL, loc, scale, size)

    def gumbel(self, loc=0.0, scale=1.0, size=None):
        return self._located("gumbel", laws.GUMBEL, loc, scale, size)

    def laplace(self, loc=0.0, scale=1.0, size=None):
        return self._located("laplace", laws.LAPLACE, loc, scale, size)

    def logistic(self, loc=0.0, scale=1.0, size=None):
        return self._located("logistic", laws.LOGISTIC, loc, scale, size)

    def exponential(self, scale=1.0, size=None):
        example = self.real.exponential(scale, size)
        return typed_as(example, np.asarray(scale) * self.place.take(laws.EXPONENTIAL, np.shape(example)))

    def lognormal(self, mean=0.0, sigma=1.0, size=None):
        return typed_as(self.real.lognormal(mean, sigma, size), np.exp(self.normal(mean, sigma, size)))

    def uniform(self, low=0.0, high=1.0, size=None):
        shape = np.shape(self.real.uniform(low, high, size))
        return low + np.subtract(high, low) * self.place.uniform(shape)

    def multivariate_normal(self, mean, cov, size=None, *args, **keywords):
        """mean + A z with A Aᵀ = cov: whatever root is taken, the law is the same."""
        example = self.real.multivariate_normal(mean, cov, size, *args, **keywords)
        u, s, _ = np.linalg.svd(np.asarray(cov, np.float64))
        return typed_as(example, mean + self.place.take(laws.NORMAL, example.shape) @ (u * np.sqrt(s)).T)

    def _counts(self, example, law, *parameters):
        """Draws from a law whose parameters may be arrays."""
        *columns, _ = (a.ravel().tolist() for a in np.broadcast_arrays(*parameters, example))
        drawn = [self.place.take(law(*row))[()] for row in zip(*columns, strict=True)]
        return typed_as(example, np.reshape(drawn, np.shape(example)))

    def binomial(self, n, p, size=None):
        return self._counts(self.real.binomial(n, p, size), binomial, n, p)

    def geometric(self, p, size=None):
        return self._counts(self.real.geometric(p, size), geometric, p)

    def poisson(self, lam=1.0, size=None):
        return self._counts(self.real.poisson(lam, size), poisson, lam)

    def multinomial(self, n, pvals, size=None):
        """Binomial counts one after the other, each out of what is left."""
        example, pvals = self.real.multinomial(n, pvals, size), np.asarray(pvals, np.float64)
        if np.ndim(n) or pvals.ndim > 1:
            raise ReplayError("multinomial with arrays of n or rows of pvals is not modelled: draw row by row")
        found = np.zeros(example.shape, np.int64)
        rest = np.append(np.cumsum(pvals[::-1])[::-1], 0.0)
        for counts in found.reshape(-1, len(pvals)):
            left = int(n)
            for k, p in enumerate(pvals):
                share = 1.0 if k == len(pvals) - 1 else min(1.0, p / rest[k]) if rest[k] else 0.0
                counts[k] = self.place.take(binomial(left, share))[()] if left else 0
                left -= int(counts[k])
        return typed_as(example, found)

    def _integers(self, example, low, high):
        """Uniform on low, ..., high - 1, which may be arrays."""
        return self._counts(example, integers_or_seeds, low, high)

    # ------------------------------------------------------------------ orders

    def _order(self, n):
        """A permutation of n places: one of those left after the other."""
        left = list(range(n))
        return [left.pop(int(self.place.take(laws.one_of(len(left)))[()])) for _ in range(n)]

    def _distinct(self, n, count, p, is_shuffled=True):
        """Places drawn without replacement."""
        if p is not None:
            return self._weighted(n, count, np.array(p, np.float64))
        if is_shuffled:
            left = list(range(n))
            return [left.pop(int(self.place.take(laws.one_of(len(left)))[()])) for _ in range(count)]
        found = []  # Floyd's algorithm, as NumPy has it: the set is uniform, the order is not
        for last in range(n - count, n):
            drawn = int(self.place.take(laws.one_of(last + 1))[()])
            found.append(last if drawn in found else drawn)
        return found

    def _weighted(self, n, count, p):
        found = []
        for _ in range(count):
            found.append(int(self._categories(p / np.sum(p), ())))
            p[found[-1]] = 0.0
        return found

    def _categories(self, p, shape):
        return self.place.uniform(shape).reached(lambda _: np.cumsum(p)[:-1])

    def _chosen(self, example, a, shape, replace, p, axis=0, is_shuffled=True):
        """Of a, or of range(a), entries along an axis."""
        n = operator.index(a) if np.ndim(a) == 0 else np.shape(a)[axis]
        if not replace:
            places = np.reshape(self._distinct(n, math.prod(shape), p, is_shuffled), shape)
        else:
            places = self.place.take(laws.integers(0, n), shape) if p is None else self._categories(p, shape)
        places = np.asarray(places, np.int64)
        return typed_as(example, places if np.ndim(a) == 0 else np.take(np.asarray(a), places, axis))

    def shuffle(self, x, axis=0):
        if isinstance(x, np.ndarray):
            x[...] = np.take(x, self._order(x.shape[axis]), axis)
        else:
            x[:] = [x[k] for k in self._order(len(x))]

    def permutation(self, x, axis=0):
        if isinstance(x, (int, np.integer)):
            return np.array(self._order(int(x)), np.int64)
        return np.take(np.asarray(x), self._order(np.shape(x)[axis]), axis)


def refuse_the_rest(cls, base):
    """Every public method of a class of NumPy's that is not written is an error that names it."""
    written = {name for c in cls.__mro__[: cls.__mro__.index(base)] for name in vars(c)}
    for name in dir(base):
        if not name.startswith("_") and name not in written:
            setattr(cls, name, _not_written(name))
    return cls


def _not_written(name):
    def method(self, *args, **keywords):
        raise ReplayError(f"the run draws by NumPy's {name}, which is not modelled: {ADVICE}")

    method.__name__ = name
    return method
