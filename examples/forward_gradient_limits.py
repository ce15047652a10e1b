"""Where forward gradients stop working: the experiments of Forward Gradients Are Not All You Need.

Multilayer, convolutional and residual networks learn by the forward gradient (one direction of LowRank signs, and
beside it the paper's dense normals) and by backpropagation, with SGD and with Adam, at the paper's rates and widths, on
Fashion-MNIST. With batch norm, test accuracy is measured by the running statistics and by those of batches. The last
two studies stand in for its CIFAR section, by digits drawn at 32 x 32, and find the highest stable rate of every model.

    python examples/forward_gradient_limits.py --quick
    python examples/forward_gradient_limits.py --full --only limits-mlp
    python examples/forward_gradient_limits.py --full --only limits-mlp --data ~/cifar-10-batches-bin
"""

import math

import datasets
import limits_claims as claims
import limits_found as found
import numpy as np
from lab import Row, Study, epochs, learn, main
from limits_found import ACCURACY, BY_BATCH, DEEP, DEEP_RATE, FLAT, LOSS, METHODS, NORMED, RATE, RATES, TWO, WIDTHS

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

SEEN, PART = 500, 100  # images: of a training loss; looked at in one go, with batch statistics
ESTIMATORS = {
    "forward": lambda: estimators.ForwardGradient(directions.LowRank()),
    "normals": lambda: estimators.ForwardGradient(directions.Gaussian()),
    "backprop": lambda: estimators.Backprop(),
}


def mlp(shape, width, norm=False):
    """The paper's network: two hidden layers; batch norm, where asked for, after each of their Linear layers."""
    inputs = int(np.prod(shape))
    body = [[nn.Linear(a, width), *([nn.BatchNorm(width)] if norm else []), nn.ReLU()] for a in (inputs, width)]
    return nn.Sequential(nn.Flatten(), *body[0], *body[1], nn.Linear(width, 10))


def network_of(name, shape):
    if name == "conv net":
        return nn.networks.conv_baydin(shape[-1], shape[0])
    if name in DEEP:
        return nn.networks.resnet_small(shape[-1], norm="norm" in name)
    return mlp(shape, int(name.split(",")[0].removeprefix("MLP ")), norm="norm" in name)


def started(model, seed):
    """As Haiku starts, in which the paper was written: normals of deviation 1/√fan-in, none beyond two deviations; no
    biases."""
    params, rng = model.init(rng=seed), dg.Rng(seed).named("start")
    for name, leaf in params.items():
        if leaf.ndim > 1:
            drawn = rng.normal(leaf.shape)
            while np.any(beyond := np.abs(drawn) > 2):
                drawn[beyond] = rng.normal(int(np.sum(beyond)))
            leaf[...] = drawn / math.sqrt(math.prod(leaf.shape[:-1]))
        elif name.endswith("bias"):
            leaf[...] = 0.0
    return params


def training(network, method, optimizer, rate, batch, updates, seed, data=None, size=None, points=20):
    """Its curve: updates, seconds, training loss, test accuracy by running statistics and by those of batches."""
    train, test = datasets.images(data, size)
    model = network_of(network, train[0].shape[1:])
    objective, params = nn.Objective(model, nn.cross_entropy), started(model, seed)
    source, rng = dg.Rng(seed).spawn(2)
    by_batch = {"train": True} if params.buffers else {}
    seen, tested = ((x[:n], y[:n]) for (x, y), n in ((train, SEEN), (test, 500 if network in DEEP else 2000)))

    def mean(measure, data):
        """Over parts of so many images, in which batch statistics are taken."""
        parts = [(x, y) for x, y in zip(*(np.split(a, range(PART, len(a), PART)) for a in data), strict=True)]
        return float(np.average([measure(x, y) for x, y in parts], weights=[len(y) for _, y in parts]))

    def evaluate(params):
        def accuracy(**mode):
            return mean(lambda x, y: nn.accuracy(model(params, x, **mode), y), tested)

        loss = mean(lambda x, y: objective.bind(x, y, **by_batch)(params), seen)
        return loss, accuracy(), accuracy(**by_batch) if by_batch else math.nan

    batches, way = epochs(objective, train, batch, source, **by_batch), getattr(optim, optimizer)(rate)
    curve = learn(ESTIMATORS[method](), way, params, batches, updates, evaluate, rng=rng, points=points)
    return curve if by_batch else [[*row[:BY_BATCH], row[ACCURACY]] for row in curve]


