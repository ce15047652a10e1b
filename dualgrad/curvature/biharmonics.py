"""The biharmonic operator Δ²: fourth derivatives along few directions, or the Laplacian of the Laplacian."""

import itertools
import math

import numpy as np

from ..backend import like as on_device
from ..chunks import in_chunks
from ..directions import Gaussian, Orthogonal, Sphere
from ..directions.base import DirectionSampler
from ..dual import primal
from ..hints import hinted
from ..random import RngLike
from ..series import taylor
from ..transforms.basis import Chunk, named
from ..tree import Function
from .drawn import drawing
from .passes import (
    along_columns,
    array_and_function,
    how_many,
    require_apart,
    require_numbers_of,
    shape_of_result,
    uneven_parts,
)
from .transforms import laplacian

ROUND = Gaussian, Sphere, Orthogonal  # no direction of space is more likely than another


@hinted
def biharmonic(
    f: Function,
    argnum: int = 0,
    axis: int | None = None,
    chunk: Chunk = None,
    *,
    directions: DirectionSampler | None = None,
    n: int | None = None,
    rng: RngLike = None,
) -> Function:
    """The biharmonic operator Δ² f = Σ ∂⁴f/∂xᵢ²∂xⱼ², of plates and slow flows.

    Parameters
    ----------
    f, argnum, axis, chunk
        As in `laplacian`.
    directions : Gaussian, Sphere or Orthogonal, optional
        Random ones: the result is then the mean of the fourth derivatives along n of them, over E v₁⁴ (3 for normals).
    n, rng
        As in `laplacian`.

    Raises
    ------
    ShapeError, TypeError
        As `laplacian` does.
    ValueError
        For directions that prefer some of space, such as signs, along which the mean is another.

    Notes
    -----
    In up to four dimensions it is the sum of the fourth derivatives along 1, 3, 6 or 12 directions, by `taylor`: those
    of the diagonals of a regular hexagon, an icosahedron or a 24-cell, over which the mean of (u·ξ)⁴ is 3 ‖ξ‖⁴ / n(n +
    2), as over the sphere (Delsarte, Goethals and Seidel 1977). In more it is the Laplacian of the Laplacian, in passes
    of (n + 2)² arrays.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> x = np.array([1.0, 2.0])
    >>> dg.biharmonic(lambda x: np.sum(x**2) ** 2)(x).round(9)                  # 8 n (n + 2)
    np.float64(64.0)
    >>> ball = dg.directions.Sphere()
    >>> dg.biharmonic(lambda x: np.sum(x**2) ** 2, directions=ball, rng=0)(x).round(9)    # the same along every one
    np.float64(64.0)
    """
    draw = drawing("biharmonic", directions, n, rng)
    if draw is not None and type(draw.directions) not in ROUND:
        raise ValueError(
            f"biharmonic got directions={directions!r}; expected Gaussian(), Sphere() or Orthogonal(): along any "
            "other the mean of fourth derivatives is not Δ², nor a multiple of it"
        )

    @named("biharmonic", f)
    def operator(*args, **kwargs):
        x, of_one = array_and_function("biharmonic", f, args, argnum, kwargs)
        size = how_many(x, axis)
        if draw is None and size > max(DIAGONALS):
            return laplacian(laplacian(of_one, 0, axis, chunk), 0, axis, chunk)(x)
        if draw is None:
            lines = DIAGONALS[size].astype(x.dtype)
            weight, along = size * (size + 2) / max(3 * len(lines), 1), _as_directions(x, lines, axis)
        else:
            weight = 1 / (draw.n * draw.directions.kurtosis(max(size, 1)))
            along = draw.as_drawn(x, axis)
        push = lambda start, stop: _fourth(of_one, x, along[start:stop], axis)  # noqa: E731
        return weight * sum(in_chunks(push, len(along), chunk))

    return operator


def _fourth(f, x, directions, axis):
    """The sum of the fourth derivatives along directions."""
    parts, mixed = uneven_parts(x, directions, axis)
    y, d, _, _, c = taylor(f, x, np.concatenate([directions, *mixed]), 4)
    require_numbers_of("biharmonic", y, shape_of_result(x, axis), axis)
    if axis is not None:
        require_apart("biharmonic", primal(d), len(directions), parts)
    return 24 * np.sum(c[: len(directions)], axis=0)


def _as_directions(x, lines, axis):
    """Unit vectors as directions of x, of all examples at once."""
    columns = lines.T.reshape(*x.shape, len(lines)) if axis is None else lines.T
    return on_device(along_columns(x, columns, axis), primal(x))


def _icosahedron():
    g = (1 + math.sqrt(5)) / 2
    lines = np.array([[0, 1, g], [0, 1, -g], [1, g, 0], [1, -g, 0], [g, 0, 1], [-g, 0, 1]])
    return lines / math.hypot(1, g)


DIAGONALS = {  # n -> unit vectors of a figure of R^n over which the fourth moments are those of the sphere
    0: np.zeros((0, 0)),
    1: np.ones((1, 1)),
    2: np.array([[1, 0], [0.5, math.sqrt(0.75)], [0.5, -math.sqrt(0.75)]]),
    3: _icosahedron(),
    4: np.concatenate([np.eye(4), [(1, *signs) for signs in itertools.product((1, -1), repeat=3)] * np.array(0.5)]),
}
