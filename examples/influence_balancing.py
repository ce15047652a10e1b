"""Influence balancing (Tallec and Ollivier 2017; DODGE, Table 1): a parameter whose short-term influence has the wrong
sign.

s ← A s + θ e with A = (1 + shift)/2 over 23 units; e is +1 for the first 10 of them and -1 for the others, so that θ
raises the first unit at once and lowers it in the long run. The loss is (s₁ - 1)²/2, its minimum θ = -1/6.
"""

import numpy as np
from lab import arguments, axes, curves, final, follow, grouped, run, save, table, verdicts

from dualgrad import directions, online, optim

UNITS, POSITIVE, BEST, START = 23, 10, -1 / 6, 0.5
LEARNERS = {
    "RTRL": online.RTRL,
    "DODGE, signs": lambda: online.OnlineForwardGradient(directions.Rademacher()),
    "DODGE, normals": lambda: online.OnlineForwardGradient(directions.Gaussian()),
    "NoBackTrack": online.NoBackTrack,
    "UORO": online.UORO,
}
WINDOWS = [1, 10, 40, 50, 100]
LEARNERS |= {f"TBPTT({window})": lambda window=window: online.TruncatedBPTT(window) for window in WINDOWS}
PARTICLES, SIGMA, EPISODE = [10, 100, 1000], 0.1, 100
LEARNERS |= {f"PES({n})": lambda n=n: online.PersistentES(n, SIGMA, window=1) for n in PARTICLES}
LEARNERS |= {f"truncated ES({n})": lambda n=n: online.TruncatedES(n, SIGMA, window=1) for n in PARTICLES}
LEARNERS |= {f"ES({n})": lambda n=n: online.EvolutionStrategies(n, SIGMA) for n in PARTICLES}


def system(dtype=np.float64):
    """The system, of one state or a batch, with the products that UORO and BPTT need; ``y`` weighs a step's loss."""
    A = ((np.eye(UNITS) + np.eye(UNITS, k=1)) / 2).astype(dtype)
    sign = np.where(np.arange(UNITS) < POSITIVE, 1, -1).astype(dtype)

    def step(s, x, theta):
        return s @ A.T + np.expand_dims(theta, -1) * sign

    def vjp(s, x, theta):
        return step(s, x, theta), lambda u: (u @ A, np.array(u @ sign, dtype))

    def loss(s, y, theta):
        return y * (s[..., 0] - 1) ** 2 / 2

    return online.System(step, loss, np.ones(UNITS, dtype), vjp=vjp, batched=True)


def true_loss(theta):
    """(s₁ - 1)²/2 after 500 steps from ones, in the precision of θ."""
    theta = np.asarray(theta)
    balanced, s = system(theta.dtype), np.ones(UNITS, theta.dtype)
    for _ in range(500):
        s = balanced.step(s, None, theta)
    return float(balanced.loss(s, theta.dtype.type(1), theta))


def truncated_influence(window):
    """∂s₁/∂θ over a window: e₁ᵀ Σ_{k < window} Aᵏ e."""
    influence, total = np.where(np.arange(UNITS) < POSITIVE, 1.0, -1.0), 0.0
    for _ in range(window):
        total += influence[0]
        influence = system().step(influence, None, 0.0)
    return total


