"""What the runs of guess_training.py say: tables, claims and figures."""

import numpy as np
from guess_found import GUESSES, shapes
from lab import Claim, axes, band, legend_below, table
from lab.curves import ends, final, grouped, longest, shortest, spread
from lab.derived import derived, gained
from lab.verdicts import above, alike, below, contrary, over, together

TEST, TRAIN, COSINE, RANK = 2, 3, 4, 5  # columns of a curve
TRAINED = [*GUESSES, "downstream 2", "self-sharpening", "backprop"]
SWEPT = ["directional", "activation", "W^T", "backprop"]
OPTIMIZERS = ["AdamW", "StableAdamW", "SGD"]
WAYS = {("AdamW", 0.0): "AdamW", ("SGD", 0.9): "SGD, momentum 0.9", ("SGD", 0.0): "SGD"}
MATCH = 0.2  # about the cosine of W^T along its own way, see the table; 0.03 in the paper, at 6x1024
MATCHED = {("directional", None): "directional", ("W^T", None): "W^T", ("directional", MATCH): "matched"}


def accuracies(groups):
    """A line for every group: training and test accuracy at equal updates, test accuracy at equal time, seconds."""
    soonest = shortest(groups.values())
    for name, found in groups.items():
        cells = [spread(final(found, column)) for column in (TRAIN, TEST)]
        yield name, [*cells, spread(final(found, TEST, soonest)), f"{np.nanmean(final(found, 1)):.0f}"]


ENDS = ["training accuracy", "test accuracy", "test accuracy at equal time", "seconds"]


def panels(groups, column, titles, ylabel):
    """A plot for every title, of the groups that belong to it."""
    figure, plots = axes(len(titles))
    for ax, (key, title) in zip(plots, titles.items(), strict=True):
        for (at, name), found in groups.items():
            if at == key:
                band(ax, found, column, name)
        ax.set(xlabel="updates", ylabel=ylabel, title=title)
        legend_below(ax)
    return figure


# ---------------------------------------------------------------------- figures 3 and 7, Table 2


def training_tables(runs):
    networks = shapes(runs, "method").items()
    lines = [[name, method, *cells] for name, groups in networks for method, cells in accuracies(groups)]
    title = "AdamW at {rate:g}, batches of {batch}, {updates:,} updates".format(**runs[0])
    return {"guess-training": table(f"{title}; self-sharpening by StableAdamW", ["network", "method", *ENDS], lines)}


def training_claims(runs):
    networks = shapes(runs, "method")

    def ahead(said, paper, highs, lows, column=TEST, timed=False):
        """Each of some methods ends above each of others, in every network."""
        verdicts, shown = [], []
        for groups in networks.values():
            at = shortest(groups.values()) if timed else None
            first, second = ([groups.get(method, []) for method in methods] for methods in (highs, lows))
            verdicts += [above(high, low, column, at=at) for high in first for low in second]
            shown.append(ends([*first, *second], column, at))
        return Claim(said, paper, "; ".join(shown), together(*verdicts))

    for timed, said in ((False, ""), (True, ", in equal time")):
        yield ahead(f"every guess is ahead of directional descent in test accuracy{said}",
                    "CIFAR-10, 3x128: 0.423 to 0.478, and 0.358", GUESSES[1:], GUESSES[:1], timed=timed)  # fmt: skip
        yield ahead(f"W^T and downstream are ahead of activation perturbation{said}",
                    "CIFAR-10, 3x128: 0.469, 0.478, and 0.423", GUESSES[3:], ["activation"], timed=timed)  # fmt: skip
        yield ahead(f"backprop is ahead of every guess in training accuracy{said}",
                    "CIFAR-10, 3x128: 1.000, and 0.374 to 0.656", ["backprop"], GUESSES, TRAIN, timed)  # fmt: skip
    for name, paper in (("3x1024", "CIFAR-10: 0.321, 0.089"), ("6x1024", "CIFAR-10: 0.640, 0.015")):
        yield apart(name, networks.get(name, {}), paper)
    own = networks.get("6x1024", {}).get("self-sharpening", [])
    ends_at = last(own, COSINE)
    yield Claim("self-sharpening raises its cosine to 0.6, at 6x1024", "0.6", ends([first(own, COSINE), ends_at]),
                together(over(ends_at, 2, 0.6), raised(own)))  # fmt: skip
    yield Claim("... and trains to 0.95, at 6x1024", "0.975", ends([own], TRAIN), over(own, TRAIN, 0.95))
    guesses = [networks.get("6x1024", {}).get(method, []) for method in GUESSES]
    yield Claim("... above every guess", "0.975 and 0.522", ends([own, *guesses], TRAIN),
                together(*(above(own, g, TRAIN) for g in guesses)))  # fmt: skip
    yield two_layers([groups for name, groups in networks.items() if name[0] == "6"])


