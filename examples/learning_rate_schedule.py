"""Tune the learning-rate schedule of a network on digits (PES): by ES, PES, and exact forward-mode hypergradients.

The inner problem is SGD with momentum 0.9 on an MLP 64-32-10, at the rate a / (1 + t/T)^b; θ = (log a, log b). A step's
objective is the loss of the next batch, or the share of validation images that are not recognised, which has no
derivative. Hypergradients are RTRL with two parameters: jvps of the layers' pullbacks through the inner steps.
"""

import time

import numpy as np
from experiment import arguments, axes, final, grouped, run, save, spread, table, tuned, verdicts
from inner_training import Inner, batches, data, zeros_like

import dualgrad as dg
from dualgrad import online, optim

STEPS, SIGMA, SIZES, START = 200, 0.1, (64, 32, 10), (np.log(0.003), np.log(3.0))
EXACT, WHOLE, WINDOWS, RATES = "RTRL (exact)", "ES, whole episodes", (2, 10), [0.02, 0.1]
OBJECTIVES = ["training loss", "validation error"]
LEARNERS = {"PES": online.PersistentES, "truncated ES": online.TruncatedES}


def system(objective, seed):
    """SGD with momentum; ``x`` is a step's number and its batch, ``y`` the batch of the next."""
    inner = Inner(SIZES)
    weights = inner.start(seed)

    def step(state, x, theta):
        t, batch = x
        rate = np.exp(theta[0]) / (1 + t / STEPS) ** np.exp(theta[1])
        g = inner.gradient(state["w"], batch)
        m = {name: 0.9 * state["m"][name] + g[name] for name in g}
        return {"w": {name: state["w"][name] - rate * m[name] for name in g}, "m": m}

    def loss(state, batch, theta):
        return inner.loss(state["w"], batch) if objective == OBJECTIVES[0] else inner.errors(state["w"])

    return online.System(step, loss, {"w": weights, "m": zeros_like(weights)})


def data_of(rng):
    """The inputs and targets of an episode."""
    stream = batches(rng)
    batch = next(stream)
    for t in range(STEPS):
        x, batch = (t, batch), next(stream)
        yield x, batch


def true_objective(theta, objective, episodes=5):
    """The mean over episodes, of initial weights and batches of their own."""
    total = 0.0
    with np.errstate(all="ignore"):
        for seed in range(1000, 1000 + episodes):
            inner = system(objective, seed)
            state = inner.init_state
            for x, y in data_of(dg.Rng(seed)):
                state = inner.step(state, x, theta)
                total += float(inner.loss(state, y, theta))
    return total / STEPS / episodes if np.isfinite(total) else 1e3


def training(learner, window, objective, particles, episodes, rate, seed, points=10):
    """Adam on θ: a curve of episodes, seconds, objective, θ."""
    theta, adam, rng = np.array(START), optim.Adam(rate), dg.Rng(seed)
    if learner == EXACT:
        source = online.RTRL()
    elif learner == WHOLE:
        source = online.EvolutionStrategies(particles, SIGMA)
    else:
        source = LEARNERS[learner](particles, SIGMA, window)
    curve, seconds = [[0, 0.0, true_objective(theta, objective), *START]], 0.0
    marks = set(np.linspace(0, episodes, points + 1).astype(int)[1:].tolist())
    for episode in range(1, episodes + 1):
        started, total = time.perf_counter(), 0.0
        source.start(system(objective, 10 * seed + episode % 10), theta, rng=rng)
        for t, (x, y) in enumerate(data_of(rng), 1):
            estimate = source.step(x, y)
            if learner == EXACT:  # an update every window, as the others
                total = total + estimate.gradient
                if t % window == 0:
                    adam.step(theta, total)
                    total = 0.0
            elif estimate is not None:
                adam.step(theta, estimate.gradient)
        if learner == WHOLE:
            adam.step(theta, source.close().gradient)
        seconds += time.perf_counter() - started
        if episode in marks:
            curve.append([episode, seconds, true_objective(theta, objective), *theta.tolist()])
    return curve


def grid(objective, row, rates, decays):
    """One row of the loss surface."""
    return [[float(b), 0.0, true_objective((rates[row], b), objective)] for b in decays]


