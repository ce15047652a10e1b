"""How to guess a gradient (Singhal et al. 2023): training by guesses.

Networks of two depths by every method (figure 3, Table 2; figure 7, left: two downstream layers), a control at the same
cosine with and without momentum (figure 4), self-sharpening and powers of W's singular values (figure 5), optimizers at
their best rates (figure 6).
"""

import datasets
import numpy as np
from guess_gradient import BATCH, EPOCH, GUESSES, METHODS, RATE, cosine_to, ends, exact, network, started, task
from lab import Claim, Row, Study, axes, band, epochs, learn, main, table
from lab.curves import final, grouped, shortest, spread
from lab.derived import derived, gained
from lab.verdicts import above, alike, below, contrary, over, together

import dualgrad as dg
from dualgrad import estimators, nn, optim
from dualgrad.directions import as_vector

METRIC = ("test accuracy", "training accuracy", "cosine", "effective rank of the first weight")
TEST, TRAIN, COSINE, RANK = 2, 3, 4, 5  # columns of a curve


def training(data, method, depth, width, optimizer, rate, batch, updates, seed, cosine=None, momentum=0.0, decay=None):
    """One run: its curve of updates, seconds, test and training accuracy, cosine, and rank of the first weight."""
    model, objective, train, test = task(data, depth, width)
    params, (source, rng) = started(model, seed), dg.Rng(seed).spawn(2)
    estimator = METHODS[method]() if cosine is None else estimators.MatchedCosine(METHODS[method](), cosine)
    settings = {"momentum": momentum} if optimizer == "SGD" else {} if decay is None else {"weight_decay": decay}
    seen, probe = tuple(part[:2000] for part in train), objective.bind(*(part[:batch] for part in train))

    def evaluate(params):
        g = exact(probe, params)
        own = [cosine_to(g, as_vector(estimator.estimate(probe, params, rng=k).gradient)) for k in range(8)]
        rank = estimators.effective_rank(np.linalg.svd(params["1.weight"], compute_uv=False))
        return *(nn.accuracy(model(params, x), y) for x, y in (test, seen)), float(np.mean(own)), float(rank)

    way, batches = getattr(optim, optimizer)(rate, **settings), epochs(objective, train, batch, source)
    return learn(estimator, way, params, batches, updates, evaluate, rng=rng)


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
        ax.legend(frameon=False, fontsize=7)
    return figure


# ---------------------------------------------------------------------- figures 3 and 7, Table 2

TRAINED = [*GUESSES, "downstream 2", "self-sharpening", "backprop"]


def shapes(runs):
    """The groups of each network by method."""
    return {f"{d}x{w}": grouped(found, "method") for (d, w), found in grouped(runs, "depth", "width").items()}


def training_tables(runs):
    lines = [[name, method, *cells] for name, groups in shapes(runs).items() for method, cells in accuracies(groups)]
    title = f"AdamW at {RATE:g}, batches of {BATCH}, {runs[0]['updates']:,} updates; self-sharpening by StableAdamW"
    return {"guess-training": table(title, ["network", "method", *ENDS], lines)}


def training_claims(runs):
    networks = list(shapes(runs).values())

    def ahead(said, paper, highs, lows, column=TEST, timed=False):
        """Each of some methods ends above each of others, in every network."""
        found = [above(g.get(high, []), g.get(low, []), column, at=shortest(g.values()) if timed else None)
                 for g in networks for high in highs for low in lows]  # fmt: skip
        shown = [g.get(method, []) for g in networks for method in (*highs, *lows)]
        return Claim(said, paper, ends(shown, column), together(*found))

    for timed, said in ((False, ""), (True, ", in equal time")):
        yield ahead(f"every guess is ahead of directional descent in test accuracy{said}",
                    "CIFAR-10, 3x128: 0.423 to 0.478, and 0.358", GUESSES[1:], GUESSES[:1], timed=timed)  # fmt: skip
        yield ahead(f"W^T and downstream are ahead of activation perturbation{said}",
                    "CIFAR-10, 3x128: 0.469, 0.478, and 0.423", GUESSES[3:], ["activation"], timed=timed)  # fmt: skip
    yield ahead("backprop is ahead of every guess in training accuracy",
                "CIFAR-10, 3x128: 1.000, and 0.374 to 0.656", ["backprop"], GUESSES, TRAIN)  # fmt: skip
    yield from (apart(networks), two_layers([g for g in networks if "downstream 2" in g]))


def apart(networks):
    """Training less test accuracy, of self-sharpening and of W^T."""
    pairs = [[derived(g.get(m, []), lambda c: c[-1, TRAIN] - c[-1, TEST]) for m in ("self-sharpening", "W^T")]
             for g in networks]  # fmt: skip
    return Claim("self-sharpening trains further above its test accuracy than W^T does", "CIFAR-10: 0.640, 0.015",
                 ends([g for pair in pairs for g in pair]), together(*(above(*pair, 2) for pair in pairs)))  # fmt: skip


