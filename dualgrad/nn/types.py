"""What layers, cells and losses take and return: names for signatures.

A `Dual` stands in for an array wherever the engine differentiates, and is no type of its own here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from ..backend import Array

Parameters: TypeAlias = Mapping[str, Array]  # parameters and buffers by name: Params, or a dict
Input: TypeAlias = Any  # an array, or what makes one: a list, a data frame, a tensor; of one's own layer, what it takes
Scalar: TypeAlias = np.floating[Any]
Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = dict[str, Shape]
State: TypeAlias = Any  # of a cell: an array, or a tuple of them
Reduction: TypeAlias = Literal["mean", "sum", "none", "batchmean"]  # the last of `nn.kl_div` alone

Tangent: TypeAlias = Any  # an array, with K in front for K directions; an `OuterProduct`; or `ZERO`
Tangents: TypeAlias = Mapping[str, Tangent]
Curve: TypeAlias = tuple[Array, Callable[[], Array]]  # a value, and what gives the slope there
Pushed: TypeAlias = tuple[Array, Tangent]
PushedState: TypeAlias = tuple[State, State]
Pulled: TypeAlias = tuple[Array, Callable[[Any], tuple[dict[str, Tangent], Tangent]]]
PulledState: TypeAlias = tuple[State, Callable[[State], tuple[dict[str, Tangent], State, Tangent]]]
