"""Tune the learning-rate schedule of a network (PES): by ES, PES, and exact forward-mode hypergradients.

The inner problem is SGD with momentum 0.9 on a small MLP for T steps, at the rate a / (1 + t/T)^b; θ = (log a, log b).
A step's objective is the loss of the next batch, or the share of a validation batch that is not recognised, which has
no derivative. Hypergradients are RTRL with two parameters. Learners are compared after equal inner steps of a particle.
"""

import time

import numpy as np
from lab import (
    Claim,
    Row,
    Study,
    axes,
    below,
    final,
    follow_episodes,
    grouped,
    heat,
    legend_below,
    main,
    over,
    shortest,
    spread,
    table,
    under,
    ways,
)
from lab.inner_training import cross_entropy, episode, errors, gradient, start, zeros_like

import dualgrad as dg
from dualgrad import online, optim

EXACT, WHOLE, GRID = "RTRL (exact)", "ES, whole episodes", "grid"
LOSS, ERROR = OBJECTIVES = "training loss", "validation error"
INNER = {"digits": ((32,), 50, (0.003, 3.0)), "fashion": ((100, 100), 100, (0.003, 30.0))}  # hidden, batch, a and b
LEARNERS = {
    "PES": online.PersistentES,
    "truncated ES": online.TruncatedES,
    WHOLE: lambda particles, sigma, window: online.EvolutionStrategies(particles, sigma),
    EXACT: lambda particles, sigma, window: online.RTRL(),
}
RATES = (0.002, 0.006, 0.02, 0.06, 0.2, 0.6)


def system(objective, data, inner, seed):
    """SGD with momentum; ``x`` is a step's number and its batch, ``y`` the batch on which it is judged."""
    weights = start(data, INNER[data][0], seed)

    def step(state, x, theta):
        t, batch = x
        rate = np.exp(theta[..., 0]) / (1 + t / inner) ** np.exp(theta[..., 1])
        rates = {"bias": rate[..., None], "weight": rate[..., None, None]}
        m = {name: 0.9 * state["m"][name] + g for name, g in gradient(state["w"], batch).items()}
        return {"w": {name: state["w"][name] - rates[name.split(".")[1]] * m[name] for name in m}, "m": m}

    def loss(state, batch, theta):
        return (cross_entropy if objective == LOSS else errors)(state["w"], batch)

    return online.System(step, loss, {"w": weights, "m": zeros_like(weights)}, batched=True)


def batches_of(objective, data, inner, rng):
    return episode(data, INNER[data][1], inner, rng, validated=objective == ERROR)


def true_objective(theta, objective, data, inner, episodes=5):
    """The mean over episodes of weights and batches of their own, at one θ or a batch; NaN where it diverges."""
    total = 0.0
    for seed in range(1000, 1000 + episodes):
        problem = system(objective, data, inner, seed)
        state = problem.init_state
        for x, y in batches_of(objective, data, inner, dg.Rng(seed)):
            state = problem.step(state, x, theta)
            total = total + np.asarray(problem.loss(state, y, theta), float)
    return np.where(np.isfinite(total), total / inner / episodes, np.nan)


class Summed:
    """An optimizer that takes the sum of every so many gradients for one: a window's, as the others have it."""

    def __init__(self, optimizer, count):
        self.optimizer, self.count, self.gathered = optimizer, count, []

    def step(self, params, gradient):
        self.gathered.append(gradient)
        if len(self.gathered) == self.count:
            self.optimizer.step(params, sum(self.gathered))
            self.gathered = []


