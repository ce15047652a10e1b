"""Training small networks as a system: their weights are the state, batches of images the inputs.

Weights may carry a leading axis, a network for each entry: particles are trained side by side. In plain NumPy, so that
the gradient of a step can itself be followed forward.
"""

import itertools
from functools import lru_cache

import numpy as np
from datasets import images

from dualgrad import nn


@lru_cache
def data(source):
    """Images as rows, and classes one-hot, to train on and to validate on."""
    return [(x.reshape(len(x), -1), np.eye(10, dtype=x.dtype)[classes]) for x, classes in images(source)]


def start(source, hidden, seed, dtype=np.float64):
    """Initial weights of a network of ReLU with these hidden layers, by name."""
    train, _ = data(source)
    network = nn.networks.mlp([train[0].shape[1], *hidden, 10])
    return {name: np.array(a) for name, a in network.init(rng=seed, dtype=dtype).items()}


def episode(source, size, steps, rng, validated=False):
    """Inputs and targets of a training run: a step's number and its batch, and the batch on which it is judged.

    That is one to validate on, or the next to train on: judged on what it has just seen, a step could not be too large.
    """
    train, valid = data(source)
    seen = batches(train, size, rng)
    pairs = zip(seen, batches(valid, size, rng), strict=False) if validated else itertools.pairwise(seen)
    return (((t, batch), judge) for t, (batch, judge) in zip(range(steps), pairs, strict=False))


def batches(examples, size, rng):
    """Whole batches without end, epoch after epoch; where there are not as many examples, all of them."""
    while True:
        order = rng.permutation(len(examples[0]))
        for k in range(0, max(len(order) - size, 0) + 1, size):
            yield tuple(a[order[k : k + size]] for a in examples)


def layers(weights):
    """The names of every layer's weight and bias."""
    return [(name, name.replace("weight", "bias")) for name in sorted(weights) if name.endswith("weight")]


def activities(weights, x):
    """What every layer is given, and the logits."""
    seen = [x]
    for weight, bias in layers(weights):
        below = np.maximum(seen[-1], 0) if len(seen) > 1 else x
        seen.append(below @ weights[weight] + weights[bias][..., None, :])
    return seen


def log_softmax(logits):
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def cross_entropy(weights, batch):
    """The mean over a batch, of each network."""
    x, y = batch
    return -np.sum(log_softmax(activities(weights, x)[-1]) * y, axis=(-1, -2)) / len(x)


def gradient(weights, batch):
    """Of `cross_entropy`, by name."""
    x, y = batch
    *seen, logits = activities(weights, x)
    slope, found = (np.exp(log_softmax(logits)) - y) / len(x), {}
    for k, (weight, bias) in reversed(list(enumerate(layers(weights)))):
        below = np.maximum(seen[k], 0) if k else x
        found[weight], found[bias] = np.swapaxes(below, -1, -2) @ slope, np.sum(slope, axis=-2)
        if k:
            slope = (slope @ np.swapaxes(weights[weight], -1, -2)) * (seen[k] > 0)
    return found


def errors(weights, batch):
    """The share of a batch that is not recognised, of each network: no derivative."""
    x, y = batch
    return np.mean(np.argmax(activities(weights, x)[-1], axis=-1) != np.argmax(y, axis=-1), axis=-1)


def zeros_like(weights):
    return {name: np.zeros_like(a) for name, a in weights.items()}
