"""Influence balancing (Tallec and Ollivier 2017; DODGE, Table 1; PES): a parameter whose short-term influence has the
wrong sign.

s ← A s + θ e with A = (1 + shift)/2 over 23 units; e is +1 for the first 10 of them and -1 for the others, so that θ
raises the first unit at once and lowers it in the long run. The loss is (s₁ - 1)²/2, its minimum θ = -1/6.
"""

from functools import lru_cache

import numpy as np
from lab import (
    Claim,
    Row,
    Study,
    alike,
    axes,
    band,
    below,
    curves,
    diverge,
    final,
    follow,
    grouped,
    known,
    legend_below,
    main,
    shortest,
    table,
    together,
    under,
)  # fmt: skip

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
LEAST = 1e-30  # of a loss: what double precision makes of it below is chance
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


@lru_cache
def influences(longest=500):
    """∂s₁/∂θ over windows of 1, 2, ... steps: e₁ᵀ Σ_{k < window} Aᵏ e."""
    step, influence, firsts = system().step, np.where(np.arange(UNITS) < POSITIVE, 1.0, -1.0), []
    for _ in range(longest):
        firsts.append(influence[0])
        influence = step(influence, None, 0.0)
    return np.cumsum(firsts)


def truncated_influence(window):
    return influences()[window - 1]


def training(learner, rate, updates, dtype="float64", seed=0):
    """Plain gradient descent: a curve of updates, seconds, loss, θ, and the loss's logarithm."""
    learner = LEARNERS[learner]().start(system(dtype), np.array(START, dtype), rng=seed)
    whole, window = isinstance(learner, online.EvolutionStrategies), getattr(learner, "window", 1) or EPISODE

    def at(t):
        """The loss of a window is that of its last step."""
        last = t % window == window - 1
        return None, np.dtype(dtype).type(last), whole and last

    def evaluate(theta):
        loss = true_loss(theta)
        return [loss, float(theta), float(np.log10(max(loss, LEAST)))]

    return follow(learner, optim.SGD(rate), at, updates, evaluate, window=window, points=60)


# ---------------------------------------------------------------------- what is run

FAST, SLOW = 1e-4, 1e-5  # the rates of DODGE and PES, and of Tallec and Ollivier
STEPS = {name: int(name[6:-1]) if name.startswith("TBPTT") else EPISODE if name.startswith("ES") else 1
         for name in LEARNERS}  # fmt: skip
OF_PES = [name for name in LEARNERS if "ES(" in name]
OF_DODGE = [name for name in LEARNERS if name not in OF_PES]
CERTAIN = ["RTRL", *(f"TBPTT({window})" for window in WINDOWS)]  # nothing is drawn
SECONDS = {"NoBackTrack": 7e-4, "UORO": 5e-4, "PES(1000)": 8e-4, "truncated ES(1000)": 8e-4, "ES(1000)": 0.018}


def row(learner, rate, updates, dtype="float64", seeds=5):
    cost = updates * SECONDS.get(learner, STEPS[learner] * 2e-4 if STEPS[learner] > 1 else 4e-4)
    settings = {"learner": learner, "rate": rate, "updates": updates, "dtype": dtype}
    return Row(settings, 1 if learner in CERTAIN else seeds, seconds=cost)


def rows(learners, updates=3000, **more):
    return tuple(row(name, FAST, updates, **more) for name in learners)


ROWS = rows(OF_DODGE) + rows(["RTRL", "DODGE, signs"], dtype="float32")
WRONG = [f"TBPTT({window})" for window in WINDOWS if window <= 40]  # at any rate
ROWS += tuple(row(name, SLOW, 30_000) for name in OF_DODGE if name not in WRONG)


# ---------------------------------------------------------------------- what is found


def sorted_out(runs):
    """Runs by learner, rate and precision, those marked in which nothing is drawn."""
    marked = [r | {"certain": r["learner"] in CERTAIN} for r in runs]
    return grouped(marked, "learner", "rate", "dtype")


def number(x):
    return f"{x:.0f}" if 10 <= x < 1e4 else f"{x:.2g}"


def ends(logarithms):
    """The median loss and the range of several."""
    good = logarithms[np.isfinite(logarithms)]
    if not len(good):
        return "diverged"
    low, median, high = 10.0 ** np.array([good.min(), np.median(good), good.max()])
    lost = f", {len(logarithms) - len(good)} diverged" if len(good) < len(logarithms) else ""
    return number(median) + (f" ({number(low)} to {number(high)})" if high > 1.05 * low else "") + lost


def after(group, updates):
    """The logarithms of losses after so many updates; None where runs are shorter or have no point there."""
    counts = [r[0] for r in group[0]["curve"]]
    return curves(group, 4)[:, counts.index(updates)] if updates in counts else None


def losses(title, runs):
    """After equal updates, and at equal time: that of the fastest at this rate."""
    groups = sorted_out(runs)
    lengths = sorted({r["updates"] for r in runs})
    times = {rate: shortest([group]) for rate, group in grouped(runs, "rate").items()}
    lines = []
    for (learner, rate, dtype), group in groups.items():
        shown = [after(group, n) for n in lengths]
        cells = ["" if logarithms is None else ends(logarithms) for logarithms in shown]
        equal = ends(final(group, 4, times[rate])) if np.isfinite(final(group, 4)).any() else "diverged"
        lines.append([learner, dtype, f"{rate:g}", STEPS[learner], *cells, equal, len(group)])
    columns = ["method", "precision", "rate", "steps an update", *(f"loss after {n:,} updates" for n in lengths),
               "at equal time", "seeds"]  # fmt: skip
    return table(f"{title}, from a loss of {true_loss(START):.0f}: medians, least and greatest", columns, lines)


