"""Laws of single draws: what values a draw takes, with which probabilities; of a continuous one, nodes and a line."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ...backend import Array
from . import quadrature

FAR = 7.5  # standard deviations: how far out a line along a normal draw goes
THIN = 1e-13  # the probability beyond either end of a line


class Discrete:
    """Finitely many values (n, ...) and their probabilities (n,); what they lack of 1 is a tail that is cut off."""

    name: str
    radix: int  # how many branches a draw has
    has_tail: bool

    def __init__(self, name: str, values: Any, probabilities: Any) -> None:
        self.name, self.values, self.probabilities = name, np.asarray(values), np.asarray(probabilities, np.float64)
        self.radix = len(self.values)
        self.has_tail = bool(np.sum(self.probabilities) < 1 - 1e-15 * self.radix)

    def pick(self, branches: Array) -> tuple[Array, Array]:
        """The values of branches, and their probabilities."""
        return self.values[branches], self.probabilities[branches]

    def sample(self, rng: "np.random.Generator", count: int) -> Array:
        """Independent draws."""
        p = self.probabilities / np.sum(self.probabilities)
        return self.values[rng.choice(len(p), count, p=p)]


class Range(Discrete):
    """Uniform on low, ..., high - 1: as many values as one likes."""

    def __init__(self, name: str, low: int, high: int) -> None:
        self.name, self.low, self.radix, self.has_tail = name, low, high - low, False

    def pick(self, branches: Array) -> tuple[Array, Array]:
        return self.low + branches, np.full(len(branches), 1 / self.radix)

    def sample(self, rng: "np.random.Generator", count: int) -> Array:
        return rng.integers(self.low, self.low + self.radix, count)


@dataclass(frozen=True)
class Continuous:
    """A law with a density: nodes by degree, a sampler, and a line ``along(x, t)`` through x, -1 <= t <= 1.

    ``spread`` is by how much draws that rest while another moves are pushed outwards, to see what depends on both.
    """

    name: str
    nodes: Callable[[int], tuple[Array, Array]]
    sample: Callable[["np.random.Generator", int], Array]
    along: Callable[[Any, float], Any]
    on_circle: bool = False
    spread: float = 0.0


Law: TypeAlias = Discrete | Continuous


def uniformly(name: str, values: Any) -> Discrete:
    """The law that takes each of the values with the same probability."""
    values = np.asarray(values)
    return Discrete(name, values, np.full(len(values), 1 / len(values)))


@functools.cache
def integers(low: int, high: int) -> Discrete:
    """Uniform on low, ..., high - 1."""
    return Range(f"integers({low}, {high})", low, high)


@functools.cache
def one_of(n: int) -> Discrete:
    """One of n places: a step of drawing without replacement."""
    return Range(f"one of {n}", 0, n)


@functools.cache
def unit(dimension: int) -> Law:
    """A point on the unit sphere, uniformly distributed."""
    if dimension == 1:
        return uniformly("unit", [[1.0], [-1.0]])

    def sample(rng, count):
        x = rng.standard_normal((count, dimension))
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    return Continuous("unit", lambda degree: quadrature.sphere(dimension, degree), sample, _around, on_circle=True)


def _around(x, t):
    """The point x of a sphere turned by the angle π t, in a plane through x."""
    other = np.roll(x, 1) * np.linspace(1, 2, len(x)) + 0.1
    other -= (other @ x) * x
    return np.cos(np.pi * t) * x + np.sin(np.pi * t) * other / np.linalg.norm(other)


def _between(low, high):
    return lambda x, t: low + (high - low) * (1 + t) / 2


SIGNS = uniformly("signs", [1, -1])
NORMAL = Continuous(
    "normal", quadrature.normal, lambda rng, n: rng.standard_normal(n), lambda x, t: FAR * t, spread=1.6
)
UNIFORM = Continuous("uniform", quadrature.uniform, lambda rng, n: rng.random(n), _between(0.0, 1.0))
EXPONENTIAL = Continuous(
    "exponential", quadrature.exponential_law, lambda rng, n: rng.standard_exponential(n), _between(0.0, -np.log(THIN))
)
GUMBEL = Continuous(
    "gumbel", quadrature.gumbel_law, lambda rng, n: rng.gumbel(size=n),
    _between(-np.log(-np.log(THIN)), -np.log(THIN)),
)  # fmt: skip
LAPLACE = Continuous(
    "laplace", quadrature.laplace_law, lambda rng, n: rng.laplace(size=n), _between(np.log(2 * THIN), -np.log(2 * THIN))
)
LOGISTIC = Continuous(
    "logistic", quadrature.logistic_law, lambda rng, n: rng.logistic(size=n), _between(np.log(THIN), -np.log(THIN))
)
