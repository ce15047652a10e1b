"""How many random directions? DODGE's figure 1 on Fashion-MNIST, or on MNIST from its files.

Networks with two hidden layers learn by forward gradients along 1 to 100 random directions, for three batch sizes and
for several widths; beside them the exact gradient (DODGE's oracle). All by Adam, each at its own best rate of the grid,
on as many samples, so that a batch ten times as large has a tenth of the updates. The directions are LowRank signs,
which have the variance of the paper's dense ones and cost less. Then one 64-128-128-10 network on digits at one rate,
dense signs against LowRank signs over many seeds, and the cosine and the cost of one direction.
"""

import itertools
import time

import datasets
import numpy as np
from datasets import images, title
from lab import Claim, Row, Study, axes, band, epochs, final, grouped, learn, main, shortest, spread, table
from lab.derived import averaged, gained
from lab.verdicts import above, alike, contrary, diverge, over, together, under

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

RATES = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
SAMPLES = 400_000  # 4,000 updates of the smallest batch; the paper names 4,000 in figure 1c, and no batch
COUNTS, BATCHES, WIDTHS, WIDTH = [1, 3, 10, 30, 100], [100, 300, 1000], [32, 128, 512], 128
SNAPSHOTS = [1000, 2000, 3000, 4000]  # updates, in figure 1c
SEEN = 2000  # images of each part that accuracies are of, at most
REFERENCE = {  # test accuracy after 2,400 steps of Adam at 1e-3, batches of 128; measured independently
    "exact gradient": (None, 0, 0.986), "Gaussian, 1": ("Gaussian", 1, 0.797), "signs, 1": ("Rademacher", 1, 0.819),
    "signs, 10": ("Rademacher", 10, 0.931), "LowRank, 1": ("LowRank", 1, 0.819), "LowRank, 10": ("LowRank", 10, 0.931),
}  # fmt: skip


def network(train, width):
    inputs = int(np.prod(train[0].shape[1:]))
    return nn.Sequential(nn.Flatten(), *nn.networks.mlp([inputs, width, width, 10]).layers)


def estimator_of(kind, n=1):
    return estimators.Backprop() if kind is None else estimators.ForwardGradient(getattr(directions, kind)(), n=n)


