"""Tune a learning-rate schedule through 100 steps of SGD in two dimensions (PES, the toy problem of its code).

The inner problem is f(x) = √(x₁² + 5) - √5 + sin²(x₂) exp(-5 x₁²) + |x₂ - 100|/4 from (1, 1); its rate goes linearly
from exp(θ₁) to exp(θ₂). The objective is the sum of f over the steps. In a window of 10 steps a small rate looks best.
"""

from functools import lru_cache

import numpy as np
from lab import (
    Claim,
    Row,
    Study,
    alike,
    axes,
    below,
    curves,
    final,
    follow,
    grouped,
    heat,
    legend_below,
    main,
    over,
    shortest,
    spread,
    table,
    together,
    under,
    ways,
)

from dualgrad import online, optim

STEPS, WINDOW, START = 100, 10, (-4.0, -4.0)
CODE = "the authors' code; not on the poster"
LEARNERS = {
    "PES": lambda n: online.PersistentES(n, 0.3, WINDOW),
    "noise-reuse ES": lambda n: online.NoiseReuseES(n, 0.3, WINDOW),
    "truncated ES": lambda n: online.TruncatedES(n, 0.3, WINDOW),
    "truncated ES, σ = 1": lambda n: online.TruncatedES(n, 1.0, WINDOW),
    "ES, whole episodes": lambda n: online.EvolutionStrategies(n, 0.3),
}


def f(x):
    """The inner objective, of one point or of a batch."""
    a, b = x[..., 0], x[..., 1]
    return np.sqrt(a**2 + 5) - np.sqrt(5) + np.sin(b) ** 2 * np.exp(-5 * a**2) + 0.25 * np.abs(b - 100)


def slope(x):
    """∇f."""
    a, b = x[..., 0], x[..., 1]
    bump = np.exp(-5 * a**2)
    along = a / np.sqrt(a**2 + 5) - 10 * a * np.sin(b) ** 2 * bump
    return np.stack([along, np.sin(2 * b) * bump + 0.25 * np.sign(b - 100)], -1)


def step(x, t, theta):
    rate = np.exp(theta[..., :1]) * (STEPS - t) / STEPS + np.exp(theta[..., 1:]) * t / STEPS
    return x - rate * slope(x)


SYSTEM = online.System(step, lambda x, y, theta: f(x), np.ones(2), batched=True)


def objective(theta):
    """The sum of f over all steps, at one θ or a batch."""
    theta = np.asarray(theta)
    x, total = np.ones((*theta.shape[:-1], 2)), 0.0
    for t in range(STEPS):
        x = step(x, t, theta)
        total = total + f(x)
    return total


@lru_cache
def surface(low=-8.0, high=6.0, count=281):
    """The objective on a grid: the two axes, and its values."""
    axis = np.linspace(low, high, count)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    with np.errstate(all="ignore"):
        return axis, objective(grid)


def training(learner, particles, windows, seed, rate=0.01, points=50):
    """Adam by so many windows of ten steps: a curve of windows, seconds, objective, its mean over the last fifth, θ."""
    theta, found = np.array(START), []
    source = LEARNERS[learner](particles).start(SYSTEM, theta, rng=seed)

    def evaluate(theta):
        found.append(float(objective(theta)))
        return [found[-1], float(np.mean(found[-points // 5 :])), *theta.tolist()]

    return follow(
        source, optim.Adam(rate, betas=(0.99, 0.999)), lambda k: (k % STEPS, None, k % STEPS == STEPS - 1), windows,
        evaluate, window=WINDOW, points=points,
    )  # fmt: skip


# ---------------------------------------------------------------------- what is run and what is found


def rows(particles, windows, seeds):
    return tuple(
        Row(
            {"learner": name, "particles": particles, "windows": windows}, seeds, paper=20_000, seconds=1.3e-3 * windows
        )
        for name in LEARNERS
    )


def tables(runs):
    groups, best, lines = grouped(runs, "learner"), np.nanmin(surface()[1]), []
    equal = shortest(groups.values())
    for learner, group in groups.items():
        ends, where = final(group, 3), [np.mean(final(group, column)) for column in (4, 5)]
        lines.append([learner, spread(ends, 1), f"{np.mean(ends) / best:.3f}", spread(final(group, 3, equal), 1),
                      f"{where[0]:.2f}, {where[1]:.2f}", f"{np.mean(final(group, 1)):.0f}", len(group)])  # fmt: skip
    columns = ["estimator", "objective", "/ optimum", f"after {equal:.0f} s", "θ", "seconds", "seeds"]
    title = f"Sum of losses: {objective(START):.1f} at the start, {best:.1f} on the best point of a grid"
    return {
        "toy-schedule": table(f"{title}; mean over the last fifth of {runs[0]['windows']:,} windows", columns, lines)
    }


def claims(runs):
    groups, best = grouped(runs, "learner"), float(np.nanmin(surface()[1]))
    pes, truncated, wide, whole, again = (
        groups.get(name, [])
        for name in ("PES", "truncated ES", "truncated ES, σ = 1", "ES, whole episodes", "noise-reuse ES")
    )

    def times(*some):
        return ", ".join(f"{np.mean(final(group, 3)) / best:.3f}" for group in some if group) + " of the optimum"

    return [
        Claim("PES finds the schedule: within 2 % of the best point of a grid", CODE, times(pes),
              under(pes, 3, 1.02 * best)),
        Claim("truncated ES does not: above 2.5 times of it, at either σ", CODE,
              times(truncated, wide), together(over(truncated, 3, 2.5 * best), over(wide, 3, 2.5 * best))),
        Claim("PES is ahead of whole episodes, after equal steps", "", times(pes, whole), below(pes, whole, 3)),
        Claim("PES and noise reuse are alike, within 1 % of the optimum", "", times(pes, again),
              alike(pes, again, 3, 0.01 * best)),
    ]  # fmt: skip


def draw(runs):
    figure, (left, right) = axes(2, height=4.2)
    axis, values = surface()
    heat(left, axis, axis, np.log10(np.clip(values, 1, 1e4)).T, label="log₁₀ of the objective")
    for learner, group in grouped(runs, "learner").items():
        color = f"C{1 + list(LEARNERS).index(learner)}"
        ways(left, group, 4, 5, learner, color)
        right.plot(curves(group, 0).T, curves(group, 2).T, color=color, linewidth=1.2)
    left.set(xlabel="θ₁", ylabel="θ₂", title="the loss surface, and the ways through it")
    right.axhline(np.nanmin(values), color="gray", linewidth=1, label="optimum of the grid")
    right.set(xlabel="windows", ylabel="objective", yscale="log", title="objective")
    legend_below(left)
    legend_below(right)
    return figure


STUDIES = [
    Study("toy-schedule", training, "windows", ("objective", "over the last fifth", "θ₁", "θ₂"), rows(100, 20_000, 3),
          rows(20, 40, 1), tables, draw, claims)
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
