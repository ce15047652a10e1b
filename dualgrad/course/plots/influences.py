"""The influence matrix of a recurrent system, and what NoBackTrack keeps of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...online import RTRL, NoBackTrack, System
from ...random import Rng, RngLike
from ...tree import Tree
from .theme import Figure, colours, new_axes


def influence_matrix(
    system: System, params: Tree, inputs: Sequence[Any], *, draws: int = 400, rng: RngLike = 0
) -> Figure:
    """G = ∂s/∂θ of RTRL, one draw of v̄ w̄ᵀ of NoBackTrack, and the mean of many.

    RTRL carries all n p numbers of G ← J G + D. NoBackTrack carries v̄ and w̄, n + p numbers whose product is wrong
    nearly everywhere and right on average: E v̄ w̄ᵀ = G.

    Parameters
    ----------
    system : dualgrad.online.System
        Its state is one array.
    params : array or tree
    inputs : sequence
        One x for every step.
    draws : int
        How many go into the mean.
    rng : int, numpy.random.Generator or Rng

    Returns
    -------
    The figure, of three axes and a bar of colours.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.course import plots
    >>> cell = dg.online.System(lambda s, x, A: np.tanh(A @ s + x), lambda s, y, A: np.sum(s), np.zeros(3))
    >>> A, signal = dg.Rng(0).normal((3, 3)), dg.Rng(1).normal((6, 3))
    >>> figure = plots.influence_matrix(cell, A, list(signal), draws=50)
    >>> G, one, mean = (ax.collections[0].get_array() for ax in figure.axes[:3])
    >>> G.shape, bool(np.linalg.norm(mean - G) < np.linalg.norm(one - G))
    ((3, 9), True)
    """
    c, rng = colours(), Rng(rng)
    exact = RTRL().start(system, params)
    for x in inputs:
        exact.step(x, None)
    drawn = [_one_product(system, params, inputs, rng) for _ in range(draws)]
    shown = {
        "$G$, by RTRL": np.asarray(exact.memory),
        r"$\bar v\,\bar w^\top$, one draw of NoBackTrack": drawn[0],
        f"mean of {draws} draws": np.mean(drawn, axis=0),
    }
    figure, axes = new_axes(3, 1, size=(5.4, 4.6), sharex=True)
    largest = float(np.abs(shown["$G$, by RTRL"]).max())
    for ax, (title, matrix) in zip(axes, shown.items(), strict=True):
        ax.pcolormesh(matrix, cmap=_diverging(c), vmin=-largest, vmax=largest, edgecolors=c["paper"], lw=0.4)
        ax.set_title(title)
        ax.invert_yaxis()
        ax.set(ylabel="state", yticks=[])
    axes[-1].set(xlabel="parameter")
    figure.colorbar(axes[0].collections[0], ax=axes, extend="both", fraction=0.05, pad=0.02)
    return figure


def _one_product(system: System, params: Tree, inputs: Sequence[Any], rng: Rng) -> Any:
    """v̄ w̄ᵀ after the last step."""
    learner = NoBackTrack().start(system, params, rng=rng)
    for x in inputs:
        learner.step(x, None)
    return learner.memory["v"].T @ learner.memory["w"]


def _diverging(c: dict[str, str]) -> Any:
    """From the colour of primals through the paper to that of tangents."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("influence", [c["primal"], c["paper"], c["tangent"]], N=41)
