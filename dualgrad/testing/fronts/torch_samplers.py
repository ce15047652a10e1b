"""The laws of torch's samplers, by aten operation: what a draw gives in place of the numbers that torch put there.

Each takes the draws at one state of a generator, the operation's arguments by name, and the tensor that torch
returned, whose shape, type and layout the result has.
"""

import math

import numpy as np
import torch

from ..enumeration import laws
from ..enumeration.source import ReplayError
from .coordinates import Card, MinusLog, Rest
from .lazy import LazyUniform
from .torch_lazy import numbers_in

MOST_ENUMERATED = 2**20  # whole numbers from a range of more are taken for seeds
RARE_VALUE = 1e-15  # the probability of a last value that stands for all beyond
MOST_VALUES = 100_000


class StateDraws:
    """The draws of one operation: the first, second, ... at a state of a generator; ``decks`` by state, of one play."""

    def __init__(self, source, state, play, decks):
        self.source, self.stream, self.play, self.decks, self.position = source, state, play, decks, 0

    def take(self, law, count):
        self.position += count
        return self.source.take(self.stream, self.position - count, law, count)

    def intervals(self, count):
        self.position += count
        return self.source.intervals(self.stream, self.position - count, count)

    def parts(self, table):
        """For each row of probabilities a number 0, 1, ... of that law; the last takes what is left."""
        edges = [np.cumsum(row)[:-1] for row in table]
        return np.array([cell.part(e) for cell, e in zip(self.intervals(len(edges)), edges, strict=True)], np.int64)

    def deck(self, n):
        """The cards of a shuffled deck."""
        if self.stream not in self.decks:
            left = list(range(n))
            self.decks[self.stream] = [Card(left, self) for _ in range(n)]
        return self.decks[self.stream]

    def seed(self):
        """A seed: its value is another in each play, so that a result which depends on it is not reproducible."""
        self.position += 1
        self.source.count("seed", 1)
        return abs(hash((self.stream, self.position, self.play)))


def spread(a, shape):
    """A number or a tensor of parameters, flat, in double precision, for a result of the shape."""
    numbers = numbers_in(a) if isinstance(a, torch.Tensor) else np.asarray(a, np.float64)
    return np.broadcast_to(numbers, shape).ravel()


def lazily(cells, out, shift=0.0, scale=1.0):
    """StateDraws shift + scale z whose numbers are not known yet."""
    return LazyUniform(LazyUniform.of(cells, tuple(out.shape)).cells, shift, scale)


# ---------------------------------------------------------------------- continuous laws


def aten_normal(draws, a, out):
    z = draws.take(laws.NORMAL, out.numel())
    return spread(a.get("mean", 0.0), out.shape) + spread(a.get("std", 1.0), out.shape) * z


def aten_log_normal(draws, a, out):
    return np.exp(aten_normal(draws, a, out))


def aten_uniform(draws, a, out):
    low, high = a.get("from", 0.0), a.get("to", 1.0)
    return lazily(draws.intervals(out.numel()), out, low, high - low)


def aten_exponential(draws, a, out):
    cells = [MinusLog(Rest(cell)) for cell in draws.intervals(out.numel())]
    return lazily(cells, out, scale=1 / a["lambd"])


# ---------------------------------------------------------------------- discrete laws


def aten_bernoulli(draws, a, out):
    p = spread(a["p"] if "p" in a else a["self"], out.shape)
    return np.array([cell.below(q) for cell, q in zip(draws.intervals(p.size), p, strict=True)], bool)


def aten_integers(draws, a, out):
    low, high = a.get("low", a.get("from", 0)), a.get("high", a.get("to"))
    if high is None:
        high = 2**63 if out.dtype == torch.int64 else 2 ** min(31, *_bits(out.dtype))
    if isinstance(high, torch.Tensor):
        high = int(high)
    if high - low > MOST_ENUMERATED:
        return np.array([low + draws.seed() % (high - low) for _ in range(out.numel())], np.int64)
    return draws.take(laws.integers(int(low), int(high)), out.numel())


def _bits(dtype):
    """How many bits a whole number of a type has, without its sign; of a floating one, that it holds exactly."""
    if dtype.is_floating_point:
        return (round(1 - math.log2(torch.finfo(dtype).eps)),)
    return (8 * dtype.itemsize - dtype.is_signed,) if dtype != torch.bool else (1,)


def aten_permutation(draws, a, out):
    return lazily(draws.deck(a["n"]), out)


def aten_multinomial(draws, a, out):
    rows = np.atleast_2d(numbers_in(a["self"]))
    return np.array([_drawn_places(draws, row, a["num_samples"], a["replacement"]) for row in rows], np.int64)


def _drawn_places(draws, weights, count, replacement):
    """Places drawn by their weights; without replacement, each by the weights of those that are left."""
    weights, found = weights.copy(), []
    for _ in range(count):
        found.append(int(draws.parts([weights / np.sum(weights)])[0]))
        if not replacement:
            weights[found[-1]] = 0
    return found


def aten_binomial(draws, a, out):
    counts, p = spread(a["count"], out.shape), spread(a["prob"], out.shape)
    return draws.parts([_binomial(int(n), q) for n, q in zip(counts, p, strict=True)])


def _binomial(n, q):
    return [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]


def aten_poisson(draws, a, out):
    return draws.parts([_until_rare(_poisson(rate), "poisson") for rate in spread(a["self"], out.shape)])


def _poisson(rate):
    p, k = math.exp(-rate), 0
    while True:
        yield p
        k += 1
        p *= rate / k


def aten_geometric(draws, a, out):
    table = _until_rare((a["p"] * (1 - a["p"]) ** k for k in range(MOST_VALUES + 1)), "geometric")
    return 1 + draws.parts([table] * out.numel())


def _until_rare(probabilities, name):
    """The probabilities of a law on 0, 1, ... as far as there are any; the last is that of all beyond."""
    found, left = [], 1.0
    for p in probabilities:
        found.append(p)
        left -= p
        if left <= RARE_VALUE:
            return [*found, max(left, 0.0)]
        if len(found) == MOST_VALUES:
            raise ReplayError(f"{MOST_VALUES:,} values of a {name} draw are not rare; take a smaller case")
    return found


SAMPLERS = {
    "randn randn_like normal normal_ normal_functional": aten_normal,
    "log_normal log_normal_": aten_log_normal,
    "rand rand_like uniform uniform_": aten_uniform,
    "exponential exponential_": aten_exponential,
    "bernoulli bernoulli_": aten_bernoulli,
    "randint randint_like random random_": aten_integers,
    "randperm": aten_permutation,
    "multinomial": aten_multinomial,
    "binomial": aten_binomial,
    "poisson": aten_poisson,
    "geometric geometric_": aten_geometric,
}
SAMPLERS = {name: sampler for names, sampler in SAMPLERS.items() for name in names.split()}
TRANSFORMS = {
    aten_normal,
    aten_log_normal,
    aten_uniform,
    aten_exponential,
    aten_permutation,
}  # of the same numbers, whatever the parameters
