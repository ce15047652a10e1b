"""The variance of PES on a character LSTM against the number of unrolls (Vicol et al. 2021, the figure of its poster).

A sequence of T characters is cut into 1 to T unrolls; PES at fixed parameters sums its estimates over all of them. The
total variance of that sum, for one antithetic pair, over the squared norm of the gradient: on a text, and on characters
drawn at random. An LSTM of 5 units as in the authors' code, fed with one-hot characters in place of an embedding.
"""

import time
from collections.abc import Callable

import numpy as np
from lab import axes, grouped
from texts import english

import dualgrad as dg
from dualgrad import nn, online

SIGMA, UNITS, SYMBOLS = 1e-3, 5, "abcdefghijklmnopqrstuvwxyz .,"
WINDOWS = [1000, 500, 200, 100, 50, 20, 10, 5, 2, 1]
TEXTS: dict[str, Callable[[int, dg.Rng], str]] = {
    "english": lambda length, rng: letters(english()[:400_000], length, rng),
    "random": lambda length, rng: "".join(SYMBOLS[k] for k in rng.integers(0, len(SYMBOLS), (length,))),
}


def letters(text, length, rng):
    """A piece of a text from anywhere in it, in small letters; runs of all else are a space."""
    text = " ".join("".join(c if c in SYMBOLS else " " for c in text.lower()).split())
    first = int(rng.integers(0, len(text) - length))
    return text[first : first + length]


def problem(text, length, seed):
    """The network, its first parameters, and the inputs and targets of a sequence."""
    rng = dg.Rng(seed)
    codes = [SYMBOLS.index(c) for c in TEXTS[text](length + 1, rng)]
    network = online.Network(
        nn.LSTMCell(len(SYMBOLS), UNITS), nn.Linear(UNITS, len(SYMBOLS)), nn.cross_entropy, batched=True
    )
    steps = list(zip(np.eye(len(SYMBOLS))[codes[:-1]], codes[1:], strict=True))
    return network, network.init(rng=rng, dtype=np.float64), steps


def exact_gradient(network, params, steps):
    """That of the sum of all losses, by backpropagation."""
    bptt = online.TruncatedBPTT(len(steps)).start(network, params)
    return [bptt.step(x, y) for x, y in steps][-1].gradient.vector


def gradients_of_pairs(network, params, steps, window, pairs, rng):
    """The sum over an episode of the estimates of each pair, ``(pairs, p)``."""
    pes = online.PersistentES(2 * pairs, SIGMA, window).start(network, params, rng=rng)
    total = np.zeros((pairs, params.vector.size))
    for x, y in steps:
        if (estimate := pes.step(x, y)) is not None:
            total += pes.memory["accumulated"] * (estimate.directional / SIGMA)[:, None]
    return total


def training(text, window, length, pairs, seed):
    """The variance of a pair's estimate, its standard error, and the squared norm of the gradient."""
    start = time.perf_counter()
    network, params, steps = problem(text, length, seed)
    exact = exact_gradient(network, params, steps)
    found = gradients_of_pairs(network, params, steps, window, pairs, dg.Rng(1000 + seed))
    off = np.sum((found - exact) ** 2, axis=1)
    seconds = time.perf_counter() - start
    return [[window, seconds, float(off.mean()), float(off.std() / pairs**0.5), float(exact @ exact)]]


def relative(group):
    """The mean over runs of variance / ‖g‖², and its standard error."""
    rows = np.array([r["curve"][0] for r in group])
    return np.mean(rows[:, 2] / rows[:, 4]), np.sqrt(np.sum((rows[:, 3] / rows[:, 4]) ** 2)) / len(rows)


def draw(runs):
    """A panel for every text: the variance against the number of unrolls."""
    texts = grouped(runs, "text")
    figure, panels = axes(len(texts))
    for ax, (text, mine) in zip(panels, texts.items(), strict=True):
        points = sorted((g[0]["length"] / window, *relative(g)) for window, g in grouped(mine, "window").items())
        unrolls, measured, error = np.array(points).T
        ax.errorbar(unrolls, measured, 2 * error, fmt="o-", markersize=4, capsize=2)
        ax.set(xscale="log", yscale="log", xlabel="unrolls in a sequence", ylabel="variance / ‖g‖²", title=text)
    return figure
