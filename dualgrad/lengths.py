"""The length of a vector, its direction u = x / ‖x‖, and its ratios ρ = x / z to the entry z that decides the length.

    d‖x‖ = ⟨g, dx⟩,   du = (w - u ⟨g, w⟩) / ‖x‖,   dρ = w / z,   with g = ± |u|ᵖ⁻¹ and w = dx - ρ dz

for ‖x‖ = (Σ |x|ᵖ)^(1/p). What w leaves out of dx moves along x and turns no direction, so nothing cancels where dx
nearly does; and as every derivative divides by a length once, none over- or underflows on the way. The last axis is the
vector.
"""

import numpy as np

from .dispatch import own
from .dual import Dual, lead_of, primal
from .rules.absorb import quietly
from .rules.declare import nested_as, register_rule
from .slopes import everyday


@own
def length(x, p):
    """‖x‖, without over- or underflow."""
    z = np.sum(np.where(_decisive(x, p), np.abs(x), 0), axis=-1)
    return z * np.sum(np.abs(ratios(x, p)) ** p, axis=-1) ** (1 / p)


@own
def unit_vector(x, p):
    """u = x / ‖x‖, and 0 where x is 0; beside infinities, finite entries are as 0."""
    if p == 2:
        square = np.sum(x * x, axis=-1, keepdims=True)
        if everyday(square):
            return x / np.sqrt(square)
    r = ratios(x, p)
    sign = np.sign(np.sum(np.where(_decisive(x, p), x, 0), axis=-1, keepdims=True))
    total = np.sum(np.abs(r) ** p, axis=-1, keepdims=True)
    return (sign * r * np.where(total == 0, 1, total) ** (-1 / p)).astype(x.dtype)


@own
def ratios(x, p):
    """ρ = x / z, with z the largest entry, or the smallest for p < 0; 0 where z is 0."""
    z = np.sum(np.where(_decisive(x, p), x, 0), axis=-1, keepdims=True)
    x = np.where(np.isinf(z), np.where(np.isinf(x), np.sign(x), 0), x)
    z = np.where(np.isinf(z), np.sign(z), z)
    return x / np.where(z == 0, 1, z)


def _decisive(x, p):
    """Where the entry stands that decides the length."""
    index = (np.argmax if p > 0 else np.argmin)(np.abs(x), -1)
    return index[..., None] == np.arange(x.shape[-1], like=x)


def length_slope(u, p):
    """g = ± |u|ᵖ⁻¹."""
    zero = primal(u) == 0
    return u if p == 2 else np.sign(primal(u)) * np.abs(np.where(zero, 1, u)) ** (p - 1)


def _over(a, n):
    """a / n, and 0 where n is 0."""
    zero = primal(n) == 0
    return np.where(zero, 0, a / np.where(zero, 1, n))


def _transversal(x, dx, p):
    """Where z is, and the part w = dx - ρ dz of a tangent across x."""
    here = _decisive(primal(x), p)
    dz = np.sum(np.where(here, dx, 0), axis=-1, keepdims=True)
    return here, np.where(here, 0, dx - ratios(x, p) * dz)


def _length_tangent(x, dx, p):
    return np.sum(length_slope(unit_vector(x, p), p) * dx, axis=-1)


def _direction_tangent(x, dx, p):
    u, (_, w) = unit_vector(x, p), _transversal(x, dx, p)
    return _over(w - u * np.sum(length_slope(u, p) * w, axis=-1, keepdims=True), length(x, p)[..., None])


def _ratios_tangent(x, dx, p):
    here, w = _transversal(x, dx, p)
    return _over(w, np.sum(np.where(here, x, 0), axis=-1, keepdims=True))


def _declare(function, tangent):
    def push(x, p):
        lead_of(x)
        y = function(x.primal, p)
        return Dual(y, nested_as(y, quietly(tangent, x.primal, x.tangent, p)), x.level)

    register_rule([function], "explicit", push)


_declare(length, _length_tangent)
_declare(unit_vector, _direction_tangent)
_declare(ratios, _ratios_tangent)
