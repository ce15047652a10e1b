"""A call of `dg.fit` with all that keeps state in it, and what it leaves."""

import numpy as np

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

EPOCHS, BATCHES = 3, 4


def arguments(**changed):
    """A call of fit, made anew: all that keeps state is in it."""
    data = np.random.default_rng(0)
    x, y = data.standard_normal((23, 5)).astype(np.float32), data.integers(0, 3, 23)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 3))
    usual = {
        "objective": nn.Objective(model, nn.cross_entropy), "params": model.init(rng=1), "data": (x, y),
        "estimator": estimators.ForwardGradient(directions.LowRank(), n=3, baseline=0.5),
        "optimizer": optim.Adam(optim.cosine(0.05, steps=12)), "epochs": EPOCHS, "batch_size": 6,
        "validation": (x[::2], y[::2]), "metrics": {"accuracy": nn.accuracy}, "early_stopping": 10, "rng": 4,
        "progress": False,
    }  # fmt: skip
    return usual | changed


def outcome(given, history):
    """All that a run leaves, but for its seconds."""
    rows = [{name: v for name, v in row.items() if name != "seconds"} for row in history.rows]
    best = history.best
    return {
        "params": given["params"], "buffers": given["params"].buffers, "best": best, "best buffers": best.buffers,
        "rows": rows, "best_epoch": history.best_epoch, "stopped": history.stopped,
        "optimizer": given["optimizer"].state_dict(), "estimator": given["estimator"].state_dict(),
    }  # fmt: skip


def fitted(**changed):
    given = arguments(**changed)
    return outcome(given, dg.fit(**given))


def alike(a, b):
    (xs, s), (ys, t) = dg.tree.flatten(a), dg.tree.flatten(b)
    return s == t and all(
        np.asarray(x).dtype == np.asarray(y).dtype and np.array_equal(x, y) for x, y in zip(xs, ys, strict=True)
    )
