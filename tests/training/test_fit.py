"""`dg.fit` is the loop that one would write, to the bit, for every estimator and optimizer; its history, validation,
early stopping and callbacks; and what it refuses leaves everything as it was.
"""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import estimators, nn, optim
from dualgrad.estimators.mezo import MeZO
from dualgrad.optim.hyperparameters import rate
from tests.support.rooms import RUNS, Run, Steps, network, plain, sequence

rng = np.random.default_rng(3)
X, Y = rng.standard_normal((14, 3)), rng.standard_normal((14, 2))
SEQUENCES = rng.standard_normal((5, 14, 2)), rng.standard_normal((5, 14, 1))


def same(a, b):
    """Whether two trees of arrays are equal bit for bit."""
    return all(np.array_equal(x, y) for x, y in zip(dg.tree.leaves(a), dg.tree.leaves(b), strict=True))


def hand_written(objective, params, data, *, estimator, optimizer, epochs, batch_size, rng, **how):
    """The loop, as docs/training.md and the docstring of fit have it; the mean loss of each epoch."""
    stream, draws = dg.Rng(rng).spawn(2)
    takes, losses = getattr(objective.model, "takes", ()), []
    train = {"train": True} if "train" in takes else {}
    for _ in range(epochs):
        total, seen = 0.0, 0
        for batch in objective.batches(*data, batch_size, rng=stream, **train, **how):
            if isinstance(estimator, MeZO) or isinstance(getattr(estimator, "base", None), MeZO):
                lr = rate(optimizer.lr, optimizer.steps + 1)
                estimate = estimator.step(batch, params, lr=lr, rng=draws)
                optimizer.steps += 1
            else:
                estimate = estimator.estimate(batch, params, rng=draws)
                if getattr(params, "buffers", None):
                    objective.model.update_buffers(params, batch.x, **batch.keywords())
                optimizer.step(params, estimate.gradient)
            n = dg.tree.leaves(batch.y)[0].shape[how.get("axis", 0)]
            total, seen = total + float(estimate.value) * n, seen + n
        losses.append(total / seen)
    return losses


def of_network():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 2))
    return nn.Objective(model, nn.mse), (X, Y)


def of_sequences():
    return nn.Objective(nn.Sequential(nn.RNN(2, 3), nn.Linear(3, 1)), nn.mse), SEQUENCES


ESTIMATORS = {name: (make, place) for name, (kind, make, place) in RUNS.items() if kind in (Run, Steps)}
PLACES = {network: of_network, plain: of_network, sequence: of_sequences}


def both(make, place, dtype=np.float64, make_optimizer=None, **how):
    """Fit and the hand-written loop: parameters and losses of each."""
    found = []
    for train in (dg.fit, hand_written):
        objective, data = place()
        params = objective.model.init(rng=1, dtype=dtype)
        data = tuple(a.astype(dtype) for a in data)
        settings = {"epochs": 2, "batch_size": 4, "rng": 7} | how
        settings |= {"axis": 1} if place is of_sequences else {}
        if train is dg.fit:
            settings |= {"progress": False}
        estimator, optimizer = make(), optim.SGD(0.05) if make_optimizer is None else make_optimizer()
        losses = train(objective, params, data, estimator=estimator, optimizer=optimizer, **settings)
        state = optimizer.state_dict()
        found.append((params, losses["loss"] if train is dg.fit else losses, state))
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_fit_is_the_loop_for_every_estimator(name, dtype):
    make, place = ESTIMATORS[name]
    if name == "MeZO.estimate":
        make = estimators.MeZO
    (params, losses, state), (expected, means, other) = both(make, PLACES[place], dtype)
    assert same(params, expected)
    assert params.dtype == dtype
    assert losses == means
    assert state["steps"] == other["steps"] == 8
