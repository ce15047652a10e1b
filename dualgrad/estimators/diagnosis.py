"""diagnose: how good an estimator is at one point, beside the exact gradient and its own theory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import positive_number
from ..errors import NonFiniteError
from ..layout import ravel
from ..random import RngLike, as_rng
from ..tree import Tree
from ..vectors import double
from .candidates import Oracle
from .estimator import GradientEstimator, proposed
from .point import Point


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found; ``print`` it for a table.

    Attributes
    ----------
    cosine, cosine_spread : mean and standard deviation of the cosine between ĝ and g
    abs_cosine : mean of its absolute value (what How to Guess a Gradient calls cosine similarity)
    relative_error : mean of ‖ĝ - g‖² / ‖g‖²
    variance_ratio : total variance of the samples over that which theory states, None where it states none
    bias : ‖mean ĝ - g‖ / ‖g‖, in which the sampling error √(variance/samples) remains
    effectiveness : mean loss decrease of a step along ĝ, relative to one of the same length along g
    cost : forward passes per estimate
    samples : how many estimates were drawn

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> found = dg.estimators.diagnose(dg.estimators.Oracle(), lambda w: np.sum(w**2), np.ones(3), rng=0, samples=2)
    >>> round(found.cosine, 6), found.relative_error, round(found.effectiveness, 6)
    (1.0, 0.0, 1.0)
    """

    estimator: str
    cosine: float
    cosine_spread: float
    abs_cosine: float
    relative_error: float
    variance_ratio: float | None
    bias: float
    effectiveness: float
    cost: float
    samples: int

    def __str__(self) -> str:
        ratio = "no theory" if self.variance_ratio is None else f"{self.variance_ratio:.3f}"
        rows = [
            ("cosine to the gradient", f"{self.cosine:.4f} ± {self.cosine_spread:.4f}"),
            ("mean |cosine|", f"{self.abs_cosine:.4f}"),
            ("relative squared error", f"{self.relative_error:.4g}"),
            ("variance / theory", ratio),
            ("distance of the mean", f"{self.bias:.4g}"),
            ("one-step effectiveness", f"{self.effectiveness:.4g}"),
            ("cost, forward passes", f"{self.cost:g}"),
        ]
        return "\n".join([f"{self.estimator}, {self.samples} estimates", *(f"  {k:<24} {v}" for k, v in rows)])


def diagnose(
    estimator: GradientEstimator,
    objective: Callable[[Any], Any],
    params: Tree,
    rng: RngLike,
    *,
    samples: int = 100,
    step: float = 1e-2,
) -> Diagnosis:
    """Draw estimates at one point and compare them with the exact gradient (How to Guess a Gradient, figure 1).

    Parameters
    ----------
    estimator : anything with ``estimate``
        Its state moves on, as in training; its theory is taken before. With inner steps (`Reptile`, `Dodge` along it)
        the gradient is that of the adapted loss.
    objective : callable
        A bound network, whose gradient is taken by `Backprop`; or any function, by p forward directions.
    params : Params, array or tree
    rng : int, numpy.random.Generator or Rng
    samples : int
        How many estimates to draw.
    step : float
        Length of the step whose loss decrease is compared, relative to ‖params‖ (or 1 if that is 0).

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> estimator = dg.estimators.ForwardGradient(dg.directions.Rademacher())
    >>> print(dg.estimators.diagnose(estimator, lambda w: np.sum(np.sin(w)), np.zeros(50), rng=0, samples=400))
    ForwardGradient(directions=Rademacher(), n=1), 400 estimates
      cosine to the gradient   0.1124 ± 0.0843
      mean |cosine|            0.1124
      relative squared error   48.37
      variance / theory        0.988
      distance of the mean     0.2827
      one-step effectiveness   0.1124
      cost, forward passes     3
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 2:
        raise ValueError(f"got samples={samples!r}; expected an integer of at least 2")
    step = positive_number("step", step, "a positive length")
    rng = as_rng(rng)
    meant = estimator.adapted(objective) if hasattr(estimator, "adapted") else objective
    exact, at = Oracle().estimate(meant, params), Point(estimator, meant, params)
    g, w = at.layout.double(exact.gradient), double(at.vector)
    length = step * (np.linalg.norm(w) or 1.0)
    size = np.linalg.norm(g)
    if not size > 0:
        raise ValueError("the exact gradient is zero here: nothing to compare with")

    def decrease(direction):
        moved = w - length * direction / (np.linalg.norm(direction) or 1.0)
        return float(exact.value) - at.value(at.like(moved))

    best = decrease(g)
    stated = _stated_variance(estimator, exact.gradient, objective, params)
    mean, squares, cosines, errors, gains, costs = np.zeros_like(g), 0.0, [], [], [], []
    for _ in range(samples):
        found = estimator.estimate(objective, params, rng=rng)
        v = proposed("diagnose", estimator, found, at.layout)
        if not np.all(np.isfinite(v)):
            raise NonFiniteError(f"{estimator!r}: estimate {len(costs) + 1} has a NaN or an infinity")
        mean, squares = mean + v / samples, squares + v @ v
        cosines.append(v @ g / (size * np.linalg.norm(v)) if np.any(v) else 0.0)
        errors.append((v - g) @ (v - g) / size**2)
        gains.append(decrease(v) / best)
        costs.append(found.cost)
    total = (squares - samples * (mean @ mean)) / (samples - 1)
    return Diagnosis(
        estimator=repr(estimator),
        cosine=float(np.mean(cosines)),
        cosine_spread=float(np.std(cosines)),
        abs_cosine=float(np.mean(np.abs(cosines))),
        relative_error=float(np.mean(errors)),
        variance_ratio=None if not stated else float(total / stated),
        bias=float(np.linalg.norm(mean - g) / size),
        effectiveness=float(np.mean(gains)),
        cost=float(np.mean(costs)),
        samples=samples,
    )


def _stated_variance(estimator, gradient, objective, params):
    """The total variance that theory states, None where it states none."""
    try:
        return float(double(ravel(estimator.variance(gradient, objective, params))[0]).sum())
    except (AttributeError, NotImplementedError):
        return None
