"""Remember a pattern: DODGE's figures 2 and 4 on the copy task.

An LSTM reads a pattern of bits, a sign to go, and blanks, during which it says the pattern again. The loss is the
cross-entropy of these last bits, ln 2 = 0.693 for guessing. Truncated backpropagation cannot see across the gap;
DODGE takes such a biased gradient for a direction, and follows the loss's slope along it. All by Adam, or with Adam's
scale inside the direction (equation 12), each method at its own best rate of one grid, equal updates, and the loss at
equal time beside it.
"""

import itertools

import numpy as np
from lab import Claim, Row, Study, axes, band, final, grouped, learn, legend_below, main, shortest, spread, table
from lab.derived import averaged, gained
from lab.verdicts import above, alike, below, over, together, under

import dualgrad as dg
from dualgrad import directions, nn, online, optim
from dualgrad.estimators import (
    Backprop,
    DeterministicPolicyGradient,
    Dodge,
    ForwardGradient,
    Oracle,
    QuadraticCritic,
    SyntheticGradient,
    TruncatedBPTT,
)

RATES = (3e-1, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
LONG_RATES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4)  # the upper part of the paper's grid, and one above it
PAPER = 200_000  # updates with critics, figure 4c; of its other runs the paper does not say
BATCH, BITS = 32, 2
BLANK, GO, SYMBOLS = 2, 3, 4
WINDOWS = (1, 3, 5)


class AdamInside:
    """u = c g̃ / √(Σ c g̃²) with c = 1/(√v̂ + eps), Adam's scale from a candidate's squares: E ĝ = c E g (eq. 12)."""

    def __init__(self, candidate, beta=0.999, eps=1e-8):
        self.candidate, self.beta, self.eps, self.squares, self.steps = candidate, beta, eps, 0.0, 0

    def estimate(self, objective, params, *, rng):
        proposed = self.candidate.estimate(objective, params, rng=rng).gradient
        self.squares = self.beta * self.squares + (1 - self.beta) * np.square(proposed.vector, dtype=float)
        self.steps += 1
        scale = 1 / (np.sqrt(self.squares / (1 - self.beta**self.steps)) + self.eps)
        inside = directions.Scaled(directions.Along(proposed), dg.Params.from_vector(params.layout, scale))
        return ForwardGradient(inside).estimate(objective, params, rng=rng)


def critical(kind):
    """The paper's settings: windows of 5, a quadratic critic, scale 0.5."""
    return kind(QuadraticCritic(lr=1e-3, scale=0.5), window=5)


CANDIDATES = {
    **{f"TBPTT({k})": lambda k=k: TruncatedBPTT(k, random=True) for k in WINDOWS},
    "synthetic gradient": lambda: critical(SyntheticGradient),
    "DPG": lambda: critical(DeterministicPolicyGradient),
    "SnAp": lambda: online.SnAp(),
}
PROPOSED = {
    "TBPTT(1)": "figure 2", "TBPTT(3)": "figure 2: most of all here", "TBPTT(5)": "figure 2",
    "synthetic gradient": "figure 4c", "DPG": "section 3.3: proposed", "SnAp": "section 6: proposed",
}  # fmt: skip
MEASURED = ["synthetic gradient", "DODGE, synthetic gradient"]  # the critics of figure 4c
INSIDE = ["TBPTT(3)", "synthetic gradient"]
METHODS = {
    "BPTT": lambda: Backprop(),
    **CANDIDATES,
    "DODGE, oracle": lambda: Dodge(Oracle(previous=True)),
    **{f"DODGE, {name}": lambda make=make: Dodge(make()) for name, make in CANDIDATES.items()},
    "DODGE, TBPTT(3) and synthetic": lambda: Dodge([CANDIDATES[name]() for name in INSIDE]),
    **{f"DODGE, {name}, Adam's scale inside": lambda name=name: AdamInside(CANDIDATES[name]()) for name in INSIDE},
    **{f"{n} random": lambda n=n: ForwardGradient(directions.LowRank(), n=n) for n in (1, 8, 64)},
}
PANELS = {
    "Truncated, and DODGE along it": ["BPTT", *(f"{dodge}TBPTT({k})" for dodge in ("", "DODGE, ") for k in WINDOWS)],
    "Oracle and random directions": ["BPTT", "DODGE, oracle", "1 random", "8 random", "64 random"],
    "Critics": ["BPTT", "synthetic gradient", "DODGE, synthetic gradient", "DPG", "DODGE, DPG"],
    "SnAp, two candidates, and Adam's scale": ["BPTT", "SnAp", "DODGE, SnAp", "DODGE, TBPTT(3) and synthetic",
                                              *(f"DODGE, {name}, Adam's scale inside" for name in INSIDE)],
}  # fmt: skip


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
    """Inputs, a 1 among 4, ``(2 pattern + 1, count, 4)``, and targets, whole numbers."""
    bits = rng.integers(0, BITS, (pattern, count))
    quiet = np.full((pattern, count), BLANK)
    x = np.concatenate([bits, np.full((1, count), GO), quiet])
    return np.eye(SYMBOLS, dtype=np.float32)[x], np.concatenate([quiet, np.full((1, count), BLANK), bits])