def two_layers(networks):
    pairs = [(g["downstream 2"], g.get("downstream", [])) for g in networks]
    return Claim("two downstream layers have no advantage over one, of more than 0.01", "figure 7",
                 ends([g for pair in pairs for g in pair], TRAIN),
                 together(*(contrary(above(*pair, TRAIN, 0.01)) for pair in pairs)))  # fmt: skip


def training_figure(runs):
    named = {(name, m): found for name, groups in shapes(runs).items() for m, found in groups.items()}
    return panels(named, TEST, {name: f"{name} (fig. 3)" for name in shapes(runs)}, "test accuracy")


# ---------------------------------------------------------------------- figure 4

MATCH = 0.2  # about the cosine of W^T along its own way, see the table
MATCHED = {("directional", None): "directional", ("W^T", None): "W^T", ("directional", MATCH): "matched"}
WAYS = {("AdamW", 0.0): "AdamW", ("SGD", 0.9): "SGD, momentum 0.9", ("SGD", 0.0): "SGD"}


def matched_groups(runs):
    return {(WAYS[o, m], MATCHED[k, c]): found
            for (o, m, k, c), found in grouped(runs, "optimizer", "momentum", "method", "cosine").items()}  # fmt: skip


def matched_tables(runs):
    groups, lines = matched_groups(runs), []
    for way in WAYS.values():
        own = {name: found for (at, name), found in groups.items() if at == way}
        if own:
            lines += [[way, name, f"{own[name][0]['rate']:g}", along(own[name]), *cells]
                      for name, cells in accuracies(own)]  # fmt: skip
    title = f"A control at a cosine of {MATCH}, {runs[0]['updates']:,} updates, each at its best rate"
    return {"guess-matched": table(title, ["optimizer", "method", "rate", "cosine, mean", *ENDS], lines)}


def along(runs):
    """The mean cosine over the way."""
    return spread(final(derived(runs, lambda curve: curve[:, COSINE].mean()), 2))


def matched_claims(runs):
    groups = matched_groups(runs)
    of = {way: [groups.get((way, name), []) for name in MATCHED.values()] for way in WAYS.values()}
    random, weight, control = of["AdamW"]
    soonest = shortest(of["AdamW"]) if any(of["AdamW"]) else None
    yield Claim("W^T trains faster than directional descent", "figure 4", ends([weight, random], TRAIN),
                above(weight, random, TRAIN))  # fmt: skip
    yield Claim("at an equal cosine the unbiased control trains faster than W^T", "figure 4",
                ends([control, weight], TRAIN), above(control, weight, TRAIN))  # fmt: skip
    yield Claim("... in equal time", "", ends([control, weight], TRAIN), above(control, weight, TRAIN, at=soonest))
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
    highest = derived(own, lambda curve: np.max(curve[:, COSINE]))

    def more(said, a, b):
        return Claim(said, "figure 5", ends([a, b]), above(a, b, 2))

    yield more("self-sharpening raises its cosine as it trains", last(own, COSINE), first(own, COSINE))
    yield Claim("... to as much as 0.6", "0.6", ends([highest]), over(highest, 2, 0.6))
    yield more("... and ends at a higher one than W^T", last(own, COSINE), last(plain, COSINE))
    yield more("power 4 ends at a higher cosine than power 0.1", last(high, COSINE), last(low, COSINE))
    yield more("power 4 raises its cosine as it trains", last(high, COSINE), first(high, COSINE))
    yield more("power 0.1 ends at a higher effective rank than power 4", last(low, RANK), last(high, RANK))


def sharpening_figure(runs):
    figure, plots = axes(2)
    for ax, column, label in zip(plots, (COSINE, RANK), ("cosine", "effective rank"), strict=True):
        for method, found in grouped(runs, "method").items():
            band(ax, found, column, method)
        ax.set(xlabel="updates", ylabel=label, title="Sharpening (fig. 5)")
    plots[0].legend(frameon=False, fontsize=8)
    return figure


# ---------------------------------------------------------------------- figure 6

SWEPT = ["directional", "activation", "W^T", "backprop"]
OPTIMIZERS = ["AdamW", "StableAdamW", "SGD"]


def sweep_tables(runs):
    lines = []
    for (length, optimizer), found in grouped(runs, "updates", "optimizer").items():
        groups = grouped(found, "method")
        lines += [[f"{length:,}", optimizer, m, f"{groups[m][0]['rate']:g}", *c] for m, c in accuracies(groups)]
    columns = ["updates", "optimizer", "method", "best rate", *ENDS]
    return {"guess-sweep": table("{depth}x{width}, each at its best rate".format(**runs[0]), columns, lines)}


