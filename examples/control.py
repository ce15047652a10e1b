"""Swing a pendulum up by partial unrolls: PES, full and truncated ES, per step of the environment (PES).

The motor is too weak to lift the pendulum at once: it must swing. The policy is linear in sin φ, cos φ, φ̇ and φ̇ cos φ;
the cost of a step is (1 - cos φ) + φ̇²/100 + torque²/1000, with φ = 0 upright. A swing takes about a second: windows of
20 steps see one, windows of 5 do not.
"""

import time

import numpy as np
from lab import arguments, at_best_rates, axes, band, final, run, save, spread, table, verdicts

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


def training(learner, window, particles, rate, env_steps, seed, points=40):
    """Adam until so many steps of the environment are spent: a curve of steps, seconds, mean cost of a step, θ."""
    theta, (source_rng, starts) = np.zeros(FEATURES), Rng(seed).spawn(2)
    source = LEARNERS[learner](particles, SIGMA, window) if window else online.EvolutionStrategies(particles, SIGMA)
    adam, curve, spent, seconds, mark = optim.Adam(rate), [], 0, 0.0, env_steps / points
    while True:
        while spent >= mark * len(curve):
            curve.append([int(mark * len(curve)), seconds, rollouts(theta)[0], *theta.tolist()])
        if spent >= env_steps:
            return curve
        started = time.perf_counter()
        source.start(system(starts), theta, rng=source_rng)
        for _ in range(HORIZON):
            estimate = source.step(None, None)
            if estimate is not None:
                adam.step(theta, estimate.gradient)
        if not window:
            adam.step(theta, source.close().gradient)
        spent += HORIZON * particles
        seconds += time.perf_counter() - started


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
        for (name, w), group in shown.items():
            if w in (window, None):
                band(ax, group, 2, name)
        ax.set(xlabel="steps of the environment", ylabel="mean cost of a step", title=f"windows of {window} steps")
        ax.set(ylim=(0.4, 2.1))
    learning[0].legend(fontsize=7)
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
