"""What a Jacobian does, without being formed: to tangents, to covariances, and to vectors as an operator of SciPy."""

from .linear_operator import operator
from .linearization import linearize
from .propagation import propagate

__all__ = ["linearize", "operator", "propagate"]
