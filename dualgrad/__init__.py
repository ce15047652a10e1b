"""Forward-mode automatic differentiation on NumPy or CuPy, and training without a backward pass.

>>> import numpy as np
>>> import dualgrad as dg
>>> y, dy = dg.jvp(lambda x: np.sin(x**2), (1.5,), (1.0,))
>>> print(f"{y:.3f} {dy:.3f}")
0.778 -1.885

What there is, by what one wants to do. ``help(dg.jvp)`` and so on have an example each.

Differentiate a program
    a directional derivative, along one direction or K        jvp
    of one number, a gradient, a Jacobian, a Hessian          derivative, grad, value_and_grad, jacfwd, hessian
    a Hessian times a vector                                  hvp
    all orders at once                                        taylor
    sums of second derivatives                                laplacian, hessian_diag, second_order, biharmonic
    of a vector field                                         divergence, curl
    a Jacobian with few entries                               sparsity, jacfwd(f, sparsity="auto")
    many products with one Jacobian                           linearize, operator
    a root, a fixed point, a minimum that a solver finds      implicit, fixed_point, argmin
    the uncertainty of a result                               propagate
    SciPy's functions, distributions, integrators             dualgrad.scipy

See what happens
    every operation with its tangent, the first NaN           trace
    the value without its tangent, on purpose                 primal
    which functions have a rule                               supported

Teach it something
    a rule for a function of your own                         custom_jvp, defjvp, extend
    a class that holds arrays                                 tree.register

Train without a backward pass
    layers, losses, objectives                                nn
    estimates of the gradient, and which to take              estimators, estimators.recommend
    directions that they are drawn along                      directions
    steps                                                     optim
    the whole loop, validation, checkpoints                   fit, evaluate, training, save, load
    a recurrent network that learns from a stream             online
    several processes or machines                             workers
    parameters as one vector, random numbers                  Params, Layout, Rng

Prove it
    rules, layers, and estimators of any library              testing
"""

from . import rules, array_api  # noqa: F401, I001  (the tables, before what shares their functions)
import importlib
import threading
from typing import TYPE_CHECKING, Any

from . import dual, extend, tree
from .custom import custom_jvp, defjvp, supported
from .dual import Dual, primal
from .errors import (
    CheckpointError,
    DriftError,
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
from .patterns import sparsity
from .pushforward import jvp
from .series import taylor
from .sparsity_pattern import SparsityPattern
from .transforms import derivative, grad, hessian, hvp, jacfwd, value_and_grad
from .zero import ZERO

if TYPE_CHECKING:
    from . import directions, estimators, nn, online, optim, testing, training, workers
    from .checkpoint import load, save
    from .curvature import biharmonic, curl, divergence, hessian_diag, laplacian, second_order
    from .equations import ConvergenceError, SingularError, argmin, fixed_point, implicit
    from .linearized import linearize, operator, propagate
    from .random import Rng
    from .tracing import Trace, trace
    from .training import evaluate, fit

__version__ = "0.1.0"

__all__ = [
    "ZERO",
    "CheckpointError",
    "ConvergenceError",
    "DriftError",
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
    "SingularError",
    "SparsityPattern",
    "StructureError",
    "TangentLossError",
    "Trace",
    "argmin",
    "biharmonic",
    "curl",
    "custom_jvp",
    "defjvp",
    "derivative",
    "directions",
    "divergence",
    "dual",
    "estimators",
    "evaluate",
    "extend",
    "fit",
    "fixed_point",
    "grad",
    "hessian",
    "hessian_diag",
    "hvp",
    "implicit",
    "jacfwd",
    "jvp",
    "laplacian",
    "linearize",
    "load",
    "nn",
    "online",
    "operator",
    "optim",
    "primal",
    "propagate",
    "save",
    "second_order",
    "sparsity",
    "supported",
    "taylor",
    "testing",
    "trace",
    "training",
    "tree",
    "value_and_grad",
    "workers",
]


_LATER = {
    "ConvergenceError": "equations", "Rng": "random", "SingularError": "equations", "Trace": "tracing",
    "argmin": "equations", "biharmonic": "curvature", "curl": "curvature", "directions": None,
    "divergence": "curvature", "estimators": None, "evaluate": "training", "fit": "training",
    "fixed_point": "equations", "hessian_diag": "curvature", "implicit": "equations", "laplacian": "curvature",
    "linearize": "linearized", "load": "checkpoint", "nn": None, "online": None, "operator": "linearized",
    "optim": None, "propagate": "linearized", "save": "checkpoint", "second_order": "curvature", "testing": None,
    "trace": "tracing", "training": None, "workers": None,
}  # fmt: skip


_ONE_AT_A_TIME = threading.RLock()

if not TYPE_CHECKING:  # a checker knows the names there are, and no other

    def __getattr__(name: str) -> Any:
        """What not every program needs is imported when it is asked for."""
        if name not in _LATER:
            raise AttributeError(missing(name))
        with _ONE_AT_A_TIME:  # rooms import each other, which threads that begin at several of them cannot
            module = importlib.import_module(f".{_LATER[name] or name}", __name__)
        globals()[name] = value = getattr(module, name) if _LATER[name] else module
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
