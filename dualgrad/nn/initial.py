"""How parameters start: the initialisers by name."""

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from ..random import RngLike, as_rng
from .setting_checks import checked
from .types import Parameters

_Parameters = TypeVar("_Parameters", bound=Parameters)
Initialiser: TypeAlias = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "orthogonal", "siren", "zeros", "forget_gate"
]


def fans(shape):
    """Fan-in and fan-out of a matrix ``(in, out)`` or a kernel ``(..., in, out)``."""
    field = math.prod(shape[:-2])
    return field * (shape[-2] if len(shape) > 1 else shape[0]), field * shape[-1]


def uniform_fan_in(rng, shape, dtype, fan_in):
    """Uniform on ±1/√fan_in, with which torch starts its layers."""
    bound = 1 / math.sqrt(max(fan_in, 1))
    return rng.uniform(-bound, bound, shape, dtype=dtype)


def glorot_uniform(rng, shape, dtype):
    """Uniform on ±√(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    bound = math.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-bound, bound, shape, dtype=dtype)


def glorot_normal(rng, shape, dtype):
    """Normal of variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    return _scaled(rng, shape, dtype, math.sqrt(2 / sum(fans(shape))))


def he_uniform(rng, shape, dtype):
    """Uniform on ±√(6 / fan_in) (He et al. 2015)."""
    bound = math.sqrt(6 / fans(shape)[0])
    return rng.uniform(-bound, bound, shape, dtype=dtype)


def he_normal(rng, shape, dtype):
    """Normal of variance 2 / fan_in (He et al. 2015)."""
    return _scaled(rng, shape, dtype, math.sqrt(2 / fans(shape)[0]))


def orthogonal(rng, shape, dtype):
    """Orthonormal rows or columns, whichever are fewer (Saxe et al. 2014)."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diagonal(r))
    return np.reshape(q if rows >= columns else q.T, shape).astype(dtype)


@checked
def siren_uniform(rng, shape, dtype, omega=30.0, first=False):
    """Uniform on ±√(6 / fan_in) / ω, and ±1/fan_in in the first layer (Sitzmann et al. 2020)."""
    bound = 1 / fans(shape)[0] if first else math.sqrt(6 / fans(shape)[0]) / abs(omega)
    return rng.uniform(-bound, bound, shape, dtype=dtype)


def zeros(rng, shape, dtype):
    """Zeros."""
    return np.zeros(shape, dtype)


def _scaled(rng, shape, dtype, scale):
    return (rng.normal(shape) * scale).astype(dtype)


def _forget_gate(params):
    """The forget gate of every LSTM, whose gates are i, f, g, o, opens with a bias of 1 (Gers et al. 2000)."""
    for name, leaf in params.items():
        recurrent = params.get(name.removesuffix("bias") + "weight_h") if name.endswith("bias") else None
        if recurrent is not None and recurrent.shape[1] == 4 * recurrent.shape[0]:
            n = recurrent.shape[0]
            leaf[n : 2 * n] = 1


INITIALISERS = {f.__name__: f for f in (glorot_uniform, glorot_normal, he_uniform, he_normal, orthogonal, zeros)}
INITIALISERS["siren"] = siren_uniform


def initialise(params: _Parameters, name: Initialiser, *, rng: RngLike, **settings: Any) -> _Parameters:
    """Start every matrix and kernel of ``params`` anew, in place; vectors (biases, scales) stay as they are.

    Parameters
    ----------
    params : Params, or a mapping of arrays
    name : str
        "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "orthogonal", "siren" (with ``omega=``,
        ``first=``) or "zeros"; or "forget_gate", which only sets the forget gates' biases of LSTMs to 1.
    rng : int, numpy.random.Generator or Rng

    Returns
    -------
    params, the same object.

    Raises
    ------
    ValueError, TypeError
        For a name that is not one of these, for a model in place of its parameters.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> params = dg.nn.initialise(dg.nn.Linear(4, 3).init(rng=0), "orthogonal", rng=0)
    >>> np.round(params["weight"].T @ params["weight"], 5) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    if not isinstance(params, Mapping):
        raise TypeError(f"got {params!r:.80}; expected parameters, as model.init(rng=0) gives")
    if name == "forget_gate":
        _forget_gate(params)
        return params
    if name not in INITIALISERS:
        raise ValueError(f"got the initialiser {name!r}; expected one of {', '.join([*INITIALISERS, 'forget_gate'])}")
    rng = as_rng(rng)
    for leaf in params.values():
        if leaf.ndim > 1:
            leaf[...] = np.asarray(INITIALISERS[name](rng, leaf.shape, np.float64, **settings)).astype(leaf.dtype)
    return params
