"""Estimate: what every estimator returns."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..displays import aligned, html_table, in_brief
from ..tree import Tree, flatten


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
    >>> print(estimate)
    Estimate of a loss of 1
      gradient  {'weight': array([[2.]]), 'bias': array([2.])}
      length    2.828
      cost      3 forward passes
    """

    value: Any
    gradient: Tree
    directional: Any = None
    cost: float = 0.0

    def __repr__(self) -> str:
        pairs = ", ".join(f"{field.name}={in_brief(getattr(self, field.name))}" for field in fields(self))
        return f"Estimate({pairs})"

    def __str__(self) -> str:
        return f"{self._heading()}\n{aligned(self._lines())}"

    def _repr_html_(self) -> str:
        return html_table(self._heading(), self._lines())

    def _heading(self) -> str:
        return f"Estimate of a loss of {_number_shown(self.value)}"

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "gradient", in_brief(self.gradient)
        yield "length", _number_shown(_length_of(self.gradient))
        if self.directional is not None:
            yield "slopes", in_brief(self.directional)
        yield "cost", f"{self.cost:,g} forward passes"


def _number_shown(x):
    return f"{float(x):.4g}" if np.ndim(x) == 0 and np.isrealobj(x) else in_brief(x)


def _length_of(tree):
    """The Euclidean length of a gradient."""
    squares = [float((abs(leaf) ** 2).sum()) if np.ndim(leaf) else abs(leaf) ** 2 for leaf in flatten(tree)[0]]
    return sum(squares) ** 0.5