def apart(name, groups, paper):
    """Training less test accuracy, of self-sharpening and of W^T."""
    pair = [derived(groups.get(m, []), lambda c: c[-1, TRAIN] - c[-1, TEST]) for m in ("self-sharpening", "W^T")]
    return Claim(f"at {name} self-sharpening trains further above its test accuracy than W^T does", paper, ends(pair),
                 above(*pair, 2))  # fmt: skip


def two_layers(networks):
    pairs = [(groups.get("downstream 2", []), groups.get("downstream", [])) for groups in networks]
    return Claim("two downstream layers have no advantage over one, of more than 0.01", "figure 7, 6x1024",
                 ends([g for pair in pairs for g in pair], TRAIN),
                 together(*(contrary(above(*pair, TRAIN, 0.01)) for pair in pairs)))  # fmt: skip


def training_figure(runs):
    named = {(name, m): found for name, groups in shapes(runs, "method").items() for m, found in groups.items()}
    return panels(named, TEST, {name: f"{name} (fig. 3)" for name in shapes(runs, "method")}, "test accuracy")


# ---------------------------------------------------------------------- figure 4


def matched_groups(runs):
    """Those of the length at which most is done, by optimizer and method."""
    keys = ("optimizer", "momentum", "method", "cosine")
    return {(WAYS[o, m], MATCHED[k, c]): found for (o, m, k, c), found in grouped(longest(runs, *keys), *keys).items()}


def matched_tables(runs):
    groups, lines = matched_groups(runs), []
    for way in WAYS.values():
        own = {name: found for (at, name), found in groups.items() if at == way}
        if own:
            lines += [[way, name, f"{own[name][0]['rate']:g}", along(own[name]), *cells]
                      for name, cells in accuracies(own)]  # fmt: skip
    updates = next(iter(groups.values()))[0]["updates"]
    title = f"A control at a cosine of {MATCH}, {updates:,} updates, each at its best rate"
    return {"guess-matched": table(title, ["optimizer", "method", "rate", "cosine, mean", *ENDS], lines)}


def along(runs):
    """The mean cosine over the way."""
    return spread(final(derived(runs, lambda curve: curve[:, COSINE].mean()), 2))


def matched_claims(runs):
    groups = matched_groups(runs)
    of = {way: [groups.get((way, name), []) for name in MATCHED.values()] for way in WAYS.values()}
    random, weight, control = of["AdamW"]
    soonest = shortest(of["AdamW"]) if any(of["AdamW"]) else np.nan
    yield Claim("W^T trains faster than directional descent", "figure 4", ends([weight, random], TRAIN),
                above(weight, random, TRAIN))  # fmt: skip
    yield Claim("at an equal cosine the unbiased control trains faster than W^T", "figure 4",
                ends([control, weight], TRAIN), above(control, weight, TRAIN))  # fmt: skip
    yield Claim("... in equal time", "", ends([control, weight], TRAIN, soonest),
                above(control, weight, TRAIN, at=soonest))  # fmt: skip
    gaps = [gained(*of[way][:0:-1], TRAIN) for way in ("SGD, momentum 0.9", "SGD")]
    yield Claim("its lead is smaller without momentum than with it", "figure 4, right", ends(gaps[::-1]),
                below(gaps[1], gaps[0], 2))  # fmt: skip
    yield Claim("... and negligible: within 0.02", "figure 4, right", ends(of["SGD"][:0:-1], TRAIN),
                alike(*of["SGD"][:0:-1], TRAIN, 0.02))  # fmt: skip


def matched_figure(runs):
    return panels(matched_groups(runs), TRAIN, {w: f"{w} (fig. 4)" for w in WAYS.values()}, "training accuracy")


# ---------------------------------------------------------------------- figure 5


def first(runs, column):
    return derived(runs, lambda curve: curve[0, column])


