"""Where forward gradients stop working: the experiments of Forward Gradients Are Not All You Need.

Multilayer, convolutional and residual networks learn by the forward gradient (one direction of LowRank signs, and
beside it the paper's dense normals) and by backpropagation, with SGD and with Adam, on scikit-learn's digits; batch
norm, the width and the rate vary. Gradients of the digits are small, so that the grid goes on above the paper's rates
of 2e-3, 2e-4 and 2e-5. The last part is its CIFAR section, on digits drawn at 32 x 32, or CIFAR-10 from its files.

    python examples/forward_gradient_limits.py --quick
    python examples/forward_gradient_limits.py --full
    python examples/forward_gradient_limits.py --full --only cifar --data ~/cifar-10-batches-bin
"""

import numpy as np
from datasets import images
from lab import arguments, axes, band, epochs, final, grouped, learn, run, save, shortest, spread, table, verdicts

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

BATCH = 64
METHODS = {
    "forward": lambda: estimators.ForwardGradient(directions.LowRank()),
    "normals": lambda: estimators.ForwardGradient(directions.Gaussian()),
    "backprop": lambda: estimators.Backprop(),
}
OPTIMIZERS = {"SGD": optim.SGD, "Adam": optim.Adam}


def mlp(shape, width, norm=False):
    """The paper's network: two hidden layers; batch norm, where asked for, after each of their Linear layers."""
    inputs = int(np.prod(shape))
    body = [[nn.Linear(a, width), *([nn.BatchNorm(width)] if norm else []), nn.ReLU()] for a in (inputs, width)]
    return nn.Sequential(nn.Flatten(), *body[0], *body[1], nn.Linear(width, 10))


NETWORKS = {
    "MLP 512": lambda shape: mlp(shape, 512),
    "MLP 1024": lambda shape: mlp(shape, 1024),
    "MLP 2048": lambda shape: mlp(shape, 2048),
    "MLP 512 with batch norm": lambda shape: mlp(shape, 512, norm=True),
    "conv net": lambda shape: nn.networks.conv_baydin(shape[-1], shape[0], channels=64, hidden=1024),
    "ResNet": lambda shape: nn.networks.resnet_small(shape[-1], norm=False),
    "ResNet with batch norm": lambda shape: nn.networks.resnet_small(shape[-1]),
}
RATES = [2e-1, 2e-2, 2e-3, 2e-4, 2e-5]
SGD, SMALL, ADAM = ("SGD", 2e-2), ("SGD", 2e-4), ("Adam", 2e-4)
EVERY, TWO = list(METHODS), ["forward", "backprop"]

# part: (title, networks, gradients, optimizers and their rates, updates, size of the digits)
PARTS = {
    "rates": ("Learning rate (section 4.1)", ["MLP 512"], EVERY, [("SGD", r) for r in RATES], 5000, 8),
    "width": ("Width and Adam (section 4.2)", ["MLP 512", "MLP 1024", "MLP 2048"], TWO, [SGD, ADAM], 1000, 8),
    "norm": ("Batch norm (section 4.2.1)", ["MLP 512", "MLP 512 with batch norm"], TWO, [SMALL, ADAM], 5000, 8),
    "conv": ("Convolutional network (section 4.4)", ["conv net"], TWO, [("SGD", r) for r in RATES], 500, 8),
    "resnet": ("Residual network (section 4.4)", ["ResNet", "ResNet with batch norm"], TWO,
               [("SGD", 2e-2), ("SGD", 2e-3), ("Adam", 2e-3)], 1000, 8),
    "cifar": ("At 32 x 32 (section 4.3)", ["MLP 512"], EVERY, [*(("SGD", r) for r in RATES[:3]), ADAM], 2000, 32),
}  # fmt: skip


