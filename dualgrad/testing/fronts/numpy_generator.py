"""The front of NumPy's generators: an np.random.Generator that a program cannot tell from another."""

import copy

import numpy as np

from ..enumeration import laws
from ..enumeration.source import ReplayError
from .front import Front
from .numpy_laws import ADVICE, Draws, refuse_the_rest, typed_as
from .own import Replay
from .place import StreamPlace

BITS = np.random.PCG64(0)  # what a Generator has to have; nothing is drawn from it


class ReplayGenerator(Draws, np.random.Generator):
    """A Generator whose draws come from a `Source`."""

    real = np.random.Generator(np.random.PCG64(0))

    def __new__(cls, place):
        return super().__new__(cls, BITS)

    def __init__(self, place):
        super().__init__(BITS)
        self.place = place

    @property
    def bit_generator(self):
        return Bits(self.place)

    def spawn(self, n_children):
        return [type(self)(place) for place in self.place.spawn(n_children)]

    def __repr__(self):
        return "Generator(Replay)"

    __str__ = __repr__

    def __copy__(self):
        return type(self)(self.place)

    def __deepcopy__(self, memo):
        return type(self)(self.place.copy())

    def __reduce__(self):
        return type(self), (self.place,)

    def as_rng(self):
        """The dualgrad.Rng that goes on with this stream."""
        return Replay(self.place, self)

    def random(self, size=None, dtype=np.float64, out=None):
        shape = np.shape(self.real.random(size, dtype, copy.copy(out)))
        u = self.place.uniform(shape).astype(dtype)
        if out is None:
            return u
        self.place.source.doubt("random(out=) fills an array with numbers, whose comparisons are not seen")
        out[...] = np.asarray(u)
        return out

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        return self._standard("standard_normal", laws.NORMAL, size, dtype, out=out)

    def standard_exponential(self, size=None, dtype=np.float64, method="zig", out=None):
        return self._standard("standard_exponential", laws.EXPONENTIAL, size, dtype, method, out=out)

    def _standard(self, name, law, *args, out):
        example = getattr(self.real, name)(*args, out=copy.copy(out))
        drawn = typed_as(example, self.place.take(law, np.shape(example)))
        if out is None:
            return drawn
        out[...] = drawn
        return out

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        example = self.real.integers(low, high, size, dtype, endpoint)
        low, high = (0, low) if high is None else (low, high)
        return self._integers(example, low, np.add(high, 1) if endpoint else high)

    def choice(self, a, size=None, replace=True, p=None, axis=0, shuffle=True):
        example = self.real.choice(a, size, replace, p, axis, shuffle)
        shape = () if size is None else tuple(np.atleast_1d(size).tolist())
        return self._chosen(example, a, shape, replace, p, axis, shuffle)

    def permuted(self, x, *, axis=None, out=None):
        x = np.asarray(x)
        if axis is None:
            found = x.ravel()[self._order(x.size)].reshape(x.shape)
        else:
            lanes = np.moveaxis(x, axis, -1)
            rows = [lane[self._order(len(lane))] for lane in lanes.reshape(-1, lanes.shape[-1])]
            found = np.moveaxis(np.reshape(rows, lanes.shape), -1, axis)
        if out is None:
            return found
        out[...] = found
        return out


refuse_the_rest(ReplayGenerator, np.random.Generator)


class Bits:
    """The bit generator of a replayed one: its state can be kept and set again; it has no bits."""

    def __init__(self, place):
        self.place = place

    state = property(lambda self: self.place.state, lambda self, state: setattr(self.place, "state", state))
    seed_seq = property(lambda self: self)

    def spawn(self, n_children):
        return [Bits(place) for place in self.place.spawn(n_children)]

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise ReplayError(f"the run asks a bit generator for {name}, which is not modelled: {ADVICE}")


class NumPy(Front):
    """``run(gen)`` with a `numpy.random.Generator`."""

    name, takes = "numpy", "gen"

    def arguments(self, source):
        return (ReplayGenerator(StreamPlace(source)),)
