"""How many random directions? DODGE's figure 1 on digits, or on MNIST from its files.

Networks with two hidden layers learn by forward gradients along 1 to 100 random directions, for three batch sizes and
for several widths; beside them the exact gradient (DODGE's oracle). All by Adam, each at its own best rate of the grid.
The directions are LowRank signs, which have the variance of the paper's dense ones and cost half as much.
Then the figures on one 64-128-128-10 network at one rate, dense signs against LowRank signs over many seeds, and what a
step of each costs.

    python examples/directions.py --quick
    python examples/directions.py --full
    python examples/directions.py --full --only reference --data ~/mnist
"""

import itertools

import numpy as np
from datasets import images
from lab import arguments, epochs, final, grouped, in_turns, learn, run, save, shortest, spread, table, tuned, verdicts
from lab.figures import axes, band

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

RATES = [3e-3, 1e-3, 3e-4]  # the upper half of DODGE's grid, of which the lowest was never best here
COUNTS = {"quick": [1, 4], "full": [1, 3, 10, 30, 100]}
BATCHES = {"quick": [100], "full": [100, 300, 1000]}
WIDTH = 128  # where directions and batches vary
WIDTHS = {"quick": [128], "full": [32, 128, 512]}
UPDATES = {"quick": 20, "full": 2000}
REFERENCE = {  # test accuracy after 2,400 steps of Adam at 1e-3, batches of 128; measured independently
    "exact gradient": (None, 0, 0.986), "Gaussian, 1": (directions.Gaussian, 1, 0.797),
    "signs, 1": (directions.Rademacher, 1, 0.819), "signs, 10": (directions.Rademacher, 10, 0.931),
    "LowRank, 1": (directions.LowRank, 1, 0.819), "LowRank, 10": (directions.LowRank, 10, 0.931),
}  # fmt: skip


def network(train, width):
    inputs = int(np.prod(train[0].shape[1:]))
    return nn.Sequential(nn.Flatten(), *nn.networks.mlp([inputs, width, width, 10]).layers)


def estimator_of(kind, n):
    return estimators.Backprop() if kind is None else estimators.ForwardGradient(getattr(directions, kind)(), n=n)


def training(data, kind, n, batch, width, updates, rate, seed):
    """One run: its curve of updates, seconds, test accuracy, and training accuracy of up to 2,000 images."""
    train, test = images(data)
    model = network(train, width)
    params = nn.initialise(model.init(rng=seed), "he_normal", rng=seed)
    source, rng = dg.Rng(seed).spawn(2)
    seen = train[0][:2000], train[1][:2000]

    def evaluate(params):
        return [nn.accuracy(model(params, x), y) for x, y in (test, seen)]

    batches = epochs(nn.Objective(model, nn.cross_entropy), train, batch, source)
    return learn(estimator_of(kind, n), optim.Adam(rate), params, batches, updates, evaluate, rng=rng)


def counting(args, mode):
    """Figure 1: training accuracy against the number of directions, the batch size and the width."""
    settings = [(n, b, WIDTH) for b in BATCHES[mode] for n in [*COUNTS[mode], 0]]
    ends = (COUNTS[mode][0], COUNTS[mode][-1], 0)
    settings += [(n, BATCHES[mode][0], w) for w in WIDTHS[mode] if w != WIDTH for n in ends]
    tasks = [
        {
            "data": args.data,
            "updates": UPDATES[mode],
            "kind": "LowRank" if n else None,
            "n": n,
            "batch": b,
            "width": w,
        }
        for n, b, w in settings
    ]
    rates = RATES if args.full else RATES[:2]
    runs, search = tuned(training, tasks, rates, args.seeds, args.jobs, "directions")
    groups = grouped(runs, "batch", "width", "n")
    rows = []
    for (batch, width, n), group in sorted(groups.items(), key=lambda g: (g[0][1], g[0][0], g[0][2] or np.inf)):
        rivals = [g for (b, w, _), g in groups.items() if (b, w) == (batch, width)]
        rows.append([width, batch, n or "exact", group[0]["rate"], spread(final(group, 3)), spread(final(group, 2)),
                     spread(final(group, 2, shortest(rivals))), f"{np.nanmean(final(group, 1)):.1f}"])  # fmt: skip
    columns = ["width", "batch", "directions", "rate", "training accuracy", "test accuracy", "at equal time", "seconds"]
    return groups, runs + search, table(f"Accuracy after {UPDATES[mode]} updates", columns, rows)


def claims(groups, mode):
    """The paper's claims, and whether they hold here."""

    def mean(batch, n):
        return float(np.nanmean(final(groups[batch, WIDTH, n], 3)))

    found = {b: [mean(b, n) for n in COUNTS[mode]] for b in BATCHES[mode]}
    rising = all(x <= y + 0.01 for row in found.values() for x, y in itertools.pairwise(row))
    lowest, best = min(row[0] for row in found.values()), max(BATCHES[mode], key=lambda b: found[b][0])
    each = "; ".join(f"batch {b}: " + ", ".join(f"{v:.3f}" for v in row) for b, row in found.items())
    rows = [
        ["more directions improve accuracy", rising, each],
        ["training is stable with one direction", lowest > 0.5, f"lowest {lowest:.3f}"],
        ["a batch of 300 is best", best == 300, f"with one direction, {best}"],
    ]
    return verdicts("DODGE, figure 1", rows, "training accuracy")


