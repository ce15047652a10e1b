"""Remember a pattern: DODGE's figures 2 and 4 on the copy task.

An LSTM reads a pattern of bits, a sign to go, and blanks, during which it says the pattern again. The loss is the
cross-entropy of these last bits, ln 2 = 0.693 for guessing. Truncated backpropagation cannot see across the gap;
DODGE takes such a biased gradient for a direction, and follows the loss's slope along it. All by Adam, each method at
its own best rate of the paper's grid, equal updates, and the loss at equal time beside it.

    python examples/copy_task.py --quick
    python examples/copy_task.py --full
    python examples/copy_task.py --full --pattern 12 --hidden 128 --updates 200000      # the paper's length of 25
"""

import numpy as np
from lab import arguments, axes, band, beyond, final, grouped, learn, save, shortest, spread, table, tuned, verdicts

import dualgrad as dg
from dualgrad import directions, nn, optim
from dualgrad.estimators import (
    Backprop,
    Dodge,
    ForwardGradient,
    Oracle,
    QuadraticCritic,
    SyntheticGradient,
    TruncatedBPTT,
)

RATES = [3e-3, 1e-3, 3e-4, 1e-4]  # the paper goes on to 3e-5 and 1e-5, for runs of 200,000 steps
BATCH = 32
BLANK, GO, SYMBOLS = 2, 3, 4

METHODS = {
    "BPTT": lambda: Backprop(),
    **{f"TBPTT({k})": lambda k=k: TruncatedBPTT(k, random=True) for k in (1, 2, 3)},
    "synthetic gradient": lambda: synthetic(),
    "DODGE, oracle": lambda: Dodge(Oracle(previous=True)),
    **{f"DODGE, TBPTT({k})": lambda k=k: Dodge(TruncatedBPTT(k, random=True)) for k in (1, 2, 3)},
    "DODGE, synthetic gradient": lambda: Dodge(synthetic()),
    "DODGE, TBPTT(3) and synthetic": lambda: Dodge([TruncatedBPTT(3, random=True), synthetic()]),
    **{f"{n} random": lambda n=n: ForwardGradient(directions.LowRank(), n=n) for n in (1, 8, 64)},
}
PANELS = {
    "Truncated, and DODGE along it": ["BPTT", "TBPTT(1)", "TBPTT(2)", "TBPTT(3)", "DODGE, TBPTT(1)", "DODGE, TBPTT(2)",
                                      "DODGE, TBPTT(3)"],
    "Oracle and random directions": ["BPTT", "DODGE, oracle", "1 random", "8 random", "64 random"],
    "Synthetic gradients": ["BPTT", "synthetic gradient", "DODGE, synthetic gradient", "DODGE, TBPTT(3) and synthetic"],
}  # fmt: skip
CLAIMS = [  # DODGE, figures 2 and 4: the first ends below the second
    ("DODGE with an oracle learns like BPTT", "DODGE, oracle", "BPTT"),
    ("64 random directions are better than 8", "64 random", "8 random"),
    ("8 random directions are better than 1", "8 random", "1 random"),
    ("DODGE along TBPTT is better than TBPTT, windows up to 1", "DODGE, TBPTT(1)", "TBPTT(1)"),
    ("... up to 2", "DODGE, TBPTT(2)", "TBPTT(2)"),
    ("... up to 3", "DODGE, TBPTT(3)", "TBPTT(3)"),
    ("DODGE along a synthetic gradient is better than it", "DODGE, synthetic gradient", "synthetic gradient"),
    ("two candidates are better than the better one", "DODGE, TBPTT(3) and synthetic", "DODGE, TBPTT(3)"),
]


def synthetic():
    """The paper's settings: windows of 5, a quadratic critic, scale 0.5."""
    return SyntheticGradient(QuadraticCritic(lr=1e-3, scale=0.5), window=5)


