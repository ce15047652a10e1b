"""Forward-mode automatic differentiation on NumPy or CuPy, and training without a backward pass."""

from . import dual
from .dual import Dual, primal
from .errors import (
    CheckpointError,
    DualgradError,
    LayoutError,
    LevelError,
    NonFiniteError,
    ShapeError,
    StructureError,
    TangentLossError,
)
from .lowrank import LowRank
from .params import Params
from .random import Rng
from .transforms import custom_jvp, defjvp, derivative, grad, hessian, hvp, jacfwd, jvp, supported, value_and_grad
