"""Predict the next character, online (NoBackTrack, section 2): RTRL, NoBackTrack, UORO and truncated BPTT.

One pass over a text, one character at a time, never storing the past. Bits per character against the characters read
and against time, with the text's true entropy rate, gzip and context tree weighting beside them.
"""

import numpy as np
from compressors import ctw_bits, gzip_bits
from lab import arguments, axes, band, grouped, run, save, spread, table
from texts import anbn, anbn_entropy, english, music, music_entropy

import dualgrad as dg
from dualgrad import nn, online, optim

UNITS, WINDOW, PRIOR = 20, 15, 20.0
LEARNERS = {
    "RTRL": online.RTRL,
    "NoBackTrack": online.NoBackTrack,
    "NoBackTrack, rank 2": lambda: online.NoBackTrack(2),
    "NoBackTrack, rank 10": lambda: online.NoBackTrack(10),
    "UORO": online.UORO,
    "BPTT in windows of 15": lambda: online.TruncatedBPTT(WINDOW),
}
OPTIMIZERS = {
    "1/√t": lambda: optim.SGD(optim.inverse_sqrt(1.0)),
    "0.03/√t": lambda: optim.SGD(optim.inverse_sqrt(0.03)),
    "Kalman, γ = 1/√t": lambda: optim.KalmanQDOP(PRIOR, optim.inverse_sqrt(1.0)),
    "Kalman, γ = 0.1/√t": lambda: optim.KalmanQDOP(PRIOR, optim.inverse_sqrt(0.1)),
}
RANKS = ["RTRL", "NoBackTrack", "NoBackTrack, rank 2", "NoBackTrack, rank 10"]
PANELS = {  # text -> (title, learners, optimizer) of every plot
    "music": [
        ("figure 1: Euclidean, 1/√t", RANKS, "1/√t"),
        ("figure 2: Euclidean, 0.03/√t", RANKS, "0.03/√t"),
        ("figure 3: Kalman", [*RANKS, "UORO"], "Kalman, γ = 1/√t"),
        ("figure 4: windows", ["BPTT in windows of 15"], "1/√t"),
        ("figure 4: windows", ["BPTT in windows of 15"], "Kalman, γ = 1/√t"),
    ],
    "anbn": [
        ("figure 5: aⁿbⁿ", ["RTRL", "NoBackTrack", "UORO", "BPTT in windows of 15"], "Kalman, γ = 0.1/√t"),
        ("figure 5: aⁿbⁿ", ["NoBackTrack", "BPTT in windows of 15"], "Kalman, γ = 1/√t"),
        ("figure 5: aⁿbⁿ", ["BPTT in windows of 15"], "1/√t"),
    ],
    "english": [
        ("figure 6: English", RANKS, "Kalman, γ = 1/√t"),
        ("figure 6: English", ["BPTT in windows of 15"], "Kalman, γ = 1/√t"),
        ("figure 6: English", ["BPTT in windows of 15"], "1/√t"),
    ],
}
CHARACTERS = {"music": 200_000, "anbn": 1_000_000, "english": 200_000}
DEPTH = {"music": 10, "anbn": 70, "english": 8}  # of context tree weighting


