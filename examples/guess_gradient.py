"""How to guess a gradient: the study of Singhal et al., on scikit-learn's digits, or on MNIST or CIFAR-10 from files.

Parts, each with its figure: cosine (figure 1: cosine and one-step effectiveness along the backprop trajectory),
training (figure 3 and Table 2: depths 3 and 6, widths 128 and 1024), bias (figure 4: cosine against the number of
guesses), matched (figures 4 and 7: a control at the same cosine, with and without momentum), sharpening (figure 5:
self-sharpening, and singular values raised to powers), layers (figure 7: one against two downstream layers, Jacobian
spectra), sweep (figure 6: optimizers and rates), subspaces (figures 2 and 10).

    python examples/guess_gradient.py --quick
    python examples/guess_gradient.py --full
    python examples/guess_gradient.py --full --only cosine bias --data ~/mnist
"""

import numpy as np
from datasets import images
from lab import arguments, axes, band, epochs, final, grouped, learn, run, save, spread, table, tuned, verdicts

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from dualgrad.directions import as_vector
from dualgrad.estimators import ActivationMixing, ActivationPerturbation, Downstream, SelfSharpening, TransposedWeight

BATCH, RATE = 128, 1e-3
METHODS = {
    "directional": lambda **k: estimators.ForwardGradient(directions.Gaussian()),
    "activation": lambda **k: ActivationPerturbation(store=True, **k),
    "mixing": lambda **k: ActivationMixing(store=True, **k),
    "W^T": lambda **k: TransposedWeight(store=True, **k),
    "downstream": lambda **k: Downstream(store=True, **k),
    "downstream 2": lambda **k: Downstream(layers=2, store=True, **k),
    "self-sharpening": lambda **k: SelfSharpening(store=True),
    **{f"power {power:g}": lambda power=power, **k: TransposedWeight(power=power, store=True, **k)
       for power in (0.1, 0.5, 1, 2, 4)},
    "backprop": lambda **k: estimators.Backprop(),
}  # fmt: skip
GUESSES = ["directional", "activation", "mixing", "W^T", "downstream"]
PAPER = {"directional": "0.0003", "activation": "0.016", "mixing": "0.025", "W^T": "0.030", "downstream": "0.034"}
EFFECT = {"directional": "1e-6", "activation": "7e-4", "mixing": "3e-3", "W^T": "2e-3", "downstream": "3e-3"}


def network(data, depth, width):
    """An MLP with ``depth`` hidden layers, at He's initial values."""
    train, test = images(data)
    inputs = int(np.prod(train[0].shape[1:]))
    model = nn.Sequential(nn.Flatten(), *nn.networks.mlp([inputs, *[width] * depth, 10]).layers)
    return model, train, test


def started(model, seed):
    return nn.initialise(model.init(rng=seed), "he_normal", rng=seed)


def cosine_to(g, v):
    return float(g @ v / (np.linalg.norm(g) * np.linalg.norm(v) or 1.0))


def training(data, method, depth, width, optimizer, rate, updates, seed, cosine=None, momentum=0.0):
    """One run: its curve of updates, seconds, test and training accuracy, cosine, and rank of the first weight."""
    model, train, test = network(data, depth, width)
    objective, params = nn.Objective(model, nn.cross_entropy), started(model, seed)
    source, rng = dg.Rng(seed).spawn(2)
    estimator = METHODS[method]()
    if cosine is not None:
        estimator = estimators.MatchedCosine(estimator, cosine)
    settings = {"momentum": momentum} if optimizer == "SGD" else {}
    seen, probe = (train[0][:1000], train[1][:1000]), objective.bind(train[0][:BATCH], train[1][:BATCH])

    def evaluate(params):
        g = estimators.Backprop().estimate(probe, params).gradient.vector
        own = np.mean([cosine_to(g, as_vector(estimator.estimate(probe, params, rng=k).gradient)) for k in range(4)])
        rank = estimators.effective_rank(np.linalg.svd(params["1.weight"], compute_uv=False))
        return *(nn.accuracy(model(params, x), y) for x, y in (test, seen)), float(own), float(rank)

    way, batches = getattr(optim, optimizer)(rate, **settings), epochs(objective, train, BATCH, source)
    return learn(estimator, way, params, batches, updates, evaluate, rng=rng)


