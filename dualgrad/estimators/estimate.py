"""Estimate: what every estimator returns."""

from dataclasses import dataclass

import numpy as np

from ..backend import to_numpy
from ..errors import NonFiniteError, ShapeError


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
    """Raise unless the loss is one number."""
    if np.shape(value) != ():
        raise ShapeError(f"{estimator!r}: the objective returned shape {np.shape(value)}; expected a scalar loss")


def require_finite(estimator, value, directional=None):
    """Raise when the loss is no single number, or it or a directional derivative is not finite; say in which estimate.

    Called once an estimate, it keeps their number in ``estimator.made``.
    """
    require_scalar(estimator, value)
    which = f"estimate {getattr(estimator, 'made', 0) + 1} of {estimator!r}"
    if not np.all(np.isfinite(to_numpy(value))):
        raise NonFiniteError(
            f"{which}: the loss is {value}; no gradient was made and nothing was changed. Lower the learning rate, or "
            "look for the batch or parameter that made it"
        )
    if directional is not None and not np.all(np.isfinite(to_numpy(directional))):
        bad = np.flatnonzero(~np.isfinite(np.atleast_1d(to_numpy(directional))))
        raise NonFiniteError(
            f"{which}: the loss is {value} but its derivative along direction {bad[0]} is not finite; no gradient was "
            "made and nothing was changed"
        )
    estimator.made = getattr(estimator, "made", 0) + 1
