"""Steps down a surface, along gradients that were guessed."""

from typing import Any

import numpy as np

from ...backend import ArrayLike
from ...random import Rng, RngLike
from ...transforms import grad
from ...tree import Function
from .planes import at_least, in_plane
from .theme import Axes, colours, on_axes


def descent(
    f: Function,
    start: ArrayLike,
    estimator: Any,
    *,
    lr: float = 0.05,
    steps: int = 60,
    span: tuple[float, float, float, float] | None = None,
    rng: RngLike = 0,
    ax: Axes | None = None,
) -> Axes:
    """Lines of equal loss, the path w ← w − η ĝ of an estimator, and beside it w ← w − η g.

    An estimate (g·v) v lies anywhere on the gradient's side: its product with g is (g·v)² ≥ 0, so that a small step
    −η ĝ never climbs. The path staggers, and arrives.

    Parameters
    ----------
    f : function of an array of two numbers, to a number
    start : array (2,)
    estimator : such as ``dualgrad.estimators.ForwardGradient(dualgrad.directions.Gaussian())``
    lr : float
        η.
    steps : int
    span : (left, right, bottom, top), optional
        What is drawn; by default what holds both paths.
    rng : int, numpy.random.Generator or Rng
    ax : matplotlib Axes, optional

    Returns
    -------
    The axes.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.course import plots
    >>> bowl = lambda w: w[0] ** 2 + 3 * w[1] ** 2
    >>> ax = plots.descent(bowl, np.array([2.0, 1.0]), dg.estimators.ForwardGradient(dg.directions.Gaussian()))
    >>> exact, guessed = (line.get_xydata() for line in ax.lines[:2])
    >>> print(bool(bowl(exact[-1]) < 0.01), bool(bowl(guessed[-1]) < 0.1), len(guessed))
    True True 61
    """
    at_least(1, steps=steps)
    exact, guessed = [in_plane(start, "start")], [in_plane(start, "start")]
    ax, c, rng = on_axes(ax, (5.2, 4.0)), colours(), Rng(rng)
    for _ in range(steps):
        exact.append(exact[-1] - lr * np.asarray(grad(f)(exact[-1])))
        guessed.append(guessed[-1] - lr * np.asarray(estimator.estimate(f, guessed[-1], rng=rng).gradient))
    paths = np.array([exact, guessed])
    ax.plot(*paths[0].T, "o-", ms=3.5, lw=1.4, color=c["mean"], label="−η g", zorder=3)
    ax.plot(*paths[1].T, "o-", ms=3.5, lw=1.4, color=c["tangent"], label="−η ĝ", zorder=3)
    ax.plot(*paths[0][:1].T, "o", ms=9, color=c["text"], zorder=4)
    if span is None:
        low, high = paths.min((0, 1)), paths.max((0, 1))
        room = 0.15 * (high - low) + 0.05
        span = tuple(np.stack([low - room, high + room], 1).ravel())
    xs, ys = np.linspace(*span[:2], 90), np.linspace(*span[2:], 80)
    heights = np.array([[float(f(np.array([x, y]))) for x in xs] for y in ys])
    levels = heights.min() + (heights.max() - heights.min()) * np.linspace(0.04, 1, 15) ** 2
    ax.contour(xs, ys, heights, levels=levels, colors=[c["primal"]], linewidths=0.9, alpha=0.75, zorder=1)
    ax.set(xlim=span[:2], ylim=span[2:], xlabel="$w_0$", ylabel="$w_1$")
    return ax