def reference(args, mode):
    """One network at one rate, against figures measured independently; dense signs against LowRank signs."""
    steps = 2400 if args.full else 10
    many = 30 if args.full else 2
    tasks = []
    for name, (kind, n, _) in REFERENCE.items():
        seeds = many if name in ("signs, 1", "LowRank, 1") else args.seeds
        setting = {"data": args.data, "kind": kind and kind.__name__, "n": n, "batch": 128, "width": 128}
        tasks += [setting | {"updates": steps, "rate": 1e-3, "seed": s} for s in range(seeds)]
    runs = run(training, tasks, args.jobs, "reference")
    rows, groups = [], {}
    for name, (kind, n, expected) in REFERENCE.items():
        group = [r for r in runs if (r["kind"], r["n"]) == (kind and kind.__name__, n)]
        groups[name] = final(group, 2)
        rows.append([name, len(group), spread(groups[name]), expected, f"{1e3 * np.mean(final(group, 1)) / steps:.2f}"])
    difference = groups["LowRank, 1"] - groups["signs, 1"]
    low = difference.mean() - 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
    high = 2 * difference.mean() - low
    columns = ["estimator", "seeds", f"test accuracy after {steps} steps", "expected", "ms per step"]
    tables = [table("64-128-128-10, Adam 1e-3, batch 128", columns, rows)]
    tables.append(table(
        "LowRank signs less dense signs", ["seeds", "mean difference", "95 % interval", "bar"],
        [[len(difference), f"{difference.mean():+.4f}", f"{low:+.4f} to {high:+.4f}", "above -0.02"]],
    ))  # fmt: skip
    return runs, tables


def cosine(args):
    """Mean |cos| of one direction, against √(2/(π p)); step time of dense and LowRank signs, in turns."""
    train, _ = images(args.data)
    objective = nn.Objective(network(train, 128), nn.cross_entropy)
    params = objective.model.init(rng=0)
    batch = objective.bind(train[0][:128], train[1][:128])
    rounds, theory = 200 if args.full else 5, np.sqrt(2 / np.pi / params.size)
    kinds = {
        name: estimators.ForwardGradient(getattr(directions, name)()) for name in ("Rademacher", "Gaussian", "LowRank")
    }
    stream, rows = dg.Rng(0), []
    calls = [lambda e=estimator: e.estimate(batch, params, rng=stream) for estimator in kinds.values()]
    times = 1e3 * np.median(in_turns(calls, rounds), axis=0)
    for (name, estimator), ms in zip(kinds.items(), times, strict=True):
        found = estimators.diagnose(estimator, batch, params, 0, samples=10 * rounds)
        rows.append([name, f"{found.abs_cosine:.5f}", f"{theory:.5f}", f"{found.abs_cosine / theory - 1:+.1%}",
                     f"{found.variance_ratio:.3f}", f"{ms:.2f}"])  # fmt: skip
    columns = ["directions", "mean |cos|", "√(2/(π p))", "deviation", "variance / theory", "ms per estimate"]
    return table(f"One direction at the start, p = {params.size:,}", columns, rows)


def main():
    data = "a folder with MNIST's IDX files, instead of the digits"
    args = arguments(__doc__, "about 40 minutes", data, parts=["counts", "reference", "cosine"])
    mode = "full" if args.full else "quick"
    tables, runs, groups = [], [], {}
    if "counts" in args.only:
        groups, found, shown = counting(args, mode)
        runs += found
        tables += [shown, claims(groups, mode)]
    if "reference" in args.only:
        found, shown = reference(args, mode)
        runs += found
        tables += shown
    if "cosine" in args.only:
        tables.append(cosine(args))
    save(args, "directions", draw(groups, mode), tables, runs)


def draw(groups, mode):
    figure, (left, middle, right) = axes(3)
    batch = BATCHES[mode][0]
    for n in [*COUNTS[mode], 0]:
        if (batch, WIDTH, n) in groups:
            band(left, groups[batch, WIDTH, n], 3, named(n), color=None if n else "0.5")
    left.set(xlabel="updates", ylabel="training accuracy", title=f"Width {WIDTH}, batch {batch}")
    for b in BATCHES[mode]:
        dots(middle, COUNTS[mode], [groups.get((b, WIDTH, n)) for n in COUNTS[mode]], f"batch {b}")
    middle.set(xlabel="directions", title="Batch size")
    for n in (COUNTS[mode][0], COUNTS[mode][-1], 0):
        dots(right, WIDTHS[mode], [groups.get((batch, w, n)) for w in WIDTHS[mode]], named(n))
    right.set(xlabel="width", title="Width")
    for ax in (left, middle, right) if groups else ():
        ax.legend(frameon=False, fontsize=8)
    return figure


def named(n):
    return "exact" if not n else "1 direction" if n == 1 else f"{n} directions"


def dots(ax, places, found, label):
    """Final training accuracies with their spread over seeds, at places on a logarithmic axis."""
    values = [(place, final(runs, 3)) for place, runs in zip(places, found, strict=True) if runs]
    if values:
        x, y = [place for place, _ in values], [v for _, v in values]
        ax.errorbar(x, np.mean(y, 1), np.std(y, 1), marker="o", capsize=2, label=label)
    ax.set_xscale("log")
    ax.set_xticks(places, [str(place) for place in places])
    ax.minorticks_off()


if __name__ == "__main__":
    main()
