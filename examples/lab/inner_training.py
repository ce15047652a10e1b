"""Training a small network on digits, as a system: its parameters are the state, its minibatches the inputs."""

from functools import lru_cache

import numpy as np
from datasets import digits

import dualgrad as dg
from dualgrad import nn

BATCH = 50


@lru_cache
def data():
    """Train and validation sets in double precision."""
    (x, y), (x_valid, y_valid) = digits()
    return (x.reshape(len(x), -1).astype(float), y), (x_valid.reshape(len(x_valid), -1).astype(float), y_valid)


def batches(rng):
    """Minibatches without end."""
    (x, y), _ = data()
    while True:
        for rows in rng.permutation(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH):
            yield x[rows], y[rows]


def episode(rng, steps):
    """Inputs and targets of a training run: a step's number and its batch, and the batch after, on which it is judged.

    Judged on the batch it has just seen, a step could not be too large.
    """
    stream = batches(rng)
    batch = next(stream)
    for t in range(steps):
        x, batch = (t, batch), next(stream)
        yield x, batch


class Inner:
    """A network, its loss by the layers' rules (which also take Duals), and its initial parameters by seed."""

    def __init__(self, sizes):
        self.model = nn.networks.mlp(sizes)
        self.objective = nn.Objective(self.model, nn.cross_entropy)

    def start(self, seed):
        return {name: np.array(a) for name, a in self.model.init(rng=seed, dtype=np.float64).items()}

    def gradient(self, weights, batch):
        """The gradient at a batch, a pullback of the layers."""
        return self.objective.bind(*batch).vjp(weights)[1]

    def loss(self, weights, batch):
        return self.objective.bind(*batch)(weights)

    def errors(self, weights, rows=slice(None)):
        """The share of validation images that are not recognised: no derivative."""
        _, (x, y) = data()
        return float(np.mean(np.argmax(self.model(weights, x[rows]), -1) != y[rows]))


def zeros_like(weights):
    return dg.tree.map_leaves(np.zeros_like, weights)
