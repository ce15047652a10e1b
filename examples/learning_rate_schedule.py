"""Tune the learning-rate schedule of a network on digits (PES): by ES, PES, and exact forward-mode hypergradients.

The inner problem is SGD with momentum 0.9 on an MLP 64-32-10, at the rate a / (1 + t/T)^b; θ = (log a, log b). The
objectives are the sum of training losses, and the share of validation images that are not recognised, which has no
derivative. Hypergradients are RTRL with two parameters: jvps of the layers' pullbacks through the inner steps.
"""

import time

import numpy as np
from experiment import arguments, axes, grouped, run, save, spread, table, verdicts
from inner_training import Inner, batches, data, zeros_like

import dualgrad as dg
from dualgrad import online, optim

STEPS, WINDOW, SIGMA, START = 200, 10, 0.3, (np.log(0.003), np.log(3.0))
LEARNERS = {
    "PES": lambda n: online.PersistentES(n, SIGMA, WINDOW),
    "ES, whole episodes": lambda n: online.EvolutionStrategies(n, SIGMA),
    "truncated ES": lambda n: online.TruncatedES(n, SIGMA, WINDOW),
    "RTRL (exact)": lambda n: online.RTRL(),
}
SIZES = (64, 32, 10)


def system(objective, seed):
    """SGD with momentum; ``x`` is a step's number and its batch."""
    inner = Inner(SIZES)
    weights = inner.start(seed)

    def step(state, x, theta):
        t, batch = x
        rate = np.exp(theta[0]) / (1 + t / STEPS) ** np.exp(theta[1])
        g = inner.gradient(state["w"], batch)
        m = {name: 0.9 * state["m"][name] + g[name] for name in g}
        return {"w": {name: state["w"][name] - rate * m[name] for name in g}, "m": m}

    def loss(state, batch, theta):
        return inner.loss(state["w"], batch) if objective == "training loss" else 10 * inner.errors(state["w"])

    return online.System(step, loss, {"w": weights, "m": zeros_like(weights)})


def true_objective(theta, objective, seed=0):
    """The mean over one episode, of initial weights and batches of its own."""
    inner = system(objective, 1000 + seed)
    state, stream, total = inner.init_state, batches(dg.Rng(1000 + seed)), 0.0
    with np.errstate(all="ignore"):
        for t in range(STEPS):
            batch = next(stream)
            state = inner.step(state, (t, batch), theta)
            total += float(inner.loss(state, batch, theta))
    return total / STEPS if np.isfinite(total) else 1e3


def training(learner, objective, particles, episodes, seed, rate=0.05, points=10):
    """Adam on θ: a curve of episodes, seconds, objective, θ."""
    theta = np.array(START)
    source, adam, rng = LEARNERS[learner](particles), optim.Adam(rate), dg.Rng(seed)
    curve, seconds = [[0, 0.0, true_objective(theta, objective), *START]], 0.0
    marks = set(np.linspace(0, episodes, points + 1).astype(int)[1:].tolist())
    for episode in range(1, episodes + 1):
        started = time.perf_counter()
        source.start(system(objective, 10 * seed + episode % 10), theta, rng=rng)
        stream, total = batches(rng), 0.0
        for t in range(STEPS):
            batch = next(stream)
            estimate = source.step((t, batch), batch)
            if learner.startswith("RTRL"):  # an update every window, as the others
                total = total + estimate.gradient
                if (t + 1) % WINDOW == 0:
                    adam.step(theta, total)
                    total = 0.0
            elif estimate is not None:
                adam.step(theta, estimate.gradient)
        if learner.startswith("ES"):
            adam.step(theta, source.close().gradient)
        seconds += time.perf_counter() - started
        if episode in marks:
            curve.append([episode, seconds, true_objective(theta, objective), *theta.tolist()])
    return curve


def grid(objective, row, rates, decays):
    """One row of the loss surface."""
    return [[float(b), 0.0, true_objective((rates[row], b), objective)] for b in decays]


