"""Taylor mode: truncated power series travel through NumPy."""

from .series import Series, taylor

__all__ = ["Series", "taylor"]
