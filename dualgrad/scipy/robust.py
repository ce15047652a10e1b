"""The losses of Huber."""

import numpy as np
from scipy import special as sp

from ..dual import primal
from ..rules.declare import elementwise
from .densities import all_in_double


def _huber_slope(y, delta, r):
    inner = np.abs(primal(r)) <= primal(delta)
    return np.where(inner, r, delta * np.sign(primal(r)))


@all_in_double
def sine_of(r, delta):
    """r / √(r² + δ²), whose derivatives δ² / R³ and -r δ / R³ are no differences."""
    return r / np.hypot(r, delta)


elementwise(
    sine_of,
    lambda y, r, delta: np.square(delta) * np.hypot(r, delta) ** -3.0,
    lambda y, r, delta: -r * delta * np.hypot(r, delta) ** -3.0,
)


def _pseudo_huber_width(y, delta, r):
    """Along δ: (R - δ)² / R with R = √(δ² + r²), where R - δ is r² / (R + δ)."""
    size = np.hypot(delta, r)
    excess = r * (r / (size + delta))
    return excess * (excess / size)


elementwise(
    sp.huber,
    lambda y, delta, r: np.where(np.abs(primal(r)) <= primal(delta), 0, np.abs(r) - delta),
    _huber_slope,
)
elementwise(sp.pseudo_huber, _pseudo_huber_width, lambda y, delta, r: delta * sine_of(r, delta))
