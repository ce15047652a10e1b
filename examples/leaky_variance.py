"""Why NoBackTrack rescales its norms (example 28): h ← (1 - α) h + θ, with and without ρ, theory and measurement.

The variance of v̄ w̄ᵀ as an estimate of ∂h/∂θ grows linearly with time without rescaling, and levels off with it. And
for dh/dt = θ - h by Euler's steps: with rescaling v̄ has a limit as dt → 0, without it grows like 1/√dt (section 1.4).
Both are measured over many estimators with signs of their own, beside what theory says.
"""

import time

import numpy as np
from lab import Claim, Row, Study, axes, derived, gained, grouped, main, over, spread, table, together, under
from lab.curves import curves, final, interval

from dualgrad import online

UNITS, ALPHA, TIMES = 4, 0.1, (1, 2, 5, 10, 20, 40, 80, 160, 320)
EXACT = ("rescaled", "not rescaled")  # of which theory is known
KINDS = {"rescaled": {}, "not rescaled": {"rescale": False}, "Gaussian trick": {"noise": "gaussian"}}


def leak(alpha, gain=1.0):
    """h ← (1 - α) h + gain θ."""
    return online.System(
        lambda s, x, theta: (1 - alpha) * s + gain * theta, lambda s, y, theta: np.sum(s), np.zeros(UNITS)
    )


def theory(kind, t, beta, n=UNITS):
    """The variance of v̄ w̄ᵀ after t steps and reductions, from its independent signs.

    Rescaled, v̄ = w̄ = Σ β^(k/2) ε_k (footnote 9); not rescaled, v̄ = Σ β^k ε_k and w̄ = Σ ε_k (eqs. 29, 30).
    """
    c = beta ** np.arange(t)
    if kind == "rescaled":
        return n * (n + 1) * np.sum(c) ** 2 - 2 * n * np.sum(c**2)
    return n**2 * t * np.sum(c**2) + n * (np.sum(c) ** 2 - 2 * np.sum(c**2))


def euler_size(kind, steps):
    """E v̄² and E w̄² of one unit at T = 1 after so many steps of dt = 1/steps, where D = dt."""
    dt, c = 1 / steps, (1 - 1 / steps) ** np.arange(steps)
    if kind == "rescaled":
        return dt * np.sum(c), dt * np.sum(c)
    return np.sum(c**2), dt**2 * steps


def training(kind, terms, steps, seed):
    """The mean square of v̄ w̄ᵀ less its mean over the terms of one estimator, each with signs of its own: rows of time,
    seconds and that variance."""
    learner = online.NoBackTrack(terms, **KINDS[kind]).start(leak(ALPHA), np.zeros(UNITS), rng=seed)
    rows, started = [], time.process_time()
    for t in range(1, steps + 1):
        learner.step(None, None)
        if t in TIMES:
            v, w = learner.memory["v"], learner.memory["w"]
            off = v[:, :, None] * w[:, None] - np.eye(UNITS) * np.sum((1 - ALPHA) ** np.arange(t))
            rows.append([t, time.process_time() - started, float(np.sum(off**2) / terms)])
    return rows


def limit(kind, terms, steps, seed):
    """dh/dt = θ - h up to T = 1 by so many of Euler's steps: log10 of E v̄² and E w̄² of a unit."""
    learner = online.NoBackTrack(terms, **KINDS[kind]).start(leak(1 / steps, 1 / steps), np.zeros(UNITS), rng=seed)
    started = time.process_time()
    for _ in range(steps):
        learner.step(None, None)
    sizes = [float(np.log10(np.mean(learner.memory[name] ** 2))) for name in "vw"]
    return [[steps, time.process_time() - started, *sizes]]


# ---------------------------------------------------------------------- what is found


def shown(values):
    """The mean and its interval, in powers of ten where it is large."""
    mean = values.mean()
    form = ".0e" if mean > 1e5 else ",.0f" if mean > 100 else ".1f"
    return f"{mean:{form}}" + (f" ± {interval(values):{form}}" if len(values) > 1 else "")


def tables(runs):
    groups = grouped(runs, "kind")
    lines = []
    for k, t in enumerate(row[0] for row in runs[0]["curve"]):
        line = [t]
        for kind, group in groups.items():
            values = curves(group, 2)[:, k]
            line += [shown(values)] + ([] if kind not in EXACT else [shown(np.array([theory(kind, t, 1 - ALPHA)]))])
        lines.append(line)
    columns = [name for kind in groups for name in ([kind, "theory"] if kind in EXACT else [kind])]
    size = f"{len(groups[runs[0]['kind']])} estimates from {runs[0]['terms']:,} terms"
    title = f"Variance of v̄ w̄ᵀ as an estimate of ∂h/∂θ, {UNITS} units, α = {ALPHA}, {size}"
    return {"leaky-variance": table(title, ["t", *columns], lines)}


def between(said, paper, runs, low, high):
    values = final(runs, 2) if runs else np.array([np.nan])
    return Claim(said, paper, f"{values.mean():.3f}", together(over(runs, 2, low), under(runs, 2, high)))