def training(learner, objective, data, inner, particles, steps, seed, sigma=None, window=None, rate=None):
    """Adam on θ for so many inner steps of a particle: steps, seconds, objective, its mean over three points, θ."""
    if learner == GRID:
        return surface(objective, data, inner, particles, steps // inner)
    theta, rng, adam, found = np.log(INNER[data][2]), dg.Rng(seed), optim.Adam(rate), []

    def evaluate(theta):
        found.append(float(true_objective(theta, objective, data, inner)))
        return [found[-1], float(np.mean(found[-3:])), *theta.tolist()]

    def training_run(k):
        return system(objective, data, inner, 10 * seed + k % 10), batches_of(objective, data, inner, rng)

    learner, adam = LEARNERS[learner](particles, sigma, window), Summed(adam, window) if learner == EXACT else adam
    curve = follow_episodes(
        learner, adam, theta, training_run, -(-steps // inner), evaluate, rng=rng, points=12,
    )  # fmt: skip
    return [[episodes * inner, *row] for episodes, *row in curve]


def surface(objective, data, inner, points, episodes):
    """The objective on a grid, and its best point in the place of a curve."""
    a, b = (np.linspace(np.log(low), np.log(high), points) for low, high in ((1e-3, 3.0), (0.1, 30.0)))
    began = time.process_time()
    rows = [np.stack(np.broadcast_arrays(one, b), -1) for one in a]
    values = np.stack([true_objective(row, objective, data, inner, episodes) for row in rows])
    k, j = np.unravel_index(np.nanargmin(values), values.shape)
    end = [inner * episodes, time.process_time() - began, values[k, j], values[k, j], a[k], b[j]]
    return {"curve": [end], "a": a, "b": b, "surface": values}


# ---------------------------------------------------------------------- what is run


def rows(learners, data, inner, particles, steps, points, seeds, rates, second, windows=(10,), **keywords):
    """``second``: the seconds of an inner step of a particle, in which lengths are told: the code's are 50,000 steps of
    1,000 particles."""
    common = {"data": data, "inner": inner}
    found = [Row({"learner": GRID, "objective": o, **common, "particles": points, "steps": 5 * inner}, 1,
                 seconds=second * points**2 * 5 * inner, **keywords) for o in OBJECTIVES]  # fmt: skip
    return tuple(found) + tuple(
        Row({"learner": name, "objective": o, **common, "particles": particles, "sigma": 0.1, "window": window,
             "steps": steps}, seeds, rates, paper=5e7 / particles, seconds=second * particles * steps, **keywords)
        for o in OBJECTIVES for window in windows for name in learners if (name, o) != (EXACT, ERROR)
    )  # fmt: skip


# ---------------------------------------------------------------------- what is found


def split(runs):
    """Runs by data, objective, window and learner, and the surfaces by data and objective."""
    learnt = grouped([r for r in runs if r["learner"] != GRID], "data", "objective", "window", "learner")
    return learnt, {(r["data"], r["objective"]): r for r in runs if r["learner"] == GRID}


def best_of(surfaces, problem):
    return surfaces[problem]["curve"][-1][2] if problem in surfaces else np.nan


def tables(runs):
    groups, surfaces = split(runs)
    lines = []
    for (data, objective, window, learner), group in groups.items():
        equal = shortest([g for k, g in groups.items() if k[:3] == (data, objective, window)])
        values, where = final(group, 3), [np.exp(np.nanmean(final(group, column))) for column in (4, 5)]
        lines.append([
            f"{data}, T = {group[0]['inner']:,}", objective, window, learner, f"{group[0]['rate']:g}", spread(values),
            f"{np.nanmean(values) / best_of(surfaces, (data, objective)):.2f}", spread(final(group, 3, equal)),
            f"{where[0]:.3f}, {where[1]:.2f}", f"{np.nanmean(final(group, 1)):.0f}", len(group),
        ])  # fmt: skip
    columns = ["inner problem", "objective", "window", "estimator", "Adam", "objective, last quarter",
               "/ best of a grid", "after equal seconds", "a, b", "seconds", "seeds"]  # fmt: skip
    best = ", ".join(f"{best_of(surfaces, k):.3f} ({k[0]}, {k[1]})" for k in surfaces)
    return {"learning-rate-schedule": table(f"After equal inner steps; best of a grid: {best}", columns, lines)}


def claims(runs):
    groups, surfaces = split(runs)
    for data, objective, window in {k[:3]: None for k in groups}:
        pes, truncated, exact, whole = (
            groups.get((data, objective, window, name), []) for name in ("PES", "truncated ES", EXACT, WHOLE)
        )
        inner = next(r["inner"] for r in runs if r["data"] == data)
        best, where = best_of(surfaces, (data, objective)), f"({objective}, {data}, T = {inner:,}, windows of {window})"

        def ours(*some, at=None):
            return ", ".join(spread(final(group, 3, at)).split(" ±")[0] for group in some if group)

        yield Claim(f"PES finds the schedule: within 5 % of the best of a grid {where}", "hyperparameter figure",
                    f"{ours(pes)}, {best:.3f}", under(pes, 3, 1.05 * best))  # fmt: skip
        yield Claim(f"... truncated ES does not {where}", "hyperparameter figure", f"{ours(truncated)}, {best:.3f}",
                    over(truncated, 3, 1.05 * best))  # fmt: skip
        yield Claim(f"... and ends above PES {where}", "hyperparameter figure", ours(pes, truncated),
                    below(pes, truncated, 3))  # fmt: skip
        yield Claim(f"PES is ahead of whole episodes, after equal steps {where}", "", ours(pes, whole),
                    below(pes, whole, 3))  # fmt: skip
        if objective == LOSS:
            yield Claim(f"smoothing helps: PES ends below exact hypergradients, after equal steps {where}",
                        "said, no figure", ours(pes, exact), below(pes, exact, 3))  # fmt: skip
            if pes and exact:
                at = shortest([pes, exact])
                yield Claim(f"... and at equal time {where}", "said, no figure", ours(pes, exact, at=at),
                            below(pes, exact, 3, at=at))  # fmt: skip


def draw(runs):
    """Of the first inner problem alone: its surfaces, and a way down through them."""
    groups, surfaces = split(runs)
    figure, panels = axes(3, height=4)
    data = runs[0]["data"]
    for ax, objective in zip(panels, OBJECTIVES, strict=False):
        if found := surfaces.get((data, objective)):
            values = np.log10(np.clip(np.array(found["surface"], dtype=float), 1e-3, 10)).T
            heat(ax, found["a"], found["b"], values, label="log₁₀ of the objective")
            ax.set(xlim=(found["a"][0], found["a"][-1]), ylim=(found["b"][0], found["b"][-1]))
        for k, name in enumerate(LEARNERS):
            ways(ax, groups.get((data, objective, runs[0].get("window", 10), name), []), 4, 5, name, f"C{k + 1}")
        ax.set(xlabel="log a", ylabel="log b", title=f"{objective}, {data}")
    legend_below(panels[0])
    if found := surfaces.get((data, ERROR)):
        draw_cut(panels[2], np.array(found["a"]), np.array(found["b"]), np.array(found["surface"], dtype=float))
    return figure


def draw_cut(ax, a, b, values):
    """The objective against log a near b = 3, and smoothed."""
    cut = np.nan_to_num(np.clip(values[:, int(np.argmin(np.abs(b - np.log(3))))], 0, 1), nan=1)
    ax.plot(a, cut, "o-", label="validation error", linewidth=1)
    for sigma in (0.1, 0.5):
        kernel = np.exp(-(((a[:, None] - a) / sigma) ** 2) / 2)
        ax.plot(a, kernel / kernel.sum(1, keepdims=True) @ cut, label=f"smoothed, σ = {sigma:g}", linewidth=1.6)
    ax.set(xlabel="log a", yscale="log", title="error at b = 3, smoothed")
    legend_below(ax, columns=1)


STUDIES = [
    Study("learning-rate-schedule", training, "steps", ("objective", "over the last quarter", "log a", "log b"),
          rows(LEARNERS, "digits", 200, 20, 24_000, 21, 3, RATES, 7e-5)
          + rows(("PES", "truncated ES"), "fashion", 5000, 1000, 50_000, 21, 3, (0.01,), 2.1e-3, (10, 100), later=True),
          rows(LEARNERS, "digits", 10, 2, 20, 2, 1, (0.1,), 1e-3), tables, draw, claims,
          (3, min))
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