def last(runs, column):
    """On average over the last quarter, since a cosine of a few guesses is noisy."""
    return derived(runs, lambda curve: curve[-max(1, len(curve) // 4) :, column].mean())


def raised(runs):
    """Whether the cosine rises, seed by seed."""
    return over(derived(runs, lambda c: c[-max(1, len(c) // 4) :, COSINE].mean() - c[0, COSINE]), 2, 0.0)


def sharpening_tables(runs):
    groups, lines = grouped(runs, "method"), []
    for method, cells in accuracies(groups):
        found = [spread(final(part(groups[method], column), 2), digits)
                 for column, digits in ((COSINE, 3), (RANK, 1)) for part in (first, last)]  # fmt: skip
        lines.append([method, *found, *cells])
    columns = ["method", "cosine, start", "last quarter", "rank, start", "last quarter", *ENDS]
    title = "{depth}x{width}, batches of {batch}, {updates:,} updates at {rate:g}, no decay".format(**runs[0])
    return {"guess-sharpening": table(title, columns, lines)}


def sharpening_claims(runs):
    groups = grouped(runs, "method")
    own, low, high, plain = (groups.get(m, []) for m in ("self-sharpening", "power 0.1", "power 4", "W^T"))

    def more(said, a, b):
        return Claim(said, "figure 5", ends([a, b]), above(a, b, 2))

    def rise(said, group):
        return Claim(said, "figure 5", ends([first(group, COSINE), last(group, COSINE)]), raised(group))

    yield rise("self-sharpening raises its cosine as it trains", own)
    yield more("... and ends at a higher one than W^T", last(own, COSINE), last(plain, COSINE))
    yield more("power 4 ends at a higher cosine than power 0.1", last(high, COSINE), last(low, COSINE))
    yield rise("power 4 raises its cosine as it trains", high)
    yield more("power 0.1 ends at a higher effective rank than power 4", last(low, RANK), last(high, RANK))


def sharpening_figure(runs):
    figure, plots = axes(2)
    for ax, column, label in zip(plots, (COSINE, RANK), ("cosine", "effective rank"), strict=True):
        for method, found in grouped(runs, "method").items():
            band(ax, found, column, method)
        ax.set(xlabel="updates", ylabel=label, title="Sharpening (fig. 5)")
    legend_below(plots[0])
    return figure


# ---------------------------------------------------------------------- figure 6


def swept(runs):
    """Those of the length at which most is done, by optimizer and method."""
    return grouped(longest(runs, "optimizer", "method"), "optimizer", "method")


def sweep_tables(runs):
    groups, lines = swept(runs), []
    for optimizer in OPTIMIZERS:
        own = {method: found for (at, method), found in groups.items() if at == optimizer}
        if own:
            lines += [[optimizer, m, f"{own[m][0]['rate']:g}", *cells] for m, cells in accuracies(own)]
    any_run = next(iter(groups.values()))[0]
    title = "{depth}x{width}, {updates:,} updates, each at its best rate".format(**any_run)
    return {"guess-sweep": table(title, ["optimizer", "method", "best rate", *ENDS], lines)}


def sweep_claims(runs):
    groups = swept(runs)
    gain = [gained(*(groups.get((o, m), []) for o in ("AdamW", "SGD")), TRAIN) for m in ("directional", "W^T")]
    yield Claim("directional descent and W^T gain by AdamW over SGD, more than 0.05", "benefit greatly, figure 6",
                ends(gain), together(*(over(each, 2, 0.05) for each in gain)))  # fmt: skip
    best = [[groups.get((o, m), []) for m in SWEPT] for o in OPTIMIZERS]
    stable = [gained(*(groups.get((o, "W^T"), []) for o in ("StableAdamW", "SGD")), TRAIN)]
    yield Claim("W^T gains by StableAdamW over SGD, more than 0.05", "figure 6", ends(stable),
                over(stable[0], 2, 0.05))  # fmt: skip
    yield Claim("backprop is ahead of all with every optimizer", "figure 6",
                ends([g for found in best for g in found], TRAIN),
                together(*(above(found[-1], g, TRAIN) for found in best for g in found[:-1])))  # fmt: skip


def sweep_figure(runs):
    groups = swept(runs)
    titles = {optimizer: f"{optimizer}, best rates (fig. 6)" for optimizer, _ in groups}
    return panels(groups, TRAIN, titles, "training accuracy")
