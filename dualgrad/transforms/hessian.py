"""Second derivatives, forward over forward."""

from typing import Any

import numpy as np

from ..backend import is_array
from ..coloring import Pattern
from ..hints import hinted
from ..patterns import hessian_pattern
from ..pushforward import jvp
from ..star_coloring import compressed_symmetric
from ..tree import Function, Tree, is_container, returned
from .basis import Chunk, argument, is_complex, named, of_argument
from .gradient import grad
from .jacobian import is_auto, jacfwd


@hinted
def hessian(f: Function, argnum: int = 0, chunk: Chunk = None, sparsity: Any = None) -> Function:
    """The matrix of second derivatives, forward over forward: ``y.shape + x.shape + x.shape``; trees nest as in JAX.

    Parameters
    ----------
    f : callable
    argnum, chunk
        As in `jacfwd`.
    sparsity : "auto", SparsityPattern, boolean array, SciPy sparse array, or pair (rows, columns), optional
        Where the Hessian of a real function of one real array may have entries: a symmetric pattern, or "auto", which
        finds it out at each x. The result is as the pattern, as in `jacfwd`.

    Raises
    ------
    ValueError
        When f has second derivatives outside the sparsity pattern.

    Notes
    -----
    For n entries of x the dense Hessian takes n² pairs of directions, a sparse one n times the number of colors of a
    star coloring (`dualgrad.star_coloring`), and n more to check the pattern.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    >>> chain = lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2)
    >>> x = np.linspace(0, 1, 50)
    >>> sparse = dg.hessian(chain, sparsity="auto")(x)                  # of three colors
    >>> np.allclose(sparse.toarray(), dg.hessian(chain)(x))
    True
    """

    @named("hessian", f)
    def second(*args, **kwargs):
        if sparsity is None:
            return jacfwd(jacfwd(f, argnum, chunk), argnum, chunk)(*args, **kwargs)
        x = argument(args, argnum, kwargs)
        return _sparse_hessian(of_argument(f, args, argnum, kwargs), x, chunk, sparsity)

    return second


def _sparse_hessian(f, x, chunk, sparsity):
    """The Hessian of a scalar function of a real array, by directions that stand for several columns."""
    if not is_array(x) or is_complex(x) or is_container(y := returned(f(x))) or np.shape(y):
        raise TypeError("hessian(sparsity=...) takes a function of one real array that returns a number")

    def push(directions):
        shaped = np.reshape(directions, (len(directions), *x.shape))
        slopes = lambda x: jvp(f, (x,), (shaped,))[1]  # noqa: E731
        return np.reshape(jacfwd(slopes, chunk=chunk)(x), directions.shape)

    pattern = Pattern(hessian_pattern(f, x) if is_auto(sparsity) else sparsity, x.shape, x.shape, "Hessian")
    return compressed_symmetric(push, x, pattern)


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
