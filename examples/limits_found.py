"""What the runs of forward_gradient_limits.py say: tables, claims and figures."""

import math

import numpy as np
from lab import (
    Claim,
    above,
    alike,
    axes,
    band,
    below,
    contrary,
    diverge,
    final,
    grouped,
    over,
    shortest,
    spread,
    table,
    together,
    under,
)  # fmt: skip

LOSS, ACCURACY, BY_BATCH, LOG_RATE = 2, 3, 4, 5  # columns of curves; the last, of the highest stable rates alone
COLLAPSED = 2.5  # a training loss beyond that of guessing, log 10
RATES, RATE, DEEP_RATE = [2e-3, 2e-4, 2e-5], 2e-4, 2e-3
METHODS, TWO, OPTIMIZERS = ("forward", "normals", "backprop"), ("forward", "backprop"), ("SGD", "Adam")
NORMED, WIDTHS = "MLP 512, batch norm", ("MLP 512", "MLP 1024", "MLP 2048")
DEEP = ("conv net", "ResNet", "ResNet, batch norm")
NETWORKS = (*WIDTHS, NORMED, *DEEP)
KEYS = ("network", "optimizer", "rate", "method")


def longest(runs):
    """The runs of one length for multilayer networks, and of one for the others: where most of the cases are, and of
    two such lengths the longer, so that what is half done is not compared with what is done."""

    def cases(found):
        return len({tuple(run.get(key) for key in KEYS) for run in found})

    kept = []
    for found in grouped([run | {"deep": run["network"] in DEEP} for run in runs], "deep").values():
        lengths = grouped(found, "updates")
        kept += lengths[max(lengths, key=lambda length: (cases(lengths[length]), length))]
    return kept


class Groups:
    """Runs by network, optimizer, rate and method; of those that are not there, none."""

    def __init__(self, runs):
        self.all = grouped(longest(runs), *(key for key in KEYS if key in runs[0]["settings"]))

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
                    "" if time is None else spread(final(group, ACCURACY, time)), spread(final(group, 1), 0),
                    len(group),
                ]  # fmt: skip


def common_time(*groups):
    """The seconds that all runs trained; None where one diverged."""
    if any(not group or not np.isfinite(final(group, 1)).all() for group in groups):
        return None
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
    found = grouped(longest(runs), "network", "optimizer")
    lines = []
    for (network, way), group in found.items():
        methods = grouped(group, "method")
        lines.append([network, way, *(lowest(methods.get(method, [])) for method in METHODS), group[0]["updates"],
                      max(len(of_one) for of_one in methods.values())])  # fmt: skip
    columns = ["network", "optimizer", *METHODS, "updates", "seeds"]
    return {"limits-stable": table("Highest stable rate, the lowest of the seeds", columns, lines)}


def lowest(group):
    """The highest rate at which every seed is stable."""
    if not group:
        return ""
    least = np.min(final(group, LOG_RATE))
    return f"{10**least:.2g}" if np.isfinite(least) else "none"


def ends(column, *groups):
    """Means, one beside the other."""
    return ", ".join(spread(final(group, column)).split(" ±")[0] if group else "-" for group in groups)


def mlp_claims(runs):
    of = Groups(runs)
    yield from rate_claims(lambda rate, method: of("MLP 512", "SGD", rate, method))
    for way in OPTIMIZERS:
        yield from width_claims(way, lambda width, method, way=way: of(width, way, RATE, method))
    wide, slow = of("MLP 2048", "Adam", RATE, "forward"), of("MLP 2048", "SGD", RATE, "forward")
    yield Claim("Adam makes the forward gradient more stable in wide networks: at 2048 it is ahead of SGD", "figure 3",
                ends(LOSS, wide, slow), below(wide, slow, LOSS))  # fmt: skip
    for way in OPTIMIZERS:
        yield from norm_claims(way, *(of(n, way, RATE, m) for m in TWO for n in (NORMED, "MLP 512")))


