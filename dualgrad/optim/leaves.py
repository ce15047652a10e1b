"""The leaves that a step moves: their names and shapes, their gradients, and whether they can be written."""

import numpy as np

from ..backend import is_array
from ..dual import Dual
from ..errors import LayoutError
from ..inputs import as_input
from ..layout import Layout
from ..params import Params
from ..tree import flatten, leaves_like, paths
from ..zero import ZERO


def matched(params, gradient, by_blocks=False):
    """The leaves to update, their gradients, the leaves' names, and what names and shapes there are.

    For Params the only leaf is the vector, whatever kind of mapping their gradient is, and the layout says what is in
    it; for any other tree that is a tuple of pairs (name, shape). ``by_blocks``: their gradient may be `Unwritten`.
    """
    if params.__class__ is Params or isinstance(params, Params):
        gradient = gradient if gradient.__class__ is Params else _packed(gradient, params)
        if params.layout != gradient.layout or params.vector.shape != gradient.entries.shape:
            raise LayoutError(f"got a gradient {gradient!r} for parameters {params!r}")
        return [params.vector], [gradient.entries if by_blocks else gradient.vector], [".vector"], params.layout
    leaves, structure = flatten(params)
    names = paths(structure)
    for w, name in zip(leaves, names, strict=True):
        if not is_array(w) or isinstance(w, (Dual, np.generic, np.ma.MaskedArray, np.matrix)):
            raise TypeError(
                f"params{name} is {_leaf_in_words(w)}; expected {_array_instead(w)}, which a step changes in place"
            )
    gradients = _gradients(gradient, structure, leaves)
    return leaves, gradients, names, tuple((name, w.shape) for name, w in zip(names, leaves, strict=True))


def _packed(gradient, params):
    """The gradients of Params by name, as Params."""
    leaves, structure = flatten(dict(params))
    named = dict(zip(params, _gradients(gradient, structure, leaves), strict=True))
    return params.layout.tree(params.layout.vector(named))


def _gradients(gradient, structure, leaves):
    """The gradients of leaves, as arrays of their shapes."""
    if hasattr(gradient, "gradient"):
        raise TypeError(f"got a gradient that is an {type(gradient).__name__}; expected its .gradient")
    found = leaves_like(gradient, structure, "gradient")
    for k, (w, g, name) in enumerate(zip(leaves, found, paths(structure), strict=True)):
        if g is None or g is ZERO:
            raise TypeError(f"gradient{name} is {g!r}; expected an array {w.shape}: of zeros, where nothing moves")
        found[k] = as_input(g, "a step", f"gradient{name}")
        if np.shape(found[k]) != w.shape:
            raise LayoutError(f"gradient{name} has shape {np.shape(found[k])}; expected {w.shape}")
    return found


def _leaf_in_words(x):
    return f"{x!r}, a {type(x).__name__}" if isinstance(x, (int, float, complex, np.generic)) else type(x).__name__


def _array_instead(x):
    """What to write in the place of x."""
    if isinstance(x, (int, float, complex, np.generic)):
        return f"an array, np.array({float(x.real)!r})"
    return "an array of NumPy or CuPy" + (", as x.detach().numpy() gives" if hasattr(x, "detach") else "")


def steppable(w, g, name, kind):
    """The gradient of a leaf, of the kind of its moments and not narrower; raise where the update cannot be written."""
    if not getattr(w.flags, "writeable", True):
        raise TypeError(f"params{name} is read-only; a step changes it in place: give a writable array")
    if not np.can_cast(g.dtype, w.dtype, "same_kind"):
        raise TypeError(f"params{name} has dtype {w.dtype} and its gradient {g.dtype}; expected floating, of one kind")
    wide = g.dtype.kind == kind.kind and g.dtype.itemsize >= kind.itemsize
    return g if wide else g.astype(kind)


def described(places):
    """Names and shapes as plain data."""
    packed = isinstance(places, Layout)
    return {"of": "Params" if packed else "a tree", "shapes": dict(places.shapes if packed else places)}


def rebuilt(state):
    """The inverse of `described`."""
    shapes = {name: tuple(shape) for name, shape in state["shapes"].items()}
    return Params.layout_of(shapes) if state["of"] == "Params" else tuple(shapes.items())


def shapes_of(places):
    """The shapes of the leaves."""
    return [(places.size,)] if isinstance(places, Layout) else [shape for _, shape in places]