def claims(runs):
    groups = grouped(runs, "kind")
    found = []
    for kind, said, low, high in (
        ("not rescaled", "without rescaling the variance grows linearly: it doubles from t = 160 to 320", 1.6, 2.4),
        ("rescaled", "with rescaling it levels off: it is as large", 0.8, 1.2),
    ):
        growth = derived(groups.get(kind, []), lambda curve: curve[-1, 2] / curve[max(len(curve) - 2, 0), 2])
        found.append(between(said, "example (28)", growth, low, high))
    for kind in EXACT:
        ratio = derived(groups.get(kind, []), lambda curve, kind=kind: np.mean(
            [row[2] / theory(kind, int(row[0]), 1 - ALPHA) for row in curve]))  # fmt: skip
        found.append(between(f"measured is theory, within 5 % ({kind})", "eqs. 29 and 30", ratio, 0.95, 1.05))
    return found


def limit_tables(runs):
    lines = []
    for (kind, steps), group in grouped(runs, "kind", "steps").items():
        sizes = zip((2, 3), euler_size(kind, steps), strict=True)
        cells = [cell for k, size in sizes for cell in (spread(final(group, k)), f"{np.log10(size):.3f}")]
        lines.append([kind, f"{1 / steps:g}", *cells, len(group)])
    columns = ["", "dt", "log10 of E v̄²", "theory", "log10 of E w̄²", "theory", "estimates"]
    return {"leaky-limit": table("A unit of dh/dt = θ - h at T = 1", columns, lines)}


def limit_claims(runs):
    """By how many powers of ten a square changes from the longest steps to the shortest."""
    groups, sides = grouped(runs, "kind", "steps"), [pick(run["steps"] for run in runs) for pick in (max, min)]
    powers = np.log10(sides[0] / sides[1])
    for kind, said, column, expected in (
        ("not rescaled", "as dt → 0 v̄ grows like 1/√dt without rescaling", 2, powers),
        ("not rescaled", "... and w̄ vanishes like √dt", 3, -powers),
        ("rescaled", "... rescaled v̄ has a limit", 2, 0.0),
        ("rescaled", "... and w̄ too", 3, 0.0),
    ):
        change = gained(*(groups.get((kind, steps), []) for steps in sides), column)
        yield between(f"{said}: its square changes by 10^{expected:.0f}, within 10 %", "section 1.4", change,
                      expected - 0.045, expected + 0.045)  # fmt: skip


def draw(runs):
    figure, (ax,) = axes(1, height=4)
    for kind, group in grouped(runs, "kind").items():
        t, values = curves(group, 0)[0], curves(group, 2)
        half = [interval(v) if len(v) > 1 and kind in EXACT else 0.0 for v in values.T]
        points = ax.errorbar(t, values.mean(0), half, fmt="o", markersize=4, label=f"{kind}, measured")
        if kind in EXACT:
            every = np.arange(1, int(t[-1]) + 1)
            known_to_be = [theory(kind, k, 1 - ALPHA) for k in every]
            ax.plot(every, known_to_be, color=points[0].get_color(), label=f"{kind}, theory")
    title = "example 28: variance of v̄ w̄ᵀ"
    ax.set(xscale="log", yscale="log", ylim=(5, 1e6), xlabel="t", ylabel="variance", title=title)
    ax.legend()
    return figure


def draw_limit(runs):
    figure, (ax,) = axes(1, height=4)
    every = np.unique(np.logspace(0, 3, 40).astype(int))
    for kind, group in grouped(runs, "kind").items():
        line, point = {"rescaled": ("-", "o"), "not rescaled": ("--", "s")}[kind]
        sizes = np.array([euler_size(kind, k) for k in every])
        for k, (name, color) in enumerate((("v̄", "C0"), ("w̄", "C1"))):
            ax.plot(1 / every, sizes[:, k], line, color=color, label=f"{name}, {kind}")
            ax.plot([1 / run["steps"] for run in group], 10 ** final(group, 2 + k), point, color=color, markersize=4)
    title = "dh/dt = θ - h by Euler: theory and points"
    ax.set(xscale="log", yscale="log", xlabel="dt", ylabel="E v̄², E w̄² at T = 1", title=title)
    ax.legend()
    return figure


def rows(terms, steps, seeds):
    return tuple(Row({"kind": kind, "terms": terms, "steps": steps}, seeds, seconds=0.3) for kind in KINDS)


def limit_rows(terms, steps, seeds):
    return tuple(Row({"kind": kind, "terms": terms, "steps": n}, seeds, seconds=n / 500)
                 for kind in EXACT for n in steps)  # fmt: skip


STUDIES = [
    Study("leaky-variance", training, "steps", ("variance",), rows(4000, 320, 10), rows(50, 10, 2),
          tables, draw, claims),
    Study("leaky-limit", limit, "steps", ("log10 of E v̄²", "log10 of E w̄²"), limit_rows(4000, (100, 1000), 10),
          limit_rows(50, (2, 20), 2), limit_tables, draw_limit, limit_claims),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
