"""The Laplacian, the diagonal of the Hessian, tr σᵀ H σ, and the divergence: each by tangents and what bends them."""

from typing import Any

import numpy as np

from ..arguments import as_primal, match_tangents
from ..backend import like as on_device
from ..backend import to_numpy
from ..bent import ESCAPED
from ..chunks import in_chunks
from ..dual import LIVE, Dual, lift, new_level, primal
from ..errors import ShapeError
from ..hints import hinted
from ..pushforward import evaluated, jvp
from ..random import Rng
from ..transforms.basis import Chunk, argument, is_complex, named
from ..tree import Function, is_container, returned
from .curved import Curved


@hinted
def laplacian(f: Function, argnum: int = 0, axis: int | None = None, chunk: Chunk = None) -> Function:
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

    Returns
    -------
    A function of the arguments of f, whose result has the shape of that of f. The others, and keywords, are constants.

    Raises
    ------
    ShapeError
        When f returns no number, or not one for each example: ``(B, 1)`` for ``(B,)``.
    TypeError
        For a tree, or complex numbers.

    Notes
    -----
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
    """

    @named("laplacian", f)
    def operator(*args, **kwargs):
        x = _array_of("laplacian", argument(args, argnum, kwargs))
        of_one = lambda x: f(*args[:argnum], x, *args[argnum + 1 :], **kwargs)  # noqa: E731
        along = lambda start, stop: _coordinates(x, axis, start, stop)  # noqa: E731
        push = lambda start, stop: _along_all("laplacian", of_one, x, along(start, stop), axis)  # noqa: E731
        return sum(in_chunks(push, _how_many(x, axis), chunk))

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
        x = _array_of("hessian_diag", argument(args, argnum, kwargs))
        of_one = lambda x: f(*args[:argnum], x, *args[argnum + 1 :], **kwargs)  # noqa: E731

        def push(start, stop):
            return _along_all("hessian_diag", of_one, x, _coordinates(x, None, start, stop), None, False)

        return np.reshape(np.concatenate(in_chunks(push, x.size, chunk)), x.shape)

    return diagonal


def second_order(f: Function, x: Any, sigma: Any, axis: int | None = None, chunk: Chunk = None) -> Any:
    """tr σᵀ H σ for the Hessian H of f at x: the second-order part of the generator of dX = σ dW, twice.

    Parameters
    ----------
    f : callable
        A function of a real array that returns a number; with ``axis`` a number for each example, as in `laplacian`.
    x : array
    sigma : array
        Of shape ``x.shape + (r,)``: r directions. With ``axis`` also ``(n, r)``, which all examples share.
    axis, chunk
        As in `laplacian`.

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
    x, sigma = _array_of("second_order", x), _array_of("second_order", sigma)
    directions = _along_columns(x, sigma, axis)
    push = lambda start, stop: _along_all("second_order", f, x, directions[start:stop], axis)  # noqa: E731
    return sum(in_chunks(push, len(directions), chunk))


@hinted
def divergence(f: Function, argnum: int = 0, axis: int | None = None, chunk: Chunk = None) -> Function:
    """The divergence Σ ∂fᵢ/∂xᵢ of a field that has the shape of x; with ``axis`` of each example, as in `laplacian`.

    Raises
    ------
    ShapeError
        When f returns another shape.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.divergence(lambda x: x**2)(np.array([1.0, 2.0]))
    np.float64(6.0)
    """

    @named("divergence", f)
    def operator(*args, **kwargs):
        x = _array_of("divergence", argument(args, argnum, kwargs))
        of_one = lambda x: f(*args[:argnum], x, *args[argnum + 1 :], **kwargs)  # noqa: E731

        def push(start, stop):
            directions = _coordinates(x, axis, start, stop)
            parts, mixed = _random_parts(x, directions, axis)
            y, d = jvp(of_one, (x,), (np.concatenate([directions, *mixed]),))
            if is_container(y) or np.shape(y) != x.shape:
                raise ShapeError(f"divergence takes a field of the shape of x, {x.shape}; f returned {_what_came(y)}")
            if axis is None:
                return np.sum(np.diagonal(np.reshape(d, (stop - start, x.size))[:, start:stop]))
            _require_apart("divergence", primal(d), stop - start, np.expand_dims(parts, axis))
            return np.einsum("k...k->...", np.moveaxis(d[:-1], axis % x.ndim + 1, -1)[..., start:stop])

        return sum(in_chunks(push, _how_many(x, axis), chunk))

    return operator


# ---------------------------------------------------------------------- one pass