def main():
    args = arguments(__doc__, "about 40 minutes", particles=30, episodes=60)
    data()
    episodes, points = (args.episodes, 21) if args.full else (1, 3)
    common = {"particles": args.particles if args.full else 2, "episodes": episodes}
    sources = [(name, window) for window in WINDOWS for name in LEARNERS] + [(WHOLE, None), (EXACT, WINDOWS[1])]
    tasks = [{"learner": n, "window": w, "objective": o} | common for o in OBJECTIVES for n, w in sources
             if not (n == EXACT and o == "validation error")]  # fmt: skip
    rates = RATES if args.full else RATES[1:]
    runs, search = tuned(training, tasks, rates, args.seeds, args.jobs, "schedules", better=min, column=2)
    a, b = np.linspace(np.log(1e-3), np.log(3.0), points), np.linspace(np.log(0.1), np.log(30), points)
    tasks = [{"objective": o, "row": k, "rates": a.tolist(), "decays": b.tolist()} for o in OBJECTIVES
             for k in range(points)]  # fmt: skip
    rows = run(grid, tasks, args.jobs, "loss surface")
    surfaces = {o: np.array([[p[2] for p in r["curve"]] for r in rows if r["objective"] == o]) for o in OBJECTIVES}
    figure = draw(runs, surfaces, a, b)
    save(args, "learning_rate_schedule", figure, report(runs, surfaces, args.full), runs + search + rows)


def report(runs, surfaces, full):
    rows, ends = [], {}
    for (objective, learner, window), group in grouped(runs, "objective", "learner", "window").items():
        values = ends[objective, learner, window] = final(group, 2)
        where = np.exp(np.mean([r["curve"][-1][3:] for r in group], 0))
        rows.append([objective, learner, window or STEPS, f"{group[0]['rate']:g}", spread(values),
                     f"{values.mean() / surfaces[objective].min():.2f}", f"{where[0]:.3f}, {where[1]:.2f}",
                     f"{final(group, 1).mean():.0f}"])  # fmt: skip
    best = ", ".join(f"{name} {s.min():.3f}" for name, s in surfaces.items())
    columns = ["objective", "estimator", "window", "Adam", "mean over an episode", "/ optimum", "a, b", "seconds"]
    tables = [table(f"Schedules; best on a grid: {best}", columns, rows)]
    if full:
        tables.append(verdicts("Claims", [
            (f"{o}, windows of {w}: {claim}", holds)
            for o, surface in surfaces.items() for w in WINDOWS for claim, holds in (
                ("PES within 5 % of the grid's optimum", ends[o, "PES", w].mean() < 1.05 * surface.min()),
                ("truncated ES is not", ends[o, "truncated ES", w].mean() > 1.05 * surface.min()),
            )
        ]))  # fmt: skip
    return tables


def draw(runs, surfaces, a, b):
    figure, panels = axes(3, height=4)
    for ax, (objective, surface) in zip(panels, surfaces.items(), strict=False):
        mesh = ax.pcolormesh(a, b, np.log10(np.clip(surface, 1e-3, 10)).T, cmap="viridis", rasterized=True)
        figure.colorbar(mesh, ax=ax, label="log₁₀ of the objective")
        groups = grouped([r for r in runs if r["objective"] == objective], "learner", "window")
        for k, ((name, window), group) in enumerate(groups.items()):
            label = name if window is None or name == EXACT else f"{name}, windows of {window}"
            for j, r in enumerate(group):
                path = np.array(r["curve"])
                ax.plot(path[:, 3], path[:, 4], color=f"C{k + 1}", linewidth=1.2, label=None if j else label)
                ax.plot(path[-1, 3], path[-1, 4], "o", color=f"C{k + 1}", markersize=4)
        ax.set(xlabel="log a", ylabel="log b", xlim=(a[0], a[-1]), ylim=(b[0], b[-1]), title=objective)
    panels[0].legend(fontsize=7, loc="lower left")
    middle = int(np.argmin(np.abs(b - np.log(3))))
    cut = np.clip(surfaces["validation error"][:, middle], 0, 1)
    panels[2].plot(a, cut, "o-", label="validation error", linewidth=1)
    for sigma in (SIGMA, 5 * SIGMA):
        kernel = np.exp(-(((a[:, None] - a) / sigma) ** 2) / 2)
        panels[2].plot(a, kernel / kernel.sum(1, keepdims=True) @ cut, label=f"smoothed, σ = {sigma:g}", linewidth=1.6)
    panels[2].set(xlabel="log a", yscale="log", title="what ES and PES descend, b = 3")
    panels[2].legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main()