def training(part, network, method, optimizer, rate, updates, data, seed):
    """One run: its curve of updates, seconds, training loss (of up to 500 images), and test accuracy."""
    train, test = images(data, PARTS[part][-1])
    test = test[0][:1000], test[1][:1000]
    model = NETWORKS[network](train[0].shape[1:])
    objective, params = nn.Objective(model, nn.cross_entropy), model.init(rng=seed)
    source, rng = dg.Rng(seed).spawn(2)
    seen = objective.bind(train[0][:500], train[1][:500])

    def evaluate(params):
        with np.errstate(all="ignore"):
            return float(seen(params)), nn.accuracy(model(params, test[0]), test[1])

    batches = epochs(objective, train, BATCH, source, **({"train": True} if "norm" in network else {}))
    way = OPTIMIZERS[optimizer](rate)
    return learn(METHODS[method](), way, params, batches, updates, evaluate, rng=rng, points=10)


def main():
    data = "a folder with MNIST's or CIFAR-10's files, instead of the digits"
    args = arguments(__doc__, "about 40 minutes", data, parts=PARTS)
    names = [name for name in PARTS if name in args.only]
    tasks = []
    for name in names:
        _, networks, methods, optimizers, updates, _ = PARTS[name]
        if args.quick:
            networks, optimizers, updates = networks[:1], optimizers[:1], 3
        tasks += [
            {"part": name, "network": network, "method": method, "optimizer": optimizer, "rate": rate,
             "updates": updates, "data": args.data, "seed": seed}
            for network in networks for optimizer, rate in optimizers for method in methods
            for seed in range(args.seeds)
        ]  # fmt: skip
    runs = run(training, tasks, args.jobs, "limits")
    groups = grouped(runs, "part", "network", "optimizer", "rate", "method")
    tables = [part_table(name, groups) for name in names]
    if args.full:
        tables.append(claims(groups, names))
    save(args, "forward_gradient_limits", draw(groups, names), tables, runs)


def part_table(name, groups):
    rows = []
    for (part, network, optimizer, rate, method), found in groups.items():
        if part == name:
            rivals = [groups[part, network, optimizer, rate, m] for m in PARTS[part][2]]
            rows.append([network, optimizer, f"{rate:g}", method, spread(final(found, 2), 2), spread(final(found, 3)),
                         at_equal_time(found, rivals), spread(final(found, 1), 1)])  # fmt: skip
    updates = next(found[0]["updates"] for key, found in groups.items() if key[0] == name)
    columns = ["network", "optimizer", "rate", "gradient", f"training loss after {updates}", "test accuracy",
               "at equal time", "seconds"]  # fmt: skip
    return table(PARTS[name][0], columns, rows)


def at_equal_time(found, rivals):
    """Test accuracy when the faster of the two was done."""
    if not all(np.isfinite(final(r, 1)).any() for r in rivals):
        return "diverged"
    return spread(final(found, 3, shortest(rivals)))


# ---------------------------------------------------------------------- what the paper says


class Part:
    """The mean test accuracies of one part: ``part(network, optimizer, rate)`` of the forward gradient and backprop."""

    def __init__(self, name, groups):
        self.name, self.groups = name, groups

    def score(self, network, optimizer, rate, method="forward"):
        """A run that diverged counts as guessing."""
        values = final(self.groups[self.name, network, optimizer, rate, method], 3)
        return float(np.mean(np.where(np.isfinite(values), values, 0.1)))

    def __call__(self, *key):
        return self.score(*key), self.score(*key, "backprop")

    def said(self, keys):
        return "; ".join("{:.3f} and {:.3f}".format(*self(*key)) for key in keys)


def rates_claims(part):
    keys = [("MLP 512", "SGD", rate) for rate in RATES]
    best = {method: max(keys, key=lambda key: part.score(*key, method)) for method in TWO}
    at_best = part(*best["backprop"])
    rates = f"{best['backprop'][-1]:g} and {best['forward'][-1]:g}"
    yield "backprop's best rate is above the forward gradient's", best["backprop"][-1] > best["forward"][-1], rates
    yield "... which collapses there", at_best[0] < 0.5 * at_best[1], part.said([best["backprop"]])
    small = keys[3:]
    yield "at 2e-4 and 2e-5 both do alike", all(abs(np.subtract(*part(*key))) < 0.1 for key in small), part.said(small)