def optimizer_of(method, rate):
    """Adam, or its average alone where its scale is inside the direction."""
    return optim.SGD(rate, momentum=0.9, dampening=0.9) if "inside" in method else optim.Adam(rate)


def training(method, pattern, hidden, updates, rate, seed):
    """One run: its curve of updates, seconds, and the test loss in nats per bit."""
    model = nn.Sequential(nn.LSTM(SYMBOLS, hidden), nn.Linear(hidden, SYMBOLS))
    objective = nn.Objective(model, SaidAgain(pattern))
    params = model.init(rng=seed)
    source, rng = dg.Rng(seed).spawn(2)
    test = objective.bind(*sequences(pattern, 500, dg.Rng(1000)))
    batches = (objective.bind(*sequences(pattern, BATCH, source)) for _ in itertools.count())
    optimizer = optimizer_of(method, rate)
    return learn(METHODS[method](), optimizer, params, batches, updates, lambda p: [float(test(p))], rng=rng)


# ---------------------------------------------------------------------- what is run

COST = {"SnAp": (13, 270), "DPG": (6, 45), "synthetic": (5, 27), "64": (7, 135), "8": (2, 19), "1 ": (1.2, 6.5)}


def milliseconds(method, hidden):
    """What an update takes with 32 units and 11 steps, and with 128 units and 25."""
    found = next((both for word, both in COST.items() if word in method), (2, 14))
    return found[hidden > 64] + (6 if hidden > 64 else 1) * ("DODGE" in method)


def rows(pattern, hidden, updates, rates, seeds, methods=METHODS, later=False):
    return tuple(
        Row({"method": method, "pattern": pattern, "hidden": hidden, "updates": updates}, seeds, rates,
            PAPER if method in MEASURED else None, seconds=updates * milliseconds(method, hidden) / 1e3,
            later=later)
        for method in methods
    )  # fmt: skip


# ---------------------------------------------------------------------- what is found


def named(runs):
    """A name for every length of the task."""
    length = 2 * runs[0]["pattern"] + 1
    return f"copy-task-{length}", f"Sequences of {length}, {runs[0]['hidden']} units: nats per bit (guessing: 0.693)"


def tables(runs):
    """Losses at equal updates and at equal time."""
    groups, (name, title) = grouped(runs, "method"), named(runs)
    fastest = shortest(groups.values())
    lines = [
        [method, group[0]["rate"], spread(final(group, 2)), spread(final(group, 2, fastest)),
         f"{np.nanmean(final(group, 1)):.1f}"] for method, group in groups.items()
    ]  # fmt: skip
    columns = ["method", "rate", f"after {runs[0]['updates']:,} updates", f"after {fastest:.1f} s", "seconds"]
    return {name: table(title, columns, lines)}


