"""The arguments of a transform: primals that have derivatives, and tangents that fit them."""

import numpy as np

from .backend import is_array, is_host
from .cures import require_arrays
from .dual import LIVE, Dual, lift, primal
from .errors import LevelError, ShapeError
from .rules.declare import nested_as
from .tree import flatten, leaves_like, paths


def match_tangents(primals, tangents):
    """The leaves of both trees, checked against each other, with their structure and lead axes."""
    xs, structure = flatten(tuple(primals))
    vs = leaves_like(tuple(tangents), structure, "tangents")
    xs = [as_primal(x, structure, k) for k, x in enumerate(xs)]
    lead = _lead_axes(xs, vs, structure)
    vs = [_checked_tangent(v, x, lead, structure, k) for k, (x, v) in enumerate(zip(xs, vs, strict=True))]
    return xs, [nested_as(x, v) for x, v in zip(xs, vs, strict=True)], structure, lead


def as_primal(x, structure, k, what="primals"):
    """An array or array scalar of a floating or complex dtype; ``what`` is the name of the tree."""
    if x.__class__ is np.ndarray and x.dtype.kind in "fc":
        return x
    x = lift(x)
    if isinstance(x, np.ndarray):
        require_arrays([type(x)], what + paths(structure)[k])
    if isinstance(x, Dual) and x.level not in LIVE:
        raise LevelError("a primal is a Dual whose jvp has ended: return it from the differentiated function instead")
    if isinstance(x, float):
        return np.float64(x)
    if isinstance(x, complex):
        return np.complex128(x)
    if is_array(x) and hasattr(x, "dtype") and np.issubdtype(x.dtype, np.inexact):
        return x.view(np.ndarray) if isinstance(x, np.ndarray) else x  # np.memmap and other subclasses
    where = paths(structure)[k]
    if hasattr(x, "dtype") and not is_array(x):
        raise TypeError(f"{what}{where} is a {type(x).__name__}; expected an array: np.asarray(x)")
    kind = f"dtype {x.dtype}" if hasattr(x, "dtype") else f"type {type(x).__name__}"
    raise TypeError(
        f"{what}{where} has {kind}; expected floating or complex numbers, which alone have derivatives: "
        "write 3.0 for 3, x.astype(float) for integers"
    )


def _lead_axes(xs, vs, structure):
    """() if every tangent has its primal's shape, (K,) if every one has K in front of it."""
    found = {}
    for k, (x, v) in enumerate(zip(xs, vs, strict=True)):
        shape = v.shape if is_array(v) else np.shape(v)
        if shape == x.shape:
            found.setdefault((), k)
        elif shape[1:] == x.shape and len(shape) == len(x.shape) + 1:
            found.setdefault(shape[:1], k)
        else:
            raise ShapeError(
                f"tangents{paths(structure)[k]} has shape {shape}; expected {tuple(x.shape)}, the shape of its primal, "
                f"or (K, {', '.join(map(str, x.shape))}) for K directions; a tangent never broadcasts"
            )
    if len(found) > 1:
        names = paths(structure)
        counts = ", ".join(f"tangents{names[k]} has {lead[0] if lead else 'no K'}" for lead, k in found.items())
        raise ShapeError(f"all tangents of one call carry the same number of directions; {counts}")
    return next(iter(found), ())


def _checked_tangent(v, x, lead, structure, k):
    if v.__class__ is x.__class__ is np.ndarray and v.dtype is x.dtype:
        return v
    if isinstance(v, np.ndarray):
        require_arrays([type(v)], "tangents" + paths(structure)[k])
    v = lift(v)
    if v is None or is_array(v) and not hasattr(v, "dtype"):  # as ZERO
        raise TypeError(f"tangents{paths(structure)[k]} is {v}; expected an array: np.zeros_like(x) for no motion")
    if not is_array(v) or isinstance(v, np.generic):
        v = np.asarray(v) if isinstance(x, np.ndarray) else np.asarray(v)[()]  # one can be written into, as its primal
    if is_host(primal(v)) != is_host(primal(x)) and not hasattr(v, "dense"):  # factors have no place of their own
        raise TypeError(
            f"tangents{paths(structure)[k]} is a {type(v).__name__} and its primal a {type(x).__name__}; expected both "
            "on one device"
        )
    if v.dtype == x.dtype:
        return v
    if not np.can_cast(v.dtype, x.dtype, "same_kind"):
        raise TypeError(
            f"tangents{paths(structure)[k]} has dtype {v.dtype}, which does not fit the primal's {x.dtype}; "
            "differentiate at a complex primal for complex directions"
        )
    return v.astype(x.dtype)
