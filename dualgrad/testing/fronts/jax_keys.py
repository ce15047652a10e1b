"""Keys of JAX that name an outcome: a PRNG implementation whose keys say which outcome is played, and where they are.

A key is three words, (outcome, h, h'): ``split`` and ``fold_in`` keep the first and hash the others, so that keys that
differ in the first word alone play different outcomes of one program, and a batch of them plays all in one vmapped
call. Their dtype is new to JAX, so functions that were jitted before are traced anew.
"""

import math

import jax
import numpy as np
from jax import numpy as jnp
from jax.extend import random as extension

from ..enumeration.source import ReplayError

WORDS = 3
NOBODY = 0xFFFFFFFF  # the outcome of a key in a branch that is not taken


def _fold_in(key, numbers):
    """The keys that numbers are folded into. As in JAX since 0.5, ``fold_in(key, i)`` is ``split(key)[i]``."""
    numbers = numbers.astype(jnp.uint32)
    a = _scramble(key[1] * np.uint32(0x9E3779B9) + key[2] + numbers)
    b = _scramble((key[2] ^ a) * np.uint32(0x85EBCA6B) + numbers + np.uint32(1))
    return jnp.stack([jnp.broadcast_to(key[0], a.shape), a, b], -1)


def _split_words(key, shape):
    return _fold_in(key, jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape))


def _scramble(x):
    """A permutation of 32-bit words in which every bit depends on every other: the end of MurmurHash3."""
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _no_seed(number):
    raise ReplayError("a key of the replay cannot be made from a seed: take it from the key that run is given")


def _no_bits(key, width, shape):
    raise ReplayError(
        "the run draws random bits, or by a sampler of jax.random that is not modelled. Modelled are normal, uniform, "
        "bernoulli, rademacher, randint, categorical, choice, permutation, exponential, gumbel, laplace, logistic, "
        "truncated_normal, and what is computed from them"
    )


IMPLEMENTATION = extension.define_prng_impl(
    key_shape=(WORDS,),
    seed=_no_seed,
    split=_split_words,
    random_bits=_no_bits,
    fold_in=_fold_in,
    name="replay",
    tag="replay",
)
KEY = jax.random.wrap_key_data(np.zeros(WORDS, np.uint32), impl=IMPLEMENTATION).dtype


def keys_of(outcomes):
    """The root keys of outcomes, by their numbers."""
    words = np.zeros((len(outcomes), WORDS), np.uint32)
    words[:, 0] = outcomes
    return jax.random.wrap_key_data(jnp.asarray(words), impl=IMPLEMENTATION)


def only_where(live, keys):
    """Keys as they are where a branch is taken, and nobody's elsewhere."""
    words = jax.random.key_data(keys)
    outcome = jnp.where(live, words[..., 0], jnp.uint32(NOBODY))
    return jax.random.wrap_key_data(words.at[..., 0].set(outcome), impl=IMPLEMENTATION)
