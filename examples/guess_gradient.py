"""How to guess a gradient (Singhal et al. 2023): what guesses are worth, along the way of backpropagation.

Cosine and one-step effectiveness (figure 1), bias (figure 4, left), spectra of Jacobians (figure 7, right), and the
gradient's part among the activations (figures 2 and 10). Networks of so many ReLU layers of a width, started as PyTorch
does, in which the paper was written. What comes of training by guesses is in guess_training.py.
"""

import time
from functools import lru_cache

import datasets
import guess_found as found
import numpy as np
from guess_found import GUESSES
from lab import Row, Study, epochs, learn, main

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from dualgrad.estimators import ActivationMixing, ActivationPerturbation, Downstream, SelfSharpening, TransposedWeight

BATCH, RATE = 512, 1e-4
METHODS = {
    "directional": lambda: estimators.ForwardGradient(directions.Gaussian()),
    "activation": lambda: ActivationPerturbation(store=True),
    "mixing": lambda: ActivationMixing(store=True),
    "W^T": lambda: TransposedWeight(store=True),
    "downstream": lambda: Downstream(store=True),
    "downstream 2": lambda: Downstream(layers=2, store=True),
    "self-sharpening": lambda: SelfSharpening(store=True),
    "power 0.1": lambda: TransposedWeight(power=0.1, store=True),
    "power 4": lambda: TransposedWeight(power=4, store=True),
    "backprop": lambda: estimators.Backprop(),
}


@lru_cache
def task(data, depth, width):
    """An MLP with ``depth`` hidden layers, its objective, and images to train and to test on."""
    train, test = datasets.images(data)
    model = nn.Sequential(nn.Flatten(), *nn.networks.mlp([train[0][0].size, *[width] * depth, 10]).layers)
    return model, nn.Objective(model, nn.cross_entropy), train, test


def exact(batch, params):
    return estimators.Backprop().estimate(batch, params).gradient.vector


def cosine_to(g, v):
    return float(g @ v / (np.linalg.norm(g) * np.linalg.norm(v) or 1.0))


# ---------------------------------------------------------------------- figure 1


def along_backprop(data, depth, width, batch, rate, samples, updates, seed):
    """At points along backprop's way: cosines and one-step effectiveness of every method's estimates."""
    model, objective, train, _ = task(data, depth, width)
    source, others, rng = dg.Rng(seed).spawn(3)
    batches, probed = (epochs(objective, train, batch, stream) for stream in (source, others))
    params = model.init(rng=seed)
    curve = learn(
        estimators.Backprop(), optim.AdamW(rate), params, batches, updates,
        lambda params: probe(next(probed), params, samples, rng), points=10,
    )  # fmt: skip
    return {"curve": curve, "weights": params.size}