class SaidAgain:
    """Cross-entropy of the last steps, those in which the pattern is said again."""

    def __init__(self, pattern):
        self.pattern = pattern

    def weights(self, y):
        return np.broadcast_to((np.arange(len(y)) >= len(y) - self.pattern)[:, None], y.shape)

    def __call__(self, z, y, **keywords):
        return nn.cross_entropy(z, y, weights=self.weights(y), **keywords)

    def vjp(self, z, y):
        return nn.cross_entropy.vjp(z, y, weights=self.weights(y))


def sequences(pattern, count, rng):
    """Inputs and targets, whole numbers ``(2 pattern + 1, count)``."""
    bits = rng.integers(0, 2, (pattern, count))
    quiet = np.full((pattern, count), BLANK)
    x = np.concatenate([bits, np.full((1, count), GO), quiet])
    return x, np.concatenate([quiet, np.full((1, count), BLANK), bits])


def training(method, pattern, hidden, updates, rate, seed):
    """One run: its curve of updates, seconds, and the test loss in nats per bit."""
    model = nn.networks.lstm_copy(SYMBOLS, hidden)
    objective = nn.Objective(model, SaidAgain(pattern))
    params = model.init(rng=seed)
    source, rng = dg.Rng(seed).spawn(2)
    test = objective.bind(*sequences(pattern, 500, dg.Rng(1000)))
    batches = (objective.bind(*sequences(pattern, BATCH, source)) for _ in range(updates))
    return learn(METHODS[method](), optim.Adam(rate), params, batches, updates, lambda p: [float(test(p))], rng=rng)


def main():
    args = arguments(__doc__, "about 10 minutes", parts=METHODS, pattern=5, hidden=32, updates=3000)
    if args.quick:
        args.updates, args.hidden = min(args.updates, 10), min(args.hidden, 8)
    names = [name for name in METHODS if name in args.only]
    common = {"pattern": args.pattern, "hidden": args.hidden, "updates": args.updates}
    tasks = [{"method": name} | common for name in names]
    rates = RATES if args.full else RATES[:1]
    runs, search = tuned(training, tasks, rates, args.seeds, args.jobs, "copy task", better=min)
    groups = grouped(runs, "method")
    save(args, "copy_task", draw(groups), report(groups, args.updates), runs + search)


def report(groups, updates):
    """Losses at equal updates and at equal time; the paper's claims."""
    fastest = shortest(groups.values())
    rows = [
        [name, runs[0]["rate"], spread(final(runs, 2)), spread(final(runs, 2, fastest)), f"{mean(runs, 1):.0f}"]
        for name, runs in groups.items()
    ]
    columns = ["method", "rate", f"loss after {updates} updates", f"loss after {fastest:.1f} s", "seconds"]
    ends = {name: final(runs, 2) for name, runs in groups.items()}
    claims = [
        (claim, beyond(ends[other], ends[one]), f"{mean(groups[one], 2):.3f} against {mean(groups[other], 2):.3f}")
        for claim, one, other in CLAIMS if one in groups and other in groups
    ]  # fmt: skip
    return [
        table("Copy task: cross-entropy in nats per bit (guessing: 0.693)", columns, rows),
        verdicts("DODGE, figures 2 and 4, at equal updates", claims, "losses"),
    ]


def mean(runs, column):
    return float(np.nanmean(final(runs, column)))


def draw(groups):
    figure, plots = axes(len(PANELS))
    for ax, (title, names) in zip(plots, PANELS.items(), strict=True):
        for name in names:
            if name in groups:
                band(ax, groups[name], 2, name, linestyle="-" if name.startswith(("DODGE", "BPTT")) else "--")
        ax.axhline(np.log(2), color="0.6", linewidth=0.8)
        ax.set(xlabel="updates", ylabel="nats per bit", title=title)
        ax.legend(frameon=False, fontsize=7)
    return figure


if __name__ == "__main__":
    main()
