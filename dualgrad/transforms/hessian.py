"""Second derivatives, forward over forward."""

from ..hints import hinted
from ..pushforward import jvp
from .basis import named
from .gradient import grad
from .jacobian import jacfwd


@hinted
def hessian(f, argnum=0, chunk=None):
    """The matrix of second derivatives, forward over forward: ``y.shape + x.shape + x.shape``; trees nest as in JAX.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return named("hessian", f)(jacfwd(jacfwd(f, argnum, chunk), argnum, chunk))


def hvp(f, x, v, chunk=None):
    """The product of the Hessian of a scalar function with a direction, H(x) v, in the structure of x.

    Costs p / chunk nested passes for p entries of x.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    array([2., 0.])
    """
    return jvp(grad(f, chunk=chunk), (x,), (v,))[1]
