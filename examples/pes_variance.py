"""The variance of PES against the number of unrolls, in both regimes, theory and measurement (Vicol et al. 2021).

Losses that are linear in the parameters of every window: L_t = Σ_τ g_tτ·θ_τ. Where the gradients of windows are alike,
PES has less variance than one perturbation for the whole episode (ES, NRES); where they differ, more.
"""

import numpy as np
from lab import arguments, axes, grouped, run, save, table, verdicts

import dualgrad as dg
from dualgrad import online

SIZE, SIGMA = 10, 0.1
ESTIMATORS = {
    "PES": lambda: online.PersistentES(2, SIGMA, window=1),
    "NRES": lambda: online.NoiseReuseES(2, SIGMA, window=1),
}


def gradients(regime, unrolls):
    """g_tτ ``(T, T, P)``."""
    g, normals = np.zeros((unrolls, unrolls, SIZE)), dg.Rng(0).normal((unrolls, SIZE))
    own = np.arange(unrolls)
    if regime == "alike":
        g[own, own] = 1 / unrolls
    elif regime == "independent":
        g[own, own] = normals / unrolls
    elif regime == "alike, and noise":
        g[own, own] = (1 + 2 * normals) / unrolls
    else:
        g[-1] = 1 / unrolls
    return g


REGIMES = ["alike", "independent", "alike, and noise", "last loss alone"]


def system(unrolls):
    """The state is the parameters of every window so far."""
    return online.System(
        lambda s, x, p: np.where(np.arange(unrolls)[:, None] == x, p[..., None, :], s),
        lambda s, y, p: np.sum(y * s, axis=(-1, -2)), np.zeros((unrolls, SIZE)), batched=True,
    )  # fmt: skip


def theory(estimator, g):
    """The variance of a pair: P Σ ‖h_sτ‖² + Σ h_sτ·h_τs, h_sτ = Σ_{t >= max(s, τ)} g_tτ; for NRES (P + 1) ‖Σ g‖²."""
    if estimator == "NRES":
        return (SIZE + 1) * np.sum(g.sum((0, 1)) ** 2)
    after = np.cumsum(g[::-1], axis=0)[::-1]  # Σ_{t >= s} g_tτ
    later = np.maximum.outer(np.arange(len(g)), np.arange(len(g)))
    h = after[later, np.arange(len(g))[None, :]]
    return SIZE * np.sum(h**2) + np.einsum("stp,tsp->", h, h)


def training(estimator, regime, unrolls, samples, seed):
    """The mean squared error of episodes of one pair each, with its standard error."""
    g = gradients(regime, unrolls)
    exact, stream, off = g.sum((0, 1)), dg.Rng(seed), []
    source = ESTIMATORS[estimator]().start(system(unrolls), np.zeros(SIZE), rng=stream)
    for _ in range(samples):
        total = sum(source.step(t, g[t]).gradient for t in range(unrolls))
        off.append(np.sum((total - exact) ** 2))
        source.reset()
    return [[unrolls, float(np.mean(off)), float(np.std(off) / samples**0.5), float(exact @ exact)]]


def main():
    args = arguments(__doc__, "about 4 minutes", samples=2000)
    counts, samples = ([1, 2, 5, 10, 20, 50], args.samples) if args.full else ([1, 3], min(args.samples, 200))
    tasks = [{"estimator": e, "regime": r, "unrolls": n, "samples": samples, "seed": s}
             for e in ESTIMATORS for r in REGIMES for n in counts for s in range(args.seeds)]  # fmt: skip
    runs = run(training, tasks, args.jobs, "variance of PES")
    save(args, "pes_variance", draw(runs), report(runs, args.full), runs)


def pooled(group):
    """Variance and standard error over seeds, relative to the squared gradient."""
    rows = np.array([r["curve"][0] for r in group])
    return rows[:, 1].mean() / rows[0, 3], np.sqrt(np.sum(rows[:, 2] ** 2)) / len(rows) / rows[0, 3]


def report(runs, full):
    rows, worst, known = [], 0.0, {}
    for (regime, estimator, unrolls), group in grouped(runs, "regime", "estimator", "unrolls").items():
        g = gradients(regime, unrolls)
        expected = theory(estimator, g) / np.sum(g.sum((0, 1)) ** 2)
        measured, error = pooled(group)
        worst, known[regime, estimator, unrolls] = max(worst, abs(measured - expected) / error), expected
        rows.append([regime, estimator, unrolls, f"{measured:.2f} ± {error:.2f}", f"{expected:.2f}"])
    tables = [
        table(f"Variance of a pair over ‖g‖², {SIZE} parameters", ["windows", "", "T", "measured", "theory"], rows)
    ]
    if full:
        ratio = {r: [known[r, "PES", n] / known[r, "NRES", n] for n in (2, 50)] for r in REGIMES}
        tables.append(verdicts("Claims", [
            ("measurement is within 5 standard errors of theory", worst < 5),
            ("gradients alike: PES falls to a half of NRES", ratio["alike"][1] < 0.55),
            ("independent gradients: PES grows with T", ratio["independent"][1] > 2 * ratio["independent"][0]),
            ("one last loss: no difference", abs(ratio["last loss alone"][1] - 1) < 1e-9),
        ]))  # fmt: skip
    return tables


def draw(runs):
    figure, (left, right) = axes(2, height=4)
    for ax, regimes in ((left, REGIMES[:1] + REGIMES[3:]), (right, REGIMES[1:3])):
        for k, (regime, estimator) in enumerate((r, e) for r in regimes for e in ESTIMATORS):
            mine = [r for r in runs if (r["regime"], r["estimator"]) == (regime, estimator)]
            points = [(n, *pooled(group)) for n, group in grouped(mine, "unrolls").items()]
            n, measured, error = np.array(points).T
            ax.errorbar(n, measured, 2 * error, fmt="o", color=f"C{k}", markersize=4)
            every = np.arange(1, int(n.max()) + 1)
            grads = [gradients(regime, m) for m in every]
            lines = [theory(estimator, g) / np.sum(g.sum((0, 1)) ** 2) for g in grads]
            ax.plot(every, lines, color=f"C{k}", label=f"{estimator}, {regime}: theory", linewidth=1.2)
        ax.set(xscale="log", yscale="log", xlabel="unrolls in an episode", ylabel="variance / ‖g‖²")
        ax.legend(fontsize=7)
    left.set_title("gradients alike")
    right.set_title("gradients that differ")
    return figure


if __name__ == "__main__":
    main()
