"""The cloud of gradient estimates around the gradient."""

from typing import Any

import numpy as np

from ...layout import ravel
from ...random import Rng, RngLike
from ...transforms import grad
from ...tree import Function, Tree
from .planes import at_least
from .theme import Axes, colours, on_axes


def cloud(
    f: Function,
    w: Tree,
    estimator: Any,
    *,
    samples: int = 400,
    entries: tuple[int, int] | None = None,
    rng: RngLike = 0,
    ax: Axes | None = None,
) -> Axes:
    """Many estimates ĝ around the gradient g, and their mean.

    To the right goes the part of ĝ along g, in units of ‖g‖, so that g is the cross at 1; upwards its part along one
    direction across, drawn at random. An unbiased estimate has E ĝ = g: the ring, the mean of all dots, lies near the
    cross. Forward gradients are never left of 0, since g·ĝ = Σ (g·v)² / n ≥ 0. The title is the estimator's own
    formula, the variance Σ_k Var ĝ_k in units of ‖g‖²: p − 1 for a sign or LowRank direction, p + 1 for a normal one,
    and n times less for n of them.

    With ``entries`` two entries of ĝ are drawn instead, and arms of one standard deviation √Var ĝ_k from g.

    Parameters
    ----------
    f : function of the parameters, to a number
    w : array or tree
    estimator : such as ``dualgrad.estimators.ForwardGradient(dualgrad.directions.LowRank())``
    samples : int
        How many estimates.
    entries : (int, int), optional
        Two entries of the gradient as one long vector.
    rng : int, numpy.random.Generator or Rng
    ax : matplotlib Axes, optional

    Returns
    -------
    The axes. ``ax.lines[0]`` has the dots.

    Raises
    ------
    ValueError
        Where the gradient is zero, or not finite.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.course import plots
    >>> signs = dg.estimators.ForwardGradient(dg.directions.Rademacher())
    >>> ax = plots.cloud(lambda w: np.sum(np.sin(w)), np.zeros(16), signs)
    >>> dots = ax.lines[0].get_xydata()
    >>> bool(np.all(dots[:, 0] >= 0)), bool(np.all(np.abs(dots.mean(0) - [1, 0]) < 0.3))
    (True, True)
    >>> print(ax.get_title())
    variance 15 ‖g‖²
    """
    at_least(1, samples=samples)
    ax, c, rng = on_axes(ax, (4.4, 4.0)), colours(), Rng(rng)
    gradient = grad(f)(w)
    g, variance = _one_vector(gradient), _one_vector(estimator.variance(gradient))
    size = float(np.linalg.norm(g))
    if not size > 0:
        raise ValueError(f"the gradient at w has the length {size}; expected a positive one, around which to look")
    axes = _along_and_across(g, rng) if entries is None else np.eye(len(g))[list(entries)]
    dots = np.array([axes @ _one_vector(estimator.estimate(f, w, rng=rng).gradient) for _ in range(samples)])
    ax.plot(*dots.T, "o", ms=3.6, color=c["primal"], alpha=0.45, mew=0)
    x, y = axes @ g
    if entries is not None:
        for k, (dx, dy) in enumerate(np.eye(2) * np.sqrt(variance[list(entries)])):
            ax.plot([x - dx, x + dx], [y - dy, y + dy], color=c["tangent"], lw=2, label="g ± √Var ĝ" if k else "_")
    ax.plot([x], [y], "X", ms=10, color=c["tangent"], mec=c["paper"], label="g", zorder=4)
    ax.plot(*dots.mean(0)[:, None], "o", ms=13, mfc="none", mec=c["text"], mew=2, label=f"mean of {samples}", zorder=5)
    names = ("ĝ along g, in ‖g‖", "across") if entries is None else [f"entry {k} of ĝ" for k in entries]
    ax.set(xlabel=names[0], ylabel=names[1], title=f"variance {variance.sum() / size**2:.3g} ‖g‖²")
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def _along_and_across(g: Any, rng: Rng) -> Any:
    """The row g/‖g‖², and a random row across g of the length 1/‖g‖, or of 0 where there is nothing but g."""
    across = rng.named("across").normal(g.shape)  # a stream of its own: g may come from the same seed
    across -= (across @ g) / (g @ g) * g
    length = np.linalg.norm(across) if len(g) > 1 else np.inf
    return np.stack([g / (g @ g), across / length / np.sqrt(g @ g)])


def _one_vector(tree: Tree) -> Any:
    """A tree as one vector."""
    return np.asarray(ravel(tree)[0], dtype=float)