def width_claims(part):
    sizes = PARTS["width"][1]
    adam, sgd = ([part.score(size, *way) for size in sizes] for way in (ADAM, SGD))
    said = part.said([(size, *ADAM) for size in sizes])
    yield "width does not help the forward gradient (Adam)", adam[-1] <= adam[0] + 0.02, said
    yield "width helps backprop (Adam)", part(sizes[-1], *ADAM)[1] > part(sizes[0], *ADAM)[1], said
    lost = "; ".join(f"{x:.3f}" for x in (*sgd, *adam))
    yield "with width SGD loses more than Adam", sgd[0] - sgd[-1] > adam[0] - adam[-1], f"SGD, then Adam: {lost}"


def norm_claims(part):
    plain, normed = (part(network, *SMALL) for network in PARTS["norm"][1])
    said = "{:.3f} and {:.3f}, without it {:.3f} and {:.3f}".format(*normed, *plain)
    yield "batch norm makes the forward gradient worse (SGD)", normed[0] < plain[0], said
    yield "batch norm makes backprop better (SGD)", normed[1] > plain[1], said


def conv_claims(part):
    keys = [("conv net", "SGD", rate) for rate in RATES]
    fails = [part.score(*key) < 0.5 * part.score(*key, "backprop") for key in keys]
    yield "it collapses at rates at which backprop learns", any(fails), part.said(keys)


def resnet_claims(part):
    keys = [("ResNet", "SGD", 2e-3), ("ResNet", "Adam", 2e-3)]
    finite = all(np.isfinite(final(part.groups["resnet", *key, "forward"], 2)).all() for key in keys)
    yield "the ResNet is stable at 2e-3", finite, part.said(keys)


def cifar_claims(part):
    keys = [("MLP 512", *way) for way in PARTS["cifar"][3]]
    sgd, adam = [part.score(*key) for key in keys[:-1]], part.score(*keys[-1])
    yield "SGD explodes at some rates, Adam holds", min(sgd) < 0.15 < adam, part.said(keys)
    yield "SGD explodes at every rate", max(sgd) < 0.15, part.said(keys[:-1])
    yield "under Adam it is worse than backprop", adam < part(*keys[-1])[1], part.said(keys[-1:])


CLAIMS = {
    "rates": rates_claims, "width": width_claims, "norm": norm_claims, "conv": conv_claims, "resnet": resnet_claims,
    "cifar": cifar_claims,
}  # fmt: skip


def claims(groups, names):
    rows = [(*claim, PARTS[name][0]) for name in names for claim in CLAIMS[name](Part(name, groups))]
    columns = "test accuracy, forward and backprop", "part"
    return verdicts("Forward Gradients Are Not All You Need", rows, *columns)


# ---------------------------------------------------------------------- figure


def draw(groups, names):
    """A colour for each setting; the gradients by the line."""
    figure, plots = axes(len(names), columns=min(3, len(names)))
    figure.suptitle("Solid: one direction of LowRank signs. Dotted: of normals. Dashed: backprop.", fontsize=10)
    lines = {"forward": "-", "normals": ":", "backprop": "--"}
    for ax, name in zip(plots, names, strict=True):
        settings = list(dict.fromkeys(key[1:4] for key in groups if key[0] == name))
        for k, (network, optimizer, rate) in enumerate(settings):
            label = f"{optimizer} {rate:g}" + (f", {network}" if len(PARTS[name][1]) > 1 else "")
            for method in PARTS[name][2]:
                found = groups[name, network, optimizer, rate, method]
                band(ax, found, 3, label if method == "forward" else None, linestyle=lines[method], color=f"C{k}")
        ax.set(xlabel="updates", ylabel="test accuracy", title=PARTS[name][0], ylim=(0, 1.02))
        ax.legend(fontsize=6, framealpha=0.7)
    return figure


if __name__ == "__main__":
    main()
