"""Path: one outcome of a run, as the branch that every draw takes, and the next one."""

import math

import numpy as np

from .laws import Discrete
from .source import Source

RARE = 1e-14  # paths of a lower probability are cut
FAINT = 1e-60  # and those whose nodes weigh less
CHANCE = np.random.default_rng(0)  # how a path goes on that is cut, each from the start
START = CHANCE.bit_generator.state


class Path(Source):
    """Which branch every draw takes, how many it had to choose from, and how likely that was.

    A path that becomes too improbable is cut: it goes on at random, so that the run ends, and its result says no more
    than how large results may be there.

    Parameters
    ----------
    choices : the branches of the first draws; those after them take branch 0
    degree : of the polynomials that the nodes of continuous draws integrate exactly
    """

    def __init__(self, choices, degree):
        super().__init__()
        self.choices, self.degree = list(choices), degree
        self.radices, self.weight, self.probability, self.has_tail = [], 1.0, 1.0, False
        self.chance = None  # once the path is cut

    @property
    def is_cut(self):
        return self.chance is not None

    def fresh(self, law, count):
        self.count(law.name, count)
        if self.is_cut:
            return law.sample(self.chance, count)
        if isinstance(law, Discrete):
            self.has_tail |= law.has_tail
            values, probabilities = law.pick(self.branches(law.radix, count))
            self._weigh(probabilities)
            return values
        nodes, weights = law.nodes(self.degree)
        chosen = self.branches(len(nodes), count)
        self._weigh(weights=weights[chosen])
        return nodes[chosen]

    def split(self, cell, edges):
        self.count("u < p", 1)
        widths = np.diff(edges) / (edges[-1] - edges[0])
        if self.is_cut:
            return int(self.chance.choice(len(widths), p=widths / np.sum(widths)))
        chosen = self.branches(len(widths), 1)
        self._weigh(widths[chosen])
        return int(chosen[0])

    def _weigh(self, probabilities=None, weights=None):
        """Take note of the probabilities of discrete draws, or of the weights of nodes."""
        if probabilities is None:
            self.weight *= float(np.prod(weights))
        else:
            p = math.prod(probabilities.tolist())
            self.weight *= p
            self.probability *= p
        if self.probability < RARE or self.weight < FAINT:
            self.chance = CHANCE
            CHANCE.bit_generator.state = START

    def branches(self, radix, count):
        """The branches of the next draws out of ``radix`` each."""
        start = len(self.radices)
        missing = start + count - len(self.choices)
        if missing > 0:
            self.choices += [0] * missing
        self.radices += [radix] * count
        return np.array(self.choices[start : start + count], dtype=np.intp)

    def successor(self, fixed=0):
        """The branches of the next outcome, or None after the last; the first ``fixed`` stay."""
        choices, radices = self.choices[: len(self.radices)], self.radices
        last = len(radices) - 1
        while last >= fixed and choices[last] == radices[last] - 1:
            last -= 1
        return None if last < fixed else [*choices[:last], choices[last] + 1]

    def outcomes(self):
        """How many there are if every branch draws as this one did."""
        return math.prod(self.radices)

    def words(self):
        """What was drawn, in words."""
        return ", ".join(f"{count} {name}" for name, count in self.drawn.items()) or "none"


class RandomPath(Path):
    """A path whose branches are chosen at random, each alike: its ``outcomes`` estimate how many there are.

    Knuth 1975, Estimating the efficiency of backtrack programs.
    """

    def __init__(self, rng, degree):
        super().__init__([], degree)
        self.rng = rng

    def branches(self, radix, count):
        chosen = self.rng.integers(0, radix, count)
        self.radices += [radix] * count
        self.choices += chosen.tolist()
        return chosen
