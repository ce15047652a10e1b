"""Swing a pendulum up by partial unrolls: PES, full and truncated ES, per step of the environment (PES).

The motor is too weak to lift the pendulum at once: it must swing. The policy is linear in sin φ, cos φ, φ̇ and φ̇ cos φ;
the cost of a step is (1 - cos φ) + φ̇²/100 + torque²/1000, with φ = 0 upright. A swing takes about a second: windows of
20 steps see one, windows of 5 do not.
"""

from itertools import repeat

import numpy as np
from lab import arguments, at_best_rates, axes, bands, final, follow_episodes, run, save, spread, table, verdicts

from dualgrad import Rng, online, optim

HORIZON, DT, TORQUE, FEATURES, SIGMA = 200, 0.05, 2.0, 4, 0.3
WHOLE, WINDOWS, RATES = "ES, whole episodes", (5, 20), [0.01, 0.03, 0.1, 0.3, 1.0]
LEARNERS = {"PES": online.PersistentES, "noise-reuse ES": online.NoiseReuseES, "truncated ES": online.TruncatedES}


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


def training(learner, window, particles, rate, env_steps, seed):
    """Adam until so many steps of the environment are spent: a curve of steps, seconds, mean cost of a step, θ."""
    theta, (rng, starts), spent = np.zeros(FEATURES), Rng(seed).spawn(2), HORIZON * particles  # by an episode
    learner = LEARNERS[learner](particles, SIGMA, window) if window else online.EvolutionStrategies(particles, SIGMA)
    curve = follow_episodes(
        learner, optim.Adam(rate), theta, lambda k: (system(starts), repeat((None, None), HORIZON)),
        -(-env_steps // spent), lambda theta: [rollouts(theta)[0], *theta.tolist()], rng=rng, points=40,
    )  # fmt: skip
    return [[episodes * spent, *row] for episodes, *row in curve]


def main():
    args = arguments(__doc__, "about 10 minutes", particles=20)
    common = {"particles": args.particles, "env_steps": 2_000_000 if args.full else 8000}
    rates = RATES if args.full else RATES[2:3]
    sources = [(name, window) for window in WINDOWS for name in LEARNERS] + [(WHOLE, None)]
    tasks = [{"learner": n, "window": w, "rate": r, "seed": s} | common
             for n, w in sources for r in rates for s in range(args.seeds)]  # fmt: skip
    runs = run(training, tasks, args.jobs, "pendulum")
    shown = at_best_rates(runs, 2, "learner", "window")
    save(args, "control", draw(shown), report(shown, args.full), runs)


def quarter(group):
    """The costs after a quarter of the steps."""
    return np.array([r["curve"][len(r["curve"]) // 4][2] for r in group])


def report(shown, full):
    rows = [[name, window or HORIZON, f"{group[0]['rate']:g}", spread(quarter(group)), spread(final(group, 2))]
            for (name, window), group in shown.items()]  # fmt: skip
    columns = ["estimator", "window", "rate", "cost after a quarter", "cost at the end"]
    still = rollouts(np.zeros(FEATURES))[0]
    tables = [table(f"Mean cost of a step; {still:.3f} without torque", columns, rows)]
    if full:
        end, early = ({source: f(g).mean() for source, g in shown.items()} for f in (lambda g: final(g, 2), quarter))
        whole = WHOLE, None
        for window in WINDOWS:
            pes, truncated = ("PES", window), ("truncated ES", window)
            tables.append(verdicts(f"Claims, windows of {window} steps", [
                ("PES reaches within 10 % what whole episodes reach", end[pes] < 1.1 * end[whole]),
                ("and has less cost after a quarter of the steps", early[pes] < early[whole]),
                ("truncated ES ends above both", end[truncated] > 1.1 * max(end[pes], end[whole])),
            ]))  # fmt: skip
    return tables


def draw(shown):
    figure, (*learning, height, swing) = axes(4, height=3.8, columns=2)
    for ax, window in zip(learning, WINDOWS, strict=True):
        groups = {name: group for (name, w), group in shown.items() if w in (window, None)}
        bands(ax, groups, 2, xlabel="steps of the environment", ylabel="mean cost of a step", ylim=(0.4, 2.1))
        ax.set_title(f"windows of {window} steps")
    for name, window in [*((name, WINDOWS[0]) for name in LEARNERS), (WHOLE, None)]:
        angles = np.array(rollouts(best_policy(shown[name, window]))[1])
        height.plot(np.arange(HORIZON) * DT, np.cos(angles), label=name)
    height.set(xlabel="seconds", ylabel="height, cos φ", title=f"the best of each, windows of {WINDOWS[0]}")
    (best, window), group = min(shown.items(), key=lambda item: final(item[1], 2).mean())
    angles = np.array(rollouts(best_policy(group))[1])[:80:2]
    for k, angle in enumerate(angles):
        swing.plot([0, np.sin(angle)], [0, np.cos(angle)], color=f"{0.9 - 0.9 * k / len(angles):.2f}", linewidth=1.5)
    swing.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    swing.set_title(f"{best}, windows of {window or HORIZON}: light to dark")
    return figure


def best_policy(group):
    return np.array(min((r["curve"][-1] for r in group), key=lambda row: row[2])[3:])


if __name__ == "__main__":
    main()
