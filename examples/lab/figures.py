"""Figures: a row of plots, curves of several seeds as a line in a band, values on a grid, ways through it."""

import numpy as np

from dualgrad.course.plots.theme import COLOURS, CYCLE, appearance

from .curves import curves

WIDEST = 10.5  # inches: a page shows a picture that is wider with letters too small to read
SMALL = {"font.size": 10, "axes.titlesize": 10, "axes.labelsize": 10, "legend.fontsize": 8}
OPAQUE = {"savefig.transparent": False, "savefig.facecolor": "auto"}


def pyplot():
    """Matplotlib, without a screen, in the theme for light paper; what gray lines are for has no colour of its own."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = [COLOURS["light"][name] for name in sorted(CYCLE, key=lambda name: name == "line")]
    cycle = {"axes.prop_cycle": plt.cycler(color=colours), "path.simplify": True}
    plt.rcParams.update(appearance("light") | SMALL | OPAQUE | cycle)
    return plt


def axes(count, height=3.4, columns=None):
    """A figure of ``count`` plots, at most three in a row."""
    columns = columns or (count if count < 4 else 2)
    rows = -(-count // columns)
    size = min(4.4, WIDEST / columns) * columns, height * rows
    figure, grid = pyplot().subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax in grid.flat[count:]:
        ax.set_axis_off()
    for ax in grid.flat[:count]:
        ax.grid(alpha=0.3)
    return figure, list(grid.flat[:count])


def blank(words):
    """A figure of what cannot be drawn yet."""
    figure, (ax,) = axes(1, height=1.2)
    ax.set_axis_off()
    ax.text(0.5, 0.5, words, ha="center", va="center")
    return figure


def axes_beside_images(title, rows, columns):
    """A plot, and beside it a grid of images under a title."""
    figure = pyplot().figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1])
    right.suptitle(title)
    cells = list(right.subplots(rows, columns).flat)
    for cell in cells:
        cell.set_axis_off()
    plot = left.subplots()
    plot.grid(alpha=0.3)
    return plot, cells


def band(ax, runs, column, label, against=0, **style):
    """The mean over seeds, and their range around it, against updates or another column."""
    x, y = curves(runs, against).mean(0), curves(runs, column)
    (line,) = ax.plot(x, y.mean(0), label=label, **style)
    ax.fill_between(x, y.min(0), y.max(0), color=line.get_color(), alpha=0.15, linewidth=0)


def bands(ax, groups, column, **settings):
    """A band for every group by its name, and the plot's title and axes."""
    for name, runs in groups.items():
        band(ax, runs, column, name)
    ax.set(**{"xlabel": "updates"} | settings)
    legend_below(ax)


def legend_below(ax, columns=2, **more):
    """The names of a plot's lines under it, where they cover none."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=4.5, ncols=columns, **more)


def heat(ax, x, y, values, cmap="viridis", **label):
    """Values on a grid as colours, and their scale."""
    mesh = ax.pcolormesh(x, y, values, cmap=cmap, rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, **label)
    ax.grid(visible=False)


def ways(ax, runs, x, y, label, color):
    """The way of every run through the plane of two columns, with a dot at its end."""
    for k, r in enumerate(runs):
        way = np.array(r["curve"], dtype=float)[:, [x, y]].T
        ax.plot(*way, color=color, linewidth=1.2, label=None if k else label)
        ax.plot(*way[:, -1], "o", color=color, markersize=4)
