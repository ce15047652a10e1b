"""Predict the next character, online (NoBackTrack, section 2): RTRL, NoBackTrack, UORO, KF-RTRL and truncated BPTT.

One pass over a text, one character at a time, never storing the past. Losses are in bits, and every schedule counts
characters: a learner that steps once in 15 is at the rate of those that step at each, and its filter, which forgets
for 15 characters at once, remembers as long as theirs. Beside the curves stand the text's true entropy rate, gzip and
context tree weighting.
"""

import itertools
import math
import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import texts
import texts_found as found
from compressors import ctw_each, gzip_bits
from lab import Row, Study, main
from lab.learning import Curve
from texts import anbn, english, music
from texts_found import ARMS, COMPRESSORS, WINDOW

import dualgrad as dg
from dualgrad import nn, online, optim

UNITS, PRIOR = 20, 20.0
APART = 25_000  # characters from point to point of a curve
LEARNERS = {
    "RTRL": lambda optimizer: online.RTRL(),
    "NoBackTrack": lambda optimizer: online.NoBackTrack(),
    "NoBackTrack, rank 2": lambda optimizer: online.NoBackTrack(2),
    "NoBackTrack, rank 10": lambda optimizer: online.NoBackTrack(10),
    "NoBackTrack, norms of App. B": lambda optimizer: online.NoBackTrack(metric=optimizer),
    "UORO": lambda optimizer: online.UORO(),
    "KF-RTRL": lambda optimizer: online.KroneckerRTRL(),
    "BPTT(15)": lambda optimizer: online.TruncatedBPTT(WINDOW),
}
DEPTHS = {"music": 10, "anbn": 70, "english": 8}  # of the trees


class InBits:
    """An optimizer that steps once for the gradients of so many characters, of losses in bits."""

    def __init__(self, optimizer, every):
        self.optimizer, self.every, self.total, self.covered = optimizer, every, 0.0, 0

    def step(self, params, gradient, characters):
        self.total, self.covered = self.total + gradient.vector, self.covered + characters
        if self.covered >= self.every:
            self.optimizer.step(params, dg.Params.from_vector(params.layout, self.total / math.log(2)))
            self.total, self.covered = 0.0, 0


@dataclass(frozen=True)
class InWindows:
    """The decay of a filter that steps once in so many characters: 1 - (1 - γ)^every of γ = scale/√t at their last.

    Its memory is as long, in characters, as that of a filter which decays by γ at each.
    """

    scale: float
    every: int

    def __call__(self, window):
        each = min(1.0, self.scale / math.sqrt(self.every * window))
        return 1 - (1 - each) ** self.every


def optimizer_of(name, scale, every):
    """At the rate or decay scale/√t after t characters, whatever steps there were."""
    if name == "plain":
        return optim.SGD(optim.inverse_sqrt(scale / math.sqrt(every)))
    return optim.KalmanQDOP(PRIOR, InWindows(scale, every))


@lru_cache
def source(text, length, seed, data=None):
    """The characters of a task; music is a file of 100,000 that is read over and over, as is English if it ends."""
    if text == "anbn":
        return anbn(length, 100 + seed)
    file = music(100_000, 100 + seed) if text == "music" else english(data)
    return (file * -(-length // len(file)))[:length]


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


def training(text, cell, learner, optimizer, scale, every, characters, seed, data=None, apart=APART, sampled=300):
    """One pass. Its curve: characters, seconds, bits a character since the last point."""
    read, points = source(text, characters, seed, data), max(characters // apart, min(4, characters))
    if cell is None:
        return compression(learner, text, read, points)
    symbols = sorted(set(read))
    codes, inputs = np.searchsorted(symbols, list(read)), np.eye(len(symbols))
    start, draws = dg.Rng(seed).spawn(2)
    net, params = network(text, cell, len(symbols), start)
    inner = optimizer_of(optimizer, scale, every)
    reader, steps = LEARNERS[learner](inner).start(net, params, rng=draws), InBits(inner, every)
    window, bits, losses = WINDOW if learner == "BPTT(15)" else 1, [math.log2(len(symbols))], []

    def evaluate():
        if losses:
            bits[0] = np.mean(losses) / math.log(2) / window
            losses.clear()
        return bits[:]

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


def compression(name, text, read, points):
    """The same curve of a compressor, of which each part is what it adds to those before."""
    marks = [round(k * len(read) / points) for k in range(points + 1)]
    parts, started = list(itertools.pairwise(marks)), time.process_time()
    if name == "gzip":
        bits = [gzip_bits(read[:end], begin) for begin, end in parts]
    else:
        each = np.fromiter(ctw_each(read, DEPTHS[text]), float)
        bits = [float(np.mean(each[begin:end])) for begin, end in parts]
    seconds = time.process_time() - started
    return [
        [end, seconds * end / len(read), b] for end, b in zip(marks, [math.log2(len(set(read))), *bits], strict=True)
    ]


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
MICROSECONDS = {"RTRL": 130, "NoBackTrack": 130, "NoBackTrack, rank 2": 130, "NoBackTrack, rank 10": 160,
                "NoBackTrack, norms of App. B": 600, "UORO": 120, "KF-RTRL": 130, "BPTT(15)": 65}  # fmt: skip


def rows(text, length, data):
    def settings(cell, learner, optimizer, scale, every, share):
        step = WINDOW if learner == "BPTT(15)" else every
        return {"text": text, "cell": cell, "learner": learner, "optimizer": optimizer, "scale": scale, "every": step,
                "characters": round(share * length), **({"data": data} if text == "english" else {})}  # fmt: skip

    def seeds(cell, learner):
        return 6 if (text, cell) == ("anbn", "paper") and learner in ("NoBackTrack", "BPTT(15)") else 3

    cases = [settings(cell, name, *arm, share) for cell, arm, names, share in ARMS[text] for name in names]
    learnt = [Row(case, seeds(case["cell"], case["learner"]), paper=PAPER[text],
                  seconds=case["characters"] * MICROSECONDS[case["learner"]] / 1e6) for case in cases]  # fmt: skip
    return tuple(learnt + [Row(settings(None, name, None, None, None, 1), 1, seconds=300) for name in COMPRESSORS])


STUDIES = [
    Study(f"text-{text}", training, "characters", ("bits a character",), rows(text, LENGTH, "austen"),
          rows(text, 60, "help")[3::4], found.tables, found.draw, found.claims)
    for text in ARMS
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, texts))
