"""Meta-train a small learned optimizer (PES): an MLP of 2-8-1 that moves every parameter of a network on digits.

It sees a parameter's gradient and momentum, each over the root of an average of squares, and says how far to go:
w ← w - 0.01 MLP(g/√v, m/√v). The inner problem is 100 steps on an MLP 64-16-10, the meta-loss the mean over its steps
of the loss of the next batch.
"""

import numpy as np
from lab import arguments, at_best_rates, axes, bands, final, follow_episodes, run, save, spread, table, verdicts
from lab.inner_training import data, episode, start, zeros_like

import dualgrad as dg
from dualgrad import nn, online, optim

STEPS, SIGMA, HIDDEN = 100, 0.03, 8
OBJECTIVE = nn.Objective(nn.networks.mlp([64, 16, 10]), nn.cross_entropy)
WHOLE, WINDOWS, RATES = "ES, whole episodes", (1, 10), [0.003, 0.01, 0.03]
LEARNERS = {"PES": online.PersistentES, "noise-reuse ES": online.NoiseReuseES, "truncated ES": online.TruncatedES}


def meta_parameters(rng):
    """A small MLP that begins near gradient descent with momentum."""
    return dg.Params({"w": 0.5 * rng.normal((2, HIDDEN)), "b": np.zeros(HIDDEN), "v": 0.1 * rng.normal((HIDDEN,))})


def move(theta, g, m, v):
    """How far a parameter goes."""
    scale = np.sqrt(v) + 1e-6
    seen = np.stack([g / scale, m / scale], -1)
    return 0.01 * (np.tanh(seen @ theta["w"] + theta["b"]) @ theta["v"])


def system(seed):
    weights = start(OBJECTIVE.model, seed)

    def step(state, x, theta):
        _, batch = x
        (_, gradient), after = batch.vjp(state["w"]), {"w": {}, "m": {}, "v": {}}
        for name, g in gradient.items():
            m, v = (0.9 * state["m"][name] + 0.1 * g, 0.9 * state["v"][name] + 0.1 * g * g)
            after["w"][name] = state["w"][name] - move(theta, g, m, v)
            after["m"][name], after["v"][name] = m, v
        return after

    return online.System(
        step, lambda state, batch, theta: batch(state["w"]) / STEPS,
        {"w": weights, "m": zeros_like(weights), "v": zeros_like(weights)},
    )  # fmt: skip


def meta_loss(theta, seeds=(1000, 1001)):
    """The mean training loss over new episodes."""
    total = 0.0
    for seed in seeds:
        inner = system(seed)
        state = inner.init_state
        for x, y in episode(OBJECTIVE, dg.Rng(seed), STEPS):
            state = inner.step(state, x, theta)
            total += float(inner.loss(state, y, theta)) / len(seeds)
    return total


def training(learner, window, particles, episodes, rate, seed):
    """Adam on the optimizer's parameters: a curve of episodes, seconds and meta-loss."""
    rng = dg.Rng(seed)
    theta = meta_parameters(rng)
    learner = LEARNERS[learner](particles, SIGMA, window) if window else online.EvolutionStrategies(particles, SIGMA)

    def inner(k):
        return system(10 * seed + k % 10), episode(OBJECTIVE, rng, STEPS)

    return follow_episodes(
        learner, optim.Adam(rate), theta, inner, episodes, lambda theta: [meta_loss(theta)], rng=rng, points=15
    )


def main():
    args = arguments(__doc__, "about 15 minutes", particles=10, episodes=60)
    data()
    common = {"particles": args.particles if args.full else 2, "episodes": args.episodes if args.full else 1}
    sources = [(name, window) for window in WINDOWS for name in LEARNERS] + [(WHOLE, None)]
    tasks = [{"learner": name, "window": window, "rate": rate, "seed": s} | common for name, window in sources
             for rate in (RATES if args.full else RATES[1:2]) for s in range(args.seeds)]  # fmt: skip
    runs = run(training, tasks, args.jobs, "learned optimizer")
    groups = at_best_rates(runs, 2, "learner", "window")
    save(args, "learned_optimizer", draw(groups), report(groups, args.full), runs)


def report(groups, full):
    rows = [[name, window or STEPS, f"{g[0]['rate']:g}", spread(final(g, 2)), f"{final(g, 1).mean():.0f}"]
            for (name, window), g in groups.items()]  # fmt: skip
    start = np.mean([r["curve"][0][2] for g in groups.values() for r in g])
    columns = ["estimator", "window", "Adam", "meta-loss at the end", "seconds"]
    tables = [table(f"A learned optimizer; meta-loss {start:.3f} before training", columns, rows)]
    if full:
        ends = {source: final(g, 2) for source, g in groups.items()}
        tables.append(verdicts("Claims", [
            (f"windows of {w}: {claim}", holds) for w in WINDOWS
            for pes, truncated in [(ends["PES", w], ends["truncated ES", w])] for claim, holds in (
                ("PES has a lower meta-loss than truncated ES", pes.mean() < truncated.mean()),
                ("and less spread over initialisations", pes.std() < truncated.std()),
            )
        ]))  # fmt: skip
    return tables


def draw(groups):
    figure, panels = axes(len(WINDOWS), height=4)
    for ax, window in zip(panels, WINDOWS, strict=True):
        shown = {name: group for (name, w), group in groups.items() if w in (window, None)}
        bands(ax, shown, 2, xlabel="episodes", ylabel="meta-loss", title=f"windows of {window}, of {STEPS} steps")
        ax.set_yscale("log")
    return figure


if __name__ == "__main__":
    main()
