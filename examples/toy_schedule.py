"""Tune a learning-rate schedule through 100 steps of SGD in two dimensions (PES, the toy problem of its code).

The inner problem is f(x) = √(x₁² + 5) - √5 + sin²(x₂) exp(-5 x₁²) + |x₂ - 100|/4 from (1, 1); its rate goes linearly
from exp(θ₁) to exp(θ₂). The objective is the sum of f over the steps. In a window of 10 steps a small rate looks best.
"""

import numpy as np
from lab import arguments, axes, curves, final, follow, grouped, heat, run, save, spread, table, verdicts, ways

from dualgrad import online, optim

STEPS, WINDOW, START = 100, 10, (-4.0, -4.0)
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


def surface(low=-8.0, high=6.0, count=281):
    """The objective on a grid: the two axes, and its values."""
    axis = np.linspace(low, high, count)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    with np.errstate(all="ignore"):
        return axis, objective(grid)


def training(learner, particles, unrolls, seed, rate=0.01):
    """Adam by so many windows of ten steps: a curve of windows, seconds, objective, θ₁, θ₂."""
    theta = np.array(START)
    source = LEARNERS[learner](particles).start(SYSTEM, theta, rng=seed)
    return follow(
        source, optim.Adam(rate, betas=(0.99, 0.999)), lambda k: (k % STEPS, None, k % STEPS == STEPS - 1), unrolls,
        lambda theta: [float(objective(theta)), *theta.tolist()], window=WINDOW,
    )  # fmt: skip


def main():
    args = arguments(__doc__, "about 15 minutes", parts=LEARNERS, particles=100, unrolls=20_000)
    unrolls = args.unrolls if args.full else min(args.unrolls, 40)
    tasks = [{"learner": name, "particles": args.particles, "unrolls": unrolls, "seed": s}
             for name in LEARNERS if name in args.only for s in range(args.seeds)]  # fmt: skip
    runs = run(training, tasks, args.jobs, "toy schedule")
    axis, values = surface(count=281 if args.full else 29)
    best = float(np.nanmin(values))
    save(args, "toy_schedule", draw(runs, axis, values), report(runs, best, args.full), runs)


def report(runs, best, full):
    rows, ends = [], {}
    for learner, group in grouped(runs, "learner").items():
        tails = np.array([r["curve"][-len(r["curve"]) // 5 :] for r in group])  # the last fifth: Adam never rests
        ends[learner], where = tails[:, :, 2].mean(1), tails[:, :, 3:].mean((0, 1))
        seconds = np.mean(final(group, 1))
        rows.append([learner, spread(ends[learner], 1), f"{ends[learner].mean() / best:.3f}",
                     f"{where[0]:.2f}, {where[1]:.2f}", f"{seconds:.0f}"])  # fmt: skip
    columns = ["estimator", "objective, last fifth", "/ optimum", "θ", "seconds"]
    title = f"Sum of losses: {objective(START):.1f} at the start, {best:.1f} on the best point of a grid"
    tables = [table(f"{title}, after {runs[0]['unrolls']:,} windows", columns, rows)]
    if full and {"PES", "truncated ES"} <= set(ends):
        tables.append(verdicts("Claims", [
            ("PES within 2 % of the optimum", np.mean(ends["PES"]) < 1.02 * best),
            ("truncated ES above 2.5 times of it", np.mean(ends["truncated ES"]) > 2.5 * best),
        ]))  # fmt: skip
    return tables


def draw(runs, axis, values):
    figure, (left, right) = axes(2, height=4.2)
    heat(left, axis, axis, np.log10(np.clip(values, 1, 1e4)).T, label="log₁₀ of the objective")
    for learner, group in grouped(runs, "learner").items():
        color = f"C{1 + list(LEARNERS).index(learner)}"
        ways(left, group, 3, 4, learner, color)
        right.plot(curves(group, 0).T, curves(group, 2).T, color=color, linewidth=1.2)
    left.set(xlabel="θ₁", ylabel="θ₂", title="the loss surface, and the ways through it")
    right.axhline(np.nanmin(values), color="gray", linewidth=1, label="optimum of the grid")
    right.set(xlabel="windows", ylabel="objective", yscale="log", title="objective")
    left.legend(fontsize=7)
    right.legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main()
