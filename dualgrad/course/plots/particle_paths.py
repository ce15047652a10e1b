"""Particles of an evolution strategy, over windows."""

from typing import Any

import numpy as np

from ...online import System
from ...random import Rng, RngLike
from ...tree import Tree, leaves
from .theme import Axes, colours, on_axes


def particles(
    system: System, theta: Tree, strategy: Any, *, windows: int = 4, rng: RngLike = 0, ax: Axes | None = None
) -> Axes:
    """The state of every particle of a strategy, step by step, over some windows; those at θ + ε and θ − ε in colours.

    `dualgrad.online.TruncatedES` begins every window from the state of θ itself, so that its particles come together
    again at each line. `dualgrad.online.PersistentES` lets every particle keep its state, draws a fresh ε in every
    window, and credits a loss to the sum ξ of all that a particle has had: the paths go on.

    Parameters
    ----------
    system : dualgrad.online.System
        With ``batched=True``; the first number of its state is drawn.
    theta : array or tree
    strategy : such as ``dualgrad.online.PersistentES(particles=8, sigma=0.1, window=10)``
    windows : int
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
    >>> leak = dg.online.System(
    ...     lambda s, x, w: 0.9 * s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True
    ... )
    >>> ax = plots.particles(leak, np.ones(1), dg.online.PersistentES(particles=4, sigma=0.3, window=5), windows=3)
    >>> paths = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) > 2]
    >>> len(paths), len(paths[0])  # four particles, for each of three windows: where it begins, and five steps
    (12, 6)
    """
    ax, c = on_axes(ax, (5.4, 3.0)), colours()
    seen = _paths_of(system, theta, strategy, windows, Rng(rng))
    K, half = strategy.window, strategy.particles // 2
    for k in range(windows):
        steps = np.arange(k * K, (k + 1) * K + 1)
        for i in range(strategy.particles):
            label = {0: "θ + ε", half: "θ − ε"}.get(i, "") if k == 0 else ""
            ax.plot(steps, seen[k][:, i], lw=1.5, color=c["primal" if i < half else "tangent"], label=label or "_")
        ax.axvline(steps[-1], color=c["line"], lw=1, ls=(0, (1, 2)))
    ax.set(xlabel="step", ylabel="state", xlim=(0, windows * K), xticks=np.arange(windows + 1) * K)
    return ax


def _paths_of(system: System, theta: Tree, strategy: Any, windows: int, rng: Rng) -> list[Any]:
    """The first number of the state of every particle, ``(window + 1, particles)`` for each window."""
    states: list[list[Any]] = []

    def step(state: Any, x: Any, params: Any) -> Any:
        moved = system.step(state, x, params)
        both = [np.asarray(leaves(s)[0], dtype=float) for s in (state, moved)]
        if all(s.ndim == np.ndim(leaves(system.init_state)[0]) + 1 for s in both):  # else it is θ itself that moves
            states.append([s.reshape(len(s), -1)[:, 0] for s in both])
        return moved

    learner = strategy.start(System(step, system.loss, system.init_state, batched=True), theta, rng=rng)
    for _ in range(windows * strategy.window):
        learner.step(None, None)
    pairs, K = np.array(states[-windows * strategy.window :]), strategy.window
    return [np.concatenate([pairs[k * K : k * K + 1, 0], pairs[k * K : (k + 1) * K, 1]]) for k in range(windows)]
