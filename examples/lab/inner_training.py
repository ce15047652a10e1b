"""Training a small network on digits, as a system: its parameters are the state, its batches the inputs."""

import itertools
from functools import lru_cache

import numpy as np
from datasets import digits

import dualgrad as dg
from dualgrad import nn

from .learning import epochs

BATCH = 50


@lru_cache
def data():
    """Train and validation sets in double precision."""
    (x, y), (x_valid, y_valid) = digits()
    return (x.reshape(len(x), -1).astype(float), y), (x_valid.reshape(len(x_valid), -1).astype(float), y_valid)


def start(model, seed):
    """Initial parameters."""
    return {name: np.array(a) for name, a in model.init(rng=seed, dtype=np.float64).items()}


def episode(objective, rng, steps):
    """Inputs and targets of a training run: a step's number and its batch, and the batch after, on which it is judged.

    Judged on the batch it has just seen, a step could not be too large.
    """
    train, _ = data()
    pairs = itertools.pairwise(epochs(objective, train, BATCH, rng))
    return (((t, batch), after) for t, (batch, after) in zip(range(steps), pairs, strict=False))


def errors(model, weights):
    """The share of validation images that are not recognised: no derivative."""
    _, (x, y) = data()
    return 1 - nn.accuracy(model(weights, x), y)


def zeros_like(weights):
    return dg.tree.map_leaves(np.zeros_like, weights)
