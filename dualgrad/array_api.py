"""The array namespace of a Dual: NumPy's or CuPy's own, for programs that take any array (the array API standard)."""

import functools
import importlib
import sys

import numpy as np

from .dual import Dual, primal
from .tables import MAKERS
from .tree import leaves

_BUFFERS = frozenset(["empty", "full", "ones", "zeros"])  # into which Duals may be written


class Namespace:
    """The functions of an array module, of which those that make arrays make some that hold Duals.

    It is equal to that module, so that Duals and plain arrays are of one namespace.
    """

    def __init__(self, module, like):
        self.module, self.like = module, like

    def __getattr__(self, name):
        value = getattr(self.module, name)
        return functools.partial(value, like=self.like) if name in _BUFFERS else value

    def asarray(self, obj, /, *, dtype=None, device=None, copy=None):
        """An array of numbers, or of Duals where there is one among them."""
        found = next((a for a in leaves(obj) if isinstance(a, Dual)), None)
        if found is None:
            return self.module.asarray(obj, dtype=dtype, copy=copy)
        y = np.asarray(obj, dtype=dtype, like=found)
        return y.copy() if copy and y is obj else y

    def __eq__(self, other):
        return self.module is (other.module if isinstance(other, Namespace) else other)

    def __hash__(self):
        return hash(self.module)

    def __dir__(self):
        return dir(self.module)

    def __repr__(self):
        return f"<{self.module.__name__} for Duals>"


def _namespace(x, api_version):
    module = primal(x).__array_namespace__(api_version=api_version)
    return Namespace(_compat() or module if module is np else module, x)


def _compat():
    """The module that stands for NumPy in array_api_compat, also within another package, where that is asking."""
    package, name, _ = sys._getframe(3).f_globals.get("__name__", "").partition("array_api_compat")
    return importlib.import_module(f"{package}{name}.numpy") if name else None


MAKERS[np] = _namespace
