"""Meta-train a small learned optimizer (PES): an MLP of 2-8-1 that moves every parameter of a network on images.

It sees a parameter's gradient and momentum, each over the root of an average of squares, and says how far to go:
w ← w - 0.01 MLP(g/√v, m/√v). The meta-loss is the mean over the T steps of a training of the loss of the next batch.
The poster's inner network is an MLP on CIFAR-10, of which it gives no sizes.
"""

import numpy as np
from lab import (
    Claim,
    Row,
    Study,
    axes,
    bands,
    below,
    final,
    follow_episodes,
    grouped,
    main,
    shortest,
    spread,
    steadier,
    table,
)
from lab.inner_training import cross_entropy, episode, gradient, start, zeros_like

import dualgrad as dg
from dualgrad import online, optim

HIDDEN, WHOLE, WINDOWS = 8, "ES, whole episodes", (1, 10)
INNER = {"digits": ((16,), 50), "fashion": ((32, 32), 128)}  # hidden layers and batch
LEARNERS = {"PES": online.PersistentES, "noise-reuse ES": online.NoiseReuseES, "truncated ES": online.TruncatedES}
RATES = (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)


def meta_parameters(rng):
    """A small MLP that begins near gradient descent with momentum."""
    start = {"w": 0.5 * rng.normal((2, HIDDEN)), "b": np.zeros(HIDDEN), "v": 0.1 * rng.normal((HIDDEN,))}
    return dg.Params({name: a.astype(np.float32) for name, a in start.items()})


def move(theta, g, m, v):
    """How far a parameter goes; all of them at once, and with a leading axis those of each particle."""
    scale = np.sqrt(v) + 1e-6
    seen = np.stack([g / scale, m / scale], -1).reshape(*theta["b"].shape[:-1], -1, 2)
    return 0.01 * (np.tanh(seen @ theta["w"] + theta["b"][..., None, :]) @ theta["v"][..., None]).reshape(g.shape)


def system(data, inner, seed):
    weights = start(data, INNER[data][0], seed, np.float32)

    def step(state, x, theta):
        slopes, after = gradient(state["w"], x[1]), {"w": {}, "m": {}, "v": {}}
        for name, g in slopes.items():
            m, v = (0.9 * state["m"][name] + 0.1 * g, 0.9 * state["v"][name] + 0.1 * g * g)
            after["w"][name] = state["w"][name] - move(theta, g, m, v)
            after["m"][name], after["v"][name] = m, v
        return after

    return online.System(
        step, lambda state, batch, theta: cross_entropy(state["w"], batch) / inner,
        {"w": weights, "m": zeros_like(weights), "v": zeros_like(weights)}, batched=True,
    )  # fmt: skip


def meta_loss(theta, data, inner, seeds=(1000, 1001)):
    """The mean training loss over new episodes."""
    total = 0.0
    for seed in seeds:
        training = system(data, inner, seed)
        state = training.init_state
        for x, y in episode(data, INNER[data][1], inner, dg.Rng(seed)):
            state = training.step(state, x, theta)
            total += float(training.loss(state, y, theta)) / len(seeds)
    return total


def training(learner, window, data, inner, particles, sigma, episodes, rate, seed):
    """Adam on the optimizer's parameters: a curve of episodes, seconds and meta-loss."""
    rng = dg.Rng(seed)
    theta = meta_parameters(rng)
    learner = LEARNERS[learner](particles, sigma, window) if window else online.EvolutionStrategies(particles, sigma)

    def training_run(k):
        return system(data, inner, 10 * seed + k % 10), episode(data, INNER[data][1], inner, rng)

    return follow_episodes(
        learner, optim.Adam(rate), theta, training_run, episodes, lambda theta: [meta_loss(theta, data, inner)],
        rng=rng, points=15,
    )  # fmt: skip


# ---------------------------------------------------------------------- what is run


def rows(data, inner, particles, sigma, episodes, seeds, rates, second, **keywords):
    """``second``: the seconds of an inner step of all particles."""
    sources = [(name, window) for window in WINDOWS for name in LEARNERS] + [(WHOLE, None)]
    return tuple(
        Row({"learner": name, "window": window, "data": data, "inner": inner, "particles": particles, "sigma": sigma,
             "episodes": episodes}, seeds, rates, seconds=second * inner * episodes, **keywords)
        for name, window in sources
    )  # fmt: skip


# ---------------------------------------------------------------------- what is found


def tables(runs):
    groups, lines = grouped(runs, "data", "learner", "window"), []
    for (data, name, window), group in groups.items():
        equal = shortest([g for k, g in groups.items() if k[0] == data])
        before = np.mean([g["curve"][0][2] for g in group])
        lines.append([f"{data}, T = {group[0]['inner']:,}", name, window or "T", f"{group[0]['rate']:g}",
                      f"{before:.3f}", spread(final(group, 2)), spread(final(group, 2, equal)), deviation(group),
                      f"{np.nanmean(final(group, 1)):.0f}", len(group)])  # fmt: skip
    columns = ["inner problem", "estimator", "window", "Adam", "before", "meta-loss", "after equal seconds",
               "deviation over seeds", "seconds", "seeds"]  # fmt: skip
    return {"learned-optimizer": table("Meta-loss of a learned optimizer, before and after training", columns, lines)}


def deviation(group):
    """The standard deviation over seeds."""
    good = final(group, 2)[np.isfinite(final(group, 2))]
    return f"{np.std(good, ddof=1):.3f}" if len(good) > 1 else ""


def claims(runs):
    groups = grouped(runs, "data", "learner", "window")
    for data, window in dict.fromkeys((r["data"], r["window"]) for r in runs if r["window"]):
        pes, again, truncated = (groups.get((data, name, window), []) for name in LEARNERS)
        whole, where = groups.get((data, WHOLE, None), []), f"(windows of {window}, {data})"

        def ours(*some):
            return ", ".join(f"{np.nanmean(final(group, 2)):.3f}" for group in some if group)

        yield Claim(f"PES has a lower meta-loss than truncated ES {where}", "learned-optimizer figure",
                    ours(pes, truncated), below(pes, truncated, 2))  # fmt: skip
        yield Claim(f"... and is steadier over initialisations {where}", "learned-optimizer figure",
                    f"deviations {deviation(pes)}, {deviation(truncated)}", steadier(pes, truncated, 2))  # fmt: skip
        yield Claim(f"PES is ahead of whole episodes {where}", "", ours(pes, whole), below(pes, whole, 2))
        yield Claim(f"noise reuse is ahead of PES {where}", "", ours(again, pes), below(again, pes, 2))


def draw(runs):
    """Of the first inner problem alone."""
    groups = grouped([r for r in runs if r["data"] == runs[0]["data"]], "learner", "window")
    figure, panels = axes(len(WINDOWS), height=4)
    for ax, window in zip(panels, WINDOWS, strict=True):
        shown = {name: group for (name, w), group in groups.items() if w in (window, None)}
        title = f"windows of {window}, of {runs[0]['inner']} steps, {runs[0]['data']}"
        bands(ax, shown, 2, xlabel="episodes", ylabel="meta-loss", title=title, yscale="log")
    return figure


STUDIES = [
    Study("learned-optimizer", training, "episodes", ("meta-loss",),
          rows("digits", 100, 10, 0.03, 60, 10, RATES, 1e-3)
          + rows("fashion", 1000, 100, 0.01, 60, 10, (3e-4, 1e-3, 3e-3), 0.1, later=True),
          rows("digits", 20, 2, 0.03, 1, 1, (0.01,), 1e-3), tables, draw, claims, (2, min))
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
