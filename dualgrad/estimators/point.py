"""Point: where an estimate is made, an objective as a function of vectors of R^p; and what its numbers must be."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import as_primal
from ..backend import Array, to_numpy
from ..directions.base import DirectionSampler, drawn, require_real
from ..directions.rows import FactorRows, Rows
from ..dual import Dual
from ..errors import DualgradError, NonFiniteError, ShapeError, TangentLossError
from ..layout import Layout, ravel
from ..nn.objective import BoundObjective
from ..params import Params, with_entries
from ..pushforward import jvp
from ..random import Rng
from ..tree import Tree, flatten, rebuild
from ..vectors import all_finite, in_kind
from .moving import PartialBound


class Point:
    """An objective at ``params``: its values, its slopes along directions and, for a bound network, its gradient.

    Attributes
    ----------
    estimator : what asks, named in errors
    objective : callable
    params : what the objective is called with
    vector, layout : the same as a vector w of p entries, and how it lies there
    """

    estimator: Any
    objective: Any
    params: Tree
    vector: Array
    layout: Layout

    def __init__(self, estimator: Any, objective: Callable[[Any], Any], params: Tree) -> None:
        tasks = isinstance(objective, (list, tuple)) and hasattr(estimator, "adapted")
        if not callable(objective) and not tasks:
            raise TypeError(
                f"{estimator!r}: got objective={objective!r:.80}; expected a function of the parameters, such as "
                "nn.Objective(model, loss).bind(x, y)"
            )
        self.estimator, self.objective, self.params = estimator, objective, as_params(params)
        self.vector, self.layout = ravel(self.params)

    def rows(self, directions: DirectionSampler, n: int, rng: Rng, part: slice | None = None) -> Rows | FactorRows:
        """n directions, or a part of them, as `dualgrad.directions.rows.Rows`."""
        require_real(self.vector)
        return drawn(directions, rng, n, self.layout, self.vector, part)

    def jvp(self, V: Rows | FactorRows) -> tuple[Any, Any]:
        """L, and its slopes g·v_i: one number for one direction."""
        tangents = V.tree(self.layout)
        if self.objective.__class__ in (BoundObjective, PartialBound):
            value, slopes = self.objective.jvp(self.params, tangents)
        else:
            value, slopes = jvp(self.objective, (self.params,), (tangents,))
            if isinstance(value, Dual) or isinstance(slopes, Dual):
                raise TangentLossError(
                    f"{self.estimator!r} estimates inside of another derivative, whose tangents it has no room for: "
                    "give the objective dg.primal(x) of what moves outside"
                )
        require_finite(self.estimator, value, slopes)
        return value, slopes

    def vjp(self, **keywords: Any) -> tuple[Any, Array]:
        """L, and g as a vector: of a bound network, whose layers have transposed rules."""
        if not hasattr(self.objective, "vjp"):
            raise DualgradError(
                f"{self.estimator!r} needs the layers' transposed rules: give it nn.Objective(model, loss).bind(x, y); "
                "for any other function use dg.grad"
            )
        value, gradient = self.objective.vjp(self.params, **keywords)
        if gradient.keys() != self.layout.shapes.keys():  # buffers have no place in it
            gradient = {name: gradient[name] for name in self.params}
        return value, self.layout.vector(gradient, "the gradient")

    def value(self, w: Array | None = None) -> Any:
        """A copy of L where the point is, or at w: one real number, whole ones as floating."""
        value = self.objective(self.params if w is None else self.moved(w))
        require_scalar(self.estimator, value)
        return value * 1 if getattr(getattr(value, "dtype", None), "kind", "") == "f" else float(to_numpy(value))

    def moved(self, w: Array) -> Tree:
        """The parameters where their entries are those of w, with their buffers."""
        return with_entries(self.params, w, self.layout)

    def like(self, vector: Array) -> Array:
        """A vector in the dtype and on the device of the parameters'."""
        w = self.vector
        if vector.dtype.kind not in "biuf" and w.dtype.kind == "f":
            raise TypeError(f"got a vector of {vector.dtype} for real parameters; expected real numbers")
        return vector if vector.__class__ is w.__class__ and vector.dtype is w.dtype else in_kind(vector, w)


def as_params(params, what="params"):
    """The parameters as `dualgrad.grad` takes them: trees of floating or complex arrays or numbers; others raise."""
    if params.__class__ is Params or params.__class__ is np.ndarray and params.dtype.kind in "fc":
        return params
    found, structure = flatten(params)
    if params is None:
        raise TypeError(f"got {what}=None; expected floating arrays or numbers, or trees of them")
    made = [as_primal(x, structure, k, what) for k, x in enumerate(found)]
    return params if all(a is b for a, b in zip(made, found, strict=True)) else rebuild(structure, made)


def require_scalar(estimator, value):
    """Raise unless the loss is one real number."""
    if value is None:
        raise TypeError(f"{estimator!r}: the objective returned None: did you forget return?")
    if isinstance(value, (tuple, list, dict, Params)):
        raise ShapeError(f"{estimator!r}: the objective returned a {type(value).__name__}; expected a scalar loss")
    if np.shape(value) != ():
        raise ShapeError(
            f"{estimator!r}: the objective returned shape {np.shape(value)}; expected a scalar loss, as its np.mean"
        )
    if not is_real(value):
        cure = "its real part, or its absolute value" if np.iscomplexobj(value) else "float() of it"
        raise TypeError(f"{estimator!r} takes a real loss; the objective returned {value!r:.60}: take {cure}")


def is_real(value):
    """Whether a value is a real number: one of Python, or of an array's kind."""
    if not hasattr(value, "dtype"):
        return isinstance(value, (bool, int, float))
    return getattr(value.dtype, "kind", "?") in "biuf"


UNCHANGED = "no gradient was made and nothing was changed"


def require_finite(estimator, value, slopes=None, unchanged=UNCHANGED):
    """Raise when the loss is no single real number, or it or a slope is not finite."""
    if isinstance(value, (float, np.floating)) and math.isfinite(value) and (slopes is None or _entries_finite(slopes)):
        return
    require_scalar(estimator, value)
    if not _entries_finite(value):
        cure = ". Lower the learning rate, or look for the batch or parameter that made it"
        raise not_finite(estimator, f"the loss is {value}", unchanged, cure)
    if slopes is not None and not _entries_finite(slopes):
        bad = np.flatnonzero(~np.isfinite(np.atleast_1d(to_numpy(slopes))))
        what = f"the loss is {value} but its derivative along direction {bad[0]} is not finite"
        raise not_finite(estimator, what, unchanged)


def _entries_finite(x):
    """Whether a number, or every entry of an array, is finite, wherever it lives."""
    return math.isfinite(x) if isinstance(x, (int, float, np.generic)) else all_finite(x)


def require_finite_gradient(estimator, value, gradient, layout):
    """Raise when an entry of a gradient, a vector of a layout, is not finite."""
    if not all_finite(gradient):
        places = zip(layout.paths, layout.slices.values(), strict=True)
        name = next(name for name, place in places if not all_finite(gradient[place]))
        raise not_finite(estimator, f"the loss is {value} but its gradient{name} is not finite")


def not_finite(estimator, what, unchanged=UNCHANGED, advice=""):
    return NonFiniteError(f"estimate {estimator.made + 1} of {estimator!r}: {what}; {unchanged}{advice}")
