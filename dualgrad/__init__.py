"""Forward-mode automatic differentiation on NumPy or CuPy, and training without a backward pass."""

from . import rules  # noqa: F401, I001  (the tables, before what shares their functions)
from . import directions, dual, estimators, extend, nn, online, optim, testing, tree
from .checkpoint import load, save
from .custom import custom_jvp, defjvp, supported
from .dual import Dual, primal
from .errors import (
    CheckpointError,
    DualgradError,
    IllConditionedWarning,
    LayoutError,
    LevelError,
    NonFiniteError,
    ShapeError,
    StructureError,
    TangentLossError,
)
from .hints import missing
from .layout import Layout
from .lowrank import LowRank
from .outer_product import OuterProduct
from .params import Params
from .pushforward import jvp
from .random import Rng
from .series import taylor
from .tracing import Trace, trace
from .transforms import derivative, grad, hessian, hvp, jacfwd, value_and_grad
from .zero import ZERO

__version__ = "0.1.0.dev0"

__all__ = [
    "ZERO",
    "CheckpointError",
    "Dual",
    "DualgradError",
    "IllConditionedWarning",
    "Layout",
    "LayoutError",
    "LevelError",
    "LowRank",
    "NonFiniteError",
    "OuterProduct",
    "Params",
    "Rng",
    "ShapeError",
    "StructureError",
    "TangentLossError",
    "Trace",
    "custom_jvp",
    "defjvp",
    "derivative",
    "directions",
    "dual",
    "estimators",
    "extend",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jvp",
    "load",
    "nn",
    "online",
    "optim",
    "primal",
    "save",
    "supported",
    "taylor",
    "testing",
    "trace",
    "tree",
    "value_and_grad",
]


def __getattr__(name):
    raise AttributeError(missing(name))


def __dir__():
    return sorted([*__all__, "__version__"])
