"""save and load: a tree of arrays, numbers and Params in one file."""

from .saving import load, save

__all__ = ["load", "save"]
