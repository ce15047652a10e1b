"""The exact moments of a case, taken in a process of its own, which ends where it takes too long."""

import importlib
import math
import multiprocessing
import resource
import signal
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from elsewhere import case as catalogue

import dualgrad as dg
from dualgrad import testing

REFUSALS = testing.ReplayError, testing.TooManyOutcomesError, dg.NonFiniteError


@dataclass(frozen=True)
class Enumerated:
    """What ``testing.exact_moments`` says of a case; ``why`` it is not certified, in the kit's words."""

    mean: Any = None
    variance: Any = None
    outcomes: int = 0
    why: str = ""

    @property
    def certified(self):
        """Whether the mean is exact."""
        return self.mean is not None and not self.why

    def off(self, mean, variance=None):
        """Whether a certified mean, or variance, is another than the one claimed."""
        return self.certified and not (close(self.mean, mean) and (variance is None or close(self.variance, variance)))


def close(found, claimed):
    """Equal to eight digits."""
    return np.allclose(found, np.ravel(np.asarray(claimed, float)), rtol=1e-8, atol=1e-8)


def enumerate_outcomes(case):
    """All outcomes of a case, or why not."""
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = testing.exact_moments(case.run, draws=case.draws)
    except case.raises as error:
        return Enumerated(why=f"{type(error).__name__}: {shortly(error)}")
    except REFUSALS as error:
        return Enumerated(why=shortly(error))
    doubts = [str(w.message).removeprefix("not certified: ") for w in told
              if issubclass(w.category, testing.InexactWarning | testing.ForeignDrawsWarning)]  # fmt: skip
    return Enumerated(found.mean, found.variance, found.outcomes, "" if found.certified else shortly("; ".join(doubts)))


def shortly(words):
    """The first clause of a message."""
    return str(words).splitlines()[0].partition(";")[0].partition(". ")[0].partition(", and more outcomes")[0]


def serve(module, pipe):
    """Answers the index of a case, and how long it may take, by what enumeration makes of it."""
    catalogue.double_precision()
    cases = list(importlib.import_module(module).cases())
    pipe.send("ready")
    while True:
        index, seconds = pipe.recv()
        until = math.ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
        pipe.send(enumerate_outcomes(cases[index]))


class Worker:
    """A process that enumerates the cases of a module, begun again after one that took too much processor time."""

    def __init__(self, module):
        self.module, self.process = module, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.kill()

    def ask(self, index, seconds):
        """Begins a case."""
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=serve, args=(self.module, theirs), daemon=True)
            self.process.start()
            theirs.close()
            self.pipe.recv()
        self.seconds = seconds
        self.pipe.send((index, seconds))

    def answer(self):
        """What became of it."""
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            ended, self.process = self.process.exitcode, None
        if ended != -signal.SIGXCPU:
            raise RuntimeError(f"the enumeration of {self.module} ended by the error above")
        return Enumerated(why=f"not enumerated within {self.seconds:.0f} s of processor time")
