"""Generators outside a run, global or reached by name: how the state of each is had, set and moved on."""

import pickle
import random
import sys
from collections.abc import Callable
from typing import NamedTuple

STEPS_APART = (
    1013  # by which a generator is moved on: no run that sets a state ends just so many words beyond another's end
)


class Stream(NamedTuple):
    """A generator: its library, what it is called, what replays it, and how its state is had, set and moved on."""

    library: str
    what: str
    draws: str
    get: Callable
    put: Callable
    move: Callable
    owner: object  # of the state

    def state(self):
        return pickle.dumps(self.get())


def _bit_stream(what, draws, bits):
    put, move = lambda state: setattr(bits, "state", state), lambda: bits.random_raw(STEPS_APART, output=False)
    return Stream("numpy", what, draws, lambda: bits.state, put, move, bits)


def _legacy_stream(what, draws, state):
    bits, get = state._bit_generator, lambda: state.get_state(legacy=False)
    return Stream("numpy", what, draws, get, state.set_state, lambda: bits.random_raw(STEPS_APART, output=False), bits)


def _torch_stream(what, generator):
    torch = sys.modules["torch"]
    get, put = lambda: generator.get_state().numpy().copy(), lambda a: generator.set_state(torch.from_numpy(a))
    move = lambda: torch.rand(STEPS_APART, generator=generator, device=generator.device)  # noqa: E731
    return Stream("torch", what, "torch", get, put, move, generator)


PYTHON = Stream(
    "random", "the random module of Python", "", random.getstate, random.setstate,
    lambda: random.getrandbits(32 * STEPS_APART),
    random.random.__self__,
)  # fmt: skip


def streams(values):
    """Those of the libraries that are loaded, and of generators among the values."""
    found = [*filter(None, map(stream_of, values)), *global_streams()]
    return {id(stream.owner): stream for stream in found}.values()


def global_streams():
    """Those of the libraries that are loaded."""
    yield PYTHON
    yield _legacy_stream("NumPy's global generator", "numpy-global", sys.modules["numpy.random.mtrand"]._rand)
    if "torch" in sys.modules:
        yield _torch_stream("torch's global generator", sys.modules["torch"].default_generator)


def stream_of(x):
    """That of a generator; None of anything else."""
    numpy, torch = sys.modules["numpy.random._pickle"], sys.modules.get("torch")  # NumPy's own classes are there
    if x.__class__ is numpy.Generator:
        x = x.bit_generator
    if isinstance(x, numpy.BitGenerator):
        return _bit_stream("a generator of NumPy's from outside", "", x)
    if x.__class__ is numpy.RandomState:
        return _legacy_stream("a generator of NumPy's from outside", "", x)
    return _torch_stream("a torch.Generator from outside", x) if torch and x.__class__ is torch.Generator else None
