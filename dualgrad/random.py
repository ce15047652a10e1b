"""Rng: the only source of randomness. Drawn on the host, so that NumPy and CuPy see the same numbers.

Signs come from raw bits, eight at a time through a table; only the bits' worth of work is done per entry.
"""

import math
import sys

import numpy as np

from .backend import like as on_device
from .scratch import empty

_SIGNS = 1 - 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.int8)
_TABLES = {np.dtype(t): _SIGNS.astype(t) for t in (np.float32, np.float64)}


class Rng:
    """A stream of random numbers, reproducible from its seed and resumable from its state.

    Parameters
    ----------
    seed : int, numpy.random.Generator, numpy.random.SeedSequence, Rng or None
        An int or SeedSequence starts a fresh PCG64 stream; a Generator or Rng is continued (SPEC 7); None asks the
        system for entropy.

    Examples
    --------
    >>> import dualgrad as dg
    >>> rng = dg.Rng(3)
    >>> rng.signs(5)
    array([ 1.,  1.,  1., -1., -1.])
    >>> rng.normal((2, 2)).shape
    (2, 2)
    """

    def __init__(self, seed):
        if isinstance(seed, Rng):  # the same stream, whatever kind of Rng it is
            self.__class__, self.__dict__ = seed.__class__, seed.__dict__
        elif isinstance(seed, (bool, float, str)):
            raise TypeError(f"got rng={seed!r}; expected an int, a numpy Generator or a dualgrad Rng")
        else:
            self.generator = np.random.default_rng(seed)

    def __repr__(self):
        bits = getattr(vars(self).get("generator"), "bit_generator", None)  # none where the draws are not random
        return f"{type(self).__name__}({'' if bits is None else type(bits).__name__})"

    def signs(self, shape, *, dtype=np.float64, like=None):
        """Independent ±1, each with probability 1/2."""
        count = math.prod(shape) if isinstance(shape, tuple) else int(np.prod(shape))
        raw = self.generator.bit_generator.random_raw((count + 63) // 64)
        octets = (raw if sys.byteorder == "little" else raw.byteswap()).view(np.uint8)[: (count + 7) // 8]
        table = _TABLES.get(np.dtype(dtype))
        table = _SIGNS.astype(dtype) if table is None else table
        signs = table.take(octets, axis=0, out=empty((len(octets), 8), table.dtype), mode="clip")
        return on_device(signs.reshape(-1)[:count].reshape(shape), like)

    def normal(self, shape=(), *, dtype=np.float64, like=None):
        """Independent standard normals."""
        return self._floating(self.generator.standard_normal, shape, dtype, like)

    def uniform(self, low=0.0, high=1.0, shape=(), *, dtype=np.float64, like=None):
        """Independent uniforms on [low, high)."""
        u = self._floating(self.generator.random, shape, dtype, None)
        return on_device((low + (high - low) * u).astype(dtype, copy=False), like)

    def _floating(self, draw, shape, dtype, like):
        native = np.dtype(dtype) if np.dtype(dtype) in (np.float32, np.float64) else np.dtype(np.float64)
        return on_device(np.asarray(draw(shape, dtype=native)).astype(dtype, copy=False), like)

    def unit(self, shape, *, dtype=np.float64, like=None):
        """Points on the unit sphere of the last axis, uniformly distributed."""
        x = np.asarray(self.generator.standard_normal(shape))
        return on_device((x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(dtype), like)

    def bernoulli(self, p, shape=(), *, dtype=np.float64, like=None):
        """Independent draws that are 1 with probability p (a number, or an array to broadcast) and 0 otherwise."""
        shape = np.broadcast_shapes(np.shape(p), shape if isinstance(shape, tuple) else (shape,))
        return on_device((np.asarray(self.generator.random(shape)) < p).astype(dtype), like)

    def integers(self, low, high, shape=(), *, dtype=np.int64, like=None):
        """Independent integers, uniform on low, ..., high - 1."""
        return on_device(np.asarray(self.generator.integers(low, high, shape, dtype=dtype)), like)

    def permutation(self, n, *, like=None):
        """The integers 0, ..., n - 1 in random order."""
        return on_device(self.generator.permutation(n), like)

    def spawn(self, n):
        """``n`` independent streams."""
        return [Rng(child) for child in self.generator.spawn(n)]

    def state_dict(self):
        """The state of the stream, as plain data for `dualgrad.save`."""
        return self.generator.bit_generator.state

    def load_state_dict(self, state):
        """Continue from a saved state.

        Raises
        ------
        ValueError
            When the state belongs to another kind of bit generator.
        """
        kind = type(self.generator.bit_generator).__name__
        if not isinstance(state, dict) or state.get("bit_generator") != kind:
            given = state.get("bit_generator") if isinstance(state, dict) else type(state).__name__
            raise ValueError(f"got the state of a {given}; this stream is a {kind}")
        self.generator.bit_generator.state = state


def as_rng(rng):
    """``rng`` itself if it is an `Rng` (of any subclass), else an `Rng` made from it: the keyword of SPEC 7."""
    return rng if isinstance(rng, Rng) else Rng(rng)
