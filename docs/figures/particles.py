"""Particles over four windows: truncated, they come together again; persistent, they keep their states."""

import numpy as np

import dualgrad as dg
from dualgrad.course import plots
from dualgrad.course.plots.theme import new_axes

FRAMES, SECONDS = 6, 10.0
WINDOW, WINDOWS = 10, 4


def step(s, x, w):
    return s + 0.1 * (w - 0.6 * s)


def at(step_now):
    """Both strategies, as far as a step."""
    from matplotlib.patches import Rectangle

    figure, axes = new_axes(2, 1, size=(5.4, 4.6), sharex=True, sharey=True)
    system = dg.online.System(step, lambda s, y, w: np.sum(s * s, axis=-1), np.zeros(1), batched=True)
    kinds = {"TruncatedES": dg.online.TruncatedES, "PersistentES": dg.online.PersistentES}
    for ax, (title, kind) in zip(axes, kinds.items(), strict=True):
        plots.particles(system, np.ones(1), kind(6, 1.0, WINDOW), windows=WINDOWS, rng=7, ax=ax)
        ax.set_title(title, fontsize=12)
        seen = Rectangle((-1, -9), step_now + 1, 18, transform=ax.transData)
        for line in [line for line in ax.lines if len(line.get_xdata()) > 2]:
            line.set_clip_path(seen)
    axes[0].set_xlabel("")
    axes[0].legend(loc="upper left", fontsize=11, borderpad=0)
    return figure


def draw():
    return at(WINDOW * WINDOWS + 1)


def frame(k):
    return at((0.05, 10, 20, 30, 41, 41.01)[k])
