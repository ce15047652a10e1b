"""What the runs of forward_gradient_limits.py say: tables and figures. Its claims are in limits_claims.py."""

import numpy as np
from lab import axes, band, final, grouped, legend_below, longest, shortest, spread, table

LOSS, ACCURACY, BY_BATCH, LOG_RATE = 2, 3, 4, 5  # columns of curves; the last, of the highest stable rates alone
RATES, RATE, DEEP_RATE = [2e-3, 2e-4, 2e-5], 2e-4, 2e-3
METHODS, TWO, OPTIMIZERS = ("forward", "normals", "backprop"), ("forward", "backprop"), ("SGD", "Adam")
NORMED, WIDTHS = "MLP 512, batch norm", ("MLP 512", "MLP 1024", "MLP 2048")
DEEP = ("conv net", "ResNet", "ResNet, batch norm")
FLAT = (*WIDTHS, NORMED)
NETWORKS = (*FLAT, *DEEP)
KEYS = ("network", "optimizer", "rate", "method")


class Groups:
    """Runs of one length, by network, optimizer, rate and method; of those that are not there, none."""

    def __init__(self, runs):
        keys = [key for key in KEYS if key in runs[0]["settings"]] if runs else KEYS
        self.all = grouped(longest(runs, *keys), *keys) if runs else {}

    def __call__(self, *key):
        return self.all.get(key, [])

    def lines(self, wanted=lambda *key: True):
        """Rows of a table: what a run is, then its ends at equal updates and at equal time."""
        for key, group in self.all.items():
            if wanted(*key):
                rivals = [found for other, found in self.all.items() if other[:3] == key[:3]]
                time = common_time(*rivals)
                normed = "batch norm" in key[0]
                yield [
                    key[0], key[1], f"{key[2]:g}", key[3], f"{group[0]['updates']:,}", spread(final(group, LOSS), 2),
                    spread(final(group, ACCURACY)), spread(final(group, BY_BATCH)) if normed else "",
                    "" if np.isnan(time) else spread(final(group, ACCURACY, time)), spread(final(group, 1), 0),
                    len(group),
                ]  # fmt: skip


def common_time(*groups):
    """The seconds that all runs trained; NaN where one diverged, or is not there."""
    if any(not group or not np.isfinite(final(group, 1)).all() for group in groups):
        return np.nan
    return shortest(groups)


COLUMNS = ["network", "optimizer", "rate", "gradient", "updates", "training loss", "test accuracy",
           "by batch statistics", "at equal time", "seconds", "seeds"]  # fmt: skip


def table_of(title, runs, wanted=lambda *key: True):
    return table(title, COLUMNS, Groups(runs).lines(wanted))


def mlp_tables(runs):
    return {
        "limits-rates": table_of("Rates, 512 and 512 hidden units", runs,
                                 lambda network, way, rate, method: (network, way) == ("MLP 512", "SGD")),
        "limits-width": table_of(f"Width, at {RATE:g}", runs,
                                 lambda network, way, rate, m: network in WIDTHS and rate == RATE and m in TWO),
        "limits-norm": table_of(f"Batch norm, at {RATE:g}", runs,
                                lambda network, way, rate, m: "512" in network and rate == RATE and m in TWO),
    }  # fmt: skip


def deep_tables(runs):
    return {"limits-deep": table_of("Convolutional and residual networks", runs)}


def large_tables(runs):
    return {"limits-large": table_of("Digits drawn at 32 x 32", runs)}


def stable_tables(runs):
    lines = []
    for (updates, network, way), group in grouped(runs, "updates", "network", "optimizer").items():
        methods = grouped(group, "method")
        found = [lowest(methods.get(method, [])) for method in METHODS]
        lines.append([network, way, *found, f"{updates:,}", max(len(of_one) for of_one in methods.values())])
    columns = ["network", "optimizer", *METHODS, "updates", "seeds"]
    return {"limits-stable": table("Highest stable rate, the lowest of the seeds", columns, lines)}


def lowest(group):
    """The highest rate at which every seed is stable."""
    if not group:
        return "-"
    least = np.min(final(group, LOG_RATE))
    return f"{10**least:.2g}" if np.isfinite(least) else "none"


# ---------------------------------------------------------------------- figures

LINES = {"forward": "-", "normals": ":", "backprop": "--"}
KEY = "Solid: one direction of LowRank signs. Dotted: of normals. Dashed: backprop."


def draw(runs):
    """For every network and optimizer accuracies, and beside them losses; colours for rates."""
    panels = grouped(longest(runs, *KEYS), "network", "optimizer")
    figure, plots = axes(2 * len(panels), height=2.6, columns=2)
    figure.suptitle(KEY, fontsize=10)
    for k, ((network, way), shown) in enumerate(panels.items()):
        colours = {rate: f"C{i}" for i, rate in enumerate(grouped(shown, "rate"))}
        pair = plots[2 * k : 2 * k + 2]
        for ax, column in zip(pair, (ACCURACY, LOSS), strict=True):
            for (rate, method), group in grouped(shown, "rate", "method").items():
                name = f"{rate:g}" if method == "forward" else None
                band(ax, group, column, name, linestyle=LINES[method], color=colours[rate], linewidth=1.2)
            ax.set(title=f"{network}, {way}", xlabel="updates")
        pair[0].set(ylim=(0, 1), ylabel="test accuracy")
        pair[1].set(ylim=(0, 4), ylabel="training loss")
        legend_below(pair[0], columns=4, title="rate")
    return figure


def draw_stable(runs):
    """The highest stable rate of every network at the length that all have, a dot for every seed."""
    runs = longest(runs, "network", "optimizer", "method")
    figure, plots = axes(len(OPTIMIZERS), height=3.2)
    names = list(dict.fromkeys(run["network"] for run in runs))
    for ax, way in zip(plots, OPTIMIZERS, strict=True):
        for k, (method, found) in enumerate(grouped([r for r in runs if r["optimizer"] == way], "method").items()):
            at = [names.index(run["network"]) + 0.15 * (k - 1) for run in found]
            ax.semilogy(at, 10.0 ** final(found, LOG_RATE), "o", label=method, markersize=5, alpha=0.6)
        ax.set(title=f"Highest stable rate over {runs[0]['updates']:,} updates, {way}", xticks=range(len(names)))
        ax.set_xticklabels(names, rotation=30, ha="right", fontsize=8)
    legend_below(plots[0])
    return figure
