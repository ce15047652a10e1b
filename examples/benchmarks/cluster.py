"""A cluster on paper: the time of a step on N workers by a formula, and with workers some of whom are late.

    T(N) = ⌈U/N⌉ F + n c + α log2 N + 8 m β

U units a step, F seconds each: a chunk of directions is drawn and pushed through a shard. n directions, c seconds each
in the sum that everyone makes: drawn again and added. α seconds until a message is there, β seconds a byte; m numbers
are told to everyone, n slopes a shard and a loss a unit.
"""

import heapq
import math
from typing import NamedTuple

import numpy as np


class Link(NamedTuple):
    """What a message costs: α until it has arrived, β a byte."""

    name: str
    alpha: float
    beta: float


LINKS = (
    Link("rack, 100 Gbit/s, 5 µs", 5e-6, 8e-11),
    Link("Ethernet, 1 Gbit/s, 50 µs", 5e-5, 8e-9),
    Link("far, 10 Mbit/s, 20 ms", 2e-2, 8e-7),
)


class Work(NamedTuple):
    """A step: n directions, in chunks, on each of the shards; F a unit, c a direction in the sum."""

    n: int
    chunk: int
    shards: int
    F: float
    c: float

    @property
    def units(self):
        return -(-self.n // self.chunk) * self.shards

    @property
    def numbers(self):
        return self.n * self.shards + self.units

    def seconds(self, N, link):
        """T(N)."""
        pushed = -(-self.units // N) * self.F
        return pushed + self.n * self.c + told(N, self.numbers, link)

    def efficiency(self, N, link):
        """What share of the time of all workers goes into pushing units."""
        return self.units * self.F / (N * self.seconds(N, link))


def told(N, numbers, link):
    """Until everyone has been told so many numbers by everyone: α log2 N + 8 m β."""
    return link.alpha * math.log2(N) + 8 * numbers * link.beta if N > 1 else 0.0


def dense(N, p, link):
    """An all-reduce of p float32, by halves: there and back, 2 α log2 N + 2 (N - 1)/N 4 p β."""
    return 2 * link.alpha * math.log2(N) + 2 * (N - 1) / N * 4 * p * link.beta


def until(pays, most=1 << 20):
    """The largest power of two, up to a most, for which something still pays."""
    N = 1
    while 2 * N <= most and pays(2 * N):
        N *= 2
    return N


# ---------------------------------------------------------------------- who is late


def lognormal(sigma):
    """Times around 1 whose logarithms have this standard deviation; their median is 1."""

    return lambda rng, count: np.exp(sigma * rng.normal(count))


def again(times):
    """Measured times over their median, drawn again."""
    own = np.array(times) / np.median(times)
    return lambda rng, count: own[rng.integers(0, len(own), (count,))]


def stuck(odds, factor):
    """Times of 1, but once in so many units so many times as long: a worker that swaps, or is restarted."""
    return lambda rng, count: 1 + (factor - 1) * (rng.uniform(0, 1, count) < 1 / odds)


def waited(times, N):
    """A step whose units are dealt beforehand, as many to each worker, and which waits for the last."""
    return float(times.reshape(N, -1).sum(1).max())


class Pooled:
    """Workers who are handed units one by one, as by `dualgrad.workers.Pool`: units that are late, a second time.

    With a patience of None no unit is given twice. What had begun when a step ends goes on into the next.
    """

    def __init__(self, N, patience, soon=0.1):
        self.free, self.patience, self.soon, self.longest, self.now = [0.0] * N, patience, soon, 0.0, 0.0

    def step(self, times):
        """Make a step whose units take these times, or where they are given again those of the second half."""
        count, self.running, done, twice = len(times) // 2, [], set(), set()
        for unit in range(count):
            self.give(unit, times[unit])
        while len(done) < count:
            if self.running[0][0] > self.now + self.wait():
                self.now += self.wait()
                missing = set(range(count)) - done - twice
                for unit in sorted(missing):
                    self.give(unit, times[unit + count])
                twice |= missing
                continue
            end, unit, began = heapq.heappop(self.running)
            if unit not in done:
                done.add(unit)
                self.now, self.longest = end, max(self.longest, end - began)
        unbegun = sorted(((end, began) for end, _, began in self.running if began >= self.now), reverse=True)
        for end, began in unbegun:  # is taken back
            self.free[self.free.index(end)] = began
        heapq.heapify(self.free)

    def give(self, unit, seconds):
        """Hand a unit to whoever is free first."""
        began = max(self.now, heapq.heappop(self.free))
        heapq.heappush(self.free, began + seconds)
        heapq.heappush(self.running, (began + seconds, unit, began))

    def wait(self):
        """How long nothing is heard until what is missing is given again."""
        return max(self.patience * self.longest, self.soon) if self.longest and self.patience else math.inf


def straggling(N, each, F, spread, rng, steps, patience=3.0):
    """Seconds of a step of N × ``each`` units, the mean over some: dealt, and by a pool without and with backups."""
    count = N * each
    draws = [F * spread(rng.named(step), 2 * count) for step in range(steps)]
    ways = {"dealt, wait for all": sum(waited(times[:count], N) for times in draws) / steps}
    for name, most in (("to whoever is free", None), ("and again, if late", patience)):
        pool = Pooled(N, most)
        for times in draws:
            pool.step(times)
        ways[name] = pool.now / steps
    return ways
