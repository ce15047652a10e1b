"""Masks of attention: which keys a query does not see, and what is added to its scores."""

import numpy as np

from ..backend import like
from ..dual import primal
from ..errors import ShapeError
from ..exponentials import stable_softmax
from ..inputs import as_input


def ignored(layer, keys, mask):
    """A padding mask (B, S) as an array of booleans that stands beside scores (B, H, L, S); None where there is none.

    ``keys`` is an array (B, ..., S, d) on whose device it goes.
    """
    if mask is None:
        return None
    mask, expected = as_input(mask, layer, "a padding mask"), (keys.shape[0], keys.shape[-2])
    if mask.dtype.kind != "b" or mask.shape != expected:
        raise ShapeError(
            f"{layer!r} got an input of {expected[0]} sequences of {expected[1]} keys and a padding mask of "
            f"{mask.dtype}{list(mask.shape)}; expected booleans {expected}, True where a key is ignored"
        )
    return like(mask[:, None, None, :], primal(keys))


def limits(layer, scores, mask):
    """What a mask of scores (B, H, L, S) ignores, and what it adds to them; None where it has nothing of that kind."""
    if mask is None:
        return None, None
    mask, (batch, heads, *pair) = as_input(mask, layer, "a mask"), scores.shape
    shapes = [tuple(pair), (batch * heads, *pair), (batch, heads, *pair)]
    kind = primal(mask).dtype.kind
    if kind not in "bf" or mask.shape not in shapes:
        raise ShapeError(
            f"{layer!r} got an input with scores of shape {scores.shape} and a mask of "
            f"{primal(mask).dtype}{list(mask.shape)}; expected one of {shapes}, of booleans, True where a pair is "
            "ignored, or of numbers to add"
        )
    mask = np.reshape(mask, scores.shape) if mask.ndim == 3 else mask
    if kind == "b":
        return like(mask, primal(scores)), None
    kept = primal(scores)
    mask = like(mask.astype(kept.dtype), kept) if isinstance(mask, np.ndarray) else mask
    hidden = primal(mask) == -np.inf
    return hidden, np.where(hidden, 0, mask)


def either(a, b):
    """What either of two masks ignores."""
    return a if b is None else b if a is None else np.logical_or(a, b)


def masked_softmax(scores, hidden):
    """The softmax over what is not ``hidden``; 0 in rows of which all is."""
    if hidden is None:
        return stable_softmax(scores)
    nothing = np.all(hidden, axis=-1, keepdims=True)
    scores = np.where(nothing, 0, np.where(hidden, -np.inf, scores))
    return np.where(nothing, 0, stable_softmax(scores))