def sweep_claims(runs):
    longest = grouped(runs, "updates")[max(grouped(runs, "updates"))]
    groups = grouped(longest, "method", "optimizer")
    gain = {m: gained(*(groups.get((m, o), []) for o in ("AdamW", "SGD")), TRAIN) for m in SWEPT}
    yield Claim("directional descent, activation perturbation and W^T gain more by AdamW than backprop does",
                "figure 6", ends([gain[m] for m in SWEPT]),
                together(*(above(gain[m], gain["backprop"], 2) for m in SWEPT[:-1])))  # fmt: skip
    best = [[groups.get((m, o), []) for m in SWEPT] for o in OPTIMIZERS]
    yield Claim("backprop is ahead of all with every optimizer", "figure 6",
                ends([g for found in best for g in found], TRAIN),
                together(*(above(found[-1], g, TRAIN) for found in best for g in found[:-1])))  # fmt: skip


def sweep_figure(runs):
    groups = grouped(grouped(runs, "updates")[max(grouped(runs, "updates"))], "optimizer", "method")
    titles = {optimizer: f"{optimizer}, best rates (fig. 6)" for optimizer, _ in groups}
    return panels(groups, TRAIN, titles, "training accuracy")


# ---------------------------------------------------------------------- what is run

PAPER = 1000 * EPOCH  # updates of Table 2 and figures 4, 6 and 7
ADAM = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
PLAIN = (30.0, 3.0, 0.3, 0.03, 3e-3, 3e-4, 3e-5)
RATES = {"AdamW": ADAM, "StableAdamW": ADAM, "SGD": PLAIN}
MILLISECONDS = {"directional": 8, "activation": 12, "mixing": 27, "W^T": 12, "downstream": 12, "downstream 2": 12,
                "self-sharpening": 10, "power 0.1": 32, "power 4": 32, "backprop": 8}  # at 6x128  # fmt: skip


def row(data, method, depth, width, updates, seeds, optimizer="AdamW", batch=BATCH, rates=(), paper=PAPER, later=False,
        **settings):  # fmt: skip
    """Runs of a method, with what they take: of 1,024 units 25 times as long."""
    each = MILLISECONDS[method] * depth / 6 * (0.45 if batch < BATCH else 1) * (25 if width == 1024 else 1)
    own = {} if rates else {"rate": RATE}
    return Row(network(data, depth, width, method=method, optimizer=optimizer, batch=batch, updates=updates, **own,
                       **settings), seeds, rates, paper, updates * each / 1e3, later)  # fmt: skip


def trained(data, depth, width, updates, seeds, **more):
    return tuple(row(data, m, depth, width, updates, seeds,
                     "StableAdamW" if m == "self-sharpening" else "AdamW", **more)
                 for m in TRAINED if m != "downstream 2" or depth == 6)  # fmt: skip


def controls(data, depth, width, updates, seeds, rates, **more):
    return tuple(row(data, m, depth, width, updates, seeds, o, rates=rates[o], momentum=momentum, cosine=c, **more)
                 for o, momentum in WAYS for m, c in MATCHED)  # fmt: skip


def sharpened(data, width, updates, seeds):
    arms = [("power 0.1", "AdamW", 50_000), ("W^T", "AdamW", 50_000), ("power 4", "AdamW", 50_000),
            ("self-sharpening", "StableAdamW", PAPER)]  # fmt: skip
    return tuple(row(data, m, 6, width, updates, seeds, o, batch=128, paper=paper, decay=0.0) for m, o, paper in arms)


def swept(data, width, updates, seeds, rates, **more):
    return tuple(row(data, m, 3, width, updates, seeds, o, rates=rates[o], **more) for o in OPTIMIZERS for m in SWEPT)


ONE = dict.fromkeys(RATES, (1e-3,))
STUDIES = [
    Study("guess-training", training, "updates", METRIC,
          trained("fashion", 3, 128, 9_700, 2) + trained("fashion", 6, 128, 9_700, 2)
          + trained("fashion", 3, 1024, 9_700, 2, later=True) + trained("fashion", 6, 1024, 9_700, 2, later=True),
          trained("digits", 6, 16, 5, 2),
          training_tables, training_figure, training_claims),
    Study("guess-matched", training, "updates", METRIC,
          controls("fashion", 6, 128, 500, 2, RATES) + controls("fashion", 6, 128, PAPER, 2, RATES, later=True),
          controls("digits", 3, 16, 5, 2, ONE),
          matched_tables, matched_figure, matched_claims, best=(TRAIN, max)),
    Study("guess-sharpening", training, "updates", METRIC,
          sharpened("fashion", 128, 50_000, 2), sharpened("digits", 16, 5, 2),
          sharpening_tables, sharpening_figure, sharpening_claims),
    Study("guess-sweep", training, "updates", METRIC,
          swept("fashion", 128, 500, 2, RATES) + swept("fashion", 128, 20_000, 2, RATES, later=True),
          swept("digits", 16, 5, 2, ONE),
          sweep_tables, sweep_figure, sweep_claims, best=(TRAIN, max)),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, datasets))
