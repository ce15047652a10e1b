"""Swing a pendulum up by partial unrolls: PES, full and truncated ES, per step of the environment (PES).

The motor is too weak to lift the pendulum at once: it must swing. The policy is linear in sin φ, cos φ, φ̇ and φ̇ cos φ;
the cost of a step is (1 - cos φ) + φ̇²/100 + torque²/1000, with φ = 0 upright.
"""

import time

import numpy as np
from experiment import arguments, axes, final, grouped, run, save, spread, table, verdicts

from dualgrad import Rng, online, optim

HORIZON, WINDOW, DT, TORQUE, FEATURES = 200, 20, 0.05, 2.0, 4
LEARNERS = {
    "PES": lambda n, s: online.PersistentES(n, s, WINDOW),
    "noise-reuse ES": lambda n, s: online.NoiseReuseES(n, s, WINDOW),
    "truncated ES": lambda n, s: online.TruncatedES(n, s, WINDOW),
    "ES, whole episodes": online.EvolutionStrategies,
}
RATES = [0.03, 0.1, 0.3]


def torque(state, theta):
    """A linear policy, limited to what the motor can give."""
    angle, speed = state[..., 0], state[..., 1]
    seen = np.stack([np.sin(angle), np.cos(angle), speed, speed * np.cos(angle)], -1)
    return np.clip(np.sum(theta * seen, -1), -TORQUE, TORQUE)


def step(state, x, theta):
    """Semi-implicit Euler: φ̈ = (3/2) g sin φ / l + 3 torque / (m l²) with g = 10, l = m = 1, as gym's Pendulum."""
    speed = np.clip(state[..., 1] + DT * (15 * np.sin(state[..., 0]) + 3 * torque(state, theta)), -8, 8)
    return np.stack([state[..., 0] + DT * speed, speed], -1)


def cost(state, y, theta):
    return 1 - np.cos(state[..., 0]) + state[..., 1] ** 2 / 100 + torque(state, theta) ** 2 / 1000


def system(rng):
    """The pendulum, hanging almost still."""
    start = np.array([np.pi, 0.0]) + 0.1 * rng.normal(2)
    return online.System(step, cost, start, batched=True)


def rollouts(theta, count=50, seed=1000):
    """The mean cost of a step over episodes from starts of their own; and the angles of one."""
    rng = Rng(seed)
    state = np.array([np.pi, 0.0]) + 0.1 * rng.normal((count, 2))
    total, angles = 0.0, []
    for _ in range(HORIZON):
        state = step(state, None, theta)
        total += float(np.mean(cost(state, None, theta)))
        angles.append(float(state[0, 0]))
    return total / HORIZON, angles


def training(learner, particles, sigma, rate, env_steps, seed, points=40):
    """Adam until so many steps of the environment are spent: a curve of steps, seconds, mean cost of a step."""
    theta, (source_rng, starts) = np.zeros(FEATURES), Rng(seed).spawn(2)
    source, adam = LEARNERS[learner](particles, sigma), optim.Adam(rate)
    curve, spent, seconds, mark = [[0, 0.0, rollouts(theta)[0]]], 0, 0.0, env_steps / points
    while spent < env_steps:
        started = time.perf_counter()
        source.start(system(starts), theta, rng=source_rng)
        for _ in range(HORIZON):
            estimate = source.step(None, None)
            if estimate is not None:
                adam.step(theta, estimate.gradient)
        if learner.startswith("ES"):
            adam.step(theta, source.close().gradient)
        spent += HORIZON * particles
        seconds += time.perf_counter() - started
        while spent >= mark * len(curve):
            curve.append([int(mark * len(curve)), seconds, rollouts(theta)[0]])
    return {"curve": curve, "theta": theta.tolist()}


def main():
    args = arguments(__doc__, "about 10 minutes", particles=20)
    env_steps = 2_000_000 if args.full else 8000
    common = {"particles": args.particles, "sigma": 0.3, "env_steps": env_steps}
    names = [name for name in LEARNERS if not args.only or name in args.only]
    rates = RATES if args.full else RATES[1:2]
    tasks = [{"learner": n, "rate": r, "seed": s} | common for n in names for r in rates for s in range(args.seeds)]
    runs = [r | r["curve"] for r in run(training, tasks, args.jobs, "pendulum")]
    best = {}
    for (name, rate), group in grouped(runs, "learner", "rate").items():
        score = final(group, 2).mean()
        if name not in best or score < best[name][0]:
            best[name] = score, rate
    shown = {name: [r for r in runs if (r["learner"], r["rate"]) == (name, rate)] for name, (_, rate) in best.items()}
    save(args, "control", draw(shown), report(shown, args.full), runs)


def report(shown, full):
    rows, still = [], rollouts(np.zeros(FEATURES))[0]
    for name, group in shown.items():
        half = np.array([r["curve"][len(r["curve"]) // 4][2] for r in group])
        rows.append([name, f"{group[0]['rate']:g}", spread(half), spread(final(group, 2)), len(group)])
    columns = ["estimator", "rate", "cost after a quarter", "cost at the end", "seeds"]
    tables = [table(f"Mean cost of a step; {still:.3f} without torque", columns, rows)]
    if full and {"PES", "truncated ES", "ES, whole episodes"} <= set(shown):
        end = {name: final(group, 2).mean() for name, group in shown.items()}
        quarter = {name: np.mean([r["curve"][len(r["curve"]) // 4][2] for r in g]) for name, g in shown.items()}
        tables.append(verdicts("Claims", [
            ("PES reaches what whole episodes reach", end["PES"] < end["ES, whole episodes"] * 1.1),
            ("and in fewer steps of the environment", quarter["PES"] < quarter["ES, whole episodes"]),
            ("truncated ES does not", end["truncated ES"] > 1.1 * end["PES"]),
        ]))  # fmt: skip
    return tables


def draw(shown):
    figure, (left, middle, right) = axes(3, height=3.8)
    for name, group in shown.items():
        rows = np.array([r["curve"] for r in group])
        (line,) = left.plot(rows[0, :, 0], rows[:, :, 2].mean(0), label=name)
        left.fill_between(rows[0, :, 0], rows[:, :, 2].min(0), rows[:, :, 2].max(0), color=line.get_color(), alpha=0.15)
        best = min(group, key=lambda r: r["curve"][-1][2])
        angles = np.array(rollouts(np.array(best["theta"]))[1])
        middle.plot(np.arange(HORIZON) * DT, np.cos(angles), color=line.get_color())
    left.set(xlabel="steps of the environment", ylabel="mean cost of a step", title="learning")
    left.legend(fontsize=7)
    middle.set(xlabel="seconds", ylabel="height, cos φ", title="the best seed of each, from rest")
    best = min((r for group in shown.values() for r in group), key=lambda r: r["curve"][-1][2])
    angles = np.array(rollouts(np.array(best["theta"]))[1])[::4]
    for k, angle in enumerate(angles):
        right.plot([0, np.sin(angle)], [0, np.cos(angle)], color=f"{0.9 - 0.9 * k / len(angles):.2f}", linewidth=1.5)
    right.set(
        aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), title=f"the swing of {best['learner']}, light to dark"
    )
    return figure


if __name__ == "__main__":
    main()
