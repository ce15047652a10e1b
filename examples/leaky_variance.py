"""Why NoBackTrack rescales its norms (example 28): h ← (1 - α) h + θ, with and without ρ, theory and measurement.

The variance of v̄ w̄ᵀ as an estimate of ∂h/∂θ grows linearly with time without rescaling, and levels off with it. And
for dh/dt = θ - h by Euler's steps: with rescaling v̄ has a limit as dt → 0, without it grows like 1/√dt (section 1.4).
"""

import numpy as np
from lab import arguments, axes, grouped, run, save, table, verdicts

from dualgrad import online

UNITS, ALPHA = 4, 0.1
KINDS = {
    "rescaled": {"rescale": True},
    "not rescaled": {"rescale": False},
    "Gaussian trick": {"noise": "gaussian"},
}


def leak(alpha):
    """h ← (1 - α) h + θ."""

    def vjp(s, x, theta):
        return (1 - alpha) * s + theta, lambda u: ((1 - alpha) * u, u)

    return online.System(lambda s, x, p: vjp(s, x, p)[0], lambda s, y, p: np.sum(s), np.zeros(UNITS), vjp=vjp)


def theory(kind, t, beta, n=UNITS):
    """The variance of v̄ w̄ᵀ after t steps and reductions, from its independent signs.

    Rescaled, v̄ = w̄ = Σ β^(k/2) ε_k (footnote 9); not rescaled, v̄ = Σ β^k ε_k and w̄ = Σ ε_k (eqs. 29, 30).
    """
    c = beta ** np.arange(t)
    if kind == "rescaled":
        return n * (n + 1) * np.sum(c) ** 2 - 2 * n * np.sum(c**2)
    return n**2 * t * np.sum(c**2) + n * (np.sum(c) ** 2 - 2 * np.sum(c**2))


def training(kind, runs, times, seed):
    """The mean square of v̄ w̄ᵀ less its mean over independent runs: rows of time, variance and its standard error."""
    system, beta = leak(ALPHA), 1 - ALPHA
    off = np.zeros((runs, len(times)))
    for k in range(runs):
        learner = online.NoBackTrack(**KINDS[kind]).start(system, np.zeros(UNITS), rng=seed * runs + k)
        for t in range(1, times[-1] + 1):
            learner.step(None, None)
            if t in times:
                mean = np.eye(UNITS) * np.sum(beta ** np.arange(t))
                made = learner.memory["v"].T @ learner.memory["w"]
                off[k, times.index(t)] = np.sum((made - mean) ** 2)
    return [[t, float(x.mean()), float(x.std() / runs**0.5)] for t, x in zip(times, off.T, strict=True)]


def main():
    args = arguments(__doc__, "about 2 minutes", runs=400)
    runs, times = (args.runs, [1, 2, 5, 10, 20, 40, 80, 160, 320]) if args.full else (min(args.runs, 50), [1, 5, 10])
    tasks = [{"kind": k, "runs": runs, "times": times, "seed": s} for k in KINDS for s in range(args.seeds)]
    done = run(training, tasks, args.jobs, "example 28")
    save(args, "leaky_variance", draw(done), report(done), done)


def pooled(group):
    """Times, variances and standard errors over all seeds."""
    rows = np.array([r["curve"] for r in group])
    return rows[0, :, 0].astype(int), rows[:, :, 1].mean(0), np.sqrt(np.sum(rows[:, :, 2] ** 2, 0)) / len(rows)


def report(done):
    rows, worst = [], {}
    for kind, group in grouped(done, "kind").items():
        for t, variance, error in zip(*pooled(group), strict=True):
            known = "" if kind == "Gaussian trick" else theory(kind, t, 1 - ALPHA)
            rows.append([kind, t, f"{variance:.4g} ± {error:.2g}", known and f"{known:.4g}"])
            if known:
                worst[kind] = max(worst.get(kind, 0), abs(variance - known) / max(error, 1e-9))
    title = f"Variance of the estimate of ∂h/∂θ, {UNITS} units, α = {ALPHA}"
    tables = [table(title, ["", "t", "measured", "theory"], rows)]
    pools = {kind: pooled(group)[1] for kind, group in grouped(done, "kind").items()}
    growth = {kind: variance[-1] / variance[-2] for kind, variance in pools.items()}
    if len(done[0]["times"]) > 5:
        tables.append(verdicts("Claims, measured from t = 160 to 320", [
            ("without rescaling the variance grows linearly", 1.6 < growth["not rescaled"] < 2.4),
            ("with rescaling it levels off", 0.8 < growth["rescaled"] < 1.2),
            ("measurement is within 5 standard errors of theory", max(worst.values()) < 5),
        ]))  # fmt: skip
    return tables


def draw(done):
    figure, (left, right) = axes(2, height=4)
    for kind, group in grouped(done, "kind").items():
        t, variance, error = pooled(group)
        if kind == "Gaussian trick":
            left.plot(t, variance, "o--", color="tab:green", markersize=4, label=f"{kind}, measured")
            continue
        points = left.errorbar(t, variance, 2 * error, fmt="o", markersize=4, label=f"{kind}, measured")
        every = np.arange(1, t[-1] + 1)
        known = [theory(kind, k, 1 - ALPHA) for k in every]
        left.plot(every, known, color=points[0].get_color(), label=f"{kind}, theory")
    title = "example 28: variance of v̄ w̄ᵀ"
    left.set(xscale="log", yscale="log", ylim=(5, 1e6), xlabel="t", ylabel="variance", title=title)
    left.legend(fontsize=7)
    steps = np.unique(np.logspace(0, 3, 40).astype(int))
    for kind, style in (("rescaled", "-"), ("not rescaled", "--")):
        sizes = [euler_size(kind, k) for k in steps]
        for which, (name, color) in enumerate((("v̄", "tab:blue"), ("w̄", "tab:orange"))):
            right.plot(1 / steps, [s[which] for s in sizes], style, color=color, label=f"{name}, {kind}")
    right.set(xscale="log", yscale="log", xlabel="dt", ylabel="E v̄², E w̄² at T = 1", title="dh/dt = θ - h, by Euler")
    right.legend(fontsize=7)
    return figure


def euler_size(kind, steps):
    """E v̄² and E w̄² of one unit at T = 1 after so many steps of dt = 1/steps, where D = dt."""
    dt, c = 1 / steps, (1 - 1 / steps) ** np.arange(steps)
    if kind == "rescaled":
        return dt * np.sum(c), dt * np.sum(c)
    return np.sum(c**2), dt**2 * steps


if __name__ == "__main__":
    main()