def training(data, kind, n, batch, width, samples, rate, seed):
    """One run: its curve of samples, seconds, test accuracy, and training accuracy of up to 2,000 images each."""
    train, test = images(data)
    model = network(train, width)
    params = nn.initialise(model.init(rng=seed), "he_normal", rng=seed)
    source, rng = dg.Rng(seed).spawn(2)

    def evaluate(params):
        return [nn.accuracy(model(params, x[:SEEN]), y[:SEEN]) for x, y in (test, train)]

    batches = epochs(nn.Objective(model, nn.cross_entropy), train, batch, source)
    curve = learn(estimator_of(kind, n), optim.Adam(rate), params, batches, samples // batch, evaluate, rng=rng)
    return [[updates * batch, *rest] for updates, *rest in curve]


def on_digits(**settings):
    return training("digits", **settings)


def one_direction(data, kind, width, estimates, seed):
    """|cos| of one direction with the gradient and the variance, both relative to theory; the seconds of estimates."""
    train, _ = images(data)
    objective = nn.Objective(network(train, width), nn.cross_entropy)
    params, estimator, rng = objective.model.init(rng=seed), estimator_of(kind), dg.Rng(seed)
    batch = objective.bind(train[0][:128], train[1][:128])
    started = time.process_time()
    for _ in range(estimates):
        estimator.estimate(batch, params, rng=rng)
    seconds = time.process_time() - started
    found = estimators.diagnose(estimator, batch, params, rng, samples=estimates)
    return [[estimates, seconds, found.abs_cosine / np.sqrt(2 / np.pi / params.size), found.variance_ratio]]


# ---------------------------------------------------------------------- what is run


def rows(data, samples, counts, batches, widths, rates, seeds):
    """Every count for every batch at one width, and three counts at the other widths."""

    def row(n, batch, width):
        settings = {"data": data, "kind": "LowRank" if n else None, "n": n, "batch": batch, "width": width}
        milliseconds = (0.9 + 0.08 * n * batch / 100 if n else 1.5 * batch / 100) * width / WIDTH
        return Row(settings | {"samples": samples}, seeds, rates, seconds=2 + samples / batch * milliseconds / 1e3)

    found = [row(n, batch, WIDTH) for batch in batches for n in [*counts, 0]]
    return tuple(found + [row(n, batches[0], w) for w in widths if w != WIDTH for n in (1, 10, 0) if n in [*counts, 0]])


def reference_rows(steps, few, many):
    return tuple(
        Row({"kind": kind, "n": n, "batch": 128, "width": 128, "samples": 128 * steps, "rate": 1e-3},
            many if kind in ("LowRank", "Rademacher") and n == 1 else few, seconds=3)
        for kind, n, _ in REFERENCE.values()
    )  # fmt: skip


def cosine_rows(data, estimates, seeds):
    return tuple(
        Row({"data": data, "kind": kind, "width": WIDTH, "estimates": estimates}, seeds, seconds=8)
        for kind in ("Rademacher", "Gaussian", "LowRank")
    )


# ---------------------------------------------------------------------- what is found


def until(runs, updates):
    """The same runs, of which no more than so many updates were made."""
    cut = [run | {"curve": [row for row in run["curve"] if row[0] <= updates * run["batch"]]} for run in runs]
    return [run | {"samples": run["curve"][-1][0]} for run in cut]


def snapshots(run):
    """The updates of figure 1c that a run has made, or its last."""
    updates = run["samples"] // run["batch"]
    return [at for at in SNAPSHOTS if at <= updates] or [updates]


def tables(runs):
    groups = grouped(runs, "width", "batch", "n")
    ordered = dict(sorted(groups.items(), key=lambda found: (*found[0][:2], found[0][2] or np.inf)))
    smallest = min(run["batch"] for run in runs)
    return {
        "directions-counts": counts_table({key[1:]: group for key, group in ordered.items() if key[0] == WIDTH}),
        "directions-widths": widths_table({key[::2]: group for key, group in ordered.items() if key[1] == smallest}),
    }


def counts_table(groups):
    """Accuracy by batch and number of directions, at equal samples, updates and seconds."""
    updates = min((run["samples"] // run["batch"] for runs in groups.values() for run in runs), default=0)
    fastest = shortest(groups.values()) if groups else 0.0
    lines = [
        [batch, n or "exact", group[0]["rate"], spread(final(group, 3)), spread(final(group, 2)),
         spread(final(until(group, updates), 3)), spread(final(group, 3, fastest)),
         f"{np.nanmean(final(group, 1)):.1f}"] for (batch, n), group in groups.items()
    ]  # fmt: skip
    columns = ["batch", "directions", "rate", "training accuracy", "test accuracy",
               f"training, after {updates} updates", f"training, after {fastest:.1f} s", "seconds"]  # fmt: skip
    run = max((run for runs in groups.values() for run in runs), key=lambda run: run["samples"], default=None)
    where = f"{title(run['data'])}, width {WIDTH}, after {run['samples']:,} samples" if run else "not run"
    return table(where, columns, lines)


def widths_table(groups):
    """Training accuracy by width and number of directions, on the way and at equal seconds."""
    fastest, run = shortest(groups.values()), next(iter(groups.values()))[0]
    updates = snapshots(run)
    lines = [
        [width, n or "exact", group[0]["rate"], *(spread(final(until(group, at), 3)) for at in updates),
         spread(final(group, 3, fastest))] for (width, n), group in groups.items()
    ]  # fmt: skip
    columns = ["width", "directions", "rate", *(f"after {at:,} updates" for at in updates), f"after {fastest:.1f} s"]
    return table(f"{title(run['data'])}, training accuracy, batch {run['batch']}", columns, lines)


def accuracy(*groups, column=3):
    return ", ".join(f"{np.nanmean(final(group, column)):.3f}" if group else "not run" for group in groups)


def rising(groups, column):
    return together(*(above(b, a, column) for a, b in itertools.pairwise(groups)))


def claims(runs):
    groups = grouped(runs, "width", "batch", "n")
    small, middle, large = BATCHES
    updates = min(run["samples"] // run["batch"] for run in runs)

    def of(n, batch=small, width=WIDTH):
        return groups.get((width, batch, n), [])

    def at_all(one, other):
        """For every number of directions, that the one batch is better than the other."""
        found = [(of(n, one), of(n, other)) for n in COUNTS]
        gains = accuracy(*(gained(*pair, 3) for pair in found), column=2)
        return gains, together(*(above(*pair, 3) for pair in found))

    ends = accuracy(*(of(1, batch) for batch in BATCHES))
    for batch in BATCHES:
        counted = [of(n, batch) for n in COUNTS]
        yield Claim(f"the more directions, the better: 1, 3, 10, 30, 100, batch {batch}", "figures 1a, 1b",
                    accuracy(*counted), rising(counted, 3))  # fmt: skip
    means = [averaged(of(n), 3) for n in COUNTS]
    yield Claim("the more directions, the faster: the mean over all updates rises, batch 100", "figure 1a",
                accuracy(*means, column=2), rising(means, 2))  # fmt: skip
    yield Claim("one direction learns, and none of its runs diverges", "figure 1a", accuracy(of(1)),
                together(contrary(diverge(of(1), 3)), over(of(1), 3, 0.5)))  # fmt: skip
    said = {small: f"a batch of {middle} is better than {small}", large: f"{large} is worse than {middle}"}
    for batch, better in said.items():
        yield Claim(f"one direction, equal samples: {better}", "figure 1b", ends,
                    above(of(1, middle), of(1, batch), 3))  # fmt: skip
        yield Claim("... with 1, 3, 10, 30 and 100 directions", "figure 1b", *at_all(middle, batch))
    gain = [gained(of(n, middle), of(n), 3) for n in COUNTS]
    yield Claim(f"one direction gains more by a batch of {middle} than 3, 10, 30, 100 do", "figure 1b: especially",
                accuracy(*gain, column=2), together(*(above(gain[0], other, 2) for other in gain[1:])))  # fmt: skip
    cut = [until(of(1, batch), updates) for batch in BATCHES]
    yield Claim(f"after equal updates, {updates}, the largest batch is best, with one direction", "",
                accuracy(*cut), together(*(above(cut[2], other, 3) for other in cut[:2])))  # fmt: skip
    wide = [of(1, small, width) for width in WIDTHS]
    yield Claim("one direction learns at every width: 32, 128, 512", "figure 1c", accuracy(*wide),
                together(*(over(group, 3, 0.5) for group in wide)))  # fmt: skip


def draw(runs):
    groups = grouped(runs, "width", "batch", "n")
    batches, widths = (sorted({run[name] for run in runs}) for name in ("batch", "width"))
    counts = sorted({run["n"] for run in runs if run["n"]})
    figure, (left, middle, right) = axes(3)
    for n in [*counts, 0]:
        if (WIDTH, batches[0], n) in groups:
            band(left, groups[WIDTH, batches[0], n], 3, named(n), color=None if n else "0.5")
    left.set(xlabel="samples", ylabel="training accuracy", title=f"Width {WIDTH}, batch {batches[0]}")
    left.locator_params(axis="x", nbins=5)
    for batch in batches:
        dots(middle, counts, [groups.get((WIDTH, batch, n)) for n in counts], f"batch {batch}")
    middle.set(xlabel="directions", title="Batch size, at equal samples")
    for at in snapshots(next(run for run in runs if run["batch"] == batches[0])):
        found = [groups.get((width, batches[0], 1)) for width in widths]
        dots(right, widths, [group and until(group, at) for group in found], f"{at} updates")
    right.set(xlabel="width", title="Width, one direction")
    figure.suptitle(title(runs[0]["data"]))
    for ax in (left, middle, right):
        ax.legend()
    return figure


def named(n):
    return "exact" if not n else "1 direction" if n == 1 else f"{n} directions"


def dots(ax, places, found, label):
    """Final training accuracies with their spread over seeds, at places on a logarithmic axis."""
    values = [(place, final(runs, 3)) for place, runs in zip(places, found, strict=True) if runs]
    if values:
        x, means, deviations = zip(*((place, np.nanmean(v), np.nanstd(v)) for place, v in values), strict=True)
        ax.errorbar(x, means, deviations, marker="o", capsize=2, label=label)
    ax.set_xscale("log")
    ax.set_xticks(places, [str(place) for place in places])
    ax.minorticks_off()


def reference_groups(runs):
    groups = grouped(runs, "kind", "n")
    return {name: groups[kind, n] for name, (kind, n, _) in REFERENCE.items() if (kind, n) in groups}


def reference_tables(runs):
    lines = [
        [name, len(group), spread(final(group, 2)), REFERENCE[name][2],
         f"{1e3 * np.nanmean(final(group, 1)) / (group[0]['samples'] / 128):.2f}"]
        for name, group in reference_groups(runs).items()
    ]  # fmt: skip
    steps = runs[0]["samples"] // 128
    columns = ["estimator", "seeds", f"test accuracy after {steps:,} steps", "expected", "ms per step"]
    return {"directions-reference": table("64-128-128-10, Adam 1e-3, batch 128, on digits", columns, lines)}


def reference_claims(runs):
    groups = reference_groups(runs)
    low, dense = groups.get("LowRank, 1", []), groups.get("signs, 1", [])
    yield Claim("LowRank signs learn as dense signs do, within 0.02", "dense signs alone",
                accuracy(low, dense, column=2), alike(low, dense, 2, 0.02))  # fmt: skip


def cosine_tables(runs):
    lines = [
        [kind, spread(final(group, 2)), spread(final(group, 3)),
         f"{1e3 * np.mean(final(group, 1)) / group[0]['estimates']:.2f}"]
        for kind, group in grouped(runs, "kind").items()
    ]  # fmt: skip
    columns = ["one direction", "mean |cos| / √(2/(π p))", "variance / theory", "ms per estimate"]
    return {"directions-cosine": table("At the start of training, beside theory", columns, lines)}


def cosine_claims(runs):
    for kind, group in grouped(runs, "kind").items():
        yield Claim(f"the variance of one direction is that of theory, within 5 %: {kind}", "equation 8: for signs",
                    f"{np.mean(final(group, 3)):.3f} of it",
                    together(over(group, 3, 0.95), under(group, 3, 1.05)))  # fmt: skip


ACCURACIES = ("test accuracy", "training accuracy")
STUDIES = [
    Study("directions", training, "samples", ACCURACIES,
          rows("fashion", SAMPLES, COUNTS, BATCHES, WIDTHS, RATES, 5),
          rows("digits", 1000, [1, 3], [100], [WIDTH], RATES[1:2], 2), tables, draw, claims),
    Study("directions-reference", on_digits, "samples", ACCURACIES, reference_rows(2400, 3, 30),
          reference_rows(10, 1, 2), reference_tables, None, reference_claims, best=(2, max)),
    Study("directions-cosine", one_direction, "estimates", ("|cos| / theory", "variance / theory"),
          cosine_rows("fashion", 2000, 3), cosine_rows("digits", 20, 1), cosine_tables, None,
          cosine_claims),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, datasets))