def main():
    args = arguments(__doc__, "about 30 minutes", particles=10, episodes=60)
    data()
    episodes, points = (args.episodes, 13) if args.full else (min(args.episodes, 1), 3)
    common = {"particles": args.particles if args.full else 2, "episodes": episodes}
    pairs = [(n, o) for o in ("training loss", "validation error") for n in LEARNERS
             if not (n.startswith("RTRL") and o == "validation error")]  # fmt: skip
    tasks = [{"learner": n, "objective": o, "seed": s} | common for n, o in pairs for s in range(args.seeds)]
    runs = run(training, tasks, args.jobs, "schedules")
    rates, decays = np.linspace(np.log(1e-3), np.log(3.0), points), np.linspace(np.log(0.1), np.log(30), points)
    tasks = [{"objective": o, "row": k, "rates": rates.tolist(), "decays": decays.tolist()}
             for o in ("training loss", "validation error") for k in range(points)]  # fmt: skip
    surface = run(grid, tasks, args.jobs, "loss surface")
    surfaces = {o: np.array([[row[2] for row in r["curve"]] for r in surface if r["objective"] == o])
                for o in ("training loss", "validation error")}  # fmt: skip
    figure = draw(runs, surfaces, rates, decays)
    save(args, "learning_rate_schedule", figure, report(runs, surfaces, args.full), runs + surface)


def report(runs, surfaces, full):
    rows, ends = [], {}
    for (objective, learner), group in grouped(runs, "objective", "learner").items():
        values = np.array([r["curve"][-1][2] for r in group])
        ends[objective, learner] = values
        where = np.exp(np.mean([r["curve"][-1][3:] for r in group], 0))
        best = surfaces[objective].min()
        seconds = np.mean([r["curve"][-1][1] for r in group])
        rows.append([objective, learner, spread(values), f"{values.mean() / best:.2f}",
                     f"{where[0]:.3f}, {where[1]:.2f}", f"{seconds:.0f}"])  # fmt: skip
    best = ", ".join(f"{name} {s.min():.3f}" for name, s in surfaces.items())
    columns = ["objective", "estimator", "mean over an episode", "/ optimum", "rate, decay", "seconds"]
    tables = [table(f"Schedules; best on a grid: {best}", columns, rows)]
    if full:
        claims = []
        for o, surface in surfaces.items():
            claims += [
                (f"{o}: PES within 5 % of the grid's optimum", ends[o, "PES"].mean() < 1.05 * surface.min()),
                (f"{o}: truncated ES is not", ends[o, "truncated ES"].mean() > 1.05 * surface.min()),
            ]
        tables.append(verdicts("Claims", claims))
    return tables


def draw(runs, surfaces, rates, decays):
    figure, panels = axes(3, height=4)
    for ax, (objective, surface) in zip(panels, surfaces.items(), strict=False):
        mesh = ax.pcolormesh(rates, decays, np.log10(np.clip(surface, 1e-3, 10)).T, cmap="viridis", rasterized=True)
        figure.colorbar(mesh, ax=ax, label="log₁₀ of the objective")
        for k, name in enumerate(LEARNERS):
            for j, r in enumerate(r for r in runs if (r["objective"], r["learner"]) == (objective, name)):
                path = np.array(r["curve"])
                ax.plot(path[:, 3], path[:, 4], color=f"C{k + 1}", linewidth=1.2, label=name if j == 0 else None)
                ax.plot(path[-1, 3], path[-1, 4], "o", color=f"C{k + 1}", markersize=4)
        ax.set(xlabel="log of the first rate", ylabel="log of the decay", title=objective)
    panels[0].legend(fontsize=7, loc="lower left")
    middle = int(np.argmin(np.abs(decays - np.log(3))))
    cut = np.clip(surfaces["validation error"][:, middle], 0, 10)
    distance = (rates[:, None] - rates) / SIGMA
    kernel = np.exp(-(distance**2) / 2)
    panels[2].plot(rates, cut, "o-", label="validation error", linewidth=1)
    panels[2].plot(rates, (kernel / kernel.sum(1, keepdims=True)) @ cut, label=f"smoothed, σ = {SIGMA}", linewidth=1.6)
    panels[2].set(xlabel="log of the first rate", yscale="log", title="what ES and PES descend")
    panels[2].legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main()
