"""Swing a pendulum up by partial unrolls: PES, full and truncated ES, per step of the environment (PES).

The motor is too weak to lift the pendulum at once: it must swing. The policy is linear in sin φ, cos φ, φ̇ and φ̇ cos φ;
the cost of a step is (1 - cos φ) + φ̇²/100 + torque²/1000, with φ = 0 upright. A swing takes about a second: windows of
20 steps see one, windows of 5 do not. It says nothing of the poster's Swimmer, which needs MuJoCo.
"""

from itertools import repeat

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
    table,
    together,
)

from dualgrad import Rng, online, optim

HORIZON, DT, TORQUE, FEATURES = 200, 0.05, 2.0, 4
WHOLE, WINDOWS, RATES = "ES, whole episodes", (5, 20), (0.01, 0.03, 0.1, 0.3, 1.0)
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


def training(learner, window, particles, sigma, steps, rate, seed):
    """Adam until so many steps of the environment are spent: a curve of steps, seconds, mean cost of a step, θ."""
    theta, (rng, starts), spent = np.zeros(FEATURES), Rng(seed).spawn(2), HORIZON * particles  # by an episode
    learner = LEARNERS[learner](particles, sigma, window) if window else online.EvolutionStrategies(particles, sigma)
    curve = follow_episodes(
        learner, optim.Adam(rate), theta, lambda k: (system(starts), repeat((None, None), HORIZON)),
        -(-steps // spent), lambda theta: [rollouts(theta)[0], *theta.tolist()], rng=rng, points=40,
    )  # fmt: skip
    return [[episodes * spent, *row] for episodes, *row in curve]


# ---------------------------------------------------------------------- what is run and what is found


def rows(particles, steps, seeds, rates):
    sources = [(name, window) for window in WINDOWS for name in LEARNERS] + [(WHOLE, None)]
    return tuple(
        Row({"learner": name, "window": window, "particles": particles, "sigma": 0.3, "steps": steps}, seeds,
            rates, seconds=7e-6 * steps)
        for name, window in sources
    )  # fmt: skip


def cut(group, share):
    """The runs as they were after a share of their steps."""
    return [r | {"curve": r["curve"][: 1 + int(share * (len(r["curve"]) - 1))]} for r in group]


def tables(runs):
    groups, still = grouped(runs, "learner", "window"), rollouts(np.zeros(FEATURES))[0]
    equal = shortest(groups.values())
    lines = [[name, window or HORIZON, f"{group[0]['rate']:g}", spread(final(cut(group, 0.25), 2)),
              spread(final(group, 2)), spread(final(group, 2, equal)), f"{np.mean(final(group, 1)):.0f}", len(group)]
             for (name, window), group in groups.items()]  # fmt: skip
    columns = ["estimator", "window", "Adam", "cost after a quarter", "at the end", "after equal seconds", "seconds",
               "seeds"]  # fmt: skip
    title = f"Mean cost of a step after {runs[0]['steps']:,} steps of the environment; {still:.3f} without torque"
    return {"control": table(title, columns, lines)}


def claims(runs):
    groups = grouped(runs, "learner", "window")
    whole = groups.get((WHOLE, None), [])
    slack = 0.1 * float(np.mean(final(whole, 2))) if whole else 0.0
    for window in WINDOWS:
        pes, truncated = (groups.get((name, window), []) for name in ("PES", "truncated ES"))

        def ours(*some, share=1.0):
            return ", ".join(f"{np.mean(final(cut(group, share), 2)):.3f}" for group in some if group)

        yield Claim(f"truncated ES ends above PES and whole episodes (windows of {window})",
                    "", ours(truncated, pes, whole),
                    together(*(below(group, truncated, 2) for group in (pes, whole))))  # fmt: skip
        yield Claim(f"PES reaches what whole episodes reach, within 10 % (windows of {window})",
                    "", ours(pes, whole), below(pes, whole, 2, -slack))  # fmt: skip
        yield Claim(f"... with fewer steps: it is ahead after a quarter of them (windows of {window})",
                    "", ours(pes, whole, share=0.25),
                    below(cut(pes, 0.25), cut(whole, 0.25), 2))  # fmt: skip


def draw(runs):
    shown = grouped(runs, "learner", "window")
    figure, (*learning, height, swing) = axes(4, height=3.8, columns=2)
    for ax, window in zip(learning, WINDOWS, strict=True):
        groups = {name: group for (name, w), group in shown.items() if w in (window, None)}
        bands(ax, groups, 2, xlabel="steps of the environment", ylabel="mean cost of a step", ylim=(0.4, 2.1))
        ax.set_title(f"windows of {window} steps")
    for (name, window), group in shown.items():
        if window in (WINDOWS[0], None):
            angles = np.array(rollouts(best_policy(group))[1])
            height.plot(np.arange(HORIZON) * DT, np.cos(angles), label=name)
    height.set(xlabel="seconds", ylabel="height, cos φ", title=f"the best of each, windows of {WINDOWS[0]}")
    (best, window), group = min(shown.items(), key=lambda item: final(item[1], 2).mean())
    angles = np.array(rollouts(best_policy(group))[1])[:80:2]
    for k, angle in enumerate(angles):
        swing.plot([0, np.sin(angle)], [0, np.cos(angle)], color=f"{0.9 - 0.9 * k / len(angles):.2f}", linewidth=1.5)
    swing.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    swing.set_title(f"{best}, light to dark")
    return figure


def best_policy(group):
    return np.array(min((r["curve"][-1] for r in group), key=lambda row: row[2])[3:])


STUDIES = [
    Study("control", training, "steps", ("mean cost of a step", "θ₁", "θ₂", "θ₃", "θ₄"), rows(20, 2_000_000, 5, RATES),
          rows(20, 8000, 1, (0.1,)), tables, draw, claims, best=(2, min))
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
