"""Predict the next character, online (NoBackTrack, section 2): RTRL, NoBackTrack, UORO, KF-RTRL and truncated BPTT.

One pass over a text, one character at a time, never storing the past. Losses are in bits, and every schedule counts
characters: BPTT, which has a gradient once in a window of 15, is at the rate of the others. With the filter learners
step once in 15 characters, for the sum of their gradients, and those that can also at every character. Beside the
curves stand the text's true entropy rate, gzip and context tree weighting.
"""

import math
import time
from functools import lru_cache

import numpy as np
import texts
from compressors import ctw_bits, gzip_bits
from lab import (
    Claim,
    Row,
    Study,
    alike,
    axes,
    band,
    below,
    final,
    grouped,
    main,
    over,
    spread,
    table,
    together,
)  # fmt: skip
from lab.learning import Curve
from texts import anbn, anbn_entropy, english, music, music_entropy

import dualgrad as dg
from dualgrad import nn, online, optim

UNITS, WINDOW, PRIOR = 20, 15, 20.0
LEARNERS = {
    "RTRL": lambda optimizer: online.RTRL(),
    "NoBackTrack": lambda optimizer: online.NoBackTrack(),
    "NoBackTrack, rank 10": lambda optimizer: online.NoBackTrack(10),
    "NoBackTrack, norms of App. B": lambda optimizer: online.NoBackTrack(metric=optimizer),
    "UORO": lambda optimizer: online.UORO(),
    "KF-RTRL": lambda optimizer: online.KroneckerRTRL(),
    "BPTT(15)": lambda optimizer: online.TruncatedBPTT(WINDOW),
}
COMPRESSORS = {
    "gzip": lambda read, text: gzip_bits(read),
    "context tree weighting": lambda read, text: ctw_bits(read, {"music": 10, "anbn": 70, "english": 8}[text]),
}
MAIN = ["RTRL", "NoBackTrack", "NoBackTrack, rank 10", "UORO", "KF-RTRL", "BPTT(15)"]


class InBits:
    """An optimizer that steps once for the gradients of so many characters, of losses in bits."""

    def __init__(self, optimizer, every):
        self.optimizer, self.every, self.total, self.covered = optimizer, every, 0.0, 0

    def step(self, params, gradient, characters):
        self.total, self.covered = self.total + gradient.vector, self.covered + characters
        if self.covered >= self.every:
            self.optimizer.step(params, dg.Params.from_vector(params.layout, self.total / math.log(2)))
            self.total, self.covered = 0.0, 0


def optimizer_of(name, scale, every):
    """At the rate or decay scale/√t after t characters, whatever steps there were."""
    schedule = optim.inverse_sqrt(scale / math.sqrt(every))
    return optim.SGD(schedule) if name == "plain" else optim.KalmanQDOP(PRIOR, schedule)


