"""What the functions of SciPy share: their other names, constants' precision, the rule for an equation's solution."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ..backend import is_array
from ..dual import Dual, primal
from ..rules.absorb import parts, quietly
from ..rules.declare import nested_as, refuse_others, register_rule, top_level
from ..rules.lead import direction


def others(module: ModuleType) -> Callable[[str], Any]:
    """The names that are not here are SciPy's own."""

    def lookup(name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(module, name)

    return lookup


def as_number(out, x):
    """A Python number in the precision of the result."""
    return x if is_array(x) else np.asarray(x, primal(out).dtype)


def solution(function, moving):
    """Declare the tangent of an equation's solution: ``rule(x, args, *tangents) -> dx`` along one direction.

    The tangents are those of the first ``moving`` arguments, zeros for a constant.
    """

    def declare(rule):
        def push(*args):
            refuse_others(function, args[moving:], {}, moving)
            level, lead = top_level(args)
            args, tangents = zip(*(parts(a, level) for a in args), strict=True)
            x = function(*args)

            def along(k):
                ds = zip(args, tangents[:moving], strict=False)
                ds = (np.zeros_like(primal(a)) if d is None else d if k is None else direction(d, k) for a, d in ds)
                return quietly(rule, x, args, *ds)

            dx = np.stack([along(k) for k in range(max(lead[0], 1))])[: lead[0]] if lead else along(None)
            return Dual(x, nested_as(x, dx.astype(x.dtype)), level)

        register_rule([function], "explicit", push)
        return rule

    return declare
