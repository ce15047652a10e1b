"""Estimates around the gradient, for four kinds of directions."""

import numpy as np

import dualgrad as dg
from dualgrad import directions
from dualgrad.course import plots
from dualgrad.course.plots.theme import new_axes

KINDS = {
    "signs": dg.estimators.ForwardGradient(directions.Rademacher()),
    "normals": dg.estimators.ForwardGradient(directions.Gaussian()),
    "LowRank": dg.estimators.ForwardGradient(directions.LowRank()),
    "16 LowRank": dg.estimators.ForwardGradient(directions.LowRank(), n=16),
}
G = dg.Rng(2).normal((6, 6))  # 36 parameters


def loss(w):
    return np.sum(w * G)


def draw():
    figure, axes = new_axes(2, 2, size=(5.4, 4.9), sharex=True, sharey=True)
    for ax, (title, estimator) in zip(axes.flat, KINDS.items(), strict=True):
        plots.cloud(loss, np.zeros((6, 6)), estimator, ax=ax).set(xlabel="", ylabel="")
        ax.set_aspect("equal", adjustable="box")
        ax.set(xlim=(-0.6, 6.4), ylim=(-2.9, 2.9))
        ax.set_title(f"{title}: {ax.get_title().removeprefix('variance ')}", fontsize=12)
    axes[1, 1].legend(loc="upper right", fontsize=10, handletextpad=0.2, borderpad=0)
    figure.supxlabel("ĝ along g, in ‖g‖", fontsize=12)
    figure.supylabel("across", fontsize=12)
    return figure
