"""The Laplacian, the diagonal of the Hessian, and tr σᵀ H σ: each by tangents and what bends them."""

from typing import Any

import numpy as np

from ..chunks import in_chunks
from ..directions.base import DirectionSampler
from ..hints import hinted
from ..random import RngLike
from ..transforms.basis import Chunk, named
from ..tree import Function
from .drawn import drawing
from .passes import along_all, along_columns, array_and_function, array_of, coordinates, how_many


@hinted
def laplacian(
    f: Function,
    argnum: int = 0,
    axis: int | None = None,
    chunk: Chunk = None,
    *,
    directions: DirectionSampler | None = None,
    n: int | None = None,
    rng: RngLike = None,
) -> Function:
    """The Laplacian Σ ∂²f/∂xᵢ², in one pass of the forward Laplacian.

    Parameters
    ----------
    f : callable
        A function of a real array that returns a number; with ``axis``, of many examples at once, a number for each.
    argnum : int
        Which positional argument to differentiate.
    axis : int, optional
        The axis of x along which the coordinates of an example lie. f takes ``(B, n)`` to ``(B,)`` for ``axis=-1``, and
        each number depends on its own example alone. They share the n directions.
    chunk : int or "auto", optional
        How many directions to push in one pass (128 by default), as in `jacfwd`.
    directions : direction, optional
        One of `dualgrad.directions`, or of your own, with E vvᵀ a multiple of the identity: the result is then the mean
        of vᵀ H v over n of them, for every example its own.
    n : int, optional
        How many: 1 by default.
    rng : int, numpy.random.Generator or Rng
        What they are drawn from, at every call the next ones.

    Returns
    -------
    A function of the arguments of f, whose result has the shape of that of f. The others, and keywords, are constants.

    Raises
    ------
    ShapeError
        When f returns no number, or not one for each example: ``(B, 1)`` for ``(B,)``.
    TypeError
        For a tree, or complex numbers.
    ValueError
        For directions whose E vvᵀ is no multiple of the identity, and for ``n`` or ``rng`` without them.

    Notes
    -----
    Along random directions the result is without bias (Hutchinson 1990; Shi et al. 2024). Its variance is
    2 (‖H‖² - Σ Hᵢᵢ²) / n for signs, 2 ‖H‖² / n for normals, and (p Σ Hᵢᵢ² - (tr H)²) / n for one of p coordinates at a
    time. Its square has a bias, which is that variance: take the product of two draws.

    A pass carries the value, n tangents and the sum of the second derivatives along them: n + 2 arrays for one, where
    nested jvp needs n passes of four. Functions that are not linear, bilinear, elementwise or made of such ones, as
    ``np.linalg.inv``, are pushed direction by direction. It nests, and with `jvp` and `grad` too.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.laplacian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    np.float64(18.0)
    >>> model = dg.nn.networks.mlp([2, 8, 1], dg.nn.Tanh)
    >>> params = model.init(rng=0, dtype=float)
    >>> u = lambda p, X: model(p, X)[:, 0]
    >>> dg.laplacian(u, argnum=1, axis=-1)(params, np.zeros((5, 2))).shape
    (5,)
    >>> signs = dg.directions.Rademacher()
    >>> dg.laplacian(lambda x: np.sum(x**3), directions=signs, rng=0)(np.array([1.0, 2.0]))      # a diagonal Hessian
    np.float64(18.0)
    """
    draw = drawing("laplacian", directions, n, rng)

    @named("laplacian", f)
    def operator(*args, **kwargs):
        x, of_one = array_and_function("laplacian", f, args, argnum, kwargs)
        count = how_many(x, axis)
        if draw is None:
            along = lambda start, stop: coordinates(x, axis, start, stop)  # noqa: E731
        else:
            (drawn, count), along = (draw.along(x, axis), draw.n), lambda start, stop: drawn[start:stop]
        push = lambda start, stop: along_all("laplacian", of_one, x, along(start, stop), axis)  # noqa: E731
        return sum(in_chunks(push, count, chunk))

    return operator


@hinted
def hessian_diag(f: Function, argnum: int = 0, chunk: Chunk = None) -> Function:
    """The diagonal of the Hessian, ∂²f/∂xᵢ², in the shape of x: one pass of 2 n directions for n entries.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hessian_diag(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([ 6., 12.])
    """

    @named("hessian_diag", f)
    def diagonal(*args, **kwargs):
        x, of_one = array_and_function("hessian_diag", f, args, argnum, kwargs)

        def push(start, stop):
            return along_all("hessian_diag", of_one, x, coordinates(x, None, start, stop), None, False)

        return np.reshape(np.concatenate(in_chunks(push, x.size, chunk)), x.shape)

    return diagonal


def second_order(
    f: Function,
    x: Any,
    sigma: Any,
    axis: int | None = None,
    chunk: Chunk = None,
    *,
    directions: DirectionSampler | None = None,
    n: int | None = None,
    rng: RngLike = None,
) -> Any:
    """tr σᵀ H σ for the Hessian H of f at x: the second-order part of the generator of dX = σ dW, twice.

    Parameters
    ----------
    f : callable
        A function of a real array that returns a number; with ``axis`` a number for each example, as in `laplacian`.
    x : array
    sigma : array
        Of shape ``x.shape + (r,)``: r directions. With ``axis`` also ``(n, r)``, which all examples share.
    axis, chunk, directions, n, rng
        As in `laplacian`. Directions v are drawn of r entries: the mean of (σ v)ᵀ H (σ v).

    Raises
    ------
    ShapeError
        For a sigma of another shape.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.second_order(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([[1.0], [1.0]]))    # 4 + 2 · 2
    np.float64(8.0)
    """
    if not callable(f):
        raise TypeError(f"dg.second_order got a {type(f).__name__}; expected a function: dg.second_order(f, x, sigma)")
    draw = drawing("second_order", directions, n, rng)
    x, sigma = array_of("second_order", x), array_of("second_order", sigma)
    columns = along_columns(x, sigma, axis)
    columns = columns if draw is None else draw.mixed(columns, x, axis)
    push = lambda start, stop: along_all("second_order", f, x, columns[start:stop], axis)  # noqa: E731
    return sum(in_chunks(push, len(columns), chunk))