def rate_claims(of):
    for rate in RATES[1:]:
        pair = of(rate, "forward"), of(rate, "backprop")
        yield Claim(f"at {rate:g} forward gradient and backprop do alike, within 0.02 of the loss", "figure 2",
                    ends(LOSS, *pair), alike(*pair, LOSS, 0.02))  # fmt: skip
    others = [group for rate in RATES[1:] for group in (of(rate, "forward"), of(rate, "backprop"))]
    best = of(RATES[0], "backprop")
    yield Claim("backprop at 2e-3 does best", "figure 2", ends(LOSS, best, *others),
                together(*(below(best, group, LOSS) for group in others)))  # fmt: skip
    for method in ("forward", "normals"):
        group = of(RATES[0], method)
        yield Claim(f"at 2e-3 the forward gradient collapses ({method})", "figure 2", ends(LOSS, group),
                    diverge(group, LOSS, COLLAPSED))  # fmt: skip
    pair = of(RATE, "forward"), of(RATE, "backprop")
    time = common_time(*pair)
    yield Claim("at the same rate, 2e-4, it is ahead of backprop at equal time", "twice as fast",
                ends(LOSS, *pair), below(*pair, LOSS, at=time))  # fmt: skip
    pair = of(RATE, "forward"), of(RATE, "normals")
    yield Claim("LowRank signs and the paper's dense normals do alike, within 0.02 of the loss", "", ends(LOSS, *pair),
                alike(*pair, LOSS, 0.02))  # fmt: skip


def width_claims(way, of):
    narrow, wide = ({method: of(width, method) for method in TWO} for width in (WIDTHS[0], WIDTHS[-1]))
    for method, said in zip(TWO, ("does not improve", "improves"), strict=True):
        verdict = below(wide[method], narrow[method], LOSS)
        yield Claim(f"{method} {said} with the width ({way})", "figure 3",
                    ends(LOSS, *(of(width, method) for width in WIDTHS)),
                    verdict if method == "backprop" else contrary(verdict))  # fmt: skip


def norm_claims(way, normed, plain, normed_exact, plain_exact):
    """Forward gradient with and without batch norm, then backprop."""
    yield Claim(f"batch norm makes backprop better ({way})", "figure 4", ends(ACCURACY, normed_exact, plain_exact),
                above(normed_exact, plain_exact, ACCURACY))  # fmt: skip
    for column, statistics in ((ACCURACY, "running"), (BY_BATCH, "batch")):
        yield Claim(f"batch norm makes the forward gradient worse ({way}, {statistics} statistics)", "figure 4",
                    ends(column, normed, plain), below(normed, plain, column))  # fmt: skip
    rough, smooth = unevenness(normed), unevenness(plain)
    claim = "more uneven" if way == "SGD" else "no more uneven"
    verdict = above(rough, smooth, LOSS)
    yield Claim(f"with batch norm its loss is {claim} ({way})", "figure 4", ends(LOSS, rough, smooth),
                verdict if way == "SGD" else contrary(verdict))  # fmt: skip
    time = common_time(normed, plain)
    early = None if time is None else time / 4
    yield Claim(f"batch norm speeds up the first part of training ({way}, at a quarter of the time)", "section 4.4",
                ends(ACCURACY, normed, plain), above(normed, plain, ACCURACY, at=early))  # fmt: skip


