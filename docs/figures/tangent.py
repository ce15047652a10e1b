"""The tangent runs along a curve; below, its slope draws the derivative."""

import numpy as np

import dualgrad as dg
from dualgrad.course import plots
from dualgrad.course.plots.theme import colours, new_axes

FRAMES, SECONDS = 49, 9.0
SPAN = -3.6, 4.8


def f(x):
    return np.sin(x) + x / 3


def at(x):
    """Both curves, with the tangent at x."""
    figure, (above, below) = new_axes(2, 1, size=(5.2, 4.6), sharex=True, height_ratios=[2, 1])
    plots.tangent(f, x, span=SPAN, ax=above).set(title="", xlabel="", ylabel="f(x)", ylim=(-2.4, 2.9))
    for text in above.texts:  # near the edge they would push the axes, and an outline of letters is long
        text.set(in_layout=False, path_effects=[])
    c, xs = colours(), np.linspace(*SPAN, 121)
    below.plot(xs, [dg.derivative(f)(t) for t in xs], color=c["tangent"], lw=2.4)
    slope = dg.derivative(f)(x)
    below.plot([x, x], [0, slope], color=c["tangent"], lw=1.4, ls=(0, (3, 2)))
    below.plot([x], [slope], "o", ms=8, color=c["tangent"], mec=c["paper"])
    below.axhline(0, color=c["line"], lw=0.8)
    below.set(xlabel="x", ylabel="f′(x)", ylim=(-0.95, 1.6))
    return figure


def draw():
    return at(-0.9)


def frame(k):
    return at(2.5 * np.sin(2 * np.pi * k / (FRAMES - 1)))
