"""What each NumPy function does to a tangent: flat tables, one line per function."""

from . import arithmetic, elementwise, linalg, operators, reductions, structural

__all__ = ["arithmetic", "elementwise", "linalg", "operators", "reductions", "structural"]