# ---------------------------------------------------------------------- figure 1


def along_backprop(data, depth, width, updates, samples, seed):
    """At points along backprop's way: cosines and one-step effectiveness of every method's estimates."""
    model, train, _ = network(data, depth, width)
    objective, (source, others, rng) = nn.Objective(model, nn.cross_entropy), dg.Rng(seed).spawn(3)
    batches, probed = (epochs(objective, train, BATCH, stream) for stream in (source, others))
    return learn(
        estimators.Backprop(), optim.AdamW(RATE), started(model, seed), batches, updates,
        lambda params: probe(next(probed), params, samples, rng), points=10,
    )  # fmt: skip


def probe(batch, params, samples, rng):
    """Mean |cos| of each method, then their best loss decrease over step sizes, relative to backprop's."""
    exact, cosines, effects = estimators.Backprop().estimate(batch, params), [], []
    g = exact.gradient.vector

    def decrease(v):
        lengths = [10.0**-k for k in range(1, 6)]
        moved = [params.vector - np.float32(a / np.linalg.norm(v)) * v for a in lengths]
        return max(float(exact.value - batch(dg.Params.from_vector(params.layout, w))) for w in moved)

    best = decrease(g)
    for method in GUESSES:
        found = [METHODS[method]().estimate(batch, params, rng=rng).gradient.vector for _ in range(samples)]
        cosines.append(float(np.mean([abs(cosine_to(g, v)) for v in found])))
        effects.append(float(np.mean([decrease(v) for v in found[: max(1, samples // 4)]])) / best)
    return [*cosines, *effects]


def cosine(args, ax):
    shapes = [(3, 128), (6, 128), (6, 256)] if args.full else [(3, 32)]
    tasks = [{"data": args.data, "depth": d, "width": w, "updates": 500 if args.full else 10,
              "samples": 20 if args.full else 2, "seed": s} for d, w in shapes for s in range(args.seeds)]  # fmt: skip
    runs = run(along_backprop, tasks, args.jobs, "cosine")
    rows = []
    for (depth, width), found in grouped(runs, "depth", "width").items():
        p = started(network(args.data, depth, width)[0], 0).size
        for k, method in enumerate(GUESSES):
            every = np.array([[row[2 + k], row[2 + len(GUESSES) + k]] for r in found for row in r["curve"]])
            theory = f"{np.sqrt(2 / np.pi / p):.4f}" if method == "directional" else ""
            rows.append([f"{depth}x{width}", method, spread(every[:, 0], 4), theory, PAPER[method],
                         f"{every[:, 1].mean():.1e}", EFFECT[method]])  # fmt: skip
    found = grouped(runs, "depth", "width")[shapes[0]]
    for k, method in enumerate(GUESSES):
        band(ax, found, 2 + k, method)
    ax.set(xlabel="updates of backprop", ylabel="mean |cosine|", yscale="log", title="Cosine along backprop (fig. 1)")
    columns = ["network", "method", "mean |cos|", "theory", "paper, 6x1024", "effectiveness", "paper"]
    means = {m: np.mean([row[2 + k] for r in found for row in r["curve"]]) for k, m in enumerate(GUESSES)}
    claims = [
        ["directional < activation < mixing, W^T, downstream",
         means["directional"] < means["activation"] < min(means[m] for m in GUESSES[2:])],
        ["guesses are at least 10 times nearer than a random direction", means["W^T"] > 10 * means["directional"]],
    ]  # fmt: skip
    return runs, [table("Cosine and one-step effectiveness along backprop", columns, rows), verdicts("Claims", claims)]


# ---------------------------------------------------------------------- figure 3


def accuracies(args, ax):
    shapes = {(3, 128): 2400, (6, 128): 2400, (3, 1024): 50, (6, 1024): 50} if args.full else {(3, 16): 5}
    methods = [*GUESSES, "self-sharpening", "backprop"]
    tasks = [{"data": args.data, "method": m, "depth": d, "width": w, "updates": u, "rate": RATE, "seed": s,
              "optimizer": "StableAdamW" if m == "self-sharpening" else "AdamW"}
             for (d, w), u in shapes.items() for m in methods for s in range(args.seeds)]  # fmt: skip
    runs = run(training, tasks, args.jobs, "training")
    groups = grouped(runs, "depth", "width", "method")
    rows = [[f"{d}x{w}", m, shapes[d, w], spread(final(found, 3)), spread(final(found, 2)),
             f"{np.nanmean(final(found, 1)):.0f}"] for (d, w, m), found in groups.items()]  # fmt: skip
    first = next(iter(shapes))
    for method in methods:
        band(ax, groups[*first, method], 2, method)
    ax.set(xlabel="updates", ylabel="test accuracy", title=f"Training, {first[0]}x{first[1]} (fig. 3)")
    mean = {m: np.nanmean(final(groups[*first, m], 2)) for m in methods}
    claims = [
        ["every guess beats directional descent", all(mean[m] > mean["directional"] for m in GUESSES[1:])],
        ["backprop beats every guess", all(mean["backprop"] >= mean[m] for m in methods)],
        ["W^T and downstream beat activation perturbation", min(mean["W^T"], mean["downstream"]) > mean["activation"]],
        ["self-sharpening generalises worse than it trains",
         np.nanmean(final(groups[*first, "self-sharpening"], 3)) - mean["self-sharpening"] > 0.02],
    ]  # fmt: skip
    columns = ["network", "method", "updates", "training accuracy", "test accuracy", "seconds"]
    return runs, [table("Accuracy by AdamW at 1e-3", columns, rows), verdicts("Claims", claims)]


# ---------------------------------------------------------------------- figure 4, left


def averaging(data, method, depth, width, guesses, seed):
    """Cosine of the average of 2, 4, 8 ... guesses, at a network trained a little. A batch of 8: mixing needs some."""
    model, train, _ = network(data, depth, width)
    objective, params, rng = nn.Objective(model, nn.cross_entropy), started(model, seed), dg.Rng(seed + 1)
    learn(estimators.Backprop(), optim.AdamW(RATE), params, epochs(objective, train, BATCH, dg.Rng(seed)), 20)
    batch = objective.bind(train[0][:8], train[1][:8])
    g, total, rows = estimators.Backprop().estimate(batch, params).gradient.vector, 0.0, []
    for k in range(1, guesses + 1):
        total = total + METHODS[method]().estimate(batch, params, rng=rng).gradient.vector
        if k & (k - 1) == 0:
            rows.append([k, 0.0, cosine_to(g, total)])
    return rows


def bias(args, ax):
    guesses, width = (8192, 128) if args.full else (8, 16)
    tasks = [{"data": args.data, "method": m, "depth": 6, "width": width, "guesses": guesses, "seed": s}
             for m in GUESSES for s in range(args.seeds)]  # fmt: skip
    runs = run(averaging, tasks, args.jobs, "bias")
    groups = grouped(runs, "method")
    for method, found in groups.items():
        band(ax, found, 2, method)
    ax.set(xscale="log", xlabel="guesses averaged", ylabel="cosine", title="Bias (fig. 4)")

    def growth(method):
        """How much of the final cosine the last three doublings brought."""
        last = np.mean([[row[2] for row in r["curve"]] for r in groups[method]], axis=0)
        return 1 - last[-4] / last[-1]

    rows = [[m, spread(final(groups[m], 2)), f"{growth(m):.2f}"] for m in GUESSES]
    claims = [
        ["biased guesses saturate: under a tenth is left to the last three doublings",
         all(growth(m) < 0.1 for m in ("mixing", "W^T", "downstream"))],
        ["activation perturbation goes on rising", growth("activation") > 0.1],
    ]  # fmt: skip
    columns = ["method", f"cosine of {guesses} guesses", "share of the last three doublings"]
    return runs, [table(f"6x{width}, a batch of 8", columns, rows), verdicts("Claims", claims)]


# ---------------------------------------------------------------------- figure 4, middle and right


def matched(args, ax):
    updates, width = (800, 128) if args.full else (5, 16)
    common = {"data": args.data, "depth": 6, "width": width, "updates": updates}
    probe_runs = run(
        training, [common | {"method": "W^T", "optimizer": "AdamW", "rate": RATE, "seed": 0}], 1, "matched"
    )
    at = float(np.clip(np.mean([row[4] for row in probe_runs[0]["curve"]]), 0.01, 1))
    kinds = [("directional", None), ("W^T", None), ("directional", at)]
    tasks = [common | {"method": m, "optimizer": o, "momentum": mu, "cosine": c}
             for o, mu in (("AdamW", 0.0), ("SGD", 0.9), ("SGD", 0.0)) for m, c in kinds]  # fmt: skip
    rates = [3e-1, 3e-2, 3e-3, 3e-4] if args.full else [1e-3]
    runs, _ = tuned(training, tasks, rates, args.seeds, args.jobs, "matched", column=3)
    groups, rows = grouped(runs, "optimizer", "momentum", "method", "cosine"), []
    names = {("directional", None): "directional", ("W^T", None): "W^T", ("directional", at): "matched"}
    for (optimizer, mu, method, c), found in groups.items():
        name = names[method, c]
        rows.append([optimizer, mu, name, found[0]["rate"], spread(final(found, 3)), spread(final(found, 2))])
        if optimizer == "AdamW":
            band(ax, found, 3, name)
    ax.set(xlabel="updates", ylabel="training accuracy", title=f"At a cosine of {at:.2f} (fig. 4)")

    def gap(optimizer, mu):
        return np.nanmean(final(groups[optimizer, mu, "directional", at], 3)) - np.nanmean(
            final(groups[optimizer, mu, "W^T", None], 3)
        )

    claims = [
        ["at an equal cosine the unbiased control learns faster (AdamW)", gap("AdamW", 0.0) > 0],
        ["the gap is smaller without momentum", gap("SGD", 0.0) < gap("SGD", 0.9)],
    ]
    columns = ["optimizer", "momentum", "method", "rate", "training accuracy", "test accuracy"]
    return runs, [table(f"Bias at a cosine of {at:.3f}", columns, rows), verdicts("Claims", claims)]


# ---------------------------------------------------------------------- figure 5


def sharpening(args, ax):
    updates, width = (1000, 128) if args.full else (5, 16)
    methods = [*(m for m in METHODS if m.startswith("power")), "downstream", "self-sharpening"]
    tasks = [{"data": args.data, "method": m, "depth": 6, "width": width, "updates": updates, "rate": 3e-4, "seed": s,
              "optimizer": "StableAdamW" if m == "self-sharpening" else "AdamW"}
             for m in methods for s in range(args.seeds)]  # fmt: skip
    runs = run(training, tasks, args.jobs, "sharpening")
    groups = grouped(runs, "method")
    start = {m: np.mean([r["curve"][0][4] for r in groups[m]]) for m in methods}
    ends = {m: np.nanmean(final(groups[m], 4)) for m in methods}
    rows = []
    for m in methods:
        rank = f"{groups[m][0]['curve'][0][5]:.1f}", spread(final(groups[m], 5), 1)
        accuracies = spread(final(groups[m], 3)), spread(final(groups[m], 2))
        rows.append([m, f"{start[m]:.3f}", f"{ends[m]:.3f}", *rank, *accuracies])
    for method in methods:
        band(ax, groups[method], 4, method)
    ax.set(xlabel="updates", ylabel="cosine", title="Sharpening (fig. 5)")
    rank = {m: np.nanmean(final(groups[m], 5)) for m in methods}
    claims = [
        ["self-sharpening ends at a higher cosine than downstream", ends["self-sharpening"] > ends["downstream"]],
        ["its cosine rises as it trains", ends["self-sharpening"] > start["self-sharpening"]],
        ["higher powers end at a higher cosine", ends["power 4"] > ends["power 0.1"]],
        ["... and at a lower effective rank", rank["power 4"] < rank["power 0.1"]],
    ]
    columns = ["method", "cosine, start", "end", "effective rank, start", "end", "training accuracy", "test accuracy"]
    return runs, [
        table("Self-sharpening, and powers of the singular values", columns, rows),
        verdicts("Claims", claims),
    ]


# ---------------------------------------------------------------------- figure 7


def layers(args, ax):
    updates, width = (1000, 128) if args.full else (5, 16)
    tasks = [{"data": args.data, "method": m, "depth": 6, "width": width, "updates": updates, "rate": RATE, "seed": s,
              "optimizer": "AdamW"} for m in ("downstream", "downstream 2") for s in range(args.seeds)]  # fmt: skip
    runs = run(training, tasks, args.jobs, "layers")
    groups = grouped(runs, "method")
    rows = [[m, spread(final(groups[m], 3)), spread(final(groups[m], 2))] for m in ("downstream", "downstream 2")]
    model, train, _ = network(args.data, 6, 256 if args.full else 16)
    params = started(model, 0)
    h = np.maximum(train[0][:1].reshape(1, -1) @ params["1.weight"] + params["1.bias"], 0)
    spectra = []
    for count in range(1, 5):
        spectra.append(jacobian_spectrum(h, [params[f"{2 * k + 1}.weight"] for k in range(1, 1 + count)]))
        ax.plot(np.arange(1, len(spectra[-1]) + 1), spectra[-1], label=f"{count} layers")
    ax.set(xscale="log", yscale="log", ylim=(1e-6, 2), xlabel="index", ylabel="singular value over the largest",
           title="Jacobians (fig. 7)")  # fmt: skip
    ranks = [float(estimators.effective_rank(s)) for s in spectra]
    shown = [[k + 1, f"{r:.1f}"] for k, r in enumerate(ranks)]
    one, two = (np.nanmean(final(groups[m], 3)) for m in ("downstream", "downstream 2"))
    claims = [
        ["two downstream layers are no better than one", two <= one + 0.01],
        ["each further layer lowers the effective rank of the Jacobian", bool(np.all(np.diff(ranks) < 0))],
    ]
    return runs, [
        table("One against two downstream layers", ["method", "training accuracy", "test accuracy"], rows),
        table("Effective rank of the Jacobian", ["layers", "effective rank"], shown), verdicts("Claims", claims),
    ]  # fmt: skip


def jacobian_spectrum(h, weights):
    """Singular values of the derivative of ReLU layers at h, relative to the largest."""
    jacobian = np.eye(h.shape[1])
    for w in weights:
        h = h @ w
        jacobian = jacobian @ w * (h > 0)
        h = np.maximum(h, 0)
    s = np.linalg.svd(jacobian, compute_uv=False)
    return s / s[0]


# ---------------------------------------------------------------------- figure 6


def sweep(args, ax):
    updates, width = (600, 128) if args.full else (5, 16)
    optimizers, rates = (
        (["AdamW", "SGD", "StableAdamW"], [1e-2, 1e-3, 1e-4, 1e-5]) if args.full else (["AdamW"], [1e-3])
    )
    methods = ["directional", "activation", "W^T", "backprop"]
    common = {"data": args.data, "depth": 3, "width": width, "updates": updates}
    tasks = [common | {"method": m, "optimizer": o} for o in optimizers for m in methods]
    runs, _ = tuned(training, tasks, rates, args.seeds, args.jobs, "sweep", column=3)
    best, rows = grouped(runs, "optimizer", "method"), []
    for (optimizer, method), found in best.items():
        rows.append([optimizer, method, f"{found[0]['rate']:g}", spread(final(found, 3)), spread(final(found, 2))])
        if method == "W^T":
            band(ax, found, 3, f"W^T, {optimizer}")
    ax.set(xlabel="updates", ylabel="training accuracy", title="Optimizers (fig. 6)")
    columns = ["optimizer", "method", "best rate", "training accuracy", "test accuracy"]
    tables = [table(f"3x{width}, {updates} updates, each at its best rate", columns, rows)]
    if args.full:
        mean = {key: np.nanmean(final(found, 3)) for key, found in best.items()}
        tables.append(verdicts("Claims", [
            ["directional descent and W^T gain more by AdamW than backprop does",
             all(mean["AdamW", m] - mean["SGD", m] > mean["AdamW", "backprop"] - mean["SGD", "backprop"]
                 for m in ("directional", "W^T"))],
        ]))  # fmt: skip
    return runs, tables


# ---------------------------------------------------------------------- figures 2 and 10


def subspaces(args, ax):
    width = 1024 if args.full else 16
    model, train, _ = network(args.data, 3, width)
    objective, params = nn.Objective(model, nn.cross_entropy), started(model, 0)
    optimizer, batches, rows, done = optim.AdamW(RATE), epochs(objective, train, BATCH, dg.Rng(0)), [], 0
    for step in (0, 2, 100) if args.full else (0, 2):
        learn(estimators.Backprop(), optimizer, params, batches, step - done)
        found, done = estimators.subspace(model, params, train[0][:512], train[1][:512], rng=0), step
        for layer in found:
            at = [min(k, len(layer.activations)) - 1 for k in (10, 100)]
            rows.append([step, layer.name, *(f"{layer.activations[k]:.3f}" for k in at),
                         *(f"{layer.random[k]:.3f}" for k in at), f"{layer.effective_rank:.1f}"])  # fmt: skip
    for layer in found:
        (line,) = ax.plot(layer.activations, label=layer.name)
        ax.plot(layer.random, "--", color=line.get_color(), linewidth=0.8)
    ax.set(xscale="log", xlabel="components", ylabel="cosine of the projection", title="Subspaces (fig. 10)")
    better = {step: all(float(row[2]) > float(row[4]) for row in rows if row[0] == step) for step in (0, rows[-1][0])}
    columns = ["updates", "layer", "10 components", "100", "10 random", "100", "effective rank"]
    return [], [
        table(f"The gradient's part among the activations, 3x{width}", columns, rows),
        verdicts(
            "Claims",
            [
                ["activations hold more of the gradient than a random subspace, at the start", better[0]],
                ["... and after training", better[rows[-1][0]]],
            ],
        ),
    ]


PARTS = {"cosine": cosine, "training": accuracies, "bias": bias, "matched": matched, "sharpening": sharpening,
         "layers": layers, "sweep": sweep, "subspaces": subspaces}  # fmt: skip


def main():
    data = "a folder with MNIST's or CIFAR-10's files, instead of the digits"
    args = arguments(__doc__, "about 25 minutes", data, parts=PARTS)
    names = [name for name in PARTS if name in args.only]
    figure, plots = axes(len(names), columns=min(4, len(names)))
    runs, tables = [], []
    for name, ax in zip(names, plots, strict=True):
        found, shown = PARTS[name](args, ax)
        runs += found
        tables += shown
        ax.legend(frameon=False, fontsize=6)
    save(args, "guess_gradient", figure, tables, runs)


if __name__ == "__main__":
    main()
