"""The Curved: a Dual whose last tangents are second derivatives."""

from typing import Any

import numpy as np

from ..bent import Bent
from ..tree import leaf
from .bending import bend
from .fast import pushed_at_once


@leaf
class Curved(Bent):
    """A value, its tangents along K directions, and at their end the second derivatives along them: each, or their sum.

    Programs receive one inside `laplacian`. Behind its tangents J₁, ..., J_K comes L. An operation f makes of it
    ∂f L + Σ ∂²f[Jₖ, Jₖ], of which the first term is a tangent like the others. Tangents between J_K and L are of first
    order alone.
    """

    __slots__ = ("count", "summed")

    def __init__(self, value: Any, tangent: Any, level: int, count: int, summed: bool, frozen: bool = False) -> None:
        super().__init__(value, tangent, level, frozen)
        self.count: int = count
        self.summed: bool = summed

    def like(self, primal, tangent, frozen=False):
        return Curved(primal, tangent, self.level, self.count, self.summed, frozen)

    def at_once(self, function, args):
        found = pushed_at_once(function, args, _is_curved)
        return found and self.like(*found)

    def bend(self, y, call):
        return bend(y, call)

    @property
    def last(self) -> int:
        """How many of the tangents are second derivatives."""
        return 1 if self.summed else self.count

    def by_degree(self):
        """What has degree 0, 1 and 2 in the directions."""
        return [self.primal, self.tangent[: -self.last], self.tangent[-self.last :]]

    def of_degrees(self, parts):
        """The same of other parts."""
        return self.like(parts[0], np.concatenate(parts[1:]))

    def __repr__(self):
        return f"Curved({self.dtype}[{', '.join(map(str, self.shape))}], level {self.level}, {self.count} directions)"


def _is_curved(x):
    return x.__class__ is Curved
