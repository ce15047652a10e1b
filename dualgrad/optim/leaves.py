"""The leaves that a step moves: their names and shapes, their gradients, and whether they can be written."""

import numpy as np

from ..backend import is_array
from ..dual import Dual
from ..errors import LayoutError
from ..params import Layout, Params
from ..tree import flatten, leaves_like, paths


def matched(params, gradient):
    """The leaves to update, their gradients, the leaves' names, and what names and shapes there are.

    For two Params of one layout the only leaf is the vector, and the layout says what is in it; for any other tree
    it is a tuple of pairs (name, shape).
    """
    if isinstance(params, Params) and isinstance(gradient, Params):
        if params.layout != gradient.layout or params.vector.shape != gradient.vector.shape:
            raise LayoutError(f"got a gradient {gradient!r} for parameters {params!r}")
        return [params.vector], [gradient.vector], [".vector"], params.layout
    leaves, structure = flatten(dict(params) if isinstance(params, Params) else params)
    gradients, names = leaves_like(gradient, structure, "gradient"), paths(structure)
    for w, g, name in zip(leaves, gradients, names, strict=True):
        if not is_array(w) or isinstance(w, (Dual, np.generic, np.ma.MaskedArray)):
            raise TypeError(f"params{name} is {_named(w)}; expected {_cure(w)}, which a step changes in place")
        if np.shape(g) != w.shape:
            raise LayoutError(f"gradient{name} has shape {np.shape(g)}; expected {w.shape}")
    return leaves, gradients, names, tuple((name, w.shape) for name, w in zip(names, leaves, strict=True))


def _named(x):
    return f"{x!r}, a {type(x).__name__}" if isinstance(x, (int, float, complex, np.generic)) else type(x).__name__


def _cure(x):
    """What to write in the place of x."""
    if isinstance(x, (int, float, complex, np.generic)):
        return f"an array, np.array({float(x.real)!r})"
    return "an array of NumPy or CuPy" + (", as x.detach().numpy() gives" if hasattr(x, "detach") else "")


def steppable(w, g, name, kind):
    """The gradient of a leaf in the dtype of its moments; raise where the update could not be written."""
    if not getattr(w.flags, "writeable", True):
        raise TypeError(f"params{name} is read-only; a step changes it in place: give a writable array")
    if isinstance(g, np.ma.MaskedArray):
        raise TypeError(f"gradient{name} is a masked array: give one without a mask, as g.filled(0)")
    g = g if is_array(g) else np.asarray(g.detach() if hasattr(g, "detach") else g)
    if not np.can_cast(g.dtype, w.dtype, "same_kind"):
        raise TypeError(f"params{name} has dtype {w.dtype} and its gradient {g.dtype}; expected floating, of one kind")
    with np.errstate(over="ignore"):  # what is too large is refused as an infinity
        return g.astype(kind, copy=False)


def described(places):
    """Names and shapes as plain data."""
    packed = isinstance(places, Layout)
    return {"of": "Params" if packed else "a tree", "shapes": dict(places.shapes if packed else places)}


def rebuilt(state):
    """The inverse of `described`."""
    shapes = {name: tuple(shape) for name, shape in state["shapes"].items()}
    return Layout(shapes) if state["of"] == "Params" else tuple(shapes.items())


def shapes_of(places):
    """The shapes of the leaves."""
    return [(places.size,)] if isinstance(places, Layout) else [shape for _, shape in places]
