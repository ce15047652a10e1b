"""Second derivatives, forward over forward."""

from typing import Any

from ..hints import hinted
from ..pushforward import jvp
from ..tree import Function, Tree
from .basis import Chunk, named
from .gradient import grad
from .jacobian import jacfwd


@hinted
def hessian(f: Function, argnum: int = 0, chunk: Chunk = None) -> Function:
    """The matrix of second derivatives, forward over forward: ``y.shape + x.shape + x.shape``; trees nest as in JAX.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return named("hessian", f)(jacfwd(jacfwd(f, argnum, chunk), argnum, chunk))


def hvp(f: Function, x: Tree, v: Tree, chunk: Chunk = None) -> Any:
    """The product of the Hessian of a scalar function with a direction, H(x) v, in the structure of x.

    Costs p / chunk nested passes for p entries of x.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    array([2., 0.])
    """
    return jvp(grad(f, chunk=chunk), (x,), (v,))[1]
