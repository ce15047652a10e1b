"""How to guess a gradient (Singhal et al. 2023): training by guesses.

Networks of two depths by every method (figure 3, Table 2; figure 7, left: two downstream layers), a control at the same
cosine with and without momentum (figure 4), self-sharpening and powers of W's singular values (figure 5), optimizers at
their best rates (figure 6).
"""

import datasets
import guess_trained as found
import numpy as np
from guess_gradient import BATCH, EPOCH, METHODS, RATE, cosine_to, exact, network, task
from guess_trained import MATCHED, OPTIMIZERS, SWEPT, TRAINED, WAYS
from lab import Row, Study, epochs, learn, main

import dualgrad as dg
from dualgrad import estimators, nn, optim
from dualgrad.directions import as_vector

METRIC = ("test accuracy", "training accuracy", "cosine", "effective rank of the first weight")


def training(data, method, depth, width, optimizer, rate, batch, updates, seed, cosine=None, momentum=0.0, decay=None):
    """One run: its curve of updates, seconds, test and training accuracy, cosine, and rank of the first weight."""
    model, objective, train, test = task(data, depth, width)
    params, (source, rng) = model.init(rng=seed), dg.Rng(seed).spawn(2)
    estimator = METHODS[method]() if cosine is None else estimators.MatchedCosine(METHODS[method](), cosine)
    settings = {"momentum": momentum} if optimizer == "SGD" else {} if decay is None else {"weight_decay": decay}
    seen, probe = tuple(part[:2000] for part in train), objective.bind(*(part[:batch] for part in train))

    def evaluate(params):
        g = exact(probe, params)
        own = [cosine_to(g, as_vector(estimator.estimate(probe, params, rng=k).gradient)) for k in range(8)]
        rank = estimators.effective_rank(np.linalg.svd(params["1.weight"], compute_uv=False))
        return *(nn.accuracy(model(params, x), y) for x, y in (test, seen)), float(np.mean(own)), float(rank)

    way, batches = getattr(optim, optimizer)(rate, **settings), epochs(objective, train, batch, source)
    return learn(estimator, way, params, batches, updates, evaluate, rng=rng)


# ---------------------------------------------------------------------- what is run

PAPER = 1000 * EPOCH  # updates of Table 2 and figures 4, 6 and 7
ADAM = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
PLAIN = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)
RATES = {"AdamW": ADAM, "StableAdamW": ADAM, "SGD": PLAIN}
MILLISECONDS = {"directional": 8, "activation": 12, "mixing": 27, "W^T": 12, "downstream": 12, "downstream 2": 12,
                "self-sharpening": 10, "power 0.1": 32, "power 4": 32, "backprop": 8}  # at 6x128  # fmt: skip


def row(data, method, depth, width, updates, seeds, optimizer="AdamW", batch=BATCH, rates=(), paper=PAPER, later=False,
        **settings):  # fmt: skip
    """Runs of a method, with what they take: of 1,024 units 25 times as long."""
    each = MILLISECONDS[method] * depth / 6 * (0.45 if batch < BATCH else 1) * (25 if width == 1024 else 1)
    own = {} if rates else {"rate": RATE}
    return Row(network(data, depth, width, method=method, optimizer=optimizer, batch=batch, updates=updates, **own,
                       **settings), seeds, rates, paper, updates * each / 1e3, later)  # fmt: skip


def trained(data, depth, width, updates, seeds, **more):
    return tuple(row(data, m, depth, width, updates, seeds,
                     "StableAdamW" if m == "self-sharpening" else "AdamW", **more)
                 for m in TRAINED if m != "downstream 2" or depth == 6)  # fmt: skip


def controls(data, depth, width, updates, seeds, rates, **more):
    return tuple(row(data, m, depth, width, updates, seeds, o, rates=rates[o], momentum=momentum, cosine=c, **more)
                 for o, momentum in WAYS for m, c in MATCHED)  # fmt: skip


def sharpened(data, width, updates, seeds):
    arms = [("power 0.1", "AdamW", 50_000), ("W^T", "AdamW", 50_000), ("power 4", "AdamW", 50_000),
            ("self-sharpening", "StableAdamW", PAPER)]  # fmt: skip
    return tuple(row(data, m, 6, width, updates, seeds, o, batch=128, paper=paper, decay=0.0) for m, o, paper in arms)


def swept(data, width, updates, seeds, rates, **more):
    return tuple(row(data, m, 3, width, updates, seeds, o, rates=rates[o], **more) for o in OPTIMIZERS for m in SWEPT)


ONE = dict.fromkeys(RATES, (1e-3,))
STUDIES = [
    Study("guess-training", training, "updates", METRIC,
          trained("fashion", 3, 128, 9_700, 3) + trained("fashion", 6, 128, 9_700, 3)
          + trained("fashion", 3, 1024, 9_700, 3, later=True) + trained("fashion", 6, 1024, 9_700, 3, later=True),
          trained("digits", 6, 16, 5, 2),
          found.training_tables, found.training_figure, found.training_claims),
    Study("guess-matched", training, "updates", METRIC,
          controls("fashion", 6, 128, 500, 3, RATES) + controls("fashion", 6, 128, PAPER, 3, RATES, later=True),
          controls("digits", 3, 16, 5, 2, ONE),
          found.matched_tables, found.matched_figure, found.matched_claims, best=(found.TRAIN, max)),
    Study("guess-sharpening", training, "updates", METRIC,
          sharpened("fashion", 128, 50_000, 3), sharpened("digits", 16, 5, 2),
          found.sharpening_tables, found.sharpening_figure, found.sharpening_claims),
    Study("guess-sweep", training, "updates", METRIC,
          swept("fashion", 128, 500, 3, RATES) + swept("fashion", 128, 20_000, 3, RATES, later=True),
          swept("digits", 16, 5, 2, ONE),
          found.sweep_tables, found.sweep_figure, found.sweep_claims, best=(found.TRAIN, max)),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, datasets))
