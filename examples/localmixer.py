"""Local losses: Table 1 of How to guess a gradient, on a small LocalMixer.

Every block of a LocalMixer has a loss of its own, and its gradient is guessed for that loss alone. Backpropagation of
the last loss, the exact gradient of the local losses, and activation perturbation, activation mixing and W^T guesses of
it; the last two also without local losses. All by Adam at 1e-3, as in the paper.

    python examples/localmixer.py --quick
    python examples/localmixer.py --full
    python examples/localmixer.py --full --data ~/cifar-10-batches-bin
"""

import numpy as np
from datasets import images
from lab import arguments, axes, bands, epochs, final, grouped, learn, run, save, shortest, spread, table, verdicts

import dualgrad as dg
from dualgrad import estimators, nn, optim
from dualgrad.estimators import ActivationMixing, ActivationPerturbation, Estimate, TransposedWeight

RATE, BATCH = 1e-3, 128


class ExactLocal:
    """The exact gradient of the local losses: what activation perturbation means on average."""

    inner = ActivationPerturbation(local=True)

    def __repr__(self):
        return "ExactLocal()"

    def estimate(self, objective, params, *, rng=None):
        value = objective.model.local_loss(params, objective.x, objective.y)
        return Estimate(value, self.inner.expectation(None, objective, params), None, 3.0)


METHODS = {  # with what Table 1 has for it, with Adam
    "backprop": (estimators.Backprop, "71.2"),
    "exact, local losses": (ExactLocal, ""),
    "activation, local losses": (lambda: ActivationPerturbation(local=True, store=True), "71.2"),
    "mixing, local losses": (lambda: ActivationMixing(local=True, store=True), "68.8"),
    "W^T, local losses": (lambda: TransposedWeight(local=True, store=True), "72.5"),
    "activation": (lambda: ActivationPerturbation(store=True), ""),
    "W^T": (lambda: TransposedWeight(store=True), ""),
}


def network(shape, mode):
    """Patches a quarter of the image wide; the sizes of the paper are left open by it."""
    size = shape[0]
    small = (
        {"channels": 16, "groups": 2, "blocks": 2} if mode == "quick" else {"channels": 64, "groups": 4, "blocks": 4}
    )
    return nn.networks.LocalMixer(size=size, patch=size // 4, in_channels=shape[-1], **small)


def training(data, mode, method, updates, seed):
    """One run: its curve of updates, seconds, training accuracy of up to 1,000 images, and test accuracy."""
    train, test = images(data)
    model = network(train[0].shape[1:], mode)
    source, rng = dg.Rng(seed).spawn(2)
    seen = train[0][:1000], train[1][:1000]

    def evaluate(params):
        return [nn.accuracy(model(params, x), y) for x, y in (seen, test)]

    batches = epochs(nn.Objective(model, nn.cross_entropy), train, BATCH, source)
    estimator, params = METHODS[method][0](), model.init(rng=seed)
    return learn(estimator, optim.Adam(RATE), params, batches, updates, evaluate, rng=rng)


def main():
    args = arguments(__doc__, "about 5 minutes", "a folder with MNIST's or CIFAR-10's files", updates=600)
    mode = "full" if args.full else "quick"
    updates = args.updates if args.full else min(5, args.updates)
    tasks = [{"data": args.data, "mode": mode, "method": m, "updates": updates, "seed": s}
             for m in METHODS for s in range(args.seeds)]  # fmt: skip
    runs = run(training, tasks, args.jobs, "localmixer")
    groups = grouped(runs, "method")
    fastest = shortest(groups.values())
    rows = []
    for m, g in groups.items():
        reached = spread(final(g, 2)), spread(final(g, 3)), spread(final(g, 3, fastest))
        rows.append([m, *reached, f"{np.nanmean(final(g, 1)):.0f}", METHODS[m][1]])
    reached = "training accuracy", "test accuracy", f"after {fastest:.1f} s"
    columns = ["method", *reached, "seconds", "Table 1 (CIFAR-10)"]
    mean = {m: np.nanmean(final(g, 3)) for m, g in groups.items()}
    activation, mixing, weight = (mean[f"{m}, local losses"] for m in ("activation", "mixing", "W^T"))
    claims = [
        ["local losses help activation perturbation", activation > mean["activation"]],
        ["... and W^T", weight > mean["W^T"]],
        ["W^T beats activation perturbation, local losses", weight > activation],
        ["mixing is behind both", mixing < min(activation, weight)],
        ["W^T is as good as backprop", weight >= mean["backprop"] - 0.01],
    ]
    tables = [
        table(f"LocalMixer, Adam 1e-3, {updates} updates", columns, rows),
        verdicts("Table 1", claims),
    ]
    figure, (left, right) = axes(2)
    for column, ax, title in ((2, left, "Training"), (3, right, "Test")):
        bands(ax, groups, column, ylabel="accuracy", title=title)
    save(args, "localmixer", figure, tables, runs)


if __name__ == "__main__":
    main()
