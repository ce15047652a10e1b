"""The watch: random numbers that a run takes elsewhere, from a library's streams or from a seed, are noticed.

States of generators that are global, or that the run reaches by name, are compared before and after; makers of
generators, and JAX's samplers, say so themselves. Unseen stays what is hidden in objects of C or in slots, or imported
where the run is not looked into: a copy of a bit generator alone, a Generator made by a library's own code.
"""

import contextlib
import random
import sys

import numpy as np

from ...random import Rng
from .holders import exchange
from .reach import reach
from .streams import streams

OUTSIDE = "if that is meant as fixed data, make it outside the run"
STACK_OF_RUNS = "dualgrad.testing.moments"  # where the stack of a run begins


class ForeignDrawsWarning(UserWarning):
    """The run takes random numbers that are not replayed; the result holds for those alone, and is no certificate.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     moments = testing.exact_moments(lambda rng: np.random.default_rng(0).normal() * rng.signs(2))
    >>> caught[0].category.__name__, moments.certified
    ('ForeignDrawsWarning', False)
    """


class Watch:
    """While a run is being played, what it draws elsewhere is noticed; ``own`` is the name of the front.

    The patches are those of the process: another thread that draws while a run is played is noticed too.
    """

    playing = None  # the watch whose run is being played

    def __init__(self, own, run=None):
        self.own, self.run, self._found, self._states = own, run, {}, {}

    def __enter__(self):
        vars(np.random)  # which NumPy imports when it is named
        self.holders, reached = reach(self.run)
        looks = ("random", _random), ("numpy", _numpy), ("dualgrad", _dualgrad), ("torch", _torch), ("jax", _jax)
        with contextlib.ExitStack() as stack:
            for stream in streams(reached):
                if self.is_foreign(stream.library):
                    stack.enter_context(self.apart(stream))
            for library, look in looks:
                if self.is_foreign(library):
                    stack.enter_context(look(self))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def is_foreign(self, library):
        """Whether a library is there and may be drawn from beside the front: of torch and JAX the front replays all."""
        return library in sys.modules and (library != self.own or library in ("numpy", "dualgrad"))

    def notice(self, what, draws):
        """Random numbers were drawn, or are about to be, that ``draws`` would replay."""
        if Watch.playing is self:
            self._found[what] = draws

    def words(self, beside=False):
        """What was noticed up to now, and what to do; "" if nothing was. ``beside`` draws that are replayed?"""
        moved = {stream.what: stream.draws for stream, state in self._states.items() if stream.state() != state}
        found = self._found | moved
        if not found:
            return ""
        advice = dict.fromkeys(self._advice(draws, beside) for draws in found.values())
        return f"the run draws from {' and '.join(found)}, which is not replayed: {', '.join(advice)}; {OUTSIDE}"

    def _advice(self, draws, beside):
        if beside and draws and {draws.split("-")[0], self.own.split("-")[0]} & {"torch", "jax"} and draws != self.own:
            return "draw all of it from one library, since one is replayed at a time"
        if draws == self.own:
            return "name it np.random.… in the run, since where it was bound before it could not be replaced"
        return f"pass draws={draws!r}" if draws else "draw from what the run is given"

    @contextlib.contextmanager
    def apart(self, stream):
        """A generator at a state of its own, so that a run that sets one moves it, and at the end as it was."""
        before = stream.get()
        stream.move()
        self._states[stream] = stream.state()
        try:
            yield
        finally:
            stream.put(before)


# ---------------------------------------------------------------------- makers


def _stand_in(real, notice):
    """A class that makes what the real one does, and says so; isinstance holds for both."""

    class Noticing(type(real)):
        def __call__(cls, *args, **keywords):
            notice()
            return real(*args, **keywords)

        def __instancecheck__(cls, x):
            return isinstance(x, real)

        def __subclasscheck__(cls, other):
            return issubclass(other, real)

    return Noticing(real.__name__, (real,), {})


@contextlib.contextmanager
def _exchanged(holder, values):
    """Entries of a dict or attributes of an object, while it is entered; those that are not there stay away."""
    namespace = holder if isinstance(holder, dict) else vars(holder)
    before = {name: namespace[name] for name in values if name in namespace}
    put = holder.__setitem__ if isinstance(holder, dict) else lambda name, value: setattr(holder, name, value)
    try:
        for name in before:
            put(name, values[name](before[name]))
        yield
    finally:
        for name, value in before.items():
            put(name, value)


