"""Meta-train a small learned optimizer (PES): an MLP of 2-8-1 that moves every parameter of a network on digits.

It sees a parameter's gradient and momentum, each over the root of an average of squares, and says how far to go:
w ← w - 0.01 MLP(g/√v, m/√v). The inner problem is 100 steps on an MLP 64-16-10, the meta-loss its mean training loss.
"""

import time

import numpy as np
from experiment import arguments, axes, band, final, run, save, spread, table, verdicts
from inner_training import Inner, batches, data, zeros_like

import dualgrad as dg
from dualgrad import online, optim

STEPS, WINDOW, SIGMA, HIDDEN, SIZES = 100, 10, 0.03, 8, (64, 16, 10)
LEARNERS = {
    "PES": lambda n: online.PersistentES(n, SIGMA, WINDOW),
    "noise-reuse ES": lambda n: online.NoiseReuseES(n, SIGMA, WINDOW),
    "ES, whole episodes": lambda n: online.EvolutionStrategies(n, SIGMA),
    "truncated ES": lambda n: online.TruncatedES(n, SIGMA, WINDOW),
}


def meta_parameters(rng):
    """A small MLP that begins near gradient descent with momentum."""
    return dg.Params({"w": 0.5 * rng.normal((2, HIDDEN)), "b": np.zeros(HIDDEN), "v": 0.1 * rng.normal((HIDDEN,))})


def move(theta, g, m, v):
    """How far a parameter goes."""
    scale = np.sqrt(v) + 1e-6
    seen = np.stack([g / scale, m / scale], -1)
    return 0.01 * (np.tanh(seen @ theta["w"] + theta["b"]) @ theta["v"])


def system(seed):
    inner = Inner(SIZES)
    weights = inner.start(seed)

    def step(state, batch, theta):
        gradient, after = inner.gradient(state["w"], batch), {"w": {}, "m": {}, "v": {}}
        for name, g in gradient.items():
            m, v = (0.9 * state["m"][name] + 0.1 * g, 0.9 * state["v"][name] + 0.1 * g * g)
            after["w"][name] = state["w"][name] - move(theta, g, m, v)
            after["m"][name], after["v"][name] = m, v
        return after

    return online.System(
        step, lambda state, batch, theta: inner.loss(state["w"], batch) / STEPS,
        {"w": weights, "m": zeros_like(weights), "v": zeros_like(weights)},
    )  # fmt: skip


def meta_loss(theta, seeds=(1000, 1001)):
    """The mean training loss over new episodes."""
    total = 0.0
    for seed in seeds:
        inner, stream = system(seed), batches(dg.Rng(seed))
        state = inner.init_state
        for _ in range(STEPS):
            batch = next(stream)
            state = inner.step(state, batch, theta)
            total += float(inner.loss(state, batch, theta)) / len(seeds)
    return total


def training(learner, particles, episodes, seed, rate=0.01, points=10):
    """Adam on the optimizer's parameters: a curve of episodes, seconds and meta-loss."""
    rng = dg.Rng(seed)
    theta, source, adam = meta_parameters(rng), LEARNERS[learner](particles), optim.Adam(rate)
    curve, seconds = [[0, 0.0, meta_loss(theta)]], 0.0
    marks = set(np.linspace(0, episodes, points + 1).astype(int)[1:].tolist())
    for episode in range(1, episodes + 1):
        started = time.perf_counter()
        source.start(system(10 * seed + episode % 10), theta, rng=rng)
        stream = batches(rng)
        for _ in range(STEPS):
            batch = next(stream)
            estimate = source.step(batch, batch)
            if estimate is not None:
                adam.step(theta, estimate.gradient)
        if learner.startswith("ES"):
            adam.step(theta, source.close().gradient)
        seconds += time.perf_counter() - started
        if episode in marks:
            curve.append([episode, seconds, meta_loss(theta)])
    return curve


def main():
    args = arguments(__doc__, "about 40 minutes", particles=10, episodes=60)
    data()
    common = {"particles": args.particles if args.full else 2, "episodes": args.episodes if args.full else 1}
    names = [name for name in LEARNERS if not args.only or name in args.only]
    tasks = [{"learner": name, "seed": s} | common for name in names for s in range(args.seeds)]
    runs = run(training, tasks, args.jobs, "learned optimizer")
    groups = {name: [r for r in runs if r["learner"] == name] for name in names}
    save(args, "learned_optimizer", draw(groups), report(groups, args.full), runs)


def report(groups, full):
    rows = [[name, spread(final(g, 2)), f"{final(g, 1).mean():.0f}", len(g)] for name, g in groups.items()]
    start = np.mean([r["curve"][0][2] for g in groups.values() for r in g])
    columns = ["estimator", "meta-loss at the end", "seconds", "seeds"]
    tables = [table(f"A learned optimizer; meta-loss {start:.3f} before training", columns, rows)]
    if full and {"PES", "truncated ES"} <= set(groups):
        pes, truncated = (final(groups[name], 2) for name in ("PES", "truncated ES"))
        tables.append(verdicts("Claims", [
            ("PES has a lower meta-loss than truncated ES", pes.mean() < truncated.mean()),
            ("and less spread over initialisations", pes.std() < truncated.std()),
        ]))  # fmt: skip
    return tables


def draw(groups):
    figure, (ax,) = axes(1, height=4)
    for name, group in groups.items():
        band(ax, group, 2, name)
    ax.set(xlabel="episodes", ylabel="meta-loss", title="training loss of the learned optimizer")
    ax.legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main()
