"""Names for the types of one's own programs: what dualgrad takes and returns, and what it asks of objects of one's own.

Examples
--------
>>> import dualgrad as dg, numpy as np
>>> from dualgrad.typing import Array, RngLike, Tree
>>> def start(widths: list[int], rng: RngLike = None) -> Tree:
...     rng = dg.Rng(rng)
...     return [rng.normal((n, m)) for n, m in zip(widths[:-1], widths[1:])]
>>> def norm(params: Tree) -> Array:
...     return np.sqrt(sum(np.sum(w * w) for w in params))
>>> [g.shape for g in dg.grad(norm)(start([4, 3, 2], rng=0))]
[(4, 3), (3, 2)]
"""

from numpy.typing import ArrayLike, NDArray

from .backend import Array
from .directions.base import DirectionSampler
from .estimators.estimator import GradientEstimator
from .online.system import DynamicalSystem
from .optim.optimizer import GradientOptimizer
from .random import RngLike
from .tree import Function, Tree

__all__ = [
    "Array",
    "ArrayLike",
    "DirectionSampler",
    "DynamicalSystem",
    "Function",
    "GradientEstimator",
    "GradientOptimizer",
    "NDArray",
    "RngLike",
    "Tree",
]