@lru_cache
def source(text, length, seed, data=None):
    """The characters of a task; music is a file of 100,000 that is read over and over."""
    if text == "anbn":
        return anbn(length, 100 + seed)
    if text == "music":
        return (music(100_000, 100 + seed) * -(-length // 100_000))[:length]
    return english(data)[:length]


def network(text, cell, symbols, rng):
    """20 units. "paper": the sum and the sigmoid of eqs. 31 and 37, with random leaks for aⁿbⁿ; "slow": leaks of time
    constants that are even on a log scale from 1 to 64; "tanh": activities are what is fed back."""
    leak = 0.0
    if cell == "slow":
        leak = 1 - np.exp(-rng.uniform(0, np.log(64), (UNITS,)))
    elif text == "anbn":
        leak = rng.uniform(0, 1, (UNITS,))
    recurrent = nn.RNNCell(symbols, UNITS) if cell == "tanh" else nn.LeakyRNNCell(symbols, UNITS, leak=leak)
    net = online.Network(recurrent, nn.Linear(UNITS, symbols), nn.cross_entropy)
    params = net.init(rng=rng, dtype=np.float64)
    params["0.weight_x"] = rng.normal((symbols, UNITS))
    params["0.weight_h"] = rng.normal((UNITS, UNITS)) / (2 * UNITS**0.5)
    return net, params


def training(text, cell, learner, optimizer, scale, every, characters, seed, data=None, points=40, sampled=300):
    """One pass. Its curve: characters, seconds, bits a character since the last point, the same over ten points."""
    read = source(text, characters, seed, data)
    if learner in COMPRESSORS:
        started, bits = time.process_time(), COMPRESSORS[learner](read, text)
        return [[characters, time.process_time() - started, bits, bits]]
    symbols = sorted(set(read))
    codes, inputs = np.searchsorted(symbols, list(read)), np.eye(len(symbols))
    start, draws = dg.Rng(seed).spawn(2)
    net, params = network(text, cell, len(symbols), start)
    inner = optimizer_of(optimizer, scale, every)
    reader, steps = LEARNERS[learner](inner).start(net, params, rng=draws), InBits(inner, every)
    window, bits, points = WINDOW if learner == "BPTT(15)" else 1, [], min(points, characters)
    losses = []

    def evaluate():
        if losses:
            bits.append(np.mean(losses) / math.log(2) / window)
            losses.clear()
        return [bits[-1], float(np.mean(bits[-10:]))] if bits else [math.log2(len(symbols))] * 2

    curve = Curve(characters, points, evaluate)
    try:
        curve.start()
        for t in range(1, characters + 1):
            estimate = reader.step(inputs[codes[t - 1]], codes[t % characters])
            if estimate is not None:
                losses.append(float(estimate.value))
                steps.step(params, estimate.gradient, window)
            if t in curve.marks:
                curve.stop(t)
                curve.start()
    except dg.NonFiniteError:
        pass
    return {"curve": curve.ended(), "sample": sample(net, params, reader.state, codes[-1], symbols, draws, sampled)}


def sample(net, params, state, code, symbols, rng, length):
    """What the network writes on its own."""
    inputs, written = np.eye(len(symbols)), []
    for _ in range(length):
        state = net.step(state, inputs[code], params)
        logits = net.predict(state, params)
        if not np.all(np.isfinite(logits)):
            break
        p = np.exp(logits - logits.max())
        code = int(np.searchsorted(np.cumsum(p), float(rng.uniform()) * p.sum()))
        written.append(symbols[code])
    return "".join(written)


# ---------------------------------------------------------------------- what is run

LENGTH = 1_000_000
PAPER = {"anbn": 1_000_000, "music": None, "english": 5_000_000}  # characters; of music it does not say
ENTROPY = {"anbn": {"entropy rate": anbn_entropy(), "independent n": 2 * anbn_entropy()},
           "music": {"entropy rate": music_entropy()}, "english": {}}  # fmt: skip
PLAIN, SMALL, FILTER, OFTEN = ("plain", 1.0, 1), ("plain", 0.03, 1), ("Kalman", 1.0, WINDOW), ("Kalman", 1.0, 1)
SLOW = ("Kalman", 0.1, WINDOW)
WORDS = {PLAIN: "plain, 1/√t", FILTER: "filter, once in 15", OFTEN: "filter, every character",
         SLOW: "filter at 0.1/√t, once in 15", SMALL: "plain, 0.03/√t"}  # fmt: skip
ONLINE, RANKS, FEW = MAIN[:-1], MAIN[:3], ["RTRL", "NoBackTrack", "BPTT(15)"]
INVARIANT = ["RTRL", "NoBackTrack", "NoBackTrack, norms of App. B"]
ARMS = {  # text -> (cell, optimizer, learners, share of the length)
    "anbn": [("paper", PLAIN, MAIN, 1), ("paper", FILTER, MAIN, 1), ("paper", OFTEN, ONLINE, 1),
             ("slow", FILTER, FEW, 0.3), ("slow", SLOW, FEW, 0.3)],
    "music": [("paper", PLAIN, MAIN, 1), ("paper", SMALL, RANKS, 1), ("paper", FILTER, MAIN, 1),
              ("paper", OFTEN, ONLINE, 1), ("tanh", FILTER, FEW, 0.3), ("paper", FILTER, INVARIANT, 0.3)],
    "english": [("paper", PLAIN, MAIN, 1), ("paper", FILTER, MAIN, 1), ("paper", OFTEN, ONLINE, 1),
                ("tanh", FILTER, FEW, 0.3), ("paper", FILTER, INVARIANT, 0.3)],
}  # fmt: skip
MICROSECONDS = {"RTRL": 190, "NoBackTrack": 190, "NoBackTrack, rank 10": 250, "NoBackTrack, norms of App. B": 600,
                "UORO": 190, "KF-RTRL": 200, "BPTT(15)": 100}  # fmt: skip


def rows(text, length, data):
    def settings(cell, learner, optimizer, scale, every, share):
        step = WINDOW if learner == "BPTT(15)" else every
        return {"text": text, "cell": cell, "learner": learner, "optimizer": optimizer, "scale": scale, "every": step,
                "characters": round(share * length), **({"data": data} if text == "english" else {})}  # fmt: skip

    cases = [settings(cell, name, *arm, share) for cell, arm, names, share in ARMS[text] for name in names]
    learnt = [Row(case, 3, paper=PAPER[text], seconds=case["characters"] * MICROSECONDS[case["learner"]] / 1e6)
              for case in cases]  # fmt: skip
    return tuple(learnt + [Row(settings(None, name, None, None, None, 1), 1, seconds=300) for name in COMPRESSORS])


def arm_of(run):
    """The optimizer of a run in words; plain BPTT stands among the others, which step 15 times as often."""
    return WORDS[run["optimizer"], run["scale"], 1 if run["optimizer"] == "plain" else run["every"]]


def split(runs):
    """The runs that learn by cell, arm, length and learner, and the bits of what there is to compare with."""
    learnt = [run | {"arm": arm_of(run)} for run in runs if run["cell"]]
    text = runs[0]["text"]
    beside = ENTROPY[text] | {run["learner"]: run["curve"][-1][2] for run in runs if not run["cell"]}
    return text, grouped(learnt, "cell", "arm", "characters", "learner"), beside


# ---------------------------------------------------------------------- what is found

TITLES = {"music": "Music", "anbn": "aⁿbⁿ"}
NEAR = 0.05  # bits, that learners on par may differ


def tables(runs):
    text, groups, beside = split(runs)
    lines = []
    for (cell, arm, length, learner), group in sorted(groups.items(), key=lambda found: found[0][:3]):
        seconds = final(group, 1)
        rate = f"{1e6 * np.nanmean(seconds) / length:.0f}" if np.isfinite(seconds).any() else ""
        lines.append([cell, arm, f"{length:,}", learner, spread(final(group, 3)), len(group), rate])
    columns = [
        "cell",
        "optimizer",
        "characters",
        "learner",
        "bits a character, last quarter",
        "seeds",
        "µs a character",
    ]
    return {
        text: table(named(text, runs), columns, lines),
        f"{text}-bounds": table("To compare with", ["", "bits"], [[name, f"{b:.3f}"] for name, b in beside.items()]),
    }


def named(text, runs):
    return texts.title(runs[0]["data"]) if text == "english" else TITLES[text]


def claim(said, paper, verdict, *groups):
    """A claim on bits over the last quarter."""
    means = [np.nanmean(final(group, 3)) if group else np.nan for group in groups]
    return Claim(said, paper, ", ".join("none" if np.isnan(m) else f"{m:.3f}" for m in means), verdict)


def on_par(one, *others, within=NEAR):
    return together(*(alike(one, group, 3, within) for group in others))


def ahead(one, *others, margin=0.0):
    return together(*(below(one, group, 3, margin) for group in others))


def music_claims(of, trees):
    ranks = ["RTRL", "NoBackTrack", "NoBackTrack, rank 10"]
    large, small = ([of(name, ("plain", scale, 1)) for name in ranks] for scale in (1.0, 0.03))
    yield claim(
        "at 1/√t Euclidean NoBackTrack is unstable, and RTRL is not", "figure 1", ahead(*large, margin=0.1), *large
    )
    yield claim("at 0.03/√t it is on RTRL's curve", "figure 2", on_par(*small), *small)
    for arm in (OFTEN, FILTER):
        exact, one, ten = (of(name, arm) for name in ranks)
        yield claim(f"it is on par with RTRL ({WORDS[arm]})", "figure 3", on_par(exact, one), exact, one)
        yield claim("... and a higher rank gains nothing", "figure 3", on_par(one, ten), one, ten)
    bptt, one, exact = of("BPTT(15)"), of("NoBackTrack"), of("RTRL")
    yield claim("BPTT(15) is ahead of NoBackTrack, with the same filter", "figure 4", ahead(bptt, one), bptt, one)
    yield claim("RTRL and BPTT(15) are on par", "figure 4", on_par(exact, bptt), exact, bptt)
    yield behind(of, trees)


def anbn_claims(of, trees):
    one, bptt = of("NoBackTrack", OFTEN), of("BPTT(15)", PLAIN)
    yield claim("NoBackTrack with its filter is ahead of plain BPTT(15)", "figure 5", ahead(one, bptt), one, bptt)
    for cell, arm in (("paper", FILTER), ("slow", SLOW)):
        one, bptt = of("NoBackTrack", arm, cell), of("BPTT(15)", arm, cell)
        said = f"... of BPTT(15) with the same filter ({cell} leaks, {WORDS[arm]})"
        yield claim(said, "", ahead(one, bptt), one, bptt)
    one, bptt = of("NoBackTrack", PLAIN), of("BPTT(15)", PLAIN)
    yield claim("... without a filter on either side", "", ahead(one, bptt), one, bptt)
    each = [of(name, OFTEN) for name in ONLINE]
    yield claim("RTRL is ahead of all", "figure 5", ahead(*each), *each)
    bptt, apart = of("BPTT(15)"), ENTROPY["anbn"]["independent n"]
    yield claim(
        f"BPTT(15) ends near {apart:.3f}, where n is not counted (above 0.25)", "figure 5", over(bptt, 3, 0.25), bptt
    )


def english_claims(of, trees):
    for arm in (FILTER, PLAIN):
        each = [of(name, arm) for name in ("RTRL", "BPTT(15)", "NoBackTrack", "NoBackTrack, rank 10")]
        said = f"RTRL, BPTT(15) and NoBackTrack are alike, within 0.1 bits ({WORDS[arm]})"
        yield claim(said, "figure 6", on_par(*each, within=0.1), *each)
    yield behind(of, trees)


def behind(of, trees):
    each = [of(name) for name in MAIN] + [of(name, OFTEN) for name in ONLINE]
    best = min(each, key=lambda group: np.nanmean(final(group, 3)) if group else np.inf)
    said = f"all networks are behind context tree weighting ({trees:.3f})"
    return claim(said, "figures 3 and 6", together(*(over(group, 3, trees) for group in each)), best)


CLAIMS = {"music": music_claims, "anbn": anbn_claims, "english": english_claims}


def claims(runs):
    text, groups, beside = split(runs)

    def of(learner, arm=FILTER, cell="paper"):
        """The longest runs of their kind."""
        kinds = {k[2]: group for k, group in groups.items() if (k[0], k[1], k[3]) == (cell, WORDS[arm], learner)}
        return kinds[max(kinds)] if kinds else []

    return list(CLAIMS[text](of, beside.get("context tree weighting", np.nan)))


def draw(runs):
    """For every cell, optimizer and length, bits against characters and against seconds."""
    text, groups, beside = split(runs)
    panels = {}
    for (*panel, learner), group in groups.items():
        panels.setdefault(tuple(panel), {})[learner] = group
    figure, plots = axes(2 * len(panels), height=3.0, columns=4)
    figure.suptitle(named(text, runs))
    for k, ((cell, arm, _), learners) in enumerate(panels.items()):
        for ax, column in zip(plots[2 * k : 2 * k + 2], (0, 1), strict=True):
            for name, group in learners.items():
                band(ax, group, 2, name, against=column, linewidth=1.0)
            for (name, level), style in zip(beside.items(), ("-", "-.", "--", ":"), strict=False):
                ax.axhline(level, color="gray", linestyle=style, linewidth=1, label=name)
            top = 1.8 * max(beside.values(), default=2.5)
            title = arm if cell == "paper" else f"{arm}, {cell} cell"
            ax.set(ylim=(0, top), xlabel=("characters", "seconds")[column], title=title)
        plots[2 * k].set_ylabel("bits a character")
        plots[2 * k].legend(fontsize=6)
    return figure


STUDIES = [
    Study(f"text-{text}", training, "characters", ("bits a character", "over the last quarter"),
          rows(text, LENGTH, "austen"), rows(text, 60, "help")[::2], tables, draw, claims)
    for text in CLAIMS
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, texts))
