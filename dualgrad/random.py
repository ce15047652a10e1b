"""Rng: the only source of randomness. Drawn on the host, so that NumPy and CuPy see the same numbers.

Signs come from raw bits, eight at a time through a table; only the bits' worth of work is done per entry.
"""

import json
import math
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .backend import Array, ArrayLike, DTypeLike
from .backend import like as on_device
from .checks import count
from .scratch import empty

_SIGNS = 1 - 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.int8)
_SIGNS_OF = {np.dtype(t): _SIGNS.astype(t) for t in (np.float32, np.float64)}

ShapeLike: TypeAlias = int | Sequence[int]

if TYPE_CHECKING:
    RngLike: TypeAlias = "Rng | np.random.Generator | np.random.SeedSequence | int | np.integer[Any] | None"
else:  # NumPy imports numpy.random when it is named
    RngLike = object


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

    generator: "np.random.Generator"
    _epochs: "dict[str, list[int]] | None" = None  # of unfinished epochs: the seed of the order, and batches given out

    def __init__(self, seed: RngLike) -> None:
        if isinstance(seed, Rng):  # the same stream, whatever kind of Rng it is
            self.__class__, self.__dict__ = seed.__class__, seed.__dict__
        elif isinstance(seed, (bool, float, str)):
            raise TypeError(f"got rng={seed!r}; expected an int, a numpy Generator or a dualgrad Rng")
        else:
            self.generator = np.random.default_rng(seed)

    def __repr__(self) -> str:
        bits = getattr(vars(self).get("generator"), "bit_generator", None)  # none where the draws are not random
        return f"{type(self).__name__}({'' if bits is None else type(bits).__name__})"

    def signs(self, shape: ShapeLike, *, dtype: DTypeLike = np.float64, like: Any = None) -> Array:
        """Independent ±1, each with probability 1/2."""
        count = math.prod(shape) if isinstance(shape, tuple) else int(np.prod(shape))
        raw = self.generator.bit_generator.random_raw((count + 63) // 64)
        octets = (raw if sys.byteorder == "little" else raw.byteswap()).view(np.uint8)[: (count + 7) // 8]
        table = _SIGNS_OF.get(np.dtype(dtype))
        table = _SIGNS.astype(dtype) if table is None else table
        signs = table.take(octets, axis=0, out=empty((len(octets), 8), table.dtype), mode="clip")
        signs = signs.reshape(-1)[:count].reshape(shape)
        return signs if like is None or like.__class__ is np.ndarray else on_device(signs, like)

    def normal(self, shape: ShapeLike = (), *, dtype: DTypeLike = np.float64, like: Any = None) -> Array:
        """Independent standard normals."""
        return self._floating(self.generator.standard_normal, shape, dtype, like)

    def uniform(
        self,
        low: ArrayLike = 0.0,
        high: ArrayLike = 1.0,
        shape: ShapeLike = (),
        *,
        dtype: DTypeLike = np.float64,
        like: Any = None,
    ) -> Any:
        """Independent uniforms on [low, high)."""
        u = self._floating(self.generator.random, shape, dtype, None)
        return on_device((low + (high - low) * u).astype(dtype, copy=False), like)

    def _floating(self, draw, shape, dtype, like):
        native = np.dtype(dtype) if np.dtype(dtype) in (np.float32, np.float64) else np.dtype(np.float64)
        return on_device(np.asarray(draw(shape, dtype=native)).astype(dtype, copy=False), like)

    def unit(self, shape: ShapeLike, *, dtype: DTypeLike = np.float64, like: Any = None) -> Array:
        """Points on the unit sphere of the last axis, uniformly distributed."""
        x = np.asarray(self.generator.standard_normal(shape))
        return on_device((x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(dtype), like)

    def bernoulli(self, p: ArrayLike, shape: ShapeLike = (), *, dtype: DTypeLike = np.float64, like: Any = None) -> Any:
        """Independent draws that are 1 with probability p (a number, or an array to broadcast) and 0 otherwise."""
        shape = np.broadcast_shapes(np.shape(p), shape if isinstance(shape, tuple) else (shape,))
        return on_device((np.asarray(self.generator.random(shape)) < p).astype(dtype), like)

    def integers(
        self, low: int, high: int, shape: ShapeLike = (), *, dtype: DTypeLike = np.int64, like: Any = None
    ) -> Array:
        """Independent integers, uniform on low, ..., high - 1."""
        return on_device(np.asarray(self.generator.integers(low, high, shape, dtype=dtype)), like)

    def draw(self, values: ArrayLike, probabilities: ArrayLike, shape: ShapeLike = (), *, like: Any = None) -> Array:
        """Independent draws from a table: ``values[k]`` with ``probabilities[k]``.

        Parameters
        ----------
        values : array (n, ...), or int
            Rows to draw from; n stands for 0, ..., n - 1.
        probabilities : array (n,)
            Not negative, of sum 1.
        shape : int or tuple
            How many; the result is ``shape + values.shape[1:]``.

        Raises
        ------
        ValueError
            For probabilities that are none, or not one for each value.

        Examples
        --------
        >>> import dualgrad as dg
        >>> dg.Rng(3).draw([-1.0, 0.0, 2.0], [0.25, 0.5, 0.25], 4)
        array([-1., -1.,  2.,  0.])
        """
        values, probabilities = as_table(values, probabilities)
        edges = np.cumsum(probabilities)[:-1]
        return on_device(values[np.searchsorted(edges, self.generator.random(shape), side="right")], like)

    def permutation(self, n: int, *, like: Any = None) -> Array:
        """The integers 0, ..., n - 1 in random order."""
        return on_device(self.generator.permutation(n), like)

    def spawn(self, n: int) -> list["Rng"]:
        """``n`` independent streams; the next call gives others."""
        n = count("n", n, "how many streams to spawn")
        self._seed_sequence("streams to spawn")
        return [Rng(child) for child in self.generator.spawn(n)]

    def _seed_sequence(self, what):
        """The seed that streams are made from."""
        seed = self.generator.bit_generator.seed_seq
        if not isinstance(seed, np.random.SeedSequence):
            raise ValueError(f"{self!r} was not made from a seed sequence, so it has no {what}: take dg.Rng(seed)")
        return seed

    def named(self, *keys: int | np.integer[Any] | str) -> "Rng":
        """The stream of a name: independent of this one and of every other name, the same whenever it is asked for.

        It depends on the seed and the name alone, not on what was drawn or spawned before; so the draws of step 1000
        can be had without those of the steps before it.

        Parameters
        ----------
        *keys : int or str
            For example ``rng.named("masks", step, chunk)``.

        Raises
        ------
        TypeError
            For other keys, or none.
        ValueError
            When the generator has no seed sequence, from which streams could be made.

        Examples
        --------
        >>> import dualgrad as dg
        >>> rng = dg.Rng(3)
        >>> first, _ = rng.named("step", 1).signs(4), rng.signs(100)
        >>> rng.named("step", 1).signs(4) == first
        array([ True,  True,  True,  True])
        """
        seed = self._seed_sequence("named streams")
        import hashlib  # which few programs need

        words = np.frombuffer(hashlib.sha256(json.dumps(as_name(keys)).encode()).digest(), "<u4")
        key = (*seed.spawn_key, *words.tolist())
        return Rng(np.random.SeedSequence(seed.entropy, spawn_key=key, pool_size=seed.pool_size))

    def place(self) -> Any:
        """Where the stream is, for `rewind`: its numbers alone, without its seed and what was spawned."""
        return self.generator.bit_generator.state

    def rewind(self, place: Any) -> None:
        """Back to a place of this very stream: what is drawn then is drawn again."""
        self.generator.bit_generator.state = place

    def state_dict(self) -> dict[str, Any]:
        """The state of the stream, with its seed and how many streams were spawned: plain data for `dualgrad.save`.

        Of epochs that are under way, `dualgrad.nn.Objective.batches`, it has the place.
        """
        bits = self.generator.bit_generator
        state = {**bits.state, "seed": _plain_seed(bits.seed_seq)}
        return (
            state | {"epochs": {name: list(place) for name, place in self._epochs.items()}} if self._epochs else state
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state; streams that are spawned or named then are those of the stream that was saved.

        A state that was saved without its seed, before there was one, is loaded with a warning.

        Raises
        ------
        ValueError
            When the state belongs to another kind of bit generator, or is damaged; the stream is as it was.
        """
        bits = self.generator.bit_generator
        kind = type(bits).__name__
        if not isinstance(state, dict) or state.get("bit_generator") != kind:
            given = state.get("bit_generator") if isinstance(state, dict) else type(state).__name__
            raise ValueError(f"got the state of a {given}; this stream is a {kind}")
        place = {name: value for name, value in state.items() if name not in ("seed", "epochs")}
        before, saved = (bits.state, bits.seed_seq), state.get("seed")
        try:
            rewound = saved is not None and saved == _plain_seed(bits.seed_seq)
            seed = bits.seed_seq if rewound or saved is None else _seed(saved)
            bits.__setstate__((place, seed))  # as pickle does, so that a generator that is shared goes on
            if not rewound and _integers(bits.state) != _integers(place):
                raise ValueError(f"it has {place}")
            self._epochs = _places_in_epochs(state.get("epochs", {}))
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            bits.__setstate__(before)
            raise ValueError(f"the saved state of a {kind} is damaged ({type(error).__name__}: {error})") from None
        if saved is None and isinstance(seed, np.random.SeedSequence):
            warnings.warn(
                "this state was saved without its seed: the stream goes on as it was, but streams spawned from it are "
                "not those of the run that saved it",
                stacklevel=2,
            )


def as_table(values, probabilities):
    """Values (n, ...) and their probabilities (n,) of sum 1."""
    values, p = np.asarray(values), np.asarray(probabilities, np.float64)
    values = np.arange(int(values)) if values.ndim == 0 else values
    if p.ndim != 1 or len(p) != len(values):
        raise ValueError(f"got {len(values)} values and probabilities of shape {p.shape}; expected ({len(values)},)")
    if not len(p) or not np.all(p >= 0) or abs(np.sum(p) - 1) > 1e-8:
        raise ValueError(f"got probabilities {p}; expected numbers that are not negative, of sum 1")
    return values, p / np.sum(p)


def as_name(keys):
    """The keys of a named stream as plain ints and strings."""
    whole = [isinstance(key, (int, np.integer)) and not isinstance(key, bool) for key in keys]
    if not keys or not all(w or isinstance(key, str) for w, key in zip(whole, keys, strict=True)):
        raise TypeError(f"got the name {keys!r}; expected whole numbers and strings, as in rng.named('masks', step)")
    return [int(key) if w else str(key) for w, key in zip(whole, keys, strict=True)]


def _integers(state):
    """The numbers of a bit generator's state, in order."""
    if isinstance(state, dict):
        return [_integers(state[name]) for name in sorted(state)]
    return state.tolist() if isinstance(state, np.ndarray) else state


def _places_in_epochs(epochs):
    """The places of epochs that are under way, checked."""
    for name, place in epochs.items():
        whole = isinstance(place, (list, tuple)) and len(place) == 2 and all(type(n) is int and n >= 0 for n in place)
        if not isinstance(name, str) or not whole:
            raise ValueError(f"its epoch {name!r} has {place!r}, where a seed and a count are expected")
    return {name: list(place) for name, place in epochs.items()}


def _plain_seed(seed):
    """A seed sequence as plain data; None for one that is not NumPy's."""
    if not isinstance(seed, np.random.SeedSequence):
        return None
    entropy = int(seed.entropy) if np.ndim(seed.entropy) == 0 else [int(word) for word in seed.entropy]
    key = [int(word) for word in seed.spawn_key]
    return {"entropy": entropy, "spawn_key": key, "pool_size": seed.pool_size, "spawned": seed.n_children_spawned}


def _seed(state):
    """The seed sequence of plain data."""
    words = state["entropy"] if isinstance(state["entropy"], (list, tuple)) else [state["entropy"]]
    for number in (*words, *state["spawn_key"], state["pool_size"], state["spawned"]):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ValueError(f"its seed has {number!r}, where whole numbers are expected")
    return np.random.SeedSequence(
        state["entropy"],
        spawn_key=tuple(state["spawn_key"]),
        pool_size=state["pool_size"],
        n_children_spawned=state["spawned"],
    )


def as_rng(rng: RngLike) -> Rng:
    """``rng`` itself if it is an `Rng` (of any subclass), else an `Rng` made from it: the keyword of SPEC 7."""
    return rng if isinstance(rng, Rng) else Rng(rng)
