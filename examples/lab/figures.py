"""Figures: a row of plots, and the curves of several seeds as a line in a band."""

from .curves import curves


def axes(count, height=3.4, columns=None):
    """A figure of ``count`` plots."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = columns or count
    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(4.4 * columns, height * rows), layout="constrained", squeeze=False
    )
    for ax in grid.flat[count:]:
        ax.set_axis_off()
    for ax in grid.flat[:count]:
        ax.grid(alpha=0.3)
    return figure, list(grid.flat[:count])


def band(ax, runs, column, label, **style):
    """The mean over seeds, and their range around it."""
    x, y = curves(runs, column)
    (line,) = ax.plot(x, y.mean(0), label=label, **style)
    ax.fill_between(x, y.min(0), y.max(0), color=line.get_color(), alpha=0.15, linewidth=0)