def training(learner, rate, updates, dtype="float64", steps=None, seed=0):
    """Updates of plain gradient descent, or those of so many steps: a curve of updates, seconds, loss, θ."""
    learner = LEARNERS[learner]().start(system(dtype), np.array(START, dtype), rng=seed)
    whole, window = isinstance(learner, online.EvolutionStrategies), getattr(learner, "window", 1) or EPISODE
    updates = updates if steps is None else max(steps // window, 1)

    def at(t):
        """The loss of a window is that of its last step."""
        last = t % window == window - 1
        return None, np.dtype(dtype).type(last), whole and last

    return follow(
        learner, optim.SGD(rate), at, updates, lambda theta: [true_loss(theta), float(theta)], window=window, points=60
    )


def main():
    args = arguments(__doc__, "about 5 minutes", parts=LEARNERS, updates=3000)
    updates = args.updates if args.full else min(args.updates, 20)
    tasks = [{"learner": name, "rate": 1e-4, "updates": updates, "dtype": d, "seed": 0}
             for name in ("RTRL", "DODGE, signs") for d in ("float64", "float32")]  # fmt: skip
    tasks += [{"learner": "DODGE, normals", "rate": 1e-4, "updates": updates, "seed": s} for s in range(args.seeds)]
    tasks += [{"learner": f"TBPTT({w})", "rate": 1e-4, "updates": updates, "seed": 0} for w in WINDOWS]
    tasks += [{"learner": "TBPTT(100)", "rate": r, "updates": n, "seed": 0, "steps": s}
              for r, n, s in ((1e-4, None, updates), (1e-5, updates, None), (1e-5, 10 * updates, None))]  # fmt: skip
    for rate, count in ((1e-4, updates), (1e-5, updates), (1e-5, 10 * updates)):
        tasks += [{"learner": name, "rate": rate, "updates": count, "seed": s}
                  for name in ("UORO", "NoBackTrack") for s in range(args.seeds)]  # fmt: skip
    tasks += [{"learner": f"{kind}({n})", "rate": 1e-4, "updates": updates if kind != "ES" else updates // 3, "seed": s}
              for kind in ("PES", "truncated ES", "ES") for n in PARTICLES for s in range(args.seeds)]  # fmt: skip
    tasks = [t for t in tasks if t["learner"] in args.only]
    runs = [{"dtype": "float64", "steps": None} | r for r in run(training, tasks, args.jobs, "influence balancing")]
    save(args, "influence_balancing", draw(runs), report(runs, args.full and args.only == list(LEARNERS)), runs)


def report(runs, whole):
    rows = []
    for (learner, rate, dtype, _, _), group in grouped(runs, "learner", "rate", "dtype", "updates", "steps").items():
        window = int(learner[6:-1]) if learner.startswith("TBPTT") else EPISODE if learner.startswith("ES") else 1
        count = int(group[0]["curve"][-1][0])
        ends = final(group, 2)
        loss = "diverged" if np.isnan(ends).all() else f"{np.nanmedian(ends):.2e}"
        spread_of = "" if len(ends) == 1 else f"{np.nanmin(ends):.0e} to {np.nanmax(ends):.0e}"
        rows.append([learner, dtype, f"{rate:g}", f"{count:,}", f"{count * window:,}", loss, spread_of, len(group)])
    columns = ["method", "precision", "rate", "updates", "steps", "final loss", "over seeds", "seeds"]
    tables = [table(f"Influence balancing from a loss of {true_loss(START):.2f}", columns, rows)]
    signs = [w for w in range(1, 200) if truncated_influence(w) < 0]
    text = f"{min(signs)} to 199" if signs else "none"
    shown = [[str(w), f"{truncated_influence(w):+.3f}"] for w in (1, 10, 20, 30, 40, 41, 50, 100, 500)]
    tables.append(table(f"∂s₁/∂θ in a window (right sign: windows of {text})", ["window", "∂s₁/∂θ"], shown))
    ends = {(r["learner"], r["dtype"], r["rate"], r["updates"], r["steps"]): r["curve"] for r in runs}
    n = max((r["updates"] or 0 for r in runs if r["learner"] == "RTRL"), default=0)
    if whole and n >= 3000:
        rtrl, dodge = ([[row[3] for row in ends[name, d, 1e-4, n, None]] for d in ("float64", "float32")]
                       for name in ("RTRL", "DODGE, signs"))  # fmt: skip
        end = {d: ends["RTRL", d, 1e-4, n, None][-1][2] for d in ("float64", "float32")}
        worse = all(not (ends[f"TBPTT({w})", "float64", 1e-4, n, None][-1][2] or np.inf) < 8 for w in (1, 10, 40))
        tables.append(verdicts("Claims", [
            ("RTRL and DODGE with signs agree bit for bit, in both precisions", rtrl == dodge),
            ("they end at 2e-12 or below in float32", end["float32"] <= 2e-12),
            ("and at 1e-15 or below in float64", end["float64"] <= 1e-15),
            ("windows up to 40 go the wrong way", worse and not any(w <= 40 for w in signs)),
            ("TBPTT(100) is slow, not divergent", ends["TBPTT(100)", "float64", 1e-4, n, None][-1][2] < 1e-6),
            ("PES with 1,000 particles reaches 1e-12", ends["PES(1000)", "float64", 1e-4, n, None][-1][2] < 1e-12),
            ("truncated ES goes the wrong way", ends["truncated ES(1000)", "float64", 1e-4, n, None][-1][2] > 8),
        ]))  # fmt: skip
    return tables


def draw(runs):
    figure, (left, right) = axes(2, height=4.2)
    shown = [r for r in runs if r["dtype"] == "float64" and r["steps"] is None and r["seed"] == 0]
    names = list(dict.fromkeys(r["learner"] for r in shown))
    for r in shown:
        if r["rate"] == 1e-4 or r["updates"] == max(s["updates"] for s in shown):
            done, losses = (curves([r], column)[0, 1:] for column in (0, 2))
            style = "--" if r["learner"] == "DODGE, signs" else "-" if r["rate"] == 1e-4 else ":"
            label = r["learner"] + (", rate 1e-5" if r["rate"] == 1e-5 else "")
            color = f"C{names.index(r['learner'])}"
            left.loglog(done, np.clip(losses, 1e-25, 1e6), style, color=color, label=label, linewidth=1.3)
    left.set(xlabel="updates", ylabel="loss", title="loss of plain gradient descent")
    left.legend(fontsize=6)
    windows = np.arange(1, 121)
    right.plot(windows, [truncated_influence(w) for w in windows])
    right.axhline(0, color="gray", linewidth=1)
    right.axhline(-6, color="gray", linewidth=1, linestyle=":")
    right.set(xlabel="window", ylabel="∂s₁/∂θ in it", title="short windows see the wrong sign")
    return figure


if __name__ == "__main__":
    main()