def tables(runs):
    signs = [w for w in range(1, 200) if truncated_influence(w) < 0]
    shown = [[str(w), f"{truncated_influence(w):+.3f}"] for w in (1, 10, 20, 30, 40, 41, 50, 100, 500)]
    title = f"∂s₁/∂θ in a window (right sign: windows of {min(signs)} to {max(signs)})"
    return {
        "influence": losses("Influence balancing", runs),
        "influence-windows": table(title, ["window", "∂s₁/∂θ"], shown),
    }


def no_better(group):
    """The claim that runs fail: all of them diverge, or end at or above the loss of the start."""
    return diverge(group, 4, np.log10(true_loss(START)))


def claim(said, paper, verdict, *groups):
    """A claim, beside the losses at the ends of groups."""
    return Claim(said, paper, "; ".join(ends(final(group, 4)) if group else "none" for group in groups), verdict)


def claims(runs):
    groups = sorted_out(runs)

    def of(learner, rate=FAST, dtype="float64"):
        return groups.get((learner, rate, dtype), [])

    rtrl, wide = of("RTRL"), of("TBPTT(100)")
    for dtype in ("float64", "float32"):
        pair = of("RTRL", dtype=dtype), of("DODGE, signs", dtype=dtype)
        said = f"DODGE along signs is RTRL, to the last digit ({dtype})"
        yield claim(said, "1.11e-12 both (DODGE, Table 1)", alike(*pair, 2, 0.0), *pair)
        level = {"float64": 1.11e-12, "float32": 2e-12}[dtype]
        said = f"RTRL ends below {level:g} ({dtype})"
        yield claim(said, "1.11e-12", under(pair[0], 4, np.log10(level)), pair[0])
    normals = of("DODGE, normals")
    yield claim("along normals it is as good, within a power of ten", "\"a random direction\"",
                alike(rtrl, normals, 4, 1.0), rtrl, normals)  # fmt: skip
    yield claim("TBPTT(100) diverges", '0.93, "diverges"', diverge(wide), wide)
    yield claim("... it is behind RTRL", "0.93", below(rtrl, wide, 4), rtrl, wide)
    if rtrl and wide:
        seconds = shortest([rtrl, wide])
        found = f"{ends(final(rtrl, 4, seconds))}; {ends(final(wide, 4, seconds))}"
        yield Claim("... and at equal time", "", found, below(rtrl, wide, 4, at=seconds))
    short = [of(name) for name in WRONG]
    wrong = together(*(no_better(group) for group in short))
    yield claim("windows of up to 40 steps go the wrong way", 'a "short truncation" fails', wrong, *short)
    positive = all(truncated_influence(w) > 0 for w in range(1, 41))
    yield Claim("... for in them the influence has the wrong sign", "", "", known(positive))
    for name in ("NoBackTrack", "UORO"):
        noisy = of(name, SLOW)
        said = f"{name} balances at {SLOW:g}, below 1e-6"
        yield claim(said, "UORO does (Tallec and Ollivier)", under(noisy, 4, -6.0), noisy)


def tables_of_pes(runs):
    return {"influence-es": losses("Influence balancing by evolution strategies, σ = 0.1", runs)}


def claims_of_pes(runs):
    groups = grouped(list(runs), "learner")
    many, exact = groups.get("PES(1000)", []), groups.get("RTRL", [])
    truncated = [groups.get(f"truncated ES({n})", []) for n in PARTICLES]
    wrong = together(*(no_better(group) for group in truncated))
    yield claim("truncated ES fails, whatever its particles", '"truncated algorithms fail"', wrong, *truncated)
    said = "with 1,000 particles PES performs like RTRL: below 1e-12"
    yield claim(said, '"similarly to RTRL given enough particles"', under(many, 4, -12.0), many, exact)
    few = groups.get("PES(100)", [])
    yield claim("... and with 100 it is behind", "", below(many, few, 4), many, few)


def panel(ax, groups, rate, learners):
    """The logarithms of losses at a rate, in double precision: means over seeds in their range."""
    for k, name in enumerate(learners):
        if group := groups.get((name, rate, "float64")):
            band(ax, group, 4, name, color=f"C{k}", linewidth=1.3, linestyle="--" if name == "DODGE, signs" else "-")
    ax.set(xscale="log", ylim=(-26, 6), xlabel="updates", ylabel="log₁₀ loss", title=f"plain descent at {rate:g}")
    if ax.lines:
        legend_below(ax)


def draw(runs):
    figure, (fast, slow, right) = axes(3, height=4.2)
    groups = sorted_out(runs)
    panel(fast, groups, FAST, OF_DODGE)
    panel(slow, groups, SLOW, OF_DODGE)
    windows = np.arange(1, 121)
    right.plot(windows, [truncated_influence(w) for w in windows])
    right.axhline(0, color="gray", linewidth=1)
    right.axhline(-6, color="gray", linewidth=1, linestyle=":")
    right.set(xlabel="window", ylabel="∂s₁/∂θ in it", title="short windows see the wrong sign")
    return figure


def draw_pes(runs):
    figure, (ax,) = axes(1, height=4.2)
    panel(ax, sorted_out(runs), FAST, ["RTRL", *OF_PES])
    return figure


METRIC = "loss", "θ", "log10 of the loss"
STUDIES = [
    Study("influence", training, "updates", METRIC, ROWS, rows(OF_DODGE, updates=10, seeds=1), tables, draw,
          claims),
    Study("influence-es", training, "updates", METRIC, rows(["RTRL", *OF_PES], seeds=3),
          rows(["RTRL", "PES(10)", "truncated ES(10)", "ES(10)"], updates=3, seeds=1), tables_of_pes, draw_pes,
          claims_of_pes),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
