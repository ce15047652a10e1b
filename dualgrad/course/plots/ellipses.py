"""K directions around a point, and the ellipse that they become."""

from typing import Any

import numpy as np

from ...backend import ArrayLike
from ...pushforward import jvp
from ...tree import Function
from .planes import at_least, in_plane, onto_plane
from .theme import Figure, arrow, colours, new_axes


def ellipse(f: Function, x: ArrayLike, K: int = 16) -> Figure:
    """K unit vectors v at x, and beside them what one pass of `dualgrad.jvp` makes of all: J v, on an ellipse.

    The circle ‖v‖ = 1 becomes the ellipse {J v}. Its half axes are the singular values σ₁ and σ₂ of J, and its area is
    σ₁ σ₂ = ±det J times that of the circle.

    Parameters
    ----------
    f : function of an array of two numbers, to an array of two
    x : array (2,)
    K : int
        How many directions.

    Returns
    -------
    The figure, of two axes.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import numpy as np
    >>> from dualgrad.course import plots
    >>> figure = plots.ellipse(lambda x: np.array([x[0] * x[1], np.sin(x[1])]), np.array([1.0, 0.5]))
    >>> print(*(ax.get_title() for ax in figure.axes), sep="; ")
    16 directions v; J v: σ = 1.39, 0.317
    """
    c = colours()
    at_least(1, K=K)
    f, x = onto_plane(f), in_plane(x, "x")
    around, one = (2 * np.pi * np.arange(k) / k for k in (K, 120))
    V, circle = (np.stack([np.cos(a), np.sin(a)], 1) for a in (around, one))
    y, pushed = jvp(f, (x,), (np.concatenate([V, circle]),))
    U, sigma, _ = np.linalg.svd(np.array(jvp(f, (x,), (np.eye(2),))[1], dtype=float).T)
    figure, axes = new_axes(1, 2, size=(5.4, 3.1))
    y, pushed = np.array(y, dtype=float), np.array(pushed, dtype=float)
    for ax, centre, arrows, outline in ((axes[0], x, V, circle), (axes[1], y, pushed[:K], pushed[K:])):
        ax.plot(*(centre + np.concatenate([outline, outline[:1]])).T, color=c["line"], lw=1.1)
        for k, v in enumerate(arrows):
            arrow(ax, centre, centre + v, _shade(c, k, K), width=1.6)
        ax.plot(*centre[:, None], "o", ms=5, color=c["text"], zorder=5)
        reach = 1.12 * np.abs(outline).max()
        ax.set(aspect="equal", xlim=centre[0] + reach * np.array([-1, 1]), ylim=centre[1] + reach * np.array([-1, 1]))
        ax.locator_params(nbins=5)
    for column, length in zip(U.T, sigma, strict=True):
        ends = y[:, None] + np.outer(column, [-length, length])
        axes[1].plot(*ends, ls=(0, (3, 2)), lw=1.3, color=c["text"])
    axes[0].set_title(f"{K} direction{'s' * (K != 1)} v")
    axes[1].set_title(f"J v: σ = {sigma[0]:.3g}, {sigma[1]:.3g}")
    return figure


def _shade(c: dict[str, str], k: int, K: int) -> Any:
    """From the colour of primals to that of tangents and back, so that a direction is found again."""
    from matplotlib.colors import to_rgb

    share = 1 - abs(2 * k / K - 1)
    first, second = (np.array(to_rgb(c[name])) for name in ("primal", "tangent"))
    return tuple((1 - share) * first + share * second)
