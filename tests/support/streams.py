"""A call of `online.fit` with all that keeps state in it, and what it leaves."""

import numpy as np

import dualgrad as dg
from dualgrad import nn, online, optim
from tests.support.rooms import RUNS, Learning

LEARNERS = {name: run for name, run in RUNS.items() if run[0] is Learning}
EPISODE = 6


def begun(name):
    """A learner of the catalogue that was started, its optimizer, and its stream, with ends of episodes."""
    _, make, place = LEARNERS[name]
    system, params, data = place(np.float64)
    learner = make().start(system, params, rng=3)
    optimizer = getattr(learner, "metric", None) or optim.Adam(0.01)
    return learner, optimizer, lambda t: (*data(t), (t + 1) % EPISODE == 0)


def reader(length, learner=None):
    """A small network that reads numbers, in episodes that end now and then."""
    rng = np.random.default_rng(0)
    network = online.Network(nn.RNNCell(2, 4), nn.Linear(4, 2), nn.cross_entropy)
    learner = (learner or online.NoBackTrack()).start(network, network.init(rng=0, dtype=np.float64), rng=1)
    stream = rng.normal(size=(length, 2)), rng.integers(0, 2, length), rng.uniform(size=length) < 0.01
    return learner, optim.Adam(optim.inverse_sqrt(0.03)), stream


def left(learner, optimizer, history):
    """All that a run leaves, but for its seconds."""
    rows = [{name: v for name, v in row.items() if name != "seconds"} for row in history.rows]
    return {
        "params": learner.params, "learner": learner.state_dict(), "optimizer": optimizer.state_dict(), "rows": rows,
        "stopped": history.stopped,
    }  # fmt: skip


def read(length, learner=None, **options):
    """What reading so much leaves."""
    learner, optimizer, stream = reader(length, learner)
    history = online.fit(learner, optimizer, stream, progress=False, **{"every": 100} | options)
    return left(learner, optimizer, history)


def alike(a, b):
    (xs, s), (ys, t) = dg.tree.flatten(a), dg.tree.flatten(b)
    return s == t and all(
        np.asarray(x).dtype == np.asarray(y).dtype and np.array_equal(x, y) for x, y in zip(xs, ys, strict=True)
    )