def source(text, length, seed, path=None):
    """The characters of a task; music is a file of 100,000 that is read over and over."""
    if text == "anbn":
        return anbn(length, 100 + seed)
    if text == "music":
        return (music(100_000, 100 + seed) * -(-length // 100_000))[:length]
    return english(path)[:length]


def network(text, symbols, rng):
    """A recurrent layer of 20 units, leaky for aⁿbⁿ with time constants evenly spread on a log scale from 1 to 64."""
    if text == "anbn":
        cell = nn.LeakyRNNCell(symbols, UNITS, leak=1 - np.exp(-rng.uniform(0, np.log(64), (UNITS,))))
    else:
        cell = nn.RNNCell(symbols, UNITS)
    net = online.Network(cell, nn.Linear(UNITS, symbols), nn.cross_entropy)
    params = net.init(rng=rng, dtype=np.float64)
    params["0.weight_x"] = rng.normal((symbols, UNITS))
    params["0.weight_h"] = rng.normal((UNITS, UNITS)) / (2 * UNITS**0.5)
    return net, params


def training(text, learner, optimizer, length, seed, path=None, points=40, sampled=300):
    """One pass: its curve of characters, seconds and bits per character since the last point; and a sample."""
    characters = source(text, length, seed, path)
    symbols = sorted(set(characters))
    codes, inputs = np.searchsorted(symbols, list(characters)), np.eye(len(symbols))
    start, draws = dg.Rng(seed).spawn(2)
    net, params = network(text, len(symbols), start)
    reader, points = LEARNERS[learner]().start(net, params, rng=draws), min(points, length)
    every = length // points
    try:
        history = online.fit(
            reader, OPTIMIZERS[optimizer](), lambda t: (inputs[codes[t - 1]], codes[t]), steps=every * points,
            every=every, progress=False,
        )  # fmt: skip
    except dg.NonFiniteError as error:
        history = error.history
    rows, seconds = history.rows[:points], np.cumsum(history["seconds"]).tolist()
    bits = [None if row["loss"] is None else row["loss"] / np.log(2) for row in rows]
    curve = [[row["step"], at, b] for row, at, b in zip(rows, seconds, bits, strict=False)]
    curve += [[every * k, None, None] for k in range(len(curve) + 1, points + 1)]
    return {"curve": curve, "sample": sample(net, params, reader.state, codes[-1], symbols, draws, sampled)}


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


# ---------------------------------------------------------------------- the experiment


def main():
    args = arguments(__doc__, "about 2 hours", "a text file for the English task", parts=PANELS, characters=0)
    texts = [name for name in PANELS if name in args.only]
    tasks = []
    for text in texts:
        length = args.characters or (CHARACTERS[text] if args.full else 200)
        if text == "english":
            length = min(length, len(english(args.data)))
        for _, learners, optimizer in PANELS[text]:
            for learner in learners:
                common = {"text": text, "learner": learner, "optimizer": optimizer, "length": length, "path": args.data}
                for seed in range(seeds(args, text, learner, optimizer)):
                    tasks.append(common | {"seed": seed})
    runs = [r | r["curve"] for r in run(training, tasks, args.jobs, "text prediction")]
    lines = {text: bounds(text, next(r["length"] for r in runs if r["text"] == text), args.data) for text in texts}
    tables = [t for text in texts for t in report(text, [r for r in runs if r["text"] == text], lines[text])]
    save(args, "text_prediction", draw(texts, runs, lines), tables, runs)


def seeds(args, text, learner, optimizer):
    """The claim on aⁿbⁿ is a median of five."""
    claimed = args.full and text == "anbn" and learner == "NoBackTrack" and optimizer == "Kalman, γ = 0.1/√t"
    return max(args.seeds, 5) if claimed else args.seeds


def bounds(text, length, path):
    """Lines to compare with: the entropy rate where it is known, gzip and context tree weighting of all characters."""
    characters = source(text, length, 0, path)
    known = {
        "music": {"entropy rate": music_entropy()},
        "anbn": {"entropy rate": anbn_entropy(), "independent n": 2 * anbn_entropy()},
        "english": {},
    }[text]
    return known | {"gzip": gzip_bits(characters), "context tree weighting": ctw_bits(characters, DEPTH[text])}


def last_quarter(r):
    """Bits per character over the last quarter of a text."""
    rows = r["curve"][-max(len(r["curve"]) // 4, 1) :]
    return float(np.mean([np.nan if row[2] is None else row[2] for row in rows]))


def report(text, runs, lines):
    rows = []
    for (learner, optimizer), group in grouped(runs, "learner", "optimizer").items():
        ends = np.array([last_quarter(r) for r in group])
        seconds = [r["curve"][-1][1] for r in group if r["curve"][-1][1] is not None]
        rate = 1e6 * np.mean(seconds) / group[0]["length"] if seconds else np.nan
        median = f"{np.nanmedian(ends):.3f}" if np.isfinite(ends).any() else "diverged"
        rows.append([learner, optimizer, median, spread(ends), len(group), f"{rate:.0f}"])
    columns = ["learner", "optimizer", "median", "bits a character, last quarter", "seeds", "µs a character"]
    said = table(f"{text}: {runs[0]['length']:,} characters", columns, rows)
    beside = table(f"{text}: to compare with", ["", "bits"], [[name, f"{bits:.3f}"] for name, bits in lines.items()])
    best = min(runs, key=lambda r: np.nan_to_num(last_quarter(r), nan=np.inf))
    print(f"\nwritten by {best['learner']}, {best['optimizer']}:\n{best['sample']}")
    return [said, beside]


def draw(texts, runs, lines):
    """For every text and optimizer, bits against characters and against seconds."""
    panels = [(text, title) for text in texts for title in dict.fromkeys(panel[0] for panel in PANELS[text])]
    figure, all_axes = axes(2 * len(panels), height=3.2, columns=2)
    for k, (text, title) in enumerate(panels):
        shown = [(names, opt) for t, names, opt in PANELS[text] if t == title]
        if title.startswith("figure 4"):
            shown.append((["NoBackTrack"], "Kalman, γ = 1/√t"))
        for ax, column in zip(all_axes[2 * k : 2 * k + 2], (0, 1), strict=True):
            for names, optimizer in shown:
                for name in names:
                    group = [r for r in runs if (r["text"], r["learner"], r["optimizer"]) == (text, name, optimizer)]
                    label = name if len(shown) == 1 else f"{name}, {optimizer}"
                    band(ax, group, 2, label, against=column, linewidth=1.2)
            for (name, bits), style in zip(lines[text].items(), ("-", "-.", "--", ":"), strict=False):
                ax.axhline(bits, color="gray", linestyle=style, linewidth=1, label=name)
            top = max(lines[text].values()) * 1.8
            ax.set(ylim=(0, top), ylabel="bits a character", xlabel=("characters", "seconds")[column], title=title)
        all_axes[2 * k].legend(fontsize=6)
    return figure


if __name__ == "__main__":
    main()
