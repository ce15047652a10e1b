"""The front of NumPy's global functions and of generators that a run makes from seeds."""

import functools
import pickle

import numpy as np
from numpy.random import MT19937, PCG64

from ..enumeration import laws
from .front import Front
from .holders import exchange, holders_of
from .numpy_generator import Bits, ReplayGenerator
from .numpy_laws import Draws, refuse_the_rest, typed_as
from .place import StreamPlace

GLOBAL = np.random.rand.__self__
LEGACY_BITS = MT19937(0)
FUNCTIONS = "ranf", "sample", "seed", "get_bit_generator", "set_bit_generator"  # beside methods of the global generator


class ReplayState(Draws, np.random.RandomState):
    """A RandomState, or NumPy's global functions, whose draws come from a `Source`."""

    real = np.random.RandomState(MT19937(0))

    def __new__(cls, place):
        return super().__new__(cls, LEGACY_BITS)

    def __init__(self, place):
        super().__init__(LEGACY_BITS)
        self.place = place

    def seed(self, seed=None):
        self.place.state = legacy_place(self.place.source, seed).state

    def get_state(self, legacy=True):
        return self.place.state

    def set_state(self, state):
        is_ours = isinstance(state, dict) and "stream" in state
        self.place.state = state if is_ours else place_at(self.place.source, state).state

    def __reduce__(self):
        return type(self), (self.place,)

    def __copy__(self):
        return type(self)(self.place)

    def __deepcopy__(self, memo):
        return type(self)(self.place.copy())

    def random_sample(self, size=None):
        return self.place.uniform(np.shape(self.real.random_sample(size)))

    random = ranf = sample = random_sample

    def rand(self, *shape):
        return self.random_sample(shape or None)

    def randn(self, *shape):
        return self.standard_normal(shape or None)

    def standard_normal(self, size=None):
        example = self.real.standard_normal(size)
        return typed_as(example, self.place.take(laws.NORMAL, np.shape(example)))

    def standard_exponential(self, size=None):
        return self.exponential(1.0, size)

    def randint(self, low, high=None, size=None, dtype=int):
        example = self.real.randint(low, high, size, dtype)
        return self._integers(example, *((0, low) if high is None else (low, high)))

    def choice(self, a, size=None, replace=True, p=None):
        example = self.real.choice(a, size, replace, p)
        shape = () if size is None else tuple(np.atleast_1d(size).tolist())
        return self._chosen(example, a, shape, replace, p)

    def shuffle(self, x):
        Draws.shuffle(self, x)

    def permutation(self, x):
        return Draws.permutation(self, x)


refuse_the_rest(ReplayState, np.random.RandomState)


def legacy_place(source, seed):
    """The stream of a RandomState: known by the state that the seed gives."""
    bits = MT19937()
    if seed is not None:
        bits._legacy_seeding(seed)
    return StreamPlace(source, (state_of(bits),))


def place_at(source, state):
    """The stream of a RandomState at a state that NumPy gave outside the run."""
    real = ReplayState.real  # which is there for the shapes of its draws alone
    real.set_state(state)
    return StreamPlace(source, (state_of(real._bit_generator),))


def state_of(bits):
    return pickle.dumps(bits.state)


class NumPyGlobal(Front):
    """``run()`` that draws from ``np.random``, and from generators and RandomStates that it makes from seeds.

    While it is entered, NumPy's functions are replaced wherever they are held: in modules, closures, defaults,
    partial functions and attributes of objects. They act as they always do unless a run is being played.
    """

    name = "numpy-global"

    def __init__(self, run):
        super().__init__(run)
        self.state, self.places = None, {}

    def arguments(self, source):
        return ()

    def play(self, source):
        self.state, self.places = ReplayState(StreamPlace(source, ("global",))), {}
        try:
            return self.run()
        finally:
            self.state = None

    def __enter__(self):
        self.reals, self.stand_ins = map(list, zip(*self._stand_ins(), strict=True))  # lists: no holders themselves
        self.holders = [self.run, *holders_of(self.reals)]
        exchange(self.holders, zip(self.reals, self.stand_ins, strict=True))
        return self

    def __exit__(self, *error):
        exchange(self.holders, zip(self.stand_ins, self.reals, strict=True))

    def _stand_ins(self):
        """Every function and class of NumPy's, and what stands in for it."""
        for name, real in vars(np.random).items():
            if getattr(real, "__self__", None) is GLOBAL or name in FUNCTIONS:
                yield real, StandIn(self, real, functools.partial(self._called, name))
        yield np.random.default_rng, StandIn(self, np.random.default_rng, self._default_rng)
        for real, make in ((np.random.Generator, self._generator), (np.random.RandomState, self._random_state)):
            yield real, StandInType(real.__name__, (), {"stand_in": StandIn(self, real, make)})

    def _called(self, name, *args, **keywords):
        return getattr(self.state, name)(*args, **keywords)

    def _default_rng(self, seed=None):
        if isinstance(seed, np.random.Generator):
            return seed
        if isinstance(seed, ReplayState):
            return ReplayGenerator(seed.place)
        return self._generator(seed if isinstance(seed, (Bits, np.random.BitGenerator)) else PCG64(seed))

    def _generator(self, bits):
        return ReplayGenerator(self._place(bits))

    def _random_state(self, seed=None):
        if isinstance(seed, (Bits, np.random.BitGenerator)):
            return ReplayState(self._place(seed))
        return ReplayState(legacy_place(self.state.place.source, seed))

    def _place(self, bits):
        """The stream of a bit generator, which all who hold it share."""
        if isinstance(bits, Bits):
            return bits.place
        place = StreamPlace(self.state.place.source, (state_of(bits),))
        return self.places.setdefault(id(bits), (bits, place))[1]


class StandIn:
    """A function in place of NumPy's, which is called unless a run is being played."""

    __slots__ = ("front", "make", "real")

    def __init__(self, front, real, make):
        self.front, self.real, self.make = front, real, make

    def __call__(self, *args, **keywords):
        called = self.real if self.front.state is None else self.make
        return called(*args, **keywords)


class StandInType(type):
    """A class in place of NumPy's, of which the same objects are instances."""

    def __call__(cls, *args, **keywords):
        return cls.stand_in(*args, **keywords)

    def __instancecheck__(cls, x):
        return isinstance(x, cls.stand_in.real)

    def __subclasscheck__(cls, other):
        return issubclass(other, cls.stand_in.real)
