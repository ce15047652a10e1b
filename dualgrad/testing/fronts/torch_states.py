"""Generators: where torch's generators stand in a play, so that a state which no draw of the run left is noticed."""

import torch

from ..enumeration.source import ReplayError

SEED = 0x5DEECE66D1234567  # of the default generators at the beginning of a play; no number that a program would choose
ELSEWHERE = "torch draws in another thread or by a function that is not intercepted"
REMEDY = "draw in the thread that calls run, by torch's samplers"


class Generators:
    """The generators that a play draws from, by address: their states before it, and those that its draws left.

    After the play each is put back, so that those from outside are in the same state in the next one. What is not
    noticed: a generator that only threads draw from which ran before the play.
    """

    def __init__(self, source):
        self.source, self.first, self.left, self.known = source, {}, {}, set()

    def __enter__(self):
        for generator in default_generators():
            self._meet(generator)
            generator.manual_seed(SEED)
            self.leave(generator)
        return self

    def __exit__(self, kind, error, trace):
        try:
            if error is None:
                for generator, _ in self.first.values():
                    self.look(generator)
        finally:
            for generator, state in self.first.values():
                generator.set_state(state)

    def look(self, generator):
        """The state that a generator is drawn from, as bytes."""
        self._meet(generator)
        now = as_bytes(generator)
        left = self.left.get(generator._cdata, now)
        if now != left and now not in self.known and not is_seeded(now):
            if now[:8] == left[:8]:  # the same seed
                raise ReplayError(f"a generator is not where the run's own draws left it: {ELSEWHERE}; {REMEDY}")
            self.source.doubt(f"a generator's state was made outside the run, or {ELSEWHERE}")
        self.known.add(now)
        return now

    def leave(self, generator):
        """The state after a draw, which is remembered."""
        self.left[generator._cdata] = now = as_bytes(generator)
        self.known.add(now)
        return now

    def _meet(self, generator):
        """Keep a generator, whose address is then no other's, and its state."""
        if generator._cdata not in self.first:
            self.first[generator._cdata] = generator, generator.get_state()


def as_bytes(generator):
    """The state of a generator."""
    return generator.get_state().numpy().tobytes()


def is_seeded(state):
    """Whether nothing was drawn since the seed was set: by the place in Philox's stream, or in the Twister's block."""
    return not any(state[8:16] if len(state) == 16 else state[16:24])


def default_generators():
    """The generators that torch draws from unless it is given another."""
    cuda = torch.cuda.default_generators if torch.cuda.is_available() and torch.cuda.is_initialized() else ()
    return (torch.default_generator, *cuda)
