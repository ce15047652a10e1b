"""Estimate: what every estimator returns, and what its loss, slopes and gradient must be."""

from dataclasses import dataclass

import numpy as np

from ..backend import to_numpy
from ..errors import NonFiniteError, ShapeError
from ..params import Params
from ..vectors import all_finite


@dataclass(frozen=True)
class Estimate:
    """A gradient estimate and what it was made from.

    Attributes
    ----------
    value : the loss
    gradient : the estimate, dense, in the kind and layout of the parameters
    directional : the directional derivatives it came from, a number or ``(n,)``; None for exact gradients
    cost : float
        What it cost, in forward passes (matrix products counted).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> estimate = dg.estimators.Backprop().estimate(
    ...     dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse).bind(np.ones((1, 1)), np.zeros((1, 1))),
    ...     {"weight": np.ones((1, 1)), "bias": np.zeros(1)}, rng=0)
    >>> estimate.value, estimate.gradient["bias"]
    (np.float64(1.0), array([2.]))
    """

    value: object
    gradient: object
    directional: object = None
    cost: float = 0.0


def require_scalar(estimator, value):
    """Raise unless the loss is one real number."""
    if value is None:
        raise TypeError(f"{estimator!r}: the objective returned None: did you forget return?")
    if isinstance(value, (tuple, list, dict, Params)):
        raise ShapeError(f"{estimator!r}: the objective returned a {type(value).__name__}; expected a scalar loss")
    if np.shape(value) != ():
        raise ShapeError(f"{estimator!r}: the objective returned shape {np.shape(value)}; expected a scalar loss")
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
    require_scalar(estimator, value)
    if not np.isfinite(to_numpy(value)):
        cure = ". Lower the learning rate, or look for the batch or parameter that made it"
        raise not_finite(estimator, f"the loss is {value}", unchanged, cure)
    if slopes is not None and not np.all(np.isfinite(to_numpy(slopes))):
        bad = np.flatnonzero(~np.isfinite(np.atleast_1d(to_numpy(slopes))))
        what = f"the loss is {value} but its derivative along direction {bad[0]} is not finite"
        raise not_finite(estimator, what, unchanged)


def require_finite_gradient(estimator, value, gradient, layout):
    """Raise when an entry of a gradient, a vector of a layout, is not finite."""
    if not all_finite(gradient):
        places = zip(layout.paths, layout.slices.values(), strict=True)
        name = next(name for name, place in places if not all_finite(gradient[place]))
        raise not_finite(estimator, f"the loss is {value} but its gradient{name} is not finite")


def not_finite(estimator, what, unchanged=UNCHANGED, advice=""):
    return NonFiniteError(f"estimate {estimator.made + 1} of {estimator!r}: {what}; {unchanged}{advice}")
