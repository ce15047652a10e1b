"""Taint: tensors that were computed from uniform draws; whole numbers and truth values made of them are not certified.

A comparison of u² or exp(u) may hold in a band that no node of a quadrature meets. Smooth functions pass, and so does
what is read out as Python's numbers: jumps beyond that are seen along lines alone.
"""

import math
import sys

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from .torch_operations import written

WITH_JUMPS = frozenset(
    "floor ceil trunc round frac sign sgn fmod remainder floor_divide heaviside histc hardshrink threshold copysign "
    "equal".split()
)
BY_SHAPE = tuple(
    "linalg_ _linalg lu_ geqrf empty_like zeros_like ones_like full_like new_ _embedding_bag isnan".split()
)


class Taint:
    """The storages of one play that were computed from uniform draws."""

    def __init__(self, source):
        self.source, self.storages = source, {}  # by address, which is not used again while there is a weak reference

    def mark(self, x):
        """From now on a tensor's numbers are those of draws."""
        try:
            storage = x.untyped_storage()
        except (NotImplementedError, RuntimeError):  # a tensor without storage
            return
        if storage._cdata not in self.storages:
            self.storages[storage._cdata] = StorageWeakRef(storage)

    def has(self, x):
        """Whether a tensor of floating numbers was computed from draws."""
        try:
            return (x.is_floating_point() or x.is_complex()) and x.untyped_storage()._cdata in self.storages
        except (NotImplementedError, RuntimeError):
            return False

    def follow(self, func, tensors, args, kwargs, found):
        """What an operation found: from draws it is computed from draws, too, and where it is not floating may jump."""
        if self.storages and any(map(self.has, tensors)):
            made = [x for x in (*tree_leaves(found), *written(func, args, kwargs)) if isinstance(x, torch.Tensor)]
            floats = [x for x in made if x.is_floating_point() or x.is_complex()]
            for x in floats:
                self.mark(x)
            if (len(floats) < len(made) or jumps(func, kwargs)) and not is_harmless(func, args):
                self.doubt(func.overloadpacket.__name__)
        return found

    def doubt(self, what):
        self.source.doubt(f"a uniform draw is compared after arithmetic was done with it, by {what}")


def jumps(func, kwargs):
    """Whether what an operation returns has jumps, though it is floating or Python's."""
    return func.overloadpacket.__name__.rstrip("_") in WITH_JUMPS or kwargs.get("rounding_mode") is not None


def is_harmless(func, args):
    """Whether whole numbers and truth values do not depend on a draw's value, or only raise errors."""
    name = func.overloadpacket.__name__
    if func.is_view or name.startswith(BY_SHAPE):
        return True
    if name in ("eq", "ne"):  # isnan, isinf and isfinite
        a, b = args
        return math.isinf(b) if isinstance(b, (int, float)) else a is b
    return is_validation(sys._getframe(1))


def is_validation(frame):
    """Whether torch.distributions looks whether numbers are in the range of a law."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "torch.distributions.constraints":
            return True
        frame = frame.f_back
    return False
