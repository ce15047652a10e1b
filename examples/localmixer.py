"""Local losses: Table 1 of How to guess a gradient, on a small LocalMixer.

Every block of a LocalMixer has a loss of its own, and its gradient is guessed for that loss alone. Backpropagation of
the last loss, the exact gradient of the local losses, and activation perturbation, activation mixing and W^T guesses of
it; activation perturbation and W^T also without local losses. All by Adam at 1e-3, as in the paper.
"""

import datasets
import numpy as np
from lab import Claim, Row, Study, axes, bands, epochs, learn, main, table
from lab.curves import ends, final, grouped, shortest, spread
from lab.verdicts import above, below, contrary, together

import dualgrad as dg
from dualgrad import estimators, nn, optim
from dualgrad.estimators import ActivationMixing, ActivationPerturbation, Estimate, TransposedWeight


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


def network(shape, **sizes):
    """Patches a quarter of the image wide; the sizes of the paper are left open by it."""
    return nn.networks.LocalMixer(size=shape[0], patch=shape[0] // 4, in_channels=shape[-1], **sizes)


def training(data, method, channels, groups, blocks, rate, batch, updates, seed):
    """One run: its curve of updates, seconds, training and test accuracy, of 2,000 images each."""
    train, test = datasets.images(data)
    model = network(train[0].shape[1:], channels=channels, groups=groups, blocks=blocks)
    source, rng = dg.Rng(seed).spawn(2)
    seen, unseen = (tuple(array[:2000] for array in part) for part in (train, test))

    def evaluate(params):
        return [nn.accuracy(model(params, x), y) for x, y in (seen, unseen)]

    batches = epochs(nn.Objective(model, nn.cross_entropy), train, batch, source)
    estimator, params = METHODS[method][0](), model.init(rng=seed)
    return learn(estimator, optim.Adam(rate), params, batches, updates, evaluate, rng=rng, points=10)


def tables(runs):
    found = grouped(runs, "method")
    soonest, lines = shortest(found.values()), []
    for m, g in found.items():
        reached = spread(final(g, 2)), spread(final(g, 3)), spread(final(g, 3, soonest))
        lines.append([m, *reached, f"{np.nanmean(final(g, 1)):.0f}", METHODS[m][1]])
    reached = "training accuracy", "test accuracy", "test accuracy at equal time"
    columns = ["method", *reached, "seconds", "Table 1, CIFAR-10"]
    return {"localmixer": table("LocalMixer, Adam at {rate:g}, {updates:,} updates".format(**runs[0]), columns, lines)}


def claims(runs):
    found = grouped(runs, "method")
    backprop = found.get("backprop", [])
    activation, mixing, weight = (found.get(f"{m}, local losses", []) for m in ("activation", "mixing", "W^T"))
    alone = [found.get(m, []) for m in ("activation", "W^T")]
    yield Claim("local losses help activation perturbation and W^T", "figure 8", ends([activation, weight, *alone], 3),
                together(above(activation, alone[0], 3), above(weight, alone[1], 3)))  # fmt: skip
    yield Claim("W^T is ahead of activation perturbation", "72.5, 71.2", ends([weight, activation], 3),
                above(weight, activation, 3))  # fmt: skip
    soonest = shortest([weight, activation]) if weight and activation else np.nan
    yield Claim("... in equal time", "", ends([weight, activation], 3, soonest),
                above(weight, activation, 3, at=soonest))  # fmt: skip
    yield Claim("mixing is behind both", "68.8", ends([mixing, activation, weight], 3),
                together(*(below(mixing, g, 3) for g in (activation, weight))))  # fmt: skip
    yield Claim("W^T is as good as backprop, within 0.01", "72.5, 71.2", ends([weight, backprop], 3),
                contrary(above(backprop, weight, 3, 0.01)))  # fmt: skip


def draw(runs):
    figure, plots = axes(2)
    for column, ax, title in zip((2, 3), plots, ("Training", "Test"), strict=True):
        bands(ax, grouped(runs, "method"), column, ylabel="accuracy", title=f"{title} (Table 1)")
    return figure


def rows(data, updates, seeds, **sizes):
    settings = {"data": data, **sizes, "rate": 1e-3, "batch": 128, "updates": updates}
    return tuple(Row({"method": m, **settings}, seeds, paper=500 * 390, seconds=updates * MILLISECONDS / 1e3)
                 for m in METHODS)  # fmt: skip


MILLISECONDS = 110
STUDIES = [
    Study("localmixer", training, "updates", ("training accuracy", "test accuracy"),
          rows("fashion", 200, 2, channels=64, groups=4, blocks=4),
          rows("digits", 2, 2, channels=8, groups=2, blocks=2), tables, draw, claims),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, datasets))
