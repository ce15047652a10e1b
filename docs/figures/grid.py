"""A grid is pushed through a map, and the columns of its Jacobian with it."""

import numpy as np

from dualgrad.course import plots
from dualgrad.course.plots.theme import new_axes

FRAMES, SECONDS = 7, 8.0
AT = 0.4, -0.2


def f(x):
    return np.array([x[0] + 0.35 * np.sin(2.5 * x[1]), 0.8 * x[1] + 0.45 * x[0] ** 2])


def draw():
    figure, axes = new_axes(1, 2, size=(5.4, 2.9))
    for ax, t, title in zip(axes, (0.0, 1.0), ("$x$, and $e_1$, $e_2$", "$f(x)$, and $Je_1$, $Je_2$"), strict=True):
        plots.pushed_grid(f, AT, t=t, ax=ax).set(xlim=(-1.4, 1.4), ylim=(-1.1, 1.3), xticks=[], yticks=[])
        ax.set_title(title, fontsize=12)
        ax.spines[:].set_visible(False)
    return figure


def frame(k):
    t = (0.0, 0.0, 0.5, 1.0, 1.0, 0.5, 0.0)[k]
    figure, ax = new_axes(1, 1, size=(4.2, 3.9))
    plots.pushed_grid(f, AT, t=t, ax=ax).set(xlim=(-1.4, 1.4), ylim=(-1.1, 1.3), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return figure