def claims(runs):
    groups = grouped(runs, "method")
    fastest = shortest(groups.values())

    def of(name):
        return groups.get(name, [])

    def better(said, paper, one, other, at=None):
        return Claim(said, paper, losses(of(one), of(other), at=at), below(of(one), of(other), 2, at=at))

    yield Claim("DODGE with an oracle learns as BPTT does, within 0.05", "figure 4a",
                losses(of("DODGE, oracle"), of("BPTT")), alike(of("DODGE, oracle"), of("BPTT"), 2, 0.05))  # fmt: skip
    yield better("8 random directions are better than 1", "figure 4b", "8 random", "1 random")
    yield better("64 random directions are better than 8", "figure 4b", "64 random", "8 random")
    many, *fewer = (of(f"{n} random") for n in (64, 8, 1))
    half = np.log(2) / 2
    yield Claim("64 random directions come below half of guessing, 8 and 1 do not", "figure 4b", losses(many, *fewer),
                together(under(many, 2, half), *(over(few, 2, half) for few in fewer)))  # fmt: skip
    for name, where in PROPOSED.items():
        yield better(f"DODGE along {name} is better than {name}", where, f"DODGE, {name}", name)
        yield better("... at equal time", "", f"DODGE, {name}", name, fastest)
    short, long = (gained(of(name), of(f"DODGE, {name}"), 2) for name in ("TBPTT(3)", "TBPTT(5)"))
    yield Claim("DODGE gains more along TBPTT(3) than along TBPTT(5)", "figure 2: mainly on short lengths",
                losses(short, long), above(short, long, 2))  # fmt: skip
    fast, slow = (averaged(of(name), 2) for name in reversed(MEASURED))
    yield Claim("DODGE along a synthetic gradient learns faster: its mean over all updates is lower", "figure 4c",
                losses(fast, slow), below(fast, slow, 2))  # fmt: skip
    for name in INSIDE:
        yield better(f"Adam's scale inside the direction, {name}, is better than Adam after it", "equation 12",
                     f"DODGE, {name}, Adam's scale inside", f"DODGE, {name}")  # fmt: skip
    for name in INSIDE:
        yield better(f"two candidates are better than {name} alone", "section 7: future work",
                     "DODGE, TBPTT(3) and synthetic", f"DODGE, {name}")  # fmt: skip


def losses(*groups, at=None):
    means = [np.nanmean(final(group, 2, at)) if group else np.nan for group in groups]
    return ", ".join("none" if np.isnan(mean) else f"{mean:.3f}" for mean in means)


def draw(runs):
    groups = grouped(runs, "method")
    figure, plots = axes(len(PANELS))
    for ax, (title, names) in zip(plots, PANELS.items(), strict=True):
        for name in names:
            if name in groups:
                band(ax, groups[name], 2, name, linestyle="-" if name.startswith(("DODGE", "BPTT")) else "--")
        ax.axhline(np.log(2), color="0.6", linewidth=0.8)
        ax.set(xlabel="updates", ylabel="nats per bit", title=title, ylim=(0, 1.45))
        legend_below(ax)
    return figure


QUICK = [
    "BPTT",
    "TBPTT(3)",
    *(f"DODGE, {name}" for name in ("TBPTT(3)", "SnAp", "DPG", "TBPTT(3), Adam's scale inside")),
]
STUDIES = [
    Study(name, training, "updates", ("nats per bit",), full, rows(5, 8, 10, (3e-3,), 1, quick), tables, draw,
          claims, best=(2, min))
    for name, full, quick in (
        ("copy-task", rows(5, 32, 2000, RATES, 10), QUICK),
        ("copy-task-25", rows(12, 128, PAPER, LONG_RATES, 5, later=True), QUICK[:1]),
    )
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
