"""The watch: random numbers that a run takes elsewhere, from a library's streams or from a seed, are noticed.

States of global generators are compared before and after; makers of generators, and JAX's samplers, say so themselves.
"""

import contextlib
import pickle
import random
import sys

import numpy as np

from ...random import Rng

OUTSIDE = "if that is meant as fixed data, make it outside the run"


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

    def __init__(self, own):
        self.own, self.is_playing, self._found, self._states = own, False, {}, []

    def __enter__(self):
        vars(np.random)  # which NumPy imports when it is named
        with contextlib.ExitStack() as stack:
            for library, look in (("numpy", _numpy), ("dualgrad", _dualgrad), ("torch", _torch), ("jax", _jax)):
                if self.is_foreign(library):
                    stack.enter_context(look(self))
            self._states = [stream for stream in STREAMS if self.is_foreign(stream.library)]
            for stream in self._states:
                stack.enter_context(stream.apart(self))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def is_foreign(self, library):
        """Whether a library is there and may be drawn from beside the front: of torch and JAX the front replays all."""
        return library in sys.modules and (library != self.own or library in ("numpy", "dualgrad"))

    def notice(self, what, draws):
        """Random numbers were drawn, or are about to be, that ``draws`` would replay."""
        if self.is_playing:
            self._found[what] = draws

    def words(self):
        """What was noticed up to now, and what to do; "" if nothing was."""
        moved = {stream.what: stream.draws for stream in self._states if stream.has_moved(self)}
        found = self._found | moved
        if not found:
            return ""
        advice = dict.fromkeys(self._advice(draws) for draws in found.values())
        return f"the run draws from {' and '.join(found)}, which is not replayed: {', '.join(advice)}; {OUTSIDE}"

    def _advice(self, draws):
        if draws == self.own:
            return "name it np.random.… in the run, since where it was bound before it could not be replaced"
        return f"pass draws={draws!r}" if draws else "draw from what the run is given"


# ---------------------------------------------------------------------- global streams


class Stream:
    """A global generator: its library, what it is called, what replays it, and how its state is had, set and moved."""

    def __init__(self, library, what, draws, get, put, move):
        self.library, self.what, self.draws, self.get, self.put, self.move = library, what, draws, get, put, move

    @contextlib.contextmanager
    def apart(self, watch):
        """At a state of its own, so that a run that sets one moves it, and at the end as it was."""
        before = self.get()
        self.move()
        watch.__dict__[self.what] = pickle.dumps(self.get())
        try:
            yield
        finally:
            self.put(before)

    def has_moved(self, watch):
        return pickle.dumps(self.get()) != watch.__dict__[self.what]


def _numpy_state():
    return sys.modules["numpy.random.mtrand"]._rand


def _torch_module():
    return sys.modules["torch"]


STREAMS = (
    Stream("random", "the random module of Python", "", random.getstate, random.setstate, random.random),
    Stream("numpy", "NumPy's global generator", "numpy-global",
           lambda: _numpy_state().get_state(legacy=False), lambda state: _numpy_state().set_state(state),
           lambda: _numpy_state().random_sample()),
    Stream("torch", "torch's global generator", "torch", lambda: _torch_module().get_rng_state().numpy().copy(),
           lambda a: _torch_module().set_rng_state(_torch_module().from_numpy(a)), lambda: _torch_module().rand(1)),
)  # fmt: skip


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
def _numpy(watch):
    """Makers, below the names under which a program may have them: default_rng asks its module for a PCG64."""
    generator = lambda: watch.notice("an np.random.Generator that it makes", "numpy-global")  # noqa: E731
    state = lambda: watch.notice("an np.random.RandomState that it makes", "numpy-global")  # noqa: E731
    with contextlib.ExitStack() as stack:
        inner = {name: vars(sys.modules[name]) for name in ("numpy.random._generator", "numpy.random.mtrand")}
        stack.enter_context(_exchanged(inner["numpy.random._generator"], {"PCG64": lambda c: _stand_in(c, generator)}))
        stack.enter_context(_exchanged(inner["numpy.random.mtrand"], {"_MT19937": lambda c: _stand_in(c, state)}))
        if watch.own != "numpy-global":
            stack.enter_context(_exchanged(np.random, {"Generator": lambda c: _stand_in(c, generator)}))
        yield


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
    with _exchanged(_torch_module(), {"Generator": lambda c: _stand_in(c, made)}):
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
