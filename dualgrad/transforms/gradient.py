"""The derivative of a function of one number, and the gradient of a scalar function."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..hints import hinted
from ..tree import Function, unflatten
from .basis import Chunk, argument, halves, is_complex, named, push_basis
from .jacobian import jacfwd


def derivative(f: Function) -> Function:
    """The derivative of a function of one real or complex number.

    Returns
    -------
    A function of x; it composes: ``derivative(derivative(f))``. More arguments reach f as constants. For complex x, f
    is taken to be holomorphic, and the Cauchy-Riemann equations are checked.

    Raises
    ------
    ShapeError
        When x is not a scalar: use `jacfwd` or `grad`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.derivative(dg.derivative(np.sin))(1.0)
    np.float64(-0.8414709848078965)
    """

    @named("derivative", f)
    def df(*args, **kwargs):
        if np.shape(x := argument(args, 0, kwargs)) != ():
            raise ShapeError(f"derivative takes a scalar; got shape {np.shape(x)}: use jacfwd or grad")
        return jacfwd(f)(*args, **kwargs)

    return df


@hinted
def grad(f: Function, argnum: int = 0, chunk: Chunk = None) -> Function:
    """The gradient of a scalar function with respect to one argument, in the argument's own structure.

    Parameters
    ----------
    f : callable
    argnum : int
        Which positional argument to differentiate.
    chunk : int or "auto", optional
        How many directions to push in one pass (128 by default); memory grows with it. For "auto" see `jacfwd`.

    Returns
    -------
    A function of the arguments of f; the others, and keywords, are constants. It costs p / chunk passes for p entries
    of x: exact, and meant for small p or as a yardstick. At a complex entry z = a + ib it is ∂f/∂a + i ∂f/∂b, the
    direction of steepest ascent.

    Raises
    ------
    ShapeError
        When f does not return a scalar: use `jacfwd`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.grad(lambda p: np.sum(p["w"] ** 2) * p["b"])({"w": np.array([1.0, 2.0]), "b": 3.0})
    {'w': array([ 6., 12.]), 'b': np.float64(5.0)}
    """
    renamed = named("grad", f)
    both = value_and_grad(f, argnum, chunk)
    return renamed(lambda *args, **kwargs: both(*args, **kwargs)[1])


@hinted
def value_and_grad(f: Function, argnum: int = 0, chunk: Chunk = None) -> Callable[..., tuple[Any, Any]]:
    """The value and the gradient of a scalar function; see `grad`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.value_and_grad(lambda x: x @ x)(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    @named("value_and_grad", f)
    def both(*args, **kwargs):
        def scalar(x):
            y = f(*args[:argnum], x, *args[argnum + 1 :], **kwargs)
            if isinstance(y, (tuple, list, dict)):
                raise ShapeError(f"grad takes a scalar function; f returned a {type(y).__name__}: use jacfwd")
            if np.shape(y) != ():
                raise ShapeError(f"grad takes a scalar function; f returned shape {np.shape(y)}: use jacfwd")
            return y

        y, slopes, structure, xs = push_basis(scalar, argument(args, argnum, kwargs), chunk)
        if np.iscomplexobj(y):
            raise TypeError("grad takes a real function; f returned a complex number: use jacfwd or derivative")
        columns = [_real_and_imaginary(d, k) for d, k in zip(slopes, map(is_complex, xs), strict=True)]
        return y, unflatten(structure, [_shaped(c, x.shape, x.dtype) for c, x in zip(columns, xs, strict=True)])

    return both


def _real_and_imaginary(d, is_complex):
    if not is_complex:
        return d
    along_real, along_imaginary = halves(d)
    return along_real + 1j * along_imaginary


def _shaped(column, shape, dtype):
    column = column.reshape(shape) if shape else column[0]
    return column.astype(dtype) if column.dtype != dtype else column