@contextlib.contextmanager
def _random(watch):
    """Draws from instances of random.Random, whose other methods all ask these two; not from the global one."""
    before = {name: vars(random.Random).get(name) for name in ("random", "getrandbits")}

    def noticing(name):
        real = getattr(random.Random, name)

        def method(self, *args):
            if self is not random.random.__self__ and not _is_of_an_import(sys._getframe(1)):
                watch.notice("an instance of random.Random", "")
            return real(self, *args)

        return method

    try:
        for name in before:
            setattr(random.Random, name, noticing(name))
        yield
    finally:
        for name, method in before.items():
            delattr(random.Random, name) if method is None else setattr(random.Random, name, method)


def _is_of_an_import(frame):
    """Whether a draw is made while a module is imported in the run, or by tempfile, which libraries use at first."""
    while frame and frame.f_globals.get("__name__") != STACK_OF_RUNS:
        if frame.f_globals.get("__name__") in ("importlib._bootstrap", "tempfile"):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def _numpy(watch):
    """Makers, below the names under which a program may have them: default_rng asks its module for a PCG64."""
    generator = lambda: watch.notice("an np.random.Generator that it makes", "numpy-global")  # noqa: E731
    state = lambda: watch.notice("an np.random.RandomState that it makes", "numpy-global")  # noqa: E731
    inner = {name: vars(sys.modules[f"numpy.random.{name}"]) for name in ("_generator", "mtrand", "_pickle")}
    pairs = [(real, _noticing_bits(real, watch)) for real in inner["_pickle"]["BitGenerators"].values()]
    spaces = [vars(np.random), *watch.holders]
    if watch.own != "numpy-global":
        for real, notice in ((np.random.Generator, generator), (np.random.RandomState, state)):
            pairs.append((real, _stand_in(real, notice)))
        spaces.append(inner["_pickle"])  # where copies are made
    with contextlib.ExitStack() as stack:
        stack.enter_context(_exchanged(inner["_generator"], {"PCG64": lambda c: _stand_in(c, generator)}))
        stack.enter_context(_exchanged(inner["mtrand"], {"_MT19937": lambda c: _stand_in(c, state)}))
        stack.callback(exchange, spaces, [(other, real) for real, other in pairs])
        exchange(spaces, pairs)
        yield


def _noticing_bits(real, watch):
    """A class of bit generators that say so when they are asked for bits, or, if none are replayed, when made."""
    notice = lambda: watch.notice("the bits of an np.random bit generator that it makes", "")  # noqa: E731

    class Noticing(real):
        def __init__(self, *args, **keywords):
            super().__init__(*args, **keywords)
            if watch.own != "numpy-global":
                notice()

        def __getattribute__(self, name):
            if name in ("random_raw", "ctypes", "cffi"):
                notice()
            return super().__getattribute__(name)

    Noticing.__name__, Noticing.__qualname__, Noticing.__module__ = real.__name__, real.__name__, "numpy.random"
    return Noticing


@contextlib.contextmanager
def _dualgrad(watch):
    """Rngs made from seeds; one made of a replayed generator goes on with its stream."""
    original = Rng.__init__

    def made(self, seed):
        found = dict(watch._found)
        original(self, seed)
        as_rng = getattr(vars(self).get("generator"), "as_rng", None)
        if as_rng is not None:
            replay = as_rng()
            self.__class__, self.__dict__ = replay.__class__, replay.__dict__
        elif not isinstance(seed, Rng):
            watch._found = found
            watch.notice("a dualgrad.Rng that it makes from a seed", "")

    with _exchanged(Rng, {"__init__": lambda _: made}):
        yield


@contextlib.contextmanager
def _torch(watch):
    made = lambda: watch.notice("a torch.Generator that it makes", "torch")  # noqa: E731
    with _exchanged(sys.modules["torch"], {"Generator": lambda c: _stand_in(c, made)}):
        yield


@contextlib.contextmanager
def _jax(watch):
    """Keys and samplers, in the module that all of them are in; what was compiled before is not seen."""

    def noticing(real):
        def function(*args, **keywords):
            watch.notice("jax.random", "jax")
            return real(*args, **keywords)

        return function

    module = getattr(sys.modules.get("jax.random"), "normal", None)
    if module is None:
        yield
    else:
        with _exchanged(module.__globals__, {"_key": noticing, "_check_prng_key": noticing}):
            yield
