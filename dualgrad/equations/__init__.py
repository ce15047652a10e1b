"""Solutions of equations as functions of their parameters: roots, fixed points and minima with their tangents."""

from .argmin import argmin
from .failures import ConvergenceError, SingularError
from .fixed_point import fixed_point
from .implicit import implicit

__all__ = ["ConvergenceError", "SingularError", "argmin", "fixed_point", "implicit"]
