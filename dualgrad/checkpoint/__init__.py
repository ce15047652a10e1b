"""save and load: a tree of arrays, numbers and Params in one ``.npz`` file, written whole or not at all.

The file is an ordinary NumPy archive (no pickle): the arrays under numbered names, and a JSON description of the tree
under ``dualgrad``. It is written beside its target, flushed to the disk and renamed, so a crash leaves the old file.
"""

from .saving import load, save

__all__ = ["load", "save"]
