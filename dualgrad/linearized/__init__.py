"""What a Jacobian does, without being formed: to covariances, and to vectors as an operator of SciPy."""

from .linear_operator import operator
from .propagation import propagate

__all__ = ["operator", "propagate"]
