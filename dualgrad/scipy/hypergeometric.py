"""Hypergeometric functions, along their variable."""

import numpy as np
from scipy import special as sp

from ..rules.declare import elementwise
from .tails import fixed


def _parameters_of(name, count):
    return [fixed(name, "its parameters")] * count


elementwise(
    sp.hyp1f1,
    *_parameters_of("hyp1f1", 2),
    lambda y, a, b, x: a / b * np.where(np.equal(a, -1), 1, sp.hyp1f1(a + 1, b + 1, x)),
)
elementwise(
    sp.hyp2f1,
    *_parameters_of("hyp2f1", 3),
    lambda y, a, b, c, x: a * b / c * sp.hyp2f1(a + 1, b + 1, c + 1, x),
)
