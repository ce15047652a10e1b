"""Down a curved valley, by the gradient and by its estimates."""

import numpy as np

import dualgrad as dg
from dualgrad.course import plots


def valley(w):
    return (1 - w[0]) ** 2 + 4 * (w[1] - 0.5 * w[0] ** 2) ** 2


def draw():
    estimator = dg.estimators.ForwardGradient(dg.directions.Gaussian())
    ax = plots.descent(valley, np.array([-1.6, 1.4]), estimator, lr=0.02, steps=120, rng=5, span=(-2.1, 1.6, -0.7, 2.1))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax.figure
