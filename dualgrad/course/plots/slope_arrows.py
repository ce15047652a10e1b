"""The tangent of a curve: a slope, and an arrow."""

import math
from typing import Any

import numpy as np

from ...pushforward import jvp
from ...tree import Function
from .theme import Axes, arrow, colours, halo, on_axes


def tangent(
    f: Function, x: float, v: float = 1.0, *, span: tuple[float, float] | None = None, ax: Axes | None = None
) -> Axes:
    """The curve of f, its tangent line at x, and the arrow (v, f′(x) v) on it.

    Walk along the curve: when x moves by v, the height along the *tangent line* changes by f′(x) v. That number is the
    tangent that a dual number carries, and `dualgrad.jvp` computes it here.

    Parameters
    ----------
    f : function of one real number
    x : float
        Where.
    v : float
        The tangent of x: how far the arrow goes to the right.
    span : (float, float), optional
        Which part of the curve is drawn; x ± 2.5 by default.
    ax : matplotlib Axes, optional

    Returns
    -------
    The axes.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import numpy as np
    >>> from dualgrad.course import plots
    >>> ax = plots.tangent(lambda x: np.sin(x**2), 1.5, v=0.5)
    >>> print(ax.get_title())
    f(1.5) = 0.778,  f′(1.5) · 0.5 = -0.942
    """
    x, v = float(x), float(v)
    y, dy = (float(value) for value in jvp(f, (x,), (v,)))
    low, high = (x - 2.5, x + 2.5) if span is None else span
    ax, c = on_axes(ax), colours()
    with np.errstate(all="ignore"):
        xs = np.linspace(low, high, 241)
        ys = np.array([float(f(t)) for t in xs])
    ax.plot(xs, np.where(np.isfinite(ys), ys, np.nan), color=c["primal"], lw=2.4)
    if v and math.isfinite(dy):
        ends = np.array([low, high])
        ax.plot(ends, y + dy / v * (ends - x), color=c["line"], lw=1.1, scaley=False)
        _legs(ax, c, (x, y), (v, dy))
    ax.plot([x], [y], "o", ms=8, color=c["primal"], mec=c["paper"], zorder=5)
    ax.set(xlabel="x", ylabel="f(x)", xlim=(low, high))
    ax.set_title(f"f({x:.3g}) = {y:.3g},  f′({x:.3g}) · {v:.3g} = {dy:.3g}")
    return ax


def _legs(ax: Any, c: dict[str, str], at: Any, by: Any) -> None:
    """The arrow, and the triangle of what it goes to the right and up."""
    (x, y), (v, dy) = at, by
    ax.plot([x, x + v, x + v], [y, y, y + dy], ls=(0, (3, 2)), lw=1.4, color=c["tangent"])
    arrow(ax, (x, y), (x + v, y + dy), c["tangent"])
    ax.autoscale_view()
    style = {"color": c["tangent"], "path_effects": halo(), "textcoords": "offset points"}
    ax.annotate("$v$", (x + v / 2, y), (0, -12 if dy >= 0 else 6), ha="center", **style)
    side = 6 if v > 0 else -6
    ax.annotate("$f'(x)\\,v$", (x + v, y + dy / 2), (side, 0), ha="left" if v > 0 else "right", va="center", **style)
