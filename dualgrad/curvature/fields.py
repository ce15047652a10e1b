"""What the Jacobian of a field says of it: the divergence, and the curl."""

import numpy as np

from ..chunks import in_chunks
from ..directions.base import DirectionSampler
from ..dual import primal
from ..errors import ShapeError
from ..hints import hinted
from ..pushforward import jvp
from ..random import RngLike
from ..transforms.basis import Chunk, named
from ..tree import Function, is_container
from .drawn import drawing
from .passes import array_and_function, coordinates, how_many, require_apart, uneven_parts, what_came


@hinted
def divergence(
    f: Function,
    argnum: int = 0,
    axis: int | None = None,
    chunk: Chunk = None,
    *,
    directions: DirectionSampler | None = None,
    n: int | None = None,
    rng: RngLike = None,
) -> Function:
    """The divergence Σ ∂fᵢ/∂xᵢ of a field that has the shape of x; with ``axis`` of each example, as in `laplacian`.

    With ``directions=``, ``n=`` and ``rng=`` it is the mean of v·(∂f v) over random directions v. Its variance is as
    there, with the symmetric part of ∂f for H.

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

    draw = drawing("divergence", directions, n, rng)

    @named("divergence", f)
    def operator(*args, **kwargs):
        x, of_one = array_and_function("divergence", f, args, argnum, kwargs)
        count = how_many(x, axis)
        if draw is not None:
            drawn = draw.along(x, axis)
            return sum(in_chunks(lambda i, j: _along_drawn(of_one, x, drawn[i:j], axis), draw.n, chunk))
        return sum(in_chunks(lambda i, j: _along_coordinates(of_one, x, axis, i, j), count, chunk))

    return operator


def _along_coordinates(f, x, axis, start, stop):
    """Σ ∂fᵢ/∂xᵢ over some coordinates."""
    d = slopes_of_field("divergence", f, x, coordinates(x, axis, start, stop), axis)
    if axis is None:
        return np.sum(np.diagonal(np.reshape(d, (stop - start, x.size))[:, start:stop]))
    return np.einsum("k...k->...", np.moveaxis(d, axis % x.ndim + 1, -1)[..., start:stop])


def _along_drawn(f, x, directions, axis):
    """Σ v·(∂f v)."""
    products = directions * slopes_of_field("divergence", f, x, directions, axis)
    return np.sum(np.sum(products, axis=0), axis=axis)


@hinted
def curl(f: Function, argnum: int = 0, axis: int | None = None) -> Function:
    """The curl of a field in space, ∇ × f, by three directions; of one in the plane the number ∂f₂/∂x₁ - ∂f₁/∂x₂.

    Parameters
    ----------
    f : callable
        A field that has the shape of x: 3 or 2 entries; with ``axis``, of many examples at once.
    argnum : int
        Which positional argument to differentiate.
    axis : int, optional
        The axis of x along which the coordinates of an example lie, and those of its field and curl, as in `laplacian`.

    Raises
    ------
    ShapeError
        For another number of coordinates, and when f returns another shape.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.curl(lambda x: np.stack([x[1], x[2], x[0]]) ** 2)(np.array([1.0, 2.0, 3.0]))
    array([-6., -2., -4.])
    >>> dg.curl(lambda x: np.stack([-x[..., 1], x[..., 0]], -1), axis=-1)(np.ones((4, 2)))
    array([2., 2., 2., 2.])
    """

    @named("curl", f)
    def operator(*args, **kwargs):
        x, of_one = array_and_function("curl", f, args, argnum, kwargs)
        count = how_many(x, axis)
        if count not in (2, 3) or axis is None and x.ndim != 1:
            wanted = "(3,) or (2,)" if axis is None else "3 or 2 coordinates"
            many = ": with axis= of many points" if axis is None else ""
            raise ShapeError(f"curl takes a field in space or in the plane, of {wanted}; got shape {x.shape}{many}")
        d = slopes_of_field("curl", of_one, x, coordinates(x, axis, 0, count), axis)
        place = (0 if axis is None else axis % x.ndim) + 1
        J = np.moveaxis(d, place, 1)  # ∂fⱼ/∂xᵢ, at [i, j]
        turned = [J[i, j] - J[j, i] for i, j in ((1, 2), (2, 0), (0, 1))[-1 if count == 2 else 0 :]]
        return turned[0] if count == 2 else np.stack(turned, axis=place - 1)

    return operator


def slopes_of_field(name, f, x, directions, axis):
    """∂f v along directions, where the field has the shape of x."""
    parts, mixed = uneven_parts(x, directions, axis)
    y, d = jvp(f, (x,), (np.concatenate([directions, *mixed]),))
    if is_container(y) or np.shape(y) != x.shape:
        raise ShapeError(f"{name} takes a field of the shape of x, {x.shape}; f returned {what_came(y)}")
    if axis is not None:
        require_apart(name, primal(d), len(directions), np.expand_dims(parts, axis))
    return d[: len(directions)]