def unevenness(runs):
    """Runs whose loss is replaced by how far it steps, on average, between points of the curve's second half."""

    def steps(run):
        losses = np.array(run["curve"], dtype=float)[len(run["curve"]) // 2 :, LOSS]
        return float(np.mean(np.abs(np.diff(losses))))

    return [run | {"curve": [[*run["curve"][-1][:LOSS], steps(run), *run["curve"][-1][LOSS + 1 :]]]} for run in runs]


def deep_claims(runs):
    of = Groups(runs)
    conv = [of("conv net", "SGD", rate, "forward") for rate in (2e-4, 2e-5)]
    yield Claim("the conv net collapses at 2e-4", "above about 2e-5", ends(LOSS, conv[0]),
                diverge(conv[0], LOSS, COLLAPSED))  # fmt: skip
    yield Claim("... and not at 2e-5", "", ends(LOSS, conv[1]), contrary(diverge(conv[1], LOSS, COLLAPSED)))
    for way in OPTIMIZERS:
        for network in DEEP[1:]:
            group, exact = (of(network, way, DEEP_RATE, method) for method in TWO)
            yield Claim(f"at 2e-3 the forward gradient of the {network} is stable ({way})", "figure 5",
                        ends(LOSS, group), contrary(diverge(group, LOSS, COLLAPSED)))  # fmt: skip
            yield Claim("... and behind backprop", "figure 5", ends(ACCURACY, group, exact),
                        below(group, exact, ACCURACY))  # fmt: skip


def large_claims(runs):
    of = Groups(runs)
    sgd = [of("MLP 1024", "SGD", rate, "forward") for rate in RATES]
    for rate, group in zip(RATES, sgd, strict=True):
        yield Claim(f"on digits at 32 x 32 SGD explodes by the forward gradient, at {rate:g}", "section 4.3",
                    ends(LOSS, group), diverge(group, LOSS, COLLAPSED))  # fmt: skip
    group, exact = (of("MLP 1024", "Adam", RATE, method) for method in TWO)
    yield Claim("... Adam holds", "section 4.3", ends(LOSS, group), contrary(diverge(group, LOSS, COLLAPSED)))
    yield Claim("... with a loss behind backprop's", "section 4.3", ends(LOSS, group, exact), above(group, exact, LOSS))


def stable_claims(runs):
    of = Groups(runs)
    for way in OPTIMIZERS:
        pairs = [[of(network, way, method) for method in ("backprop", "forward")] for network in NETWORKS]
        ours = "; ".join(f"{lowest(exact)}, {lowest(group)}" for exact, group in pairs)
        yield Claim(f"backprop bears higher rates than the forward gradient, in every network ({way})", "section 4.1",
                    ours, together(*(above(*pair, LOG_RATE) for pair in pairs)))  # fmt: skip
    forward = {network: of(network, "SGD", "forward") for network in NETWORKS}

    def said(*names):
        return ", ".join(lowest(forward[name]) for name in names)

    residual = "ResNet, batch norm"
    yield Claim("by the forward gradient, the residual network bears the highest rate of any", "2e-3",
                said(residual, *(name for name in NETWORKS if "ResNet" not in name)),
                together(*(above(forward[residual], group, LOG_RATE) for name, group in forward.items()
                           if "ResNet" not in name)))  # fmt: skip
    yield Claim("... 2e-3 or more", "2e-3", said(residual), over(forward[residual], LOG_RATE, math.log10(1.9e-3)))
    yield Claim("the conv net bears less than 2e-4", "about 2e-5", said("conv net"),
                under(forward["conv net"], LOG_RATE, math.log10(1.9e-4)))  # fmt: skip
    yield Claim("batch norm does not raise the rate that the residual network bears", "section 4.4",
                said(residual, "ResNet"), contrary(above(forward[residual], forward["ResNet"], LOG_RATE)))  # fmt: skip
    yield Claim("wider networks bear less", "section 3.1: variance grows with n", said(*WIDTHS),
                below(forward[WIDTHS[-1]], forward[WIDTHS[0]], LOG_RATE))  # fmt: skip


# ---------------------------------------------------------------------- figures

LINES = {"forward": "-", "normals": ":", "backprop": "--"}
KEY = "Solid: one direction of LowRank signs. Dotted: of normals. Dashed: backprop."


def draw(runs):
    """For every network and optimizer accuracies, and beside them losses; colours for rates."""
    panels = grouped(longest(runs), "network", "optimizer")
    figure, plots = axes(2 * len(panels), height=2.6, columns=min(4, 2 * len(panels)))
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
        pair[0].legend(fontsize=7, title="rate", title_fontsize=7)
    return figure


def draw_stable(runs):
    """The highest stable rate of every network, a dot for every seed."""
    runs = longest(runs)
    figure, plots = axes(len(OPTIMIZERS), height=3.2)
    names = list(dict.fromkeys(run["network"] for run in runs))
    for ax, way in zip(plots, OPTIMIZERS, strict=True):
        for k, (method, found) in enumerate(grouped([r for r in runs if r["optimizer"] == way], "method").items()):
            at = [names.index(run["network"]) + 0.15 * (k - 1) for run in found]
            ax.semilogy(at, 10.0 ** final(found, LOG_RATE), "o", label=method, markersize=5, alpha=0.6)
        ax.set(title=f"Highest stable rate, {way}", xticks=range(len(names)))
        ax.set_xticklabels(names, rotation=30, ha="right", fontsize=8)
    plots[0].legend(fontsize=7)
    return figure