def _along_all(name, f, x, directions, axis, summed=True):
    """The second derivatives of f along directions: their sum, or each."""
    count, expected = len(directions), () if axis is None else np.delete(x.shape, axis).tolist()
    rest = np.zeros_like(directions, shape=(1 if summed else count, *x.shape))
    parts, mixed = _random_parts(x, directions, axis)
    (x,), (d,), _, lead = match_tangents((x,), (np.concatenate([directions, *mixed, rest]),))
    level = new_level(lead)
    try:
        y = lift(returned(evaluated(f, [Curved(x, d, level, count, summed, frozen=True)])))
        if is_container(y) or np.shape(y) != (*expected,):
            wanted = "a number" if axis is None else f"{(*expected,)}, a number for each example"
            cure = "sum it, or take one entry" if axis is None else "of (B, 1) take [:, 0]"
            raise ShapeError(f"{name} takes a function that returns {wanted}; f returned {_what_came(y)}: {cure}")
        if getattr(y, "dtype", np.result_type(type(y))).kind not in "biufc":
            raise TypeError(f"{name} takes a function that returns numbers; f returned a {type(y).__name__}")
        if not isinstance(y, Dual) or y.level != level:
            return np.zeros_like(rest, shape=(*expected,) if summed else (count,))
        if type(y) is not Curved:
            raise NotImplementedError(ESCAPED)
        if y.dtype.kind == "c":
            raise TypeError(f"{name} takes a real function; f returned complex numbers: take real and imaginary parts")
        if axis is not None:
            _require_apart(name, primal(y.tangent), count, parts)
        return y.tangent[-1] if summed else y.tangent[count:]
    finally:
        LIVE.pop(level, None)


def _random_parts(x, directions, axis):
    """A random part for each example, and the sum of the directions as far as that."""
    if axis is None:
        return None, []
    parts = on_device((1 + Rng(0).uniform(0, 1, np.delete(x.shape, axis).tolist())).astype(x.dtype), primal(x))
    return parts, [(np.sum(directions, axis=0) * np.expand_dims(parts, axis))[None]]


def _require_apart(name, d, count, parts):
    """Raise where a number depends on another example than its own: along a direction with a random part for each of
    them it then does not move by its own part."""
    d, parts = to_numpy(d), to_numpy(parts)
    own, together = parts * np.sum(d[:count], axis=0), d[count]
    bound = np.finfo(d.dtype).eps ** 0.5 * np.max(parts * np.sum(np.abs(d[:count]), axis=0), initial=0)
    if np.any(np.abs(own - together) > bound):
        raise ValueError(
            f"{name}(axis=...): f mixes the examples, whose directions are shared: each number may depend on its own "
            "example alone (a normalisation over the batch does not); leave axis out for one array"
        )


def _what_came(y):
    return f"a {type(y).__name__}" if is_container(y) else f"shape {np.shape(y)}"


def _array_of(name, x):
    """The argument as one real array."""
    if is_container(x):
        raise TypeError(f"{name} takes one array; got a {type(x).__name__}: join its leaves, np.concatenate")
    x = as_primal(x, None, 0) if hasattr(x, "dtype") and np.issubdtype(x.dtype, np.inexact) else _as_floating(name, x)
    if is_complex(x):
        raise TypeError(f"{name} takes real numbers; got complex ones: give real and imaginary parts")
    return x


def _as_floating(name, x):
    if isinstance(x, float):
        return np.float64(x)
    kind = f"dtype {x.dtype}" if hasattr(x, "dtype") else f"a {type(x).__name__}"
    raise TypeError(f"{name} takes an array of floating numbers; got {kind}: np.asarray(x, float)")


def _how_many(x, axis):
    """How many directions there are."""
    if axis is None:
        return x.size
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
        raise TypeError(f"got axis={axis!r}; expected a whole number, or None for one example")
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(axis, x.ndim)
    return x.shape[axis]


def _coordinates(x, axis, start, stop):
    """Directions start, ..., stop - 1 of the coordinates, of all examples at once."""
    basis = np.zeros((stop - start, *x.shape), x.dtype)
    rows = np.arange(stop - start)
    if axis is None:
        basis.reshape(stop - start, x.size)[rows, start + rows] = 1
    else:
        np.moveaxis(basis, axis % x.ndim + 1, 1)[rows, start + rows] = 1
    return on_device(basis, primal(x))


def _along_columns(x, sigma, axis):
    """The columns of sigma as directions of x."""
    count = _how_many(x, axis)
    if sigma.ndim == x.ndim + 1 and sigma.shape[:-1] == x.shape:
        return np.moveaxis(sigma, -1, 0)
    if axis is not None and sigma.ndim == 2 and len(sigma) == count:
        columns = np.reshape(sigma.T, (-1, *(count if k == axis % x.ndim else 1 for k in range(x.ndim))))
        return np.broadcast_to(columns, (columns.shape[0], *x.shape))
    shared = "" if axis is None else f", or {(count, 'r')} for all examples"
    raise ShapeError(f"got a sigma of shape {sigma.shape}; expected x.shape + (r,), {(*x.shape, 'r')}{shared}")
