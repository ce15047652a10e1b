"""The shortest use of the kit, in JAX."""

import jax
from jax import numpy as jnp

from dualgrad.testing import assert_moments

A = jnp.array([[3.0, 1.0], [1.0, 5.0]])


def hutchinson(key):
    v = jax.random.rademacher(key, (2,), float)
    # fault: v = 2 * jax.random.uniform(key, (2,)) - 1
    return v @ A @ v


print(assert_moments(hutchinson, mean=8.0, draws="jax"))