def highest(network, method, optimizer, batch, updates, first, per_decade, bears, seed, data=None):
    """The run at the highest rate that is stable: no loss beyond ``bears`` times its start, the last below it.

    Rates are tried from the ``first`` down, so many in a decade; the curve has the logarithm of the one that was found
    in its last column.
    """
    tried = []
    for rate in rates_from(first, per_decade):
        for length in (-(-updates // 10), updates):  # most rates that are too high are so at once
            curve = training(network, method, optimizer, rate, batch, length, seed, data, points=10)
            losses = np.array(curve, dtype=float)[:, LOSS]
            stable = np.all(losses <= bears * losses[0])
            if not stable:
                break
        tried.append([rate, losses[-1]])
        if stable and losses[-1] < losses[0]:
            return {"curve": [[*row, math.log10(rate)] for row in curve], "tried": tried}
    lost = [None] * (1 + len(curve[0]))
    return {"curve": [[*curve[0], math.nan], [updates, *lost[1:]]], "tried": tried}


def rates_from(first, per_decade):
    """Eight decades of rates, of two digits."""
    return [float(f"{first * 10 ** (-k / per_decade):.2g}") for k in range(8 * per_decade)]


# ---------------------------------------------------------------------- what is run

PAPER = 10 * 937  # updates: the paper does not say how long it trains; ten epochs of MNIST in batches of 64 are assumed
MILLISECONDS = {  # of an update by forward, normals, backprop
    "MLP 512": (2, 9, 4), "MLP 1024": (5, 26, 12), "MLP 2048": (18, 85, 39), NORMED: (4, 12, 7),
    "conv net": (181, 274, 541), "ResNet": (143, 172, 500), "ResNet, batch norm": (299, 332, 711),
}  # fmt: skip
FASHION = {"data": "fashion"}


def row(network, method, optimizer, rate, updates, seeds=3, source=FASHION, later=False, **settings):
    """Runs at one rate, or those that look for the highest."""
    of = {"network": network, "method": method, "optimizer": optimizer, "batch": 64, "updates": updates, **source}
    seconds = updates * MILLISECONDS[network][METHODS.index(method)] / 1e3
    if rate is None:
        settings, seconds = {"first": 20.0, "per_decade": 2, "bears": 1.5}, 2 * seconds
    else:
        settings["rate"] = rate
    return Row(of | settings, seeds, paper=PAPER, seconds=seconds, later=later)


def mlp_rows(updates, seeds=3, **keywords):
    """Figures 2 to 4. What two figures share is one row."""
    cases = [("MLP 512", method, "SGD", rate) for rate in RATES for method in METHODS]
    networks = [*WIDTHS, NORMED]
    cases += [(network, method, way, RATE) for network in networks for way in found.OPTIMIZERS for method in TWO]
    return tuple(row(*case, updates, seeds, **keywords) for case in dict.fromkeys(cases))


def deep_rows(updates, seeds=3, **keywords):
    """Section 4.4 and figure 5."""
    cases = [("conv net", method, "SGD", rate) for rate in (2e-4, 2e-5) for method in TWO]
    cases += [(network, method, way, DEEP_RATE) for network in DEEP[1:] for way in found.OPTIMIZERS for method in TWO]
    return tuple(row(*case, updates, seeds, points=4, **keywords) for case in cases)


def large_rows(updates, seeds=3):
    """Section 4.3, on digits of which each pixel is drawn 4 x 4."""
    cases = [("SGD", rate) for rate in RATES] + [("Adam", RATE)]
    return tuple(row("MLP 1024", method, *case, updates, seeds, {"size": 32}) for case in cases for method in TWO)


def stable_rows(networks, updates, seeds=3, ways=found.OPTIMIZERS, methods=TWO, **keywords):
    """Sections 4.1 and 4.4."""
    return tuple(row(network, method, way, None, updates, seeds, **keywords)
                 for network in networks for way in ways for method in methods)  # fmt: skip


METRIC = ("training loss", "test accuracy", "test accuracy by batch statistics")
SMALL = {"source": {"data": "digits"}}
STUDIES = [
    Study("limits-mlp", training, "updates", METRIC, mlp_rows(3000) + mlp_rows(50_000, later=True),
          mlp_rows(10, 1, **SMALL)[:3], found.mlp_tables, found.draw, claims.mlp_claims),
    Study("limits-deep", training, "updates", METRIC, deep_rows(200, 2) + deep_rows(5000, later=True),
          deep_rows(5, 1, **SMALL)[:1], found.deep_tables, found.draw, claims.deep_claims),
    Study("limits-large", training, "updates", METRIC, large_rows(1000), large_rows(5, 1)[:1],
          found.large_tables, found.draw, claims.large_claims),
    Study("limits-stable", highest, "updates", (*METRIC, "logarithm of the rate"),
          stable_rows(FLAT, 1000) + stable_rows(WIDTHS[:1], 1000, methods=("normals",))
          + stable_rows(FLAT, 200, ways=("SGD",), methods=("forward",)) + stable_rows(DEEP, 200, 2)
          + stable_rows(DEEP, 1000, later=True),
          stable_rows(FLAT, 5, **SMALL)[:1], found.stable_tables, found.draw_stable, claims.stable_claims),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, datasets))
