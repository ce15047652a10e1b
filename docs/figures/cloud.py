"""The cloud of estimates around the gradient fills up, and its mean settles."""

import numpy as np

import dualgrad as dg
from dualgrad.course import plots
from dualgrad.course.plots.theme import colours, new_axes

FRAMES, SECONDS, EACH = 48, 10.0, 6
SIGNS = dg.estimators.ForwardGradient(dg.directions.Rademacher())
G = dg.Rng(2).normal((6, 6))  # 36 parameters


def loss(w):
    return np.sum(w * G)


def draw():
    return frame(FRAMES - 1)


def frame(k):
    figure, ax = new_axes(1, 1, size=(4.6, 4.0))
    c = colours()
    plots.cloud(loss, np.zeros((6, 6)), SIGNS, samples=FRAMES * EACH, ax=ax)
    dots = ax.lines[0].get_xydata()
    ax.lines[0].remove()
    ax.lines[-1].remove()
    for i in range(FRAMES):
        some = dots[i * EACH : (i + 1) * EACH]
        ax.plot(*some.T, "o", ms=4, color=c["primal"], alpha=0.5, mew=0, gid=f"shown-{i}", zorder=1)
    means = np.cumsum(dots, 0)[EACH - 1 :: EACH] / (EACH * np.arange(1, FRAMES + 1))[:, None]
    ax.plot(*means[[k]].T, "o", ms=13, mfc="none", mec=c["text"], mew=2.2, zorder=6)
    ax.set_aspect("equal", adjustable="box")
    ax.set(xlim=(-0.6, 6.4), ylim=(-2.9, 2.9))
    return figure
