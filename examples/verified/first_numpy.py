"""The shortest use of the kit, in NumPy."""

import numpy as np

from dualgrad.testing import assert_moments

A = np.array([[3.0, 1.0], [1.0, 5.0]])


def hutchinson(gen):
    v = gen.choice([-1.0, 1.0], 2)
    # fault: v = gen.uniform(-1, 1, 2)
    return v @ A @ v


print(assert_moments(hutchinson, mean=8.0, draws="numpy"))
