"""A grid of the plane, pushed through a map."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...pushforward import jvp
from ...tree import Function
from .planes import at_least, in_plane, onto_plane
from .theme import Axes, arrow, colours, on_axes


def pushed_grid(
    f: Function,
    at: Sequence[float] = (0.5, 0.5),
    *,
    t: float = 1.0,
    span: tuple[float, float] = (-1.0, 1.0),
    lines: int = 9,
    ax: Axes | None = None,
) -> Axes:
    """The square grid of the plane, each point x of it moved to (1 − t) x + t f(x), and the two columns of J at one.

    The grid bends; the parallelogram of the columns of J = ∂f/∂x does not. It is what the square of e₁ and e₂ at the
    point becomes, and where the grid is fine, its meshes are small copies of it. Both columns come from one
    `dualgrad.jvp` with two directions.

    Parameters
    ----------
    f : function of an array of two numbers, to an array of two
    at : two numbers
        The point where the columns of J are drawn, at half of their length.
    t : float
        0 is the grid as it was, 1 its image, and what lies between is on the way.
    span : (float, float)
        From where to where the grid goes, in both directions.
    lines : int
        How many lines in each direction.
    ax : matplotlib Axes, optional

    Returns
    -------
    The axes.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import numpy as np
    >>> from dualgrad.course import plots
    >>> def square(z):  # of the complex number z[0] + i z[1]
    ...     return np.array([z[0] ** 2 - z[1] ** 2, 2 * z[0] * z[1]])
    >>> ax = plots.pushed_grid(square, at=(0.5, 0.5))
    >>> len(ax.lines)  # nine each way, and the mark of the point
    19
    """
    at_least(2, lines=lines)
    f, x = onto_plane(f), in_plane(at, "at")
    ax, c = on_axes(ax, (4.4, 4.2)), colours()
    fine = np.linspace(*span, 4 * (lines - 1) + 1)
    for fixed in np.linspace(*span, lines):
        ends = np.full_like(fine, fixed)
        for path, colour in ((np.stack([fine, ends], 1), c["primal"]), (np.stack([ends, fine], 1), c["line"])):
            ax.plot(*_on_the_way(f, path, t).T, color=colour, lw=1.1)
    y, columns = jvp(f, (x,), (np.eye(2),))
    centre = (1 - t) * x + t * np.array(y, dtype=float)
    for k, name in enumerate(("tangent", "mean")):
        column = (1 - t) * np.eye(2)[k] + t * np.array(columns[k], dtype=float)
        arrow(ax, centre, centre + column / 2, c[name], width=2.6)
    ax.plot(*centre[:, None], "o", ms=6, color=c["text"], zorder=5)
    ax.set_aspect("equal")
    ax.grid(False)
    return ax


def _on_the_way(f: Function, points: Any, t: float) -> Any:
    """(1 − t) x + t f(x) of every row x."""
    return np.array([(1 - t) * x + t * np.array(f(x), dtype=float) for x in points])