def probe(batch, params, samples, rng):
    """Of each method the mean |cos|, then what a step lowers the loss by, relative to a step of backprop: at the best
    of the paper's rates, and at the best length.

    In float64: what directional descent lowers the loss by is beyond float32.
    """
    params = params.at(params.vector.astype(np.float64))
    g, cosines, effects = exact(batch, params), [], []
    best = lowered(batch, params, g)
    for method in GUESSES:
        found = [METHODS[method]().estimate(batch, params, rng=rng).gradient.vector for _ in range(samples)]
        cosines.append(float(np.mean([abs(cosine_to(g, v)) for v in found])))
        scale = params.size if method == "directional" else 1  # the paper's guesses have entries of N(0, 1/p)
        reached = np.mean([lowered(batch, params, v / scale) for v in found[: max(1, samples // 2)]], axis=0)
        effects.append(reached / best)
    return [*cosines, *(float(part) for part in np.transpose(effects).ravel())]


def lowered(batch, params, v):
    """By how much the loss falls in a step along -v: at the best of the paper's rates, 0.1 to 1e-5, and at the best
    length, of 1e-5 and what is longer by factors of √10, until the loss rises."""
    value = batch(params)

    def decrease(size):
        return float(value - batch(params.at(params.vector - size * v)))

    size = 1e-5 / np.linalg.norm(v)
    best = decrease(size)
    while (further := decrease(size := size * np.sqrt(10))) > best:
        best = further
    return max(decrease(10.0**-k) for k in range(1, 6)), best


# ---------------------------------------------------------------------- figure 4, left


def averaging(data, method, depth, width, batch, rate, before, images, guesses, seed):
    """Cosine of the average of 1, 2, 4 ... guesses, at a network trained a little. A few images: mixing needs some."""
    model, objective, train, _ = task(data, depth, width)
    params, rng = model.init(rng=seed), dg.Rng(seed + 1)
    learn(estimators.Backprop(), optim.AdamW(rate), params, epochs(objective, train, batch, dg.Rng(seed)), before)
    few, begun = objective.bind(train[0][:images], train[1][:images]), time.process_time()
    g, total, curve = exact(few, params), 0.0, []
    for k in range(1, guesses + 1):
        total = total + METHODS[method]().estimate(few, params, rng=rng).gradient.vector
        if k & (k - 1) == 0:
            curve.append([k, time.process_time() - begun, cosine_to(g, total)])
    return curve


# ---------------------------------------------------------------------- figure 7, right


def jacobians(data, depth, width, images, seed):
    """Effective rank of the derivative of 1, 2 ... ReLU layers after the first, on average over images; the spectra."""
    model, _, (x, _), _ = task(data, depth, width)
    params, begun, spectra = model.init(rng=seed), time.process_time(), []
    for example in x[:images]:
        h = np.maximum(example.reshape(1, -1) @ params["1.weight"] + params["1.bias"], 0)
        spectra.append(list(spectra_behind(h, [params[f"{2 * k + 1}.weight"] for k in range(1, depth - 1)])))
    ranks = [[float(estimators.effective_rank(s)) for s in found] for found in spectra]
    seconds = time.process_time() - begun
    return {"curve": [[images, seconds, *np.mean(ranks, axis=0)]], "spectra": np.mean(spectra, axis=0)}


def spectra_behind(h, weights):
    """Singular values of the derivative of ReLU layers at h, relative to the largest, after every layer."""
    jacobian = np.eye(h.shape[1])
    for w in weights:
        h = h @ w
        jacobian = jacobian @ w * (h > 0)
        h = np.maximum(h, 0)
        s = np.linalg.svd(jacobian, compute_uv=False)
        yield s / s[0]


# ---------------------------------------------------------------------- figures 2 and 10


def among_activations(data, depth, width, batch, rate, updates, seed):
    """Along backprop: the cosine of the gradient and its projection on 10 and 100 components of the activations, and
    of random ones; means over the layers behind the first. Also of every layer, and at the end all components."""
    model, objective, train, _ = task(data, depth, width)
    few, last, parts = (train[0][:batch], train[1][:batch]), [], {}

    def evaluate(params):
        last[:] = estimators.subspace(model, params, *few, rng=seed)
        at = [min(count, len(last[0].activations)) - 1 for count in (10, 100)]
        for layer in last:
            parts.setdefault(layer.name, []).append(
                [float(of[k]) for of in (layer.activations, layer.random) for k in at]
            )
        return np.mean([part[-1] for part in parts.values()], axis=0).tolist()

    batches = epochs(objective, train, batch, dg.Rng(seed))
    curve = learn(estimators.Backprop(), optim.AdamW(rate), model.init(rng=seed), batches, updates, evaluate, points=10)
    return {"curve": curve, "parts": parts, "layers": {layer.name: [layer.activations, layer.random] for layer in last}}


# ---------------------------------------------------------------------- what is run

EPOCH = 97  # updates of CIFAR-10's 50,000 images, in batches of 512


def network(data, depth, width, **settings):
    return {"data": data, "depth": depth, "width": width, **settings}


def trained(*of, **settings):
    return network(*of, batch=BATCH, rate=RATE, **settings)


def averages(data, depth, width, before, guesses, seeds, times=1, later=False):
    """Of guesses; averages of random directions are biased by nothing, and take long."""
    return tuple(Row(trained(data, depth, width, method=m, before=before, images=8, guesses=guesses), seeds, paper=8192,
                     seconds=8.5 * times, later=later) for m in GUESSES[1:])  # fmt: skip


STUDIES = [
    Study("guess-cosine", along_backprop, "updates", found.COLUMNS,
          tuple(Row(trained("fashion", *shape, samples=6, updates=1_000), seeds, paper=50 * EPOCH, seconds=seconds)
                for shape, seeds, seconds in (((3, 128), 3, 40), ((6, 128), 3, 60), ((6, 1024), 3, 800))),
          (Row(trained("digits", 3, 32, samples=2, updates=5), 2, paper=50 * EPOCH),),
          found.cosine_tables, found.cosine_figure, found.cosine_claims),
    Study("guess-bias", averaging, "guesses", ("cosine",),
          averages("fashion", 6, 128, EPOCH, 8192, 3) + averages("fashion", 6, 1024, EPOCH, 8192, 3, 20, later=True),
          averages("digits", 3, 16, 2, 16, 2),
          found.bias_tables, found.bias_figure, found.bias_claims),
    Study("guess-layers", jacobians, "images", tuple(f"effective rank, {k} layers" for k in range(1, 5)),
          (Row(network("fashion", 6, 256, images=20), seconds=10),), (Row(network("digits", 6, 16, images=2), 2),),
          found.jacobian_tables, found.jacobian_figure, found.jacobian_claims),
    Study("guess-subspaces", among_activations, "updates",
          ("10 components", "100 components", "10 random", "100 random"),
          tuple(Row(trained("fashion", depth, 1024, updates=500), seeds, paper=20 * EPOCH, seconds=seconds)
                for depth, seeds, seconds in ((3, 3, 70), (6, 3, 150))),
          (Row(trained("digits", 3, 16, updates=10), 2, paper=20 * EPOCH),),
          found.subspace_tables, found.subspace_figure, found.subspace_claims),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, datasets))
