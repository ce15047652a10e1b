"""Point: where an estimate is made: an objective at some parameters, as a function of vectors of R^p."""

from ..backend import to_numpy
from ..directions.base import as_direction, require_real
from ..layout import ravel
from ..nn.objective import BoundObjective
from ..params import Params
from ..pushforward import as_primal, jvp
from ..tree import flatten, rebuild
from ..vectors import in_kind
from .estimate import require_finite, require_scalar


class Point:
    """An objective at ``params``: its values, its slopes along directions and, for a bound network, its gradient.

    Attributes
    ----------
    estimator : what asks, named in errors
    objective : callable
    params : what the objective is called with
    vector, layout : the same as a vector w of p entries, and how it lies there
    """

    def __init__(self, estimator, objective, params):
        self.estimator, self.objective, self.params = estimator, objective, as_params(params)
        self.vector, self.layout = ravel(self.params)

    def rows(self, directions, n, rng):
        """n directions, as `dualgrad.rows.Rows`."""
        require_real(self.vector)
        return as_direction(directions).rows(rng, n, self.layout, self.vector)

    def jvp(self, V):
        """L, and its slopes g·v_i: one number for one direction."""
        tangents = V.tree(self.layout)
        if self.objective.__class__ is BoundObjective and hasattr(BoundObjective, "jvp"):
            value, slopes = self.objective.jvp(self.params, tangents)
        else:
            value, slopes = jvp(self.objective, (self.params,), (tangents,))
        require_finite(self.estimator, value, slopes)
        return value, slopes

    def vjp(self, **keywords):
        """L, and g as a vector: of a bound network, whose layers have transposed rules."""
        value, gradient = self.objective.vjp(self.params, **keywords)
        require_finite(self.estimator, value)
        return value, self.layout.vector({name: gradient[name] for name in self.params}, "the gradient")

    def value(self, w=None):
        """A copy of L where the point is, or at w: one real number, whole ones as floating."""
        value = self.objective(self.params if w is None else self.at(w))
        require_scalar(self.estimator, value)
        return value * 1 if getattr(getattr(value, "dtype", None), "kind", "") == "f" else float(to_numpy(value))

    def at(self, w):
        """The parameters where their entries are those of w, with their buffers."""
        if isinstance(self.params, Params):
            return self.params.at(w)
        return rebuild(flatten(self.params)[1], flatten(self.layout.tree(w))[0])

    def like(self, vector):
        """A vector in the dtype and on the device of the parameters'."""
        return in_kind(vector, self.vector)


def as_params(params):
    """The parameters as `dualgrad.grad` takes them: trees of floating or complex arrays or numbers; others raise."""
    if isinstance(params, Params):
        return params
    found, structure = flatten(params)
    if params is None:
        raise TypeError("got params=None; expected floating arrays or numbers, or trees of them")
    made = [as_primal(x, structure, k, "params") for k, x in enumerate(found)]
    return params if all(a is b for a, b in zip(made, found, strict=True)) else rebuild(structure, made)
