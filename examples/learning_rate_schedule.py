"""Tune the learning-rate schedule of a network on digits (PES): by ES, PES, and exact forward-mode hypergradients.

The inner problem is SGD with momentum 0.9 on an MLP 64-32-10, at the rate a / (1 + t/T)^b; θ = (log a, log b). A step's
objective is the loss of the next batch, or the share of validation images that are not recognised, which has no
derivative. Hypergradients are RTRL with two parameters: jvps of the layers' pullbacks through the inner steps.
"""

import numpy as np
from lab import arguments, axes, final, follow_episodes, grouped, heat, run, save, spread, table, tuned, verdicts, ways
from lab.inner_training import data, episode, errors, start, zeros_like

import dualgrad as dg
from dualgrad import nn, online, optim

STEPS, SIGMA, START, RATES = 200, 0.1, (np.log(0.003), np.log(3.0)), [0.02, 0.1]
EXACT, WHOLE, OBJECTIVES = "RTRL (exact)", "ES, whole episodes", ["training loss", "validation error"]
INNER = nn.Objective(nn.networks.mlp([64, 32, 10]), nn.cross_entropy)
LEARNERS = {
    "PES": lambda n, window: online.PersistentES(n, SIGMA, window),
    "truncated ES": lambda n, window: online.TruncatedES(n, SIGMA, window),
    WHOLE: lambda n, window: online.EvolutionStrategies(n, SIGMA),
    EXACT: lambda n, window: online.RTRL(),
}


def system(objective, seed):
    """SGD with momentum; ``x`` is a step's number and its batch, ``y`` the batch of the next."""
    weights = start(INNER.model, seed)

    def step(state, x, theta):
        t, batch = x
        rate = np.exp(theta[0]) / (1 + t / STEPS) ** np.exp(theta[1])
        _, g = batch.vjp(state["w"])
        m = {name: 0.9 * state["m"][name] + g[name] for name in g}
        return {"w": {name: state["w"][name] - rate * m[name] for name in g}, "m": m}

    def loss(state, batch, theta):
        return batch(state["w"]) if objective == OBJECTIVES[0] else errors(INNER.model, state["w"])

    return online.System(step, loss, {"w": weights, "m": zeros_like(weights)})


def true_objective(theta, objective, episodes=5):
    """The mean over episodes, of initial weights and batches of their own."""
    total = 0.0
    with np.errstate(all="ignore"):
        for seed in range(1000, 1000 + episodes):
            inner = system(objective, seed)
            state = inner.init_state
            for x, y in episode(INNER, dg.Rng(seed), STEPS):
                state = inner.step(state, x, theta)
                total += float(inner.loss(state, y, theta))
    return total / STEPS / episodes if np.isfinite(total) else 1e3


class Summed:
    """An optimizer that takes the sum of every so many gradients for one: a window's, as the others have it."""

    def __init__(self, optimizer, count):
        self.optimizer, self.count, self.gathered = optimizer, count, []

    def step(self, params, gradient):
        self.gathered.append(gradient)
        if len(self.gathered) == self.count:
            self.optimizer.step(params, sum(self.gathered))
            self.gathered = []


def training(learner, objective, particles, window, episodes, rate, seed):
    """Adam on θ: a curve of episodes, seconds, objective, θ."""
    theta, rng, adam = np.array(START), dg.Rng(seed), optim.Adam(rate)

    def inner(k):
        return system(objective, 10 * seed + k % 10), episode(INNER, rng, STEPS)

    return follow_episodes(
        LEARNERS[learner](particles, window), Summed(adam, window) if learner == EXACT else adam, theta, inner,
        episodes, lambda theta: [true_objective(theta, objective), *theta.tolist()], rng=rng, points=12,
    )  # fmt: skip


def grid(objective, row, rates, decays):
    """One row of the loss surface."""
    return [[float(b), 0.0, true_objective((rates[row], b), objective)] for b in decays]


def main():
    args = arguments(__doc__, "about 25 minutes", particles=20, window=10, episodes=120)
    data()
    episodes, points = (args.episodes, 21) if args.full else (1, 2)
    common = {"particles": args.particles if args.full else 2, "window": args.window, "episodes": episodes}
    tasks = [{"learner": name, "objective": o} | common for o in OBJECTIVES for name in LEARNERS
             if not (name == EXACT and o == "validation error")]  # fmt: skip
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
    for (objective, learner), group in grouped(runs, "objective", "learner").items():
        values = ends[objective, learner] = final(group, 2)
        where = np.exp(np.mean([r["curve"][-1][3:] for r in group], 0))
        rows.append([objective, learner, f"{group[0]['rate']:g}", spread(values),
                     f"{values.mean() / surfaces[objective].min():.2f}", f"{where[0]:.3f}, {where[1]:.2f}",
                     f"{final(group, 1).mean():.0f}"])  # fmt: skip
    best = ", ".join(f"{name} {s.min():.3f}" for name, s in surfaces.items())
    columns = ["objective", "estimator", "Adam", "mean over an episode", "/ optimum", "a, b", "seconds"]
    tables = [table(f"Schedules; best on a grid: {best}", columns, rows)]
    if full:
        tables.append(verdicts("Claims", [
            (f"{o}: {claim}", holds) for o, surface in surfaces.items() for claim, holds in (
                ("PES within 5 % of the grid's optimum", ends[o, "PES"].mean() < 1.05 * surface.min()),
                ("truncated ES is not", ends[o, "truncated ES"].mean() > 1.05 * surface.min()),
            )
        ]))  # fmt: skip
    return tables


def draw(runs, surfaces, a, b):
    figure, panels = axes(3, height=4)
    for ax, (objective, surface) in zip(panels, surfaces.items(), strict=False):
        heat(ax, a, b, np.log10(np.clip(surface, 1e-3, 10)).T, label="log₁₀ of the objective")
        groups = grouped([r for r in runs if r["objective"] == objective], "learner")
        for k, (name, group) in enumerate(groups.items()):
            ways(ax, group, 3, 4, name, f"C{k + 1}")
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
