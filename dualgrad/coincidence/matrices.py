"""What the rules for all matrices share with those for matrices whose values coincide."""

import numpy as np

from ..dual import Dual, primal


def ct(x):
    """The conjugate transpose."""
    return np.conj(np.swapaxes(x, -1, -2))


def hermitian(x, uplo="L"):
    """The Hermitian matrix of which LAPACK reads one triangle."""
    half, other = (np.tril(x), np.tril(x, -1)) if uplo in "Ll" else (np.triu(x), np.triu(x, 1))
    h = half + ct(other)
    return h - 0.5 * (h - ct(h)) if np.iscomplexobj(primal(x)) else h


def with_complement(dq, whole):
    """dQ beside dQ₂ = -Q₁ dQ₁ᴴ Q₂: the smallest rotation that keeps [Q₁ Q₂] unitary, whichever Q₂ NumPy has chosen."""
    k = dq.shape[-1]
    if k == whole.shape[-1]:
        return dq
    q, rest = whole[..., :k], whole[..., k:]
    return np.concatenate([dq, -np.matmul(q, np.matmul(ct(dq), rest))], -1)


def as_namedtuple(value, outputs):
    """The outputs in a tuple with the names of NumPy's."""
    return type(value)(*outputs) if hasattr(value, "_fields") else tuple(outputs)


def rounding(values):
    """What rounding makes of a value that is zero."""
    return 16 * np.finfo(values.dtype).eps * np.sum(np.abs(values), -1, keepdims=True)


def depth(x):
    """How often x is differentiated already."""
    return 1 + depth(x.primal) if x.__class__ is Dual else getattr(x, "order", 3) - 1 if isinstance(x, Dual) else 0
