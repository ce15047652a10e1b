"""The variance of PES on a character LSTM against the number of unrolls (Vicol et al. 2021, the figure of its poster).

A sequence of T characters is cut into 1 to T unrolls; PES at fixed parameters sums its estimates over all of them. The
total variance of that sum, for one antithetic pair, over the squared norm of the gradient: on a text, and on characters
drawn at random. An LSTM of 5 units as in the authors' code, fed with one-hot characters in place of an embedding.
"""

import time

import numpy as np
from lab import Claim, Row, Study, alike, axes, final, grouped, main, over, table, together, under
from lab.derived import derived
from pes_variance import growth, pooled
from texts import austen, english

import dualgrad as dg
from dualgrad import nn, online

SIGMA, UNITS, SYMBOLS = 1e-3, 5, "abcdefghijklmnopqrstuvwxyz .,"
TEXTS = {
    "Jane Austen": lambda length, rng: letters(austen(400_000), length, rng),
    "help": lambda length, rng: letters(english("help"), length, rng),
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


def training(text, unrolls, length, pairs, seed):
    """The variance of a pair's estimate over ‖g‖², and its standard error."""
    start = time.process_time()
    network, params, steps = problem(text, length, seed)
    exact = exact_gradient(network, params, steps)
    found = gradients_of_pairs(network, params, steps, length // unrolls, pairs, dg.Rng(1000 + seed))
    off = np.sum((found - exact) ** 2, axis=1) / np.sum(exact**2)
    return [[pairs, time.process_time() - start, float(off.mean()), float(off.std() / pairs**0.5)]]


# ---------------------------------------------------------------------- what is run and what is found


def rows(texts, unrolls, length, pairs, seeds):
    return tuple(
        Row({"text": text, "unrolls": n, "length": length, "pairs": pairs}, seeds, seconds=10)
        for text in texts for n in unrolls
    )  # fmt: skip


def tables(runs):
    counts = sorted({run["unrolls"] for run in runs})
    cells = {k: pooled(group) for k, group in grouped(runs, "text", "unrolls").items()}
    said = {k: f"{measured:.0f} ± {error:.0f}" for k, (measured, error) in cells.items()}
    lines = [[text, *(said.get((text, n), "") for n in counts)] for text in grouped(runs, "text")]
    title = (
        f"Variance of a pair over ‖g‖² by the number of unrolls of {runs[0]['length']:,} characters, ± standard error"
    )
    return {"pes-variance-lstm": table(title, ["characters", *map(str, counts)], lines)}


def claims(runs):
    groups = grouped(runs, "text", "unrolls")

    def of(text, unrolls):
        return groups.get((text, unrolls), [])

    def said(text):
        return ", ".join(f"{pooled(of(text, n))[0]:.0f} at {n}" for n in (1, 10, 100, 1000) if of(text, n))

    def grows(text, few, many):
        return over(growth(of(text, many), of(text, few)), 2, 0.0)

    novels, drawn = "Jane Austen", "random"
    poster = "variance figure"
    slopes = derived(growth(of(novels, 1000), of(novels, 100)), lambda curve: curve[-1, 2] / np.log(10))
    slope = f"a power of {np.mean(final(slopes, 2)):.2f}" if slopes else ""
    return [
        Claim("on a text the variance falls with the first unrolls", poster, said(novels),
              under(growth(of(novels, 10), of(novels, 1)), 2, 0.0)),
        Claim("... and then grows with their number", poster, said(novels),
              together(grows(novels, 10, 100), grows(novels, 100, 1000))),
        Claim("... linearly: from 100 to 1,000 as a power of 1, within 0.2", f"{poster}, \"linear increase\"", slope,
              alike(slopes, derived(slopes, lambda curve: 1.0), 2, 0.2)),
        Claim("on characters drawn at random it grows from the first", "", said(drawn),
              together(grows(drawn, 1, 10), grows(drawn, 10, 100))),
    ]  # fmt: skip


def draw(runs):
    """The variance against the number of unrolls, of every text."""
    figure, (ax,) = axes(1, height=4)
    for text, mine in grouped(runs, "text").items():
        points = sorted((n, *pooled(group)) for n, group in grouped(mine, "unrolls").items())
        unrolls, measured, error = np.array(points).T
        ax.errorbar(unrolls, measured, 2 * error, fmt="o-", markersize=4, capsize=2, label=text)
    ax.set(xscale="log", yscale="log", xlabel="unrolls in a sequence", ylabel="variance / ‖g‖²")
    ax.legend()
    return figure


UNROLLS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
STUDIES = [
    Study("pes-variance-lstm", training, "pairs", ("variance over the squared gradient", "standard error"),
          rows(["Jane Austen", "random"], UNROLLS, 1000, 1000, 5), rows(["help", "random"], [1, 10], 10, 20, 1),
          tables, draw, claims),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
