"""Solutions of equations as functions of their parameters: roots, fixed points and minima with their tangents."""

from .failures import ConvergenceError, SingularError
from .fixed_points import fixed_point
from .minima import argmin
from .roots import implicit

__all__ = ["ConvergenceError", "SingularError", "argmin", "fixed_point", "implicit"]
